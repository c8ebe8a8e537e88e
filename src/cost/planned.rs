//! What the stack file would cost, before anything is created.
use super::{Item, Thing};
use crate::{
    config::{Config, Mode, Switch},
    stack::Group,
};

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
        let (_, service) = config.service();
        match self {
            Self::Min => service.min,
            Self::Desired => service.desired,
            Self::Max => service.max,
        }
    }
}

/// One instance and what comes with it.
pub fn instance(kind: &str, spot: bool) -> Vec<Item> {
    vec![
        Item::new(Group::Fleet, Thing::Instance { kind: kind.into(), spot }, 1),
        Item::new(Group::Fleet, Thing::Disk { kind: "gp3".into() }, ROOT_DISK),
        Item::new(Group::Network, Thing::PublicAddress, 1),
    ]
}

/// Everything that the stack file asks for, in so many zones, with so many alarms. What is only used is not ours
/// to pay for.
pub fn from_config(config: &Config, zones: usize, alarms: usize, size: Size) -> Vec<Item> {
    let (_, service) = config.service();
    let mut items = vec![];
    let mut add = |group, thing, quantity: f64| items.push(Item::new(group, thing, quantity));

    // The load balancer has an address in each zone.
    add(Group::Network, Thing::PublicAddress, zones as f64);
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
    let count = size.of(config);
    let on_demand = service.spot.as_ref().map_or(count, |s| {
        let rest = count.saturating_sub(s.on_demand_base);
        // Auto Scaling rounds in favour of on demand.
        s.on_demand_base.min(count) + (rest * s.on_demand_percent).div_ceil(100)
    });
    for n in 0..count {
        items.extend(instance(&service.instance_type, n >= on_demand));
    }
    items
}
