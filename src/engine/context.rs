//! The context of one step.
use crate::{Env, Inputs, Key, Known, Ref, Resource, Tags};
use std::collections::BTreeSet;

/// The context of one step, which its verbs are given: the run's environment and the step's own key.
pub struct Cx<'a> {
    /// The environment that all steps of the run share.
    pub env: &'a Env,
    /// The step's key.
    pub key: &'a Key,
    pub(crate) needs: &'a [Key],
}

impl Cx<'_> {
    /// Returns the object's AWS name: the one given for the step, or `stack-name`.
    ///
    /// An object that exists under another name than the wanted one keeps its name.
    pub fn name(&self) -> String {
        self.name_of(self.key)
    }

    /// Returns the name of another step's object.
    pub fn name_of(&self, key: &Key) -> String {
        let given = self.env.names.current(key).cloned();
        given.unwrap_or_else(|| self.env.names.derived(&self.env.stack, key))
    }

    /// Returns the tags that every object of the stack carries.
    pub fn tags(&self) -> Tags {
        let mut tags = self.env.tags.clone();
        tags.insert(self.env.keys.stack().into(), self.env.stack.clone());
        tags.insert(self.env.keys.step().into(), self.key.to_string());
        tags.insert("Name".into(), self.name());
        tags
    }

    /// Returns the step that an object's tags name, if they name one of this stack.
    pub fn step_of<'a>(&self, tags: &'a Tags) -> Option<&'a str> {
        let keys = &self.env.keys;
        let step = tags.get(keys.step()).filter(|_| tags.get(keys.stack()) == Some(&self.env.stack));
        step.map(String::as_str)
    }

    /// Returns the tags to report for an object that cannot carry tags and belongs to a parent of the stack.
    pub fn inherited(&self) -> Tags {
        self.tags()
    }

    /// Returns those of several objects with the tags of this step that are proven to be the stack's, by id.
    pub fn proven_ids(&self, ids: &[&str]) -> BTreeSet<String> {
        self.env.ownership.proven_ids(&self.env.consent, self.key, ids)
    }

    /// True if an object that cannot carry tags is proven to be the stack's. Without a record it need not be proven.
    pub fn is_proven(&self, id: &str) -> bool {
        self.env.ownership.is_proven(&self.env.consent, self.key, id)
    }

    /// True if the record lists an object that the stack has created as this step.
    pub fn is_recorded(&self, id: &str) -> bool {
        self.env.ownership.is_recorded(self.key, id)
    }

    /// Notes that one of several objects of this step is deleted.
    pub fn note_deleted(&self, id: &str) {
        self.env.ownership.note_deleted(self.key, id);
    }

    /// Notes the id that a create has returned: of several objects with the tags of this step, this one is the step.
    ///
    /// If other runs are at work as well, the id is not noted, because all runs have to keep the same object.
    pub fn note_created(&self, id: &str) {
        if !id.is_empty() {
            self.env.ownership.note_created(self.key, id);
        }
    }

    /// True if the stack has created this object as another step, as far as its record shows.
    pub fn has_made(&self, step: &str, id: &str) -> bool {
        self.env.ownership.may_have_made(step, id)
    }

    /// Reads a value of another step, for `find` and the verbs. The spec must read from that step as well.
    pub fn read<R: Resource, T>(&self, from: &Ref<R>, pick: impl FnOnce(&R::Output) -> T) -> Known<T> {
        debug_assert!(self.needs.contains(from.key()), "{} reads {} but its spec does not", self.key, from.key());
        Inputs::default().read(from, pick)
    }
}
