//! The look at the target group and the health of its targets.
use crate::{
    aws::{Aws, error::AwsResult, listing},
    error::Result,
    snapshot::{
        Look, Part,
        read::{port, some},
    },
};
use aws_sdk_elasticloadbalancingv2::types as elb;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The target group of the service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetGroup {
    pub arn: String,
    pub name: String,
    pub port: u16,
    pub protocol: String,
    pub target_type: String,
    pub vpc: String,
    pub health: HealthCheck,
    pub attributes: BTreeMap<String, String>,
    /// The ARNs of the balancers that use it.
    pub balancers: Vec<String>,
}

/// The health check of a target group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthCheck {
    pub enabled: bool,
    pub protocol: String,
    /// A port number, or `traffic-port`.
    pub port: String,
    pub path: String,
    pub matcher: String,
    pub interval: i32,
    pub timeout: i32,
    /// The number of good checks in a row that make a target healthy.
    pub healthy_after: i32,
    /// The number of failed checks in a row that make a target unhealthy.
    pub unhealthy_after: i32,
}

/// A target with its health.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Target {
    pub id: String,
    pub port: u16,
    pub state: String,
    /// The reason code: `Target.FailedHealthChecks`, `Elb.InternalError`…
    pub reason: Option<String>,
    pub description: Option<String>,
}

/// Finds the target group by its name.
pub(super) async fn find(look: &Look<'_>) {
    let found = look.ask(Part::TargetGroup, "DescribeTargetGroups", async {
        Ok(listing::target_group(look.aws, &look.expected.names.target_group).await?.map(target_group))
    });
    let found = found.await;
    look.keep(|s| s.target_group = found);
}

/// Reads the targets with their health.
pub(super) async fn health(look: &Look<'_>) {
    let Some(arn) = arn(look) else { return };
    let all = look.ask(Part::Targets, "DescribeTargetHealth", targets(look.aws, &arn)).await;
    look.keep(|s| s.targets = all);
}

/// Reads the attributes of the target group.
pub(super) async fn attributes(look: &Look<'_>) {
    let Some(arn) = arn(look) else { return };
    let all = look.ask(Part::TargetGroupAttributes, "DescribeTargetGroupAttributes", async {
        let found = listing::target_group_attributes(look.aws, &arn).await?;
        Ok(found.unwrap_or_default().into_iter().filter_map(|a| Some((a.key?, a.value?))).collect())
    });
    let all = all.await;
    look.keep(|s| s.target_group.iter_mut().for_each(|t| t.attributes.clone_from(&all)));
}

/// Returns the ARN of the target group, if it was found.
fn arn(look: &Look<'_>) -> Option<String> {
    look.seen(|s| Some(s.target_group.as_ref()?.arn.clone()))
}

/// Returns the targets of a target group with their health, with one call.
///
/// A target group that does not exist has no targets.
///
/// # Errors
/// AWS refuses the call.
pub async fn targets(aws: &Aws, target_group: &str) -> Result<Vec<Target>> {
    let call = aws.elb.describe_target_health().target_group_arn(target_group).send().await;
    let found = call.or_absent("DescribeTargetHealth")?.and_then(|f| f.target_health_descriptions);
    Ok(found.unwrap_or_default().into_iter().map(target).collect())
}

fn target_group(t: elb::TargetGroup) -> TargetGroup {
    TargetGroup {
        arn: t.target_group_arn.unwrap_or_default(),
        name: t.target_group_name.unwrap_or_default(),
        port: port(t.port),
        protocol: t.protocol.map_or(String::new(), |p| p.as_str().into()),
        target_type: t.target_type.map_or(String::new(), |k| k.as_str().into()),
        vpc: t.vpc_id.unwrap_or_default(),
        health: HealthCheck {
            enabled: t.health_check_enabled.unwrap_or(true),
            protocol: t.health_check_protocol.map_or(String::new(), |p| p.as_str().into()),
            port: t.health_check_port.unwrap_or_default(),
            path: t.health_check_path.unwrap_or_default(),
            matcher: t.matcher.and_then(|m| m.http_code).unwrap_or_default(),
            interval: t.health_check_interval_seconds.unwrap_or_default(),
            timeout: t.health_check_timeout_seconds.unwrap_or_default(),
            healthy_after: t.healthy_threshold_count.unwrap_or_default(),
            unhealthy_after: t.unhealthy_threshold_count.unwrap_or_default(),
        },
        attributes: BTreeMap::new(),
        balancers: t.load_balancer_arns.unwrap_or_default(),
    }
}

fn target(t: elb::TargetHealthDescription) -> Target {
    let health = t.target_health;
    let target = t.target;
    Target {
        port: port(target.as_ref().and_then(|t| t.port)),
        id: target.and_then(|t| t.id).unwrap_or_default(),
        state: health.as_ref().and_then(|h| h.state()).map_or("unknown".into(), |s| s.as_str().into()),
        reason: health.as_ref().and_then(|h| h.reason()).map(|r| r.as_str().into()),
        description: some(health.and_then(|h| h.description)),
    }
}
