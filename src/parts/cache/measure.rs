//! The CloudWatch metrics of the cache, by engine.
use crate::{
    config::CacheEngine,
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

/// The metrics of a node of Redis or Valkey.
const REDIS: MetricTable = MetricTable {
    namespace: NAMESPACE,
    dimensions: DIMENSIONS,
    rows: &[&EVICTIONS, &CPU, &HITS, &MISSES, &CONNECTIONS],
};

const NAMESPACE: &str = "AWS/ElastiCache";
const DIMENSIONS: &[&str] = &["CacheClusterId"];

/// The load of the node in percent. Memcached has many threads, so there is no metric of one.
const NODE_CPU: MetricRow = MetricRow::new("CPUUtilization", Measure::Average)
    .live("cache_cpu")
    .graph("Cache", 1)
    .alarm("cache-cpu", Fires::Above(80.0), (3, 3), Missing::Missing, "the CPU of a cache node is busy");
/// The memory that the node has beside that of the cached values, in bytes. Without it the node swaps.
const FREE: MetricRow = MetricRow::new("FreeableMemory", Measure::Minimum).alarm(
    "cache-memory",
    Fires::Below(32.0 * 1024.0 * 1024.0),
    (3, 3),
    Missing::Missing,
    "a cache node has less than 32 MiB left and will swap",
);
const GET_HITS: MetricRow = MetricRow::new("GetHits", Measure::Sum).live("cache_hits").graph_right("Cache", 2);
const GET_MISSES: MetricRow = MetricRow::new("GetMisses", Measure::Sum).live("cache_misses").graph_right("Cache", 3);

/// The metrics of a cluster of memcached [AWS 2.4].
const MEMCACHED: MetricTable = MetricTable {
    namespace: NAMESPACE,
    dimensions: DIMENSIONS,
    rows: &[&EVICTIONS, &NODE_CPU, &FREE, &GET_HITS, &GET_MISSES, &CONNECTIONS],
};

/// Returns the metrics of a cache of this engine.
pub const fn of(engine: CacheEngine) -> &'static MetricTable {
    match engine {
        CacheEngine::Redis | CacheEngine::Valkey => &REDIS,
        CacheEngine::Memcached => &MEMCACHED,
    }
}
