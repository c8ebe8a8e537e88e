//! The price list: the shipped one, and a file of the user's that adds to it or replaces it.
use crate::config::{ConfigErrors, Problem, Severity, Source, file as bounded};
use serde::{Deserialize, Deserializer, de};
use std::{collections::BTreeMap, ops::Range, path::Path};

const SHIPPED: &str = include_str!("../../templates/prices.toml");

/// Prices by type or class.
pub type List = BTreeMap<String, Amount>;

/// The highest price that is accepted, so that sums of prices remain numbers.
const HIGHEST: f64 = 1e12;

/// A price: a number of 0 or more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Amount(pub f64);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(from)?;
        if (0.0..=HIGHEST).contains(&number) { Ok(Self(number)) } else { Err(de::Error::custom(NOT_A_PRICE)) }
    }
}

const NOT_A_PRICE: &str = "a price is a number of 0 or more";

/// The prices of things. An absent price is unknown.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prices {
    /// When the prices were looked up.
    pub as_of: Option<String>,
    /// The region that the prices hold for.
    pub region: Option<String>,
    /// EC2 instances on demand, per hour.
    pub instance: List,
    /// EC2 instances from the Spot market, per hour.
    pub spot: List,
    /// EBS volumes, per GB and month.
    pub disk: List,
    pub database: Database,
    pub cache: Cache,
    pub balancer: Balancer,
    pub cdn: Cdn,
    pub network: Network,
    pub files: Files,
    pub monitoring: Monitoring,
    /// A game's own money, if the list is a game's.
    pub economy: Option<Economy>,
}

/// Prices of RDS.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// The factor of Multi-AZ on instance and storage.
    pub multi_az_factor: Option<Amount>,
    /// Extended support, per vCPU and hour, for versions past their standard support.
    pub extended_support: Option<Amount>,
    /// Instances by class, per hour, in a single zone.
    pub class: List,
    /// The number of vCPUs of a class.
    pub vcpus: BTreeMap<String, u32>,
    /// Storage by type, per GB and month, in a single zone.
    pub storage: List,
}

/// Prices of ElastiCache, per node and hour.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    pub redis: List,
    pub valkey: List,
    pub memcached: List,
}

/// Prices of the load balancer, per hour.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Balancer {
    pub hour: Option<Amount>,
    pub capacity_unit: Option<Amount>,
}

/// Prices of CloudFront.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cdn {
    /// The data that leaves for visitors, per GB.
    pub gb: Option<Amount>,
    /// Ten thousand requests.
    pub requests_10k: Option<Amount>,
    /// The GB of a month that are free.
    pub free_gb: Option<Amount>,
    /// The requests of a month that are free.
    pub free_requests: Option<Amount>,
}

/// Prices of the network, per hour.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    pub public_address: Option<Amount>,
    pub nat_gateway: Option<Amount>,
    /// An interface endpoint, in each zone.
    pub interface_endpoint: Option<Amount>,
    /// The data that a NAT gateway processes, per GB.
    pub nat_gateway_gb: Option<Amount>,
    /// The data that an interface endpoint processes, per GB.
    pub interface_endpoint_gb: Option<Amount>,
}

/// Prices of EFS, per GB and month.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Files {
    pub stored: Option<Amount>,
}

/// Prices of CloudWatch, per month.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Monitoring {
    pub alarm: Option<Amount>,
    pub dashboard: Option<Amount>,
}

/// A game's own money, and how the game bills.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Economy {
    /// The unit of all amounts: `$`, `points`.
    pub unit: String,
    /// The length of a quantum. Each quantum that has begun is billed in full.
    #[serde(deserialize_with = "minutes")]
    pub quantum_minutes: u32,
    /// The time that is billed at least.
    #[serde(default)]
    pub minimum_minutes: u32,
    #[serde(default)]
    pub unlisted: Unlisted,
    /// The price per instance and quantum, on demand or Spot: the game counts instances.
    pub instance: List,
    pub surcharge: Option<Surcharge>,
}

fn minutes<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let minutes = u32::deserialize(from)?;
    if (1..=1440).contains(&minutes) {
        Ok(minutes)
    } else {
        Err(de::Error::custom("a quantum lasts 1 to 1440 minutes"))
    }
}

/// The price of things that the game's list does not name. Instances that it does not name have no price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unlisted {
    Free,
    #[default]
    Unknown,
}

/// The factor on the price of instances if there are more than the game likes.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surcharge {
    /// The number of instances that cost the plain price.
    pub above: usize,
    pub factor: Amount,
    pub on: SurchargeOn,
}

/// The instances that a surcharge applies to.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SurchargeOn {
    /// All instances, as soon as there are more.
    All,
    /// Only the instances above the number.
    Excess,
}

impl Surcharge {
    /// Returns the factor on the price of instance `index` of `all`.
    pub fn factor(&self, index: usize, all: usize) -> f64 {
        let dear = match self.on {
            SurchargeOn::All => all > self.above,
            SurchargeOn::Excess => index >= self.above,
        };
        if dear { self.factor.0 } else { 1.0 }
    }
}

impl Economy {
    /// Returns the number of quanta that are billed for so many hours.
    pub fn quanta(&self, hours: f64) -> f64 {
        if hours <= 0.0 {
            return 0.0;
        }
        let quantum = f64::from(self.quantum_minutes);
        // Up to a millionth of a quantum over is rounding, not a new quantum.
        let begun = |minutes: f64| (minutes / quantum - 1e-6).ceil();
        begun((hours * 60.0).max(f64::from(self.minimum_minutes)))
    }
}

impl Prices {
    /// Returns the shipped list.
    pub fn shipped() -> Self {
        read("templates/prices.toml", SHIPPED).expect("the shipped price file is tested")
    }

    /// Loads a price file on top of the shipped list. A game's file replaces the list.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigErrors> {
        let Some(file) = file else { return Ok(Self::shipped()) };
        let name = file.display().to_string();
        let text = bounded::read_text(file, bounded::MOST).map_err(|e| {
            let fix = "name a price file with --prices; templates/prices.toml is an example";
            problem(&name, "", 0..0, "no_prices", format!("cannot read {name}: {e}"), "", fix)
        })?;
        let own = read(&name, &text)?;
        Ok(if own.economy.is_some() { own } else { Self::shipped().with(own) })
    }

    /// Returns these prices, with those of `own` in their place.
    ///
    /// Each struct is taken apart without `..`, so that the compiler asks for a field that is new.
    pub(super) fn with(mut self, own: Self) -> Self {
        let Self {
            as_of,
            region,
            instance,
            spot,
            disk,
            database: Database { multi_az_factor, extended_support, class, vcpus, storage },
            cache: Cache { redis, valkey, memcached },
            balancer: Balancer { hour, capacity_unit },
            cdn: Cdn { gb, requests_10k, free_gb, free_requests },
            network: Network { public_address, nat_gateway, interface_endpoint, nat_gateway_gb, interface_endpoint_gb },
            files: Files { stored },
            monitoring: Monitoring { alarm, dashboard },
            economy,
        } = own;
        for (all, more) in [
            (&mut self.instance, instance),
            (&mut self.spot, spot),
            (&mut self.disk, disk),
            (&mut self.database.class, class),
            (&mut self.database.storage, storage),
            (&mut self.cache.redis, redis),
            (&mut self.cache.valkey, valkey),
            (&mut self.cache.memcached, memcached),
        ] {
            all.extend(more);
        }
        self.database.vcpus.extend(vcpus);
        for (one, other) in [
            (&mut self.database.multi_az_factor, multi_az_factor),
            (&mut self.database.extended_support, extended_support),
            (&mut self.balancer.hour, hour),
            (&mut self.balancer.capacity_unit, capacity_unit),
            (&mut self.cdn.gb, gb),
            (&mut self.cdn.requests_10k, requests_10k),
            (&mut self.cdn.free_gb, free_gb),
            (&mut self.cdn.free_requests, free_requests),
            (&mut self.network.public_address, public_address),
            (&mut self.network.nat_gateway, nat_gateway),
            (&mut self.network.interface_endpoint, interface_endpoint),
            (&mut self.network.nat_gateway_gb, nat_gateway_gb),
            (&mut self.network.interface_endpoint_gb, interface_endpoint_gb),
            (&mut self.files.stored, stored),
            (&mut self.monitoring.alarm, alarm),
            (&mut self.monitoring.dashboard, dashboard),
        ] {
            *one = other.or(*one);
        }
        self.as_of = as_of.or(self.as_of);
        self.region = region.or(self.region);
        self.economy = economy.or(self.economy);
        self
    }

    /// Returns the unit of all prices.
    pub fn unit(&self) -> &str {
        self.economy.as_ref().map_or("$", |e| e.unit.as_str())
    }
}

/// Parses one price file, strictly: a misspelt key must not make something cheap.
pub fn read(name: &str, text: &str) -> Result<Prices, ConfigErrors> {
    let prices: Prices = toml::from_str(text).map_err(|e| {
        let span = e.span().unwrap_or(0..0);
        let key = key_at(text, span.start);
        let said = e.message().trim().to_owned();
        let (what, why) = match said.split_once(", expected ") {
            Some((what, expected)) => {
                let words = expected.replace("f64", "a number").replace("u32", "a whole number");
                (what.to_owned(), format!("expected {words}"))
            }
            None => (said, "here".into()),
        };
        let place = if key.is_empty() { String::new() } else { format!("{key}: ") };
        problem(name, text, span, "price", format!("{place}{what}"), &why, HELP)
    })?;
    let mixed = prices.economy.is_some()
        && Prices { economy: None, as_of: None, region: None, ..prices.clone() } != Prices::default();
    if mixed {
        let at = text.find("[economy").unwrap_or(0);
        let what = "a game's own money and AWS's dollars in one file".to_owned();
        return Err(problem(
            name,
            text,
            at..at + "[economy".len(),
            "price",
            what,
            "no other price is used with an [economy]",
            "put the game's prices under [economy.instance], or leave [economy] out",
        ));
    }
    Ok(prices)
}

const HELP: &str = "templates/prices.toml and templates/prices-game.toml show every key";

fn problem(
    name: &str,
    text: &str,
    span: Range<usize>,
    rule: &'static str,
    message: String,
    reason: &str,
    help: &str,
) -> ConfigErrors {
    let before = &text[..span.start.min(text.len())];
    let line_start = before.rfind('\n').map_or(0, |n| n + 1);
    let problem = Problem {
        severity: Severity::Error,
        rule,
        path: key_at(text, span.start),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        span,
        message,
        reason: reason.to_owned(),
        help: help.into(),
        others: vec![],
    };
    ConfigErrors { problems: vec![problem], source: Source { name: name.into(), text: text.into() } }
}

/// Returns the key on the line of `at`, with its table.
fn key_at(text: &str, at: usize) -> String {
    let start = text[..at.min(text.len())].rfind('\n').map_or(0, |n| n + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let table = |line: &str| line.trim().strip_prefix('[').and_then(|l| l.split_once(']')).map(|(t, _)| t.to_owned());
    if let Some(table) = table(line) {
        return table;
    }
    let Some((key, _)) = line.split_once('=') else { return String::new() };
    let above = text[..start].lines().rev().find_map(table);
    above.map_or(key.trim().to_owned(), |t| format!("{t}.{}", key.trim()))
}
