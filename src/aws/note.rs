//! Notes of a stack in its account: SSM parameters in a folder of its own, readable by every teammate. They hold no
//! secrets.
use super::{Aws, error::AwsResult, tags};
use crate::{
    engine::TagKeys,
    error::{Class, Result},
};
use aws_sdk_ssm::{
    operation::put_parameter::builders::PutParameterFluentBuilder,
    types::{Parameter, ParameterTier, ParameterType},
};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, rc::Rc, time::Duration};

/// The note of the lease.
pub const LEASE: &str = "lease";
/// The note of how long each step took.
pub const DURATIONS: &str = "durations";
/// The note that the database is set up; `boot.sh.j2` uses the same name.
pub const SET_UP: &str = "database";
/// Returns the name of the note of what the stack made.
///
/// Two stacks of one name can exist side by side under different tag prefixes.
pub fn record(keys: &TagKeys) -> String {
    if keys.is_usual() {
        return "record".into();
    }
    let hash = Sha256::digest(keys.prefix());
    format!("record-{}", hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// Returns the name of a note's parameter.
fn name(stack: &str, note: &str) -> String {
    format!("/gameday/{stack}/{note}")
}

/// Notes by name.
pub type Notes = BTreeMap<String, Note>;

/// The text of a note and its version.
#[derive(Debug)]
pub struct Note {
    pub text: String,
    /// Grows with each write.
    pub version: i64,
    /// The time of the last write, by AWS's clock.
    pub written_at: Option<Timestamp>,
}

/// Returns all notes of a stack, in one call shared by concurrent readers. Empty if the account keeps none.
pub async fn all(aws: &Aws, stack: &str) -> Result<Rc<Notes>> {
    let call = async || {
        let names = [LEASE, DURATIONS, SET_UP, &record(&aws.keys)].map(|note| name(stack, note)).to_vec();
        let answer = aws.ssm.get_parameters().set_names(Some(names)).send().await.during("GetParameters")?;
        let of = |p: Parameter| {
            let note = p.name.as_deref()?.rsplit('/').next()?.to_owned();
            Some((note, noted(p)?))
        };
        Ok(answer.parameters.unwrap_or_default().into_iter().filter_map(of).collect())
    };
    aws.reads.get(format!("notes of stack {stack}"), call).await
}

fn noted(p: Parameter) -> Option<Note> {
    let written_at = p.last_modified_date.and_then(|at| Timestamp::from_second(at.secs()).ok());
    Some(Note { text: p.value?, version: p.version, written_at })
}

/// The size of the largest note: advanced parameters hold 8 KB (AWS Systems Manager quotas).
pub const LARGEST: usize = 8192;

/// Parses a note unless it is larger than any of ours: everybody with the right to SSM can write it.
pub fn json<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    if text.len() > LARGEST {
        return None;
    }
    serde_json::from_str(text).ok()
}

/// Reads a note, `None` if it does not exist.
pub async fn read(aws: &Aws, stack: &str, note: &str) -> Result<Option<Note>> {
    let answer = aws.ssm.get_parameter().name(name(stack, note)).send().await.or_absent("GetParameter")?;
    Ok(answer.and_then(|a| a.parameter).and_then(noted))
}

/// Pauses before a transient failure is retried: the SDK sends create calls only once.
const PAUSES: [Duration; 3] = [Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(3)];

/// Creates a note or writes over it.
pub async fn write(aws: &Aws, stack: &str, note: &str, text: String) -> Result<()> {
    let once = async || {
        // Only a new parameter can be given tags.
        match create(aws, stack, note, text.clone()).await {
            Err(e) if e.class() == Some(Class::AlreadyExists) => overwrite(aws, stack, note, text.clone()).await,
            other => other,
        }
    };
    for pause in PAUSES {
        match once().await {
            Err(e) if e.class().is_some_and(Class::passes) => tokio::time::sleep(pause).await,
            other => return other,
        }
    }
    once().await
}

/// Creates a note, and fails if it exists: of two concurrent writers only one succeeds.
pub async fn create(aws: &Aws, stack: &str, note: &str, text: String) -> Result<()> {
    // The user's tags as well: an organisation may require them everywhere.
    let mut all = aws.tags.clone();
    all.insert(aws.keys.stack().to_owned(), stack.to_owned());
    let put = put(aws, stack, note, text).set_tags(Some(tags::ssm::to(&all)));
    put.send().await.during("PutParameter").map(drop)
}

/// Replaces the text of a note.
pub async fn overwrite(aws: &Aws, stack: &str, note: &str, text: String) -> Result<()> {
    put(aws, stack, note, text).overwrite(true).send().await.during("PutParameter").map(drop)
}

fn put(aws: &Aws, stack: &str, note: &str, text: String) -> PutParameterFluentBuilder {
    // A parameter of up to 4 KB is a standard one, which costs nothing. A larger one is advanced, and stays it.
    let call = aws.ssm.put_parameter().name(name(stack, note)).value(text).r#type(ParameterType::String);
    call.tier(ParameterTier::IntelligentTiering)
}

/// Deletes a note, if it exists.
pub async fn delete(aws: &Aws, stack: &str, note: &str) -> Result<()> {
    aws.ssm.delete_parameter().name(name(stack, note)).send().await.or_gone("DeleteParameter")
}
