//! A sandbox for each test, and the verbs without messages.
use crate::tools::emulator::Emulator;
use gameday::{
    aws::{Aws, Target},
    engine::*,
};

/// A sandbox on its own port, which ends with this value.
pub struct Sandbox(Emulator);

impl Sandbox {
    /// Starts a sandbox where everything takes effect at once.
    pub fn start() -> Self {
        Self::at("instant")
    }
    /// Starts a sandbox at this pace.
    pub fn at(pace: &str) -> Self {
        Self(Emulator::start(pace))
    }
    /// Returns gameday's clients for the sandbox.
    pub async fn aws(&self) -> Aws {
        Aws::connect(&Target { region: "eu-west-1".into(), endpoint: self.0.endpoint(), ..Target::default() }).await
    }

    /// Posts to a control endpoint of the sandbox.
    pub fn tell(&self, what: &str) {
        self.0.tell("POST", what, "");
    }
}

/// Returns the environment of a stack with this name.
pub fn env(stack: &str) -> Env {
    let mut env = Env::new(stack, Events::silent());
    env.pace = Pace { scale: 0.02, jitter: false };
    env
}

/// Returns `key word` for each step that needs a change, or `key failed: error`.
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

/// Returns the plan, in words.
pub async fn plan(g: &Graph, env: &Env) -> Vec<String> {
    words(walk(g, Direction::Forward, env, async |n: &dyn Node| n.preview(env).await).await)
}

/// Builds or changes every step. Returns the changes, in words.
pub async fn up(g: &Graph, env: &Env) -> Vec<String> {
    words(walk(g, Direction::Forward, env, async |n: &dyn Node| n.reconcile(env).await).await)
}

/// Returns the status of every step.
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

/// Deletes every step. Returns the deleted ones in graph order, and `key failed: error` for the others.
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

/// Returns the id that AWS gave to a step.
pub async fn id(g: &Graph, env: &Env, key: &str) -> String {
    g.get(key).unwrap_or_else(|| panic!("{key} is in the graph")).observe(env).await.unwrap().id.unwrap()
}
