//! The CloudWatch metrics of each cache node.
use crate::{
    parts::metric::{Fires, MetricRow, MetricTable},
    resources::alarm::{Measure, Missing},
};

/// The values that the cache removed to free memory.
pub const EVICTIONS: MetricRow =
    MetricRow::new("Evictions", Measure::Sum).live("cache_evictions").graph_right("Cache", 4).alarm(
        "cache-evictions",
        Fires::AtLeast(1.0),
        (1, 1),
        Missing::NotBreaching,
        "the cache is full and throws answers away",
    );
/// The load of the engine's thread in percent.
pub const CPU: MetricRow = MetricRow::new("EngineCPUUtilization", Measure::Average)
    .live("cache_cpu")
    .graph("Cache", 1)
    .alarm("cache-cpu", Fires::Above(80.0), (3, 3), Missing::Missing, "the cache's one thread is busy");
/// The reads that found a value.
pub const HITS: MetricRow = MetricRow::new("CacheHits", Measure::Sum).live("cache_hits").graph_right("Cache", 2);
/// The reads that found no value.
pub const MISSES: MetricRow = MetricRow::new("CacheMisses", Measure::Sum).live("cache_misses").graph_right("Cache", 3);
const CONNECTIONS: MetricRow = MetricRow::new("CurrConnections", Measure::Maximum).live("cache_connections");

/// The metrics of a node.
pub const METRICS: MetricTable = MetricTable {
    namespace: "AWS/ElastiCache",
    dimensions: &["CacheClusterId"],
    rows: &[&EVICTIONS, &CPU, &HITS, &MISSES, &CONNECTIONS],
};
