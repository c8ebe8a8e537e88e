//! A snapshot with the questions that rules ask about it. Who reaches whom is in `parts/access`, which way a subnet has
//! in `parts/network`.
use crate::snapshot::{Answer, Beacon, Instance, Member, Part, Snapshot, Target};

/// A snapshot with the questions that rules ask about it.
pub(crate) struct View<'a> {
    pub s: &'a Snapshot,
}

impl<'a> View<'a> {
    pub fn new(s: &'a Snapshot) -> Self {
        Self { s }
    }

    /// Returns these words if this part was seen, and else that it was not.
    pub fn absent(&self, part: Part, words: impl Into<String>) -> String {
        if self.s.saw(part) { words.into() } else { "could not be looked at".into() }
    }

    /// Returns the id of the VPC, by whichever part knows it.
    pub fn vpc(&self) -> Option<&'a str> {
        self.s.vpc_id()
    }

    /// Returns the instances that run or are about to.
    pub fn alive(&self) -> Vec<&'a Instance> {
        self.s.instances.iter().filter(|i| matches!(i.state.as_str(), "pending" | "running")).collect()
    }

    pub fn instance(&self, id: &str) -> Option<&'a Instance> {
        self.s.instances.iter().find(|i| i.id == id)
    }

    /// Returns the members of the Auto Scaling group that are not on their way out.
    pub fn members(&self) -> Vec<&'a Member> {
        let all = self.s.auto_scaling_group.iter().flat_map(|g| &g.members);
        all.filter(|m| !m.lifecycle.starts_with("Terminat")).collect()
    }

    /// Returns the targets that are wanted: not on their way out.
    pub fn targets(&self) -> Vec<&'a Target> {
        self.s.targets.iter().filter(|t| t.state != "draining").collect()
    }

    /// Returns how many targets there are, or should be where that is more.
    pub fn targets_expected(&self) -> usize {
        self.targets().len().max(self.s.targets_wanted())
    }

    pub fn healthy(&self) -> usize {
        self.s.targets.iter().filter(|t| t.state == "healthy").count()
    }

    /// True if requests find a healthy target now.
    ///
    /// Where the targets' health could not be seen, nothing is said to be lost unless the answers from outside say so.
    pub fn serves(&self) -> bool {
        if self.s.saw_targets() {
            return self.healthy() > 0;
        }
        self.s.probe.answers.is_empty() || self.good_answer().is_some()
    }

    pub fn good_answer(&self) -> Option<&'a Answer> {
        self.s.probe.answers.iter().find(|a| a.good())
    }

    /// Returns what booting instances say, one answer of each.
    pub fn beacons(&self) -> Vec<&'a Beacon> {
        let mut seen: Vec<&Beacon> = vec![];
        for beacon in self.s.probe.answers.iter().filter_map(|a| a.beacon.as_ref()) {
            if beacon.instance.is_none() || seen.iter().all(|b| b.instance != beacon.instance) {
                seen.push(beacon);
            }
        }
        seen
    }
}
