//! The look at the Auto Scaling group, its activities and its instances.
use crate::{
    aws::{error::AwsResult, listing, tags, words},
    bake,
    resources::instance_refresh,
    snapshot::{
        Depth, Look, Part, Snapshot, Whose,
        read::{some, time},
    },
};
use aws_sdk_autoscaling::types as asg;
use aws_sdk_ec2::types as ec2;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The Auto Scaling group of the service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AutoScalingGroup {
    pub name: String,
    /// The status, which AWS returns only while the group is being deleted.
    pub status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    pub min: i32,
    pub desired: i32,
    pub max: i32,
    /// The id of its launch template.
    pub template: Option<String>,
    /// The version of the launch template: a number, or `$Default`, `$Latest`.
    pub template_version: Option<String>,
    pub subnets: Vec<String>,
    pub zones: Vec<String>,
    /// The ARNs of its target groups.
    pub target_groups: Vec<String>,
    /// The names of its suspended processes.
    pub suspended: Vec<String>,
    pub health_check_type: String,
    pub grace_seconds: i32,
    pub members: Vec<Member>,
    /// The progress in percent of an instance refresh.
    ///
    /// The refresh is read only if there are members of another version of the launch template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh: Option<i32>,
}

impl AutoScalingGroup {
    /// Returns the members that were launched from another version of the launch template than this one.
    pub fn outdated(&self, version: Option<&str>) -> Vec<&Member> {
        let is_old =
            |m: &&Member| words::autoscaling::is_outdated(Some(&m.lifecycle), m.template_version.as_deref(), version);
        self.members.iter().filter(is_old).collect()
    }

    /// True if all members are in service and healthy, and their number is the desired one.
    fn is_complete(&self) -> bool {
        let in_service = |m: &&Member| m.lifecycle == "InService" && m.health.eq_ignore_ascii_case("healthy");
        self.status.is_none()
            && self.members.len() as i32 == self.desired
            && self.members.iter().filter(in_service).count() == self.members.len()
    }
}

/// An instance as its Auto Scaling group sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Member {
    pub id: String,
    pub zone: String,
    pub lifecycle: String,
    pub health: String,
    pub instance_type: String,
    pub template_version: Option<String>,
}

/// An activity of the Auto Scaling group: a launch, a termination or an update.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Activity {
    pub start: Timestamp,
    pub end: Option<Timestamp>,
    pub status: String,
    pub description: String,
    pub cause: String,
    pub message: Option<String>,
}

/// An EC2 instance of the service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Instance {
    pub id: String,
    pub state: String,
    /// The reason why the instance is stopped or terminated, in AWS's words.
    pub state_reason: Option<String>,
    pub zone: String,
    pub subnet: String,
    pub private_ip: Option<String>,
    pub public_ip: Option<String>,
    pub instance_type: String,
    pub image: String,
    pub launched_at: Option<Timestamp>,
    pub groups: Vec<String>,
    /// The name of its instance profile.
    pub profile: Option<String>,
}

/// The number of activities of an Auto Scaling group that are read.
const ACTIVITIES: i32 = 20;

/// Finds the Auto Scaling group by its name.
pub(super) async fn find(look: &Look<'_>) {
    let name = &look.expected.names.auto_scaling_group;
    let found = look.ask(Part::AutoScalingGroup, "DescribeAutoScalingGroups", async {
        Ok(listing::auto_scaling_group(look.aws, name).await?.map(group))
    });
    let Some(mut group) = found.await else { return };
    if !group.outdated(group.template_version.as_deref()).is_empty() {
        let refresh = instance_refresh::progress(look.aws, name);
        group.refresh = look.ask(Part::Activities, "DescribeInstanceRefreshes", refresh).await;
    }
    look.keep(|s| s.auto_scaling_group = Some(group));
}

/// Reads the activities of the Auto Scaling group.
///
/// Activities explain why an instance is missing, so a look at the request path skips them while the group is complete.
pub(super) async fn activities(look: &Look<'_>) {
    let complete = || look.seen(|s| s.auto_scaling_group.as_ref().is_some_and(AutoScalingGroup::is_complete));
    if look.depth == Depth::Path && complete() {
        return;
    }
    let all = look.ask(Part::Activities, "DescribeScalingActivities", async {
        let name = &look.expected.names.auto_scaling_group;
        let call = look.aws.autoscaling.describe_scaling_activities().auto_scaling_group_name(name);
        let found = call.max_records(ACTIVITIES).send().await.or_absent("DescribeScalingActivities")?;
        let all = found.and_then(|f| f.activities).unwrap_or_default();
        Ok(all.into_iter().map(activity).collect())
    });
    let all = all.await;
    look.keep(|s| s.activities = all);
}

/// Returns all instances of the VPC.
pub(super) async fn instances(look: &Look<'_>) -> Vec<Found> {
    let Some(vpc) = look.vpc() else { return vec![] };
    look.ask(Part::Instances, "DescribeInstances", async {
        let all = listing::instances(look.aws, &vpc).await?;
        Ok(all.iter().cloned().map(|i| instance(i, look.whose)).collect())
    })
    .await
}

/// Returns the instances of the service: those with the stack's tag, the members of its group, and its targets.
///
/// Instances with the stack's tag that the group of a sibling service has launched are left out.
pub(super) fn of_service(all: Vec<Found>, s: &Snapshot) -> Vec<Instance> {
    let is_sibling = |group: &String| s.expected.own.siblings.iter().any(|other| other.auto_scaling_group == *group);
    let is_ours = |i: &Found| {
        i.stack.as_deref() == Some(&s.whose.stack) && !i.group.as_ref().is_some_and(is_sibling)
            || s.auto_scaling_group.as_ref().is_some_and(|g| g.members.iter().any(|m| m.id == i.instance.id))
            || s.targets.iter().any(|t| t.id == i.instance.id)
    };
    all.into_iter().filter(is_ours).map(|i| i.instance).collect()
}

/// An instance and the stack that its tag names.
#[derive(Default)]
pub(super) struct Found {
    instance: Instance,
    /// The stack that its tag names, unless the instance is terminated.
    stack: Option<String>,
    /// The Auto Scaling group that launched it.
    group: Option<String>,
}

fn group(g: asg::AutoScalingGroup) -> AutoScalingGroup {
    let mixed = g.mixed_instances_policy.and_then(|m| m.launch_template?.launch_template_specification);
    let template = g.launch_template.or(mixed);
    let list = |text: Option<String>| -> Vec<String> {
        let text = text.unwrap_or_default();
        text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(Into::into).collect()
    };
    AutoScalingGroup {
        name: g.auto_scaling_group_name.unwrap_or_default(),
        status: some(g.status),
        created_at: g.created_time.as_ref().and_then(time),
        min: g.min_size.unwrap_or_default(),
        desired: g.desired_capacity.unwrap_or_default(),
        max: g.max_size.unwrap_or_default(),
        template: template.as_ref().and_then(|t| t.launch_template_id.clone()),
        template_version: template.map(|t| t.version.unwrap_or_else(|| "$Default".into())),
        subnets: list(g.vpc_zone_identifier),
        zones: g.availability_zones.unwrap_or_default(),
        target_groups: g.target_group_arns.unwrap_or_default(),
        suspended: g.suspended_processes.unwrap_or_default().into_iter().filter_map(|p| p.process_name).collect(),
        health_check_type: g.health_check_type.unwrap_or_default(),
        grace_seconds: g.health_check_grace_period.unwrap_or_default(),
        refresh: None,
        members: g
            .instances
            .unwrap_or_default()
            .into_iter()
            .map(|i| Member {
                id: i.instance_id.unwrap_or_default(),
                zone: i.availability_zone.unwrap_or_default(),
                lifecycle: i.lifecycle_state.map_or(String::new(), |s| s.as_str().into()),
                health: i.health_status.unwrap_or_default(),
                instance_type: i.instance_type.unwrap_or_default(),
                template_version: i.launch_template.and_then(|t| t.version),
            })
            .collect(),
    }
}

fn activity(a: asg::Activity) -> Activity {
    Activity {
        start: a.start_time.as_ref().and_then(time).unwrap_or_default(),
        end: a.end_time.as_ref().and_then(time),
        status: a.status_code.map_or(String::new(), |s| s.as_str().into()),
        description: a.description.unwrap_or_default(),
        cause: a.cause.unwrap_or_default(),
        message: some(a.status_message),
    }
}

fn instance(i: ec2::Instance, whose: &Whose) -> Found {
    let tag = |key: &str| i.tags().iter().find(|t| t.key() == Some(key)).and_then(|t| t.value()).map(Into::into);
    let (stack, group) = (tag(whose.keys.stack()), tag(tags::GROUP_TAG));
    let state = i.state.as_ref().and_then(|s| s.name()).map_or("unknown", |n| n.as_str());
    Found {
        // A baking instance has the stack's tag, and never serves.
        stack: stack.filter(|_| state != "terminated" && tag(&whose.keys.other(bake::TAG)).is_none()),
        group,
        instance: Instance {
            state: state.into(),
            state_reason: some(i.state_reason.and_then(|r| r.message)),
            id: i.instance_id.unwrap_or_default(),
            zone: i.placement.and_then(|p| p.availability_zone).unwrap_or_default(),
            subnet: i.subnet_id.unwrap_or_default(),
            private_ip: i.private_ip_address,
            public_ip: i.public_ip_address,
            instance_type: i.instance_type.map_or(String::new(), |t| t.as_str().into()),
            image: i.image_id.unwrap_or_default(),
            launched_at: i.launch_time.as_ref().and_then(time),
            groups: i.security_groups.unwrap_or_default().into_iter().filter_map(|g| g.group_id).collect(),
            profile: i.iam_instance_profile.and_then(|p| p.arn).as_deref().map(last),
        },
    }
}

/// Returns the name at the end of an ARN.
pub(super) fn last(arn: &str) -> String {
    arn.rsplit('/').next().unwrap_or(arn).to_owned()
}
