//! What proves that an object is the stack's, beyond its tags: the stack's own record of what it has made.
//!
//! A tag is a claim that everybody with the right to tag can make. The record lists what gameday has made, by step and id;
//! the caller keeps it where the stack is, between two runs.
use crate::Key;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// The objects that a stack has made, and the steps whose creation has begun.
///
/// Each object is kept as a short digest of its step and id: the place of the record is small.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    made: Digests,
    begun: Digests,
    /// What is no step and the stack was told to use.
    used: Digests,
    /// Objects that carried the tags of a step before its creation began: they are not what it has made.
    apart: Digests,
}

/// Digests, written as one string with spaces between them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
struct Digests(BTreeSet<String>);

impl Record {
    /// True if the stack has made this object as this step.
    pub fn has_made(&self, key: &str, id: &str) -> bool {
        self.made.0.contains(&digest(&[key, id]))
    }

    /// Notes that this object is what the step has made.
    pub fn made(&mut self, key: &str, id: &str) {
        self.made.0.insert(digest(&[key, id]));
    }

    /// Forgets an object that is gone.
    pub fn gone(&mut self, key: &str, id: &str) {
        self.made.0.remove(&digest(&[key, id]));
    }

    /// True if it has made this object as this step, or may have and did not see it.
    pub fn may_have_made(&self, key: &str, id: &str) -> bool {
        self.has_made(key, id) || self.has_begun(key) && !self.is_apart(key, id)
    }

    fn is_apart(&self, key: &str, id: &str) -> bool {
        self.apart.0.contains(&digest(&[key, id]))
    }

    /// True if a run has begun to make the step, and may have ended before it saw what it made.
    pub fn has_begun(&self, key: &str) -> bool {
        self.begun.0.contains(&digest(&[key]))
    }

    /// Notes that the step is about to be made.
    pub fn begin(&mut self, key: &str) {
        self.begun.0.insert(digest(&[key]));
    }

    /// Notes that what the step has made is known.
    pub fn end(&mut self, key: &str) {
        self.begun.0.remove(&digest(&[key]));
    }

    /// True if the stack was told to use this.
    pub fn has_used(&self, what: &str, id: &str) -> bool {
        self.used.0.contains(&digest(&[what, id]))
    }

    /// Adds what another run has noted.
    pub fn join(&mut self, other: &Self) {
        for (mine, others) in [
            (&mut self.made, &other.made),
            (&mut self.begun, &other.begun),
            (&mut self.apart, &other.apart),
            (&mut self.used, &other.used),
        ] {
            mine.0.extend(others.0.iter().cloned());
        }
    }

    /// How many bytes it takes as text.
    fn size(&self) -> usize {
        serde_json::to_string(self).map_or(usize::MAX, |text| text.len())
    }

    /// True if nothing of the stack stands, as far as it knows.
    pub fn is_empty(&self) -> bool {
        self.made.0.is_empty() && self.begun.0.is_empty()
    }
}

/// How many things a record lists that the stack was told to use.
const USED: usize = 40;

/// True if what was typed is this id: of an ARN the part after the account is shown.
pub fn is_id(typed: &str, id: &str) -> bool {
    typed == id || id.starts_with("arn:") && id.splitn(6, ':').last() == Some(typed)
}

/// True if what was typed means the object with this id among those of one step: an ARN has a name in it.
pub fn means(typed: &str, id: &str) -> bool {
    is_id(typed, id) || id.starts_with("arn:") && id.rsplit('/').nth(1) == Some(typed)
}

/// The first 60 bits of SHA-256, as ten characters.
fn digest(parts: &[&str]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let hash = Sha256::digest(parts.join("\n"));
    let bits = hash.iter().take(8).fold(0u64, |all, byte| all << 8 | u64::from(*byte));
    (0..10).map(|i| ALPHABET[(bits >> (i * 6) & 63) as usize] as char).collect()
}

impl From<String> for Digests {
    fn from(text: String) -> Self {
        Self(text.split_ascii_whitespace().map(Into::into).collect())
    }
}
impl From<Digests> for String {
    fn from(digests: Digests) -> Self {
        Vec::from_iter(digests.0).join(" ")
    }
}

/// What a run knows of whose the objects are.
#[derive(Clone, Debug, Default)]
pub struct Proofs {
    /// The stack's record; `None` where the account keeps none: there the tags have to do, and the name where a kind has
    /// one.
    pub record: Option<Record>,
    /// Objects that are named on the command line, by step: taken as the stack's whatever proves it.
    pub adopted: BTreeMap<String, String>,
    /// Ids that are named on the command line: deleted as the stack's whatever proves it, and whatever protects them.
    pub to_delete: BTreeSet<String>,
    /// Steps that this run has noted as begun.
    begun: BTreeSet<Key>,
    /// Steps for which this run has sent a create: what shows up then is what it made.
    sent: BTreeSet<String>,
    /// What the creates of this run have answered, by step: then nothing else is what it made.
    answered: BTreeMap<String, BTreeSet<String>>,
    /// Steps for which an answer was lost: there may be one more.
    missed: BTreeSet<Key>,
    /// Steps in whose place somebody else has put something while only this run was at work.
    foreign: BTreeSet<Key>,
    /// What was named on the command line and found, by step.
    found: BTreeMap<String, String>,
    /// What this run has deleted.
    gone: BTreeSet<(Key, String)>,
    /// Objects with the tags of a step that nothing proves to be the stack's: they stood before anything was created.
    pub claims: BTreeSet<(Key, String)>,
}

impl Proofs {
    /// `record` is the account's; `adopted` and `to_delete` are named on the command line.
    pub fn new(record: Option<Record>, adopted: BTreeMap<String, String>, to_delete: BTreeSet<String>) -> Self {
        Self { record, adopted, to_delete, ..Self::default() }
    }

    /// True if this object was named on the command line, for this step or for deletion.
    pub fn is_given(&self, key: &Key, id: &str) -> bool {
        self.adopted.get(key.as_str()).is_some_and(|given| means(given, id)) || self.is_to_delete(id)
    }

    /// True if this object was named for deletion on the command line.
    pub fn is_to_delete(&self, id: &str) -> bool {
        self.to_delete.iter().any(|given| is_id(given, id))
    }

    /// True if it is to be taken over and was found.
    pub fn has_found(&self, key: &str) -> bool {
        self.found.contains_key(key)
    }

    /// True if something else than its tags says that the stack has made this object.
    pub fn is_proven(&self, key: &Key, id: &str) -> bool {
        let Some(record) = &self.record else { return true };
        if self.is_given(key, id) || record.has_made(key.as_str(), id) {
            return true;
        }
        if let Some(answered) = self.answered.get(key.as_str()) {
            return answered.contains(id);
        }
        let is_new = self.sent.contains(key.as_str()) && !self.claims.contains(&(key.clone(), id.to_owned()));
        !self.foreign.contains(key) && (is_new || record.may_have_made(key.as_str(), id))
    }

    /// True if more than tags tells what of this step is the stack's: the record, or this run has sent for it.
    pub(crate) fn can_tell(&self, key: &Key) -> bool {
        self.record.is_some() || self.sent.contains(key.as_str())
    }

    /// Those of several objects with the tags of a step that are proven to be the stack's, by id. Where one was named or is
    /// in the record, the others are not it.
    pub fn own(&mut self, key: &Key, ids: &[&str]) -> BTreeSet<String> {
        let of = |is_it: &dyn Fn(&str) -> bool| -> BTreeSet<String> {
            ids.iter().filter(|id| is_it(id)).map(|id| (*id).to_owned()).collect()
        };
        let given = of(&|id| self.adopted.get(key.as_str()).is_some_and(|given| means(given, id)));
        let made = of(&|id| self.record.as_ref().is_some_and(|r| r.has_made(key.as_str(), id)));
        let answered = of(&|id| self.answered.get(key.as_str()).is_some_and(|answered| answered.contains(id)));
        // What is only to be deleted does not hide the one that is known.
        let own = [given, made, answered].into_iter().find(|own| !own.is_empty());
        let own = own.unwrap_or_else(|| of(&|id| self.is_proven(key, id)));
        if self.record.is_some() && (!self.sent.contains(key.as_str()) || self.answered.contains_key(key.as_str())) {
            self.claims.extend(ids.iter().filter(|id| !own.contains(**id)).map(|id| (key.clone(), (*id).to_owned())));
        }
        own
    }

    /// Takes in what the account's record says by now. What this run itself has noted as begun says nothing new, unless
    /// others are at work who may have noted the same.
    pub(crate) fn learn(&mut self, mut now: Record, alone: bool) {
        let record = self.record.get_or_insert_default();
        for key in self.begun.iter().filter(|key| alone && !record.has_begun(key.as_str())) {
            now.end(key.as_str());
        }
        record.join(&now);
    }

    /// The record to keep while these steps are being made, of so many bytes at `most`. A step to which more objects lay
    /// claim than there is room for is not noted: what a run that is cut makes of it has to be named.
    pub fn beginning<'a>(&mut self, keys: impl Iterator<Item = &'a Key>, most: usize) -> Option<Record> {
        let mut record = self.record.clone()?;
        if record.begun.0.is_empty() {
            record.apart.0.clear();
        }
        let claims = |key: &Key| self.claims.iter().filter(|(k, _)| k == key).collect::<Vec<_>>();
        let mut all: Vec<(&Key, Vec<_>)> = keys.map(|key| (key, claims(key))).collect();
        all.sort_by_key(|(_, claims)| claims.len());
        let mut begun = BTreeSet::new();
        for (key, claims) in all {
            let before = record.clone();
            record.begin(key.as_str());
            record.apart.0.extend(claims.into_iter().map(|(k, id)| digest(&[k.as_str(), id])));
            match record.size() > most {
                true => record = before,
                false => _ = begun.insert(key.clone()),
            }
        }
        self.begun = begun;
        Some(record)
    }

    /// The record to keep after a run, of the one that the account has by now. `done` are the steps of which nothing is left
    /// open.
    pub fn ending<'a>(&self, now: &Record, done: impl Iterator<Item = &'a Key>) -> Option<Record> {
        let mut record = self.record.clone()?;
        record.join(now);
        for (key, id) in &self.gone {
            record.gone(key.as_str(), id);
        }
        // What was never sent, or refused for certain, was not made.
        let unmade = self.begun.iter().filter(|key| !self.sent.contains(key.as_str()));
        unmade.chain(&self.foreign).for_each(|key| record.end(key.as_str()));
        done.for_each(|key| record.end(key.as_str()));
        if record.begun.0.is_empty() {
            record.apart.0.clear();
        }
        Some(record)
    }

    /// Notes something that is no step and that the stack was told to use.
    pub fn uses(&mut self, what: &str, id: &str) {
        if let Some(record) = &mut self.record {
            let digest = digest(&[what, id]);
            // Years of them: then the older ones have to be named again.
            if record.used.0.len() >= USED && !record.used.0.contains(&digest) {
                record.used.0.clear();
            }
            record.used.0.insert(digest);
        }
    }

    /// Notes that what was named on the command line is the stack's.
    pub fn takes_in_given(&mut self) {
        if let Some(record) = &mut self.record {
            self.found.iter().for_each(|(key, id)| record.made(key, id));
        }
    }

    /// A create is on its way.
    pub(crate) fn sends(&mut self, key: &Key) {
        self.foreign.remove(key);
        self.sent.insert(key.to_string());
    }

    /// The create was refused: nothing was made.
    pub(crate) fn refused(&mut self, key: &Key) {
        self.sent.remove(key.as_str());
    }

    /// The create has made this one.
    pub(crate) fn answers(&mut self, key: &Key, id: &str, alone: bool) {
        if alone && !self.missed.contains(key) {
            self.answered.entry(key.to_string()).or_default().insert(id.to_owned());
            if let Some(record) = &mut self.record {
                record.made(key.as_str(), id);
            }
        }
    }

    /// The answer to a create was lost. What was answered before is one of several then.
    pub(crate) fn misses(&mut self, key: &Key) {
        self.missed.insert(key.clone());
        for id in self.answered.remove(key.as_str()).unwrap_or_default() {
            if let Some(record) = &mut self.record {
                record.gone(key.as_str(), &id);
            }
        }
    }

    /// What stands in the place of the step was made by somebody else, where no answer was lost.
    pub(crate) fn stands_foreign(&mut self, key: &Key) {
        if !self.missed.contains(key) {
            self.refused(key);
            self.foreign.insert(key.clone());
        }
    }

    /// True if this object was named on the command line; then it is known to be there.
    pub(crate) fn finds_given(&mut self, key: &Key, id: &str) -> bool {
        let given = self.is_given(key, id);
        if given {
            self.found.insert(key.to_string(), id.to_owned());
        }
        given
    }

    pub(crate) fn has(&mut self, key: &Key, id: &str) {
        self.gone.remove(&(key.clone(), id.to_owned()));
        if let Some(record) = &mut self.record {
            record.made(key.as_str(), id);
            record.end(key.as_str());
        }
    }

    pub(crate) fn lost(&mut self, key: &Key, id: &str) {
        self.sent.remove(key.as_str());
        self.answered.remove(key.as_str());
        self.gone.insert((key.clone(), id.to_owned()));
        if let Some(record) = &mut self.record {
            record.gone(key.as_str(), id);
            record.end(key.as_str());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_knows_what_was_made_and_stays_small() {
        let mut record = Record::default();
        for i in 0..120 {
            record.made(&format!("subnet/public-{i}"), &format!("subnet-0123456789abcdef{i}"));
            record.begin(&format!("subnet/public-{i}"));
        }
        let text = serde_json::to_string(&record).unwrap();
        assert!(text.len() < 4096, "a standard parameter holds 4 KB: {}", text.len());
        let mut read: Record = serde_json::from_str(&text).unwrap();
        assert_eq!(read, record);
        assert!(read.has_made("subnet/public-7", "subnet-0123456789abcdef7"));
        for (key, id) in
            [("subnet/public-7", "subnet-0123456789abcdef8"), ("subnet/public-8", "subnet-0123456789abcdef7")]
        {
            assert!(!read.has_made(key, id), "{key} {id}");
        }
        read.gone("subnet/public-7", "subnet-0123456789abcdef7");
        assert!(!read.has_made("subnet/public-7", "subnet-0123456789abcdef7") && read.has_begun("subnet/public-7"));
        read.end("subnet/public-7");
        assert!(!read.has_begun("subnet/public-7") && read.has_begun("subnet/public-8"));
        read.join(&record);
        assert_eq!(read, record);
    }

    #[test]
    fn one_of_several_is_told_by_the_record_or_by_name() {
        let key = Key::new("vpc", "main");
        let all = ["vpc-1", "vpc-2"];
        let set = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
        let mut proofs = Proofs { record: Some(Record::default()), ..Proofs::default() };
        assert_eq!(proofs.own(&key, &all), set(&[]), "tags alone prove nothing");
        // What stood before is not what was made; what shows up after the create is.
        proofs.sends(&key);
        assert_eq!(proofs.own(&key, &["vpc-1", "vpc-2", "vpc-3"]), set(&["vpc-3"]));
        // Nor for the run after one that was cut.
        let cut = Proofs { record: proofs.beginning([&key].into_iter(), 4096), ..Proofs::default() };
        assert_eq!(cut.clone().own(&key, &["vpc-1", "vpc-2", "vpc-3"]), set(&["vpc-3"]));
        assert!(!cut.is_proven(&key, "vpc-1") && cut.is_proven(&key, "vpc-3"));
        proofs.has(&key, "vpc-3");
        assert!(proofs.is_proven(&key, "vpc-3") && !proofs.is_proven(&key, "vpc-1"));
        proofs.adopted.insert(key.to_string(), "vpc-1".into());
        assert_eq!(proofs.own(&key, &["vpc-1", "vpc-3"]), set(&["vpc-1"]), "who names one means that one");
        proofs.record = None;
        assert_eq!(proofs.own(&key, &["vpc-4"]), set(&["vpc-4"]), "without a record the tags have to do");
    }

    #[test]
    fn what_a_create_has_answered_is_what_was_made() {
        let key = Key::new("vpc", "main");
        let mut proofs = Proofs { record: Some(Record::default()), ..Proofs::default() };
        proofs.beginning([&key].into_iter(), 4096);
        proofs.sends(&key);
        assert!(proofs.is_proven(&key, "vpc-1") && proofs.is_proven(&key, "vpc-2"), "the answer may be lost");
        proofs.answers(&key, "vpc-2", true);
        assert!(!proofs.is_proven(&key, "vpc-1") && proofs.is_proven(&key, "vpc-2"));
        assert_eq!(proofs.own(&key, &["vpc-1", "vpc-2"]).len(), 1);
        assert!(proofs.claims.contains(&(key.clone(), "vpc-1".into())));
        // With an answer that was lost there may be two of ours, and one of them is deleted.
        proofs.misses(&key);
        proofs.answers(&key, "vpc-3", true);
        assert_eq!(proofs.own(&key, &["vpc-1", "vpc-2", "vpc-3"]).len(), 2);
    }

    #[test]
    fn what_was_not_made_is_not_begun_for_the_next_run() {
        let [sent, refused, never, foreign] = ["a", "b", "c", "d"].map(|name| Key::new("database", name));
        let mut proofs = Proofs { record: Some(Record::default()), ..Proofs::default() };
        let stored = proofs.beginning([&sent, &refused, &never, &foreign].into_iter(), 4096).unwrap();
        for key in [&sent, &refused, &foreign] {
            proofs.sends(key);
        }
        proofs.refused(&refused);
        proofs.stands_foreign(&foreign);
        assert!(!proofs.is_proven(&foreign, "x"), "somebody else was faster");
        let mut alone = proofs.clone();
        alone.learn(stored.clone(), true);
        assert!(!alone.is_proven(&never, "x"), "it was not there, and nothing was sent");
        let mut with_others = proofs.clone();
        with_others.learn(stored.clone(), false);
        assert!(with_others.is_proven(&never, "x"));
        let after = proofs.ending(&stored, [].into_iter()).unwrap();
        assert_eq!(
            [&sent, &refused, &never, &foreign].map(|k| after.has_begun(k.as_str())),
            [true, false, false, false]
        );
    }

    #[test]
    fn claims_never_outgrow_the_record() {
        let [few, many] = ["few", "many"].map(|name| Key::new("security-group", name));
        let mut proofs = Proofs { record: Some(Record::default()), ..Proofs::default() };
        proofs.own(&few, &["sg-1"]);
        proofs.own(
            &many,
            &(0..2500).map(|i| format!("sg-{i}")).collect::<Vec<_>>().iter().map(|s| s.as_str()).collect::<Vec<_>>(),
        );
        let record = proofs.beginning([&many, &few].into_iter(), 4096).unwrap();
        assert!(record.size() < 4096 && record.has_begun("security-group/few"));
        assert!(
            !record.may_have_made("security-group/few", "sg-1") && record.may_have_made("security-group/few", "sg-2")
        );
        assert!(
            !record.may_have_made("security-group/many", "sg-1")
                && !record.may_have_made("security-group/many", "sg-new")
        );
    }

    #[test]
    fn an_arn_is_meant_by_the_name_in_it() {
        let target = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/customers/0123456789abcdef";
        for typed in [target, "targetgroup/customers/0123456789abcdef", "customers"] {
            assert!(means(typed, target), "{typed}");
        }
        assert!(is_id(target, target) && !is_id("customers", target), "a database may have the same name");
        for (typed, id) in [("targetgroup", target), ("", target), ("main", "vpc/main/x"), ("0123456789abcdef", target)]
        {
            assert!(!means(typed, id), "{typed}");
        }
    }
}
