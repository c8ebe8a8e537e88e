//! The cost of the load balancer.
use crate::{
    aws::listing,
    config::Group,
    cost::{Account, Item, Per, Plan, Thing},
    error::Result,
    parts::network::bill::addresses,
};

/// Returns the cost items of a load balancer and of the capacity that it is assumed to use, without its addresses.
pub fn balancer() -> [Item; 2] {
    let hour = Thing::new("load balancer", |p| Some(Per::Hour.price(p.balancer.hour?)));
    let capacity = Thing::new("capacity unit (assumed)", |p| Some(Per::Hour.price(p.balancer.capacity_unit?)));
    [hour, capacity].map(|thing| Item::new(Group::Balancer, thing, 1))
}

/// Returns the cost items of the balancer that the stack file describes. A public one has an address in each zone.
pub fn planned(plan: &Plan<'_>) -> Vec<Item> {
    let public = (!plan.config.has_internal_balancer()).then(|| addresses(plan.zones as f64));
    public.into_iter().chain(balancer()).collect()
}

/// Returns the cost items of the existing balancer.
pub async fn running(account: &Account<'_>) -> Result<Vec<Item>> {
    let found = listing::balancer(account.aws, &account.config.name_of("load-balancer/main")).await?;
    Ok(found.map(|_| balancer().to_vec()).unwrap_or_default())
}
