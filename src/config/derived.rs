//! What follows from a stack file by itself: pure, and the same on every laptop.
use crate::{Cache, CacheEngine, Config, Database, Service};
use jiff::{Timestamp, Zoned, civil::Time};
use std::collections::BTreeMap;

/// An IPv4 range.
pub use ipnet::Ipv4Net as Cidr;

/// Ranges of the subnets, by zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnets {
    pub public: Vec<Cidr>,
    pub private: Vec<Cidr>,
}

/// A parameter that RDS refuses for MySQL 8.0.
pub(crate) const NEW_IN_8_4: &str = "authentication_policy";

/// The VPC's range cannot hold a public and a private subnet for every zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cidr} has no room for {zones} public and {zones} private subnets of /{prefix}")]
pub struct NoRoom {
    pub cidr: Cidr,
    pub zones: usize,
    pub prefix: u8,
}

impl Config {
    /// The ranges of the subnets: those given, the others cut from `network.cidr`.
    ///
    /// Public ones come from the lower half and private ones from the upper, so that a third zone
    /// added later moves no range that is in use. The config must have passed `parse`.
    pub fn subnets(&self, zones: usize) -> Result<Subnets, NoRoom> {
        let network = &self.network;
        let cidr: Cidr = network.cidr.parse().unwrap_or_default();
        let parsed = |list: &[String]| list.iter().filter_map(|text| text.parse().ok()).collect::<Vec<Cidr>>();
        let (public, private) = (parsed(&network.public), parsed(&network.private));
        // 16 pieces, but none smaller than /27: a load balancer wants 8 free addresses per zone.
        let prefix = (cidr.prefix_len() + 4).clamp(24, 27).max(cidr.prefix_len());
        let no_room = NoRoom { cidr, zones, prefix };
        let pieces: Vec<Cidr> = cidr.subnets(prefix).map_err(|_| no_room.clone())?.collect();
        let (lower, upper) = pieces.split_at(pieces.len() / 2);
        let cut = |given: &[Cidr], from: &[Cidr], taken: &[Cidr]| {
            if !given.is_empty() {
                return Ok(given.to_vec());
            }
            let free = |piece: &&Cidr| taken.iter().all(|other| !overlap(piece, other));
            let cut: Vec<_> = from.iter().filter(free).take(zones).copied().collect();
            if cut.len() < zones { Err(no_room.clone()) } else { Ok(cut) }
        };
        // What is given may lie in the other's half; then the whole range is searched.
        let all = |first: &[Cidr], second: &[Cidr]| [first, second].concat();
        let from_lower = if private.is_empty() { lower.to_vec() } else { all(lower, upper) };
        let from_upper = if public.is_empty() { upper.to_vec() } else { all(upper, lower) };
        Ok(Subnets { public: cut(&public, &from_lower, &private)?, private: cut(&private, &from_upper, &public)? })
    }

    /// When the first request comes: a time of day counts in the zone of `now`, today.
    pub fn traffic_at(&self, now: &Zoned) -> Option<Timestamp> {
        clock(self.traffic_at.as_deref()?, now)
    }

    /// The one service.
    ///
    /// # Panics
    /// When there is none; `parse` lets no such config through.
    pub fn service(&self) -> (&str, &Service) {
        let (name, service) = self.service.first_key_value().expect("a checked config has a service");
        (name, service)
    }

    /// The AWS name of a step's object: the one that `[names]` prescribes, or `stack-name`. As the engine's `Cx::name`.
    pub fn name_of(&self, key: &str) -> String {
        let name = key.split_once('/').map_or(key, |(_, name)| name);
        self.names.get(key).cloned().unwrap_or_else(|| format!("{}-{name}", self.name))
    }

    /// What is replaced together when the service gets another name or port, so that both can stand side by side for a
    /// while: target group, Auto Scaling group and scaling policies are called this. `api`; `api-8080` on port 8080.
    pub fn slot(&self) -> String {
        let (name, service) = self.service();
        slot(name, service)
    }
}

/// [`Config::slot`] of a service.
pub(crate) fn slot(name: &str, service: &Service) -> String {
    if service.port == crate::model::default::port() { name.to_owned() } else { format!("{name}-{}", service.port) }
}

impl Database {
    /// Host and port of a database that exists already (`mode = "use"`).
    pub fn endpoint(&self) -> Option<(String, u16)> {
        host_port(self.endpoint.as_deref()?)
    }

    /// Is this a version past its standard support, which RDS creates only when told to bill for it?
    pub fn extended_support(&self) -> bool {
        self.version == "8.0" || self.version.starts_with("8.0.")
    }

    /// The parameters of its group: those given and the defaults, as far as the version knows them.
    pub fn known_parameters(&self) -> BTreeMap<String, String> {
        let mut all = self.parameters.clone();
        // 8.0 logs in with mysql_native_password as it is (aws-facts 1.5).
        if self.extended_support() {
            all.remove(NEW_IN_8_4);
        }
        all
    }
}

impl Cache {
    /// Host and port of a cache that exists already (`mode = "use"`).
    pub fn endpoint(&self) -> Option<(String, u16)> {
        host_port(self.endpoint.as_deref()?)
    }

    /// The version given, or the newest that both gameday and the engine know.
    pub fn engine_version(&self) -> &str {
        self.version.as_deref().unwrap_or(match self.engine {
            CacheEngine::Redis => "7.1",
            CacheEngine::Valkey => "8.2",
        })
    }
}

/// `host:port` in its parts; nothing when it is not of that form.
pub fn host_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (host.len() <= 253 && host.split('.').all(label)).then(|| (host.to_owned(), port))
}

/// A time of day (today) or an RFC 3339 date-time.
pub(crate) fn clock(text: &str, now: &Zoned) -> Option<Timestamp> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    // jiff takes "1000" and bare dates for times as well: people do not mean them.
    if !text.contains(':') || text.len() > 8 {
        return None;
    }
    let time: Time = text.parse().ok()?;
    Some(now.date().to_datetime(time).to_zoned(now.time_zone().clone()).ok()?.timestamp())
}

pub(crate) fn overlap(a: &Cidr, b: &Cidr) -> bool {
    a.contains(b) || b.contains(a)
}
