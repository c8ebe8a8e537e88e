//! An emulator for each test, and the graph's verbs on one step.
use crate::tools::emulator::Emulator;
use gameday::{
    aws::{Aws, Target},
    engine::{Change, Diff, Env, Events, Graph, Node, Pace, Status},
};
use serde_json::json;

/// The region of all tests here.
pub const REGION: &str = "us-east-1";

/// An emulator, gameday's clients for it, and the environment of the steps.
pub struct World {
    pub aws: Aws,
    pub env: Env,
    emulator: Emulator,
}

impl World {
    /// Starts an emulator where everything takes effect at once.
    pub async fn new() -> Self {
        Self::at("instant").await
    }
    /// Starts an emulator where everything takes a twentieth of its time on AWS.
    pub async fn with_time() -> Self {
        Self::at("fast").await
    }
    async fn at(pace: &str) -> Self {
        let emulator = Emulator::start(pace);
        let endpoint = emulator.endpoint();
        let aws = Aws::connect(&Target { region: REGION.into(), endpoint, ..Target::default() }).await;
        // Tests change objects behind gameday's back, so no answer is kept.
        aws.reads.set_mode(gameday::aws::reads::Mode::Building { keep: std::time::Duration::ZERO });
        let verbose = std::env::var_os("VERBOSE").is_some();
        let mut env = Env::new(
            "demo",
            Events::new(move |e| {
                if verbose {
                    eprintln!("{e:?}")
                }
            }),
        );
        env.pace = Pace { scale: 0.05, jitter: false };
        env.tags = [("team".to_owned(), "unicorns".to_owned())].into();
        Self { aws, env, emulator }
    }

    /// Makes the account deny these calls, named as `service:Operation`.
    pub fn denies(&self, what: &[&str]) {
        self.emulator.tell("POST", "faults", &json!({"deny": what}).to_string());
    }

    /// Returns the plan for a step.
    pub async fn plan(&self, g: &Graph, key: &str) -> Change {
        step(g, key).preview(&self.env).await.unwrap_or_else(|e| panic!("plan {key}: {e}"))
    }
    /// Builds or changes a step.
    pub async fn up(&self, g: &Graph, key: &str) -> Change {
        step(g, key).reconcile(&self.env).await.unwrap_or_else(|e| panic!("up {key}: {e}"))
    }
    /// Returns the status of a step.
    pub async fn look(&self, g: &Graph, key: &str) -> Status {
        step(g, key).observe(&self.env).await.unwrap_or_else(|e| panic!("look at {key}: {e}"))
    }
    /// Deletes a step. Returns false if it did not exist.
    pub async fn down(&self, g: &Graph, key: &str) -> bool {
        step(g, key).remove(&self.env).await.unwrap_or_else(|e| panic!("down {key}: {e}"))
    }

    /// Builds every step of the graph, in order. Returns the changes made.
    pub async fn up_all(&self, g: &Graph) -> Vec<(String, &'static str)> {
        let mut did = vec![];
        for node in g.nodes() {
            let change = node.reconcile(&self.env).await.unwrap_or_else(|e| panic!("up {}: {e}", node.key()));
            did.push((node.key().to_string(), change.word()));
        }
        did
    }
    /// Deletes every step of the graph, in reverse order.
    pub async fn down_all(&self, g: &Graph) {
        for node in g.nodes().collect::<Vec<_>>().into_iter().rev() {
            node.remove(&self.env).await.unwrap_or_else(|e| panic!("down {}: {e}", node.key()));
        }
    }

    /// Asserts that a step is absent, is created, and then needs no change.
    pub async fn creates(&self, g: &Graph, key: &str) -> Status {
        assert_eq!(self.look(g, key).await.phase, None, "{key} is absent");
        assert_eq!(self.plan(g, key).await.word(), "create", "{key}");
        assert_eq!(self.up(g, key).await.word(), "create", "{key}");
        self.stands(g, key).await
    }
    /// Asserts that a step needs no change, and that none is made.
    pub async fn stands(&self, g: &Graph, key: &str) -> Status {
        assert_eq!(self.plan(g, key).await, Change::None, "{key}");
        let writes = self.aws.calls.writes();
        assert_eq!(self.up(g, key).await, Change::None, "{key}");
        assert_eq!(self.aws.calls.writes(), writes, "{key} was written to for nothing");
        let status = self.look(g, key).await;
        assert!(status.drift.is_empty(), "{key} drifts: {:?}", status.drift);
        status
    }
    /// Asserts that a step needs an update of exactly these fields, and no change after it.
    pub async fn updates(&self, g: &Graph, key: &str, fields: &[&str]) -> Diff {
        let plan = self.plan(g, key).await;
        let Change::Update { diff } = plan else { panic!("{key}: {plan:?} instead of an update") };
        assert_eq!(diff.paths(), fields, "{key}: {diff:?}");
        assert_eq!(self.up(g, key).await.word(), "update", "{key}");
        self.stands(g, key).await;
        diff
    }
    /// Asserts that a step is deleted, once.
    pub async fn goes(&self, g: &Graph, key: &str) {
        assert!(self.down(g, key).await, "{key} was there");
        assert_eq!(self.look(g, key).await.phase, None, "{key} is gone");
        assert!(!self.down(g, key).await, "{key} goes once");
    }
    /// Asserts that an object of the same name without the stack's tag is refused and left alone.
    pub async fn refuses_what_is_not_ours(&self, g: &Graph, key: &str) {
        let writes = self.aws.calls.writes();
        for error in [
            step(g, key).preview(&self.env).await.expect_err("not ours"),
            step(g, key).reconcile(&self.env).await.expect_err("not ours"),
        ] {
            assert!(error.to_string().contains("carries no tag of stack"), "{key}: {error}");
        }
        assert!(!self.down(g, key).await, "there is nothing of ours to delete");
        assert_eq!(self.aws.calls.writes(), writes, "{key} is not ours and was written to");
    }
}

/// Returns a step of the graph by its key.
pub fn step<'a>(g: &'a Graph, key: &str) -> &'a dyn Node {
    g.get(key).unwrap_or_else(|| panic!("no step {key}"))
}
