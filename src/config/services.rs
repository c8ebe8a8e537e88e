//! The services of a stack, each with what belongs to it.
use crate::{Config, Service};
use std::{collections::BTreeMap, ops::Deref};

/// One service of a stack: its name, its table, and the keys of the steps that are its own.
///
/// It dereferences to its table.
#[derive(Clone, Copy, Debug)]
pub struct ServiceScope<'a> {
    pub name: &'a str,
    pub table: &'a Service,
    identity: &'a Identity,
}

/// Under which keys the steps stand that a service keeps when it is renamed: its security group, role, instance profile,
/// log groups and alarms.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Identity {
    /// Under the service's own name.
    #[default]
    Own,
    /// Under the name that the service had when they were created.
    Former(String),
    /// Without a name, as gameday wrote them when a stack had one service: `security-group/app`, `role/instance`.
    Unnamed,
}

/// What the alarms of a service watch.
pub const ALARMS: [&str; 2] = ["unhealthy-hosts", "healthy-hosts"];

/// By service; the services that are missing have their own.
pub type Identities = BTreeMap<String, Identity>;

impl Deref for ServiceScope<'_> {
    type Target = Service;

    fn deref(&self) -> &Service {
        self.table
    }
}

impl<'a> ServiceScope<'a> {
    /// Returns the name that a new port shares with nothing else: target group, Auto Scaling group and scaling policies
    /// are called this, since they are replaced together when the service gets another name or port.
    ///
    /// `api`, or `api-8080` on port 8080.
    pub fn slot(&self) -> String {
        slot(self.name, self.table)
    }

    /// Returns the key of the service's step of this kind, where it has one of it.
    pub fn key(&self, kind: &str) -> String {
        let name = match kind {
            "auto-scaling-group" | "target-group" => self.slot(),
            "security-group" | "security-group-rules" => self.security_group(),
            "role" | "instance-profile" => self.profile(),
            _ => self.name.into(),
        };
        format!("{kind}/{name}")
    }

    /// Returns the second half of the key of its security group and that group's rules.
    pub fn security_group(&self) -> String {
        security_group(self.name, self.identity)
    }

    /// Returns the second half of the keys of its role and instance profile.
    pub fn profile(&self) -> String {
        self.identity.prefix(self.name).unwrap_or("instance").into()
    }

    /// Returns the second half of the key of an alarm or a log group that is the service's own.
    pub fn own(&self, what: &str) -> String {
        self.identity.prefix(self.name).map_or_else(|| what.into(), |name| format!("{name}-{what}"))
    }

    /// True if this is the key of an alarm of its own.
    pub fn has_alarm(&self, key: &str) -> bool {
        ALARMS.iter().any(|what| key.strip_prefix("alarm/") == Some(self.own(what).as_str()))
    }

    /// Returns the path of its log group.
    pub fn log_path(&self, stack: &str, what: &str) -> String {
        match self.identity.prefix(self.name) {
            Some(name) => format!("/gameday/{stack}/{name}/{what}"),
            None => format!("/gameday/{stack}/{what}"),
        }
    }
}

impl Identity {
    fn prefix<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        match self {
            Self::Own => Some(name),
            Self::Former(name) => Some(name),
            Self::Unnamed => None,
        }
    }

    /// Returns the identity that a security group of a service tells, by the second half of its step's key.
    pub fn of_security_group(name: &str) -> Option<Self> {
        match name {
            "app" => Some(Self::Unnamed),
            _ => name.strip_prefix("app-").map(|service| Self::Former(service.into())),
        }
    }
}

/// Returns the second half of the key of a service's security group.
fn security_group(name: &str, identity: &Identity) -> String {
    identity.prefix(name).map_or_else(|| "app".into(), |name| format!("app-{name}"))
}

/// Returns [`ServiceScope::slot`] of a service.
pub(crate) fn slot(name: &str, service: &Service) -> String {
    if service.port == crate::model::default::port() { name.to_owned() } else { format!("{name}-{}", service.port) }
}

/// Returns the keys of a service's own steps that the stack file may name.
fn own_keys(service: &str, identity: &Identity) -> Vec<String> {
    let profile = identity.prefix(service).unwrap_or("instance");
    let own = |what: &str| identity.prefix(service).map_or_else(|| what.into(), |name| format!("{name}-{what}"));
    let mut keys = vec![format!("security-group/{}", security_group(service, identity))];
    keys.extend(["role", "instance-profile"].map(|kind| format!("{kind}/{profile}")));
    keys.extend(ALARMS.map(|what| format!("alarm/{}", own(what))));
    keys
}

/// Gives each key in `to` the name of its counterpart in `from`, where it has none.
fn copy_names(names: &mut BTreeMap<String, String>, from: &[String], to: &[String]) {
    for (from, to) in from.iter().zip(to) {
        if let Some(name) = names.get(from).cloned() {
            names.entry(to.clone()).or_insert(name);
        }
    }
}

impl Config {
    /// Returns the services, in the order of their names.
    pub fn services(&self) -> impl Iterator<Item = ServiceScope<'_>> {
        self.service.iter().map(|(name, table)| {
            let identity = self.identities.get(name).unwrap_or(&Identity::Own);
            ServiceScope { name, table, identity }
        })
    }

    /// Returns the service with this name.
    pub fn service_called(&self, name: &str) -> Option<ServiceScope<'_>> {
        self.services().find(|service| service.name == name)
    }

    /// Takes over which keys the services' own steps have in the account. A name under `[names]` holds for them, too.
    pub(crate) fn take_identities(&mut self, identities: Identities) {
        for (service, identity) in &identities {
            let (own, kept) = (own_keys(service, &Identity::Own), own_keys(service, identity));
            copy_names(&mut self.names, &own, &kept);
        }
        self.identities = identities;
        self.name_what_is_global();
    }

    /// Lets `[names]` speak of the only service's steps without its name, as it could when there was one service.
    pub(crate) fn accept_unnamed_keys(&mut self) {
        let mut services = self.service.keys();
        if let (Some(service), None) = (services.next(), services.next()) {
            let (own, unnamed) = (own_keys(service, &Identity::Own), own_keys(service, &Identity::Unnamed));
            copy_names(&mut self.names, &unnamed, &own);
        }
    }

    /// Deals the identities of which security groups of the stack exist, by the second halves of their keys.
    ///
    /// A service that has none of its own keeps the one that no other service has: it was renamed. Where that does not
    /// say which one, each service gets its own.
    pub fn identities_of(&self, groups: impl Iterator<Item = String>) -> Identities {
        let groups: Vec<String> = groups.collect();
        let is_own = |group: &str, name: &str| security_group(name, &Identity::Own) == group;
        let without = self.service.keys().filter(|name| !groups.iter().any(|group| is_own(group, name)));
        let without: Vec<&String> = without.collect();
        let orphans = groups.iter().filter(|group| !self.service.keys().any(|name| is_own(group, name)));
        let mut orphans: Vec<Identity> = orphans.filter_map(|group| Identity::of_security_group(group)).collect();
        orphans.sort();
        orphans.dedup();
        match (without.as_slice(), orphans.as_slice()) {
            ([service], [identity]) => [((*service).clone(), identity.clone())].into(),
            _ => Identities::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(services: &[&str]) -> Config {
        let text: String = services.iter().map(|s| format!("[service.{s}]\nsource = \"https://a/b\"\n")).collect();
        let document = format!("name = \"billing\"\nregion = \"us-east-1\"\n{text}");
        toml::from_str(&document).expect("a stack file")
    }

    fn identities(services: &[&str], groups: &[&str]) -> Identities {
        config(services).identities_of(groups.iter().map(|g| (*g).to_owned()))
    }

    #[test]
    fn a_service_is_known_by_what_it_has() {
        let former = |name: &str| Identity::Former(name.into());
        for (services, groups, expected) in [
            (&["api"][..], &[][..], None),
            (&["api"], &["app-api"], None),
            (&["api"], &["app"], Some(("api", Identity::Unnamed))),
            (&["web"], &["app-api"], Some(("web", former("api")))),
            // The service that was renamed has a new group already: it keeps that.
            (&["web"], &["app-api", "app-web"], None),
            (&["api", "web"], &["app-api"], None),
            (&["api", "web"], &["app-api", "app-old"], Some(("web", former("old")))),
            (&["api", "web"], &["app"], None),
            (&["web"], &["app-a", "app-b"], None),
            (&["web"], &["alb", "db", "cache"], None),
        ] {
            let expected = expected.map(|(name, identity)| (name.to_owned(), identity));
            assert_eq!(identities(services, groups), Identities::from_iter(expected), "{services:?} {groups:?}");
        }
    }

    #[test]
    fn what_belongs_to_a_service_carries_its_name() {
        let mut config = config(&["api", "web"]);
        config.service.get_mut("web").expect("it is there").port = 8080;
        let keys = |config: &Config, name: &str| {
            let service = config.service_called(name).expect("it is there");
            let kinds = ["security-group", "role", "target-group", "launch-template"];
            let mut keys: Vec<String> = kinds.iter().map(|kind| service.key(kind)).collect();
            keys.extend([service.own("healthy-hosts"), service.log_path("billing", "app")]);
            keys.join(" ")
        };
        assert_eq!(
            keys(&config, "api"),
            "security-group/app-api role/api target-group/api launch-template/api api-healthy-hosts \
             /gameday/billing/api/app"
        );
        config.identities.insert("web".into(), Identity::Unnamed);
        assert_eq!(
            keys(&config, "web"),
            "security-group/app role/instance target-group/web-8080 launch-template/web healthy-hosts /gameday/billing/app"
        );
    }
}
