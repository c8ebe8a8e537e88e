//! The cost of a stack: things to pay for ([`Item`]) and a price list ([`Prices`]) become a [`Bill`].
//!
//! The `bill.rs` of each part says what the part costs. The items come from the stack file before anything exists
//! ([`planned`]), or from the account ([`inventory`]).
pub mod inventory;
pub mod planned;
pub mod prices;

#[cfg(test)]
mod tests;

pub use inventory::{Account, Inventory};
pub use planned::{Plan, Size, WayOut, from_config, ways_out};
pub use prices::{Amount, Prices};

use crate::{config::Group, parts::service::bill};
use jiff::{Timestamp, Zoned};
use prices::{Economy, Unlisted};
use serde::Serialize;
use std::{rc::Rc, time::Duration};

/// AWS's own month, in hours.
const MONTH: f64 = 730.0;
/// The length of an event in hours, unless the user gives another.
pub const EVENT_HOURS: f64 = 6.0;

/// One thing to pay for.
#[derive(Clone)]
pub struct Item {
    pub group: Group,
    pub thing: Thing,
    pub quantity: f64,
    /// How long it has been running, since a game has billed that time already.
    pub age: Duration,
}

impl Item {
    /// Makes an item that has just been started.
    pub fn new(group: Group, thing: Thing, quantity: impl Into<f64>) -> Self {
        Self { group, thing, quantity: quantity.into(), age: Duration::ZERO }
    }

    /// Makes an item of `count` things; `None` if there are none.
    pub fn counted(group: Group, thing: Thing, count: usize) -> Option<Self> {
        (count > 0).then(|| Self::new(group, thing, count as f64))
    }
}

/// What is paid for: its name, and where a price list has its price.
///
/// Each part declares its own things in its `bill.rs`.
#[derive(Clone)]
pub struct Thing {
    /// The name in words, without a quantity.
    pub name: String,
    /// The instance type, if this is an instance. A game charges for nothing else.
    pub instance_type: Option<String>,
    price: Rc<dyn Fn(&Prices) -> Option<UnitPrice>>,
}

impl Thing {
    /// Makes a thing with its name and the way to find its price in a list.
    pub fn new(name: impl Into<String>, price: impl Fn(&Prices) -> Option<UnitPrice> + 'static) -> Self {
        Self { name: name.into(), instance_type: None, price: Rc::new(price) }
    }

    /// Marks the thing as an instance of this type.
    pub fn of_instance(self, instance_type: &str) -> Self {
        Self { instance_type: Some(instance_type.into()), ..self }
    }

    /// Returns the price of one, if it is known.
    fn price(&self, prices: &Prices) -> Option<UnitPrice> {
        let Some(economy) = &prices.economy else { return (self.price)(prices) };
        let amount = *economy.instance.get(self.instance_type.as_ref()?)?;
        Some(Per::Quantum(economy.quantum_minutes).price(amount))
    }
}

/// The price of one thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnitPrice {
    pub amount: f64,
    pub per: Per,
    /// How many units of each are billed.
    pub units: f64,
}

impl UnitPrice {
    /// Returns the price with its amount multiplied.
    pub fn scaled(self, factor: f64) -> Self {
        Self { amount: self.amount * factor, ..self }
    }
}

/// The unit that a price is for.
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
    /// Returns the unit price of this amount.
    pub fn price(self, amount: Amount) -> UnitPrice {
        UnitPrice { amount: amount.0, per: self, units: 1.0 }
    }

    fn hours(self) -> f64 {
        match self {
            Self::Hour => 1.0,
            Self::GbMonth | Self::Month => MONTH,
            Self::Quantum(minutes) => f64::from(minutes) / 60.0,
        }
    }
}

/// One priced line of a bill. Equal things share a line.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Line {
    pub group: Group,
    /// The name of the thing, with its surcharge if there is one.
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

/// Serialises an amount to nine decimal places, without the tail of floating-point sums.
pub fn rounded<S: serde::Serializer>(amount: &f64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64((amount * 1e9).round() / 1e9)
}

/// The cost of a stack, by the hour and for the event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bill {
    /// The unit of amounts: `$` or `points`.
    pub unit: String,
    /// The hours that are priced.
    pub hours: f64,
    pub lines: Vec<Line>,
    /// The names of things without a price, each once.
    pub unpriced: Vec<String>,
}

impl Bill {
    /// Prices the items for this many hours from now.
    pub fn of(items: &[Item], prices: &Prices, hours: f64) -> Self {
        let mut bill = Self { unit: prices.unit().into(), hours, ..Self::default() };
        let instances = items.iter().filter(|i| i.thing.instance_type.is_some()).count();
        // The oldest first, since the newest instances are those above a game's limit.
        let mut in_order: Vec<&Item> = items.iter().collect();
        in_order.sort_by_key(|i| (i.group, std::cmp::Reverse(i.age)));
        let mut index = 0;
        for item in in_order {
            let economy = prices.economy.as_ref();
            let factor = match economy.and_then(|e| e.surcharge) {
                Some(s) if item.thing.instance_type.is_some() => s.factor(index, instances),
                _ => 1.0,
            };
            index += usize::from(item.thing.instance_type.is_some());
            match item.thing.price(prices) {
                Some(price) => bill.add(item, price, factor, economy),
                // An instance is never free because it is not listed, since a game charges for instances.
                None if economy.is_some_and(|e| e.unlisted == Unlisted::Free) && item.thing.instance_type.is_none() => {
                }
                None => {
                    let what = item.thing.name.clone();
                    if item.quantity > 0.0 && !bill.unpriced.contains(&what) {
                        bill.unpriced.push(what);
                    }
                }
            }
        }
        bill
    }

    fn add(&mut self, item: &Item, price: UnitPrice, factor: f64, economy: Option<&Economy>) {
        let per = price.per;
        let quantity = item.quantity * price.units;
        let unit_price = price.amount * factor;
        let billed = match economy {
            // A quantum that began before now is paid for already.
            Some(e) => {
                let age = item.age.as_secs_f64() / 3600.0;
                (e.quanta(age + self.hours) - e.quanta(age)).max(0.0)
            }
            None => self.hours / per.hours(),
        };
        let mut what = item.thing.name.clone();
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

    /// Returns the sum of all lines by the hour.
    pub fn per_hour(&self) -> f64 {
        self.lines.iter().fold(0.0, |sum, l| sum + l.per_hour)
    }

    /// Returns the sum of all lines for the event.
    pub fn for_event(&self) -> f64 {
        self.lines.iter().fold(0.0, |sum, l| sum + l.for_event)
    }

    /// Returns the sums of one group, by the hour and for the event.
    pub fn group(&self, group: Group) -> (f64, f64) {
        let of = self.lines.iter().filter(|l| l.group == group);
        of.fold((0.0, 0.0), |(h, e), l| (h + l.per_hour, e + l.for_event))
    }
}

/// The cost of one more instance, which the instance has to earn to be worth it.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct OneMore {
    pub instance_type: String,
    #[serde(serialize_with = "rounded")]
    pub per_minute: f64,
    #[serde(serialize_with = "rounded")]
    pub per_hour: f64,
    #[serde(serialize_with = "rounded")]
    pub for_event: f64,
    /// The amount that is billed even if the instance is gone the next minute.
    #[serde(serialize_with = "rounded")]
    pub at_least: f64,
    /// The names of things without a price.
    pub unpriced: Vec<String>,
}

impl OneMore {
    /// Returns the difference that one more instance of this type makes.
    ///
    /// The difference includes its disk, its public address if `public` is true, and surcharges.
    pub fn of(items: &[Item], instance_type: &str, public: bool, prices: &Prices, hours: f64) -> Self {
        let one = bill::with_disk(instance_type, false, public);
        let more = [items, &one].concat();
        let bills = |hours| (Bill::of(&more, prices, hours), Bill::of(items, prices, hours));
        let (with, without) = bills(hours);
        let per_hour = with.per_hour() - without.per_hour();
        // AWS bills an instance's first minute in full; a game, its minimum.
        let shortest = prices.economy.as_ref().map_or(1.0, |e| f64::from(e.minimum_minutes.max(1)));
        let (least, before) = bills(shortest / 60.0);
        // The cost of the other instances in that time does not count, but a surcharge on them does.
        let at_least = least.for_event() - before.for_event();
        Self {
            instance_type: instance_type.into(),
            per_minute: per_hour / 60.0,
            per_hour,
            for_event: with.for_event() - without.for_event(),
            at_least,
            unpriced: Bill::of(&one, prices, hours).unpriced,
        }
    }
}

/// Returns the hours to price: `asked` if given, else what is left of a running event, else a whole event.
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
