//! The request path as the stack file describes it: the half of a snapshot that needs no AWS.
use crate::{
    config::{CacheEngine, Config, DatabaseEngine, Egress, Kind, Mode, Need, Origin, ServiceScope, Switch},
    engine::TagKeys,
    facts::Facts,
    parts::{
        access::{HTTP, HTTPS},
        balancer::see::{Condition, refused},
        service::endpoint_services,
    },
};
use serde::{Deserialize, Serialize};

/// The identity of a request path: stack, service, account and region.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Whose {
    pub stack: String,
    pub service: String,
    pub account: String,
    pub region: String,
    /// The keys of the tags that the stack's objects carry.
    #[serde(rename = "tag_prefix", skip_serializing_if = "TagKeys::is_usual")]
    pub keys: TagKeys,
}

/// The request path of one service as the stack file describes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Expected {
    /// The balancer's port.
    pub listener_port: u16,
    /// The certificate of HTTPS: an ARN, the domain of a requested one, or [`Expected::SELF_SIGNED`]. `None`: HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// True if port 80 redirects to HTTPS.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub redirect: bool,
    /// The service's port on an instance.
    pub port: u16,
    pub health_path: String,
    pub health_codes: String,
    /// Path patterns of the listener's rules. Empty: any path.
    pub routes: Vec<String>,
    /// Host patterns of the listener's rules. Empty: any host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// The conditions of the rules that refuse requests, by their places in `block` under `[balancer]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<Vec<Condition>>,
    pub zones: Vec<String>,
    pub min: i32,
    pub desired: i32,
    pub max: i32,
    pub grace_seconds: i32,
    pub instance_type: String,
    pub image: String,
    /// True if some instances are from the Spot market.
    pub spot: bool,
    /// CIDRs and prefix lists that are allowed to reach the balancer.
    pub http: Vec<String>,
    /// CIDRs and prefix lists that are allowed to reach port 22 of the instances.
    pub ssh: Vec<String>,
    pub key_pair: Option<String>,
    /// True if the balancer has private addresses only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub internal: bool,
    pub network: Origin,
    /// True if the instances have no public addresses.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub private_instances: bool,
    /// The AWS services that private instances reach through endpoints if no route goes to the internet. `None`: such a
    /// route is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<Vec<String>>,
    /// The VPC, if the stack uses an existing one.
    pub vpc: Option<String>,
    pub database: Mode,
    #[serde(skip_serializing_if = "is_mysql")]
    pub database_engine: DatabaseEngine,
    pub cache: Mode,
    pub files: Mode,
    pub iam: Mode,
    /// `host:port` of a database that the stack uses and does not create.
    pub database_endpoint: Option<String>,
    /// The log group where instances say how many rows the database has refused. `None`: they do not, or those of
    /// another service do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_rows: Option<String>,
    /// `host:port` of a cache that the stack uses and does not create.
    pub cache_endpoint: Option<String>,
    /// The id of a file system that the stack uses and does not create.
    pub file_system: Option<String>,
    pub multi_az: bool,
    /// The engine of the cache, also of one that the stack only uses.
    #[serde(skip_serializing_if = "is_usual")]
    pub cache_engine: CacheEngine,
    pub cache_nodes: u32,
    /// The distribution before the balancer. `None`: the stack has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cdn: Option<Cdn>,
    /// The name that points at the balancer. `None`: the balancer's own name is the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<Dns>,
    /// The AWS names of the objects that are found by name.
    pub names: Names,
    /// What distinguishes the service from the stack's other services.
    pub own: Own,
    /// The AWS names of all alarms except those of other services.
    pub alarms: Vec<String>,
    /// The keys of all steps of the stack.
    pub steps: Vec<String>,
}

/// True for the engine that snapshots of older versions have without saying so.
fn is_usual(engine: &CacheEngine) -> bool {
    *engine == CacheEngine::default()
}

/// True for the engine that snapshots of older versions have without saying so.
fn is_mysql(engine: &DatabaseEngine) -> bool {
    *engine == DatabaseEngine::Mysql
}

/// The distribution before the balancer as the stack file describes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cdn {
    /// The key of its step.
    pub step: String,
    /// True if its name is the address of the stack.
    pub endpoint: bool,
    /// True if the balancer is closed to requests that do not come through it.
    pub closed: bool,
    /// True if the balancer answers only requests with the header that it sends.
    pub header: bool,
}

/// The name of the service as the stack file describes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dns {
    pub name: String,
    /// The id of the hosted zone, if the stack file gives it.
    pub zone: Option<String>,
}

/// The AWS names of the objects that AWS finds by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Names {
    pub balancer: String,
    pub target_group: String,
    pub auto_scaling_group: String,
    pub template: String,
    pub database: String,
    pub cache: String,
    /// The instance profile; `None`: the instances have none.
    pub profile: Option<String>,
}

/// What distinguishes a service from the stack's other services.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Own {
    /// The second half of the key of the service's security group.
    pub security_group: String,
    /// The second half of the key of the service's target group. `None` in snapshots of older versions, where the first
    /// target group is the service's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_group: Option<String>,
    /// The other services of the stack.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub siblings: Vec<Sibling>,
}

impl Default for Own {
    fn default() -> Self {
        Self { security_group: "app".into(), target_group: None, siblings: vec![] }
    }
}

/// Another service of the stack, by its names on AWS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sibling {
    pub target_group: String,
    pub auto_scaling_group: String,
}

impl Expected {
    /// Returns the request path of one service as the stack file describes it. `steps` are the keys of the stack's
    /// graph.
    pub fn new(config: &Config, service: ServiceScope<'_>, facts: &Facts, steps: Vec<String>) -> Self {
        let by = |key: &str| config.name_of(key);
        let siblings = || config.services().filter(|other| other.name != service.name);
        let sibling = |other: ServiceScope<'_>| Sibling {
            target_group: by(&other.key("target-group")),
            auto_scaling_group: by(&other.key("auto-scaling-group")),
        };
        let is_theirs = |key: &str| siblings().any(|other| other.has_alarm(key));
        // A store that the service does not use is not on its path.
        let mode = |store| if service.needs(store) { config.mode_of(store) } else { Mode::Off };
        // It is one number for the whole stack, so the path of one service is enough to read it.
        let is_counting = |s: &ServiceScope<'_>| s.needs(Need::Database) && config.counts_refused_rows();
        let counting = config.services().find(is_counting).filter(|s| s.name == service.name);
        let endpoint = |e: Option<(String, u16)>| e.map(|(host, port)| format!("{host}:{port}"));
        Self {
            listener_port: if config.balancer.tls.is_some() { HTTPS } else { HTTP },
            tls: config.balancer.tls.as_ref().map(|tls| {
                let given = tls.certificate.as_ref().or(tls.domain.as_ref());
                given.map_or(Self::SELF_SIGNED.into(), Clone::clone)
            }),
            redirect: config.balancer.tls.as_ref().is_some_and(|tls| tls.redirect),
            port: service.port,
            health_path: service.health_path.clone(),
            health_codes: service.health_codes.clone(),
            routes: service.routes.clone(),
            hosts: service.hosts.clone(),
            blocks: config.blocks().map(|(_, block)| refused(block)).collect(),
            zones: facts.zones.clone(),
            min: service.min as i32,
            desired: service.desired as i32,
            max: service.max as i32,
            grace_seconds: service.grace_seconds as i32,
            instance_type: service.instance_type.clone(),
            image: Some(facts.image(service.name)).filter(|i| i.starts_with("ami-")).unwrap_or_default(),
            spot: service.spot.is_some(),
            http: facts.http(config),
            ssh: facts.sources(&config.access.ssh),
            key_pair: config.access.key_pair.clone(),
            internal: config.has_internal_balancer(),
            network: config.network.mode,
            private_instances: config.has_private_instances(),
            // In an existing network either way out is accepted.
            services: (config.has_private_instances()
                && (config.network.mode == Origin::Use || config.network.egress == Egress::Endpoints))
                .then(|| endpoint_services(config).into_iter().map(Into::into).collect()),
            vpc: facts.network.as_ref().map(|n| n.vpc.clone()),
            database: mode(Need::Database),
            database_engine: config.database.engine,
            cache: mode(Need::Cache),
            files: mode(Need::Files),
            iam: config.iam.mode,
            database_endpoint: endpoint(config.database.endpoint()).filter(|_| config.database.mode == Mode::Use),
            refused_rows: counting.map(|s| s.log_path(&config.name, "boot")),
            cache_endpoint: endpoint(config.cache.endpoint()).filter(|_| config.cache.mode == Mode::Use),
            file_system: config.files.file_system.clone().filter(|_| config.files.mode == Mode::Use),
            multi_az: config.database.multi_az,
            cache_engine: config.cache.engine,
            cache_nodes: config.cache.nodes,
            cdn: (config.cdn.mode == Switch::Create).then(|| Cdn {
                step: "distribution/main".into(),
                endpoint: config.cdn.is_endpoint(),
                closed: config.cdn.is_closing(),
                header: config.has_origin_header(),
            }),
            dns: config.dns.as_ref().map(|dns| Dns { name: dns.name.clone(), zone: dns.zone.clone() }),
            names: Names {
                balancer: by("load-balancer/main"),
                target_group: by(&service.key("target-group")),
                auto_scaling_group: by(&service.key("auto-scaling-group")),
                template: by(&service.key("launch-template")),
                database: by("database/main"),
                cache: by(config.cache.key()),
                profile: match config.iam.mode {
                    Mode::Off => None,
                    Mode::Use => config.iam.instance_profile.clone(),
                    Mode::Create => Some(by(&service.key("instance-profile"))),
                },
            },
            own: Own {
                security_group: service.security_group(),
                target_group: Some(service.slot()),
                siblings: siblings().map(sibling).collect(),
            },
            alarms: steps.iter().filter(|k| k.starts_with("alarm/") && !is_theirs(k)).map(|k| by(k)).collect(),
            steps,
        }
    }
}

impl Expected {
    /// The value of `tls` for a certificate that gameday makes.
    pub const SELF_SIGNED: &'static str = "self-signed";

    /// True if requests come by HTTPS.
    pub fn https(&self) -> bool {
        self.tls.is_some()
    }

    /// Returns the scheme of the service's URL.
    pub fn scheme(&self) -> &'static str {
        if self.https() { "https" } else { "http" }
    }

    /// Returns the URL of a path of the balancer with this DNS name.
    pub fn url(&self, balancer: &str, path: &str) -> String {
        format!("{}://{balancer}{path}", self.scheme())
    }

    /// Returns the key of the first step of a kind.
    pub fn step(&self, kind: &str) -> Option<&str> {
        self.steps.iter().map(String::as_str).find(|k| k.split('/').next() == Some(kind))
    }

    /// Returns the key of the service's target group.
    pub fn target_group_step(&self) -> Option<&str> {
        let key = self.own.target_group.as_ref().map(|name| format!("target-group/{name}"));
        match key {
            Some(key) => self.steps.iter().map(String::as_str).find(|step| *step == key),
            None => self.step("target-group"),
        }
    }

    /// True if the ARN is that of another service's target group.
    pub fn is_of_sibling(&self, target_group: &str) -> bool {
        let name = Kind::name_of_step("target-group/", target_group);
        self.own.siblings.iter().any(|sibling| Some(sibling.target_group.as_str()) == name)
    }

    /// True if the balancer answers only requests with the header that the distribution sends.
    pub fn has_origin_header(&self) -> bool {
        self.cdn.as_ref().is_some_and(|cdn| cdn.header)
    }

    /// True if the service gets the requests that no rule matches.
    pub fn is_default(&self) -> bool {
        self.routes.is_empty() && self.hosts.is_empty()
    }

    /// Returns the host to request, if only some hosts reach the service.
    pub fn host(&self) -> Option<String> {
        let own = self.name().map(str::to_owned);
        own.filter(|_| !self.hosts.is_empty()).or_else(|| self.hosts.first().map(|host| sample_host(host)))
    }

    /// Returns the name of the stack, if the service answers for it.
    pub fn name(&self) -> Option<&str> {
        let name = self.dns.as_ref()?.name.as_str();
        let answers = |host: &String| matches(&host.to_lowercase(), name);
        Some(name).filter(|_| self.hosts.is_empty() || self.hosts.iter().any(answers))
    }

    /// Returns the domain of the certificate, if gameday requests one.
    pub fn domain(&self) -> Option<&str> {
        self.tls.as_deref().filter(|tls| *tls != Self::SELF_SIGNED && !tls.starts_with("arn:"))
    }

    /// Returns what to request from outside: a path of the balancer's own address, or the URL of a host.
    pub fn at(&self) -> String {
        self.host().map_or_else(|| self.path(), |host| self.url(&host, &self.path()))
    }

    /// Returns the path to request: the health path if a rule lets it through, else the first route.
    pub fn path(&self) -> String {
        if self.routes.is_empty() || self.routes.iter().any(|r| matches(r, &self.health_path)) {
            return self.health_path.clone();
        }
        sample_path(&self.routes[0])
    }
}

/// Returns a path that a pattern matches.
pub fn sample_path(pattern: &str) -> String {
    let text = pattern.replace('*', "").replace('?', "x");
    if text.starts_with('/') { text } else { format!("/{text}") }
}

/// Returns a host that a pattern matches.
pub fn sample_host(pattern: &str) -> String {
    pattern.replace(['*', '?'], "x")
}

/// True if a path pattern of a listener rule matches the path: `*` is any text, `?` any one character.
pub fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<char>, Vec<char>) = (pattern.chars().collect(), path.chars().collect());
    let (mut p, mut s) = (0, 0);
    // The position after the last `*`, and where to resume in the path if the rest does not match.
    let mut back: Option<(usize, usize)> = None;
    while s < path.len() {
        match pattern.get(p) {
            Some('*') => {
                back = Some((p + 1, s));
                p += 1;
            }
            Some(c) if *c == '?' || *c == path[s] => (p, s) = (p + 1, s + 1),
            _ => match back {
                Some((after, from)) => {
                    (p, s) = (after, from + 1);
                    back = Some((after, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_a_balancer_does() {
        for (pattern, path, yes) in [
            ("/*", "/", true),
            ("/lookup", "/lookup", true),
            ("/lookup", "/Lookup", false),
            ("/lookup", "/lookup/1", false),
            ("/lookup*", "/lookup/1", true),
            ("/a/*/c", "/a/b/c", true),
            ("/a/*/c", "/a/b/c/d", false),
            ("/?", "/a", true),
            ("/?", "/", false),
            ("*.png", "/x/y.png", true),
        ] {
            assert_eq!(matches(pattern, path), yes, "{pattern} {path}");
        }
    }

    #[test]
    fn the_path_to_ask_is_one_that_gets_through() {
        let with = |routes: &[&str]| Expected {
            health_path: "/healthcheck".into(),
            routes: routes.iter().map(|r| (*r).into()).collect(),
            ..Expected::default()
        };
        assert_eq!(with(&[]).path(), "/healthcheck");
        assert_eq!(with(&["/lookup*"]).path(), "/lookup");
        assert_eq!(with(&["/lookup*", "/health*"]).path(), "/healthcheck");
    }
}
