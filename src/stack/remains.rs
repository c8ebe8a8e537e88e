//! What is ours but no longer in the stack file: a group that was switched off or to `use`, a service that was
//! renamed, a route that was dropped.
//!
//! The largest stack this file could have described is wired once more, and what of it exists, carries our tag and is
//! not in the stack as it is now, remains from before. So there is no second description for deletion.
use super::{Stack, wire_with};
use crate::{
    aws::{Aws, listing, tags},
    config::{Config, Egress, Identity, Instances, Kind, Life, Loaded, Mode, Origin, Switch},
    engine::{self, Change, Class, Direction, Env, Error, Graph, Key, Node, Report, Status, Tags, Visit, walk},
    error::Result,
    facts::{Facts, fleets, steps_of},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

const FLEET: &str = "auto-scaling-group";
/// Found by its priority, too: a rule of a renamed service is the new one's by then.
const LISTENER_RULE: &str = "listener-rule";
const DRAIN: Duration = Duration::from_secs(15);

/// What remains, and the graph to delete it with.
#[derive(Default)]
pub struct Remains {
    graphs: Vec<Graph>,
    /// By key: AWS's id of it.
    pub found: BTreeMap<Key, String>,
    /// What could not be looked at, by key: something of ours may stand there.
    pub unseen: BTreeMap<Key, Error>,
    /// Why the services that were may be more than were seen.
    pub blind: Option<Error>,
    /// What stays because it may be what is used, by key: AWS's id of it and the address that is used.
    pub spared: BTreeMap<Key, (String, String)>,
}

impl Remains {
    /// Looks for what remains. `seen` is what the last look at the stack saw.
    pub async fn find(
        loaded: &Loaded,
        facts: &Facts,
        aws: &Aws,
        env: &Env,
        stack: &Stack,
        seen: &Report<Status>,
    ) -> Result<Self> {
        let wanted: BTreeSet<&Key> = stack.graph.nodes().filter(|n| !n.is_used()).map(|n| n.key()).collect();
        // What is used must not be deleted, whatever tags it carries; nor what has become another step.
        let taken: BTreeSet<&str> =
            seen.done().filter(|(k, s)| s.used || k.kind() == LISTENER_RULE).flat_map(|(_, s)| known_as(s)).collect();
        let mut remains = Self::default();
        let facts = &Facts { zones: zones(facts, aws, env).await?, ..facts.clone() };
        let private = had_private_instances(aws, env).await?;
        let (services, blind) = services(loaded, aws, env).await?;
        remains.blind = blind;
        // The rules that were found by their place only.
        let mut in_place: BTreeSet<Key> = BTreeSet::new();
        for (service, port, identity) in services {
            let graph = largest(loaded, facts, aws, (&service, port, identity), private);
            let report = walk(&graph, Direction::Forward, env, async |n: &dyn Node| match n.observe(env).await {
                // A stranger's object under a name that could have been ours is none of our business.
                Err(
                    Error::NotOurs { .. }
                    | Error::Unproven { .. }
                    | Error::OtherPrefix { .. }
                    | Error::Ambiguous { .. },
                ) => Ok(None),
                other => other.map(Some),
            })
            .await;
            let mut taken_now = BTreeSet::new();
            for (key, status) in report.done().filter_map(|(k, s)| Some((k, s.as_ref()?))) {
                let (is_taken, used) = (known_as(status).any(|n| taken.contains(n)), used_host(&loaded.config, key));
                let may_be = used.filter(|host| status.id.as_ref().is_some_and(|id| may_lead_to(key.kind(), id, host)));
                // AWS's own name of it says enough.
                let unsure = may_be.as_ref().filter(|host| !host.to_lowercase().contains(".amazonaws.com"));
                if let (Some(host), Some(id)) = (unsure, &status.id) {
                    remains.spared.insert(key.clone(), (id.clone(), host.clone()));
                }
                if is_taken || may_be.is_some() {
                    taken_now.insert(key);
                }
            }
            // A rule that has become another step leaves the target group that it led to.
            let (rules, used) = taken_now.into_iter().partition::<BTreeSet<&Key>, _>(|k| k.kind() == LISTENER_RULE);
            let mut kept = with_what_it_has(&graph, &used);
            kept.extend(rules.into_iter().cloned());
            for (key, visit) in report.0 {
                if wanted.contains(&key) || kept.contains(&key) {
                    continue;
                }
                match visit {
                    Visit::Done(Some(Status { phase: Some(_), id: Some(id), used: false, drift, .. })) => {
                        let step = format!("tags.{}", aws.keys.step());
                        if key.kind() == LISTENER_RULE && drift.0.iter().any(|field| field.path == step) {
                            in_place.insert(key.clone());
                        }
                        remains.found.insert(key, id);
                    }
                    Visit::Failed(e) => {
                        remains.unseen.insert(key, e);
                    }
                    _ => {}
                }
            }
            // What comes with a VPC goes with it, and stays with it.
            let stays: Vec<Key> = remains.found.keys().filter(|k| comes_with(k)).cloned().collect();
            for key in stays {
                let owner = graph.get(key.as_str()).and_then(|n| n.needs().iter().find(|k| k.kind() == "vpc"));
                if owner.is_none_or(|owner| !remains.found.contains_key(owner)) {
                    remains.found.remove(&key);
                }
            }
            remains.graphs.push(graph);
        }
        // Another step's rule in the place of one that could have been is that step's.
        let ids: Vec<String> =
            remains.found.iter().filter(|(key, _)| !in_place.contains(*key)).map(|(_, id)| id.clone()).collect();
        remains.found.retain(|key, id| !in_place.contains(key) || !ids.contains(id));
        Ok(remains)
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The Auto Scaling groups among them, by name.
    pub fn fleets(&self) -> Vec<String> {
        self.found.iter().filter(|(k, _)| k.kind() == FLEET).map(|(_, id)| id.clone()).collect()
    }

    /// As part of a plan.
    pub fn changes(&self) -> Vec<(Key, Visit<Change>)> {
        self.found.iter().map(|(k, id)| (k.clone(), Visit::Done(Change::Delete { id: id.clone() }))).collect()
    }

    /// Deletes them, in the order in which they need each other.
    pub async fn remove(&self, env: &Env) -> Report<bool> {
        let mut all = vec![];
        // What was under way to an older fleet when the listener let go of it comes to its end (the deregistration
        // delay of a target group): its instances are deleted without further ado.
        if self.found.keys().any(|k| k.kind() == FLEET) && env.sleep(DRAIN).await.is_err() {
            return Report(self.found.keys().map(|k| (k.clone(), Visit::NotStarted)).collect());
        }
        // `web-8080` could be a service of that name, or `web` on that port: the one that has more comes first, since it
        // has what uses the rest.
        let found_in = |graph: &Graph| graph.nodes().filter(|n| self.found.contains_key(n.key())).count();
        let mut graphs: Vec<&Graph> = self.graphs.iter().collect();
        graphs.sort_by_key(|graph| std::cmp::Reverse(found_in(graph)));
        let mut done: BTreeSet<Key> = BTreeSet::new();
        for graph in graphs {
            let report = walk(graph, Direction::Reverse, env, async |n: &dyn Node| {
                let wanted = self.found.get(n.key()).filter(|_| !done.contains(n.key()));
                match wanted {
                    Some(id) if self.is_still(n, id, env).await? => n.remove(env).await,
                    _ => Ok(false),
                }
            })
            .await;
            let report = report.0.into_iter().filter(|(k, _)| self.found.contains_key(k) && !done.contains(k));
            let report: Vec<_> = report.collect();
            done.extend(report.iter().filter(|(_, v)| matches!(v, Visit::Done(_))).map(|(k, _)| k.clone()));
            all.extend(report);
        }
        Report(all)
    }
}

impl Remains {
    /// True if the step still finds what was found before. Once a rule of a listener is gone, another service's can be in
    /// its place.
    async fn is_still(&self, n: &dyn Node, id: &str, env: &Env) -> engine::Result<bool> {
        Ok(n.key().kind() != LISTENER_RULE || n.observe(env).await?.id.as_deref() == Some(id))
    }
}

/// AWS's ids and addresses of an object: what is used is named by its address in the stack file.
fn known_as(status: &Status) -> impl Iterator<Item = &str> {
    let output = |field: &str| status.output.as_ref().and_then(|o| o.get(field)).and_then(|v| v.as_str());
    let all = [status.id.as_deref(), output("id"), output("host")];
    all.into_iter().flatten().filter(|name| !name.is_empty())
}

/// Whether AWS makes it with a VPC and deletes it with that.
fn comes_with(key: &Key) -> bool {
    Kind::of(key.kind()).is_some_and(|kind| kind.life == Life::WithVpc)
}

/// The host that is used in place of this step.
fn used_host(config: &Config, key: &Key) -> Option<String> {
    let (mode, endpoint) = match key.kind() {
        "database" => (config.database.mode, config.database.endpoint()),
        "cache" => (config.cache.mode, config.cache.endpoint()),
        _ => return None,
    };
    endpoint.filter(|_| mode == Mode::Use).map(|(host, _)| host)
}

/// Whether this address may be one of the database or cache with this id. Only AWS's own name of another one says that
/// it is not: a CNAME, an IP and a proxy may lead anywhere.
fn may_lead_to(kind: &str, id: &str, host: &str) -> bool {
    let (id, host) = (id.to_lowercase(), host.to_lowercase());
    let service = if kind == "database" { "rds" } else { "cache" };
    // In China a database has `rds.cn-north-1` where others have `us-east-1.rds`.
    let aws = host.strip_suffix(".cn").unwrap_or(&host).strip_suffix(".amazonaws.com");
    let Some(name) = aws.filter(|name| name.split('.').skip(1).any(|label| label == service)) else { return true };
    let mut labels = name.split('.');
    let (first, second) = (labels.next().unwrap_or_default(), labels.next().unwrap_or_default());
    // `billing-main-ro.…` reads from all nodes of a cache, `billing-main-001.…` is one.
    let is_node = |rest: &str| rest == "-ro" || rest.strip_prefix('-').is_some_and(|n| n.parse::<u16>().is_ok());
    let is_ours = |label: &str| label.strip_prefix(&id).is_some_and(|rest| rest.is_empty() || is_node(rest));
    match kind {
        "database" => first == id || second.starts_with("proxy-"),
        // With TLS it is `master.billing-main.…`.
        _ => is_ours(first) || is_ours(second),
    }
}

/// These steps and what they cannot do without: our own database that is only used from now on keeps its subnet group,
/// its security group and the rules in that.
fn with_what_it_has(graph: &Graph, kept: &BTreeSet<&Key>) -> BTreeSet<Key> {
    let mut all: BTreeSet<Key> = graph.with_needs(|k| kept.contains(k)).into_iter().collect();
    let rules = all.iter().filter(|k| k.kind() == "security-group").map(|k| Key::new("security-group-rules", k.name()));
    let rules: Vec<Key> = rules.collect();
    all.extend(rules);
    all
}

/// Returns all that this stack file could have described before, as far as its services were called the same.
pub fn imaginable(loaded: &Loaded, facts: &Facts, aws: &Aws) -> Vec<Graph> {
    let services = loaded.config.services();
    services.map(|service| largest(loaded, facts, aws, (service.name, service.port, None), true)).collect()
}

/// The stack with everything on, for a service of that name on that port; with the keys of another time, if that is said.
fn largest(
    loaded: &Loaded,
    facts: &Facts,
    aws: &Aws,
    (service, port, identity): (&str, u16, Option<Identity>),
    private: bool,
) -> Graph {
    let mut loaded = loaded.clone();
    let config: &mut Config = &mut loaded.config;
    config.network.mode = Origin::Create;
    config.network.instances = if private { Instances::Private } else { Instances::Public };
    for mode in [&mut config.database.mode, &mut config.cache.mode, &mut config.files.mode, &mut config.iam.mode] {
        *mode = Mode::Create;
    }
    config.cache.nodes = 2;
    config.secrets.mode = Origin::Create;
    config.monitoring.mode = Switch::Create;
    config.monitoring.dashboard = true;
    let like = config.service.get(service).or_else(|| config.service.values().next());
    let mut only = like.cloned().expect("a checked config has a service");
    only.port = port;
    // As many rules as there can be: each of these fills one.
    only.routes = (0..50).map(|i| format!("/{i}*****")).collect();
    only.scale.requests_per_target = Some(1.0);
    only.scale.cpu = Some(50.0);
    config.service = [(service.to_owned(), only)].into();
    let identity = identity.or_else(|| config.identities.get(service).cloned());
    config.take_identities(identity.map(|identity| (service.to_owned(), identity)).into_iter().collect());
    let facts = Facts { network: None, older: vec![], ..facts.clone() };
    // Each of them with what it needs, which no stack file can say.
    wire_with(&loaded, &facts, aws, &[Egress::NatPerZone, Egress::Endpoints]).map(|s| s.graph).unwrap_or_default()
}

/// Whether the stack has, or may have, what only instances without public addresses need. Looking for that takes calls of
/// its own.
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
    // The list of what is tagged is behind by minutes.
    let subnets = match listing::subnets(aws).await {
        Ok(subnets) => subnets,
        Err(e) if e.class() == Some(Class::Credentials) => return Err(e),
        // Then each is looked for, and says so itself.
        Err(_) => return Ok(true),
    };
    let tags = subnets.iter().map(|s| tags::ec2::from(s.tags()));
    Ok(tags.into_iter().any(|t| t.get(aws.keys.stack()) == Some(&env.stack) && is_theirs(&t)))
}

/// The zones of the stack, and those in which it still has subnets.
async fn zones(facts: &Facts, aws: &Aws, env: &Env) -> Result<Vec<String>> {
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

/// A service that this stack has had: its name, its port and the keys of its own steps, if those are not the usual ones.
type Earlier = (String, u16, Option<Identity>);

/// The names and ports under which this stack has had a service, the longest names first: the tags of its Auto Scaling
/// groups say so, and of whatever else is named after it.
async fn services(loaded: &Loaded, aws: &Aws, env: &Env) -> Result<(Vec<Earlier>, Option<Error>)> {
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
        _ => None,
    });
    let fleets = steps_of(&aws.keys, &fleets).filter(|n| !is_now(n));
    // A service that was renamed had, under each of its names, the keys that it keeps.
    let keeps = config.identities.values().next().filter(|_| config.service.len() == 1).cloned();
    let known: BTreeSet<(String, u16)> = fleets.chain(tagged).flat_map(could_be).collect();
    let known = known.into_iter().map(|(name, port)| (name, port, keeps.clone()));
    // What was kept may be of a name that no service has any more, or of none.
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
    let earlier: BTreeSet<Earlier> = known.chain(orphans).chain(now).collect();
    let earlier = earlier.into_iter().rev().collect();
    Ok((earlier, blind))
}

/// The services that something of this name could belong to: `api-8080` is `api` on port 8080, or `api-8080` on port 80.
fn could_be(name: &str) -> Vec<(String, u16)> {
    let on_port = name.rsplit_once('-').and_then(|(service, port)| Some((service.to_owned(), port.parse().ok()?)));
    [(name.to_owned(), 80)].into_iter().chain(on_port.filter(|(service, _)| !service.is_empty())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_name_of_aws_is_surely_another_one() {
        let ours = |kind, host| may_lead_to(kind, "billing-main", host);
        for host in [
            "billing-main.c0.us-east-1.rds.amazonaws.com",
            "Billing-Main.C0.us-east-1.RDS.amazonaws.com",
            "billing-main.c0.cn-north-1.rds.amazonaws.com.cn",
            "billing-main.c0.rds.cn-north-1.amazonaws.com.cn",
            "pool.proxy-c0.us-east-1.rds.amazonaws.com",
            "db.example.com",
            "10.0.8.4",
            "rds.amazonaws.com.example.com",
        ] {
            assert!(ours("database", host), "{host}");
        }
        for host in [
            "theirs.c0.us-east-1.rds.amazonaws.com",
            "billing-main-2.c0.us-east-1.rds.amazonaws.com",
            "theirs.c0.rds.cn-north-1.amazonaws.com.cn",
        ] {
            assert!(!ours("database", host), "{host}");
        }
        for host in [
            "billing-main.0ab.ng.0001.use1.cache.amazonaws.com",
            "Billing-main-ro.0ab.ng.0001.use1.cache.amazonaws.com",
            "billing-main-002.0ab.0001.use1.cache.amazonaws.com",
            "master.billing-main.0ab.use1.cache.amazonaws.com",
            "10.0.8.5",
            "cache.internal",
        ] {
            assert!(ours("cache", host), "{host}");
        }
        for host in [
            "theirs.0ab.ng.0001.use1.cache.amazonaws.com",
            "billing-main-two.0ab.ng.0001.use1.cache.amazonaws.com",
            "theirs-001.0ab.0001.use1.cache.amazonaws.com",
        ] {
            assert!(!ours("cache", host), "{host}");
        }
    }
}
