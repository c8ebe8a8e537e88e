//! The replacement of running instances after a new version of the launch template.
use super::prelude::*;
use crate::aws::words::autoscaling::is_outdated;
use aws_sdk_autoscaling::types::{
    AutoScalingGroup as AwsGroup, DesiredConfiguration, Instance, InstanceRefresh, InstanceRefreshStatus,
    LaunchTemplateSpecification, MixedInstancesPolicy, RefreshPreferences, ScaleInProtectedInstances, StandbyInstances,
};
use std::rc::Rc;

/// Returns the instances of another version than the group's, unless a refresh to that version is running.
///
/// An earlier run may have stopped between the new version and the refresh.
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

/// Returns the template version of a group, an instance or a refresh, which AWS shows in one of two places.
fn version(template: Option<&LaunchTemplateSpecification>, mixed: Option<&MixedInstancesPolicy>) -> Option<String> {
    let mixed = || mixed.and_then(|m| m.launch_template()).and_then(|t| t.launch_template_specification());
    let number = |t: Option<&LaunchTemplateSpecification>| t.and_then(|t| t.version()).map(str::to_owned);
    number(template).or_else(|| number(mixed()))
}

/// Returns the version that a refresh installs.
fn wanted(refresh: &InstanceRefresh) -> Option<String> {
    let to = refresh.desired_configuration()?;
    version(to.launch_template(), to.mixed_instances_policy())
}

async fn refreshes(aws: &Aws, name: &str) -> Result<Rc<Vec<InstanceRefresh>>> {
    let call = async || {
        let call = aws.autoscaling.describe_instance_refreshes().auto_scaling_group_name(name);
        // The newest come first. At most one refresh is open.
        let answer = call.max_records(5).send().await.or_absent("DescribeInstanceRefreshes")?;
        Ok(answer.and_then(|r| r.instance_refreshes).unwrap_or_default())
    };
    aws.reads.get(format!("instance refreshes of {name}"), call).await
}

/// Returns the progress of a group's instance refresh in percent, `None` if none is running.
pub async fn progress(aws: &Aws, name: &str) -> Result<Option<i32>> {
    let all = refreshes(aws, name).await?;
    Ok(all.iter().find(|r| is_under_way(r)).map(|r| r.percentage_complete().unwrap_or_default()))
}

/// Cancels a running refresh, so that the group can get another template.
///
/// AWS refuses a new template while a refresh with a desired configuration is open (Auto Scaling user guide, "Update
/// restriction"). Cancelling takes a while, and the step tries again until then.
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

/// Starts the replacement of running instances, new ones first. Up-to-date instances stay.
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
        // By default AWS waits for an hour and then fails [AWS 5].
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
        // The call has no token. If its answer was lost, the SDK's second attempt finds the first refresh.
        let all = refreshes(aws, name).await?;
        if all.iter().any(|r| is_under_way(r) && version.is_some() && wanted(r) == version) {
            return Ok(());
        }
        // A refresh to another version is running. It takes a while to end, and the step tries again until then.
        cancel(aws, name).await?;
    }
    started.during("StartInstanceRefresh").map(drop)
}

/// True if the refresh is running. An unknown status counts as one that ends by itself.
fn is_under_way(refresh: &InstanceRefresh) -> bool {
    use InstanceRefreshStatus::*;
    let over = [Successful, Failed, Cancelling, Cancelled, RollbackInProgress, RollbackFailed, RollbackSuccessful];
    refresh.status().is_some_and(|s| !over.contains(s))
}
