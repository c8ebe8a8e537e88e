//! The cost of the interface endpoints of AWS services.
use crate::{
    aws::{listing, tags},
    config::Group,
    cost::{Account, Item, Per, Thing},
    error::Result,
};

/// Returns the cost item for `count` interface endpoints, each counted once per zone.
pub fn endpoints(count: f64) -> Item {
    let thing = Thing::new("interface endpoint in a zone", |p| Some(Per::Hour.price(p.network.interface_endpoint?)));
    Item::new(Group::Network, thing, count)
}

/// Returns the cost item of the stack's interface endpoints.
///
/// Only stacks whose instances have no public addresses have any.
pub async fn running(account: &Account<'_>) -> Result<Vec<Item>> {
    if !account.config.has_private_instances() {
        return Ok(vec![]);
    }
    let all = listing::vpc_endpoints(account.aws).await?;
    let ours = all.iter().filter(|e| account.owns(&tags::ec2::from(e.tags())));
    let interfaces = ours.filter(|e| e.vpc_endpoint_type().is_some_and(|t| t.as_str() == "Interface"));
    let billed = interfaces.filter(|e| e.state().is_none_or(|s| !s.as_str().to_lowercase().starts_with("delet")));
    let count: usize = billed.map(|e| e.subnet_ids().len()).sum();
    Ok((count > 0).then(|| endpoints(count as f64)).into_iter().collect())
}
