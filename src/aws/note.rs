//! A stack's own notes in the account: SSM parameters in its folder, for every teammate to read. No secrets.
use super::{Aws, error::AwsResult, tags};
use crate::{engine::Tags, error::Result};
use aws_sdk_ssm::types::ParameterType;

/// The parameter of a note.
fn name(stack: &str, note: &str) -> String {
    format!("/gameday/{stack}/{note}")
}

/// Its text, and the version of the parameter; `None` when there is none.
pub async fn read(aws: &Aws, stack: &str, note: &str) -> Result<Option<(String, i64)>> {
    let answer = aws.ssm.get_parameter().name(name(stack, note)).send().await.or_absent("GetParameter")?;
    Ok(answer.and_then(|a| a.parameter).and_then(|p| Some((p.value?, p.version))))
}

/// Writes it. A new one fails when there is one already: of two who write it at the same moment one is told.
pub async fn write(aws: &Aws, stack: &str, note: &str, text: String, new: bool) -> Result<()> {
    let put = aws.ssm.put_parameter().name(name(stack, note)).value(text).r#type(ParameterType::String);
    // Tags can only be given when the parameter is created.
    let put = if new {
        let ours = Tags::from([(aws.keys.stack().to_owned(), stack.to_owned())]);
        put.set_tags(Some(tags::ssm::to(&ours)))
    } else {
        put.overwrite(true)
    };
    put.send().await.during("PutParameter").map(drop)
}

pub async fn delete(aws: &Aws, stack: &str, note: &str) -> Result<()> {
    aws.ssm.delete_parameter().name(name(stack, note)).send().await.or_gone("DeleteParameter")
}
