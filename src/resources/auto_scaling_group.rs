//! An Auto Scaling group of instances made from the launch template, registered with the target groups.
use super::instance_refresh::{outdated, refresh, stop_refresh};
use super::prelude::*;
use super::{launch_template::LaunchTemplate, subnet::Subnet, target_group::TargetGroup};
use aws_sdk_autoscaling::types::{
    AutoScalingGroup as AwsGroup, InstanceMaintenancePolicy, InstancesDistribution, LaunchTemplate as Mixed,
    LaunchTemplateOverrides, LaunchTemplateSpecification, MixedInstancesPolicy, Tag,
};

/// The wanted Auto Scaling group.
pub struct AutoScalingGroup {
    pub aws: Aws,
    pub template: Ref<LaunchTemplate>,
    pub subnets: Vec<Ref<Subnet>>,
    pub targets: Vec<Ref<TargetGroup>>,
    pub min: i32,
    /// The initial number of instances. Scaling then decides between `min` and `max`.
    pub desired: i32,
    pub max: i32,
    /// Seconds from launch during which a failed health check does not replace an instance.
    pub grace: i32,
    /// Seconds until a new instance counts in the scaling metrics.
    pub warmup: i32,
    /// The share of Spot instances, if any.
    pub spot: Option<SpotMix>,
    pub instance_type: String,
}

/// The share of Spot instances in a group.
#[derive(Clone, Debug)]
pub struct SpotMix {
    /// The number of instances that are always on demand.
    pub base: i32,
    /// Percent of the other instances that are on demand.
    pub percent: i32,
    /// Alternative instance types, best first.
    pub types: Vec<String>,
}

/// The managed fields of an Auto Scaling group.
#[derive(Serialize)]
pub struct Spec {
    template: Known<String>,
    version: Known<i64>,
    subnets: Known<Vec<String>>,
    targets: Known<Vec<String>>,
    min: i32,
    desired: i32,
    max: i32,
    health_check: String,
    grace: i32,
    warmup: i32,
    spot: Option<Spot>,
    capacity_rebalance: bool,
    /// Percent of the desired capacity that maintenance keeps healthy, and its upper limit. New instances start first.
    maintenance: (i32, i32),
    /// Processes that are suspended.
    suspended: Vec<String>,
    /// Instances of another version that no instance refresh is replacing.
    outdated: Vec<String>,
}

#[derive(Serialize)]
struct Spot {
    base: i32,
    percent: i32,
    /// Instance types in order of preference.
    types: Vec<String>,
    strategy: String,
}

/// The values of an Auto Scaling group that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub name: String,
}

const MAINTENANCE: (i32, i32) = (100, 200);
const SPOT_STRATEGY: &str = "price-capacity-optimized";

impl Resource for AutoScalingGroup {
    const KIND: &'static str = "auto-scaling-group";
    const PATIENCE: Duration = Duration::from_secs(900);
    const ACTIONS: &'static [&'static str] = &[
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeInstanceRefreshes",
        "autoscaling:CreateAutoScalingGroup",
        "autoscaling:UpdateAutoScalingGroup",
        "autoscaling:AttachLoadBalancerTargetGroups",
        "autoscaling:DetachLoadBalancerTargetGroups",
        "autoscaling:ResumeProcesses",
        "autoscaling:StartInstanceRefresh",
        "autoscaling:CancelInstanceRefresh",
        "autoscaling:CreateOrUpdateTags",
        "autoscaling:DeleteAutoScalingGroup",
        "ec2:RunInstances",
        "ec2:CreateTags",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec {
            template: inputs.read(&self.template, |t| t.id.clone()),
            version: inputs.read(&self.template, |t| t.version),
            subnets: inputs.read_all(&self.subnets, |s| s.id.clone()).map(sorted),
            targets: inputs.read_all(&self.targets, |t| t.arn.clone()).map(sorted),
            min: self.min,
            desired: self.desired,
            max: self.max,
            health_check: if self.targets.is_empty() { "EC2" } else { "ELB" }.into(),
            grace: self.grace,
            warmup: self.warmup,
            spot: self.spot.as_ref().map(|mix| Spot {
                base: mix.base,
                percent: mix.percent,
                types: self.types(mix),
                strategy: SPOT_STRATEGY.into(),
            }),
            capacity_rebalance: self.spot.is_some(),
            maintenance: MAINTENANCE,
            suspended: vec![],
            outdated: vec![],
        }
    }
    fn typical(&self) -> Typical {
        Typical::secs(5, 5, 60)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let name = cx.name();
        let Some(group) = &listing::auto_scaling_group(&self.aws, &name).await? else { return Ok(None) };
        let deleting = group.status().is_some_and(|s| s.to_lowercase().starts_with("delete"));
        let mut spec = self.seen(group);
        if !deleting {
            spec.outdated = outdated(&self.aws, group, &name).await?;
        }
        let tags = group.tags().iter().filter_map(|t| Some((t.key()?.into(), t.value()?.into()))).collect();
        Ok(Some(Found {
            spec,
            output: Some(Output { name: name.clone() }),
            phase: if deleting { Phase::Deleting } else { Phase::Ready },
            tags,
            id: name,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        let (template, mixed) = self.launch(want)?;
        self.aws
            .autoscaling
            .create_auto_scaling_group()
            .auto_scaling_group_name(cx.name())
            .set_launch_template(template)
            .set_mixed_instances_policy(mixed)
            .vpc_zone_identifier(want.subnets.get()?.join(","))
            .set_target_group_arns(Some(want.targets.get()?.clone()))
            .min_size(want.min)
            .desired_capacity(want.desired)
            .max_size(want.max)
            .health_check_type(&want.health_check)
            .health_check_grace_period(want.grace)
            .default_instance_warmup(want.warmup)
            .capacity_rebalance(want.capacity_rebalance)
            .instance_maintenance_policy(maintenance(want))
            .set_tags(Some(tags_for(cx, &cx.name(), &cx.tags())))
            .send()
            .await
            .during("CreateAutoScalingGroup")
            .map(drop)
    }

    async fn update(&self, cx: &Cx<'_>, want: &Spec, found: &Found<Self>, diff: &Diff) -> Result<()> {
        let (asg, name) = (&self.aws.autoscaling, &cx.name());
        // First what UpdateAutoScalingGroup cannot change, because a suspended Launch would block everything else.
        if !found.spec.suspended.is_empty() {
            let call = asg.resume_processes().auto_scaling_group_name(name);
            let call = call.set_scaling_processes(Some(found.spec.suspended.clone()));
            call.send().await.during("ResumeProcesses")?;
        }
        let (wanted, there) = (want.targets.get()?, found.spec.targets.get()?);
        let missing: Vec<String> = wanted.iter().filter(|t| !there.contains(t)).cloned().collect();
        if !missing.is_empty() {
            let call = asg.attach_load_balancer_target_groups().auto_scaling_group_name(name);
            let call = call.set_target_group_arns(Some(missing));
            call.send().await.during("AttachLoadBalancerTargetGroups")?;
        }
        let extra: Vec<String> = there.iter().filter(|t| !wanted.contains(t)).cloned().collect();
        if !extra.is_empty() {
            let call = asg.detach_load_balancer_target_groups().auto_scaling_group_name(name);
            let call = call.set_target_group_arns(Some(extra));
            call.send().await.or_gone("DetachLoadBalancerTargetGroups")?;
        }
        let (template, mixed) = self.launch(want)?;
        let another = ["template", "version", "spot"].iter().any(|f| diff.touches(f));
        if another {
            stop_refresh(&self.aws, name).await?;
        }
        if !diff.only(&["suspended", "targets", "outdated", "tags"]) {
            asg.update_auto_scaling_group()
                .auto_scaling_group_name(name)
                .set_launch_template(template.clone().filter(|_| another))
                .set_mixed_instances_policy(mixed.clone().filter(|_| another))
                .vpc_zone_identifier(want.subnets.get()?.join(","))
                .min_size(want.min)
                .max_size(want.max)
                .set_desired_capacity(diff.touches("desired").then_some(want.desired))
                .health_check_type(&want.health_check)
                .health_check_grace_period(want.grace)
                .default_instance_warmup(want.warmup)
                .capacity_rebalance(want.capacity_rebalance)
                .instance_maintenance_policy(maintenance(want))
                .send()
                .await
                .during("UpdateAutoScalingGroup")?;
        }
        if ["template", "version", "outdated"].iter().any(|f| diff.touches(f)) {
            refresh(&self.aws, name, template, mixed).await?;
        }
        Ok(())
    }

    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        // This deletes its instances and policies too, without waiting for connections to drain [AWS 5].
        let call = self.aws.autoscaling.delete_auto_scaling_group().auto_scaling_group_name(&found.id);
        call.force_delete(true).send().await.or_gone("DeleteAutoScalingGroup")
    }

    async fn tag(&self, cx: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        let call = self.aws.autoscaling.create_or_update_tags().set_tags(Some(tags_for(cx, &found.id, tags)));
        call.send().await.during("CreateOrUpdateTags").map(drop)
    }
}

impl AutoScalingGroup {
    /// Returns the instance types in order of preference, the service's own first.
    fn types(&self, mix: &SpotMix) -> Vec<String> {
        let others = mix.types.iter().filter(|&t| *t != self.instance_type);
        std::iter::once(&self.instance_type).chain(others).cloned().collect()
    }

    fn seen(&self, group: &AwsGroup) -> Spec {
        let mix = group.mixed_instances_policy();
        let policy = mix.and_then(|m| m.launch_template());
        let template = group.launch_template().or(policy.and_then(|t| t.launch_template_specification()));
        let number = template.and_then(|t| t.version()).and_then(|v| v.parse().ok());
        let checks = group.health_check_type().unwrap_or_default();
        let desired = group.desired_capacity().unwrap_or_default();
        let keep = group.instance_maintenance_policy();
        Spec {
            template: Known::Now(template.and_then(|t| t.launch_template_id()).unwrap_or_default().into()),
            // `$Latest` and `$Default` are no numbers. With them, every new version would change the fleet.
            version: Known::Now(number.unwrap_or_default()),
            subnets: Known::Now(sorted(
                group.vpc_zone_identifier().unwrap_or_default().split(',').map(|s| s.trim().into()).collect(),
            )),
            targets: Known::Now(sorted(group.target_group_arns().to_vec())),
            min: group.min_size().unwrap_or_default(),
            // A scaling policy can choose any number within the limits.
            desired: if (self.min..=self.max).contains(&desired) { self.desired } else { desired },
            max: group.max_size().unwrap_or_default(),
            // EC2's own checks always run, so `EC2,ELB` is `ELB`.
            health_check: match checks.split(',').map(str::trim).filter(|c| *c != "EC2").collect::<Vec<_>>() {
                others if others.is_empty() => "EC2".into(),
                others => others.join(","),
            },
            grace: group.health_check_grace_period().unwrap_or_default(),
            warmup: group.default_instance_warmup().unwrap_or(-1),
            spot: mix.and_then(|m| m.instances_distribution()).map(|d| Spot {
                base: d.on_demand_base_capacity().unwrap_or_default(),
                percent: d.on_demand_percentage_above_base_capacity().unwrap_or(100),
                types: policy
                    .map(|p| p.overrides())
                    .unwrap_or_default()
                    .iter()
                    .filter_map(|o| o.instance_type().map(Into::into))
                    .collect(),
                strategy: d.spot_allocation_strategy().unwrap_or_default().into(),
            }),
            capacity_rebalance: group.capacity_rebalance().unwrap_or_default(),
            maintenance: (
                keep.and_then(|k| k.min_healthy_percentage()).unwrap_or(-1),
                keep.and_then(|k| k.max_healthy_percentage()).unwrap_or(-1),
            ),
            suspended: sorted(
                group.suspended_processes().iter().filter_map(|p| p.process_name().map(Into::into)).collect(),
            ),
            outdated: vec![],
        }
    }

    /// Returns the template itself, or for Spot the policy that names it.
    fn launch(&self, want: &Spec) -> Result<(Option<LaunchTemplateSpecification>, Option<MixedInstancesPolicy>)> {
        let template = LaunchTemplateSpecification::builder()
            .launch_template_id(want.template.get()?)
            .version(want.version.get()?.to_string())
            .build();
        let Some(spot) = &want.spot else { return Ok((Some(template), None)) };
        let overrides = spot.types.iter().map(|t| LaunchTemplateOverrides::builder().instance_type(t).build());
        let distribution = InstancesDistribution::builder()
            .on_demand_allocation_strategy("prioritized")
            .on_demand_base_capacity(spot.base)
            .on_demand_percentage_above_base_capacity(spot.percent)
            .spot_allocation_strategy(&spot.strategy)
            .build();
        let template =
            Mixed::builder().launch_template_specification(template).set_overrides(Some(overrides.collect())).build();
        let mixed = MixedInstancesPolicy::builder().launch_template(template).instances_distribution(distribution);
        Ok((None, Some(mixed.build())))
    }
}

fn maintenance(want: &Spec) -> InstanceMaintenancePolicy {
    InstanceMaintenancePolicy::builder()
        .min_healthy_percentage(want.maintenance.0)
        .max_healthy_percentage(want.maintenance.1)
        .build()
}

/// Returns the group's tags.
///
/// The tags propagate to its instances, except those that the launch template sets.
fn tags_for(cx: &Cx<'_>, group: &str, tags: &Tags) -> Vec<Tag> {
    let own = |k: &str| k == cx.env.keys.step() || k == "Name";
    let tag = |(k, v): (&String, &String)| {
        Tag::builder()
            .resource_type("auto-scaling-group")
            .resource_id(group)
            .key(k)
            .value(v)
            .propagate_at_launch(!own(k))
            .build()
    };
    tags.iter().map(tag).collect()
}
