//! The walk: visits every step, as many at once as their needs allow.
use crate::{Class, Env, Error, Event, Graph, Key, Node, Result};
use futures::stream::{FuturesUnordered, StreamExt};
use std::time::Duration;

/// The order of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// A step comes after what it needs.
    Forward,
    /// A step comes before what it needs.
    Reverse,
}

/// The outcome of one step.
#[derive(Debug)]
pub enum Visit<T> {
    /// The visitor was successful.
    Done(T),
    /// The visitor failed.
    Failed(Error),
    /// The step was not visited, because this step failed.
    Skipped(Key),
    /// The step was not visited, because the run was stopped.
    NotStarted,
}

/// The outcome of each step, in the graph's order.
#[derive(Debug)]
pub struct Report<T>(pub Vec<(Key, Visit<T>)>);

impl<T> Report<T> {
    /// Returns the steps for which the visitor was successful.
    pub fn done(&self) -> impl Iterator<Item = (&Key, &T)> {
        self.0.iter().filter_map(|(k, v)| match v {
            Visit::Done(t) => Some((k, t)),
            _ => None,
        })
    }

    /// Returns the steps for which the visitor failed.
    pub fn failed(&self) -> impl Iterator<Item = (&Key, &Error)> {
        self.0.iter().filter_map(|(k, v)| match v {
            Visit::Failed(e) => Some((k, e)),
            _ => None,
        })
    }

    /// True if the visitor was successful for all steps.
    pub fn all_done(&self) -> bool {
        self.0.iter().all(|(_, v)| matches!(v, Visit::Done(_)))
    }

    /// True if the run was stopped before all was done.
    pub fn interrupted(&self) -> bool {
        self.0.iter().any(|(_, v)| matches!(v, Visit::NotStarted | Visit::Failed(Error::Interrupted)))
    }
}

/// Visits each step the moment its own needs are done, never in rounds.
///
/// Of the steps that are ready at the same moment, the one with the longest remaining path goes first. A failure skips
/// only the steps that need the failed one. Without credentials nothing can be tried for any step, and that is reported
/// once.
pub async fn walk<T>(
    graph: &Graph,
    dir: Direction,
    env: &Env,
    visit: impl AsyncFn(&dyn Node) -> Result<T>,
) -> Report<T> {
    let nodes: Vec<&dyn Node> = graph.nodes().collect();
    let mut before = graph.before(dir);
    if dir == Direction::Reverse {
        before.iter_mut().for_each(|waits| waits.retain(|&i| !nodes[i].outlives_needs()));
    }
    let order = longest_first(graph, dir, &nodes, env);
    let mut results: Vec<Option<Visit<T>>> = nodes.iter().map(|_| None).collect();
    let mut started = vec![false; nodes.len()];
    let mut running = FuturesUnordered::new();
    let visit = &visit;
    let mut locked_out: Option<Key> = None;
    loop {
        // A skipped step can make others ready that come earlier in the order.
        let mut settled = false;
        while !settled {
            settled = true;
            for &i in &order {
                if started[i] || before[i].iter().any(|&d| results[d].is_none()) {
                    continue;
                }
                started[i] = true;
                settled = false;
                let node = nodes[i];
                let key = node.key().clone();
                let blocker = before[i].iter().find_map(|&d| match results[d].as_ref()? {
                    // The object exists; only a change was refused, which no other step waits for.
                    Visit::Failed(Error::Fixed { .. }) if dir == Direction::Forward => None,
                    Visit::Failed(_) => Some(nodes[d].key().clone()),
                    Visit::Skipped(k) => Some(k.clone()),
                    Visit::Done(_) | Visit::NotStarted => None,
                });
                if env.stop.is_requested() {
                    results[i] = Some(Visit::NotStarted);
                } else if let Some(because) = &locked_out {
                    results[i] = Some(Visit::Skipped(because.clone()));
                } else if let Some(because) = blocker {
                    env.events.say(Event::Skipped { key, because: because.clone() });
                    results[i] = Some(Visit::Skipped(because));
                } else {
                    env.events.say(Event::Started { key });
                    running.push(async move { (i, visit(node).await) });
                }
            }
        }
        let Some((i, result)) = running.next().await else { break };
        results[i] = Some(match result {
            Ok(v) => Visit::Done(v),
            Err(e) if e.class() == Some(Class::Credentials) && locked_out.is_some() => {
                Visit::Skipped(locked_out.clone().expect("just seen"))
            }
            Err(e) => {
                if e.class() == Some(Class::Credentials) {
                    locked_out = Some(nodes[i].key().clone());
                }
                match nodes[i].extra().filter(|_| e.class() == Some(Class::Denied)) {
                    Some(help) => {
                        let (key, code, error) = (nodes[i].key().clone(), e.code(), e.to_string());
                        env.events.say(Event::Without { key, code, error, help });
                    }
                    None if e == Error::Interrupted => {}
                    None => env.events.say(Event::failed(nodes[i].key(), &e, (env.advice)(&e))),
                }
                Visit::Failed(e)
            }
        });
    }
    let keys = nodes.iter().map(|n| n.key().clone());
    Report(keys.zip(results.into_iter().map(|r| r.expect("every step was visited"))).collect())
}

/// Looks at all steps at once, so that a walk that follows finds their answers.
///
/// A step is looked at once more when one that it needs is seen. If looks share their answers, the walk that follows
/// takes as long as the longest chain of looks that really wait for each other, not one round for each level. A look
/// that fails here fails again in that walk, and is reported there.
pub async fn glance(graph: &Graph, env: &Env) {
    let nodes: Vec<&dyn Node> = graph.nodes().collect();
    let after = graph.before(Direction::Reverse);
    let nodes = &nodes;
    let look = |i: usize| async move { (i, nodes[i].observe(env).await.is_ok_and(|s| s.phase.is_some())) };
    let (mut seen, mut asked, mut again) =
        (vec![false; nodes.len()], vec![true; nodes.len()], vec![false; nodes.len()]);
    let mut running: FuturesUnordered<_> = (0..nodes.len()).map(look).collect();
    while let Some((i, found)) = running.next().await {
        asked[i] = false;
        if found && !std::mem::replace(&mut seen[i], true) {
            after[i].iter().for_each(|&d| again[d] = true);
        }
        for i in 0..nodes.len() {
            if again[i] && !seen[i] && !asked[i] {
                (again[i], asked[i]) = (false, true);
                running.push(look(i));
            }
        }
    }
}

/// Returns the indices of the steps, those with the longest path behind them first.
fn longest_first(graph: &Graph, dir: Direction, nodes: &[&dyn Node], env: &Env) -> Vec<usize> {
    let after = graph.before(match dir {
        Direction::Forward => Direction::Reverse,
        Direction::Reverse => Direction::Forward,
    });
    let mut path = vec![Duration::ZERO; nodes.len()];
    let places: Vec<usize> = match dir {
        Direction::Forward => (0..nodes.len()).rev().collect(),
        Direction::Reverse => (0..nodes.len()).collect(),
    };
    for &i in &places {
        let own = env.expected(nodes[i].key(), nodes[i].typical());
        let own = match dir {
            Direction::Forward => own.create,
            Direction::Reverse => own.delete,
        };
        path[i] = own + after[i].iter().map(|&d| path[d]).max().unwrap_or_default();
    }
    let mut order = places;
    order.sort_by_key(|&i| std::cmp::Reverse(path[i]));
    order
}
