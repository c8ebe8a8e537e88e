//! What a stack costs. Pure but for [`inventory`]: things to pay for ([`Item`]) and a price list ([`Prices`]) become
//! a [`Bill`]. The items come from the stack file before anything exists ([`planned`]), or from the account.
pub mod inventory;
pub mod planned;
pub mod prices;

#[cfg(test)]
mod tests;

pub use inventory::Inventory;
pub use planned::{Size, WayOut, from_config, ways_out};
pub use prices::Prices;

use crate::config::Group;
use jiff::{Timestamp, Zoned};
use prices::{Economy, Unlisted};
use serde::Serialize;
use std::time::Duration;

/// AWS's own month, in hours.
const MONTH: f64 = 730.0;
/// How long an event lasts when nobody says.
pub const EVENT_HOURS: f64 = 6.0;

/// One thing to pay for.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub group: Group,
    pub thing: Thing,
    pub quantity: f64,
    /// How long it has been running: what a game has billed already.
    pub age: Duration,
}

impl Item {
    pub fn new(group: Group, thing: Thing, quantity: impl Into<f64>) -> Self {
        Self { group, thing, quantity: quantity.into(), age: Duration::ZERO }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Thing {
    Instance { kind: String, spot: bool },
    Disk { kind: String },
    Database { class: String, multi_az: bool },
    ExtendedSupport { class: String, multi_az: bool },
    Storage { kind: String, multi_az: bool },
    CacheNode { engine: String, class: String },
    Balancer,
    CapacityUnit,
    PublicAddress,
    NatGateway,
    InterfaceEndpoint,
    Files,
    Alarm,
    Dashboard,
}

/// What a unit price is for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub enum Per {
    #[serde(rename = "hour")]
    Hour,
    #[serde(rename = "GB-month")]
    GbMonth,
    #[serde(rename = "month")]
    Month,
    /// A game's quantum, in minutes.
    #[serde(rename = "quantum")]
    Quantum(u32),
}

impl Per {
    fn hours(self) -> f64 {
        match self {
            Self::Hour => 1.0,
            Self::GbMonth | Self::Month => MONTH,
            Self::Quantum(minutes) => f64::from(minutes) / 60.0,
        }
    }
}

impl Thing {
    /// In words, without the number of it.
    pub fn name(&self) -> String {
        let zones = |multi: &bool| if *multi { ", Multi-AZ" } else { "" };
        match self {
            Self::Instance { kind, spot } => format!("{kind}{}", if *spot { ", Spot" } else { "" }),
            Self::Disk { kind } => format!("GB of {kind} disk"),
            Self::Database { class, multi_az } => format!("{class}{}", zones(multi_az)),
            Self::ExtendedSupport { class, multi_az } => {
                format!("vCPU of extended support ({class}{})", zones(multi_az))
            }
            Self::Storage { kind, multi_az } => format!("GB of {kind} storage{}", zones(multi_az)),
            Self::CacheNode { engine, class } => format!("{class}, {engine}"),
            Self::Balancer => "load balancer".into(),
            Self::CapacityUnit => "capacity unit (assumed)".into(),
            Self::PublicAddress => "public IPv4 address".into(),
            Self::NatGateway => "NAT gateway".into(),
            Self::InterfaceEndpoint => "interface endpoint in a zone".into(),
            Self::Files => "GB of files".into(),
            Self::Alarm => "alarm".into(),
            Self::Dashboard => "dashboard".into(),
        }
    }

    /// The price of one, where it is known.
    fn price(&self, p: &Prices) -> Option<(f64, Per)> {
        if let Some(economy) = &p.economy {
            return match self {
                Self::Instance { kind, .. } => {
                    economy.instance.get(kind).map(|a| (a.0, Per::Quantum(economy.quantum_minutes)))
                }
                _ => None,
            };
        }
        let twice = |multi: &bool| if *multi { p.database.multi_az_factor.map(|f| f.0) } else { Some(1.0) };
        let (amount, per) = match self {
            Self::Instance { kind, spot: false } => (p.instance.get(kind)?.0, Per::Hour),
            Self::Instance { kind, spot: true } => (p.spot.get(kind)?.0, Per::Hour),
            Self::Disk { kind } => (p.disk.get(kind)?.0, Per::GbMonth),
            Self::Database { class, multi_az } => (p.database.class.get(class)?.0 * twice(multi_az)?, Per::Hour),
            Self::ExtendedSupport { .. } => (p.database.extended_support?.0, Per::Hour),
            Self::Storage { kind, multi_az } => (p.database.storage.get(kind)?.0 * twice(multi_az)?, Per::GbMonth),
            Self::CacheNode { engine, class } => {
                let list = if engine == "valkey" { &p.cache.valkey } else { &p.cache.redis };
                (list.get(class)?.0, Per::Hour)
            }
            Self::Balancer => (p.balancer.hour?.0, Per::Hour),
            Self::CapacityUnit => (p.balancer.capacity_unit?.0, Per::Hour),
            Self::PublicAddress => (p.network.public_address?.0, Per::Hour),
            Self::NatGateway => (p.network.nat_gateway?.0, Per::Hour),
            Self::InterfaceEndpoint => (p.network.interface_endpoint?.0, Per::Hour),
            Self::Files => (p.files.stored?.0, Per::GbMonth),
            Self::Alarm => (p.monitoring.alarm?.0, Per::Month),
            Self::Dashboard => (p.monitoring.dashboard?.0, Per::Month),
        };
        Some((amount, per))
    }

    /// How many are billed of each: extended support is billed by the vCPU, the standby's too.
    fn times(&self, p: &Prices) -> Option<f64> {
        match self {
            Self::ExtendedSupport { class, multi_az } => {
                let vcpus = f64::from(*p.database.vcpus.get(class)?);
                Some(if *multi_az { vcpus * 2.0 } else { vcpus })
            }
            _ => Some(1.0),
        }
    }
}

/// One priced line; like things are one line.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Line {
    pub group: Group,
    pub what: String,
    pub quantity: f64,
    #[serde(serialize_with = "rounded")]
    pub unit_price: f64,
    pub per: Per,
    #[serde(serialize_with = "rounded")]
    pub per_hour: f64,
    #[serde(serialize_with = "rounded")]
    pub for_event: f64,
}

/// Sums of floating-point numbers, without their tails: nobody is billed a billionth.
pub fn rounded<S: serde::Serializer>(amount: &f64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64((amount * 1e9).round() / 1e9)
}

/// What it costs, by the hour and for the event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bill {
    /// `$`, `points`.
    pub unit: String,
    pub hours: f64,
    pub lines: Vec<Line>,
    /// What has no price, each once.
    pub unpriced: Vec<String>,
}

impl Bill {
    /// Prices the items for so many hours from now.
    pub fn of(items: &[Item], prices: &Prices, hours: f64) -> Self {
        let mut bill = Self { unit: prices.unit().into(), hours, ..Self::default() };
        let instances = items.iter().filter(|i| i.thing.is_instance()).count();
        // The oldest first: those above the limit of a game are the ones that came last.
        let mut in_order: Vec<&Item> = items.iter().collect();
        in_order.sort_by_key(|i| (i.group, std::cmp::Reverse(i.age)));
        let mut index = 0;
        for item in in_order {
            let economy = prices.economy.as_ref();
            let factor = match economy.and_then(|e| e.surcharge) {
                Some(s) if item.thing.is_instance() => s.factor(index, instances),
                _ => 1.0,
            };
            index += usize::from(item.thing.is_instance());
            match item.thing.price(prices).zip(item.thing.times(prices)) {
                Some(((amount, per), times)) => {
                    bill.add(item, amount, per, times, factor, economy);
                }
                // An instance is never free for not being listed: it is what a game charges for.
                None if economy.is_some_and(|e| e.unlisted == Unlisted::Free) && !item.thing.is_instance() => {}
                None => {
                    let what = item.thing.name();
                    if item.quantity > 0.0 && !bill.unpriced.contains(&what) {
                        bill.unpriced.push(what);
                    }
                }
            }
        }
        bill
    }

    fn add(&mut self, item: &Item, amount: f64, per: Per, times: f64, factor: f64, economy: Option<&Economy>) {
        let quantity = item.quantity * times;
        let unit_price = amount * factor;
        let billed = match economy {
            // What was begun before now is paid for already.
            Some(e) => {
                let age = item.age.as_secs_f64() / 3600.0;
                (e.quanta(age + self.hours) - e.quanta(age)).max(0.0)
            }
            None => self.hours / per.hours(),
        };
        let mut what = item.thing.name();
        if factor != 1.0 {
            what += &format!(", × {factor}");
        }
        let (per_hour, for_event) = (quantity * unit_price / per.hours(), quantity * unit_price * billed);
        let same = |l: &&mut Line| l.group == item.group && l.what == what && l.unit_price == unit_price;
        if let Some(line) = self.lines.iter_mut().find(same) {
            line.quantity += quantity;
            line.per_hour += per_hour;
            line.for_event += for_event;
        } else if quantity > 0.0 {
            self.lines.push(Line { group: item.group, what, quantity, unit_price, per, per_hour, for_event });
        }
    }

    pub fn per_hour(&self) -> f64 {
        self.lines.iter().fold(0.0, |sum, l| sum + l.per_hour)
    }

    pub fn for_event(&self) -> f64 {
        self.lines.iter().fold(0.0, |sum, l| sum + l.for_event)
    }

    /// Per hour and for the event, of one group.
    pub fn group(&self, group: Group) -> (f64, f64) {
        let of = self.lines.iter().filter(|l| l.group == group);
        of.fold((0.0, 0.0), |(h, e), l| (h + l.per_hour, e + l.for_event))
    }
}

impl Thing {
    fn is_instance(&self) -> bool {
        matches!(self, Self::Instance { .. })
    }
}

/// What one more instance would have to earn, or it is not worth having.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct OneMore {
    pub instance_type: String,
    #[serde(serialize_with = "rounded")]
    pub per_minute: f64,
    #[serde(serialize_with = "rounded")]
    pub per_hour: f64,
    #[serde(serialize_with = "rounded")]
    pub for_event: f64,
    /// What is billed even if it is gone the next minute.
    #[serde(serialize_with = "rounded")]
    pub at_least: f64,
    pub unpriced: Vec<String>,
}

impl OneMore {
    /// The difference that an instance of this type makes, with its disk and, where it has one, its public address,
    /// surcharges included.
    pub fn of(items: &[Item], kind: &str, public: bool, prices: &Prices, hours: f64) -> Self {
        let one = planned::instance(kind, false, public);
        let more = [items, &one].concat();
        let bills = |hours| (Bill::of(&more, prices, hours), Bill::of(items, prices, hours));
        let (with, without) = bills(hours);
        let per_hour = with.per_hour() - without.per_hour();
        // AWS bills an instance's first minute in full; a game, its minimum.
        let shortest = prices.economy.as_ref().map_or(1.0, |e| f64::from(e.minimum_minutes.max(1)));
        let (least, before) = bills(shortest / 60.0);
        // What the others cost in that time is not the newcomer's, but a surcharge on them is.
        let at_least = least.for_event() - before.for_event();
        Self {
            instance_type: kind.into(),
            per_minute: per_hour / 60.0,
            per_hour,
            for_event: with.for_event() - without.for_event(),
            at_least,
            unpriced: Bill::of(&one, prices, hours).unpriced,
        }
    }
}

/// How long is paid for: so long as was asked; while the event runs, what is left of it; else all of it.
pub fn hours(asked: Option<f64>, traffic_at: Option<Timestamp>, now: &Zoned) -> f64 {
    if let Some(hours) = asked {
        return hours;
    }
    let since = traffic_at.map(|t| now.timestamp().duration_since(t).as_secs_f64() / 3600.0);
    match since {
        Some(since) if (0.0..EVENT_HOURS).contains(&since) => EVENT_HOURS - since,
        _ => EVENT_HOURS,
    }
}
