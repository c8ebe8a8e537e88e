//! The steps of the security groups and of the endpoints of AWS services.
//!
//! The groups come first and their rules after them, because rules refer to groups.
use super::{HTTP, HTTPS, SSH};
use crate::{
    config::{Config, Mode, Need, ServiceScope},
    engine::{Key, Ref},
    parts::{Builder, files, network::Network, service},
    resources::{
        interface_endpoint::InterfaceEndpoint,
        security_group::SecurityGroup,
        security_group_rules::{Peer, Rule, SecurityGroupRules},
    },
};

const ANYWHERE: &str = "0.0.0.0/0";

/// The handles of the security groups.
pub(crate) struct Groups {
    pub balancer: Ref<SecurityGroup>,
    /// The groups of the instances, by service.
    pub services: Vec<Ref<SecurityGroup>>,
    pub database: Option<Ref<SecurityGroup>>,
    pub cache: Option<Ref<SecurityGroup>>,
    pub files: Option<Ref<SecurityGroup>>,
}

/// The keys of the rules that other steps wait for.
pub(crate) struct Rules {
    pub balancer: Key,
    /// The rules of the instances, by service.
    pub services: Vec<Key>,
    /// The rules of database, cache and files.
    pub data: Vec<Key>,
}

/// Wires the groups without their rules.
pub(crate) fn groups(b: &mut Builder<'_>, network: &Network) -> Groups {
    let (config, vpc) = (b.config, network.vpc.clone());
    let mut group = |name: &str, description: &str| {
        b.add(name, SecurityGroup { aws: b.aws(), vpc: vpc.clone(), description: description.into() })
    };
    Groups {
        balancer: group("alb", "load balancer"),
        services: config.services().map(|s| group(&s.security_group(), "instances of the service")).collect(),
        database: (config.database.mode == Mode::Create).then(|| group("db", "database")),
        cache: (config.cache.mode == Mode::Create).then(|| group("cache", "cache")),
        files: (config.files.mode == Mode::Create).then(|| group("files", "file system")),
    }
}

impl Groups {
    /// Returns rules that let the instances of these services in.
    fn rules_from(&self, config: &Config, is_let_in: impl Fn(ServiceScope<'_>) -> bool, port: u16) -> Vec<Rule> {
        let each = config.services().zip(&self.services).filter(|(service, _)| is_let_in(*service));
        each.map(|(_, group)| tcp(port, to(group), "from the instances")).collect()
    }
}

/// Wires the endpoints of the AWS services that instances without a way to the internet need.
///
/// Returns the steps that the instances wait for.
pub(crate) fn endpoints(b: &mut Builder<'_>, network: &Network, groups: &Groups) -> Vec<Key> {
    let mut after = network.way_out.clone();
    if !network.has_endpoints {
        return after;
    }
    let every = b.is_every();
    let services = service::aws_services(b.config).into_iter().filter(|(_, needed)| *needed || every);
    let services: Vec<&str> = services.map(|(service, _)| service).collect();
    if services.is_empty() {
        return after;
    }
    let description = "endpoints of AWS services".into();
    let group = b.add("endpoints", SecurityGroup { aws: b.aws(), vpc: network.vpc.clone(), description });
    let rules = groups.rules_from(b.config, |_| true, HTTPS);
    after.push(add(b, "endpoints", &group, rules, vec![], vec![]));
    for service in services {
        let endpoint = InterfaceEndpoint {
            aws: b.aws(),
            vpc: network.vpc.clone(),
            service: format!("com.amazonaws.{}.{service}", b.facts.region),
            subnets: network.app.clone(),
            groups: vec![group.clone()],
        };
        after.push(b.add(service, endpoint).key().clone());
    }
    after
}

/// Wires the rules of all groups.
pub(crate) fn rules(b: &mut Builder<'_>, groups: &Groups) -> Rules {
    let (config, facts) = (b.config, b.facts);
    let ports = [HTTP].into_iter().chain(config.balancer.tls.as_ref().map(|_| HTTPS));
    let requests = |port: u16| facts.http(config).into_iter().map(move |c| tcp(port, Peer::Cidr(c), "requests"));
    let http = ports.flat_map(requests).collect();
    let each = || config.services().zip(&groups.services);
    let to_services = each().map(|(s, group)| tcp(s.port, to(group), "requests to the instances")).collect();
    // During a hand-over, older instances may listen on any port. Therefore the rules between the balancer and the
    // instances are spared.
    let spared = each().filter(|(s, _)| facts.is_handed_over(config, *s)).map(|(_, group)| group.clone()).collect();
    let balancer = SecurityGroupRules {
        aws: b.aws(),
        group: groups.balancer.clone(),
        ingress: http,
        egress: to_services,
        spared,
        // Port 80 redirects there until what an earlier stack file described is deleted.
        spared_port: config.balancer.tls.is_none().then_some(HTTPS),
        is_closing: config.cdn.is_closing(),
    };
    let balancer = b.add("alb", balancer).key().clone();
    let mut services = vec![];
    for (service, group) in each() {
        let mut ingress = vec![tcp(service.port, to(&groups.balancer), "requests from the load balancer")];
        ingress.extend(facts.sources(&config.access.ssh).iter().map(|c| tcp(SSH, Peer::Cidr(c.clone()), "SSH")));
        let mut spared: Vec<_> =
            facts.is_handed_over(config, service).then(|| groups.balancer.clone()).into_iter().collect();
        // A cache of another engine has the same group and another port.
        spared.extend(groups.cache.clone().filter(|_| facts.has_older_cache));
        let egress = from_instances(b, groups, service);
        services.push(add(b, &service.security_group(), group, ingress, egress, spared));
    }
    let mut data = vec![];
    for (name, group, port, store) in [
        ("db", &groups.database, config.database.engine.port(), Need::Database),
        ("cache", &groups.cache, config.cache.engine.port(), Need::Cache),
        ("files", &groups.files, files::PORT, Need::Files),
    ] {
        if let Some(group) = group {
            let spared = if name == "cache" && facts.has_older_cache { groups.services.clone() } else { vec![] };
            let ingress = groups.rules_from(config, |service| service.needs(store), port);
            data.push(add(b, name, group, ingress, vec![], spared));
        }
    }
    Rules { balancer, services, data }
}

/// Returns the egress rules of a service's instances: for packages, the binary, AWS services, and the stores that the
/// service uses.
fn from_instances(b: &Builder<'_>, groups: &Groups, service: ServiceScope<'_>) -> Vec<Rule> {
    let (config, facts) = (b.config, b.facts);
    let anywhere = || Peer::Cidr(ANYWHERE.into());
    let mut rules = vec![tcp(80, anywhere(), "packages"), tcp(HTTPS, anywhere(), "AWS and downloads")];
    let used = |endpoint: Option<(String, u16)>| endpoint.map(|(_, port)| port);
    let (database, cache) = (config.database.endpoint(), config.cache.endpoint());
    let file_system = (config.files.mode == Mode::Use).then_some(files::PORT);
    for (group, used, port, what, store) in [
        (&groups.database, used(database), config.database.engine.port(), "database", Need::Database),
        (&groups.cache, used(cache), config.cache.engine.port(), "cache", Need::Cache),
        (&groups.files, file_system, files::PORT, "file system", Need::Files),
    ] {
        if !service.needs(store) {
            continue;
        }
        match (group, used) {
            (Some(group), _) => rules.push(tcp(port, to(group), what)),
            // A used file system is in this VPC. A used database or cache may be anywhere.
            (None, Some(files::PORT)) => {
                rules.extend(facts.cidrs(config).iter().map(|c| tcp(files::PORT, Peer::Cidr(c.clone()), what)));
            }
            (None, Some(port)) if port != 80 && port != HTTPS => rules.push(tcp(port, anywhere(), what)),
            (None, _) => {}
        }
    }
    rules
}

fn add(
    b: &mut Builder<'_>,
    name: &str,
    group: &Ref<SecurityGroup>,
    ingress: Vec<Rule>,
    egress: Vec<Rule>,
    spared: Vec<Ref<SecurityGroup>>,
) -> Key {
    let rules = SecurityGroupRules {
        aws: b.aws(),
        group: group.clone(),
        ingress,
        egress,
        spared,
        spared_port: None,
        is_closing: false,
    };
    b.add(name, rules).key().clone()
}

fn tcp(port: u16, peer: Peer, why: &str) -> Rule {
    Rule { protocol: "tcp", port, peer, why: why.into() }
}

fn to(group: &Ref<SecurityGroup>) -> Peer {
    Peer::Group(group.clone())
}
