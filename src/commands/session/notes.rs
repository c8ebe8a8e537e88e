//! What a verb leaves in the account about the stack, beside its objects: the record and the durations.
use super::{super::Failure, Session};
use crate::{aws::note, engine::Key, facts, history::History, output::style::*, record};
use jiff::Timestamp;
use std::{collections::BTreeMap, time::Duration};

impl Session {
    /// Reads the record of the stack again.
    pub async fn reread(&self) -> Result<(), Failure> {
        self.env.ownership.set_ledger(record::load(&self.aws, &self.env.stack).await?);
        Ok(())
    }

    /// Writes down that these steps are about to be created.
    pub async fn write_down(&self, keys: impl Iterator<Item = &Key>) -> Result<(), Failure> {
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
                 with --adopt, should a later one ask whose it is{RESET}"
            ));
        }
        Ok(())
    }

    /// Warns that the account does not show what the stack has created.
    pub fn say_that_tags_decide(&self) {
        self.out.note(format!(
            "{WARN}this account shows no notes of the stack (SSM Parameter Store): whose an object is rests on its \
             tags{RESET}"
        ));
    }

    /// Writes down what was created and what is gone. `done` are the steps of which nothing is left open.
    pub async fn wrote(&self, done: impl Iterator<Item = &Key>) {
        // Named by the stack file, Amazon's newest, or one of these before.
        for image in self.facts.images.values() {
            self.env.ownership.note_used(facts::IMAGE, image);
        }
        // An object that could not be written down is known by its beginning, at the next run.
        _ = record::end(&self.aws, &self.env.stack, &self.env.ownership, done).await;
    }

    /// Forgets what was created: all of it is gone.
    pub async fn made_nothing(&self) {
        _ = record::forget(&self.aws, &self.env.stack).await;
    }

    /// Writes down that the objects named on the command line are the stack's.
    pub async fn take_in(&self) {
        self.env.ownership.record_named();
        self.wrote(std::iter::empty()).await;
    }

    /// Asks the account how long the steps took before. Only for verbs with something to forecast.
    pub async fn remember(&mut self) {
        self.history = History::load(&self.aws, &self.env.stack).await;
        self.env.durations = self.history.of(self.stack.graph.nodes().map(|n| n.key()));
    }

    /// Leaves in the account how long the steps of this run took.
    pub async fn learn(&self) {
        self.history.clone().learn(&self.aws, &self.env.stack, &self.stopwatch).await;
    }

    /// Returns how long AWS has been creating each of these steps, as far as an earlier run has noted it.
    pub fn under_way<'a>(&self, keys: impl Iterator<Item = &'a Key>) -> BTreeMap<Key, Duration> {
        let since = |begun: Timestamp| Timestamp::now().duration_since(begun).unsigned_abs();
        keys.map(|key| (key.clone(), self.history.begun(key).map_or(Duration::ZERO, since))).collect()
    }
}
