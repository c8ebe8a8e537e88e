//! What is ours but no longer in the stack file: a group that was switched off or to `use`, a service that was
//! renamed, a route that was dropped.
//!
//! The largest stack this file could have described is wired once more, and what of it exists, carries our tag and is
//! not in the stack as it is now, remains from before. So there is no second description for deletion.
use super::{Stack, wire};
use crate::{
    aws::{Aws, error::AwsResult},
    config::{Config, Loaded, Mode, Origin, Switch},
    engine::{Change, Direction, Env, Error, Graph, Key, Node, Report, STEP_TAG, Status, Visit, walk},
    error::Result,
    facts::Facts,
};
use aws_sdk_autoscaling::types::{AutoScalingGroup, Filter};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// What remains, and the graph to delete it with.
#[derive(Default)]
pub struct Remains {
    graphs: Vec<Graph>,
    /// By key: AWS's id of it.
    pub found: BTreeMap<Key, String>,
}

impl Remains {
    /// Looks for what remains. `seen` is what the last look at the stack saw.
    pub async fn find(loaded: &Loaded, facts: &Facts, aws: &Aws, env: &Env, stack: &Stack, seen: &Report<Status>) -> Result<Self> {
        let wanted: BTreeSet<&Key> = stack.graph.nodes().filter(|n| !n.is_used()).map(|n| n.key()).collect();
        // What is used must not be deleted, whatever tags it carries.
        let used: BTreeSet<&str> =
            seen.done().filter(|(_, s)| s.used).filter_map(|(_, s)| s.id.as_deref()).collect();
        let mut remains = Self::default();
        for service in services(aws, env, &stack.service).await? {
            let graph = largest(loaded, facts, aws, &service);
            let report = walk(&graph, Direction::Forward, env, async |n: &dyn Node| match n.observe(env).await {
                // A stranger's object under a name that could have been ours is none of our business.
                Err(Error::NotOurs { .. } | Error::Ambiguous { .. }) => Ok(None),
                other => other.map(Some),
            })
            .await;
            for (key, visit) in report.0 {
                let Visit::Done(Some(Status { phase: Some(_), id: Some(id), used: false, .. })) = visit else { continue };
                if !wanted.contains(&key) && !used.contains(id.as_str()) {
                    remains.found.insert(key, id);
                }
            }
            remains.graphs.push(graph);
        }
        Ok(remains)
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// As part of a plan.
    pub fn changes(&self) -> Vec<(Key, Visit<Change>)> {
        self.found.iter().map(|(k, id)| (k.clone(), Visit::Done(Change::Delete { id: id.clone() }))).collect()
    }

    /// Deletes them, in the order in which they need each other.
    pub async fn remove(&self, env: &Env) -> Report<bool> {
        let mut all = vec![];
        for graph in &self.graphs {
            let report = walk(graph, Direction::Reverse, env, async |n: &dyn Node| {
                if self.found.contains_key(n.key()) { n.remove(env).await } else { Ok(false) }
            })
            .await;
            all.extend(report.0.into_iter().filter(|(k, _)| self.found.contains_key(k)));
        }
        Report(all)
    }
}

/// The stack with everything on.
fn largest(loaded: &Loaded, facts: &Facts, aws: &Aws, service: &str) -> Graph {
    let mut loaded = loaded.clone();
    let config: &mut Config = &mut loaded.config;
    config.network.mode = Origin::Create;
    for mode in [&mut config.database.mode, &mut config.cache.mode, &mut config.files.mode, &mut config.iam.mode] {
        *mode = Mode::Create;
    }
    config.secrets.mode = Origin::Create;
    config.monitoring.mode = Switch::Create;
    config.monitoring.dashboard = true;
    let (_, mut only) = config.service.pop_first().expect("a checked config has a service");
    only.routes = (0..50).map(|i| format!("/{i}")).collect();
    only.scale.requests_per_target = Some(1.0);
    only.scale.cpu = Some(50.0);
    config.service.insert(service.into(), only);
    let facts = Facts { network: None, ..facts.clone() };
    wire(&loaded, &facts, aws).map(|s| s.graph).unwrap_or_default()
}

/// The names under which this stack has had a service: its Auto Scaling groups say so.
async fn services(aws: &Aws, env: &Env, now: &str) -> Result<BTreeSet<String>> {
    let groups = fleets(aws, env).await?;
    let steps = groups.iter().flat_map(|g| g.tags()).filter(|t| t.key() == Some(STEP_TAG)).filter_map(|t| t.value());
    let mut names: BTreeSet<String> =
        steps.filter_map(|s| s.strip_prefix("auto-scaling-group/")).map(Into::into).collect();
    names.insert(now.into());
    Ok(names)
}

/// All Auto Scaling groups of the stack.
pub async fn fleets(aws: &Aws, env: &Env) -> Result<Rc<Vec<AutoScalingGroup>>> {
    let call = async || {
        let filter = Filter::builder().name(format!("tag:{}", crate::engine::STACK_TAG)).values(&env.stack).build();
        let call = aws.autoscaling.describe_auto_scaling_groups().filters(filter);
        call.into_paginator().items().send().try_collect().await.during("DescribeAutoScalingGroups")
    };
    aws.reads.get(format!("Auto Scaling groups of stack {}", env.stack), call).await
}
