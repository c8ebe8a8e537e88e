//! The record of what a stack made: a note in the account that every teammate's gameday reads and writes.
//!
//! An account without notes has no record. There tags and the names in the stack file have to do.
use crate::{
    aws::{Aws, note},
    engine::{Key, Ledger, Ownership, Record, TagKeys, Tags},
    error::{Class, Result},
};
use std::time::Duration;
use tokio::time::Instant;

/// How long to try reading the record, which verbs that change something need.
const PATIENCE: Duration = Duration::from_secs(20);
/// The pause between attempts to read it.
const PAUSE: Duration = Duration::from_millis(700);

/// Returns the record, if it can be read. For verbs that only look.
pub async fn seen(aws: &Aws, stack: &str) -> Option<Record> {
    look(aws, stack).await.into_record()
}

/// Reads the record once. For verbs that only look.
pub async fn look(aws: &Aws, stack: &str) -> Ledger {
    ledger(aws, stack).await.unwrap_or(Ledger::Unread)
}

/// Reads the record, and fails if that fails. For verbs that change something.
pub async fn load(aws: &Aws, stack: &str) -> Result<Ledger> {
    let begun = Instant::now();
    loop {
        match ledger(aws, stack).await {
            Ok(ledger) => return Ok(ledger),
            Err(e) if e.class().is_some_and(Class::passes) && begun.elapsed() < PATIENCE => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(e) => return Err(e),
        }
    }
}

async fn ledger(aws: &Aws, stack: &str) -> Result<Ledger> {
    match note::all(aws, stack).await {
        Ok(notes) => Ok(Ledger::Kept(notes.get(&note::record(&aws.keys)).map(|n| parsed(&n.text)).unwrap_or_default())),
        Err(e) if e.class().is_some_and(is_without_notes) => Ok(Ledger::Denied),
        Err(e) => Err(e),
    }
}

/// Reads the record as it is at this moment, past the shared reads.
pub async fn now(aws: &Aws, stack: &str) -> Ledger {
    match note::read(aws, stack, &note::record(&aws.keys)).await {
        Ok(note) => Ledger::Kept(note.map(|n| parsed(&n.text)).unwrap_or_default()),
        Err(_) => Ledger::Unread,
    }
}

/// The proof that an object is the stack's, for code that only looks: the object's tags, and the record.
///
/// A tag is a claim, since anybody who can tag can set it. The record confirms or denies it. Where the record cannot be
/// read, the tags decide.
pub struct Proof {
    stack: String,
    keys: TagKeys,
    record: Option<Record>,
}

impl Proof {
    /// Reads the record, if that is possible.
    pub async fn load(aws: &Aws, stack: &str) -> Self {
        Self { stack: stack.into(), keys: aws.keys.clone(), record: seen(aws, stack).await }
    }

    /// Returns the step that an object of the stack is, by its tags and the record.
    pub fn step_of<'a>(&self, tags: &'a Tags, id: &str) -> Option<&'a str> {
        let step = tags.get(self.keys.step()).filter(|_| self.has_tag(tags))?;
        Some(step.as_str()).filter(|step| self.allows(step, id))
    }

    /// True if an object is the stack's. Without a record it need not be tagged as a step.
    pub fn is_ours(&self, tags: &Tags, id: &str) -> bool {
        let step = tags.get(self.keys.step()).map(String::as_str).unwrap_or_default();
        self.has_tag(tags) && self.allows(step, id)
    }

    /// True if an object carries the stack's tag.
    pub fn has_tag(&self, tags: &Tags) -> bool {
        tags.get(self.keys.stack()) == Some(&self.stack)
    }

    /// True unless the record says that the stack has not created this object as this step.
    pub fn allows(&self, step: &str, id: &str) -> bool {
        self.record.as_ref().is_none_or(|record| record.may_have_made(step, id))
    }

    /// True if the record says that the stack has created this object as this step.
    pub fn confirms(&self, step: &str, id: &str) -> bool {
        self.record.as_ref().is_some_and(|record| record.has_made(step, id))
    }

    /// True if there is no record to ask.
    pub fn is_blind(&self) -> bool {
        self.record.is_none()
    }
}

/// True if the account has no notes at all: no right to them, or no such service.
fn is_without_notes(class: Class) -> bool {
    matches!(class, Class::Denied | Class::Invalid)
}

/// Parses a record. Invalid text is an empty record.
fn parsed(text: &str) -> Record {
    note::json(text).unwrap_or_default()
}

/// Records which steps are about to be created, so that the next run knows after an interruption. Returns false if the
/// account does not allow notes.
pub async fn begin(aws: &Aws, stack: &str, record: &Record) -> Result<bool> {
    match write(aws, stack, record).await {
        Err(e) if e.class() == Some(Class::Denied) => Ok(false),
        other => other.map(|()| true),
    }
}

/// Records what was created and what is gone. `done` are the steps with nothing left open.
pub async fn end<'a>(aws: &Aws, stack: &str, run: &Ownership, done: impl Iterator<Item = &'a Key>) -> Result<()> {
    let Ledger::Kept(before) = now(aws, stack).await else { return Ok(()) };
    let Some(after) = run.end(&before, done) else { return Ok(()) };
    match after.is_empty() {
        _ if after == before => Ok(()),
        true => note::delete(aws, stack, &note::record(&aws.keys)).await,
        false => write(aws, stack, &after).await,
    }
}

/// Deletes the record, if there is one.
pub async fn forget(aws: &Aws, stack: &str) -> Result<()> {
    match note::read(aws, stack, &note::record(&aws.keys)).await? {
        Some(_) => note::delete(aws, stack, &note::record(&aws.keys)).await,
        None => Ok(()),
    }
}

async fn write(aws: &Aws, stack: &str, record: &Record) -> Result<()> {
    let text = serde_json::to_string(record).expect("a record serialises");
    note::write(aws, stack, &note::record(&aws.keys), text).await
}
