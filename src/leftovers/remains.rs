//! Objects of the stack that the stack file no longer describes: of a group that was switched off or to `use`, of a
//! renamed service, of a dropped route.
//!
//! The largest stack that this file could have described is wired. What of it exists, carries our tag and is not in the
//! stack as it is now, remains from before. So deletion needs no second description.
use super::{
    Search,
    earlier::{Had, Services, largest, services, zones},
    used::{may_point_at, names_of, used_host},
};
use crate::{
    config::{Kind, Life},
    engine::{self, Change, Class, Direction, Env, Error, Graph, Key, Node, Report, Status, Visit, walk},
    error::Result,
    facts::Facts,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

const FLEET: &str = "auto-scaling-group";
/// The kind that is also found by its priority: a rule of a renamed service is the new service's later. Its tags name
/// its step.
const LISTENER_RULE: &str = "listener-rule";
/// How long requests under way to an older fleet may take before its instances are deleted.
const DRAIN: Duration = Duration::from_secs(15);

/// The objects that remain, and the graphs to delete them with.
#[derive(Default)]
pub struct Remains {
    graphs: Vec<Graph>,
    /// The objects that remain: AWS's ids, by key.
    pub found: BTreeMap<Key, String>,
    /// Why steps could not be looked at, by key. Objects of the stack may exist there.
    pub unseen: BTreeMap<Key, Error>,
    /// Why the stack can have had more services than were seen, if so.
    pub blind: Option<Error>,
    /// Why the largest stack could not be wired, if so. What an earlier stack file described is then not known.
    pub unwired: Option<Error>,
    /// Objects that stay because the stack may use them, by key: AWS's id, and the address that the stack uses.
    pub spared: BTreeMap<Key, (String, String)>,
}

impl Remains {
    /// Looks for what remains. `seen` is the last look at the steps.
    pub(super) async fn find(search: Search<'_>, seen: &Report<Status>) -> Result<Self> {
        let Search { loaded, facts, aws, env, stack } = search;
        let wanted: BTreeSet<&Key> = stack.graph.nodes().filter(|n| !n.is_used()).map(|n| n.key()).collect();
        // An object that is used, or has become another step, must not be deleted, whatever its tags.
        let taken: BTreeSet<&str> =
            seen.done().filter(|(k, s)| s.used || k.kind() == LISTENER_RULE).flat_map(|(_, s)| names_of(s)).collect();
        let facts = &Facts { zones: zones(facts, aws, env).await?, ..facts.clone() };
        let had = Had::look(&loaded.config, aws, env).await?;
        let Services { known, blind } = services(loaded, aws, env).await?;
        let mut remains = Self { blind, ..Self::default() };
        for service in known {
            let graph = match largest(loaded, facts, aws, &service, &had) {
                Ok(graph) => graph,
                Err(e) => {
                    let help = miette::Diagnostic::help(&*e).map(|h| h.to_string()).unwrap_or_default();
                    remains.unwired = Some(Error::other(e.to_string(), help));
                    continue;
                }
            };
            let report = observe(&graph, env).await;
            let kept = remains.kept(search, &graph, &report, &taken);
            remains.add(report, |key| wanted.contains(key) || kept.contains(key));
            remains.spare_objects_of_vpc(&graph);
            remains.graphs.push(graph);
        }
        Ok(remains)
    }

    /// Returns the steps of an earlier file that stay, because the stack uses their objects or may use them.
    fn kept(
        &mut self,
        search: Search<'_>,
        graph: &Graph,
        report: &Report<Option<Status>>,
        taken: &BTreeSet<&str>,
    ) -> BTreeSet<Key> {
        let mut taken_now = BTreeSet::new();
        for (key, status) in report.done().filter_map(|(k, s)| Some((k, s.as_ref()?))) {
            let is_taken = names_of(status).any(|n| taken.contains(n));
            let used = used_host(&search.loaded.config, key);
            let may_be = used.filter(|host| status.id.as_ref().is_some_and(|id| may_point_at(key.kind(), id, host)));
            // A host name of AWS's own leaves no doubt.
            let unsure = may_be.as_ref().filter(|host| !host.to_lowercase().contains(".amazonaws.com"));
            if let (Some(host), Some(id)) = (unsure, &status.id) {
                self.spared.insert(key.clone(), (id.clone(), host.clone()));
            }
            if is_taken || may_be.is_some() {
                taken_now.insert(key);
            }
        }
        // A rule taken over by another step no longer protects its old target group.
        let (rules, used) = taken_now.into_iter().partition::<BTreeSet<&Key>, _>(|k| k.kind() == LISTENER_RULE);
        let mut kept = with_needs_and_rules(graph, &used);
        kept.extend(rules.into_iter().cloned());
        kept
    }

    /// Adds what exists of an earlier file, but for the steps that stay.
    fn add(&mut self, report: Report<Option<Status>>, stays: impl Fn(&Key) -> bool) {
        for (key, visit) in report.0.into_iter().filter(|(key, _)| !stays(key)) {
            match visit {
                Visit::Done(Some(Status { other_step: Some(_), .. })) if key.kind() == LISTENER_RULE => {}
                Visit::Done(Some(Status { phase: Some(_), id: Some(id), used: false, .. })) => {
                    self.found.insert(key, id);
                }
                Visit::Failed(e) => {
                    self.unseen.insert(key, e);
                }
                _ => {}
            }
        }
    }

    /// Removes from `found` what AWS creates with a VPC that stays: such objects are deleted only with their VPC.
    fn spare_objects_of_vpc(&mut self, graph: &Graph) {
        let parts: Vec<Key> = self.found.keys().filter(|k| comes_with_vpc(k)).cloned().collect();
        for key in parts {
            let owner = graph.get(key.as_str()).and_then(|n| n.needs().iter().find(|k| k.kind() == "vpc"));
            if owner.is_none_or(|owner| !self.found.contains_key(owner)) {
                self.found.remove(&key);
            }
        }
    }

    /// True if nothing remains.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Returns the steps that the account does not let us look for.
    pub fn denied(&self) -> impl Iterator<Item = &Key> {
        self.unseen.iter().filter(|(_, e)| e.class() == Some(Class::Denied)).map(|(key, _)| key)
    }

    /// Returns the names of the Auto Scaling groups that remain.
    pub fn fleets(&self) -> Vec<String> {
        self.found.iter().filter(|(k, _)| k.kind() == FLEET).map(|(_, id)| id.clone()).collect()
    }

    /// Returns the deletions as part of a plan.
    pub fn changes(&self) -> Vec<(Key, Visit<Change>)> {
        self.found.iter().map(|(k, id)| (k.clone(), Visit::Done(Change::Delete { id: id.clone() }))).collect()
    }

    /// Deletes what remains, in the order in which the objects need each other.
    pub async fn remove(&self, env: &Env) -> Report<bool> {
        let mut all = vec![];
        // Requests that were under way when the listener left an older fleet come to their end first, as in the
        // deregistration delay of a target group, because the fleet's instances are deleted without a delay.
        if self.found.keys().any(|k| k.kind() == FLEET) && env.sleep(DRAIN).await.is_err() {
            return Report(self.found.keys().map(|k| (k.clone(), Visit::NotStarted)).collect());
        }
        // A fleet goes before the rest: its instances hold the security group of the name that its service had before.
        // `web-8080` can be a service of that name, or `web` on that port. The graph with more steps goes first, since
        // it has the objects that use the rest.
        let found_in = |graph: &Graph| graph.nodes().filter(|n| self.found.contains_key(n.key())).count();
        let mut graphs: Vec<&Graph> = self.graphs.iter().collect();
        let is_fleet = |n: &dyn Node| n.key().kind() == FLEET && self.found.contains_key(n.key());
        let has_fleet = |graph: &Graph| graph.nodes().any(is_fleet);
        graphs.sort_by_key(|graph| std::cmp::Reverse((has_fleet(graph), found_in(graph))));
        let mut done: BTreeSet<Key> = BTreeSet::new();
        for graph in graphs {
            let report = walk(graph, Direction::Reverse, env, async |n: &dyn Node| {
                let wanted = self.found.get(n.key()).filter(|_| !done.contains(n.key()));
                match wanted {
                    Some(id) if is_still(n, id, env).await? => n.remove(env).await,
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

/// Looks at each step of an earlier file; `None` is somebody else's object.
async fn observe(graph: &Graph, env: &Env) -> Report<Option<Status>> {
    let look = async |n: &dyn Node| match n.observe(env).await {
        // Somebody else's object under a name that could have been ours does not concern us.
        Err(Error::NotOurs { .. } | Error::Unproven { .. } | Error::OtherPrefix { .. } | Error::Ambiguous { .. }) => {
            Ok(None)
        }
        other => other.map(Some),
    };
    walk(graph, Direction::Forward, env, look).await
}

/// True if AWS creates the object with a VPC and deletes it with that VPC.
fn comes_with_vpc(key: &Key) -> bool {
    Kind::by_word(key.kind()).is_some_and(|kind| kind.life == Life::WithVpc)
}

/// Returns these steps and what they cannot do without.
///
/// For example, the stack's own database that the stack file now only uses keeps its subnet group, its security group
/// and the rules in that.
fn with_needs_and_rules(graph: &Graph, kept: &BTreeSet<&Key>) -> BTreeSet<Key> {
    let mut all: BTreeSet<Key> = graph.with_needs(|k| kept.contains(k)).into_iter().collect();
    let rules = all.iter().filter(|k| k.kind() == "security-group").map(|k| Key::new("security-group-rules", k.name()));
    let rules: Vec<Key> = rules.collect();
    all.extend(rules);
    all
}

/// True if the step still finds the object with this id.
///
/// Once a rule of a listener is gone, the rule of another service can be in its place.
async fn is_still(n: &dyn Node, id: &str, env: &Env) -> engine::Result<bool> {
    Ok(n.key().kind() != LISTENER_RULE || n.observe(env).await?.id.as_deref() == Some(id))
}
