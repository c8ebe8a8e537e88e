//! The launch templates that exist: which of their versions are ours, and their names.
use crate::{
    aws::{Aws, error::AwsResult, listing},
    error::Result,
    resources::launch_template::OURS,
};
use aws_sdk_ec2::types::LaunchTemplateVersion;

/// Returns the versions of a launch template whose description says that they are ours: the default first, then the
/// newest.
///
/// Anybody who can add a version can write that description. To make it the default takes another permission.
pub(super) fn said_ours(versions: &[LaunchTemplateVersion]) -> Vec<&LaunchTemplateVersion> {
    let ours = versions.iter().filter(|v| v.version_description().is_some_and(|d| d.starts_with(OURS)));
    let mut ours: Vec<_> = ours.collect();
    ours.sort_by_key(|v| std::cmp::Reverse((v.default_version(), v.version_number())));
    ours
}

/// Returns the version of a launch template that is most likely ours, for code that changes nothing.
///
/// Usually it is the default or the latest one. Only if neither is ours, all versions are read.
pub(super) async fn ours(aws: &Aws, name: &str) -> Result<Option<LaunchTemplateVersion>> {
    let first = |all: &[LaunchTemplateVersion]| said_ours(all).first().copied().cloned();
    let few = listing::template_versions(aws, name).await?;
    match first(&few) {
        None if !few.is_empty() => Ok(first(&listing::all_template_versions(aws, name).await?)),
        found => Ok(found),
    }
}

/// Returns the name of a launch template. Asks for it only if none has the usual name.
pub(super) async fn name(aws: &Aws, usual: &str, id: &str) -> Option<String> {
    if !listing::template_versions(aws, usual).await.ok()?.is_empty() {
        return Some(usual.into());
    }
    let call = aws.ec2.describe_launch_templates().launch_template_ids(id).send().await;
    call.or_absent("DescribeLaunchTemplates").ok()??.launch_templates?.pop()?.launch_template_name
}
