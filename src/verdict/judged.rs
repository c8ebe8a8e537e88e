//! The request paths of several services, judged.
use super::{Verdict, Word};
use crate::{
    diagnose::{self, Chain, Finding},
    snapshot::Snapshot,
};
use std::cmp::Reverse;

/// The request path of one service, with its judgement.
#[derive(Clone, Debug)]
pub struct Judged {
    pub snapshot: Snapshot,
    pub chain: Chain,
    pub verdict: Verdict,
}

impl Judged {
    /// Judges a snapshot.
    pub fn of(snapshot: Snapshot) -> Self {
        Self { chain: diagnose::chain(&snapshot), verdict: Verdict::of(&snapshot), snapshot }
    }

    /// Judges the request paths of several services. The worst comes first; its verdict is the stack's.
    pub fn all(snapshots: Vec<Snapshot>) -> Vec<Self> {
        let mut all: Vec<Self> = snapshots.into_iter().map(Self::of).collect();
        Self::sort(&mut all);
        all
    }

    /// Sorts the worst to the front.
    pub fn sort(all: &mut [Self]) {
        // Stable: services that are equally bad stay in the order of their names.
        all.sort_by_key(|judged| Reverse((judged.verdict.word(), judged.chain.broken())));
    }

    /// Returns the name of the service.
    pub fn service(&self) -> &str {
        &self.snapshot.whose.service
    }

    /// Returns the finding to begin with, if there is one.
    pub fn first(&self) -> Option<&Finding> {
        self.chain.findings().first().copied()
    }

    /// True if the path is whole as far as is known. A path that could not be seen is not known to be whole.
    pub fn is_whole(&self) -> bool {
        !self.chain.broken() && self.verdict.word() != Word::Unknown
    }
}
