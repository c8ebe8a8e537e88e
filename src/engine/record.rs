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

    /// True if nothing of the stack stands, as far as it knows.
    pub fn is_empty(&self) -> bool {
        self.made.0.is_empty() && self.begun.0.is_empty()
    }
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
    /// Steps for which this run has sent a create: what shows up then is what it made.
    sent: BTreeSet<String>,
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
        self.adopted.get(key.as_str()).is_some_and(|given| given == id) || self.to_delete.contains(id)
    }

    /// True if something else than its tags says that the stack has made this object.
    pub fn is_proven(&self, key: &Key, id: &str) -> bool {
        let Some(record) = &self.record else { return true };
        let is_new = self.sent.contains(key.as_str()) && !self.claims.contains(&(key.clone(), id.to_owned()));
        self.is_given(key, id) || is_new || record.may_have_made(key.as_str(), id)
    }

    /// Those of several objects with the tags of a step that are proven to be the stack's, by id. Where one was named or is
    /// in the record, the others are not it.
    pub fn own(&mut self, key: &Key, ids: &[&str]) -> BTreeSet<String> {
        let of = |is_it: &dyn Fn(&str) -> bool| -> BTreeSet<String> {
            ids.iter().filter(|id| is_it(id)).map(|id| (*id).to_owned()).collect()
        };
        let given = of(&|id| self.is_given(key, id));
        let made = of(&|id| self.record.as_ref().is_some_and(|r| r.has_made(key.as_str(), id)));
        let own =
            [given, made].into_iter().find(|own| !own.is_empty()).unwrap_or_else(|| of(&|id| self.is_proven(key, id)));
        if self.record.is_some() && !self.sent.contains(key.as_str()) {
            self.claims.extend(ids.iter().filter(|id| !own.contains(**id)).map(|id| (key.clone(), (*id).to_owned())));
        }
        own
    }

    /// The record to keep while these steps are being made.
    pub fn beginning<'a>(&self, keys: impl Iterator<Item = &'a Key>) -> Option<Record> {
        let mut record = self.record.clone()?;
        record.apart.0.clear();
        for key in keys {
            record.begin(key.as_str());
            let apart = self.claims.iter().filter(|(k, _)| k == key);
            record.apart.0.extend(apart.map(|(k, id)| digest(&[k.as_str(), id])));
        }
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
        for key in done {
            record.end(key.as_str());
        }
        if record.begun.0.is_empty() {
            record.apart.0.clear();
        }
        Some(record)
    }

    /// Notes something that is no step and that the stack was told to use.
    pub fn uses(&mut self, what: &str, id: &str) {
        if let Some(record) = &mut self.record {
            record.used.0.insert(digest(&[what, id]));
        }
    }

    /// Notes that an object is what a step has made.
    pub fn takes_in(&mut self, key: &str, id: &str) {
        if let Some(record) = &mut self.record {
            record.made(key, id);
        }
    }

    pub(crate) fn sends(&mut self, key: &Key) {
        self.sent.insert(key.to_string());
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
        let cut = Proofs { record: proofs.beginning([&key].into_iter()), ..Proofs::default() };
        assert_eq!(cut.clone().own(&key, &["vpc-1", "vpc-2", "vpc-3"]), set(&["vpc-3"]));
        assert!(!cut.is_proven(&key, "vpc-1") && cut.is_proven(&key, "vpc-3"));
        proofs.has(&key, "vpc-3");
        assert!(proofs.is_proven(&key, "vpc-3") && !proofs.is_proven(&key, "vpc-1"));
        proofs.adopted.insert(key.to_string(), "vpc-1".into());
        assert_eq!(proofs.own(&key, &["vpc-1", "vpc-3"]), set(&["vpc-1"]), "who names one means that one");
        proofs.record = None;
        assert_eq!(proofs.own(&key, &["vpc-4"]), set(&["vpc-4"]), "without a record the tags have to do");
    }
}
