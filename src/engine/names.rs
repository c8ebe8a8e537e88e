//! The names of objects whose name is not made of the stack's and the step's.
use crate::Key;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

/// Names by step key.
///
/// An object keeps the name that it was created with. If the stack file asks for another name, the step is looked for
/// under the existing name first, and the difference is a change of a fixed field. Once nothing exists under the
/// existing name, the step goes by the wanted one.
#[derive(Clone, Debug, Default)]
pub struct Names {
    existing: BTreeMap<String, String>,
    wanted: BTreeMap<String, String>,
    /// The ends of derived names, by kind.
    ends: BTreeMap<String, String>,
    /// Steps with a wanted name of which nothing exists under the existing one any more.
    moved: RefCell<BTreeSet<Key>>,
}

impl Names {
    /// Takes the names that steps have, and the names that some of these steps should have instead.
    pub fn new(existing: BTreeMap<String, String>, wanted: BTreeMap<String, String>) -> Self {
        Self { existing, wanted, ..Self::default() }
    }

    /// Adds texts that end the derived names of objects of some kinds.
    ///
    /// The objects of a kind may share one set of names with those of other places.
    pub fn with_ends(self, ends: BTreeMap<String, String>) -> Self {
        Self { ends, ..self }
    }

    /// Returns the name of a step's object if none was given: made of the stack's name and the step's.
    pub(crate) fn derived(&self, stack: &str, key: &Key) -> String {
        let end = self.ends.get(key.kind()).map(String::as_str).unwrap_or_default();
        format!("{stack}-{}{end}", key.name())
    }

    /// Returns the name that was given for a step, and under which it exists if it exists.
    pub fn get(&self, key: &str) -> Option<&String> {
        self.existing.get(key)
    }

    /// Returns the names that steps should have instead of those that they have.
    pub fn wanted(&self) -> &BTreeMap<String, String> {
        &self.wanted
    }

    /// Returns the name to look for a step under at this moment, if one was given.
    pub(crate) fn current(&self, key: &Key) -> Option<&String> {
        let names = if self.moved.borrow().contains(key) { &self.wanted } else { &self.existing };
        names.get(key.as_str())
    }

    /// Returns the name that a step should have, as long as it goes by another one.
    pub(crate) fn rename(&self, key: &Key) -> Option<&String> {
        self.wanted.get(key.as_str()).filter(|_| !self.moved.borrow().contains(key))
    }

    /// Makes the step go by its wanted name from now on. True if that is another one.
    pub(crate) fn move_to_wanted(&self, key: &Key) -> bool {
        let is_other = self.rename(key).is_some();
        if is_other {
            self.moved.borrow_mut().insert(key.clone());
        }
        is_other
    }
}
