//! Baked images: made from one instance of a service, found again, and deleted with their snapshots.
//!
//! An image is the stack's if the record lists its name, which is unique in an account and region. An instance that a
//! killed run left is the stack's if AWS's own tag says that it was launched from the stack's launch template: nobody can
//! set such a tag.
pub mod console;

use crate::{
    aws::{Aws, error::AwsResult, listing, tags},
    engine::{Env, Key, Report, Tags, Visit},
    error::{Class, Error, Result},
    resources::token,
};
use aws_sdk_ec2::types::{
    Filter, Image as Found, ImageState, Instance, InstanceNetworkInterfaceSpecification, LaunchTemplateSpecification,
    LaunchTemplateVersion, ResourceType, ShutdownBehavior, SnapshotReturnCodes,
};
use futures::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The tag of a baked image, of its snapshot and of the instance that it is made from: the name of the service.
pub const TAG: &str = "bake";
/// The tag that names the image on which a baked one is based.
const BASE: &str = "base";
/// The record's word for the names of baked images.
pub const RECORD: &str = "baked";
/// AWS's own tag of an instance that was launched from a launch template.
const FROM_TEMPLATE: &str = "aws:ec2launchtemplate:id";
/// The line on the console without which no image is made (`userdata/bake.sh.j2`).
pub const MARK: &str = "gameday: baked";
/// The reason of a stopped instance that has switched itself off.
pub const BY_ITSELF: &str = "Client.InstanceInitiatedShutdown";
/// How long an instance usually takes to be terminated, and an image to become available [AWS 11].
pub const TERMINATED: Duration = Duration::from_secs(30);
pub const AVAILABLE: Duration = Duration::from_secs(160);

/// A baked image.
#[derive(Clone, Debug)]
pub struct Image {
    pub id: String,
    pub name: String,
    /// The service that its tag names.
    pub service: String,
    /// When it was made, in the form of AWS, which can be sorted.
    pub made: String,
    /// The image on which it is based.
    pub base: Option<String>,
    /// The size of its volumes, which its snapshots do not exceed.
    pub gigabytes: i32,
}

impl Image {
    fn from(aws: &Aws, image: &Found) -> Option<Self> {
        let mut tags = tags::ec2::from(image.tags());
        Some(Self {
            id: image.image_id()?.into(),
            name: image.name()?.into(),
            service: tags.remove(&aws.keys.other(TAG))?,
            made: image.creation_date().unwrap_or_default().into(),
            base: tags.remove(&aws.keys.other(BASE)),
            gigabytes: image.block_device_mappings().iter().filter_map(|d| d.ebs()?.volume_size()).sum(),
        })
    }

    /// Returns the key under which the image is listed. It is no step.
    pub fn key(&self) -> Key {
        Key::new("image", &self.name)
    }
}

/// Returns the images of this account that carry the stack's tag as baked ones, the newest first.
pub async fn images(aws: &Aws, stack: &str) -> Result<Vec<Image>> {
    let call = aws.ec2.describe_images().owners("self").include_disabled(true);
    let call = call.filters(tags::filter(aws.keys.stack(), stack)).send().await.during("DescribeImages")?;
    let mut all: Vec<Image> = call.images().iter().filter_map(|image| Image::from(aws, image)).collect();
    all.sort_by(|a, b| (&b.made, &b.name).cmp(&(&a.made, &a.name)));
    Ok(all)
}

/// Returns the instances that runs of `gameday bake` have left, launched from one of these launch templates.
pub async fn instances(aws: &Aws, stack: &str, templates: &[&str]) -> Result<Vec<String>> {
    let is_left = |i: &&Instance| {
        let tags = tags::ec2::from(i.tags());
        let template = tags.get(FROM_TEMPLATE).map(String::as_str).unwrap_or_default();
        tags.contains_key(&aws.keys.other(TAG)) && templates.contains(&template)
    };
    let of_stack = tags::filter(aws.keys.stack(), stack);
    let all = living(aws, of_stack).await?;
    Ok(all.iter().filter(is_left).filter_map(|i| i.instance_id().map(Into::into)).collect())
}

/// Returns the instances with this property that are not terminated.
async fn living(aws: &Aws, filter: Filter) -> Result<Vec<Instance>> {
    let states = ["pending", "running", "stopping", "stopped"].map(String::from).to_vec();
    let states = Filter::builder().name("instance-state-name").set_values(Some(states)).build();
    let pages = aws.ec2.describe_instances().filters(filter).filters(states).into_paginator().items().send();
    let all: Vec<_> = pages.try_collect().await.during("DescribeInstances")?;
    Ok(all.into_iter().flat_map(|r| r.instances.unwrap_or_default()).collect())
}

/// The instance to make an image of.
pub struct Launch<'a> {
    pub service: &'a str,
    /// The launch template: name, id, number of the version.
    pub template: (&'a str, &'a str, i64),
    /// The image that it boots from.
    pub image: &'a str,
    /// The name of the image to make.
    pub name: &'a str,
    /// The user data, in base64.
    pub user_data: &'a str,
    /// The ids of the subnets; the first one with capacity is taken.
    pub subnets: &'a [String],
}

/// Launches the instance, and returns its id.
///
/// What the launch template does not say of a baking instance is its subnet, its user data, and that it stops when it
/// switches itself off.
pub async fn launch(aws: &Aws, env: &Env, of: &Launch<'_>) -> Result<String> {
    let versions = listing::template_versions(aws, of.template.0).await?;
    let version = versions.iter().find(|v| v.version_number() == Some(of.template.2));
    let tags = with_tags(aws, env, of.service, of.template.0);
    for (subnet, next) in of.subnets.iter().zip(of.subnets.iter().skip(1).map(Some).chain([None])) {
        let template = LaunchTemplateSpecification::builder();
        let template = template.launch_template_id(of.template.1).version(of.template.2.to_string()).build();
        let call = aws.ec2.run_instances().launch_template(template).min_count(1).max_count(1);
        let call = call.image_id(of.image).user_data(of.user_data);
        let call = call.instance_initiated_shutdown_behavior(ShutdownBehavior::Stop);
        let call = call.client_token(token(&[&env.stack, of.name, subnet]));
        let call = call.tag_specifications(tags::on_create(ResourceType::Instance, &tags));
        let call = call.tag_specifications(tags::on_create(ResourceType::Volume, &tags));
        // A subnet beside an interface is refused, so it is a part of the interface then.
        let call = match version.and_then(|v| card(v, subnet)) {
            Some(card) => call.network_interfaces(card),
            None => call.subnet_id(subnet),
        };
        match call.send().await.during("RunInstances") {
            Err(e) if e.class() == Some(Class::Capacity) && next.is_some() => {}
            Err(e) => return Err(e),
            Ok(answer) => {
                let id = answer.instances().first().and_then(|i| i.instance_id());
                return id.map(Into::into).ok_or_else(|| Error::other("RunInstances answered without an instance", ""));
            }
        }
    }
    Err(Error::other("the service has no subnet", "`gameday up network` creates its subnets"))
}

/// Returns the interface of the launch template in a subnet, if it describes one.
fn card(version: &LaunchTemplateVersion, subnet: &str) -> Option<InstanceNetworkInterfaceSpecification> {
    let card = version.launch_template_data()?.network_interfaces().first()?;
    let builder = InstanceNetworkInterfaceSpecification::builder().device_index(0).subnet_id(subnet);
    let builder = builder.set_associate_public_ip_address(card.associate_public_ip_address());
    Some(builder.delete_on_termination(true).set_groups(Some(card.groups().to_vec())).build())
}

/// Returns the tags of what a bake makes.
fn with_tags(aws: &Aws, env: &Env, service: &str, name: &str) -> Tags {
    let mut tags = env.tags.clone();
    tags.insert(aws.keys.stack().into(), env.stack.clone());
    tags.insert(aws.keys.other(TAG), service.into());
    tags.insert("Name".into(), name.into());
    tags
}

/// Returns the state of an instance and its reason; `None` if it is not visible.
pub async fn state(aws: &Aws, instance: &str) -> Result<Option<(String, String)>> {
    let found = aws.ec2.describe_instances().instance_ids(instance).send().await.or_absent("DescribeInstances")?;
    let found = found.and_then(|f| f.reservations?.into_iter().flat_map(|r| r.instances.unwrap_or_default()).next());
    Ok(found.map(|i| {
        let state = i.state().and_then(|s| s.name()).map_or("unknown", |s| s.as_str()).to_owned();
        (state, i.state_reason().and_then(|r| r.code()).unwrap_or("for no reason that AWS tells").to_owned())
    }))
}

/// Terminates an instance.
pub async fn terminate(aws: &Aws, instance: &str) -> Result<()> {
    aws.ec2.terminate_instances().instance_ids(instance).send().await.or_gone("TerminateInstances")
}

/// Begins an image of a stopped instance, and returns its id.
pub async fn create(aws: &Aws, env: &Env, of: &Launch<'_>, instance: &str) -> Result<String> {
    let mut tags = with_tags(aws, env, of.service, of.name);
    tags.insert(aws.keys.other(BASE), of.image.into());
    let call = aws.ec2.create_image().instance_id(instance).name(of.name);
    let call = call.description(format!("{} of {}, baked by gameday", of.service, env.stack));
    // The tags of an image are not those of its snapshots.
    let call = call.tag_specifications(tags::on_create(ResourceType::Image, &tags));
    let call = call.tag_specifications(tags::on_create(ResourceType::Snapshot, &tags));
    let answer = call.send().await.during("CreateImage")?;
    answer.image_id().map(Into::into).ok_or_else(|| Error::other("CreateImage answered without an image", ""))
}

/// True if an image is available. Fails if it never will be.
pub async fn is_available(aws: &Aws, image: &str) -> Result<bool> {
    let found = aws.ec2.describe_images().image_ids(image).send().await.or_absent("DescribeImages")?;
    let Some(image) = found.and_then(|f| f.images?.into_iter().next()) else { return Ok(false) };
    match image.state() {
        Some(ImageState::Available) => Ok(true),
        Some(ImageState::Pending) | None => Ok(false),
        Some(other) => {
            let why = image.state_reason().and_then(|r| r.message()).unwrap_or("AWS gives no reason");
            Err(Error::other(format!("the image is {other}: {why}"), "`gameday bake` tries again"))
        }
    }
}

/// True if an image exists and can be launched.
pub async fn exists(aws: &Aws, image: &str) -> bool {
    is_available(aws, image).await.unwrap_or(false)
}

/// Deletes an image with its snapshots.
pub async fn delete(aws: &Aws, image: &str) -> Result<()> {
    let call = aws.ec2.deregister_image().image_id(image).delete_associated_snapshots(true);
    let Some(answer) = call.send().await.or_absent("DeregisterImage")? else { return Ok(()) };
    let kept = |r: &&aws_sdk_ec2::types::DeleteSnapshotReturnCode| {
        r.return_code().is_some_and(|c| *c != SnapshotReturnCodes::Success)
    };
    let kept = answer.delete_snapshot_results().iter().find(kept);
    kept.map_or(Ok(()), |r| {
        let (id, why) = (r.snapshot_id().unwrap_or("a snapshot"), r.return_code().map_or("", |c| c.as_str()));
        let help = crate::shell::command!("aws ec2 delete-snapshot --snapshot-id {} --region {}", id, aws.region);
        Err(Error::other(format!("{image} is gone, but its snapshot {id} is not: {why}"), format!("`{help}`")))
    })
}

/// Returns those of these images that something uses, with its name.
///
/// `templates` are the names of the stack's launch templates, whose default version is what its fleets launch.
pub async fn used(aws: &Aws, images: &[Image], templates: &[String]) -> Result<BTreeMap<String, String>> {
    let mut used = BTreeMap::new();
    if images.is_empty() {
        return Ok(used);
    }
    for versions in join_all(templates.iter().map(|name| listing::template_versions(aws, name))).await {
        let versions = versions?;
        let defaults = versions.iter().filter(|v| v.default_version() == Some(true));
        used.extend(defaults.filter_map(|v| {
            let template = v.launch_template_name().unwrap_or_default();
            Some((v.launch_template_data()?.image_id()?.to_owned(), format!("the launch template {template} names it")))
        }));
    }
    let ids = images.iter().map(|image| image.id.clone()).collect();
    let filter = Filter::builder().name("image-id").set_values(Some(ids)).build();
    used.extend(living(aws, filter).await?.iter().filter_map(|i| {
        Some((i.image_id()?.to_owned(), format!("the instance {} was launched from it", i.instance_id()?)))
    }));
    Ok(used)
}

/// What bakes have left of a stack: images, and instances of runs that were killed.
#[derive(Default)]
pub struct Baked {
    pub images: Vec<Image>,
    pub instances: Vec<String>,
}

impl Baked {
    /// Looks for what is the stack's. `templates` are the ids of its launch templates.
    pub async fn find(aws: &Aws, env: &Env, templates: &[&str]) -> Result<Self> {
        let (images, instances) = futures::join!(images(aws, &env.stack), instances(aws, &env.stack, templates));
        let is_ours = |image: &Image| env.consent.deletes(&image.id) || env.ownership.has_used(RECORD, &image.name);
        let without_right = |e: &Error| e.class() == Some(Class::Denied);
        let images = match images {
            Err(e) if without_right(&e) => vec![],
            found => found?,
        };
        Ok(Self { images: images.into_iter().filter(is_ours).collect(), instances: instances? })
    }

    /// Returns everything by key, with its id.
    pub fn list(&self) -> Vec<(Key, String)> {
        let instances = self.instances.iter().map(|id| (Key::new("instance", id), id.clone()));
        instances.chain(self.images.iter().map(|image| (image.key(), image.id.clone()))).collect()
    }

    /// Terminates the instances and waits until they are gone, since they hold subnet and security group.
    pub async fn remove_instances(&self, aws: &Aws, env: &Env) -> Report<bool> {
        let remove = |id: &String| {
            let id = id.clone();
            async move {
                let gone = async {
                    terminate(aws, &id).await?;
                    let end = tokio::time::Instant::now() + env.pace.of(TERMINATED * 10).max(TERMINATED);
                    while state(aws, &id).await?.is_some_and(|(state, _)| state != "terminated") {
                        if tokio::time::Instant::now() > end {
                            let help = "`gameday teardown` waits again";
                            return Err(Error::other(format!("{id} is not terminated yet"), help));
                        }
                        env.sleep(Duration::from_secs(2)).await?;
                    }
                    Ok(true)
                };
                (Key::new("instance", &id), gone.await.map_or_else(Visit::Failed, Visit::Done))
            }
        };
        Report(join_all(self.instances.iter().map(remove)).await)
    }

    /// Deletes the images with their snapshots.
    pub async fn remove_images(&self, aws: &Aws, env: &Env) -> Report<bool> {
        let mut all = vec![];
        for image in &self.images {
            let visit = match env.stop.is_requested() {
                true => Visit::NotStarted,
                false => delete(aws, &image.id).await.map_or_else(Visit::Failed, |()| Visit::Done(true)),
            };
            all.push((image.key(), visit));
        }
        Report(all)
    }
}

/// Returns the images that nothing needs: neither used, nor named by the stack file, nor the newest of their service.
///
/// The others come with the reason for which they stay. The images are sorted, the newest first.
pub fn unused(
    images: Vec<Image>,
    used: &BTreeMap<String, String>,
    named: &BTreeSet<&str>,
    is_ours: impl Fn(&Image) -> bool,
) -> (Vec<Image>, Vec<(Image, String)>) {
    let (mut goes, mut stays, mut services) = (vec![], vec![], BTreeSet::new());
    for image in images {
        if !is_ours(&image) {
            stays.push((image, "only its tags say that it is the stack's".into()));
            continue;
        }
        let is_newest = services.insert(image.service.clone());
        match used.get(&image.id) {
            Some(by) => stays.push((image, by.clone())),
            None if named.contains(image.id.as_str()) => stays.push((image, "the stack file names it".into())),
            None if is_newest => stays.push((image, "it is the newest of its service".into())),
            None => goes.push(image),
        }
    }
    (goes, stays)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(id: &str, service: &str) -> Image {
        Image {
            id: id.into(),
            name: format!("billing-{service}-{id}"),
            service: service.into(),
            made: String::new(),
            base: None,
            gigabytes: 8,
        }
    }

    #[test]
    fn an_image_goes_only_if_nothing_needs_it() {
        let all =
            [("new", "api"), ("launched", "api"), ("named", "api"), ("forged", "web"), ("old", "api"), ("web", "web")];
        let all = all.map(|(id, service)| image(id, service)).to_vec();
        let used = [("launched".to_owned(), "the instance i-1 was launched from it".to_owned())].into();
        let (goes, stays) = unused(all, &used, &["named"].into(), |image| image.id != "forged");
        assert_eq!(goes.iter().map(|i| i.id.as_str()).collect::<Vec<_>>(), ["old"]);
        let stays: Vec<_> = stays.iter().map(|(i, why)| (i.id.as_str(), why.as_str())).collect();
        assert_eq!(
            stays,
            [
                ("new", "it is the newest of its service"),
                ("launched", "the instance i-1 was launched from it"),
                ("named", "the stack file names it"),
                ("forged", "only its tags say that it is the stack's"),
                ("web", "it is the newest of its service"),
            ]
        );
    }
}
