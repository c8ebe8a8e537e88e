//! The leftovers of a stack: objects that no step of the stack file accounts for.
//!
//! | module | what is left |
//! | --- | --- |
//! | [`remains`] | objects of an earlier stack file: a group that was switched off, a service that was renamed |
//! | `tagged` | objects that carry the stack's tag after a teardown |
//! | `untagged` | objects that carry the name of a step, but no tag |
//!
//! `earlier` says what an earlier stack file can have described, `used` what must stay because the stack uses it, and
//! `database_snapshot` which snapshots a teardown was asked to leave.
pub mod database_snapshot;
mod earlier;
pub mod remains;
mod tagged;
mod untagged;
mod used;

pub use earlier::imaginable;
pub use remains::Remains;

use crate::{
    aws::Aws,
    bake::Baked,
    config::Loaded,
    engine::{Class, Env, Error, Report, Status},
    error::Result,
    facts::Facts,
    stack::Stack,
};
use serde::Serialize;
use std::collections::BTreeSet;

/// An object that still has the stack's tag, or could not be deleted.
#[derive(Serialize, schemars::JsonSchema)]
pub struct Leftover {
    /// The object: an ARN, an id or a step.
    pub what: String,
    /// Why the object is left.
    pub why: String,
    /// The command that deletes it, if nothing holds it and only a confirmation is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// True if the same command can delete it later, because something else still holds it.
    #[serde(skip)]
    pub passes: bool,
}

/// The stack whose leftovers are looked for, and where it is.
#[derive(Clone, Copy)]
pub struct Search<'a> {
    pub loaded: &'a Loaded,
    pub facts: &'a Facts,
    pub aws: &'a Aws,
    pub env: &'a Env,
    pub stack: &'a Stack,
}

/// The result of the last look after a teardown.
#[derive(Default)]
pub struct LastLook {
    /// Objects that are the stack's, or seem to be.
    pub left: Vec<Leftover>,
    /// Objects that are only named like one of the stack.
    pub alike: Vec<Leftover>,
    /// The final snapshots that teardowns were asked for.
    pub snapshots: Vec<Leftover>,
    /// True if the account lets us list what carries the stack's tag.
    pub listed: bool,
}

impl Search<'_> {
    /// Looks for what the stack has made and its file no longer describes. `seen` is the last look at the steps.
    pub async fn remains(self, seen: &Report<Status>) -> Result<Remains> {
        Remains::find(self, seen).await
    }

    /// Looks for what `gameday bake` has made. `seen` is the last look at the steps.
    pub async fn baked(self, seen: &Report<Status>, remains: &Remains) -> Result<Baked> {
        let seen = seen.done().filter_map(|(key, status)| Some((key, status.id.as_ref()?)));
        let templates = seen.chain(&remains.found).filter(|(key, _)| key.kind() == "launch-template");
        Baked::find(self.aws, self.env, &templates.map(|(_, id)| id.as_str()).collect::<Vec<_>>()).await
    }

    /// Looks for what is left after a teardown.
    ///
    /// `seen` is the look before the teardown, and `report` says for each step whether an object was deleted. `left`
    /// are the objects that could not be deleted.
    pub async fn last_look(
        self,
        seen: &Report<Status>,
        report: &Report<bool>,
        remains: &Remains,
        mut left: Vec<Leftover>,
    ) -> Result<LastLook> {
        let tagged = match tagged::look(self, seen, report).await {
            Err(e) if e.class() == Some(Class::Denied) => None,
            other => Some(other?),
        };
        let listed = tagged.is_some();
        let tagged::Tagged { left: others, snapshots } = tagged.unwrap_or_default();
        left.extend(others);
        let known: BTreeSet<String> = left.iter().map(|l| l.what.clone()).collect();
        let untagged = untagged::look(self, seen).await?;
        left.extend(untagged.left.into_iter().filter(|l| !known.contains(&l.what)));
        let unseen = |what: String, e: &Error| Leftover {
            what,
            why: format!("could not be looked for: {e}"),
            command: None,
            passes: true,
        };
        let failed = remains.unseen.iter().filter(|(_, e)| e.class() != Some(Class::Denied));
        left.extend(failed.map(|(key, e)| unseen(key.to_string(), e)));
        left.extend(remains.unwired.iter().map(|e| unseen("steps of an earlier stack file".into(), e)));
        Ok(LastLook { left, alike: untagged.alike, snapshots, listed })
    }

    /// Returns the name under which a step's object exists, or would.
    pub(crate) fn name_of(self, key: &str) -> String {
        self.env.names.get(key).cloned().unwrap_or_else(|| self.loaded.config.name_of(key))
    }
}
