//! The sandbox as a server of this test, and the verbs without the talk.
use crate::tools::emulator::Emulator;
use gameday::{
    aws::{Aws, Target},
    engine::*,
};

/// A sandbox on a port of its own, gone with this value.
pub struct Sandbox(Emulator);

impl Sandbox {
    pub fn start() -> Self {
        Self::at("instant")
    }
    pub fn at(pace: &str) -> Self {
        Self(Emulator::start(pace))
    }
    pub async fn aws(&self) -> Aws {
        Aws::connect(&Target { region: "eu-west-1".into(), endpoint: self.0.endpoint(), ..Target::default() }).await
    }

    /// Has the sandbox do something; see its control endpoints.
    pub fn tell(&self, what: &str) {
        self.0.tell("POST", what, "");
    }
}

pub fn env(stack: &str) -> Env {
    let mut env = Env::new(stack, Events::silent());
    env.pace = Pace { scale: 0.02, jitter: false };
    env
}

/// `key word` for each step that is not as wanted, or `key: error`.
fn words(report: Report<Change>) -> Vec<String> {
    let word = |(key, visit): (Key, Visit<Change>)| match visit {
        Visit::Done(change) if change.is_none() => None,
        Visit::Done(change) => Some(match change.diff() {
            Some(diff) => format!("{key} {}: {}", change.word(), diff.paths().join(", ")),
            None => format!("{key} {}", change.word()),
        }),
        Visit::Failed(e) => Some(format!("{key} failed: {e}")),
        Visit::Skipped(_) => Some(format!("{key} skipped")),
        Visit::NotStarted => Some(format!("{key} not started")),
    };
    report.0.into_iter().filter_map(word).collect()
}

pub async fn plan(g: &Graph, env: &Env) -> Vec<String> {
    words(walk(g, Direction::Forward, env, async |n: &dyn Node| n.preview(env).await).await)
}

pub async fn up(g: &Graph, env: &Env) -> Vec<String> {
    words(walk(g, Direction::Forward, env, async |n: &dyn Node| n.reconcile(env).await).await)
}

pub async fn status(g: &Graph, env: &Env) -> Vec<Status> {
    let report = walk(g, Direction::Forward, env, async |n: &dyn Node| n.observe(env).await).await;
    report
        .0
        .into_iter()
        .map(|(key, visit)| match visit {
            Visit::Done(status) => status,
            other => panic!("{key}: {other:?}"),
        })
        .collect()
}

/// What was deleted, in graph order; `key: error` for what was not.
pub async fn teardown(g: &Graph, env: &Env) -> Vec<String> {
    status(g, env).await;
    let report = walk(g, Direction::Reverse, env, async |n: &dyn Node| n.remove(env).await).await;
    let word = |(key, visit): (Key, Visit<bool>)| match visit {
        Visit::Done(true) => Some(key.to_string()),
        Visit::Done(false) => None,
        Visit::Failed(e) => Some(format!("{key} failed: {e}")),
        other => Some(format!("{key} {other:?}")),
    };
    report.0.into_iter().filter_map(word).collect()
}

/// The id that AWS gave to a step.
pub async fn id(g: &Graph, env: &Env, key: &str) -> String {
    g.get(key).unwrap_or_else(|| panic!("{key} is in the graph")).observe(env).await.unwrap().id.unwrap()
}
