//! Alarms and logs.
use super::Rules;
use crate::check::Issue;
use crate::place::at;

/// The retention periods that CloudWatch Logs accepts.
const LOG_DAYS: &[u32] =
    &[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

pub(super) fn check(rules: &mut Rules<'_>) {
    let monitoring = &rules.config.monitoring;
    let days = monitoring.log_days;
    if !LOG_DAYS.contains(&days) {
        let next = LOG_DAYS.iter().find(|d| **d > days).unwrap_or(&3653);
        rules.found.error(
            "log_days",
            at("monitoring.log_days"),
            format!("CloudWatch cannot keep logs for {days} days"),
            "CloudWatch offers only certain numbers of days",
            format!("use {next}; the common ones are 1, 3, 5, 7, 14, 30, 60, 90"),
        );
    }
    if monitoring.slow_seconds <= 0.0 || monitoring.slow_seconds > 3600.0 {
        rules.found.error(
            "slow_seconds",
            at("monitoring.slow_seconds"),
            "the alarm on response time needs a time",
            "more than 0 and at most 3600 seconds",
            "use 4.0 for a service that needs seconds for a new answer",
        );
    }
    if monitoring.notify.len() > 5 {
        rules.found.error(
            "notify_too_many",
            at("monitoring.notify"),
            format!("{} topics to notify", monitoring.notify.len()),
            "an alarm has at most 5 actions",
            "keep 5; one topic can have many subscribers",
        );
    }
    for (i, arn) in monitoring.notify.iter().enumerate() {
        let here = at("monitoring.notify").item(i);
        let region = &rules.config.region;
        let parts: Vec<_> = arn.split(':').collect();
        match parts[..] {
            ["arn", partition, "sns", place, account, topic]
                if partition.starts_with("aws")
                    && account.len() == 12
                    && account.chars().all(|c| c.is_ascii_digit())
                    && !topic.is_empty()
                    && topic.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) =>
            {
                if place != region {
                    rules.found.push(
                        Issue::error(
                            "notify_region",
                            here,
                            format!("the topic is in {place:?}, the stack in {region:?}"),
                            "alarms can notify only topics in their own region",
                            format!("create the topic in {region}"),
                        )
                        .with(at("region"), "the stack's region"),
                    );
                }
            }
            _ => rules.found.error(
                "notify_arn",
                here,
                format!("{arn:?} is not the ARN of an SNS topic"),
                if arn.contains('@') {
                    "an address cannot be notified directly"
                } else {
                    "it does not have the form of a topic's ARN"
                },
                format!("subscribe to a topic and give its ARN: \"arn:aws:sns:{region}:123456789012:alarms\""),
            ),
        }
    }
}
