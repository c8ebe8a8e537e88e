//! The notes that a verb leaves in the account beside the stack's objects: the record and the durations.
use super::{super::Failure, Session};
use crate::{aws::note, engine::Key, facts, history::History, output::style::*, record};
use jiff::Timestamp;
use std::{collections::BTreeMap, time::Duration};

impl Session {
    /// Reads the record of the stack again.
    pub(crate) async fn reread(&self) -> Result<(), Failure> {
        self.env.ownership.set_ledger(record::load(&self.aws, &self.env.stack).await?);
        Ok(())
    }

    /// Records that these steps are about to be created.
    pub(crate) async fn record_begin(&self, keys: impl Iterator<Item = &Key>) -> Result<(), Failure> {
        let keys: Vec<&Key> = keys.collect();
        if keys.is_empty() {
            return Ok(());
        }
        let beginning = self.env.ownership.begin(keys.into_iter(), note::LARGEST);
        let Some(record) = beginning else {
            self.say_that_tags_decide();
            return Ok(());
        };
        if !record::begin(&self.aws, &self.env.stack, &record).await? {
            self.out.note(format!(
                "{DIM}this account keeps no notes of the stack (SSM Parameter Store): what this run makes has to be named \
                 with --adopt, if a later run asks for proof{RESET}"
            ));
        }
        Ok(())
    }

    /// Warns that the account does not show what the stack has created.
    pub(crate) fn say_that_tags_decide(&self) {
        self.out.note(format!(
            "{WARN}this account shows no notes of the stack (SSM Parameter Store): ownership is judged by \
             tags alone{RESET}"
        ));
    }

    /// Records what was created and what is gone. `done` are the steps with nothing left open.
    pub(crate) async fn record_end(&self, done: impl Iterator<Item = &Key>) {
        // Each image is or was named by the stack file, or is or was Amazon's newest.
        for image in self.facts.images.values() {
            self.env.ownership.note_used(facts::IMAGE, image);
        }
        // If this fails, the next run knows the objects from the record of their beginning.
        _ = record::end(&self.aws, &self.env.stack, &self.env.ownership, done).await;
    }

    /// Deletes the record, once everything that was created is gone.
    pub(crate) async fn forget_record(&self) {
        _ = record::forget(&self.aws, &self.env.stack).await;
    }

    /// Records that the objects named on the command line are the stack's.
    pub(crate) async fn record_adopted(&self) {
        self.env.ownership.record_named();
        self.record_end(std::iter::empty()).await;
    }

    /// Loads how long the steps took before in this account. Only for verbs with something to forecast.
    pub(crate) async fn remember(&mut self) {
        self.history = History::load(&self.aws, &self.env.stack).await;
        self.env.durations = self.history.of(self.stack.graph.nodes().map(|n| n.key()));
    }

    /// Stores in the account how long the steps of this run took.
    pub(crate) async fn learn(&self) {
        self.history.clone().learn(&self.aws, &self.env.stack, &self.stopwatch).await;
    }

    /// Returns how long AWS has been creating each of these steps, as far as an earlier run has noted it.
    pub(crate) fn under_way<'a>(&self, keys: impl Iterator<Item = &'a Key>) -> BTreeMap<Key, Duration> {
        let since = |begun: Timestamp| Timestamp::now().duration_since(begun).unsigned_abs();
        keys.map(|key| (key.clone(), self.history.begun(key).map_or(Duration::ZERO, since))).collect()
    }
}
