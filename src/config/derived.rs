//! Values that follow from a stack file alone: pure functions with the same results on every machine.
use crate::{
    Cache, CacheEngine, Config, Database, DatabaseEngine, Iam, Identities, Instances, KINDS, Kind, Life, Mode, Need,
    Scope, Switch,
};
use jiff::{Timestamp, Zoned, civil::Time};
use std::collections::BTreeMap;

/// An IPv4 range.
pub use ipnet::Ipv4Net as Cidr;

/// The ranges of the subnets, in the order of the zones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnets {
    /// Ranges of the public subnets.
    pub public: Vec<Cidr>,
    /// Ranges of the private subnets for data.
    pub private: Vec<Cidr>,
    /// Ranges for instances without public addresses, empty if the instances have public ones.
    pub app: Vec<Cidr>,
}

/// A range that an existing subnet of the stack's VPC uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExistingSubnet {
    /// The IPv4 range.
    pub cidr: Cidr,
    /// The zone of the subnet.
    pub zone: String,
    /// The subnet's owner.
    pub owner: Owner,
}

/// The owner of an existing subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The stack's own public subnet of its zone.
    Public,
    /// The stack's own private subnet of its zone.
    Private,
    /// The stack's own subnet of its zone for instances without public addresses.
    App,
    /// The owner is unknown: the subnet can be the stack's without its tags.
    Unknown,
    /// Somebody else.
    Others,
}

/// The names of gameday's own tags after [`Config::tag_prefix`].
pub(crate) const OWN_TAGS: [&str; 5] = ["stack", "step", "region", "password-set", "dns"];

/// Returns the partition of a region, the second part of every ARN in it.
pub fn partition(region: &str) -> &'static str {
    match region {
        r if r.starts_with("cn-") => "aws-cn",
        r if r.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// The parameter without which MySQL refuses triggers while it writes a binary log [AWS 8.1].
pub(crate) const TRIGGERS: &str = "log_bin_trust_function_creators";

/// A parameter that RDS refuses for MySQL 8.0.
pub(crate) const NEW_IN_8_4: &str = "authentication_policy";

/// The VPC's range cannot hold a subnet of every sort for every zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cidr} has no room for {} subnets of /{prefix}, {sorts} for each of {zones} zones", zones * sorts)]
pub struct NoRoom {
    /// The VPC's range.
    pub cidr: Cidr,
    /// The number of zones.
    pub zones: usize,
    /// The number of subnets per zone.
    pub sorts: usize,
    /// The prefix length of each subnet.
    pub prefix: u8,
}

/// A config whose names are those of one account.
pub struct Resolved {
    /// The config with the names of the account.
    pub config: Config,
    /// The names that the stack file asks for, of objects that have another one.
    pub wanted: BTreeMap<String, String>,
}

impl Config {
    /// True if the service itself is allowed to use the instance metadata, and with it the role.
    pub fn has_metadata(&self) -> bool {
        let iam = &self.iam;
        iam.metadata.unwrap_or(iam.mode == Mode::Create && !(iam.read_objects.is_empty() && iam.policies.is_empty()))
    }

    /// Returns the ranges of the subnets: given ones, the others cut from `network.cidr`.
    ///
    /// Public ones come from the lower half, private ones from the upper, and those of instances without public
    /// addresses from the upper quarter of either half, so that a third zone added later moves no range that is in use.
    /// The config must have passed `parse`.
    pub fn subnets(&self, zones: usize) -> Result<Subnets, NoRoom> {
        self.subnets_beside(&vec![String::new(); zones], &[])
    }

    /// Returns the ranges of the subnets in an account.
    ///
    /// Existing subnets keep their ranges, whatever the order of the zones. New ones get free ranges.
    pub fn subnets_beside(&self, zones: &[String], standing: &[ExistingSubnet]) -> Result<Subnets, NoRoom> {
        let network = &self.network;
        let cidr: Cidr = network.cidr.parse().unwrap_or_default();
        let parsed = |list: &[String]| list.iter().filter_map(|text| text.parse().ok()).collect::<Vec<Cidr>>();
        let (public, private, app) = (parsed(&network.public), parsed(&network.private), parsed(&network.app));
        let has_app = network.instances == Instances::Private;
        // 16 pieces, but none smaller than /27, because a load balancer needs 8 free addresses per zone.
        let prefix = (cidr.prefix_len() + 4).clamp(24, 27).max(cidr.prefix_len());
        let no_room = NoRoom { cidr, zones: zones.len(), sorts: if has_app { 3 } else { 2 }, prefix };
        let pieces: Vec<Cidr> = cidr.subnets(prefix).map_err(|_| no_room.clone())?.collect();
        let (lower, upper) = pieces.split_at(pieces.len() / 2);
        let [(first, second), (third, fourth)] = [lower, upper].map(|half| half.split_at(half.len() / 2));
        let mut taken = [public.as_slice(), private.as_slice(), app.as_slice()].concat();
        let mut cut = |given: Vec<Cidr>, from: [&[Cidr]; 4], owner: Owner| {
            if !given.is_empty() {
                return Ok(given);
            }
            let one = |zone: &String| {
                if let Some(ours) = standing.iter().find(|s| s.owner == owner && s.zone == *zone) {
                    return Some(ours.cidr);
                }
                // A subnet of this zone that lost its tags is recognised by its range.
                let lost =
                    |s: &ExistingSubnet, piece: &Cidr| s.owner == Owner::Unknown && s.zone == *zone && s.cidr == *piece;
                let free = |piece: &&Cidr| {
                    taken.iter().all(|other| !overlap(piece, other))
                        && standing.iter().all(|s| !overlap(piece, &s.cidr) || lost(s, piece))
                };
                let piece = from.into_iter().flatten().find(free).copied()?;
                taken.push(piece);
                Some(piece)
            };
            zones.iter().map(one).collect::<Option<Vec<_>>>().ok_or_else(|| no_room.clone())
        };
        let public = cut(public, [first, second, third, fourth], Owner::Public)?;
        let private = cut(private, [third, fourth, first, second], Owner::Private)?;
        let app = if has_app { cut(app, [second, fourth, first, third], Owner::App)? } else { vec![] };
        Ok(Subnets { public, private, app })
    }

    /// True if the instances have no public addresses.
    pub fn has_private_instances(&self) -> bool {
        self.network.instances == Instances::Private
    }

    /// True if the instances send their logs to CloudWatch, with a role that allows it.
    pub fn has_logs(&self) -> bool {
        self.monitoring.mode == Switch::Create && self.iam.mode != Mode::Off
    }

    /// True if instances count in a log how many rows the database has refused.
    pub fn counts_refused_rows(&self) -> bool {
        self.has_logs() && self.database.mode == Mode::Create && !self.database.refuse.is_empty()
    }

    /// Returns the time of the first request. A time of day means today, in the time zone of `now`.
    pub fn traffic_at(&self, now: &Zoned) -> Option<Timestamp> {
        clock(self.traffic_at.as_deref()?, now)
    }

    /// Returns the AWS name of a step's object: prescribed under `[names]`, or the usual one.
    ///
    /// The engine's `Cx::name` returns the same.
    pub fn name_of(&self, key: &str) -> String {
        self.names.get(key).cloned().unwrap_or_else(|| self.usual_name_of(key))
    }

    /// Returns the name that a step's object has if `[names]` prescribes none.
    ///
    /// It is `stack-name`, with the region at the end for global objects, since a stack of the same name can exist in
    /// another region.
    pub fn usual_name_of(&self, key: &str) -> String {
        let name = key.split_once('/').map_or(key, |(_, name)| name);
        let is_global = Kind::by_key(key).is_some_and(|kind| kind.scope == Scope::Account);
        if is_global { format!("{}-{name}-{}", self.name, self.region) } else { format!("{}-{name}", self.name) }
    }

    /// Returns the endings of the usual names of global kinds, by kind.
    pub fn name_ends(&self) -> BTreeMap<String, String> {
        let global = KINDS.iter().filter(|kind| kind.scope == Scope::Account);
        global.map(|kind| (kind.word.to_owned(), format!("-{}", self.region))).collect()
    }

    /// Returns the config with the keys and names that its objects have in an account: those of the file, then of the
    /// region, then of the account.
    ///
    /// `identities` are the keys under which the services' own steps exist, `existing` the names of objects that have
    /// another one than the file gives them.
    pub fn in_account(&self, identities: &Identities, existing: &BTreeMap<String, String>) -> Resolved {
        let mut config = self.clone();
        config.take_identities(identities.clone());
        let wanted = config.keep_names(existing);
        Resolved { config, wanted }
    }

    /// Keeps the names that existing objects already have, except for alarms and dashboards, which are recreated under
    /// the new name. Returns the names that the stack file asks for.
    fn keep_names(&mut self, existing: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let wanted = existing.keys().map(|key| (key.clone(), self.name_of(key))).collect();
        let stays = |key: &str| Kind::by_key(key).is_none_or(|kind| kind.life != Life::Renewable);
        self.names.extend(existing.iter().filter(|(key, _)| stays(key)).map(|(k, v)| (k.clone(), v.clone())));
        wanted
    }

    /// True if the user data has to contain a password in clear.
    ///
    /// That is so with a database to log in to, but without an instance profile to fetch the password.
    pub fn passwords_in_user_data(&self) -> bool {
        self.iam.mode == Mode::Off && self.is_needed(Need::Database)
    }
}

impl Iam {
    /// Returns the role in an existing profile: the named one, or the one with the profile's name, as the console
    /// creates both.
    pub fn used_role(&self) -> Option<&str> {
        let profile = self.instance_profile.as_deref().filter(|_| self.mode == Mode::Use)?;
        Some(match &self.role {
            Some(role) => role,
            // The profile of AWS Academy's labs.
            None if profile == "LabInstanceProfile" => "LabRole",
            None => profile,
        })
    }
}

impl Database {
    /// Returns host and port of an existing database (`mode = "use"`).
    pub fn endpoint(&self) -> Option<(String, u16)> {
        host_port(self.endpoint.as_deref()?)
    }

    /// Returns the given version, or the newest that both gameday and the engine support.
    pub fn engine_version(&self) -> &str {
        self.version.as_deref().unwrap_or(self.engine.usual_version())
    }

    /// True if the version is past its standard support, so that RDS requires paid extended support.
    pub fn extended_support(&self) -> bool {
        self.engine.is_extended_support(self.engine_version())
    }

    /// Returns the family of the parameter group.
    pub fn family(&self) -> String {
        self.engine.family(self.engine_version())
    }

    /// Returns the parameters of the database's group: given ones and defaults, as far as the version supports them.
    pub fn known_parameters(&self) -> BTreeMap<String, String> {
        let usual = self.engine.usual_parameters().iter().map(|(name, value)| (name.to_string(), value.to_string()));
        let mut all: BTreeMap<_, _> = usual.collect();
        if self.engine == DatabaseEngine::Mysql && !self.refuse.is_empty() {
            all.insert(TRIGGERS.into(), "1".into());
        }
        all.extend(self.parameters.clone());
        // MySQL 8.0 uses mysql_native_password by default [AWS 1.5].
        if self.family() == "mysql8.0" {
            all.remove(NEW_IN_8_4);
        }
        all
    }
}

impl Cache {
    /// Returns host and port of an existing cache (`mode = "use"`).
    pub fn endpoint(&self) -> Option<(String, u16)> {
        host_port(self.endpoint.as_deref()?)
    }

    /// Returns the given version, or the newest that both gameday and the engine support.
    pub fn engine_version(&self) -> &str {
        self.version.as_deref().unwrap_or(match self.engine {
            CacheEngine::Redis => "7.1",
            CacheEngine::Valkey => "8.2",
            CacheEngine::Memcached => "1.6.22",
        })
    }

    /// Returns the key of the cache's step: a replication group, or with memcached a cache cluster.
    pub const fn key(&self) -> &'static str {
        self.engine.key()
    }
}

impl CacheEngine {
    /// The keys of the steps that a cache can be.
    pub const KEYS: [&str; 2] = [Self::Redis.key(), Self::Memcached.key()];

    /// Returns the key of the step that is a cache of this engine.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Redis | Self::Valkey => "cache/main",
            Self::Memcached => "cache-cluster/main",
        }
    }

    /// Returns the port on which the engine's servers listen.
    pub const fn port(self) -> u16 {
        match self {
            Self::Redis | Self::Valkey => 6379,
            Self::Memcached => 11211,
        }
    }

    /// Returns what the engine's clients speak.
    pub const fn speaks(self) -> &'static str {
        match self {
            Self::Redis | Self::Valkey => "Redis",
            Self::Memcached => "memcached",
        }
    }
}

/// Splits `host:port`, or returns nothing if the text has another form.
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

/// Reads a time of day (today) or an RFC 3339 date-time.
pub(crate) fn clock(text: &str, now: &Zoned) -> Option<Timestamp> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    // jiff also accepts "1000" and bare dates as times, which people do not mean.
    if !text.contains(':') || text.len() > 8 {
        return None;
    }
    let time: Time = text.parse().ok()?;
    Some(now.date().to_datetime(time).to_zoned(now.time_zone().clone()).ok()?.timestamp())
}

pub(crate) fn overlap(a: &Cidr, b: &Cidr) -> bool {
    a.contains(b) || b.contains(a)
}
