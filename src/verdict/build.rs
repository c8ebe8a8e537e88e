//! The progress of building a stack.
use crate::{
    config::Group,
    lease::Holder,
    live::{Clock, Step, StepState},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// The progress of building a stack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Build {
    /// The number of steps that are done.
    pub done: usize,
    /// The number of all steps.
    pub all: usize,
    /// The same numbers by group: done, and all.
    pub groups: BTreeMap<Group, (usize, usize)>,
    /// True if AWS is making a step now.
    pub under_way: bool,
    /// Who is building, in words: `anna@laptop has been running gameday up for 12 s`.
    pub who: Option<String>,
    /// Who is taking the stack down, in words.
    pub deleting: Option<String>,
    /// Seconds until the service answers, if somebody is building.
    pub left_seconds: Option<u64>,
    /// The step that is waited for.
    pub waiting_for: Option<String>,
}

impl Build {
    /// Returns how far the steps are. A run that is at work knows more than a look from outside.
    pub fn of(steps: &[Step], clock: &Clock, who: Option<&Holder>) -> Self {
        let deleting = who.filter(|holder| !holder.builds()).map(ToString::to_string);
        let who = who.filter(|holder| holder.builds());
        let told = who.and_then(|holder| holder.progress.clone());
        let going_on = who.is_some() || clock.under_way;
        let by_look = || {
            let mut groups: BTreeMap<Group, (usize, usize)> = BTreeMap::new();
            for step in steps {
                let (done, all) = groups.entry(Group::of_kind(step.key.kind())).or_default();
                *done += usize::from(step.state == StepState::Ready);
                *all += 1;
            }
            groups
        };
        let groups = told.as_ref().map_or_else(by_look, |p| p.groups.clone());
        Self {
            done: groups.values().map(|(done, _)| done).sum(),
            all: groups.values().map(|(_, all)| all).sum(),
            groups,
            under_way: clock.under_way,
            who: who.map(ToString::to_string),
            deleting,
            left_seconds: told.as_ref().map(|p| p.left_seconds).or(clock.eta_seconds).filter(|_| going_on),
            waiting_for: told.and_then(|p| p.waiting_for).or_else(|| clock.waiting_for.clone()).filter(|_| going_on),
        }
    }

    /// True if somebody or AWS is at work on the stack.
    pub(super) fn is_going_on(&self) -> bool {
        self.who.is_some() || self.under_way
    }
}
