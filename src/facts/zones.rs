//! The zones to build in, and what AWS offers in each.
use super::{ranges::ours_of, unseen};
use crate::{
    aws::{Aws, error::AwsResult, listing, tags},
    config::{Config, Service},
    error::{Error, Result},
    record::Proof,
};
use aws_sdk_ec2::types::{Filter, InstanceTypeOffering, LocationType};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// The zones to build in.
#[derive(Default)]
pub(super) struct Zones {
    /// The zones, in order.
    pub names: Vec<String>,
    /// Why nothing can be built there, if so.
    pub unfit: Option<Error>,
    /// Remarks about the choice.
    pub words: Vec<String>,
}

/// The instance types that each zone offers, of those that were asked for.
pub(super) type Offers = BTreeMap<String, BTreeSet<String>>;

/// Returns the zones of the stack's subnets; without any, the first two that offer what the stack needs.
pub(super) async fn ours(aws: &Aws, config: &Config) -> Result<Zones> {
    let subnets = match listing::subnets(aws).await {
        // The subnets' own steps report that.
        Err(e) if unseen(&e) => Rc::default(),
        other => other?,
    };
    let proof = Proof::load(aws, &config.name).await;
    let public = |s: &&aws_sdk_ec2::types::Subnet| {
        tags::ec2::from(s.tags()).get(aws.keys.step()).is_some_and(|step| step.starts_with("subnet/public-"))
    };
    let ours = ours_of(&proof, &subnets);
    let standing: BTreeSet<String> = ours.filter(public).filter_map(|s| s.availability_zone.clone()).collect();
    if standing.len() >= 2 {
        return Ok(Zones { names: standing.into_iter().collect(), ..Zones::default() });
    }
    let suited = suited(aws, config).await?;
    let mut zones = Zones { names: suited.names.clone(), unfit: None, words: suited.words.clone() };
    zones.names.truncate(2);
    if zones.names.len() < 2 {
        zones.unfit = Some(suited.too_few(config, &aws.region));
        zones.names = first_letters(&aws.region);
    }
    Ok(zones)
}

/// The zones of a region: those that offer what the stack needs, and the others.
pub(super) struct Suited {
    /// The zones that offer it, in order.
    pub names: Vec<String>,
    /// The zones that do not, with what each lacks.
    pub others: Vec<(String, String)>,
    /// Remarks about the choice.
    pub words: Vec<String>,
}

impl Suited {
    /// Returns the instance type that most of the other zones lack.
    fn instance_type<'a>(&self, config: &'a Config) -> &'a String {
        let lack = |kind: &&String| self.others.iter().filter(|(_, lacks)| lacks == *kind).count();
        let types = config.services().map(|service| &service.table.instance_type);
        types.max_by_key(lack).expect("a checked config has a service")
    }

    fn too_few(&self, config: &Config, region: &str) -> Error {
        let of_class = |(_, lacks): &&(String, String)| *lacks == config.database.class;
        let (what, key) = match self.others.iter().filter(of_class).count() > self.others.len() / 2 {
            true => (&config.database.class, "class under [database]"),
            false => (self.instance_type(config), "instance_type"),
        };
        Error::other(
            format!("{what} is offered in fewer than two zones of {region}"),
            format!(
                "choose another {key}, or another region; or name the zones that you know to have it: \
                 zones = [\"…\", \"…\"]"
            ),
        )
    }
}

/// Finds the zones of the region that offer what the stack needs. A call that is denied does not narrow the choice.
pub(super) async fn suited(aws: &Aws, config: &Config) -> Result<Suited> {
    let (available, offers, classes) = futures::join!(available(aws), offers(aws, config), database_zones(aws, config));
    let mut words = vec![];
    let mut seen = |what: Result<Option<BTreeSet<String>>>, unknown: &str| match what {
        Err(e) if unseen(&e) => {
            words.push(format!("{unknown} ({e}): name zones that have it, zones = [\"…\", \"…\"], if these do not"));
            Ok(None)
        }
        other => other,
    };
    let wanted: BTreeSet<&String> = config.services().map(|service| &service.table.instance_type).collect();
    let names = wanted.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ");
    // By type: the zones that offer it.
    let mut by_type: Vec<(&String, Option<BTreeSet<String>>)> = vec![];
    match offers {
        Ok(all) => {
            for kind in &wanted {
                let offered = all.iter().filter(|(_, offered)| offered.contains(*kind));
                by_type.push((kind, Some(offered.map(|(zone, _)| zone.clone()).collect())));
            }
        }
        Err(e) => _ = seen(Err(e), &format!("whether the zones offer {names} is not known"))?,
    }
    let classes = seen(classes, &format!("whether the zones offer {} is not known", config.database.class))?;
    let available = seen(available.map(Some), "which zones the region has is not known")?;
    let offered = || by_type.first().and_then(|(_, zones)| zones.clone());
    let known = available.or_else(offered).unwrap_or_else(|| first_letters(&aws.region).into_iter().collect());
    by_type.push((&config.database.class, classes));
    let lacks = |zone: &String| {
        let is_lacked =
            |(_, zones): &&(&String, Option<BTreeSet<String>>)| zones.as_ref().is_some_and(|z| !z.contains(zone));
        by_type.iter().find(is_lacked).map(|(what, _)| (*what).clone())
    };
    let (mut names, mut others) = (vec![], vec![]);
    for zone in known.into_iter().filter(|zone| is_of_region(zone, &aws.region)) {
        match lacks(&zone) {
            None => names.push(zone),
            Some(what) => others.push((zone, what)),
        }
    }
    Ok(Suited { names, others, words })
}

/// True for a zone of the region itself. Local and Wavelength Zones have longer names.
pub(super) fn is_of_region(zone: &str, region: &str) -> bool {
    let letter = zone.strip_prefix(region).unwrap_or_default();
    letter.len() == 1 && letter.chars().all(|c| c.is_ascii_lowercase())
}

fn first_letters(region: &str) -> Vec<String> {
    ["a", "b"].map(|letter| format!("{region}{letter}")).to_vec()
}

/// Returns the instance types of a fleet: the service's own first.
pub(super) fn types(service: &Service) -> Vec<String> {
    let more = service.spot.iter().flat_map(|s| &s.types).filter(|t| **t != service.instance_type);
    std::iter::once(&service.instance_type).chain(more).cloned().collect()
}

/// Returns what the zones offer of the fleets' instance types, by one call.
pub(super) async fn offers(aws: &Aws, config: &Config) -> Result<Rc<Offers>> {
    let mut types: Vec<String> = config.services().flat_map(|service| types(service.table)).collect();
    types.sort();
    types.dedup();
    let call = async || {
        let filter = Filter::builder().name("instance-type").set_values(Some(types.clone())).build();
        let call = aws.ec2.describe_instance_type_offerings().location_type(LocationType::AvailabilityZone);
        let all: Vec<InstanceTypeOffering> = call
            .filters(filter)
            .into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .during("DescribeInstanceTypeOfferings")?;
        let mut offers = Offers::new();
        for offer in all {
            if let (Some(zone), Some(kind)) = (offer.location, offer.instance_type) {
                offers.entry(zone).or_default().insert(kind.as_str().to_owned());
            }
        }
        Ok(offers)
    };
    aws.reads.get(format!("offerings of {}", types.join(" ")), call).await
}

/// Returns the region's own zones that take new objects.
async fn available(aws: &Aws) -> Result<BTreeSet<String>> {
    let all = aws
        .ec2
        .describe_availability_zones()
        .filters(Filter::builder().name("zone-type").values("availability-zone").build())
        .send()
        .await
        .during("DescribeAvailabilityZones")?;
    let all = all.availability_zones.unwrap_or_default().into_iter();
    Ok(all.filter(|z| z.state().is_none_or(|s| s.as_str() == "available")).filter_map(|z| z.zone_name).collect())
}

/// Returns the zones in which RDS offers the database's class; `None` if the stack has no database of its own.
///
/// One page of the answer is enough, because all versions of a series are offered alike.
pub(super) async fn database_zones(aws: &Aws, config: &Config) -> Result<Option<BTreeSet<String>>> {
    let database = &config.database;
    if database.mode != crate::config::Mode::Create {
        return Ok(None);
    }
    let call = async || {
        let call = aws.rds.describe_orderable_db_instance_options().engine(database.engine.word()).vpc(true);
        let page = call.db_instance_class(&database.class).send().await.during("DescribeOrderableDBInstanceOptions")?;
        let options = page.orderable_db_instance_options.unwrap_or_default().into_iter();
        let zones = options.flat_map(|o| o.availability_zones.unwrap_or_default()).filter_map(|z| z.name);
        Ok(zones.collect::<BTreeSet<String>>())
    };
    let found = aws.reads.get(format!("orderable {} {}", database.engine, database.class), call).await?;
    Ok(Some((*found).clone()))
}
