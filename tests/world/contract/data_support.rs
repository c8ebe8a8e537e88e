//! An emulator for one test process, and the life of a small stack in it.
use crate::tools::emulator::Emulator;
use gameday::{
    aws::{Aws, Target},
    engine::*,
};
use std::{sync::OnceLock, time::Duration};

/// Returns the emulator of all tests here. Each test has a stack of its own in it.
pub fn emulator() -> &'static Emulator {
    static EMULATOR: OnceLock<Emulator> = OnceLock::new();
    EMULATOR.get_or_init(|| Emulator::start(&pace()))
}

/// Returns the pace of the emulator: `instant`, or `fast` to see every state on the way (minutes of test time).
fn pace() -> String {
    std::env::var("GAMEDAY_PACE").unwrap_or("instant".into())
}

/// A stack of its own for one test.
pub struct World {
    pub aws: Aws,
    pub env: Env,
}

impl World {
    /// Creates the environment of a stack with this name.
    pub async fn new(stack: &str) -> Self {
        let target = Target { region: "eu-west-1".into(), endpoint: emulator().endpoint(), ..Target::default() };
        let aws = Aws::connect(&target).await;
        let mut env = Env::new(stack, Events::silent());
        env.pace = Pace { scale: if pace() == "instant" { 0.01 } else { 0.05 }, jitter: false };
        Self { aws, env }
    }

    /// Returns what `up` would do to each step, in words.
    pub async fn plan(&self, g: &Graph) -> Vec<String> {
        let mut words = vec![];
        for n in g.nodes() {
            let change = n.preview(&self.env).await;
            words.push(match change {
                Ok(c) => match c.diff() {
                    Some(d) => format!("{} {} {}", n.key(), c.word(), d.paths().join(",")),
                    None => format!("{} {}", n.key(), c.word()),
                },
                Err(e) => format!("{} {e}", n.key()),
            });
        }
        words
    }

    /// Returns the plan without the steps that need no change.
    pub async fn diff(&self, g: &Graph) -> Vec<String> {
        self.plan(g).await.into_iter().filter(|w| !w.ends_with(" none")).collect()
    }

    /// Builds or changes every step, in order.
    pub async fn up(&self, g: &Graph) {
        for n in g.nodes() {
            let done = tokio::time::timeout(Duration::from_secs(60), n.reconcile(&self.env)).await;
            done.expect("in time").unwrap_or_else(|e| panic!("{}: {e}", n.key()));
        }
    }

    /// Builds every step, and asserts that nothing is left to do.
    pub async fn settle(&self, g: &Graph) {
        self.up(g).await;
        assert_eq!(self.diff(g).await, [""; 0]);
    }

    /// Deletes every step, in reverse order. Returns for each whether it existed.
    pub async fn down(&self, g: &Graph) -> Vec<bool> {
        self.plan(g).await;
        let mut nodes: Vec<_> = g.nodes().collect();
        nodes.reverse();
        let mut removed = vec![];
        for n in nodes {
            let done = tokio::time::timeout(Duration::from_secs(60), n.remove(&self.env)).await;
            removed.push(done.expect("in time").unwrap_or_else(|e| panic!("{}: {e}", n.key())));
        }
        removed
    }

    /// Asserts that every step is deleted, once.
    pub async fn end(&self, g: &Graph) {
        assert!(self.down(g).await.into_iter().all(|gone| gone));
        assert!(!self.down(g).await.into_iter().any(|gone| gone));
    }

    /// Returns the output of a step.
    pub async fn output(&self, g: &Graph, key: &str) -> serde_json::Value {
        self.plan(g).await;
        g.get(key).unwrap().observe(&self.env).await.unwrap().output.unwrap_or_default()
    }
}
