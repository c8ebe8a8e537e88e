//! The alarms that matter, and one dashboard.
use crate::{
    aws::{Aws, partition},
    config::Config,
    engine::{Graph, Inputs, Key, Known, Ref},
    facts::Facts,
    resources::{
        alarm::{Alarm, Dim},
        auto_scaling_group::AutoScalingGroup,
        cache::Cache,
        dashboard::Dashboard,
        database::Database,
        load_balancer::LoadBalancer,
        target_group::TargetGroup,
    },
};
use serde_json::{Value, json};

/// What is watched.
#[derive(Clone)]
pub(super) struct Seen {
    pub balancer: Ref<LoadBalancer>,
    pub target: Ref<TargetGroup>,
    pub fleet: Ref<AutoScalingGroup>,
    pub database: Option<Ref<Database>>,
    pub cache: Option<Ref<Cache>>,
    /// While another fleet serves, alarms watch that one until requests go to this one.
    pub routed: Vec<Key>,
}

/// One alarm, as a row: name, metric, statistic, threshold, "datapoints of periods", missing data, and what it means.
struct Row(&'static str, &'static str, &'static str, f64, (i32, i32), &'static str, &'static str);

/// A count that is absent when it is zero must not alarm for want of data; a gauge that goes absent is worth a look.
const ZERO: &str = "notBreaching";
const GAUGE: &str = "missing";

#[rustfmt::skip] // a table of alarms
pub(super) fn wire(g: &mut Graph, config: &Config, aws: &dyn Fn() -> Aws, seen: &Seen, facts: &Facts) {
    let mut alarms = vec![];
    let mut add = |g: &mut Graph, namespace: &str, dimensions: Vec<(&str, Dim)>, comparison: &str, row: Row| {
        let on_target = dimensions.iter().any(|(_, d)| matches!(d, Dim::Target(_)));
        let after: Vec<&Key> = seen.routed.iter().filter(|_| on_target).collect();
        let Row(name, metric, statistic, threshold, (evaluate, of), missing, description) = row;
        let alarm = Alarm {
            aws: aws(),
            namespace: namespace.into(),
            metric: metric.into(),
            dimensions: dimensions.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
            statistic: statistic.into(),
            period: 60,
            evaluate,
            of,
            threshold,
            comparison: comparison.into(),
            missing: missing.into(),
            description: description.into(),
            notify: config.monitoring.notify.clone(),
        };
        alarms.push(g.add_after(name, alarm, &after));
    };
    let (above, at_least, below) =
        ("GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "LessThanThreshold");

    let alb = "AWS/ApplicationELB";
    let balancer = || vec![("LoadBalancer", Dim::Balancer(seen.balancer.clone()))];
    let target = || {
        vec![
            ("LoadBalancer", Dim::Balancer(seen.balancer.clone())),
            ("TargetGroup", Dim::Target(seen.target.clone())),
        ]
    };
    add(g, alb, balancer(), at_least, Row("elb-5xx", "HTTPCode_ELB_5XX_Count", "Sum", 1.0, (1, 1), ZERO,
        "the load balancer itself answers 5xx: no target is registered, or none answers in time"));
    add(g, alb, balancer(), at_least, Row("target-5xx", "HTTPCode_Target_5XX_Count", "Sum", 5.0, (2, 3), ZERO,
        "the service answers 5xx: its queue is full, or it is broken"));
    add(g, alb, balancer(), at_least, Row("rejected", "RejectedConnectionCount", "Sum", 1.0, (1, 1), ZERO,
        "the load balancer rejects connections"));
    add(g, alb, balancer(), above, Row("slow", "TargetResponseTime", "p90", config.monitoring.slow_seconds, (2, 3), ZERO,
        "one answer in ten takes longer than is worth points"));
    add(g, alb, target(), at_least, Row("unhealthy-hosts", "UnHealthyHostCount", "Maximum", 1.0, (2, 2), ZERO,
        "a target fails its health check"));
    add(g, alb, target(), below, Row("healthy-hosts", "HealthyHostCount", "Minimum", 1.0, (1, 1), "breaching",
        "no target is healthy: nothing is served, or the balancer fails open"));

    if let Some(db) = &seen.database {
        let rds = "AWS/RDS";
        let of = || vec![("DBInstanceIdentifier", Dim::Database(db.clone()))];
        add(g, rds, of(), above, Row("database-cpu", "CPUUtilization", "Average", 80.0, (3, 3), GAUGE,
            "the database's CPU is busy"));
        add(g, rds, of(), above, Row("database-connections", "DatabaseConnections", "Maximum", 50.0, (2, 3), GAUGE,
            "a micro instance takes about 60 connections"));
        add(g, rds, of(), below, Row("database-storage", "FreeStorageSpace", "Minimum", 2.0 * 1024.0 * 1024.0 * 1024.0, (1, 1), GAUGE,
            "the database has less than 2 GiB left"));
    }
    if let Some(cache) = &seen.cache {
        let elasticache = "AWS/ElastiCache";
        // Each node: after a failover it is another one that has the work.
        let names = [("cache-evictions", "cache-cpu"), ("cache-evictions-2", "cache-cpu-2")];
        for (i, (evictions, cpu)) in names.into_iter().enumerate().take(config.cache.nodes as usize) {
            let of = || vec![("CacheClusterId", Dim::Cache(cache.clone(), i))];
            add(g, elasticache, of(), at_least, Row(evictions, "Evictions", "Sum", 1.0, (1, 1), ZERO,
                "the cache is full and throws answers away"));
            add(g, elasticache, of(), above, Row(cpu, "EngineCPUUtilization", "Average", 80.0, (3, 3), GAUGE,
                "the cache's one thread is busy"));
        }
    }
    if config.monitoring.dashboard {
        // By their names, which are known before they stand: one that is made again changes nothing here.
        let arns: Vec<String> = alarms.iter().map(|a| arn(config, facts, a.key())).collect();
        let (seen, region) = (seen.clone(), facts.region.clone());
        let nodes = config.cache.nodes as usize;
        let body = move |inputs: &Inputs| dashboard(&seen, inputs, &region, &arns, nodes);
        g.add("main", Dashboard { aws: aws(), body: Box::new(body) });
    }
}

/// The ARN of an alarm of ours.
fn arn(config: &Config, facts: &Facts, key: &Key) -> String {
    let (region, name) = (&facts.region, config.name_of(key.as_str()));
    format!("arn:{}:cloudwatch:{region}:{}:alarm:{name}", partition(region), facts.account)
}

/// Left what the public sees, right what carries it, alarms on top. Everything is read before anything is judged:
/// what is read makes the step's needs.
fn dashboard(seen: &Seen, inputs: &Inputs, region: &str, alarms: &[String], nodes: usize) -> Known<Value> {
    let balancer = inputs.read(&seen.balancer, |o| o.metric.clone());
    let target = inputs.read(&seen.target, |o| o.metric.clone());
    let fleet = inputs.read(&seen.fleet, |o| o.name.clone());
    let optional = |id: Option<Known<String>>| id.map_or(Known::Now(None), |k| k.map(Some));
    let database = optional(seen.database.as_ref().map(|d| inputs.read(d, |o| o.id.clone())));
    let cache = seen.cache.as_ref().map(|c| inputs.read(c, |o| o.members.iter().take(nodes).cloned().collect()));
    let cache = cache.unwrap_or(Known::Now(vec![]));
    balancer.and_then(|b| {
        target.and_then(|t| {
            fleet.and_then(|f| database.and_then(|d| cache.map(|c| body(region, alarms, &b, &t, &f, d.as_deref(), &c))))
        })
    })
}

fn body(
    region: &str,
    alarms: &[String],
    balancer: &str,
    target: &str,
    fleet: &str,
    database: Option<&str>,
    cache: &[String],
) -> Value {
    let alb = "AWS/ApplicationELB";
    let graph = |title: &str, metrics: Vec<Value>| {
        json!({"type": "metric", "width": 8, "height": 6, "properties": {
            "region": region, "title": title, "view": "timeSeries", "period": 60, "stat": "Sum", "metrics": metrics,
        }})
    };
    let of_alb = |metric: &str, how: Value| json!([alb, metric, "LoadBalancer", balancer, how]);
    let of_target =
        |metric: &str, how: Value| json!([alb, metric, "TargetGroup", target, "LoadBalancer", balancer, how]);
    let mut widgets = vec![
        json!({"type": "alarm", "width": 24, "height": 3, "properties": {"title": "Alarms", "alarms": alarms}}),
        graph(
            "Requests",
            vec![
                of_alb("RequestCount", json!({})),
                of_alb("HTTPCode_Target_5XX_Count", json!({})),
                of_alb("HTTPCode_ELB_5XX_Count", json!({})),
            ],
        ),
        graph(
            "Response time",
            vec![
                of_alb("TargetResponseTime", json!({"stat": "p50"})),
                of_alb("TargetResponseTime", json!({"stat": "p90"})),
                of_alb("TargetResponseTime", json!({"stat": "p99"})),
            ],
        ),
        graph(
            "Targets",
            vec![
                of_target("HealthyHostCount", json!({"stat": "Minimum"})),
                of_target("UnHealthyHostCount", json!({"stat": "Maximum"})),
                of_target("RequestCountPerTarget", json!({"yAxis": "right"})),
            ],
        ),
        graph(
            "Instances",
            vec![
                json!(["AWS/EC2", "CPUUtilization", "AutoScalingGroupName", fleet, {"stat": "Average"}]),
                json!(["GameDay", "mem_used_percent", "AutoScalingGroupName", fleet, {"stat": "Average"}]),
            ],
        ),
    ];
    if let Some(id) = database {
        let of = |metric: &str, how: Value| json!(["AWS/RDS", metric, "DBInstanceIdentifier", id, how]);
        widgets.push(graph(
            "Database",
            vec![
                of("CPUUtilization", json!({"stat": "Average"})),
                of("DatabaseConnections", json!({"stat": "Maximum", "yAxis": "right"})),
            ],
        ));
    }
    if !cache.is_empty() {
        let of_each = |metric: &str, how: Value| -> Vec<Value> {
            cache.iter().map(|id| json!(["AWS/ElastiCache", metric, "CacheClusterId", id, how])).collect()
        };
        let metrics = [
            of_each("EngineCPUUtilization", json!({"stat": "Average"})),
            of_each("CacheHits", json!({"yAxis": "right"})),
            of_each("CacheMisses", json!({"yAxis": "right"})),
            of_each("Evictions", json!({"yAxis": "right"})),
        ];
        widgets.push(graph("Cache", metrics.concat()));
    }
    json!({"start": "-PT1H", "periodOverride": "inherit", "widgets": widgets})
}
