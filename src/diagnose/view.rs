//! A snapshot with the questions that rules ask about it.
//!
//! Who reaches whom is in `parts/access`; a subnet's way out is in `parts/network`.
use crate::snapshot::{Answer, Beacon, Instance, Member, Part, Snapshot, Target};

/// A snapshot with the questions that rules ask about it.
pub(crate) struct View<'a> {
    pub s: &'a Snapshot,
}

impl<'a> View<'a> {
    /// Creates the view of a snapshot.
    pub(crate) fn new(s: &'a Snapshot) -> Self {
        Self { s }
    }

    /// Returns `words` if the part was seen, else that it could not be looked at.
    pub(crate) fn absent(&self, part: Part, words: impl Into<String>) -> String {
        if self.s.saw(part) { words.into() } else { "could not be looked at".into() }
    }

    /// Returns the id of the VPC, from the first of VPC, balancer and target group that was found.
    pub(crate) fn vpc(&self) -> Option<&'a str> {
        self.s.vpc_id()
    }

    /// Returns the instances that are running or pending.
    pub(crate) fn alive(&self) -> Vec<&'a Instance> {
        self.s.instances.iter().filter(|i| matches!(i.state.as_str(), "pending" | "running")).collect()
    }

    /// Returns an instance by its id.
    pub(crate) fn instance(&self, id: &str) -> Option<&'a Instance> {
        self.s.instances.iter().find(|i| i.id == id)
    }

    /// Returns the members of the Auto Scaling group that are not being terminated.
    pub(crate) fn members(&self) -> Vec<&'a Member> {
        let all = self.s.auto_scaling_group.iter().flat_map(|g| &g.members);
        all.filter(|m| !m.lifecycle.starts_with("Terminat")).collect()
    }

    /// Returns the targets that are not draining.
    pub(crate) fn targets(&self) -> Vec<&'a Target> {
        self.s.targets.iter().filter(|t| t.state != "draining").collect()
    }

    /// Returns the number of targets, or the number that is wanted if that is higher.
    pub(crate) fn targets_expected(&self) -> usize {
        self.targets().len().max(self.s.targets_wanted())
    }

    /// Returns the number of healthy targets.
    pub(crate) fn healthy(&self) -> usize {
        self.s.targets.iter().filter(|t| t.state == "healthy").count()
    }

    /// True if requests reach a healthy target now.
    ///
    /// If the targets' health could not be seen, requests count as served unless all answers from outside are bad.
    pub(crate) fn serves(&self) -> bool {
        if self.s.saw_targets() {
            return self.healthy() > 0;
        }
        self.s.probe.answers.is_empty() || self.good_answer().is_some()
    }

    /// Returns a good answer from outside, if there is one.
    pub(crate) fn good_answer(&self) -> Option<&'a Answer> {
        self.s.probe.answers.iter().find(|a| a.good())
    }

    /// Returns the reports of booting instances, one of each.
    pub(crate) fn beacons(&self) -> Vec<&'a Beacon> {
        let mut seen: Vec<&Beacon> = vec![];
        for beacon in self.s.probe.answers.iter().filter_map(|a| a.beacon.as_ref()) {
            if beacon.instance.is_none() || seen.iter().all(|b| b.instance != beacon.instance) {
                seen.push(beacon);
            }
        }
        seen
    }
}
