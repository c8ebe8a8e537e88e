//! The CloudWatch metrics of the load balancer.
use crate::{
    parts::metric::{Fires, MetricRow, MetricTable},
    resources::alarm::{Measure, Missing},
};

/// The requests.
pub const REQUESTS: MetricRow = MetricRow::new("RequestCount", Measure::Sum).live("requests").graph("Requests", 1);
/// The service's good answers. 2xx and 3xx are one series on the live screen.
const GOOD_2XX: MetricRow = MetricRow::new("HTTPCode_Target_2XX_Count", Measure::Sum).live("good");
const GOOD_3XX: MetricRow = MetricRow::new("HTTPCode_Target_3XX_Count", Measure::Sum).live("good");
/// The service's answers with 4xx.
pub const TARGET_4XX: MetricRow = MetricRow::new("HTTPCode_Target_4XX_Count", Measure::Sum).live("target4xx");
/// The service's answers with 5xx.
pub const TARGET_5XX: MetricRow =
    MetricRow::new("HTTPCode_Target_5XX_Count", Measure::Sum).live("target5xx").graph("Requests", 2).alarm(
        "target-5xx",
        Fires::AtLeast(5.0),
        (2, 3),
        Missing::NotBreaching,
        "the service answers 5xx: its queue is full, or it is broken",
    );
/// The load balancer's own answers with 4xx.
pub const ELB_4XX: MetricRow = MetricRow::new("HTTPCode_ELB_4XX_Count", Measure::Sum).live("elb4xx");
/// The load balancer's own answers with 5xx.
pub const ELB_5XX: MetricRow =
    MetricRow::new("HTTPCode_ELB_5XX_Count", Measure::Sum).live("elb5xx").graph("Requests", 3).alarm(
        "elb-5xx",
        Fires::AtLeast(1.0),
        (1, 1),
        Missing::NotBreaching,
        "the load balancer itself answers 5xx: no target is registered, or none answers in time",
    );
const REJECTED: MetricRow = MetricRow::new("RejectedConnectionCount", Measure::Sum).alarm(
    "rejected",
    Fires::AtLeast(1.0),
    (1, 1),
    Missing::NotBreaching,
    "the load balancer rejects connections",
);
/// The response time that 50 % of the answers do not exceed.
pub const P50: MetricRow =
    MetricRow::new("TargetResponseTime", Measure::Percentile(50)).live("p50").graph("Response time", 1);
/// The response time that 90 % of the answers do not exceed.
pub const P90: MetricRow =
    MetricRow::new("TargetResponseTime", Measure::Percentile(90)).live("p90").graph("Response time", 2).alarm(
        "slow",
        Fires::AboveOf(|config| config.monitoring.slow_seconds),
        (2, 3),
        Missing::NotBreaching,
        "one answer in ten takes longer than is worth points",
    );
/// The response time that 99 % of the answers do not exceed.
pub const P99: MetricRow =
    MetricRow::new("TargetResponseTime", Measure::Percentile(99)).live("p99").graph("Response time", 3);

/// The metrics of the load balancer.
pub const METRICS: MetricTable = MetricTable {
    namespace: "AWS/ApplicationELB",
    dimensions: &["LoadBalancer"],
    rows: &[&REQUESTS, &GOOD_2XX, &GOOD_3XX, &TARGET_4XX, &ELB_4XX, &ELB_5XX, &TARGET_5XX, &REJECTED, &P50, &P90, &P99],
};
