//! The cost of the stack file, before anything is created.
use super::{Bill, Item, Prices};
use crate::{
    config::{Config, Egress, Origin, Service},
    parts::{balancer, cache, database, monitoring, network, service},
};
use serde::Serialize;

/// The stack file with the numbers that it does not contain.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    pub config: &'a Config,
    /// The number of zones.
    pub zones: usize,
    /// The number of alarms.
    pub alarms: usize,
    pub size: Size,
}

/// The size of the fleets to count: the least, the usual or the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    Min,
    Desired,
    Max,
}

impl Size {
    /// Returns the number of instances of all services.
    pub fn of(self, config: &Config) -> u32 {
        config.services().map(|service| self.of_service(service.table)).sum()
    }

    /// Returns the number of instances of a service.
    pub fn of_service(self, service: &Service) -> u32 {
        match self {
            Self::Min => service.min,
            Self::Desired => service.desired,
            Self::Max => service.max,
        }
    }
}

/// A way out for instances without public addresses, with its cost.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct WayOut {
    /// `nat`, `nat-per-zone` or `endpoints`; `public`: public addresses instead.
    pub way: String,
    #[serde(serialize_with = "super::rounded")]
    pub per_hour: f64,
    /// The price of each GB that passes, in addition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_gb: Option<f64>,
    /// True if the stack file has chosen this way.
    pub chosen: bool,
}

/// Returns the cost of each way out of instances without public addresses, for comparison.
///
/// Which way is cheapest depends on zones and services. The list is empty if the stack creates no way out, and in a
/// game's own money.
pub fn ways_out(config: &Config, zones: usize, prices: &Prices) -> Vec<WayOut> {
    if !config.has_private_instances() || config.network.mode == Origin::Use || prices.economy.is_some() {
        return vec![];
    }
    let way = |way: String, items: Vec<Item>, per_gb: Option<f64>, chosen| {
        let per_hour = Bill::of(&items, prices, 1.0).per_hour();
        WayOut { way, per_hour, per_gb, chosen }
    };
    let network = &prices.network;
    let mut all: Vec<WayOut> = [Egress::Nat, Egress::NatPerZone, Egress::Endpoints]
        .into_iter()
        .map(|egress| {
            let per_gb =
                if egress == Egress::Endpoints { network.interface_endpoint_gb } else { network.nat_gateway_gb };
            let items = network::bill::way_out(config, egress, zones);
            way(egress.to_string(), items, per_gb.map(|a| a.0), egress == config.network.egress)
        })
        .collect();
    let addresses = network::bill::addresses(f64::from(Size::Desired.of(config)));
    all.push(way("public".into(), vec![addresses], None, false));
    all
}

/// Returns everything that the stack file creates, in this number of zones and with this number of alarms.
///
/// What the stack only uses is not billed to it.
pub fn from_config(config: &Config, zones: usize, alarms: usize, size: Size) -> Vec<Item> {
    let plan = Plan { config, zones, alarms, size };
    // In the order of the bill's lines. The load balancer's addresses come first among those of the network.
    let parts = [
        balancer::bill::planned,
        network::bill::planned,
        database::bill::planned,
        cache::bill::planned,
        monitoring::bill::planned,
        service::bill::planned,
    ];
    parts.iter().flat_map(|planned| planned(&plan)).collect()
}
