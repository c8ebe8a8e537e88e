//! The stacks that an earlier stack file can have described.
use crate::{
    aws::{Aws, GLOBAL, listing, partition, tags},
    config::{
        Access, Block, CacheEngine, Cdn, Config, Egress, Identity, Instances, Loaded, Mode, Origin, Switch, Tls,
        block::BLOCKS,
    },
    engine::{Class, Env, Error, Graph, Key, Tags},
    error::Result,
    facts::{Facts, fleets, steps_of},
    parts::{Earlier, balancer, cdn, tls},
    resources::load_balancer::{DNS, names_in},
    stack::wire_with,
    userdata,
};
use std::{collections::BTreeSet, rc::Rc};

/// Returns the largest stacks that this file can have described before, if its services were called the same.
///
/// # Errors
/// A template does not render.
pub fn imaginable(loaded: &Loaded, facts: &Facts, aws: &Aws) -> userdata::Result<Vec<Graph>> {
    let services = loaded.config.services();
    // The rights to look for a name do not depend on it.
    let any = || vec!["earlier.invalid".to_owned()];
    let earlier = Earlier { names: any(), domains: any() };
    let had = Had { private_instances: true, cdn: true, tls: true, earlier };
    services.map(|service| largest(loaded, facts, aws, &(service.name.into(), service.port, None), &had)).collect()
}

/// A service that a stack has had: its name, its port and the keys of its own steps, if those are not the usual ones.
pub(super) type Predecessor = (String, u16, Option<Identity>);

/// Wires the stack with everything on, for this service.
pub(super) fn largest(
    loaded: &Loaded,
    facts: &Facts,
    aws: &Aws,
    (service, port, identity): &Predecessor,
    had: &Had,
) -> userdata::Result<Graph> {
    let mut loaded = loaded.clone();
    let config: &mut Config = &mut loaded.config;
    config.network.mode = Origin::Create;
    config.network.instances = if had.private_instances { Instances::Private } else { Instances::Public };
    for mode in [&mut config.database.mode, &mut config.cache.mode, &mut config.files.mode, &mut config.iam.mode] {
        *mode = Mode::Create;
    }
    config.cache.nodes = 2;
    // The engine whose cache has the most alarms. The wiring adds the cache of the other engines.
    config.cache.engine = CacheEngine::Memcached;
    config.secrets.mode = Origin::Create;
    config.monitoring.mode = Switch::Create;
    config.monitoring.dashboard = true;
    config.cdn = Cdn { mode: if had.cdn { Switch::Create } else { Switch::Off }, ..Cdn::default() };
    // A range of its own would leave out the header of CloudFront's requests, and what that needs.
    config.access.http = Access::default().http;
    let like = config.service.get(service).or_else(|| config.service.values().next());
    let mut only = like.cloned().expect("a checked config has a service");
    only.port = *port;
    // As many rules as possible, since each of these paths fills one.
    let block = |i| Block { path: Some(format!("/{i}")), ..Block::default() };
    config.balancer.block = (0..BLOCKS).map(block).collect();
    config.balancer.tls = had.tls.then(|| Tls { self_signed: true, ..Tls::default() });
    config.dns = None;
    only.routes = (0..50).map(|i| format!("/{i}*****")).collect();
    only.scale.requests_per_target = Some(1.0);
    only.scale.cpu = Some(50.0);
    config.service = [(service.to_owned(), only)].into();
    let identity = identity.clone().or_else(|| config.identities.get(service).cloned());
    config.take_identities(identity.map(|identity| (service.to_owned(), identity)).into_iter().collect());
    let facts = Facts { network: None, older: vec![], ..facts.clone() };
    // Both ways out at once, which no stack file can describe.
    wire_with(&loaded, &facts, aws, &[Egress::NatPerZone, Egress::Endpoints], &had.earlier).map(|stack| stack.graph)
}

/// Parts that the stack has, or may have, from an earlier stack file.
///
/// Without them the largest stack is wired without their steps, since looking for those takes calls of its own.
pub(super) struct Had {
    /// What only instances without public addresses need.
    pub private_instances: bool,
    /// The distribution.
    pub cdn: bool,
    /// HTTPS, and the certificate that gameday makes for it.
    pub tls: bool,
    /// Names of the service, and domains of requested certificates.
    pub earlier: Earlier,
}

impl Had {
    pub(super) async fn look(config: &Config, aws: &Aws, env: &Env) -> Result<Self> {
        let (private_instances, cdn, tls) = futures::try_join!(
            had_private_instances(aws, env),
            had_distribution(config, aws, env),
            had_tls(config, aws, env)
        )?;
        let earlier = had_names(config, aws, env).await?;
        Ok(Self { private_instances, cdn, tls, earlier })
    }
}

/// Returns the names and domains that the stack has, or has had.
async fn had_names(config: &Config, aws: &Aws, env: &Env) -> Result<Earlier> {
    let tagged = tags::of_stack(aws, &env.stack).await?;
    let key = aws.keys.other(DNS);
    let steps = tagged.values().filter_map(|tags| tags.get(aws.keys.step()));
    let names = tagged.values().flat_map(|tags| names_in(&key, tags)).map(str::to_owned);
    let names = names.chain(config.dns.iter().map(|dns| dns.name.clone()));
    let now = config.balancer.tls.as_ref().and_then(|tls| tls.domain.clone());
    let domains = steps.filter(|step| Key::is_one(step)).filter_map(|step| tls::domain_of(step)).chain(now);
    let once = |all: &mut dyn Iterator<Item = String>| all.collect::<BTreeSet<_>>().into_iter().collect();
    Ok(Earlier { names: once(&mut { names }), domains: once(&mut { domains }) })
}

async fn had_distribution(config: &Config, aws: &Aws, env: &Env) -> Result<bool> {
    if config.cdn.mode == Switch::Create {
        return Ok(true);
    }
    if partition(&aws.region) != "aws" {
        return Ok(false);
    }
    // Only one region lists what carries tags and belongs to none.
    if aws.region != GLOBAL {
        return Ok(true);
    }
    let tagged = tags::of_stack(aws, &env.stack).await?;
    let of_it = |step: &String| step == balancer::CLOUDFRONT_RULE || step == cdn::HEADER_PARAMETER;
    let has_step = |tags: &Tags| tags.get(aws.keys.step()).is_some_and(of_it);
    Ok(tagged.iter().any(|(arn, tags)| arn.contains(":cloudfront:") || has_step(tags)))
}

async fn had_private_instances(aws: &Aws, env: &Env) -> Result<bool> {
    let tagged = tags::of_stack(aws, &env.stack).await?;
    let of_them = |step: &String| {
        let (kind, name) = step.split_once('/').unwrap_or_default();
        matches!(kind, "elastic-ip" | "nat-gateway" | "interface-endpoint")
            || matches!(kind, "subnet" | "route-table") && name.starts_with("app-")
    };
    let is_theirs = |tags: &Tags| tags.get(aws.keys.step()).is_some_and(of_them);
    if tagged.is_empty() || tagged.values().any(is_theirs) {
        return Ok(true);
    }
    // The list of tagged objects lags by minutes.
    let subnets = match listing::subnets(aws).await {
        Ok(subnets) => subnets,
        Err(e) if e.class() == Some(Class::Credentials) => return Err(e),
        // Each of the steps is then looked for, and reports that itself.
        Err(_) => return Ok(true),
    };
    let tags = subnets.iter().map(|s| tags::ec2::from(s.tags()));
    Ok(tags.into_iter().any(|t| t.get(aws.keys.stack()) == Some(&env.stack) && is_theirs(&t)))
}

/// True if the stack has, or may have, what only HTTPS needs. Without it nothing is looked for, as above.
async fn had_tls(config: &Config, aws: &Aws, env: &Env) -> Result<bool> {
    if config.balancer.tls.is_some() {
        return Ok(true);
    }
    let tagged = tags::of_stack(aws, &env.stack).await?;
    let of_them = |step: &String| {
        step == "listener/https" || step.starts_with("certificate/") || step.ends_with(balancer::HTTPS_SUFFIX)
    };
    if tagged.values().any(|tags| tags.get(aws.keys.step()).is_some_and(of_them)) {
        return Ok(true);
    }
    // The list of tagged objects lags by minutes. The listeners are looked at anyway.
    let name = config.name_of("load-balancer/main");
    let listeners = match listing::balancer(aws, &name).await.ok().flatten().and_then(|b| b.load_balancer_arn) {
        Some(arn) => listing::listeners(aws, &arn).await.unwrap_or_default(),
        None => Rc::default(),
    };
    Ok(listeners.iter().any(|l| l.port() == Some(443)))
}

/// Returns the zones of the stack, and those in which it still has subnets.
pub(super) async fn zones(facts: &Facts, aws: &Aws, env: &Env) -> Result<Vec<String>> {
    let mut zones = facts.zones.clone();
    for tags in tags::of_stack(aws, &env.stack).await?.values() {
        let step = tags.get(aws.keys.step()).and_then(|s| s.strip_prefix("subnet/"));
        let short = step.and_then(|s| ["public-", "private-", "app-"].iter().find_map(|side| s.strip_prefix(side)));
        if let Some(zone) = short.map(|short| format!("{}{short}", facts.region)).filter(|z| !zones.contains(z)) {
            zones.push(zone);
        }
    }
    Ok(zones)
}

/// Services that a stack has had.
pub(super) struct Services {
    /// The services, the longest names first.
    pub known: Vec<Predecessor>,
    /// Why there can be more services than were seen, if so.
    pub blind: Option<Error>,
}

/// Finds the services that this stack has had, by the tags of its Auto Scaling groups and of other objects that are
/// named after a service.
pub(super) async fn services(loaded: &Loaded, aws: &Aws, env: &Env) -> Result<Services> {
    let config = &loaded.config;
    let (fleets, blind) = match fleets(aws, &env.stack).await {
        Ok(fleets) => (fleets, None),
        Err(e) if e.class() == Some(Class::Credentials) => return Err(e),
        Err(e) => (Default::default(), Some(e)),
    };
    let all = tags::of_stack(aws, &env.stack).await?;
    let slots: BTreeSet<String> = config.services().map(|service| service.slot()).collect();
    let is_now = |name: &&str| slots.contains(*name);
    let steps = all.values().filter_map(|t| t.get(aws.keys.step())).filter(|step| Key::is_one(step));
    let tagged = steps.filter_map(|step| step.split_once('/'));
    let tagged = tagged.filter_map(|(kind, name)| match kind {
        "target-group" => Some(name).filter(|n| !is_now(n)),
        "launch-template" | "access-point" => Some(name).filter(|n| !config.service.contains_key(*n)),
        "listener-rule" => balancer::service_of(name).filter(|n| !config.service.contains_key(*n)),
        _ => None,
    });
    let fleets = steps_of(&aws.keys, &fleets).filter(|n| !is_now(n));
    // A renamed service had the keys that it keeps under each of its names.
    let keeps = config.identities.values().next().filter(|_| config.service.len() == 1).cloned();
    let known: BTreeSet<(String, u16)> = fleets.chain(tagged).flat_map(owners).collect();
    let known = known.into_iter().map(|(name, port)| (name, port, keeps.clone()));
    // Keys that were kept may carry a name that no service has any more, or no name.
    let told = all.values().filter_map(|t| Identity::of_key(t.get(aws.keys.step()).filter(|s| Key::is_one(s))?));
    let orphans = told.filter(|identity| !config.identities.values().any(|kept| kept == identity));
    let first = config.services().next().map(|service| service.name);
    let orphans = orphans.filter_map(|identity| match &identity {
        Identity::Former(name) if config.service.contains_key(name) => None,
        Identity::Former(name) => Some((name.clone(), 80, None)),
        Identity::Own => None,
        Identity::Unnamed => Some((first?.to_owned(), 80, Some(identity))),
    });
    let now = config.services().map(|service| (service.name.to_owned(), service.port, None));
    let earlier: BTreeSet<Predecessor> = known.chain(orphans).chain(now).collect();
    Ok(Services { known: earlier.into_iter().rev().collect(), blind })
}

/// Returns the services that something of this name can belong to: `api-8080` is `api` on port 8080, or `api-8080` on
/// port 80.
fn owners(name: &str) -> Vec<(String, u16)> {
    let on_port = name.rsplit_once('-').and_then(|(service, port)| Some((service.to_owned(), port.parse().ok()?)));
    [(name.to_owned(), 80)].into_iter().chain(on_port.filter(|(service, _)| !service.is_empty())).collect()
}
