//! The cost of the network: public addresses and ways out.
use crate::{
    aws::{listing, tags},
    config::{Config, Egress, Group, Origin},
    cost::{Account, Item, Per, Plan, Thing},
    error::Result,
    parts::{access::bill::endpoints, service::endpoint_services},
};
use aws_sdk_ec2::types::{NatGatewayState, NetworkInterface};

/// Returns the cost item for `count` public IPv4 addresses.
pub fn addresses(count: f64) -> Item {
    let thing = Thing::new("public IPv4 address", |p| Some(Per::Hour.price(p.network.public_address?)));
    Item::new(Group::Network, thing, count)
}

/// Returns the cost item for `count` NAT gateways, without their addresses.
pub fn nat_gateways(count: f64) -> Item {
    let thing = Thing::new("NAT gateway", |p| Some(Per::Hour.price(p.network.nat_gateway?)));
    Item::new(Group::Network, thing, count)
}

/// Returns the cost items of a way out for instances without public addresses.
pub fn way_out(config: &Config, egress: Egress, zones: usize) -> Vec<Item> {
    let nats = match egress {
        Egress::Nat => 1.0,
        Egress::NatPerZone => zones as f64,
        Egress::Endpoints => return vec![endpoints((endpoint_services(config).len() * zones) as f64)],
    };
    // Each NAT gateway has a public address.
    vec![nat_gateways(nats), addresses(nats)]
}

/// Returns the cost items of the way out that the stack file describes.
///
/// The addresses of the balancer and the instances are among the items of those.
pub fn planned(plan: &Plan<'_>) -> Vec<Item> {
    let network = &plan.config.network;
    if plan.config.has_private_instances() && network.mode == Origin::Create {
        return way_out(plan.config, network.egress, plan.zones);
    }
    vec![]
}

/// Returns the cost items of the existing public addresses and NAT gateways.
///
/// In a network that the stack only uses, the addresses of the stack's own objects count and nothing else.
pub async fn running(account: &Account<'_>) -> Result<Vec<Item>> {
    let Account { aws, config, .. } = *account;
    let public = |all: &[NetworkInterface]| {
        all.iter().filter(|i| i.association().is_some_and(|a| a.public_ip().is_some())).count()
    };
    let items = |addressed: usize, gateways: usize| {
        let items = [(addressed, addresses(addressed as f64)), (gateways, nat_gateways(gateways as f64))];
        items.into_iter().filter(|(count, _)| *count > 0).map(|(_, item)| item).collect()
    };
    if config.network.mode == Origin::Use {
        // AWS gives a balancer's interfaces this description. An instance's address is read from the instance.
        let of_balancer = [format!("ELB app/{}/*", config.name_of("load-balancer/main"))];
        let fleets = account.fleets();
        let (balancer, instances) = futures::try_join!(
            listing::interfaces(aws, "description", &of_balancer),
            listing::fleet_instances(aws, &fleets)
        )?;
        let addressed = instances.iter().filter(|i| i.public_ip_address().is_some()).count();
        return Ok(items(public(&balancer) + addressed, 0));
    }
    let vpcs = listing::vpcs(aws).await?;
    let ours = vpcs.iter().filter(|v| account.owns(&tags::ec2::from(v.tags())));
    let ids: Vec<String> = ours.filter_map(|v| v.vpc_id.clone()).collect();
    if ids.is_empty() {
        return Ok(vec![]);
    }
    let (all, gateways) = futures::try_join!(listing::interfaces(aws, "vpc-id", &ids), listing::nat_gateways(aws))?;
    let billed = gateways.iter().filter(|g| {
        g.vpc_id().is_some_and(|id| ids.iter().any(|i| i == id))
            && matches!(g.state(), Some(NatGatewayState::Pending | NatGatewayState::Available))
    });
    Ok(items(public(&all), billed.count()))
}
