//! The services of a stack, each with its keys and names.
use crate::{Config, Service};
use std::{collections::BTreeMap, ops::Deref};

/// One service of a stack: its name, its table, and the keys of its own steps.
///
/// It dereferences to its table.
#[derive(Clone, Copy, Debug)]
pub struct ServiceScope<'a> {
    /// The service's name.
    pub name: &'a str,
    /// The service's table.
    pub table: &'a Service,
    identity: &'a Identity,
}

/// The name in the keys of the steps that a renamed service keeps: its security group, role, instance profile, log
/// groups and alarms.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Identity {
    /// The service's own name.
    #[default]
    Own,
    /// The name that the service had when they were created.
    Former(String),
    /// No name, as gameday wrote them when a stack had one service: `security-group/app`, `role/instance`.
    Unnamed,
}

/// The conditions that the alarms of a service watch.
pub const ALARMS: [&str; 2] = ["unhealthy-hosts", "healthy-hosts"];

/// Identities by service. Services that are missing have their own.
pub type Identities = BTreeMap<String, Identity>;

impl Deref for ServiceScope<'_> {
    type Target = Service;

    fn deref(&self) -> &Service {
        self.table
    }
}

impl<'a> ServiceScope<'a> {
    /// Returns the name of the objects that are replaced together when the service gets another name or port.
    ///
    /// They are target group, Auto Scaling group and scaling policies. The name is `api`, or `api-8080` on port 8080.
    pub fn slot(&self) -> String {
        slot(self.name, self.table)
    }

    /// Returns the key of the service's step of this kind, for kinds of which it has one.
    pub fn key(&self, kind: &str) -> String {
        let name = match kind {
            "auto-scaling-group" | "target-group" => self.slot(),
            "security-group" | "security-group-rules" => self.security_group(),
            "role" | "instance-profile" => self.profile(),
            _ => self.name.into(),
        };
        format!("{kind}/{name}")
    }

    /// Returns the second half of the key of the service's security group and its rules.
    pub fn security_group(&self) -> String {
        security_group(self.name, self.identity)
    }

    /// Returns the second half of the keys of the service's role and instance profile.
    pub fn profile(&self) -> String {
        self.identity.prefix(self.name).unwrap_or("instance").into()
    }

    /// Returns the second half of the key of the service's own alarm or log group.
    pub fn own(&self, what: &str) -> String {
        self.identity.prefix(self.name).map_or_else(|| what.into(), |name| format!("{name}-{what}"))
    }

    /// True if this is the key of one of the service's alarms.
    pub fn has_alarm(&self, key: &str) -> bool {
        ALARMS.iter().any(|what| key.strip_prefix("alarm/") == Some(self.own(what).as_str()))
    }

    /// Returns the path of the service's log group.
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

    /// Returns the identity that a service's security group reveals, by the second half of its step's key.
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

/// Returns the keys of a service's own steps that the stack file can name.
fn own_keys(service: &str, identity: &Identity) -> Vec<String> {
    let profile = identity.prefix(service).unwrap_or("instance");
    let own = |what: &str| identity.prefix(service).map_or_else(|| what.into(), |name| format!("{name}-{what}"));
    let mut keys = vec![format!("security-group/{}", security_group(service, identity))];
    keys.extend(["role", "instance-profile"].map(|kind| format!("{kind}/{profile}")));
    keys.extend(ALARMS.map(|what| format!("alarm/{}", own(what))));
    keys
}

/// Gives each key in `to` the name of its counterpart in `from`, unless it has one.
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

    /// Sets the identities that the services have in the account. Names under `[names]` apply to them, too.
    pub fn take_identities(&mut self, identities: Identities) {
        for (service, identity) in &identities {
            let (own, kept) = (own_keys(service, &Identity::Own), own_keys(service, identity));
            copy_names(&mut self.names, &own, &kept);
        }
        self.identities = identities;
        self.add_region_to_global_names();
    }

    /// Accepts keys without a service name under `[names]` if the stack has only one service.
    pub(crate) fn accept_unnamed_keys(&mut self) {
        let mut services = self.service.keys();
        if let (Some(service), None) = (services.next(), services.next()) {
            let (own, unnamed) = (own_keys(service, &Identity::Own), own_keys(service, &Identity::Unnamed));
            copy_names(&mut self.names, &unnamed, &own);
        }
    }

    /// Assigns identities from the existing security groups of the stack, by the second halves of their keys.
    ///
    /// A service without a group keeps the one that no other service has, because it was renamed. If that is ambiguous,
    /// each service gets its own.
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
            // The renamed service already has a new group and keeps that one.
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
