//! The proofs that an object is the stack's, beyond its tags.
//!
//! A tag is a claim that everybody with the right to tag can make. The stack's own [`Record`] lists what the stack has
//! created. During a run, the answers to its own creates say more than the record does.
use crate::{Consent, Key, Ledger, Record, evidence::Evidence};
use futures::future::LocalBoxFuture;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
};

/// Reads the record of the stack as it is now.
pub type RecordReader = Box<dyn Fn() -> LocalBoxFuture<'static, Ledger>>;

/// A run's knowledge of who owns the objects that it finds.
///
/// If the account keeps no record, the tags have to do, together with the name for kinds that have one.
pub struct Ownership {
    evidence: RefCell<Evidence>,
    is_alone: Cell<bool>,
    reader: Option<RecordReader>,
}

impl Default for Ownership {
    fn default() -> Self {
        Self::new(Ledger::default())
    }
}

impl Ownership {
    /// Makes the knowledge of a run that begins. The run is taken to be the only one.
    pub fn new(ledger: Ledger) -> Self {
        let evidence = Evidence { ledger, ..Evidence::default() };
        Self { evidence: evidence.into(), is_alone: Cell::new(true), reader: None }
    }

    /// Adds a way to read the record again, for an object that another run may have created since.
    pub fn with_reader(self, reader: RecordReader) -> Self {
        Self { reader: Some(reader), ..self }
    }

    /// Replaces the record by a newer one.
    pub fn set_ledger(&self, ledger: Ledger) {
        self.evidence.borrow_mut().ledger = ledger;
    }

    /// True if the account shows a record. If not, tags decide.
    pub fn has_record(&self) -> bool {
        self.evidence.borrow().ledger.record().is_some()
    }

    /// True if no other run is at work on the stack, as far as anybody can know.
    pub fn is_alone(&self) -> bool {
        self.is_alone.get()
    }

    /// Notes whether no other run is at work on the stack.
    pub fn set_alone(&self, is_alone: bool) {
        self.is_alone.set(is_alone);
    }

    /// Returns the objects that carry the tags of a step without a proof, by step and id.
    pub fn claims(&self) -> BTreeSet<(Key, String)> {
        self.evidence.borrow().claims.clone()
    }

    /// True if the user has named an object for this step and it was found.
    pub fn has_found(&self, key: &str) -> bool {
        self.evidence.borrow().named.keys().any(|k| k.as_str() == key)
    }

    /// Returns the record to keep while these steps are being created, of at most `most` bytes; `None` if the account
    /// shows none.
    ///
    /// A step that more objects claim than the record has room for is not noted. If a run is cut then, what it created
    /// as that step has to be named.
    pub fn begin<'a>(&self, keys: impl Iterator<Item = &'a Key>, most: usize) -> Option<Record> {
        let evidence = &mut *self.evidence.borrow_mut();
        let mut record = evidence.ledger.record()?.clone();
        let claims = |key: &Key| {
            let of_key = evidence.claims.iter().filter(move |(k, _)| k == key);
            of_key.map(|(_, id)| id.as_str()).collect::<Vec<_>>()
        };
        evidence.begun = record.begin_all(keys.map(|key| (key, claims(key))).collect(), most);
        Some(record)
    }

    /// Returns the record to keep after a run; `None` if the account shows none.
    ///
    /// `now` is the record that the account has at this moment. `done` are the steps of which no create is open.
    pub fn end<'a>(&self, now: &Record, done: impl Iterator<Item = &'a Key>) -> Option<Record> {
        let evidence = self.evidence.borrow();
        let mut record = evidence.ledger.record()?.clone();
        record.merge(now);
        for (key, id) in &evidence.deleted {
            record.remove(key.as_str(), id);
        }
        // A create that was never sent, or was certainly refused, has created nothing.
        let unsent = evidence.begun.difference(&evidence.sent);
        unsent.chain(&evidence.foreign).for_each(|key| record.end(key.as_str()));
        done.for_each(|key| record.end(key.as_str()));
        record.forget_apart();
        Some(record)
    }

    /// Notes a thing that is no step and that the stack was told to use.
    pub fn note_used(&self, what: &str, id: &str) {
        if let Some(record) = self.evidence.borrow_mut().ledger.record_mut() {
            record.add_used(what, id);
        }
    }

    /// True if the record notes this thing, which is no step. True without a record.
    pub fn has_used(&self, what: &str, id: &str) -> bool {
        self.evidence.borrow().ledger.record().is_none_or(|r| r.has_used(what, id))
    }

    /// Puts the objects that the user has named and that were found into the record.
    pub fn record_named(&self) {
        let evidence = &mut *self.evidence.borrow_mut();
        if let Some(record) = evidence.ledger.record_mut() {
            evidence.named.iter().for_each(|(key, id)| record.add(key.as_str(), id));
        }
    }

    /// True if the record shows that the stack has created this object as this step, or can have. True without a
    /// record.
    pub(crate) fn may_have_made(&self, key: &str, id: &str) -> bool {
        self.evidence.borrow().ledger.record().is_none_or(|r| r.may_have_made(key, id))
    }

    /// True if the record lists this object as one that the stack has created as this step. False without a record.
    pub(crate) fn is_recorded(&self, key: &Key, id: &str) -> bool {
        self.evidence.borrow().ledger.record().is_some_and(|r| r.has_made(key.as_str(), id))
    }

    /// True if the user has named this object. It is known to exist then.
    pub(crate) fn finds_named(&self, consent: &Consent, key: &Key, id: &str) -> bool {
        let is_named = consent.names(key, id);
        if is_named {
            self.evidence.borrow_mut().named.insert(key.clone(), id.to_owned());
        }
        is_named
    }

    /// True if something else than its tags shows that the stack has created this object.
    pub(crate) fn is_proven(&self, consent: &Consent, key: &Key, id: &str) -> bool {
        self.evidence.borrow().is_proven(consent, key, id)
    }

    /// True if more than tags shows which objects of this step are the stack's: the record, or a create of this run.
    pub(crate) fn can_tell(&self, key: &Key) -> bool {
        let evidence = self.evidence.borrow();
        evidence.ledger.record().is_some() || evidence.sent.contains(key)
    }

    /// Returns those of several objects with the tags of a step that are proven to be the stack's, by id.
    ///
    /// If one of them was named, or is in the record, the others are not the step.
    pub(crate) fn proven_ids(&self, consent: &Consent, key: &Key, ids: &[&str]) -> BTreeSet<String> {
        self.evidence.borrow_mut().proven_ids(consent, key, ids)
    }

    /// Reads the record again and adds what is new. True if it could be read.
    pub(crate) async fn refresh(&self) -> bool {
        let Some(reader) = &self.reader else { return false };
        let Ledger::Kept(now) = reader().await else { return false };
        self.evidence.borrow_mut().merge(now, self.is_alone());
        true
    }

    /// Notes that a create is on its way.
    pub(crate) fn note_sent(&self, key: &Key) {
        let evidence = &mut *self.evidence.borrow_mut();
        evidence.foreign.remove(key);
        evidence.sent.insert(key.clone());
    }

    /// Notes that a create was refused: nothing was created, unless another run has sent one as well.
    pub(crate) fn note_refused(&self, key: &Key) {
        if self.is_alone() {
            self.evidence.borrow_mut().sent.remove(key);
        }
    }

    /// Notes the id that a create has returned.
    pub(crate) fn note_created(&self, key: &Key, id: &str) {
        let evidence = &mut *self.evidence.borrow_mut();
        if self.is_alone() && !evidence.unanswered.contains(key) {
            evidence.created.entry(key.clone()).or_default().insert(id.to_owned());
            if let Some(record) = evidence.ledger.record_mut() {
                record.add(key.as_str(), id);
            }
        }
    }

    /// Notes that the answer to a create was lost. An object whose id was returned before is one of several then.
    pub(crate) fn note_unanswered(&self, key: &Key) {
        let evidence = &mut *self.evidence.borrow_mut();
        evidence.unanswered.insert(key.clone());
        for id in evidence.created.remove(key).unwrap_or_default() {
            if let Some(record) = evidence.ledger.record_mut() {
                record.remove(key.as_str(), &id);
            }
        }
    }

    /// Notes that an object was there already when this run sent its create. Somebody else has created it, if no other
    /// run of the stack is at work and no answer was lost.
    pub(crate) fn note_already_there(&self, key: &Key) {
        let evidence = &mut *self.evidence.borrow_mut();
        if self.is_alone() && !evidence.unanswered.contains(key) {
            evidence.sent.remove(key);
            evidence.foreign.insert(key.clone());
        }
    }

    /// Notes that this object is the step.
    pub(crate) fn note_owned(&self, key: &Key, id: &str) {
        let evidence = &mut *self.evidence.borrow_mut();
        evidence.deleted.remove(&(key.clone(), id.to_owned()));
        if let Some(record) = evidence.ledger.record_mut() {
            record.add(key.as_str(), id);
            record.end(key.as_str());
        }
    }

    /// Notes that this object of the step is deleted.
    pub(crate) fn note_deleted(&self, key: &Key, id: &str) {
        let evidence = &mut *self.evidence.borrow_mut();
        evidence.sent.remove(key);
        evidence.created.remove(key);
        evidence.deleted.insert((key.clone(), id.to_owned()));
        if let Some(record) = evidence.ledger.record_mut() {
            record.remove(key.as_str(), id);
            record.end(key.as_str());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ownership() -> Ownership {
        Ownership::new(Ledger::Kept(Record::default()))
    }

    fn nothing() -> Consent {
        Consent::default()
    }

    fn set(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn one_of_several_is_told_by_the_record_or_by_name() {
        let key = Key::new("vpc", "main");
        let all = ["vpc-1", "vpc-2"];
        let run = ownership();
        assert_eq!(run.proven_ids(&nothing(), &key, &all), set(&[]), "tags alone prove nothing");
        // An object that existed before is not the step; one that shows up after the create is.
        run.note_sent(&key);
        assert_eq!(run.proven_ids(&nothing(), &key, &["vpc-1", "vpc-2", "vpc-3"]), set(&["vpc-3"]));
        // The same holds for the run after one that was cut.
        let next = || Ownership::new(Ledger::Kept(run.begin([&key].into_iter(), 4096).unwrap()));
        assert_eq!(next().proven_ids(&nothing(), &key, &["vpc-1", "vpc-2", "vpc-3"]), set(&["vpc-3"]));
        assert!(!next().is_proven(&nothing(), &key, "vpc-1") && next().is_proven(&nothing(), &key, "vpc-3"));
        run.note_owned(&key, "vpc-3");
        assert!(run.is_proven(&nothing(), &key, "vpc-3") && !run.is_proven(&nothing(), &key, "vpc-1"));
        let consent = Consent { adopt: [(key.to_string(), "vpc-1".into())].into(), ..nothing() };
        assert_eq!(run.proven_ids(&consent, &key, &["vpc-1", "vpc-3"]), set(&["vpc-1"]), "a named one is the one");
        run.set_ledger(Ledger::Denied);
        assert_eq!(run.proven_ids(&consent, &key, &["vpc-4"]), set(&["vpc-4"]), "without a record the tags have to do");
    }

    #[test]
    fn what_a_create_has_answered_is_what_was_made() {
        let key = Key::new("vpc", "main");
        let run = ownership();
        run.begin([&key].into_iter(), 4096);
        run.note_sent(&key);
        let is_proven = |id: &str| run.is_proven(&nothing(), &key, id);
        assert!(is_proven("vpc-1") && is_proven("vpc-2"), "the answer may be lost");
        run.note_created(&key, "vpc-2");
        assert!(!is_proven("vpc-1") && is_proven("vpc-2"));
        assert_eq!(run.proven_ids(&nothing(), &key, &["vpc-1", "vpc-2"]).len(), 1);
        assert!(run.claims().contains(&(key.clone(), "vpc-1".into())));
        // With an answer that was lost there may be two of ours, and one of them is deleted.
        run.note_unanswered(&key);
        run.note_created(&key, "vpc-3");
        assert_eq!(run.proven_ids(&nothing(), &key, &["vpc-1", "vpc-2", "vpc-3"]).len(), 2);
    }

    #[test]
    fn what_was_not_made_is_not_begun_for_the_next_run() {
        let [sent, refused, never, foreign] = ["a", "b", "c", "d"].map(|name| Key::new("database", name));
        let run = ownership();
        let stored = run.begin([&sent, &refused, &never, &foreign].into_iter(), 4096).unwrap();
        for key in [&sent, &refused, &foreign] {
            run.note_sent(key);
        }
        run.note_refused(&refused);
        run.note_already_there(&foreign);
        assert!(!run.is_proven(&nothing(), &foreign, "x"), "somebody else was faster");
        let mut alone = run.evidence.borrow().clone();
        alone.merge(stored.clone(), true);
        assert!(!alone.is_proven(&nothing(), &never, "x"), "it was not there, and nothing was sent");
        let mut with_others = run.evidence.borrow().clone();
        with_others.merge(stored.clone(), false);
        assert!(with_others.is_proven(&nothing(), &never, "x"));
        let after = run.end(&stored, [].into_iter()).unwrap();
        assert_eq!(
            [&sent, &refused, &never, &foreign].map(|k| after.has_begun(k.as_str())),
            [true, false, false, false]
        );
    }

    #[test]
    fn a_run_that_is_not_alone_concludes_nothing_from_its_own_creates() {
        let [refused, foreign, made] = ["a", "b", "c"].map(|name| Key::new("database", name));
        let run = ownership();
        run.set_alone(false);
        for key in [&refused, &foreign, &made] {
            run.note_sent(key);
        }
        run.note_refused(&refused);
        run.note_already_there(&foreign);
        run.note_created(&made, "db-1");
        for key in [&refused, &foreign, &made] {
            assert!(run.is_proven(&nothing(), key, "db-2"), "{key}");
        }
    }

    #[test]
    fn claims_never_outgrow_the_record() {
        let [few, many] = ["few", "many"].map(|name| Key::new("security-group", name));
        let run = ownership();
        run.proven_ids(&nothing(), &few, &["sg-1"]);
        let ids: Vec<String> = (0..2500).map(|i| format!("sg-{i}")).collect();
        run.proven_ids(&nothing(), &many, &ids.iter().map(String::as_str).collect::<Vec<_>>());
        let record = run.begin([&many, &few].into_iter(), 4096).unwrap();
        assert!(record.size() < 4096 && record.has_begun("security-group/few"));
        assert!(
            !record.may_have_made("security-group/few", "sg-1") && record.may_have_made("security-group/few", "sg-2")
        );
        assert!(
            !record.may_have_made("security-group/many", "sg-1")
                && !record.may_have_made("security-group/many", "sg-new")
        );
    }
}
