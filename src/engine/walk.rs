//! Visits every step, as many at once as their needs allow.
use crate::{Class, Env, Error, Event, Graph, Key, Node, Result};
use futures::stream::{FuturesUnordered, StreamExt};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// A step comes after what it needs.
    Forward,
    /// A step comes before what it needs.
    Reverse,
}

/// What became of one step.
#[derive(Debug)]
pub enum Visit<T> {
    Done(T),
    Failed(Error),
    /// Because of this step, which failed.
    Skipped(Key),
    /// The run was stopped before the step began.
    NotStarted,
}

/// What became of each step, in graph order.
#[derive(Debug)]
pub struct Report<T>(pub Vec<(Key, Visit<T>)>);

impl<T> Report<T> {
    pub fn done(&self) -> impl Iterator<Item = (&Key, &T)> {
        self.0.iter().filter_map(|(k, v)| match v {
            Visit::Done(t) => Some((k, t)),
            _ => None,
        })
    }
    pub fn failed(&self) -> impl Iterator<Item = (&Key, &Error)> {
        self.0.iter().filter_map(|(k, v)| match v {
            Visit::Failed(e) => Some((k, e)),
            _ => None,
        })
    }
    pub fn all_done(&self) -> bool {
        self.0.iter().all(|(_, v)| matches!(v, Visit::Done(_)))
    }
    pub fn interrupted(&self) -> bool {
        self.0.iter().any(|(_, v)| matches!(v, Visit::NotStarted | Visit::Failed(Error::Interrupted)))
    }
}

/// Visits each step the moment its own needs are done, never in rounds; of those ready at the same moment the
/// one with the longest remaining path first. A failure skips only what needs the failed step; but without
/// credentials there is nothing to try for any, and that is said once.
pub async fn walk<T>(
    graph: &Graph,
    dir: Direction,
    env: &Env,
    visit: impl AsyncFn(&dyn Node) -> Result<T>,
) -> Report<T> {
    let nodes: Vec<&dyn Node> = graph.nodes().collect();
    let before = graph.before(dir);
    let order = longest_first(graph, dir, &nodes, env);
    let mut results: Vec<Option<Visit<T>>> = nodes.iter().map(|_| None).collect();
    let mut started = vec![false; nodes.len()];
    let mut running = FuturesUnordered::new();
    let visit = &visit;
    let mut locked_out: Option<Key> = None;
    loop {
        // A skipped step can make others ready that stand earlier in the order.
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
                    // It stands, and only a change was refused that nobody waits for.
                    Visit::Failed(Error::Fixed { .. }) if dir == Direction::Forward => None,
                    Visit::Failed(_) => Some(nodes[d].key().clone()),
                    Visit::Skipped(k) => Some(k.clone()),
                    Visit::Done(_) | Visit::NotStarted => None,
                });
                if env.stop.is_wanted() {
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

/// Looks at every step at once, each for itself, and once more at those that need one which was seen only now. Where
/// looks share their answers, the walk that follows finds them all waiting: it takes as long as the longest chain of
/// looks that truly wait for each other, not one round a level. What fails here fails again there, and is told there.
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

/// The places of the nodes, those with the longest path behind them first.
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
        let own = env.expect(nodes[i].key(), nodes[i].typical());
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
