//! CloudWatch's numbers: all of them in one `GetMetricData` call.
use crate::snapshot::Snapshot;
use aws_sdk_cloudwatch::types::{Dimension, Metric as AwsMetric, MetricDataQuery, MetricDataResult, MetricStat};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// One number a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    Requests,
    /// 2xx and 3xx of the service.
    Good,
    Target4xx,
    Target5xx,
    /// The balancer's own.
    Elb4xx,
    Elb5xx,
    P50,
    P90,
    P99,
    FleetCpu,
    DatabaseCpu,
    DatabaseConnections,
    DatabaseFree,
    CacheCpu,
    CacheHits,
    CacheMisses,
    CacheEvictions,
    CacheConnections,
    /// Requests in one zone.
    #[serde(untagged)]
    Zone(u8),
}

/// AWS's name, its statistic, and what it belongs to.
const ALL: [(Metric, Of, &str, &str); 19] = [
    (Metric::Requests, Of::Balancer, "RequestCount", "Sum"),
    (Metric::Good, Of::Balancer, "HTTPCode_Target_2XX_Count", "Sum"),
    (Metric::Good, Of::Balancer, "HTTPCode_Target_3XX_Count", "Sum"),
    (Metric::Target4xx, Of::Balancer, "HTTPCode_Target_4XX_Count", "Sum"),
    (Metric::Target5xx, Of::Balancer, "HTTPCode_Target_5XX_Count", "Sum"),
    (Metric::Elb4xx, Of::Balancer, "HTTPCode_ELB_4XX_Count", "Sum"),
    (Metric::Elb5xx, Of::Balancer, "HTTPCode_ELB_5XX_Count", "Sum"),
    (Metric::P50, Of::Balancer, "TargetResponseTime", "p50"),
    (Metric::P90, Of::Balancer, "TargetResponseTime", "p90"),
    (Metric::P99, Of::Balancer, "TargetResponseTime", "p99"),
    (Metric::FleetCpu, Of::Fleet, "CPUUtilization", "Average"),
    (Metric::DatabaseCpu, Of::Database, "CPUUtilization", "Average"),
    (Metric::DatabaseConnections, Of::Database, "DatabaseConnections", "Maximum"),
    (Metric::DatabaseFree, Of::Database, "FreeStorageSpace", "Minimum"),
    (Metric::CacheCpu, Of::Cache, "EngineCPUUtilization", "Average"),
    (Metric::CacheHits, Of::Cache, "CacheHits", "Sum"),
    (Metric::CacheMisses, Of::Cache, "CacheMisses", "Sum"),
    (Metric::CacheEvictions, Of::Cache, "Evictions", "Sum"),
    (Metric::CacheConnections, Of::Cache, "CurrConnections", "Maximum"),
];

#[derive(Clone, Copy, PartialEq)]
enum Of {
    Balancer,
    Fleet,
    Database,
    Cache,
}

/// What CloudWatch calls the parts of the stack.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Names {
    pub balancer: Option<String>,
    pub fleet: Option<String>,
    pub database: Option<String>,
    /// Its nodes: after a failover it is another one that has the work.
    pub cache: Vec<String>,
    pub zones: Vec<String>,
}

impl Names {
    pub fn of(s: &Snapshot) -> Self {
        let balancer = s.balancer.as_ref().and_then(|b| b.arn.split_once("loadbalancer/")).map(|(_, n)| n.to_owned());
        Self {
            balancer,
            fleet: s.auto_scaling_group.as_ref().map(|g| g.name.clone()),
            database: s.database.as_ref().map(|d| d.id.clone()).filter(|id| !id.is_empty()),
            cache: s.cache.iter().flat_map(|c| &c.members).map(|m| m.id.clone()).collect(),
            zones: s.expected.zones.clone(),
        }
    }

    /// Namespace and name of the dimension, and what to ask for, one after the other.
    fn dimension(&self, of: Of) -> (&'static str, &'static str, Vec<&String>) {
        match of {
            Of::Balancer => ("AWS/ApplicationELB", "LoadBalancer", self.balancer.iter().collect()),
            Of::Fleet => ("AWS/EC2", "AutoScalingGroupName", self.fleet.iter().collect()),
            Of::Database => ("AWS/RDS", "DBInstanceIdentifier", self.database.iter().collect()),
            Of::Cache => ("AWS/ElastiCache", "CacheClusterId", self.cache.iter().collect()),
        }
    }
}

/// The queries of one call: `m3` is the fourth row of the table, `m3_1` that of the second node, `z1` the second zone.
pub fn queries(names: &Names) -> Vec<MetricDataQuery> {
    let query = |id: String, namespace: &str, metric: &str, stat: &str, dimensions: &[(&str, &str)]| {
        let dimension = |(n, v): &(&str, &str)| Dimension::builder().name(*n).value(*v).build();
        let metric = AwsMetric::builder()
            .namespace(namespace)
            .metric_name(metric)
            .set_dimensions(Some(dimensions.iter().map(dimension).collect()))
            .build();
        let stat = MetricStat::builder().metric(metric).period(60).stat(stat).build();
        MetricDataQuery::builder().id(id).metric_stat(stat).build()
    };
    let rows = ALL.iter().enumerate().flat_map(|(i, (_, of, metric, stat))| {
        let (namespace, name, values) = names.dimension(*of);
        values.into_iter().enumerate().map(move |(n, value)| {
            let id = if n == 0 { format!("m{i}") } else { format!("m{i}_{n}") };
            query(id, namespace, metric, stat, &[(name, value)])
        })
    });
    let zones = names.balancer.iter().flat_map(|b| {
        names.zones.iter().enumerate().map(move |(i, zone)| {
            let of = [("AvailabilityZone", zone.as_str()), ("LoadBalancer", b.as_str())];
            query(format!("z{i}"), "AWS/ApplicationELB", "RequestCount", "Sum", &of)
        })
    });
    rows.chain(zones).collect()
}

/// No metric of ours has a higher number; what is none (NaN, infinity) is left out.
const HIGHEST: f64 = 1e15;

/// By the start of its minute.
pub type Series = BTreeMap<i64, f64>;

/// What one call brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics(pub BTreeMap<Metric, Series>);

pub fn parse(results: &[MetricDataResult]) -> Metrics {
    let mut all = Metrics::default();
    let another = |r: &&MetricDataResult| r.id().is_some_and(|id| id.contains('_'));
    for r in results.iter().filter(|r| !another(r)).chain(results.iter().filter(another)) {
        let Some((kind, index)) = r.id().and_then(|id| id.split_at_checked(1)) else { continue };
        let index = index.split('_').next().unwrap_or_default();
        let metric = match (kind, index.parse::<usize>()) {
            ("m", Ok(i)) if i < ALL.len() => ALL[i].0,
            ("z", Ok(i)) if let Ok(zone) = u8::try_from(i) => Metric::Zone(zone),
            _ => continue,
        };
        let series = all.0.entry(metric).or_default();
        for (at, value) in r.timestamps().iter().zip(r.values()).filter(|(_, value)| value.abs() <= HIGHEST) {
            let so_far = series.entry(at.secs() / 60 * 60).or_default();
            // Of several nodes the busiest counts; 2xx and 3xx are one.
            *so_far = if another(&r) { so_far.max(*value) } else { *so_far + value };
        }
    }
    all
}

/// From when to ask: all of it at first, later only what may have changed since (CloudWatch lags by minutes).
pub fn ask_from(now: Timestamp, first: bool) -> i64 {
    let back = if first { 60 } else { 10 };
    (now.as_second() / 60 - back) * 60
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_types::DateTime;

    #[test]
    fn one_call_asks_for_what_there_is() {
        let names = Names { balancer: Some("app/b/1".into()), zones: vec!["a".into(), "b".into()], ..Names::default() };
        let ids: Vec<String> = queries(&names).iter().map(|q| q.id().unwrap().to_owned()).collect();
        assert_eq!(ids, ["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9", "z0", "z1"]);
        assert!(queries(&Names::default()).is_empty());
        let two = queries(&Names { cache: vec!["c-001".into(), "c-002".into()], ..Names::default() });
        let ids: Vec<&str> = two.iter().filter_map(|q| q.id()).collect();
        assert_eq!(&ids[..3], ["m14", "m14_1", "m15"]);
    }

    #[test]
    fn answers_find_their_metric() {
        let result = |id: &str, values: &[f64]| {
            let times = (0..values.len()).map(|n| DateTime::from_secs(600 + 60 * n as i64)).collect();
            MetricDataResult::builder().id(id).set_timestamps(Some(times)).set_values(Some(values.into())).build()
        };
        let m = parse(&[
            result("m0", &[9.0, 12.0]),
            result("m1", &[7.0]),
            result("m2", &[1.0]),
            result("z1", &[4.0]),
            result("x", &[1.0]),
            result("m14_1", &[20.0, 70.0]),
            result("m14", &[60.0, 10.0]),
        ]);
        assert_eq!(m.0[&Metric::CacheCpu], Series::from([(600, 60.0), (660, 70.0)]), "the busier of two nodes");
        assert_eq!(m.0[&Metric::Requests], Series::from([(600, 9.0), (660, 12.0)]));
        assert_eq!(m.0[&Metric::Good], Series::from([(600, 8.0)]));
        assert_eq!(m.0[&Metric::Zone(1)], Series::from([(600, 4.0)]));
        assert_eq!(m.0.len(), 4);
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        let times = (0..6).map(|n| DateTime::from_secs(600 + 60 * n)).collect();
        let values = vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 7.0, -f64::MAX];
        let result = |id: &str, values: &[f64]| {
            let times: Vec<_> = Clone::clone(&times);
            MetricDataResult::builder().id(id).set_timestamps(Some(times)).set_values(Some(values.to_vec())).build()
        };
        let m = parse(&[result("m0", &values), result("z4294967297", &values), result("m14_1", &values)]);
        assert_eq!(m.0[&Metric::Requests], Series::from([(840, 7.0)]));
        assert!(!m.0.keys().any(|m| matches!(m, Metric::Zone(_))), "{m:?}");
    }
}
