//! A target tracking policy: it keeps a metric at its target by changing the number of instances.
use super::prelude::*;
use super::{auto_scaling_group::AutoScalingGroup, load_balancer::LoadBalancer, target_group::TargetGroup};
use aws_sdk_autoscaling::types::{
    MetricType, PredefinedMetricSpecification, ScalingPolicy as AwsPolicy, TargetTrackingConfiguration,
};

/// A policy of a group.
///
/// The step follows the listener or rule that forwards to the target group, since AWS refuses its label before.
pub struct ScalingPolicy {
    pub aws: Aws,
    pub group: Ref<AutoScalingGroup>,
    pub metric: Metric,
}

/// The metric, and its target value.
pub enum Metric {
    /// Requests that each target gets per minute.
    RequestsPerTarget { per_minute: f64, balancer: Ref<LoadBalancer>, target: Ref<TargetGroup> },
    /// Average CPU utilization of the group.
    Cpu { percent: f64 },
}

/// The managed fields of a scaling policy.
#[derive(Serialize)]
pub struct Spec {
    group: Known<String>,
    metric: String,
    /// The balancer and target group whose requests count.
    label: Option<Known<String>>,
    target: f64,
    scale_in: bool,
    enabled: bool,
}

/// The output, which is empty because no other step refers to the object.
#[derive(Clone, Serialize)]
pub struct Output {}

const REQUESTS: &str = "ALBRequestCountPerTarget";
const CPU: &str = "ASGAverageCPUUtilization";

impl Resource for ScalingPolicy {
    const KIND: &'static str = "scaling-policy";
    const OF_PARENT: bool = true;
    const ACTIONS: &'static [&'static str] =
        &["autoscaling:DescribePolicies", "autoscaling:PutScalingPolicy", "autoscaling:DeletePolicy"];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        let (metric, label, target) = match &self.metric {
            Metric::Cpu { percent } => (CPU, None, *percent),
            Metric::RequestsPerTarget { per_minute, balancer, target } => {
                let (balancer, target) =
                    (inputs.read(balancer, |b| b.metric.clone()), inputs.read(target, |t| t.metric.clone()));
                (REQUESTS, Some(balancer.and_then(|b| target.map(|t| format!("{b}/{t}")))), *per_minute)
            }
        };
        let group = inputs.read(&self.group, |g| g.name.clone());
        Spec { group, metric: metric.into(), label, target, scale_in: true, enabled: true }
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let Known::Now(group) = cx.read(&self.group, |g| g.name.clone()) else { return Ok(None) };
        let all = listing::scaling_policies(&self.aws, &group).await?;
        let name = cx.name();
        let Some(policy) = all.iter().find(|p| p.policy_name() == Some(&name)) else { return Ok(None) };
        Ok(Some(Found {
            spec: seen(&group, policy),
            output: Some(Output {}),
            phase: Phase::Ready,
            // The policy belongs to the group, which is the stack's.
            tags: cx.inherited(),
            id: name,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        let metric = PredefinedMetricSpecification::builder()
            .predefined_metric_type(MetricType::from(want.metric.as_str()))
            .set_resource_label(want.label.as_ref().map(|l| l.get().cloned()).transpose()?)
            .build();
        let tracking = TargetTrackingConfiguration::builder()
            .predefined_metric_specification(metric)
            .target_value(want.target)
            .disable_scale_in(!want.scale_in)
            .build();
        self.aws
            .autoscaling
            .put_scaling_policy()
            .auto_scaling_group_name(want.group.get()?)
            .policy_name(cx.name())
            .policy_type("TargetTrackingScaling")
            .target_tracking_configuration(tracking)
            .enabled(want.enabled)
            .send()
            .await
            .during("PutScalingPolicy")
            .map(drop)
    }

    async fn update(&self, cx: &Cx<'_>, want: &Spec, _: &Found<Self>, _: &Diff) -> Result<()> {
        self.create(cx, want).await
    }

    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        let call = self.aws.autoscaling.delete_policy().auto_scaling_group_name(found.spec.group.get()?);
        call.policy_name(&found.id).send().await.or_gone("DeletePolicy")
    }
}

fn seen(group: &str, policy: &AwsPolicy) -> Spec {
    let tracking = policy.target_tracking_configuration();
    let metric = tracking.and_then(|t| t.predefined_metric_specification());
    let kind = metric.and_then(|m| m.predefined_metric_type()).map(|t| t.as_str());
    Spec {
        group: Known::Now(group.into()),
        // Somebody put a policy of another type under this name.
        metric: kind.or(policy.policy_type()).unwrap_or_default().into(),
        label: metric.and_then(|m| m.resource_label()).map(|l| Known::Now(l.into())),
        target: tracking.and_then(|t| t.target_value()).unwrap_or_default(),
        scale_in: !tracking.and_then(|t| t.disable_scale_in()).unwrap_or_default(),
        enabled: policy.enabled().unwrap_or(true),
    }
}
