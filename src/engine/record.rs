//! The stack's record of what it has created.
use crate::Key;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// The objects that a stack has created, and the steps whose creation has begun.
///
/// The caller keeps the record in the account, between two runs. Each object is kept as a short digest of its step and
/// id, because the place for the record is small.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    made: Digests,
    begun: Digests,
    /// Things that are no step and that the stack was told to use.
    used: Digests,
    /// Objects that had the tags of a step before its creation began: the stack did not create them.
    apart: Digests,
}

/// Digests, written as one string with spaces between them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
struct Digests(BTreeSet<String>);

/// How many things that are no step a record lists.
const USED: usize = 40;

impl Record {
    /// True if the stack has created this object as this step.
    pub fn has_made(&self, key: &str, id: &str) -> bool {
        self.made.0.contains(&digest(&[key, id]))
    }

    /// Adds an object that the step has created.
    pub fn add(&mut self, key: &str, id: &str) {
        self.made.0.insert(digest(&[key, id]));
    }

    /// Removes an object that is gone.
    pub fn remove(&mut self, key: &str, id: &str) {
        self.made.0.remove(&digest(&[key, id]));
    }

    /// True if the stack has created this object as this step, or can have done so without having seen it.
    pub fn may_have_made(&self, key: &str, id: &str) -> bool {
        self.has_made(key, id) || self.has_begun(key) && !self.apart.0.contains(&digest(&[key, id]))
    }

    /// True if a run has begun to create the step, and can have ended before it saw the object.
    pub fn has_begun(&self, key: &str) -> bool {
        self.begun.0.contains(&digest(&[key]))
    }

    /// Notes that the step is about to be created.
    pub fn begin(&mut self, key: &str) {
        self.begun.0.insert(digest(&[key]));
    }

    /// Notes that no create of the step is open any more.
    pub fn end(&mut self, key: &str) {
        self.begun.0.remove(&digest(&[key]));
    }

    /// True if the stack was told to use this thing, which is no step.
    pub fn has_used(&self, what: &str, id: &str) -> bool {
        self.used.0.contains(&digest(&[what, id]))
    }

    /// Notes that the stack was told to use this thing, which is no step.
    pub(crate) fn add_used(&mut self, what: &str, id: &str) {
        let digest = digest(&[what, id]);
        // It takes years to come here. The older ones have to be named again then.
        if self.used.0.len() >= USED && !self.used.0.contains(&digest) {
            self.used.0.clear();
        }
        self.used.0.insert(digest);
    }

    /// Adds the entries of another record.
    pub fn merge(&mut self, other: &Self) {
        for (mine, others) in [
            (&mut self.made, &other.made),
            (&mut self.begun, &other.begun),
            (&mut self.apart, &other.apart),
            (&mut self.used, &other.used),
        ] {
            mine.0.extend(others.0.iter().cloned());
        }
    }

    /// Begins these steps, each with the objects that have its tags already, and returns those steps for which the
    /// record has room within `most` bytes. Steps with few such objects come first.
    pub(crate) fn begin_all(&mut self, mut all: Vec<(&Key, Vec<&str>)>, most: usize) -> BTreeSet<Key> {
        self.forget_apart();
        all.sort_by_key(|(_, claims)| claims.len());
        let mut begun = BTreeSet::new();
        for (key, claims) in all {
            let before = self.clone();
            self.begin(key.as_str());
            self.apart.0.extend(claims.into_iter().map(|id| digest(&[key.as_str(), id])));
            match self.size() > most {
                true => *self = before,
                false => _ = begun.insert(key.clone()),
            }
        }
        begun
    }

    /// Forgets which objects existed before, if no creation is open: nothing depends on that then.
    pub(crate) fn forget_apart(&mut self) {
        if self.begun.0.is_empty() {
            self.apart.0.clear();
        }
    }

    /// Returns the number of bytes that it takes as text.
    pub(crate) fn size(&self) -> usize {
        serde_json::to_string(self).map_or(usize::MAX, |text| text.len())
    }

    /// True if no object of the stack exists, as far as the record shows.
    pub fn is_empty(&self) -> bool {
        self.made.0.is_empty() && self.begun.0.is_empty()
    }
}

/// The record of a stack as the account shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Ledger {
    /// The account keeps a record; an empty one if nothing is written yet.
    Kept(Record),
    /// The account keeps no record: the caller has no right to it, or the service does not exist there.
    Denied,
    /// The record could not be read, or was not asked for.
    #[default]
    Unread,
}

impl Ledger {
    /// Returns the record, if it is known.
    pub fn record(&self) -> Option<&Record> {
        match self {
            Self::Kept(record) => Some(record),
            Self::Denied | Self::Unread => None,
        }
    }

    /// Returns the record, if it is known.
    pub fn into_record(self) -> Option<Record> {
        match self {
            Self::Kept(record) => Some(record),
            Self::Denied | Self::Unread => None,
        }
    }

    pub(crate) fn record_mut(&mut self) -> Option<&mut Record> {
        match self {
            Self::Kept(record) => Some(record),
            Self::Denied | Self::Unread => None,
        }
    }
}

/// Returns the first 60 bits of SHA-256, as ten characters.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_knows_what_was_made_and_stays_small() {
        let mut record = Record::default();
        for i in 0..120 {
            record.add(&format!("subnet/public-{i}"), &format!("subnet-0123456789abcdef{i}"));
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
        read.remove("subnet/public-7", "subnet-0123456789abcdef7");
        assert!(!read.has_made("subnet/public-7", "subnet-0123456789abcdef7") && read.has_begun("subnet/public-7"));
        read.end("subnet/public-7");
        assert!(!read.has_begun("subnet/public-7") && read.has_begun("subnet/public-8"));
        read.merge(&record);
        assert_eq!(read, record);
    }
}
