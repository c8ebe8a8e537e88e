//! The steps of monitoring.
use crate::{
    aws::partition,
    config::Switch,
    engine::{Input, Inputs, Key, Known, Ref},
    parts::Builder,
    resources::{
        alarm::{Alarm, Comparison, Measure, Missing},
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
pub(crate) struct Watched {
    pub balancer: Ref<LoadBalancer>,
    pub services: Vec<WatchedService>,
    /// The stack's own.
    pub database: Option<Ref<Database>>,
    /// The stack's own.
    pub cache: Option<Ref<Cache>>,
}

/// What is watched of one service.
#[derive(Clone)]
pub(crate) struct WatchedService {
    pub name: String,
    /// What its alarms are called, by what they watch.
    pub alarms: [String; 2],
    pub target: Ref<TargetGroup>,
    pub fleet: Ref<AutoScalingGroup>,
    /// While another fleet serves, alarms watch that one until requests go to this one.
    pub routed: Vec<Key>,
}

/// One alarm, as a row: name, metric, statistic, threshold, "datapoints of periods", missing data, and what it means.
struct Row<'a>(&'a str, &'static str, Measure, f64, (i32, i32), Missing, &'static str);

/// A count that is absent when it is zero must not alarm for want of data; a gauge that goes absent is worth a look.
const ZERO: Missing = Missing::NotBreaching;
const GAUGE: Missing = Missing::Missing;

/// Wires the alarms and the dashboard, if the stack has them.
#[rustfmt::skip] // a table of alarms
pub(crate) fn wire(b: &mut Builder<'_>, seen: &Watched) {
    let config = b.config;
    if config.monitoring.mode != Switch::Create {
        return;
    }
    let mut alarms = vec![];
    let mut add = |b: &mut Builder<'_>, namespace: &str, dimensions: Vec<(&str, Input<String>)>, comparison: Comparison, after: &[Key], row: Row<'_>| {
        let after: Vec<&Key> = after.iter().collect();
        let Row(name, metric, statistic, threshold, (datapoints, periods), missing, description) = row;
        let alarm = Alarm {
            aws: b.aws(),
            namespace: namespace.into(),
            metric: metric.into(),
            dimensions: dimensions.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
            statistic,
            period: 60,
            datapoints,
            periods,
            threshold,
            comparison,
            missing,
            description: description.into(),
            notify: config.monitoring.notify.clone(),
        };
        alarms.push(b.add_after(name, alarm, &after));
    };
    let (above, at_least, below) = (Comparison::Above, Comparison::AtLeast, Comparison::Below);

    let alb = "AWS/ApplicationELB";
    let balancer = || vec![("LoadBalancer", seen.balancer.input(|b| b.metric.clone()))];
    let target = |service: &WatchedService| {
        vec![
            ("LoadBalancer", seen.balancer.input(|b| b.metric.clone())),
            ("TargetGroup", service.target.input(|t| t.metric.clone())),
        ]
    };
    add(b, alb, balancer(), at_least, &[], Row("elb-5xx", "HTTPCode_ELB_5XX_Count", Measure::Sum, 1.0, (1, 1), ZERO,
        "the load balancer itself answers 5xx: no target is registered, or none answers in time"));
    add(b, alb, balancer(), at_least, &[], Row("target-5xx", "HTTPCode_Target_5XX_Count", Measure::Sum, 5.0, (2, 3), ZERO,
        "the service answers 5xx: its queue is full, or it is broken"));
    add(b, alb, balancer(), at_least, &[], Row("rejected", "RejectedConnectionCount", Measure::Sum, 1.0, (1, 1), ZERO,
        "the load balancer rejects connections"));
    add(b, alb, balancer(), above, &[], Row("slow", "TargetResponseTime", Measure::Percentile(90), config.monitoring.slow_seconds, (2, 3), ZERO,
        "one answer in ten takes longer than is worth points"));
    for service in &seen.services {
        let [unhealthy, healthy] = &service.alarms;
        add(b, alb, target(service), at_least, &service.routed, Row(unhealthy, "UnHealthyHostCount", Measure::Maximum, 1.0, (2, 2), ZERO,
            "a target fails its health check"));
        add(b, alb, target(service), below, &service.routed, Row(healthy, "HealthyHostCount", Measure::Minimum, 1.0, (1, 1), Missing::Breaching,
            "no target is healthy: nothing is served, or the balancer fails open"));
    }
    if let Some(db) = &seen.database {
        let rds = "AWS/RDS";
        let of = || vec![("DBInstanceIdentifier", db.input(|d| d.id.clone()))];
        add(b, rds, of(), above, &[], Row("database-cpu", "CPUUtilization", Measure::Average, 80.0, (3, 3), GAUGE,
            "the database's CPU is busy"));
        add(b, rds, of(), above, &[], Row("database-connections", "DatabaseConnections", Measure::Maximum, 50.0, (2, 3), GAUGE,
            "a micro instance takes about 60 connections"));
        add(b, rds, of(), below, &[], Row("database-storage", "FreeStorageSpace", Measure::Minimum, 2.0 * 1024.0 * 1024.0 * 1024.0, (1, 1), GAUGE,
            "the database has less than 2 GiB left"));
    }
    if let Some(cache) = &seen.cache {
        let elasticache = "AWS/ElastiCache";
        // Each node: after a failover it is another one that has the work.
        let names = [("cache-evictions", "cache-cpu"), ("cache-evictions-2", "cache-cpu-2")];
        for (i, (evictions, cpu)) in names.into_iter().enumerate().take(config.cache.nodes as usize) {
            let of = || vec![("CacheClusterId", member(cache, i))];
            add(b, elasticache, of(), at_least, &[], Row(evictions, "Evictions", Measure::Sum, 1.0, (1, 1), ZERO,
                "the cache is full and throws answers away"));
            add(b, elasticache, of(), above, &[], Row(cpu, "EngineCPUUtilization", Measure::Average, 80.0, (3, 3), GAUGE,
                "the cache's one thread is busy"));
        }
    }
    if config.monitoring.dashboard {
        // By their names, which are known before they stand: one that is made again changes nothing here.
        let arns: Vec<String> = alarms.iter().map(|a| arn(b, a.key())).collect();
        let (seen, region) = (seen.clone(), b.facts.region.clone());
        let nodes = config.cache.nodes as usize;
        let body = Input::new(move |inputs| dashboard(&seen, inputs, &region, &arns, nodes));
        b.add("main", Dashboard { aws: b.aws(), body });
    }
}

/// The member of a cache with this number, from 0.
fn member(cache: &Ref<Cache>, number: usize) -> Input<String> {
    let cache = cache.clone();
    Input::new(move |inputs| {
        let member = inputs.read(&cache, |c| c.members.get(number).cloned());
        member.and_then(|m| m.map_or_else(|| Known::After(cache.key().clone()), Known::Now))
    })
}

/// The ARN of an alarm of ours.
fn arn(b: &Builder<'_>, key: &Key) -> String {
    let (region, name) = (&b.facts.region, b.config.name_of(key.as_str()));
    format!("arn:{}:cloudwatch:{region}:{}:alarm:{name}", partition(region), b.facts.account)
}

/// What the dashboard shows, once it is known.
struct Shown {
    balancer: String,
    services: Vec<ShownService>,
    database: Option<String>,
    cache: Vec<String>,
}

struct ShownService {
    /// Empty where there is no other.
    name: String,
    target: String,
    fleet: String,
}

/// Left what the public sees, right what carries it, alarms on top. Everything is read before anything is judged:
/// what is read makes the step's needs.
fn dashboard(seen: &Watched, inputs: &Inputs, region: &str, alarms: &[String], nodes: usize) -> Known<Value> {
    let balancer = inputs.read(&seen.balancer, |o| o.metric.clone());
    let only = seen.services.len() == 1;
    let services: Vec<Known<ShownService>> = seen
        .services
        .iter()
        .map(|service| {
            let target = inputs.read(&service.target, |o| o.metric.clone());
            let fleet = inputs.read(&service.fleet, |o| o.name.clone());
            let name = if only { String::new() } else { service.name.clone() };
            target.and_then(|target| fleet.map(|fleet| ShownService { name, target, fleet }))
        })
        .collect();
    let database = seen.database.as_ref().map(|d| inputs.read(d, |o| o.id.clone()));
    let cache = seen.cache.as_ref().map(|c| inputs.read(c, |o| o.members.iter().take(nodes).cloned().collect()));
    let services = services.into_iter().fold(Known::Now(vec![]), |all, one| {
        all.and_then(|mut all: Vec<ShownService>| {
            one.map(|one| {
                all.push(one);
                all
            })
        })
    });
    let database = database.map_or(Known::Now(None), |id| id.map(Some));
    let cache = cache.unwrap_or(Known::Now(vec![]));
    balancer.and_then(|balancer| {
        services.and_then(|services| {
            database.and_then(|database| {
                cache.map(|cache| body(region, alarms, &Shown { balancer, services, database, cache }))
            })
        })
    })
}

fn body(region: &str, alarms: &[String], shown: &Shown) -> Value {
    let alb = "AWS/ApplicationELB";
    let graph = |title: &str, metrics: Vec<Value>| {
        json!({"type": "metric", "width": 8, "height": 6, "properties": {
            "region": region, "title": title, "view": "timeSeries", "period": 60, "stat": "Sum", "metrics": metrics,
        }})
    };
    let of_alb = |metric: &str, how: Value| json!([alb, metric, "LoadBalancer", &shown.balancer, how]);
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
    ];
    for service in &shown.services {
        let title =
            |what: &str| if service.name.is_empty() { what.into() } else { format!("{what} of {}", service.name) };
        let of_target = |metric: &str, how: Value| {
            json!([alb, metric, "TargetGroup", &service.target, "LoadBalancer", &shown.balancer, how])
        };
        let of_fleet = |namespace: &str, metric: &str| json!([namespace, metric, "AutoScalingGroupName", &service.fleet, {"stat": "Average"}]);
        widgets.push(graph(
            &title("Targets"),
            vec![
                of_target("HealthyHostCount", json!({"stat": "Minimum"})),
                of_target("UnHealthyHostCount", json!({"stat": "Maximum"})),
                of_target("RequestCountPerTarget", json!({"yAxis": "right"})),
            ],
        ));
        widgets.push(graph(
            &title("Instances"),
            vec![of_fleet("AWS/EC2", "CPUUtilization"), of_fleet("GameDay", "mem_used_percent")],
        ));
    }
    if let Some(id) = &shown.database {
        let of = |metric: &str, how: Value| json!(["AWS/RDS", metric, "DBInstanceIdentifier", id, how]);
        widgets.push(graph(
            "Database",
            vec![
                of("CPUUtilization", json!({"stat": "Average"})),
                of("DatabaseConnections", json!({"stat": "Maximum", "yAxis": "right"})),
            ],
        ));
    }
    if !shown.cache.is_empty() {
        let of_each = |metric: &str, how: Value| -> Vec<Value> {
            shown.cache.iter().map(|id| json!(["AWS/ElastiCache", metric, "CacheClusterId", id, how])).collect()
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
