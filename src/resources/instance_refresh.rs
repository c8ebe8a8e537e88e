//! How the running instances of an Auto Scaling group follow a new version of its launch template.
use super::prelude::*;
use crate::aws::words::autoscaling::is_outdated;
use aws_sdk_autoscaling::types::{
    AutoScalingGroup as AwsGroup, DesiredConfiguration, Instance, InstanceRefresh, InstanceRefreshStatus,
    LaunchTemplateSpecification, MixedInstancesPolicy, RefreshPreferences, ScaleInProtectedInstances, StandbyInstances,
};
use std::rc::Rc;

/// Instances of another version than the group's, unless an instance refresh to that version is under way:
/// a run may have been cut between the new version and the refresh.
pub(super) async fn outdated(aws: &Aws, group: &AwsGroup, name: &str) -> Result<Vec<String>> {
    let version = version(group.launch_template(), group.mixed_instances_policy());
    let is_old = |i: &&Instance| {
        let own = self::version(i.launch_template(), None);
        is_outdated(i.lifecycle_state().map(|s| s.as_str()), own.as_deref(), version.as_deref())
    };
    let old = group.instances().iter().filter(is_old);
    let old: Vec<String> = old.filter_map(|i| i.instance_id().map(Into::into)).collect();
    if old.is_empty() {
        return Ok(old);
    }
    let to_it = |r: &InstanceRefresh| is_under_way(r) && wanted(r).is_none_or(|to| Some(to) == version);
    Ok(if refreshes(aws, name).await?.iter().any(to_it) { vec![] } else { sorted(old) })
}

/// The version of its template that a group, an instance or a refresh has, in one of two places.
fn version(template: Option<&LaunchTemplateSpecification>, mixed: Option<&MixedInstancesPolicy>) -> Option<String> {
    let mixed = || mixed.and_then(|m| m.launch_template()).and_then(|t| t.launch_template_specification());
    let number = |t: Option<&LaunchTemplateSpecification>| t.and_then(|t| t.version()).map(str::to_owned);
    number(template).or_else(|| number(mixed()))
}

/// The version that a refresh leads to.
fn wanted(refresh: &InstanceRefresh) -> Option<String> {
    let to = refresh.desired_configuration()?;
    version(to.launch_template(), to.mixed_instances_policy())
}

async fn refreshes(aws: &Aws, name: &str) -> Result<Rc<Vec<InstanceRefresh>>> {
    let call = async || {
        let call = aws.autoscaling.describe_instance_refreshes().auto_scaling_group_name(name);
        // The newest come first; only one is ever open.
        let answer = call.max_records(5).send().await.or_absent("DescribeInstanceRefreshes")?;
        Ok(answer.and_then(|r| r.instance_refreshes).unwrap_or_default())
    };
    aws.reads.get(format!("instance refreshes of {name}"), call).await
}

/// Returns how far the instance refresh of a group is, in percent; `None` when none is under way.
pub async fn under_way(aws: &Aws, name: &str) -> Result<Option<i32>> {
    let all = refreshes(aws, name).await?;
    Ok(all.iter().find(|r| is_under_way(r)).map(|r| r.percentage_complete().unwrap_or_default()))
}

/// Makes room for another template: while a refresh with a desired configuration is open, AWS refuses to give the group
/// one (Auto Scaling user guide, "Update restriction"). Cancelling takes a while: until then the step tries again.
pub(super) async fn stop_refresh(aws: &Aws, name: &str) -> Result<()> {
    if !refreshes(aws, name).await?.iter().any(is_under_way) {
        return Ok(());
    }
    cancel(aws, name).await
}

async fn cancel(aws: &Aws, name: &str) -> Result<()> {
    let call = aws.autoscaling.cancel_instance_refresh().auto_scaling_group_name(name);
    call.send().await.or_gone("CancelInstanceRefresh")
}

/// Has the running instances replaced, the new ones first. What is there already is left alone.
pub(super) async fn refresh(
    aws: &Aws,
    name: &str,
    template: Option<LaunchTemplateSpecification>,
    mixed: Option<MixedInstancesPolicy>,
) -> Result<()> {
    let asg = &aws.autoscaling;
    let preferences = RefreshPreferences::builder()
        .min_healthy_percentage(100)
        .max_healthy_percentage(200)
        .skip_matching(true)
        // Their default is to wait for an hour and then fail [AWS 5].
        .scale_in_protected_instances(ScaleInProtectedInstances::Refresh)
        .standby_instances(StandbyInstances::Terminate)
        .build();
    let version = version(template.as_ref(), mixed.as_ref());
    let to = DesiredConfiguration::builder().set_launch_template(template).set_mixed_instances_policy(mixed).build();
    let started = asg
        .start_instance_refresh()
        .auto_scaling_group_name(name)
        .preferences(preferences)
        .desired_configuration(to)
        .send()
        .await;
    let refused = started.as_ref().err().and_then(|e| e.as_service_error());
    if refused.is_some_and(|e| e.is_instance_refresh_in_progress_fault()) {
        // The call has no token: when its answer is lost, the SDK's second one finds the refresh of the first.
        let all = refreshes(aws, name).await?;
        if all.iter().any(|r| is_under_way(r) && version.is_some() && wanted(r) == version) {
            return Ok(());
        }
        // There is one to another version. It takes a while to end: the step tries again until it has.
        cancel(aws, name).await?;
    }
    started.during("StartInstanceRefresh").map(drop)
}

/// Lenient: a status that AWS invents after this was written is taken for one that ends by itself.
fn is_under_way(refresh: &InstanceRefresh) -> bool {
    use InstanceRefreshStatus::*;
    let over = [Successful, Failed, Cancelling, Cancelled, RollbackInProgress, RollbackFailed, RollbackSuccessful];
    refresh.status().is_some_and(|s| !over.contains(s))
}
