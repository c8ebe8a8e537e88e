//! The record of what a stack made: a note in the account that every teammate's gameday reads and writes.
//!
//! An account without notes has no record. There tags and the names in the stack file have to do.
use crate::{
    aws::{Aws, note},
    engine::{Key, Proofs, Record},
    error::{Class, Result},
};
use std::time::Duration;
use tokio::time::Instant;

/// How long to try reading it: commands that change something need it.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(700);

/// Reads the record for a look, `None` if it cannot be read.
pub async fn seen(aws: &Aws, stack: &str) -> Option<Record> {
    let notes = note::all(aws, stack).await.ok()?;
    Some(notes.get(&note::record(&aws.keys)).map(|n| parsed(&n.text)).unwrap_or_default())
}

/// Reads the record before a change, `None` if the account keeps no notes.
pub async fn load(aws: &Aws, stack: &str) -> Result<Option<Record>> {
    let begun = Instant::now();
    loop {
        match note::all(aws, stack).await {
            Ok(notes) => {
                return Ok(Some(notes.get(&note::record(&aws.keys)).map(|n| parsed(&n.text)).unwrap_or_default()));
            }
            Err(e) if e.class().is_some_and(is_none) => return Ok(None),
            Err(e) if e.class().is_some_and(Class::passes) && begun.elapsed() < PATIENCE => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(e) => return Err(e),
        }
    }
}

/// Reads the current record past the shared reads, `None` if that fails.
pub async fn now(aws: &Aws, stack: &str) -> Option<Record> {
    let note = note::read(aws, stack, &note::record(&aws.keys)).await.ok()?;
    Some(note.map(|n| parsed(&n.text)).unwrap_or_default())
}

/// True if the account has no notes at all: no permission, or no such service.
fn is_none(class: Class) -> bool {
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
pub async fn end<'a>(aws: &Aws, stack: &str, proofs: &Proofs, done: impl Iterator<Item = &'a Key>) -> Result<()> {
    let Some(before) = now(aws, stack).await else { return Ok(()) };
    let Some(after) = proofs.ending(&before, done) else { return Ok(()) };
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
