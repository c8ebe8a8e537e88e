//! The look at the record of the stack's name, and at its zone.
use crate::{
    aws::{listing, words::dns},
    resources::hosted_zone,
    snapshot::{Look, Part},
};
use aws_sdk_route53::types::RrType;
use serde::{Deserialize, Serialize};

/// The name of the stack as Route 53 has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Name {
    /// The id of the hosted zone. `None`: the account has none for the name.
    pub zone: Option<String>,
    /// The name of the hosted zone.
    pub zone_name: String,
    /// What the record points at. `None`: there is no record.
    pub target: Option<String>,
}

/// Reads the zone and the record, if the stack has a name.
pub(crate) async fn find(look: &Look<'_>) {
    let Some(expected) = &look.expected.dns else { return };
    let found = look.ask(Part::Dns, "ListResourceRecordSets", async {
        // The stack's own private zones are found by its VPC, which only an existing network has before.
        let vpc = look.expected.vpc.as_deref().filter(|_| look.expected.internal);
        let zone = hosted_zone::of_name(look.aws, &expected.name, expected.zone.as_deref(), vpc).await?;
        let Some(zone) = zone else { return Ok(Some(Name::default())) };
        let records = listing::records(look.aws, &zone.id, &expected.name).await?;
        let there: Vec<String> = records.iter().filter(|r| dns::is_in_place(r, &RrType::A)).map(dns::target).collect();
        let target = Some(there.join(", ")).filter(|target| !target.is_empty());
        Ok(Some(Name { zone: Some(zone.id), zone_name: zone.name, target }))
    });
    let found = found.await;
    look.keep(|s| s.name = found);
}
