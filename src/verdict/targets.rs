//! What the target group says of its targets.
use serde::Serialize;

/// What the target group says of its targets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Targets {
    pub healthy: usize,
    pub all: usize,
    /// How many there should be.
    pub wanted: usize,
    /// Zones with a healthy one.
    pub zones: Vec<String>,
    /// Why those that are not healthy are not, in AWS's words, each once.
    pub reasons: Vec<String>,
}

impl Targets {
    /// Returns how many there are, or should be if that is more.
    pub fn expected(&self) -> usize {
        self.all.max(self.wanted)
    }

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
