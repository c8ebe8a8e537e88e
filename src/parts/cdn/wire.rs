//! The steps of the distribution.
use crate::{
    config::Switch,
    engine::{Ref, Resource as _},
    parts::{Builder, balancer::Balancer},
    resources::distribution::{DeployedDistribution, Distribution, title},
};

const NAME: &str = "main";

/// Wires the distribution, if the stack has one.
///
/// It is created as soon as the balancer has a name. Only if it is the address of the stack, something waits until it
/// is deployed.
pub(crate) fn wire(b: &mut Builder<'_>, balancer: &Balancer) -> Option<Ref<Distribution>> {
    let cdn = &b.config.cdn;
    if cdn.mode == Switch::Off {
        return None;
    }
    let distribution = Distribution {
        aws: b.aws(),
        balancer: balancer.clone(),
        comment: title(&b.config.name, &format!("{}/{NAME}", Distribution::KIND), &b.facts.region),
        ttl: cdn.ttl_seconds,
        query: cdn.query.clone(),
        headers: cdn.headers.clone(),
        price_class: cdn.price_class.to_string(),
    };
    let distribution = b.add(NAME, distribution);
    if cdn.endpoint {
        b.add(NAME, DeployedDistribution::new(b.aws(), distribution.clone()));
    }
    Some(distribution)
}
