//! The look at monitoring: the alarms that fire.
use super::prefixes;
use crate::{
    aws::listing,
    snapshot::{
        Look, Part,
        read::{some, time},
    },
};
use aws_sdk_cloudwatch::types::{MetricAlarm, StateValue};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An alarm that fires.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Alarm {
    pub name: String,
    /// The meaning of the alarm, from gameday's own description.
    pub description: Option<String>,
    /// The reason why it fires, in CloudWatch's words.
    pub reason: Option<String>,
    /// The time of its last change of state.
    pub since: Option<Timestamp>,
}

/// Finds the stack's alarms that are in ALARM, by their names.
pub(crate) async fn find(look: &Look<'_>) {
    let names = &look.expected.alarms;
    if names.is_empty() {
        return;
    }
    let found = look.ask(Part::Alarms, "DescribeAlarms", async {
        let is_alarm = |a: &&MetricAlarm| {
            a.state_value() == Some(&StateValue::Alarm)
                && a.alarm_name().is_some_and(|name| names.iter().any(|e| e == name))
        };
        let mut ours = vec![];
        for prefix in prefixes(&look.whose.stack, names) {
            ours.extend(listing::alarms(look.aws, &prefix).await?.iter().filter(is_alarm).cloned().map(alarm));
        }
        ours.sort_by(|a, b| a.name.cmp(&b.name));
        ours.dedup_by(|a, b| a.name == b.name);
        Ok(ours)
    });
    let found = found.await;
    look.keep(|s| s.alarms = found);
}

fn alarm(a: MetricAlarm) -> Alarm {
    Alarm {
        name: a.alarm_name.unwrap_or_default(),
        description: some(a.alarm_description),
        reason: some(a.state_reason),
        since: a.state_updated_timestamp.as_ref().and_then(time),
    }
}
