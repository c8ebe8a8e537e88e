//! The targets as their target group reports them.
use serde::Serialize;

/// The targets as their target group reports them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Targets {
    /// How many targets are healthy.
    pub healthy: usize,
    /// How many targets there are.
    pub all: usize,
    /// How many targets there should be.
    pub wanted: usize,
    /// The zones with a healthy target.
    pub zones: Vec<String>,
    /// Why the other targets are not healthy, in AWS's words, each reason once.
    pub reasons: Vec<String>,
}

impl Targets {
    /// Returns how many targets there are, or should be if that is more.
    pub fn expected(&self) -> usize {
        self.all.max(self.wanted)
    }

    /// Counts a target, by its state and what AWS says about it.
    pub(super) fn add(&mut self, state: &str, said: &str) {
        self.all += 1;
        if state == "healthy" {
            self.healthy += 1;
            return;
        }
        let reason = if said.is_empty() { state.to_owned() } else { format!("{state}: {said}") };
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }
}
