//! The CloudWatch metrics of a service: of its targets and its instances.
use crate::{
    config::ALARMS,
    parts::metric::{Fires, MetricRow, MetricTable},
    resources::alarm::{Measure, Missing},
};

const HEALTHY: MetricRow = MetricRow::new("HealthyHostCount", Measure::Minimum).graph("Targets", 1).alarm(
    ALARMS[1],
    Fires::Below(1.0),
    (1, 1),
    Missing::Breaching,
    "no target is healthy: nothing is served, or the balancer fails open",
);
const UNHEALTHY: MetricRow = MetricRow::new("UnHealthyHostCount", Measure::Maximum).graph("Targets", 2).alarm(
    ALARMS[0],
    Fires::AtLeast(1.0),
    (2, 2),
    Missing::NotBreaching,
    "a target fails its health check",
);
const PER_TARGET: MetricRow = MetricRow::new("RequestCountPerTarget", Measure::Sum).graph_right("Targets", 3);

/// The metrics of the targets.
pub const TARGETS: MetricTable = MetricTable {
    namespace: "AWS/ApplicationELB",
    dimensions: &["TargetGroup", "LoadBalancer"],
    rows: &[&UNHEALTHY, &HEALTHY, &PER_TARGET],
};

/// The CPU load of the instances in percent.
pub const CPU: MetricRow = MetricRow::new("CPUUtilization", Measure::Average).live("fleet_cpu").graph("Instances", 1);

/// The metrics of the instances.
pub const INSTANCES: MetricTable =
    MetricTable { namespace: "AWS/EC2", dimensions: &["AutoScalingGroupName"], rows: &[&CPU] };

const MEMORY: MetricRow = MetricRow::new("mem_used_percent", Measure::Average).graph("Instances", 2);

/// The metrics that the CloudWatch agent on the instances sends.
pub const AGENT: MetricTable =
    MetricTable { namespace: "GameDay", dimensions: &["AutoScalingGroupName"], rows: &[&MEMORY] };
