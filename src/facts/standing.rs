//! What stands of the stack already: fleets of before, names that are not the file's, ranges that are in use.
use crate::{
    aws::{Aws, error::AwsResult, listing, tags},
    config::{Config, ExistingSubnet, Identities, Kind, Mode, Origin, Owner, ServiceScope},
    engine::{Key, Record, TagKeys, Tags, is_id, is_id_or_name},
    error::Result,
    record,
    resources::launch_template::OURS,
};
use aws_sdk_autoscaling::types::{AutoScalingGroup, Filter as AsgFilter};
use aws_sdk_ec2::types::{LaunchTemplateVersion, SecurityGroup, Subnet};
use futures::future::{join_all, try_join_all};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// All Auto Scaling groups of the stack.
pub async fn fleets(aws: &Aws, stack: &str) -> Result<Rc<Vec<AutoScalingGroup>>> {
    let call = async || {
        let filter = AsgFilter::builder().name(format!("tag:{}", aws.keys.stack())).values(stack).build();
        let call = aws.autoscaling.describe_auto_scaling_groups().filters(filter);
        call.into_paginator().items().send().try_collect().await.during("DescribeAutoScalingGroups")
    };
    aws.reads.get(format!("Auto Scaling groups of stack {stack}"), call).await
}

/// The steps that say so in their tags.
pub fn steps_of<'a>(keys: &'a TagKeys, fleets: &'a [AutoScalingGroup]) -> impl Iterator<Item = &'a str> {
    let steps = fleets.iter().flat_map(|g| g.tags()).filter(|t| t.key() == Some(keys.step())).filter_map(|t| t.value());
    steps.filter(|step| Key::is_one(step)).filter_map(|s| s.strip_prefix("auto-scaling-group/"))
}

/// Under which keys the services' own steps exist: the security groups of the stack say so. Where they may not be looked
/// at, each service has its own.
pub async fn identities(aws: &Aws, config: &Config) -> Identities {
    let (groups, record) = futures::join!(listing::security_groups(aws), record::seen(aws, &config.name));
    let Ok(groups) = groups else { return config.identities.clone() };
    let of = |group: &SecurityGroup| {
        let tags = tags::ec2::from(group.tags());
        let step = tags.get(aws.keys.step()).filter(|_| tags.get(aws.keys.stack()) == Some(&config.name))?;
        // A tag is a claim.
        let is_made = record.as_ref().is_none_or(|r| r.may_have_made(step, group.group_id().unwrap_or_default()));
        Some(step.strip_prefix("security-group/")?.to_owned()).filter(|_| is_made && Key::is_one(step))
    };
    config.identities_of(groups.iter().filter_map(of))
}

/// Fleets of the stack that still serve and are not those of the stack file. Where they may not be looked at, the
/// fleets' own steps say so.
pub(super) async fn older(aws: &Aws, config: &Config) -> Vec<String> {
    let now: BTreeSet<String> = config.services().map(|service| service.slot()).collect();
    let is_now = |slot: &str| now.contains(slot);
    // Nothing that is named after another one: that needs no call of its own.
    let tagged = tags::of_stack(aws, &config.name).await.unwrap_or_default();
    let other = |t: &Tags| {
        t.get(aws.keys.step()).and_then(|s| s.strip_prefix("target-group/")).is_some_and(|slot| !is_now(slot))
    };
    if !tagged.is_empty() && !tagged.values().any(other) {
        return vec![];
    }
    let fleets = fleets(aws, &config.name).await.unwrap_or_default();
    let record = record::seen(aws, &config.name).await;
    let is_ours = |g: &&AutoScalingGroup| {
        let (step, name) = (steps_of(&aws.keys, std::slice::from_ref(*g)).next(), g.auto_scaling_group_name());
        let (key, name) = (format!("auto-scaling-group/{}", step.unwrap_or_default()), name.unwrap_or_default());
        let may_be = |r: &Record| r.has_made(&key, name) || r.may_have_made(&key, name) && name == config.name_of(&key);
        record.as_ref().is_none_or(may_be)
    };
    let serving: Vec<_> = fleets.iter().filter(|g| g.status().is_none()).filter(is_ours).cloned().collect();
    steps_of(&aws.keys, &serving).filter(|slot| !is_now(slot)).map(Into::into).collect()
}

/// The account that owns the subnets which the stack has made, if any.
pub(super) async fn owner(aws: &Aws, config: &Config) -> Option<String> {
    if config.network.mode == Origin::Use {
        return None;
    }
    let subnets = listing::subnets(aws).await.ok()?;
    let record = record::seen(aws, &config.name).await;
    ours_of(aws, config, &subnets, record.as_ref()).next()?.owner_id().map(Into::into)
}

/// The subnets that the stack has made.
pub(super) fn ours_of<'a>(
    aws: &'a Aws,
    config: &'a Config,
    subnets: &'a [Subnet],
    record: Option<&'a Record>,
) -> impl Iterator<Item = &'a Subnet> {
    subnets.iter().filter(move |s| {
        let tags = tags::ec2::from(s.tags());
        let is_made = |step: &String| record.is_none_or(|r| r.may_have_made(step, s.subnet_id().unwrap_or_default()));
        tags.get(aws.keys.stack()) == Some(&config.name) && tags.get(aws.keys.step()).is_some_and(is_made)
    })
}

/// The ranges of all subnets in the VPC that is ours. Where they may not be looked at, the subnets' own steps say so.
pub(super) async fn ranges(aws: &Aws, config: &Config) -> Result<Vec<ExistingSubnet>> {
    if config.network.mode == Origin::Use {
        return Ok(vec![]);
    }
    let (subnets, vpcs, record) =
        futures::join!(listing::subnets(aws), listing::vpcs(aws), record::seen(aws, &config.name));
    let (subnets, vpcs) = (subnets?, vpcs?);
    let ours = |tags: &Tags| tags.get(aws.keys.stack()) == Some(&config.name);
    let proven = |tags: Tags, id: Option<&str>| {
        let step = tags.get(aws.keys.step()).map(String::as_str).unwrap_or_default();
        ours(&tags) && record.as_ref().is_none_or(|r| r.may_have_made(step, id.unwrap_or_default()))
    };
    let by_tag = vpcs.iter().filter(|v| proven(tags::ec2::from(v.tags()), v.vpc_id())).filter_map(|v| v.vpc_id());
    let by_subnet =
        subnets.iter().filter(|s| proven(tags::ec2::from(s.tags()), s.subnet_id())).filter_map(|s| s.vpc_id());
    let homes: BTreeSet<&str> = by_tag.chain(by_subnet).collect();
    let range = |s: &aws_sdk_ec2::types::Subnet| {
        let tags = tags::ec2::from(s.tags());
        let step = tags.get(aws.keys.step()).filter(|_| ours(&tags)).and_then(|s| s.strip_prefix("subnet/"));
        let owner = match step {
            Some(name) if name.starts_with("public-") => Owner::Public,
            Some(name) if name.starts_with("private-") => Owner::Private,
            Some(name) if name.starts_with("app-") => Owner::App,
            // The stack's tag alone, or the step's: what is left of ours.
            _ if tags.get(aws.keys.stack()).is_none_or(|s| *s == config.name) => Owner::Unknown,
            _ => Owner::Others,
        };
        Some(ExistingSubnet { cidr: s.cidr_block()?.parse().ok()?, zone: s.availability_zone()?.into(), owner })
    };
    Ok(subnets.iter().filter(|s| s.vpc_id().is_some_and(|id| homes.contains(id))).filter_map(range).collect())
}

/// The steps that stand under names that are not the file's.
#[derive(Default)]
pub(super) struct Names {
    /// The stack's own: a name under `[names]` was changed, given or taken away after the object was made.
    pub names: BTreeMap<String, String>,
    /// Objects with the tags of a step that nothing else says to be the stack's: the step, and their name.
    pub claims: Vec<(String, String)>,
}

/// An object that carries the tags of a step.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Object {
    name: String,
    arn: String,
}

impl Object {
    /// What the kinds take for its id: the name, the ARN or the last part of that.
    fn ids(&self) -> impl Iterator<Item = &str> {
        [self.name.as_str(), self.arn.as_str(), self.arn.rsplit('/').next().unwrap_or_default()].into_iter()
    }
}

/// The names under which steps stand, by the tags of their objects, where those are not the file's. An account that does
/// not let us list them has none.
pub(super) async fn standing(aws: &Aws, config: &Config) -> Rc<Names> {
    let look = async || {
        let mut objects: BTreeMap<String, BTreeSet<Object>> = BTreeMap::new();
        for (arn, tags) in tags::of_stack(aws, &config.name).await?.iter() {
            let Some(step) = tags.get(aws.keys.step()).filter(|step| Key::is_one(step)) else { continue };
            let name = match arn.split_once(":launch-template/") {
                Some((_, id)) => template_name(aws, &config.name_of(step), id).await,
                None => Kind::name_in(arn).map(Into::into),
            };
            if let Some(name) = name {
                objects.entry(step.clone()).or_default().insert(Object { name, arn: arn.clone() });
            }
        }
        // Groups are not listed by their tags either. Where those of the usual names exist, nobody looks for others.
        let usual = config.services().map(|service| config.name_of(&service.key("auto-scaling-group")));
        let usual = try_join_all(usual.map(async |name| listing::auto_scaling_group(aws, &name).await)).await?;
        let fleets = match usual.iter().all(Option::is_some) {
            true => Rc::default(),
            false => fleets(aws, &config.name).await?,
        };
        for fleet in fleets.iter() {
            let step = fleet.tags().iter().find(|t| t.key() == Some(aws.keys.step())).and_then(|t| t.value());
            if let (Some(step), Some(name)) = (step, fleet.auto_scaling_group_name()) {
                let arn = fleet.auto_scaling_group_arn().unwrap_or_default().into();
                objects.entry(step.into()).or_default().insert(Object { name: name.into(), arn });
            }
        }
        if config.iam.mode == Mode::Create {
            let found = join_all(config.services().map(|service| identity(aws, config, service, &objects))).await;
            for (step, name) in found.into_iter().flatten() {
                objects.entry(step).or_default().insert(Object { name, arn: String::new() });
            }
        }
        if objects.is_empty() {
            return Ok(Names::default());
        }
        let record = record::seen(aws, &config.name).await;
        let mut all = Names::default();
        for (step, objects) in objects {
            let usual = config.name_of(&step);
            // What a tag says, everybody can say who may tag. Without a record nothing else does; and what a run may have
            // made that was cut has the usual name.
            let is_ours = |o: &Object| record.as_ref().is_some_and(|r| o.ids().any(|id| r.has_made(&step, id)));
            let (ours, claims): (Vec<_>, Vec<_>) = objects.iter().partition(|o| o.name == usual || is_ours(o));
            // What is only to be deleted does not hide the stack's own.
            let given = objects.iter().find(|o| is_adopted(config, &step, o));
            let given = given.or(claims.iter().copied().find(|o| ours.is_empty() && is_to_delete(config, o)));
            let other = match (given, &ours[..]) {
                (Some(given), _) => Some(given),
                (None, [only]) => Some(*only),
                (None, _) => None,
            };
            all.names.extend(other.filter(|o| o.name != usual).map(|o| (step.clone(), o.name.clone())));
            let claims = claims.into_iter().filter(|o| given.is_none_or(|g| g != *o));
            all.claims.extend(claims.map(|o| (step.clone(), o.name.clone())));
        }
        Ok(all)
    };
    aws.reads.get("names that are not the file's", look).await.unwrap_or_default()
}

/// Whether the command line names it for this step.
fn is_adopted(config: &Config, step: &str, object: &Object) -> bool {
    config.given.adopt.get(step).is_some_and(|given| object.ids().any(|id| is_id_or_name(given, id)))
}

/// Whether the command line names it for deletion.
fn is_to_delete(config: &Config, object: &Object) -> bool {
    object.ids().any(|id| config.given.delete.iter().any(|given| is_id(given, id)))
}

/// The name under which a step stands, or would.
pub(super) async fn name_in_account(aws: &Aws, config: &Config, key: &str) -> String {
    standing(aws, config).await.names.get(key).cloned().unwrap_or_else(|| config.name_of(key))
}

/// The instance profile of a service's launch template that stands and the role in it, by step: IAM's are not listed by their
/// tags.
async fn identity(
    aws: &Aws,
    config: &Config,
    service: ServiceScope<'_>,
    objects: &BTreeMap<String, BTreeSet<Object>>,
) -> Vec<(String, String)> {
    let look = async || {
        let step = service.key("launch-template");
        let known = objects.get(&step).and_then(|n| n.first());
        let template = known.map_or_else(|| config.name_of(&step), |o| o.name.clone());
        let versions = listing::template_versions(aws, &template).await.ok()?;
        let name = ours(&versions)?.launch_template_data()?.iam_instance_profile()?.name()?.to_owned();
        let profile = listing::instance_profile(aws, &name).await.ok()?;
        let profile = profile.as_ref().as_ref()?;
        let is_ours = |tags: &[aws_sdk_iam::types::Tag], step: &str| {
            let tags = tags::iam::from(tags);
            tags.get(aws.keys.stack()) == Some(&config.name) && tags.get(aws.keys.step()).is_some_and(|s| s == step)
        };
        let [of_profile, of_role] = ["instance-profile", "role"].map(|kind| service.key(kind));
        let mut found = vec![];
        if is_ours(profile.tags(), &of_profile) {
            found.push((of_profile, name));
        }
        // One that somebody put in its place is not ours under another name.
        if let Some(role) = profile.roles().first().map(|r| r.role_name())
            && role != config.name_of(&of_role)
            && let Ok(answer) = aws.iam.get_role().role_name(role).send().await
            && answer.role().is_some_and(|r| is_ours(r.tags(), &of_role))
        {
            found.push((of_role, role.to_owned()));
        }
        Some(found)
    };
    look().await.unwrap_or_default()
}

/// The versions of a launch template that say they are ours, the default first, then the newest. Whoever may add a version
/// can write that description; to make it the default takes another right.
pub(super) fn said_ours(versions: &[LaunchTemplateVersion]) -> Vec<&LaunchTemplateVersion> {
    let ours = versions.iter().filter(|v| v.version_description().is_some_and(|d| d.starts_with(OURS)));
    let mut ours: Vec<_> = ours.collect();
    ours.sort_by_key(|v| std::cmp::Reverse((v.default_version(), v.version_number())));
    ours
}

/// The version that is most likely ours, for what changes nothing.
pub(super) fn ours(versions: &[LaunchTemplateVersion]) -> Option<&LaunchTemplateVersion> {
    said_ours(versions).into_iter().next()
}

/// The name of a launch template, which is asked for only when none has the usual one.
async fn template_name(aws: &Aws, usual: &str, id: &str) -> Option<String> {
    if !listing::template_versions(aws, usual).await.ok()?.is_empty() {
        return Some(usual.into());
    }
    let call = aws.ec2.describe_launch_templates().launch_template_ids(id).send().await;
    call.or_absent("DescribeLaunchTemplates").ok()??.launch_templates?.pop()?.launch_template_name
}
