//! A stack's own notes in the account: SSM parameters in its folder, for every teammate to read. No secrets.
use super::{Aws, error::AwsResult, tags};
use crate::{
    engine::TagKeys,
    error::{Class, Result},
};
use aws_sdk_ssm::{
    operation::put_parameter::builders::PutParameterFluentBuilder,
    types::{Parameter, ParameterType},
};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, rc::Rc, time::Duration};

/// The lease.
pub const LEASE: &str = "lease";
/// How long the steps have taken.
pub const DURATIONS: &str = "durations";
/// That the database is set up; `boot.sh.j2` names it as well.
pub const SET_UP: &str = "database";
/// What the stack has made. Under a tag prefix of its own a stack may stand beside another one of its name.
pub fn record(keys: &TagKeys) -> String {
    if keys.is_usual() {
        return "record".into();
    }
    let hash = Sha256::digest(keys.prefix());
    format!("record-{}", hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// The parameter of a note.
fn name(stack: &str, note: &str) -> String {
    format!("/gameday/{stack}/{note}")
}

/// Notes by what they are called.
pub type Notes = BTreeMap<String, Note>;

/// What a note says.
#[derive(Debug)]
pub struct Note {
    pub text: String,
    /// Each time it is written it has a higher one.
    pub version: i64,
    /// When it was last written, by AWS's clock.
    pub written_at: Option<Timestamp>,
}

/// All notes of a stack, in one call that those who look share. Empty where the account keeps none.
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

/// A parameter of ours is a standard one, and those hold 4 KB (AWS Systems Manager quotas).
pub const LARGEST: usize = 4096;

/// What a note says, if it is not larger than any of ours: anybody with the right to SSM may have written it.
pub fn json<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    if text.len() > LARGEST {
        return None;
    }
    serde_json::from_str(text).ok()
}

/// Reads a note; `None` when there is none.
pub async fn read(aws: &Aws, stack: &str, note: &str) -> Result<Option<Note>> {
    let answer = aws.ssm.get_parameter().name(name(stack, note)).send().await.or_absent("GetParameter")?;
    Ok(answer.and_then(|a| a.parameter).and_then(noted))
}

/// How long one waits before what failed in a way that passes is sent again: the SDK sends what creates something once.
const PAUSES: [Duration; 3] = [Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(3)];

/// Writes it, whether there is one or not.
pub async fn write(aws: &Aws, stack: &str, note: &str, text: String) -> Result<()> {
    let once = async || {
        // A new parameter can be given tags, one that is there cannot.
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

/// Writes a new one; fails when there is one already: of two who write it at the same moment one is told.
pub async fn create(aws: &Aws, stack: &str, note: &str, text: String) -> Result<()> {
    // The user's too: an organisation may demand them of everything.
    let mut all = aws.tags.clone();
    all.insert(aws.keys.stack().to_owned(), stack.to_owned());
    let put = put(aws, stack, note, text).set_tags(Some(tags::ssm::to(&all)));
    put.send().await.during("PutParameter").map(drop)
}

/// Writes over what it said before.
pub async fn overwrite(aws: &Aws, stack: &str, note: &str, text: String) -> Result<()> {
    put(aws, stack, note, text).overwrite(true).send().await.during("PutParameter").map(drop)
}

fn put(aws: &Aws, stack: &str, note: &str, text: String) -> PutParameterFluentBuilder {
    aws.ssm.put_parameter().name(name(stack, note)).value(text).r#type(ParameterType::String)
}

pub async fn delete(aws: &Aws, stack: &str, note: &str) -> Result<()> {
    aws.ssm.delete_parameter().name(name(stack, note)).send().await.or_gone("DeleteParameter")
}
