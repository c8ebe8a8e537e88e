//! The CloudWatch metrics of the distribution.
//!
//! They are in the region of [`GLOBAL`](crate::aws::GLOBAL), whatever the stack's is, and so are alarms on them. The
//! hit rate is not among them: CloudFront measures it only with a monitoring subscription, which costs something. Beside
//! the balancer's requests, the distribution's show it, too.
use crate::{
    parts::metric::{Fires, MetricRow, MetricTable},
    resources::alarm::{Measure, Missing},
};

const TITLE: &str = "Requests at CloudFront";

const REQUESTS: MetricRow = MetricRow::new("Requests", Measure::Sum).graph(TITLE, 1);
const ERRORS_4XX: MetricRow = MetricRow::new("4xxErrorRate", Measure::Average).graph_right(TITLE, 2);
const ERRORS_5XX: MetricRow = MetricRow::new("5xxErrorRate", Measure::Average).graph_right(TITLE, 3).alarm(
    "cdn-5xx",
    Fires::Above(5.0),
    (2, 2),
    Missing::NotBreaching,
    "CloudFront answers more than 5 % of the requests with 5xx: its own, or those of the load balancer",
);

/// The value of the dimension `Region` of every distribution.
pub const REGION: &str = "Global";

/// The metrics of the distribution.
pub const METRICS: MetricTable = MetricTable {
    namespace: "AWS/CloudFront",
    dimensions: &["DistributionId", "Region"],
    rows: &[&REQUESTS, &ERRORS_4XX, &ERRORS_5XX],
};
