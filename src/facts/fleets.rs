//! The stack's fleets: those of the stack file, and those from before a service got another name or port.
use crate::{
    aws::{Aws, error::AwsResult, tags},
    config::Config,
    engine::{Key, TagKeys, Tags},
    error::Result,
    record::Proof,
};
use aws_sdk_autoscaling::types::{AutoScalingGroup, Filter as AsgFilter};
use std::{collections::BTreeSet, rc::Rc};

/// Returns all Auto Scaling groups of the stack.
pub async fn fleets(aws: &Aws, stack: &str) -> Result<Rc<Vec<AutoScalingGroup>>> {
    let call = async || {
        let filter = AsgFilter::builder().name(format!("tag:{}", aws.keys.stack())).values(stack).build();
        let call = aws.autoscaling.describe_auto_scaling_groups().filters(filter);
        call.into_paginator().items().send().try_collect().await.during("DescribeAutoScalingGroups")
    };
    aws.reads.get(format!("Auto Scaling groups of stack {stack}"), call).await
}

/// Returns the slots of fleets, by their tags.
pub fn steps_of<'a>(keys: &'a TagKeys, fleets: &'a [AutoScalingGroup]) -> impl Iterator<Item = &'a str> {
    let steps = fleets.iter().flat_map(|g| g.tags()).filter(|t| t.key() == Some(keys.step())).filter_map(|t| t.value());
    steps.filter(|step| Key::is_one(step)).filter_map(|s| s.strip_prefix("auto-scaling-group/"))
}

/// The slots of the stack's fleets that still serve.
#[derive(Default)]
pub(super) struct Slots {
    /// Those that are not in the stack file.
    pub older: Vec<String>,
    /// Those that are in it, as far as they were looked at: only if there can be older ones.
    pub present: Vec<String>,
}

/// Finds the slots of fleets that still serve.
///
/// If the account does not let us look at them, the fleets' own steps report that.
pub(super) async fn slots(aws: &Aws, config: &Config) -> Slots {
    let now: BTreeSet<String> = config.services().map(|service| service.slot()).collect();
    let is_now = |slot: &str| now.contains(slot);
    // If no target group of another slot exists, no call is needed.
    let tagged = tags::of_stack(aws, &config.name).await.unwrap_or_default();
    let other = |t: &Tags| {
        t.get(aws.keys.step()).and_then(|s| s.strip_prefix("target-group/")).is_some_and(|slot| !is_now(slot))
    };
    if !tagged.is_empty() && !tagged.values().any(other) {
        return Slots::default();
    }
    let fleets = fleets(aws, &config.name).await.unwrap_or_default();
    let proof = Proof::load(aws, &config.name).await;
    let is_ours = |g: &&AutoScalingGroup| {
        let (step, name) = (steps_of(&aws.keys, std::slice::from_ref(*g)).next(), g.auto_scaling_group_name());
        let (key, name) = (format!("auto-scaling-group/{}", step.unwrap_or_default()), name.unwrap_or_default());
        // An object that an interrupted run may have created has the usual name.
        let may_be = proof.is_blind() || proof.allows(&key, name) && name == config.name_of(&key);
        proof.confirms(&key, name) || may_be
    };
    let serving: Vec<_> = fleets.iter().filter(|g| g.status().is_none()).filter(is_ours).cloned().collect();
    let (present, older) = steps_of(&aws.keys, &serving).map(str::to_owned).partition(|slot| is_now(slot));
    Slots { older, present }
}
