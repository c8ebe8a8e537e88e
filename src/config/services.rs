//! The services of a stack, each with its keys and names.
use crate::{Config, Service};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Deref,
};

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

/// The log file that the contest's servers write.
pub const APP_LOG: &str = "app_log";

/// The log groups of a service, by what they hold.
pub(crate) const LOGS: [&str; 2] = ["app", "boot"];

/// Identities by service. Services that are missing have their own.
pub type Identities = BTreeMap<String, Identity>;

impl Deref for ServiceScope<'_> {
    type Target = Service;

    fn deref(&self) -> &Service {
        self.table
    }
}

impl ServiceScope<'_> {
    /// Returns whose name is in the keys of the steps that a renamed service keeps.
    pub fn identity(&self) -> &Identity {
        self.identity
    }

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

    /// Returns the identity that the key of a service's own step reveals.
    ///
    /// A key with a service's name yields [`Identity::Former`], also if the stack file has a service of that name.
    pub fn of_key(key: &str) -> Option<Self> {
        let (kind, name) = key.split_once('/')?;
        let former = |service: &str| Some(Self::Former(service.into())).filter(|_| !service.is_empty());
        let prefixed = |whats: &[&str]| match whats.contains(&name) {
            true => Some(Self::Unnamed),
            false => whats.iter().find_map(|what| name.strip_suffix(what)?.strip_suffix('-')).and_then(former),
        };
        match (kind, name) {
            ("security-group", "app") | ("role" | "instance-profile", "instance") => Some(Self::Unnamed),
            ("security-group", _) => name.strip_prefix("app-").and_then(former),
            ("role" | "instance-profile", _) => former(name),
            ("log-group", _) => prefixed(&LOGS),
            ("alarm", _) => prefixed(&ALARMS),
            _ => None,
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
    }

    /// Returns the stack as gameday described it when keys did not carry the service's name.
    pub fn with_unnamed_keys(&self) -> Self {
        let mut config = self.clone();
        config.take_identities(self.service.keys().map(|name| (name.clone(), Identity::Unnamed)).collect());
        config
    }

    /// Returns the key that a service's own step had when keys did not carry the service's name.
    pub fn unnamed_key(&self, key: &str) -> Option<String> {
        let counterpart = |service: &str| {
            let keys = own_keys(service, &Identity::Own).into_iter().zip(own_keys(service, &Identity::Unnamed));
            keys.into_iter().find(|(own, _)| own == key).map(|(_, unnamed)| unnamed)
        };
        self.service.keys().find_map(|service| counterpart(service))
    }

    /// Accepts keys without a service name under `[names]` if the stack has only one service.
    pub(crate) fn accept_unnamed_keys(&mut self) {
        let mut services = self.service.keys();
        if let (Some(service), None) = (services.next(), services.next()) {
            let (own, unnamed) = (own_keys(service, &Identity::Own), own_keys(service, &Identity::Unnamed));
            copy_names(&mut self.names, &unnamed, &own);
        }
    }

    /// Assigns identities from the existing objects of the stack.
    ///
    /// A service without an identity of its own keeps the one that no other service has, because it was renamed. If
    /// that is ambiguous, each service gets its own.
    pub fn identities_of(&self, existing: impl Iterator<Item = Identity>) -> Identities {
        let existing: BTreeSet<Identity> = existing.collect();
        let is_own = |identity: &Identity, name: &str| matches!(identity, Identity::Former(of) if of == name);
        let without: Vec<&String> =
            self.service.keys().filter(|name| !existing.iter().any(|identity| is_own(identity, name))).collect();
        let orphans = existing.iter().filter(|identity| !self.service.keys().any(|name| is_own(identity, name)));
        match (without.as_slice(), orphans.collect::<Vec<_>>().as_slice()) {
            ([service], [identity]) => [((*service).clone(), (*identity).clone())].into(),
            _ => Identities::new(),
        }
    }

    /// Returns the keys of the steps that services had of their own when keys did not carry the service's name.
    pub fn unnamed_keys(&self) -> impl Iterator<Item = String> {
        let keys = self.service.keys().flat_map(|service| own_keys(service, &Identity::Unnamed));
        keys.collect::<BTreeSet<_>>().into_iter()
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
        let keys = groups.iter().map(|group| format!("security-group/{group}"));
        config(services).identities_of(keys.filter_map(|key| Identity::of_key(&key)))
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
    fn a_key_tells_whose_it_is() {
        for (key, expected) in [
            ("security-group/app", Some(Identity::Unnamed)),
            ("security-group/app-api", Some(Identity::Former("api".into()))),
            ("security-group/alb", None),
            ("role/instance", Some(Identity::Unnamed)),
            ("instance-profile/web-2", Some(Identity::Former("web-2".into()))),
            ("log-group/boot", Some(Identity::Unnamed)),
            ("log-group/web-2-app", Some(Identity::Former("web-2".into()))),
            ("alarm/healthy-hosts", Some(Identity::Unnamed)),
            ("alarm/api-unhealthy-hosts", Some(Identity::Former("api".into()))),
            ("alarm/slow", None),
            ("alarm/-healthy-hosts", None),
            ("target-group/app", None),
            ("app", None),
        ] {
            assert_eq!(Identity::of_key(key), expected, "{key}");
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
