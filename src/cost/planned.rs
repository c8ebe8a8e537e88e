//! What the stack file would cost, before anything is created.
use super::{Bill, Item, Prices, Thing};
use crate::{
    config::{Config, Egress, Group, Mode, Origin, Service, Switch},
    parts::service::endpoint_services,
};
use serde::Serialize;

/// GB of the root disk of Amazon Linux 2023, which the launch template leaves as the image has it.
const ROOT_DISK: f64 = 8.0;

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

    fn of_service(self, service: &Service) -> u32 {
        match self {
            Self::Min => service.min,
            Self::Desired => service.desired,
            Self::Max => service.max,
        }
    }
}

/// One instance and what comes with it.
pub fn instance(kind: &str, spot: bool, public: bool) -> Vec<Item> {
    let mut all = vec![
        Item::new(Group::Fleet, Thing::Instance { kind: kind.into(), spot }, 1),
        Item::new(Group::Fleet, Thing::Disk { kind: "gp3".into() }, ROOT_DISK),
    ];
    all.extend(public.then(|| Item::new(Group::Network, Thing::PublicAddress, 1)));
    all
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
            let items = of_way_out(config, egress, zones);
            way(egress.to_string(), items, per_gb.map(|a| a.0), egress == config.network.egress)
        })
        .collect();
    let addresses = Item::new(Group::Network, Thing::PublicAddress, Size::Desired.of(config));
    all.push(way("public".into(), vec![addresses], None, false));
    all
}

fn of_way_out(config: &Config, egress: Egress, zones: usize) -> Vec<Item> {
    let nats = match egress {
        Egress::Nat => 1.0,
        Egress::NatPerZone => zones as f64,
        Egress::Endpoints => {
            let endpoints = endpoint_services(config).len() * zones;
            return vec![Item::new(Group::Network, Thing::InterfaceEndpoint, endpoints as f64)];
        }
    };
    vec![
        Item::new(Group::Network, Thing::NatGateway, nats),
        // Each has an address.
        Item::new(Group::Network, Thing::PublicAddress, nats),
    ]
}

/// Everything that the stack file asks for, in so many zones, with so many alarms. What is only used is not ours
/// to pay for.
pub fn from_config(config: &Config, zones: usize, alarms: usize, size: Size) -> Vec<Item> {
    let mut items = vec![];
    let mut add = |group, thing, quantity: f64| items.push(Item::new(group, thing, quantity));

    // The load balancer has an address in each zone.
    add(Group::Network, Thing::PublicAddress, zones as f64);
    let private = config.has_private_instances();
    if private && config.network.mode == Origin::Create {
        for item in of_way_out(config, config.network.egress, zones) {
            add(item.group, item.thing, item.quantity);
        }
    }
    add(Group::Balancer, Thing::Balancer, 1.0);
    add(Group::Balancer, Thing::CapacityUnit, 1.0);
    let d = &config.database;
    if d.mode == Mode::Create {
        let (class, multi_az) = (d.class.clone(), d.multi_az);
        add(Group::Database, Thing::Database { class: class.clone(), multi_az }, 1.0);
        add(Group::Database, Thing::Storage { kind: "gp3".into(), multi_az }, f64::from(d.storage_gb));
        if d.extended_support() {
            add(Group::Database, Thing::ExtendedSupport { class, multi_az }, 1.0);
        }
    }
    let c = &config.cache;
    if c.mode == Mode::Create {
        let node = Thing::CacheNode { engine: c.engine.to_string(), class: c.class.clone() };
        add(Group::Cache, node, f64::from(c.nodes));
    }
    if config.monitoring.mode == Switch::Create {
        add(Group::Monitoring, Thing::Alarm, alarms as f64);
        add(Group::Monitoring, Thing::Dashboard, f64::from(u8::from(config.monitoring.dashboard)));
    }
    for service in config.services() {
        let count = size.of_service(service.table);
        let on_demand = service.spot.as_ref().map_or(count, |s| {
            let rest = count.saturating_sub(s.on_demand_base);
            // Auto Scaling rounds in favour of on demand.
            s.on_demand_base.min(count) + (rest * s.on_demand_percent).div_ceil(100)
        });
        for n in 0..count {
            items.extend(instance(&service.instance_type, n >= on_demand, !private));
        }
    }
    items
}
