//! The cost of the stack file, before anything is created.
use super::{Bill, Item, Prices};
use crate::{
    config::{Config, Egress, Origin, Service},
    parts::{balancer, cache, database, monitoring, network, service},
};
use serde::Serialize;

/// The stack file, and what it does not say.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    pub config: &'a Config,
    pub zones: usize,
    pub alarms: usize,
    pub size: Size,
}

/// How many instances to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    Min,
    Desired,
    Max,
}

impl Size {
    pub fn of(self, config: &Config) -> u32 {
        config.services().map(|service| self.of_service(service.table)).sum()
    }

    /// Returns how many instances of a service to count.
    pub fn of_service(self, service: &Service) -> u32 {
        match self {
            Self::Min => service.min,
            Self::Desired => service.desired,
            Self::Max => service.max,
        }
    }
}

/// A way out for the instances, by the hour.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct WayOut {
    /// `nat`, `nat-per-zone`, `endpoints`; `public`: without any of them.
    pub way: String,
    #[serde(serialize_with = "super::rounded")]
    pub per_hour: f64,
    /// And for each GB that passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_gb: Option<f64>,
    /// Whether it is the stack file's.
    pub chosen: bool,
}

/// What the ways out of instances without public addresses cost beside each other, where we make one: which is cheapest
/// depends on zones and services. None in a game's own money.
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

/// Returns everything that the stack file asks for, in so many zones, with so many alarms. What is only used is not the
/// stack's to pay for.
pub fn from_config(config: &Config, zones: usize, alarms: usize, size: Size) -> Vec<Item> {
    let plan = Plan { config, zones, alarms, size };
    // In the order of the bill's lines: the balancer's addresses are the first of the network.
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
