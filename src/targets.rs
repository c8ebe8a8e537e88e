//! The machines behind a load balancer: list, attach, detach.
//!
//! The commands work on any Application or Network Load Balancer of the account by name, on instances only, and only as
//! Elastic Load Balancing itself allows.
use crate::{
    aws::{Aws, error::AwsResult, tags},
    error::{Class, Error as AwsError, Help as _},
    snapshot::{self, Target, is_instance_id},
};
use aws_sdk_ec2::types::{Filter, Instance};
use aws_sdk_elasticloadbalancingv2::types::{TargetDescription, TargetGroup, TargetTypeEnum};
use futures::future::try_join_all;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The largest number of values in one EC2 filter.
const FILTER: usize = 200;

/// An instance behind a balancer, with the names that the API of the big screen gives it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    pub instance_id: String,
    /// The instance type; `None`: EC2 no longer knows the instance.
    pub instance_type: Option<String>,
    /// The launch time, in RFC 3339, UTC.
    pub launch_date: Option<Timestamp>,
    #[serde(skip)]
    pub zone: Option<String>,
    /// The health, in the target group's word: `healthy`, `initial`, `unhealthy`…
    #[serde(skip)]
    pub health: Option<String>,
    /// The Auto Scaling group that launched the instance.
    #[serde(skip)]
    pub fleet: Option<String>,
}

/// Why a change of targets failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no load balancer {name} in this account and region")]
    NoBalancer { name: String, others: Vec<String> },
    #[error("{0:?} is not an instance id")]
    NoId(String),
    #[error("there is no instance {0} in this account and region")]
    NoInstance(String),
    #[error("{balancer} sends requests to no target group that takes instances")]
    NoGroup { balancer: String },
    #[error("{balancer} has several target groups: {}", .groups.join(", "))]
    Several { balancer: String, groups: Vec<String> },
    #[error("{id} is behind {balancer} already")]
    Attached { id: String, balancer: String },
    #[error("{id} is not behind {balancer}")]
    NotAttached { id: String, balancer: String },
    #[error("{id} is {state}: only a running instance can be behind a balancer")]
    NotRunning { id: String, state: String },
    #[error("{id} is in {}, {balancer}'s target group in {wanted}", .vpc.as_deref().unwrap_or("no VPC"))]
    OtherVpc { id: String, vpc: Option<String>, balancer: String, wanted: String },
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl Error {
    /// Returns what the user can do about the error.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::NoBalancer { others, .. } if others.is_empty() => {
                "there are none: `gameday up` creates the stack's".into()
            }
            Self::NoBalancer { name, others } => {
                let near = others
                    .iter()
                    .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
                format!("did you mean {}? All of them: {}", near.map_or("", |n| n), others.join(", "))
            }
            Self::NoId(_) => "it looks like i-0123456789abcdef0; `gameday targets list` shows them".into(),
            Self::NoInstance(_) => "check the id, and --region: an instance and its balancer are in one".into(),
            Self::NoGroup { .. } => {
                "`gameday why` says what is missing on the way; `gameday up balancer` repairs it".into()
            }
            Self::Several { .. } => {
                "gameday cannot guess which one is meant: `aws elbv2 register-targets --target-group-arn …` names it"
                    .into()
            }
            Self::Attached { .. } => "nothing to do; `gameday targets list` shows its health".into(),
            Self::NotAttached { .. } => "`gameday targets list` shows which instances are".into(),
            Self::NotRunning { .. } => "start it, or choose another one".into(),
            Self::OtherVpc { .. } => "choose an instance of the balancer's own VPC".into(),
            Self::Aws(e) => return e.help(),
        })
    }

    /// Converts the error to the common error of all verbs.
    pub fn plain(self) -> AwsError {
        let help = self.help().unwrap_or_default();
        match self {
            Self::Aws(e) => e,
            e => AwsError::other(e.to_string(), help),
        }
    }
}

type Result<T> = std::result::Result<T, Error>;

/// A target group for instances, with its targets.
struct Group {
    arn: String,
    name: String,
    vpc: String,
    /// The targets, without those that are draining.
    targets: Vec<Target>,
}

impl Group {
    fn has(&self, id: &str) -> bool {
        self.targets.iter().any(|t| t.id == id)
    }
}

/// Returns the machines in all target groups of a load balancer, by id.
pub async fn list(aws: &Aws, balancer: &str) -> Result<Vec<Machine>> {
    let groups = groups(aws, balancer).await?;
    let targets = groups.iter().flat_map(|g| &g.targets);
    let health: BTreeMap<&str, &str> = targets.map(|t| (t.id.as_str(), t.state.as_str())).collect();
    let known = instances(aws, health.keys().copied().collect()).await?;
    Ok(health.into_iter().map(|(id, state)| machine(id, known.get(id), Some(state))).collect())
}

/// Registers an instance on the target group's own port. If there are several target groups, the one named `own` is
/// used.
pub async fn attach(aws: &Aws, balancer: &str, own: &str, id: &str) -> Result<Machine> {
    check_id(id)?;
    let groups = groups(aws, balancer).await?;
    let group = match &groups[..] {
        [] => return Err(Error::NoGroup { balancer: balancer.into() }),
        [one] => one,
        several => several.iter().find(|g| g.name == own).ok_or_else(|| Error::Several {
            balancer: balancer.into(),
            groups: several.iter().map(|g| g.name.clone()).collect(),
        })?,
    };
    if group.has(id) {
        return Err(Error::Attached { id: id.into(), balancer: balancer.into() });
    }
    let found = instances(aws, [id].into()).await?;
    let instance = found.get(id).ok_or_else(|| Error::NoInstance(id.into()))?;
    let state = instance.state().and_then(|s| s.name()).map_or("unknown", |s| s.as_str());
    // ELB's RegisterTargets: "The instance must be in the running state when you register it."
    if state != "running" {
        return Err(Error::NotRunning { id: id.into(), state: state.into() });
    }
    if instance.vpc_id() != Some(&group.vpc) {
        return Err(Error::OtherVpc {
            id: id.into(),
            vpc: instance.vpc_id().map(Into::into),
            balancer: balancer.into(),
            wanted: group.vpc.clone(),
        });
    }
    aws.elb
        .register_targets()
        .target_group_arn(&group.arn)
        .targets(target(id))
        .send()
        .await
        .during("RegisterTargets")?;
    Ok(machine(id, Some(instance), None))
}

/// Deregisters an instance from all target groups of a load balancer. Requests under way are finished within the
/// deregistration delay.
pub async fn detach(aws: &Aws, balancer: &str, id: &str) -> Result<Machine> {
    check_id(id)?;
    let groups = groups(aws, balancer).await?;
    let found = instances(aws, [id].into()).await?;
    let with: Vec<&Group> = groups.iter().filter(|g| g.has(id)).collect();
    if with.is_empty() {
        return Err(match found.get(id) {
            Some(_) => Error::NotAttached { id: id.into(), balancer: balancer.into() },
            None => Error::NoInstance(id.into()),
        });
    }
    for group in with {
        let call = aws.elb.deregister_targets().target_group_arn(&group.arn).targets(target(id));
        call.send().await.during("DeregisterTargets")?;
    }
    Ok(machine(id, found.get(id), None))
}

fn check_id(id: &str) -> Result<()> {
    if is_instance_id(id) { Ok(()) } else { Err(Error::NoId(id.into())) }
}

fn target(id: &str) -> TargetDescription {
    TargetDescription::builder().id(id).build()
}

fn machine(id: &str, known: Option<&Instance>, health: Option<&str>) -> Machine {
    let tag = |t: &aws_sdk_ec2::types::Tag| t.value().filter(|_| t.key() == Some(tags::GROUP_TAG)).map(Into::into);
    let since = |i: &Instance| i.launch_time().and_then(|t| Timestamp::new(t.secs(), 0).ok());
    Machine {
        instance_id: id.into(),
        instance_type: known.and_then(|i| i.instance_type()).map(|t| t.as_str().into()),
        launch_date: known.and_then(since),
        zone: known.and_then(|i| i.placement()).and_then(|p| p.availability_zone()).map(Into::into),
        health: health.map(Into::into),
        fleet: known.and_then(|i| i.tags().iter().find_map(tag)),
    }
}

/// Returns the target groups for instances that the load balancer's listeners and rules forward to.
async fn groups(aws: &Aws, balancer: &str) -> Result<Vec<Group>> {
    let arn = arn(aws, balancer).await?;
    let pages = aws.elb.describe_target_groups().load_balancer_arn(&arn).into_paginator().items().send();
    let all: Option<Vec<TargetGroup>> = pages.try_collect().await.or_absent("DescribeTargetGroups")?;
    let groups = all.unwrap_or_default().into_iter();
    let groups = groups.filter(|g| g.target_type() == Some(&TargetTypeEnum::Instance)).map(async |g| {
        let text = |t: Option<&str>| t.unwrap_or_default().to_owned();
        let arn = text(g.target_group_arn());
        let mut targets = snapshot::targets(aws, &arn).await?;
        targets.retain(|t| t.state != "draining");
        Ok::<_, Error>(Group { name: text(g.target_group_name()), vpc: text(g.vpc_id()), arn, targets })
    });
    try_join_all(groups).await
}

async fn arn(aws: &Aws, balancer: &str) -> Result<String> {
    let named = aws.elb.describe_load_balancers().names(balancer).send().await;
    let found = match named.or_absent("DescribeLoadBalancers") {
        // A name that AWS would reject does not exist.
        Err(e) if e.class() == Some(Class::Invalid) => None,
        found => found?,
    };
    if let Some(arn) = found.and_then(|f| f.load_balancers?.pop()?.load_balancer_arn) {
        return Ok(arn);
    }
    let others = balancers(aws).await?;
    Err(Error::NoBalancer { name: balancer.into(), others: others.into_iter().collect() })
}

/// Returns the names of all load balancers of the account and region.
pub async fn balancers(aws: &Aws) -> Result<BTreeSet<String>> {
    let all = aws.elb.describe_load_balancers().into_paginator().items().send();
    let all: Vec<_> = all.try_collect().await.during("DescribeLoadBalancers")?;
    Ok(all.into_iter().filter_map(|b| b.load_balancer_name).collect())
}

/// Returns those of the instances that EC2 knows. They are found by a filter, because an unknown id would fail the call
/// for all.
async fn instances(aws: &Aws, ids: BTreeSet<&str>) -> Result<BTreeMap<String, Instance>> {
    let ids: Vec<String> = ids.into_iter().filter(|id| is_instance_id(id)).map(Into::into).collect();
    let calls = ids.chunks(FILTER).map(async |some| {
        let filter = Filter::builder().name("instance-id").set_values(Some(some.to_vec())).build();
        let pages = aws.ec2.describe_instances().filters(filter).into_paginator().items().send();
        let found: Vec<_> = pages.try_collect().await.during("DescribeInstances")?;
        Ok::<_, Error>(found.into_iter().flat_map(|r| r.instances.unwrap_or_default()).collect::<Vec<_>>())
    });
    let found = try_join_all(calls).await?.into_iter().flatten();
    Ok(found.filter_map(|i| Some((i.instance_id.clone()?, i))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_from_other_texts() {
        for good in ["i-0123456789abcdef0", "i-0a1b2c3d"] {
            assert!(is_instance_id(good), "{good}");
        }
        for bad in
            ["", "i-", "i-0123456789ABCDEF0", "i-0123456789abcdef", "x-0123456789abcdef0", "i-0123456789abcdef0 ", "*"]
        {
            assert!(!is_instance_id(bad), "{bad}");
        }
    }

    #[test]
    fn a_machine_is_told_as_document_004_does() {
        let machine = Machine {
            instance_id: "i-0592fe5ccee879f04".into(),
            instance_type: Some("t2.micro".into()),
            launch_date: Some("2019-10-01T18:54:00Z".parse().unwrap()),
            health: Some("healthy".into()),
            ..Machine::default()
        };
        let told =
            r#"{"instanceId":"i-0592fe5ccee879f04","instanceType":"t2.micro","launchDate":"2019-10-01T18:54:00Z"}"#;
        assert_eq!(serde_json::to_string(&machine).unwrap(), told);
    }
}
