//! The listings of instance profiles.
use crate::{
    aws::{Aws, error::AwsResult},
    error::Result,
};
use aws_sdk_iam::types::InstanceProfile;
use std::rc::Rc;

/// Returns an instance profile and the name of its role out of the list of all, which is one call for all services.
///
/// Only a status uses the list, because it shows no tags. `None` tells nothing: the profile has to be read by itself.
pub async fn listed_profile(aws: &Aws, name: &str) -> Option<(InstanceProfile, String)> {
    if !aws.reads.is_status() {
        return None;
    }
    let call = async || {
        let pages = aws.iam.list_instance_profiles().max_items(1000).into_paginator().items().send();
        pages.try_collect().await.during("ListInstanceProfiles")
    };
    let all: Rc<Vec<InstanceProfile>> = aws.reads.get("instance profiles", call).await.ok()?;
    let profile = all.iter().find(|p| p.instance_profile_name() == name)?;
    Some((profile.clone(), profile.roles().first()?.role_name().to_owned()))
}

/// Returns an instance profile with its role and its tags, or `None` if it does not exist.
pub async fn instance_profile(aws: &Aws, name: &str) -> Result<Rc<Option<InstanceProfile>>> {
    let call = async || {
        let call = aws.iam.get_instance_profile().instance_profile_name(name);
        Ok(call.send().await.or_absent("GetInstanceProfile")?.and_then(|p| p.instance_profile))
    };
    aws.reads.get(format!("instance profile {name}"), call).await
}
