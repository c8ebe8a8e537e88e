//! What follows from a stack file by itself: pure, and the same on every laptop.
use crate::{
    Cache, CacheEngine, Config, Database, Iam, Identities, Instances, KINDS, Kind, Life, Mode, Scope, Service,
};
use jiff::{Timestamp, Zoned, civil::Time};
use std::collections::BTreeMap;

/// An IPv4 range.
pub use ipnet::Ipv4Net as Cidr;

/// Ranges of the subnets, by zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnets {
    pub public: Vec<Cidr>,
    pub private: Vec<Cidr>,
    /// Of instances without public addresses; empty where they have such.
    pub app: Vec<Cidr>,
}

/// A range that a subnet of the stack's VPC has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub cidr: Cidr,
    pub zone: String,
    pub whose: Whose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The stack's own subnet of its zone on that side.
    Public,
    Private,
    App,
    /// Nothing says whose it is: it may be ours and have lost its tags.
    Unsaid,
    Others,
}

/// What gameday's own tags are called after [`Config::tag_prefix`].
pub(crate) const OWN_TAGS: [&str; 4] = ["stack", "step", "region", "password-set"];

/// The partition of a region: the second part of every ARN in it.
pub fn partition(region: &str) -> &'static str {
    match region {
        r if r.starts_with("cn-") => "aws-cn",
        r if r.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// A parameter that RDS refuses for MySQL 8.0.
pub(crate) const NEW_IN_8_4: &str = "authentication_policy";

/// The VPC's range cannot hold a subnet of every sort for every zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cidr} has no room for {} subnets of /{prefix}, {sorts} for each of {zones} zones", zones * sorts)]
pub struct NoRoom {
    pub cidr: Cidr,
    pub zones: usize,
    pub sorts: usize,
    pub prefix: u8,
}

/// A config whose names are those of one account.
pub struct Resolved {
    pub config: Config,
    /// The names that the stack file asks for, of objects that have another one.
    pub wanted: BTreeMap<String, String>,
}

impl Config {
    /// Whether the stack file lets the service itself ask the instance metadata, and so use the role.
    pub fn has_metadata(&self) -> bool {
        let iam = &self.iam;
        iam.metadata.unwrap_or(iam.mode == Mode::Create && !(iam.read_objects.is_empty() && iam.policies.is_empty()))
    }

    /// The ranges of the subnets: those given, the others cut from `network.cidr`.
    ///
    /// Public ones come from the lower half, private ones from the upper, and those of instances without public addresses
    /// from the upper quarter of either, so that a third zone added later moves no range that is in use. The config must
    /// have passed `parse`.
    pub fn subnets(&self, zones: usize) -> Result<Subnets, NoRoom> {
        self.subnets_beside(&vec![String::new(); zones], &[])
    }

    /// The same in an account: what stands keeps its range, in whatever order the zones are given, and the others get
    /// ranges that are free.
    pub fn subnets_beside(&self, zones: &[String], standing: &[Standing]) -> Result<Subnets, NoRoom> {
        let network = &self.network;
        let cidr: Cidr = network.cidr.parse().unwrap_or_default();
        let parsed = |list: &[String]| list.iter().filter_map(|text| text.parse().ok()).collect::<Vec<Cidr>>();
        let (public, private, app) = (parsed(&network.public), parsed(&network.private), parsed(&network.app));
        let has_app = network.instances == Instances::Private;
        // 16 pieces, but none smaller than /27: a load balancer wants 8 free addresses per zone.
        let prefix = (cidr.prefix_len() + 4).clamp(24, 27).max(cidr.prefix_len());
        let no_room = NoRoom { cidr, zones: zones.len(), sorts: if has_app { 3 } else { 2 }, prefix };
        let pieces: Vec<Cidr> = cidr.subnets(prefix).map_err(|_| no_room.clone())?.collect();
        let (lower, upper) = pieces.split_at(pieces.len() / 2);
        let [(first, second), (third, fourth)] = [lower, upper].map(|half| half.split_at(half.len() / 2));
        let mut taken = [public.as_slice(), private.as_slice(), app.as_slice()].concat();
        let mut cut = |given: Vec<Cidr>, from: [&[Cidr]; 4], whose: Whose| {
            if !given.is_empty() {
                return Ok(given);
            }
            let one = |zone: &String| {
                if let Some(ours) = standing.iter().find(|s| s.whose == whose && s.zone == *zone) {
                    return Some(ours.cidr);
                }
                // One that is there in this zone and lost its tags is found by its range.
                let lost = |s: &Standing, piece: &Cidr| s.whose == Whose::Unsaid && s.zone == *zone && s.cidr == *piece;
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
        let public = cut(public, [first, second, third, fourth], Whose::Public)?;
        let private = cut(private, [third, fourth, first, second], Whose::Private)?;
        let app = if has_app { cut(app, [second, fourth, first, third], Whose::App)? } else { vec![] };
        Ok(Subnets { public, private, app })
    }

    /// Whether the instances do without public addresses.
    pub fn has_private_instances(&self) -> bool {
        self.network.instances == Instances::Private
    }

    /// When the first request comes: a time of day counts in the zone of `now`, today.
    pub fn traffic_at(&self, now: &Zoned) -> Option<Timestamp> {
        clock(self.traffic_at.as_deref()?, now)
    }

    /// The AWS name of a step's object: the one that `[names]` prescribes, or the usual one. As the engine's `Cx::name`.
    pub fn name_of(&self, key: &str) -> String {
        self.names.get(key).cloned().unwrap_or_else(|| self.usual_name_of(key))
    }

    /// Returns the name that a step's object has if `[names]` prescribes none: `stack-name`, and the region where the names
    /// of a kind are those of the whole account, since a stack of this name may be in another region, too.
    pub fn usual_name_of(&self, key: &str) -> String {
        let name = key.split_once('/').map_or(key, |(_, name)| name);
        let is_global = Kind::of_key(key).is_some_and(|kind| kind.scope == Scope::Account);
        if is_global { format!("{}-{name}-{}", self.name, self.region) } else { format!("{}-{name}", self.name) }
    }

    /// Returns what ends the usual names of the kinds that are global.
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
    fn keep_names(&mut self, standing: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let wanted = standing.keys().map(|key| (key.clone(), self.name_of(key))).collect();
        let stays = |key: &str| Kind::of_key(key).is_none_or(|kind| kind.life != Life::Renewable);
        self.names.extend(standing.iter().filter(|(key, _)| stays(key)).map(|(k, v)| (k.clone(), v.clone())));
        wanted
    }

    /// Whether a password has to stand in the user data in clear: there is a database to log in to, and no profile to
    /// fetch the password with.
    pub fn passwords_in_user_data(&self) -> bool {
        self.iam.mode == Mode::Off && self.database.mode != Mode::Off
    }
}

/// What one rule of a load balancer takes: so many condition values, and so many wildcards in them. Neither can be raised.
pub(crate) const RULE_HOLDS: usize = 5;

/// The wildcards of a path pattern.
pub(crate) fn wildcards(route: &str) -> usize {
    route.chars().filter(|c| matches!(c, '*' | '?')).count()
}

impl Service {
    /// The routes, as many in each rule of the balancer as that takes.
    pub fn rules(&self) -> Vec<Vec<String>> {
        let mut rules: Vec<Vec<String>> = vec![];
        for route in &self.routes {
            let fits = |rule: &&mut Vec<String>| {
                let there: usize = rule.iter().map(|r| wildcards(r)).sum();
                rule.len() < RULE_HOLDS && there + wildcards(route) <= RULE_HOLDS
            };
            match rules.last_mut().filter(fits) {
                Some(rule) => rule.push(route.clone()),
                None => rules.push(vec![route.clone()]),
            }
        }
        rules
    }
}

impl Iam {
    /// The role in the profile that is used: named, or called as the profile is, which is how the console makes both.
    pub fn used_role(&self) -> Option<&str> {
        let profile = self.instance_profile.as_deref().filter(|_| self.mode == Mode::Use)?;
        Some(match &self.role {
            Some(role) => role,
            // Of AWS Academy's labs.
            None if profile == "LabInstanceProfile" => "LabRole",
            None => profile,
        })
    }
}

impl Database {
    /// Host and port of a database that exists already (`mode = "use"`).
    pub fn endpoint(&self) -> Option<(String, u16)> {
        host_port(self.endpoint.as_deref()?)
    }

    /// True if the version is past its standard support.
    pub fn extended_support(&self) -> bool {
        is_extended_support(&self.version)
    }

    /// The parameters of its group: those given and the defaults, as far as the version knows them.
    pub fn known_parameters(&self) -> BTreeMap<String, String> {
        let mut all = self.parameters.clone();
        // 8.0 logs in with mysql_native_password as it is [AWS 1.5].
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

/// True if this version of MySQL is past its standard support. RDS creates it only with extended support, which it bills.
pub fn is_extended_support(version: &str) -> bool {
    version == "8.0" || version.starts_with("8.0.")
}
