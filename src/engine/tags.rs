//! The tags by which a stack finds its objects.
use crate::Key;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Tags of an object, by key.
pub type Tags = BTreeMap<String, String>;

/// The keys of the tags that mark an object as a stack's. They share a prefix, which the user may choose.
///
/// Serialises as its prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct TagKeys {
    prefix: String,
    stack: String,
    step: String,
}

impl TagKeys {
    /// The prefix that is used if the user chooses none.
    pub const USUAL: &str = "gameday:";

    /// Makes the keys with this prefix.
    pub fn new(prefix: &str) -> Self {
        let key = |of: &str| format!("{prefix}{of}");
        Self { prefix: prefix.into(), stack: key("stack"), step: key("step") }
    }

    /// Returns the prefix of all keys.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns the key of the tag that names the stack.
    pub fn stack(&self) -> &str {
        &self.stack
    }

    /// Returns the key of the tag that names the step.
    pub fn step(&self) -> &str {
        &self.step
    }

    /// Returns the key of another tag with the same prefix.
    pub fn other(&self, of: &str) -> String {
        format!("{}{of}", self.prefix)
    }

    /// True if the user has chosen no prefix.
    pub fn is_usual(&self) -> bool {
        self.prefix == Self::USUAL
    }

    /// Returns the other prefix under which these tags name this step of this stack, if there is one.
    pub(crate) fn other_prefix(&self, tags: &Tags, stack: &str, key: &Key) -> Option<String> {
        let mut prefixes = tags.iter().filter(|(_, v)| *v == stack).filter_map(|(k, _)| k.strip_suffix("stack"));
        let is_step = |prefix: &&str| tags.get(&format!("{prefix}step")).is_some_and(|step| step == key.as_str());
        prefixes.find(|prefix| *prefix != self.prefix && is_step(prefix)).map(Into::into)
    }
}

impl Default for TagKeys {
    fn default() -> Self {
        Self::new(Self::USUAL)
    }
}

impl From<String> for TagKeys {
    fn from(prefix: String) -> Self {
        Self::new(&prefix)
    }
}

impl From<TagKeys> for String {
    fn from(keys: TagKeys) -> Self {
        keys.prefix
    }
}
