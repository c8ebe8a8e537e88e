//! The evidence of a run about who owns an object, and the judgement of it. Makes no call.
use crate::{Consent, Key, Ledger, Record};
use std::collections::{BTreeMap, BTreeSet};

/// The evidence of a run: the record, and the run's own creates.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) ledger: Ledger,
    /// Steps that this run has noted as begun.
    pub(crate) begun: BTreeSet<Key>,
    /// Steps for which this run has sent a create: an object that shows up then is what the run has created.
    pub(crate) sent: BTreeSet<Key>,
    /// The ids that the creates of this run have returned, by step. Then no other object is what the run has created.
    pub(crate) created: BTreeMap<Key, BTreeSet<String>>,
    /// Steps for which an answer was lost: one more object can exist.
    pub(crate) unanswered: BTreeSet<Key>,
    /// Steps whose place somebody else has taken while only this run was at work.
    pub(crate) foreign: BTreeSet<Key>,
    /// Objects that the user has named and that were found, by step.
    pub(crate) named: BTreeMap<Key, String>,
    /// Objects that this run has deleted.
    pub(crate) deleted: BTreeSet<(Key, String)>,
    /// Objects with the tags of a step that nothing proves to be the stack's: they existed before anything was created.
    pub(crate) claims: BTreeSet<(Key, String)>,
}

impl Evidence {
    /// True if something else than its tags shows that the stack has created this object.
    pub(crate) fn is_proven(&self, consent: &Consent, key: &Key, id: &str) -> bool {
        let Some(record) = self.ledger.record() else { return true };
        if consent.names(key, id) || record.has_made(key.as_str(), id) {
            return true;
        }
        if let Some(created) = self.created.get(key) {
            return created.contains(id);
        }
        let is_new = self.sent.contains(key) && !self.claims.contains(&(key.clone(), id.to_owned()));
        !self.foreign.contains(key) && (is_new || record.may_have_made(key.as_str(), id))
    }

    /// Returns those of several objects with the tags of a step that are proven to be the stack's, by id.
    pub(crate) fn proven_ids(&mut self, consent: &Consent, key: &Key, ids: &[&str]) -> BTreeSet<String> {
        let those = |is_it: &dyn Fn(&str) -> bool| -> BTreeSet<String> {
            ids.iter().filter(|id| is_it(id)).map(|id| (*id).to_owned()).collect()
        };
        let adopted = those(&|id| consent.adopts(key, id));
        let made = those(&|id| self.ledger.record().is_some_and(|r| r.has_made(key.as_str(), id)));
        let created = those(&|id| self.created.get(key).is_some_and(|created| created.contains(id)));
        // An object that is only to be deleted does not hide the one that is known.
        let own = [adopted, made, created].into_iter().find(|own| !own.is_empty());
        let own = own.unwrap_or_else(|| those(&|id| self.is_proven(consent, key, id)));
        let has_record = self.ledger.record().is_some();
        if has_record && (!self.sent.contains(key) || self.created.contains_key(key)) {
            self.claims.extend(ids.iter().filter(|id| !own.contains(**id)).map(|id| (key.clone(), (*id).to_owned())));
        }
        own
    }

    /// Adds what the account's record says at this moment.
    ///
    /// The steps that this run itself has noted as begun are no news, unless other runs are at work that may have noted
    /// the same.
    pub(crate) fn merge(&mut self, mut now: Record, is_alone: bool) {
        if self.ledger.record().is_none() {
            self.ledger = Ledger::Kept(Record::default());
        }
        let Some(record) = self.ledger.record_mut() else { return };
        for key in self.begun.iter().filter(|key| is_alone && !record.has_begun(key.as_str())) {
            now.end(key.as_str());
        }
        record.merge(&now);
    }
}
