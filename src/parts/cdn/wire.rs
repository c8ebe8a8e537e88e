//! The steps of the distribution.
use crate::{
    config::Switch,
    engine::{Key, Ref, Resource as _},
    parts::{
        Builder,
        balancer::{Balancer, Route},
    },
    resources::{
        distribution::{DeployedDistribution, Distribution, title},
        parameter::Parameter,
    },
};

const NAME: &str = "main";

/// The name of the parameter with the value of the header.
const HEADER: &str = "cdn-header";

/// The key of that parameter.
pub(crate) const HEADER_PARAMETER: &str = "parameter/cdn-header";

/// Wires the value of the header by which the balancer recognises the distribution, if it has to.
pub(crate) fn header(b: &mut Builder<'_>) -> Option<Ref<Parameter>> {
    let path = format!("/gameday/{}/{HEADER}", b.config.name);
    let parameter = Parameter { aws: b.aws(), path, existing: false, reveal: true };
    b.config.has_origin_header().then(|| b.add(HEADER, parameter))
}

/// Wires the distribution, if the stack has one.
///
/// It comes after the rules of the balancer, which are made within seconds of the balancer: a rule takes the value of a
/// header before the distribution sends it, and does without one before it is no longer sent. Only if the distribution
/// is the address of the stack, something waits until it is deployed.
pub(crate) fn wire(
    b: &mut Builder<'_>,
    balancer: &Balancer,
    header: Option<Ref<Parameter>>,
    routes: &[Route],
) -> Option<Ref<Distribution>> {
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
        header,
    };
    let after: Vec<&Key> = routes.iter().flatten().collect();
    let distribution = b.add_after(NAME, distribution, &after);
    if cdn.endpoint {
        b.add(NAME, DeployedDistribution::new(b.aws(), distribution.clone()));
    }
    Some(distribution)
}
