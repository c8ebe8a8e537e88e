//! Where the events come from: CloudWatch Logs, or the instances' consoles.
use super::{Event, Log, Page, pages};
use crate::{
    aws::{Aws, error::AwsResult, tags},
    error::{Class, Error, Result},
};
use aws_sdk_ec2::types::Filter;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;

/// The log groups that the stack's instances write.
pub const GROUPS: [Log; 2] = [Log::App, Log::Boot];

/// All events of one group since then; `None` when there is no such group.
pub async fn look(
    aws: &Aws,
    group: &str,
    log: Log,
    instance: Option<&str>,
    from: Timestamp,
) -> Result<Option<Vec<Event>>> {
    let all = pages(async |token| {
        let call = aws
            .logs
            .filter_log_events()
            .log_group_name(group)
            // A prefix, since a stream that is not there yet is an error when it is named.
            .set_log_stream_name_prefix(instance.map(Into::into))
            .start_time(from.as_millisecond())
            .set_next_token(token);
        let page = call.send().await.during("FilterLogEvents")?;
        let events = page.events.unwrap_or_default().into_iter().map(|e| event(log, e)).collect();
        Ok(Page { events, next: page.next_token })
    })
    .await;
    match all {
        Ok(all) => Ok(Some(all)),
        Err(e) if e.class() == Some(Class::NotFound) => Ok(None),
        Err(e) => Err(e),
    }
}

fn event(log: Log, e: aws_sdk_cloudwatchlogs::types::FilteredLogEvent) -> Event {
    let at = e.timestamp.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let (instance, message) = (e.log_stream_name.unwrap_or_default(), e.message.unwrap_or_default());
    // An emulator may give no id.
    let id = e.event_id.unwrap_or_else(|| format!("{at:?} {instance} {message}"));
    Event { at, log, instance, message, id }
}

/// The ids of the groups' instances, and whether each still runs. Those that have just ended are there, too: their last
/// words matter most.
pub async fn instances(aws: &Aws, fleets: &[String]) -> Result<Vec<(String, bool)>> {
    let key = format!("tag:{}", tags::GROUP_TAG);
    let filter = Filter::builder().name(key).set_values(Some(fleets.to_vec())).build();
    let pages = aws.ec2.describe_instances().filters(filter).into_paginator().items().send();
    let all: Vec<aws_sdk_ec2::types::Reservation> = pages.try_collect().await.during("DescribeInstances")?;
    let mut instances: Vec<_> = all.iter().flat_map(|r| r.instances()).collect();
    instances.sort_by_key(|i| i.launch_time().map(|t| t.secs()));
    let runs = |i: &aws_sdk_ec2::types::Instance| {
        i.state().and_then(|s| s.name()).is_none_or(|s| *s != aws_sdk_ec2::types::InstanceStateName::Terminated)
    };
    Ok(instances.iter().filter_map(|i| Some((i.instance_id()?.into(), runs(i)))).collect())
}

/// What an instance's console says. Empty until AWS has it, minutes after the boot.
pub async fn console(aws: &Aws, instance: &str) -> Result<String> {
    let call = |latest| aws.ec2.get_console_output().instance_id(instance).latest(latest).send();
    // Only instances on Nitro give it as it is now; a T2 gives what was kept at its boot.
    let answer = match call(true).await.during("GetConsoleOutput") {
        Err(Error::Aws(e)) if e.class == Class::Invalid || e.code.as_deref() == Some("UnsupportedOperation") => {
            call(false).await.or_absent("GetConsoleOutput")?
        }
        Err(e) if e.class() == Some(Class::NotFound) => None,
        other => Some(other?),
    };
    Ok(decode(&answer.and_then(|a| a.output).unwrap_or_default()))
}

/// Base64, in lines or in one.
pub fn decode(output: &str) -> String {
    let packed: String = output.split_whitespace().collect();
    let bytes = BASE64_STANDARD.decode(packed).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace("\r\n", "\n").replace('\r', "\n")
}
