//! CloudWatch metrics: all of the live screen's in one `GetMetricData` call.
use crate::{
    aws::{Aws, error::AwsResult},
    config::CacheEngine,
    error::Result,
    parts::{
        balancer::measure as balancer,
        cache::measure as cache,
        database::measure as database,
        metric::{MetricRow, MetricTable},
        service::measure as service,
    },
    snapshot::{Cache, Snapshot},
};
use aws_sdk_cloudwatch::types::{Dimension, Metric as AwsMetric, MetricDataQuery, MetricDataResult, MetricStat};
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// A metric with one value a minute, by its name in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// The metric with this name.
    Of(&'static str),
    /// The requests in one zone.
    Zone(u8),
}

impl From<&MetricRow> for Metric {
    fn from(row: &MetricRow) -> Self {
        Self::Of(row.live.unwrap_or(row.name))
    }
}

/// The values of CloudWatch's dimensions: how it names the parts of the stack.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Names {
    pub balancer: Option<String>,
    /// The Auto Scaling group of each service.
    pub fleets: Vec<String>,
    pub database: Option<String>,
    /// The cache's nodes, all of them because a failover moves the work to another one.
    pub cache: Vec<String>,
    pub cache_engine: CacheEngine,
    pub zones: Vec<String>,
}

impl Names {
    /// Returns the names of the parts that were seen, and of the Auto Scaling groups that exist besides the one in the
    /// snapshot.
    pub fn of(s: &Snapshot, fleets: impl IntoIterator<Item = String>) -> Self {
        let balancer = s.balancer.as_ref().and_then(|b| b.arn.split_once("loadbalancer/")).map(|(_, n)| n.to_owned());
        let mut all: Vec<String> = s.auto_scaling_group.iter().map(|g| g.name.clone()).collect();
        for fleet in fleets {
            if !all.contains(&fleet) {
                all.push(fleet);
            }
        }
        Self {
            balancer,
            fleets: all,
            database: s.database.as_ref().map(|d| d.id.clone()).filter(|id| !id.is_empty()),
            cache: s.cache.iter().flat_map(Cache::measured).collect(),
            cache_engine: s.expected.cache_engine,
            zones: s.expected.zones.clone(),
        }
    }

    /// True if there is nothing to ask for.
    pub fn is_empty(&self) -> bool {
        self.tables().iter().all(|(_, names)| names.is_empty())
    }

    /// Returns the tables of the parts that the live screen shows, each with the names to ask for.
    fn tables(&self) -> [(&'static MetricTable, Vec<&String>); 4] {
        [
            (&balancer::METRICS, self.balancer.iter().collect()),
            (&service::INSTANCES, self.fleets.iter().collect()),
            (&database::METRICS, self.database.iter().collect()),
            (cache::of(self.cache_engine), self.cache.iter().collect()),
        ]
    }

    /// Returns the rows that the live screen shows, each with its table and the names to ask for.
    fn rows(&self) -> impl Iterator<Item = (&'static MetricTable, &'static MetricRow, Vec<&String>)> {
        self.tables().into_iter().flat_map(|(table, names)| {
            let shown = table.rows.iter().filter(|row| row.live.is_some());
            shown.map(move |row| (table, *row, names.clone())).collect::<Vec<_>>()
        })
    }
}

/// Asks CloudWatch for the newest values of all metrics, in one call.
///
/// The first call asks for the last hour. Later ones ask only for the minutes that can still change.
pub async fn ask(aws: &Aws, names: &Names, first: bool) -> Result<Metrics> {
    let now = Timestamp::now();
    let call = aws.cloudwatch.get_metric_data().set_metric_data_queries(Some(queries(names)));
    let call =
        call.start_time(DateTime::from_secs(ask_from(now, first))).end_time(DateTime::from_secs(now.as_second()));
    Ok(parse(names, call.send().await.during("GetMetricData")?.metric_data_results()))
}

/// Returns the queries of one call.
///
/// The id `m3` is the fourth row, `m3_1` that row for the second node or fleet, `z1` the second zone.
fn queries(names: &Names) -> Vec<MetricDataQuery> {
    let query = |id: String, table: &MetricTable, row: &MetricRow, dimensions: &[(&str, &str)]| {
        let dimension = |(n, v): &(&str, &str)| Dimension::builder().name(*n).value(*v).build();
        let metric = AwsMetric::builder()
            .namespace(table.namespace)
            .metric_name(row.name)
            .set_dimensions(Some(dimensions.iter().map(dimension).collect()))
            .build();
        let stat = MetricStat::builder().metric(metric).period(60).stat(row.statistic.text()).build();
        MetricDataQuery::builder().id(id).metric_stat(stat).build()
    };
    let rows = names.rows().enumerate().flat_map(|(i, (table, row, values))| {
        let one = move |(n, value): (usize, &String)| {
            let id = if n == 0 { format!("m{i}") } else { format!("m{i}_{n}") };
            query(id, table, row, &[(table.dimensions[0], value)])
        };
        values.into_iter().enumerate().map(one).collect::<Vec<_>>()
    });
    let zones = names.balancer.iter().flat_map(|b| {
        names.zones.iter().enumerate().map(move |(i, zone)| {
            let dimensions = [("AvailabilityZone", zone.as_str()), ("LoadBalancer", b.as_str())];
            query(format!("z{i}"), &balancer::METRICS, &balancer::REQUESTS, &dimensions)
        })
    });
    rows.chain(zones).collect()
}

/// The highest value that is believed: no metric of the stack has a higher one. NaN and infinity are dropped, too.
const HIGHEST: f64 = 1e15;

/// Values by the start of their minute, in seconds since the epoch.
pub type Series = BTreeMap<i64, f64>;

/// The values that one call returned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics(pub BTreeMap<Metric, Series>);

/// Reads the results of the queries for these names.
fn parse(names: &Names, results: &[MetricDataResult]) -> Metrics {
    let rows: Vec<&MetricRow> = names.rows().map(|(_, row, _)| row).collect();
    let mut all = Metrics::default();
    let another = |r: &&MetricDataResult| r.id().is_some_and(|id| id.contains('_'));
    for r in results.iter().filter(|r| !another(r)).chain(results.iter().filter(another)) {
        let Some((kind, index)) = r.id().and_then(|id| id.split_at_checked(1)) else { continue };
        let index = index.split('_').next().unwrap_or_default();
        let metric = match (kind, index.parse::<usize>()) {
            ("m", Ok(i)) if i < rows.len() => Metric::from(rows[i]),
            ("z", Ok(i)) if let Ok(zone) = u8::try_from(i) => Metric::Zone(zone),
            _ => continue,
        };
        let series = all.0.entry(metric).or_default();
        for (at, value) in r.timestamps().iter().zip(r.values()).filter(|(_, value)| value.abs() <= HIGHEST) {
            let so_far = series.entry(at.secs() / 60 * 60).or_default();
            // Of several nodes or fleets the busiest counts. The counts of 2xx and 3xx are added up into one series.
            *so_far = if another(&r) { so_far.max(*value) } else { *so_far + value };
        }
    }
    all
}

/// Returns the start of the time to ask for: an hour ago at first, later ten minutes, because CloudWatch lags by
/// minutes and values can still change.
fn ask_from(now: Timestamp, first: bool) -> i64 {
    let back = if first { 60 } else { 10 };
    (now.as_second() / 60 - back) * 60
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_asks_for_what_there_is() {
        let names = Names { balancer: Some("app/b/1".into()), zones: vec!["a".into(), "b".into()], ..Names::default() };
        let ids: Vec<String> = queries(&names).iter().map(|q| q.id().unwrap().to_owned()).collect();
        assert_eq!(ids, ["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9", "z0", "z1"]);
        let fleets = queries(&Names { fleets: vec!["f-api".into(), "f-web".into()], ..Names::default() });
        let ids: Vec<&str> = fleets.iter().filter_map(|q| q.id()).collect();
        assert_eq!(ids, ["m10", "m10_1"], "one query for the fleet of each service");
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
        let names = Names::default();
        let ids = |metric: Metric| -> Vec<String> {
            let rows = names.rows().enumerate().filter(|(_, (_, row, _))| Metric::from(*row) == metric);
            rows.map(|(i, _)| format!("m{i}")).collect()
        };
        let [requests, cpu] = [&balancer::REQUESTS, &cache::CPU].map(|row| ids(Metric::from(row)).concat());
        let good = ids(Metric::Of("good"));
        let m = parse(
            &names,
            &[
                result(&requests, &[9.0, 12.0]),
                result(&good[0], &[7.0]),
                result(&good[1], &[1.0]),
                result("z1", &[4.0]),
                result("x", &[1.0]),
                result(&format!("{cpu}_1"), &[20.0, 70.0]),
                result(&cpu, &[60.0, 10.0]),
            ],
        );
        assert_eq!(
            m.0[&Metric::from(&cache::CPU)],
            Series::from([(600, 60.0), (660, 70.0)]),
            "the busier of two nodes"
        );
        assert_eq!(m.0[&Metric::from(&balancer::REQUESTS)], Series::from([(600, 9.0), (660, 12.0)]));
        assert_eq!(m.0[&Metric::Of("good")], Series::from([(600, 8.0)]));
        assert_eq!(m.0[&Metric::Zone(1)], Series::from([(600, 4.0)]));
        assert_eq!(m.0.len(), 4);
    }

    /// The keys on the screen are those of Redis, so the screen need not know the engine.
    #[test]
    fn memcached_is_asked_for_its_own_metrics() {
        let names =
            Names { cache: vec!["billing-main".into()], cache_engine: CacheEngine::Memcached, ..Names::default() };
        let asked = |q: &MetricDataQuery| {
            let metric = q.metric_stat().and_then(|s| s.metric()).cloned().unwrap();
            format!("{} {}", metric.metric_name().unwrap(), metric.dimensions()[0].value().unwrap())
        };
        let asked: Vec<String> = queries(&names).iter().map(asked).collect();
        let want = ["Evictions", "CPUUtilization", "GetHits", "GetMisses", "CurrConnections"];
        assert_eq!(asked, want.map(|name| format!("{name} billing-main")));
        let of = |rows: Names| rows.rows().map(|(_, row, _)| Metric::from(row)).collect::<Vec<_>>();
        assert_eq!(of(names), of(Names::default()));
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        let times = (0..6).map(|n| DateTime::from_secs(600 + 60 * n)).collect();
        let values = vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 7.0, -f64::MAX];
        let result = |id: &str, values: &[f64]| {
            let times: Vec<_> = Clone::clone(&times);
            MetricDataResult::builder().id(id).set_timestamps(Some(times)).set_values(Some(values.to_vec())).build()
        };
        let m = parse(
            &Names::default(),
            &[result("m0", &values), result("z4294967297", &values), result("m14_1", &values)],
        );
        assert_eq!(m.0[&Metric::from(&balancer::REQUESTS)], Series::from([(840, 7.0)]));
        assert!(!m.0.keys().any(|m| matches!(m, Metric::Zone(_))), "{m:?}");
    }
}
