//! The look at the distribution.
use crate::{
    aws::listing,
    error::{Error, Result},
    resources::{
        distribution::{DEPLOYED, is_before, title},
        distribution_config::header,
        origin_header,
    },
    snapshot::{Look, Part},
};
use aws_sdk_cloudfront::types::DistributionSummary;
use serde::{Deserialize, Serialize};

/// A CloudFront distribution.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Distribution {
    pub id: String,
    pub domain: String,
    pub enabled: bool,
    /// True if all of CloudFront's places know it as it is.
    pub deployed: bool,
    /// The names of the servers that it asks.
    pub origins: Vec<String>,
    /// A mark of the value of the header by which the balancer recognises its requests. `None`: it sends none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
}

/// Finds the stack's own distribution: by its comment, or as the one before the stack's balancer.
pub(crate) async fn find(look: &Look<'_>) {
    let Some(step) = look.expected.cdn.as_ref().map(|cdn| cdn.step.as_str()) else { return };
    let title = title(&look.whose.stack, step, &look.whose.region);
    let found = look.ask(Part::Cdn, "ListDistributions", async {
        let balancer = listing::balancer(look.aws, &look.expected.names.balancer);
        let (all, balancer) = futures::try_join!(listing::distributions(look.aws), balancer)?;
        let balancer = balancer.as_ref().and_then(|b| b.dns_name());
        the_one(all.iter().filter(|d| d.comment() == title || is_before(d, balancer)).collect())
    });
    let found = found.await;
    look.keep(|s| s.cdn = found);
}

/// Returns the one distribution; of several, none can be told from the others.
fn the_one(found: Vec<&DistributionSummary>) -> Result<Option<Distribution>> {
    match found[..] {
        [] => Ok(None),
        [one] => Ok(Some(distribution(one))),
        _ => {
            let ids: Vec<&str> = found.iter().map(|d| d.id()).collect();
            Err(Error::other(
                format!("{} are all before the stack's load balancer, or have its comment", ids.join(", ")),
                "delete those that are not the stack's, or give them another comment and another origin",
            ))
        }
    }
}

fn distribution(d: &DistributionSummary) -> Distribution {
    let origins = d.origins().map(|o| o.items()).unwrap_or_default();
    Distribution {
        id: d.id().into(),
        domain: d.domain_name().into(),
        enabled: d.enabled(),
        deployed: d.status() == DEPLOYED,
        header: header(d).next().map(origin_header::mark),
        origins: origins.iter().map(|o| o.domain_name().to_owned()).collect(),
    }
}
