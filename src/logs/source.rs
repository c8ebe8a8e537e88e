//! Reads log events from CloudWatch Logs or the instances' consoles.
use super::{Event, Log, Page, pages};
use crate::{
    aws::{Aws, error::AwsResult, tags},
    config::Config,
    error::{Class, Error, Result},
};
use aws_sdk_ec2::types::Filter;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;

/// A log group that the instances of a service write to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogGroup {
    path: String,
    log: Log,
    /// The name of the service, if the stack has several.
    service: Option<String>,
}

impl LogGroup {
    /// Returns the log that the group has.
    pub fn log(&self) -> Log {
        self.log
    }

    /// Returns the log groups of the services that are shown. The config has to have the keys of the account
    /// ([`Config::in_account`]).
    pub fn all(config: &Config, is_shown: impl Fn(&str) -> bool) -> Vec<Self> {
        let is_named = config.service.len() > 1;
        let services: Vec<_> = config.services().filter(|s| is_shown(s.name)).collect();
        let of = |log: Log| {
            services.iter().map(move |s| Self {
                path: s.log_path(&config.name, log.word()),
                log,
                service: is_named.then(|| s.name.to_owned()),
            })
        };
        [Log::App, Log::Boot].into_iter().flat_map(of).collect()
    }
}

/// Returns all events of one log group since `from`; `None` if the group does not exist.
pub async fn look(aws: &Aws, group: &LogGroup, instance: Option<&str>, from: Timestamp) -> Result<Option<Vec<Event>>> {
    let all = pages(async |token| {
        let call = aws
            .logs
            .filter_log_events()
            .log_group_name(&group.path)
            // By prefix, since naming a stream that does not exist yet is an error.
            .set_log_stream_name_prefix(instance.map(Into::into))
            .start_time(from.as_millisecond())
            .set_next_token(token);
        let page = call.send().await.during("FilterLogEvents")?;
        let events = page.events.unwrap_or_default().into_iter().map(|e| event(group, e)).collect();
        Ok(Page { events, next: page.next_token })
    })
    .await;
    match all {
        Ok(all) => Ok(Some(all)),
        Err(e) if e.class() == Some(Class::NotFound) => Ok(None),
        Err(e) => Err(e),
    }
}

fn event(group: &LogGroup, e: aws_sdk_cloudwatchlogs::types::FilteredLogEvent) -> Event {
    let at = e.timestamp.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let (instance, message) = (e.log_stream_name.unwrap_or_default(), e.message.unwrap_or_default());
    // Some emulators give no id.
    let id = e.event_id.unwrap_or_else(|| format!("{at:?} {instance} {message}"));
    Event { at, log: group.log, service: group.service.clone(), instance, message, id }
}

/// Returns the ids of the Auto Scaling groups' instances, and whether each still runs.
///
/// Recently terminated ones are included, because their last messages matter most.
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

/// Returns the console output of an instance. The output is empty until AWS has it, minutes after the boot.
pub async fn console(aws: &Aws, instance: &str) -> Result<String> {
    let call = |latest| aws.ec2.get_console_output().instance_id(instance).latest(latest).send();
    // Only Nitro instances return the current output; a T2 returns what was kept at its boot.
    let answer = match call(true).await.during("GetConsoleOutput") {
        Err(Error::Aws(e))
            if matches!(e.class, Class::Invalid | Class::WrongState)
                || e.code.as_deref() == Some("UnsupportedOperation") =>
        {
            call(false).await.or_absent("GetConsoleOutput")?
        }
        Err(e) if e.class() == Some(Class::NotFound) => None,
        other => Some(other?),
    };
    Ok(decode(&answer.and_then(|a| a.output).unwrap_or_default()))
}

/// Decodes base64, with or without line breaks.
pub fn decode(output: &str) -> String {
    let packed: String = output.split_whitespace().collect();
    let bytes = BASE64_STANDARD.decode(packed).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace("\r\n", "\n").replace('\r', "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Identity};

    #[test]
    fn the_log_groups_are_those_of_all_services_under_their_keys_in_the_account() {
        let file = "name = \"billing\"\n[service.api]\nsource = \"https://example.com/api\"\n";
        let one = config::parse("gameday.toml", file).unwrap().config;
        let paths =
            |config: &Config| LogGroup::all(config, |_| true).into_iter().map(|g| (g.log, g.path)).collect::<Vec<_>>();
        let mut two = one.clone();
        two.service.insert("web".into(), one.service["api"].clone());
        let expected = [
            (Log::App, "/gameday/billing/api/app"),
            (Log::App, "/gameday/billing/web/app"),
            (Log::Boot, "/gameday/billing/api/boot"),
            (Log::Boot, "/gameday/billing/web/boot"),
        ];
        assert_eq!(paths(&two), expected.map(|(log, path)| (log, path.to_owned())));

        // Of a stack from before the keys carried the services' names.
        let mut older = one;
        older.take_identities([("api".to_owned(), Identity::Unnamed)].into());
        let expected = [(Log::App, "/gameday/billing/app"), (Log::Boot, "/gameday/billing/boot")];
        assert_eq!(paths(&older), expected.map(|(log, path)| (log, path.to_owned())));
    }
}
