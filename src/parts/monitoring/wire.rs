//! The steps of monitoring.
use crate::{
    aws::{GLOBAL, partition},
    config::{ALARMS, Switch},
    engine::{Input, Inputs, Key, Known, Ref},
    parts::{
        Builder,
        balancer::measure as balancer,
        cache::Address,
        cdn::measure as cdn,
        database::measure as database,
        metric::{Graph, MetricTable},
        service::measure as service,
    },
    resources::{
        alarm::{Alarm, Measure},
        auto_scaling_group::AutoScalingGroup,
        dashboard::Dashboard,
        database::Database,
        distribution::Distribution,
        load_balancer::LoadBalancer,
        target_group::TargetGroup,
    },
};
use serde_json::{Value, json};
use std::slice;

/// The objects that alarms and the dashboard watch.
#[derive(Clone)]
pub(crate) struct Watched {
    pub balancer: Ref<LoadBalancer>,
    /// The distribution before the balancer.
    pub cdn: Option<Ref<Distribution>>,
    pub services: Vec<WatchedService>,
    /// The stack's own database. One that is only used is not watched.
    pub database: Option<Ref<Database>>,
    /// The stack's own cache. One that is only used is not watched.
    pub cache: Option<Address>,
}

/// The objects of one service that alarms and the dashboard watch.
#[derive(Clone)]
pub(crate) struct WatchedService {
    pub name: String,
    /// The names of its alarms, in the order of `ALARMS`.
    pub alarms: [String; 2],
    pub target: Ref<TargetGroup>,
    pub fleet: Ref<AutoScalingGroup>,
    /// The steps that send requests to this fleet. While another fleet serves, the alarms watch that one until then.
    pub routed: Vec<Key>,
}

/// Wires the alarms and the dashboard, if the stack has them.
pub(crate) fn wire(b: &mut Builder<'_>, seen: &Watched) {
    let config = b.config;
    if config.monitoring.mode != Switch::Create {
        return;
    }
    let mut alarms = vec![];
    let mut add = |b: &mut Builder<'_>,
                   table: &MetricTable,
                   values: &[Input<String>],
                   after: &[Key],
                   name_of: &dyn Fn(&str) -> String| {
        let after: Vec<&Key> = after.iter().collect();
        for (metric, row) in table.alarms() {
            let (comparison, threshold) = row.fires.when(config);
            let (datapoints, periods) = row.points;
            let dimensions = table.dimensions.iter().map(ToString::to_string).zip(values.iter().cloned());
            let alarm = Alarm {
                aws: b.aws(),
                namespace: table.namespace.into(),
                metric: metric.name.into(),
                dimensions: dimensions.collect(),
                statistic: metric.statistic,
                period: 60,
                datapoints,
                periods,
                threshold,
                comparison,
                missing: row.missing,
                description: row.description.into(),
                notify: config.monitoring.notify.clone(),
            };
            alarms.push(b.add_after(&name_of(row.name), alarm, &after));
        }
    };
    let balancer = seen.balancer.input(|b| b.metric.clone());
    add(b, &balancer::METRICS, slice::from_ref(&balancer), &[], &str::to_owned);
    // An alarm has to be where its metric is.
    if let Some(distribution) = seen.cdn.as_ref().filter(|_| b.facts.region == GLOBAL) {
        let values = [distribution.input(|d| d.id.clone()), Input::from(cdn::REGION.to_owned())];
        add(b, &cdn::METRICS, &values, &[], &str::to_owned);
    }
    for service in &seen.services {
        let target = service.target.input(|t| t.metric.clone());
        let name_of = |what: &str| {
            let named = ALARMS.iter().zip(&service.alarms).find(|(alarm, _)| **alarm == what);
            named.map_or(what, |(_, name)| name).to_owned()
        };
        add(b, &service::TARGETS, &[target, balancer.clone()], &service.routed, &name_of);
    }
    if let Some(database) = &seen.database {
        add(b, &database::METRICS, &[database.input(|d| d.id.clone())], &[], &str::to_owned);
    }
    if let Some(cache) = &seen.cache {
        // Each node has alarms, because after a failover another one does the work.
        for node in 0..NODES.min(cache.watched) {
            let name_of = |name: &str| if node == 0 { name.to_owned() } else { format!("{name}-{}", node + 1) };
            add(b, cache.metrics, &[cache.member(node)], &[], &name_of);
        }
    }
    if config.monitoring.dashboard {
        // Alarms are referred to by name, which is known in advance, so recreating an alarm does not change the
        // dashboard.
        let arns: Vec<String> = alarms.iter().map(|a| arn(b, a.key())).collect();
        let (seen, region) = (seen.clone(), b.facts.region.clone());
        let body = Input::new(move |inputs| dashboard(&seen, inputs, &region, &arns));
        b.add("main", Dashboard { aws: b.aws(), body });
    }
}

/// The number of cache nodes that have alarms.
const NODES: usize = 2;

/// Returns the ARN of one of the stack's alarms.
fn arn(b: &Builder<'_>, key: &Key) -> String {
    let (region, name) = (&b.facts.region, b.config.name_of(key.as_str()));
    format!("arn:{}:cloudwatch:{region}:{}:alarm:{name}", partition(region), b.facts.account)
}

/// The ids and names that the body of the dashboard contains.
struct DashboardInputs {
    balancer: String,
    cdn: Option<String>,
    services: Vec<ServiceInputs>,
    database: Option<String>,
    cache: Option<(&'static MetricTable, Vec<String>)>,
}

/// The names that the dashboard contains for one service.
struct ServiceInputs {
    /// The name of the service, or empty if it is the only one.
    name: String,
    target: String,
    fleet: String,
}

/// Returns the body of the dashboard: alarms on top, then the graphs of the balancer, the services and the stores.
///
/// Every input is read before any is tested, because reading an input makes it one of the step's needs.
fn dashboard(seen: &Watched, inputs: &Inputs, region: &str, alarms: &[String]) -> Known<Value> {
    let balancer = inputs.read(&seen.balancer, |o| o.metric.clone());
    let only = seen.services.len() == 1;
    let services: Vec<Known<ServiceInputs>> = seen
        .services
        .iter()
        .map(|service| {
            let target = inputs.read(&service.target, |o| o.metric.clone());
            let fleet = inputs.read(&service.fleet, |o| o.name.clone());
            let name = if only { String::new() } else { service.name.clone() };
            target.and_then(|target| fleet.map(|fleet| ServiceInputs { name, target, fleet }))
        })
        .collect();
    let cdn = seen.cdn.as_ref().map(|d| inputs.read(d, |o| o.id.clone()));
    let database = seen.database.as_ref().map(|d| inputs.read(d, |o| o.id.clone()));
    let cache = seen
        .cache
        .as_ref()
        .map(|c| c.members.read(inputs).map(|all| (c.metrics, all.into_iter().take(c.watched).collect())));
    let services = services.into_iter().fold(Known::Now(vec![]), |all, one| {
        all.and_then(|mut all: Vec<ServiceInputs>| {
            one.map(|one| {
                all.push(one);
                all
            })
        })
    });
    let database = database.map_or(Known::Now(None), |id| id.map(Some));
    let cache = cache.map_or(Known::Now(None), |cache| cache.map(Some));
    let cdn = cdn.map_or(Known::Now(None), |id| id.map(Some));
    balancer.and_then(|balancer| {
        cdn.and_then(|cdn| {
            services.and_then(|services| {
                database.and_then(|database| {
                    cache.map(|cache| {
                        body(region, alarms, &DashboardInputs { balancer, cdn, services, database, cache })
                    })
                })
            })
        })
    })
}

/// A table of metrics with the dimension values of each measured object.
type Measured<'a> = (&'a MetricTable, Vec<Vec<&'a str>>);

/// Returns the JSON of the dashboard.
fn body(region: &str, alarms: &[String], shown: &DashboardInputs) -> Value {
    let mut widgets =
        vec![json!({"type": "alarm", "width": 24, "height": 3, "properties": {"title": "Alarms", "alarms": alarms}})];
    let balancer = shown.balancer.as_str();
    if let Some(id) = &shown.cdn {
        // A widget can show another region's metrics.
        widgets.extend(graphs(GLOBAL, "", &[(&cdn::METRICS, vec![vec![id, cdn::REGION]])]));
    }
    widgets.extend(graphs(region, "", &[(&balancer::METRICS, vec![vec![balancer]])]));
    for service in &shown.services {
        let fleet = vec![vec![service.fleet.as_str()]];
        let tables = [
            (&service::TARGETS, vec![vec![service.target.as_str(), balancer]]),
            (&service::INSTANCES, fleet.clone()),
            (&service::AGENT, fleet),
        ];
        widgets.extend(graphs(region, &service.name, &tables));
    }
    if let Some(id) = &shown.database {
        widgets.extend(graphs(region, "", &[(&database::METRICS, vec![vec![id]])]));
    }
    if let Some((metrics, members)) = &shown.cache {
        let members = members.iter().map(|id| vec![id.as_str()]);
        widgets.extend(graphs(region, "", &[(metrics, members.collect())]));
    }
    json!({"start": "-PT1H", "periodOverride": "inherit", "widgets": widgets})
}

/// Returns a widget for each title in the tables.
///
/// A `service` that is not empty becomes part of the title.
fn graphs(region: &str, service: &str, tables: &[Measured<'_>]) -> Vec<Value> {
    let mut all: Vec<(&Graph, Vec<Value>)> = vec![];
    for (table, names) in tables {
        for row in table.rows {
            let Some(graph) = &row.graph else { continue };
            let mut style = serde_json::Map::new();
            if row.statistic != Measure::Sum {
                style.insert("stat".into(), row.statistic.text().into());
            }
            if graph.right {
                style.insert("yAxis".into(), "right".into());
            }
            let lines = names.iter().map(|values| {
                let dimensions = table.dimensions.iter().zip(values).flat_map(|(name, value)| [*name, *value]);
                let line = [table.namespace, row.name].into_iter().chain(dimensions).map(Value::from);
                line.chain([Value::from(style.clone())]).collect::<Value>()
            });
            all.push((graph, lines.collect()));
        }
    }
    let mut titles: Vec<&str> = vec![];
    for (graph, _) in &all {
        if !titles.contains(&graph.title) {
            titles.push(graph.title);
        }
    }
    all.sort_by_key(|(graph, _)| graph.place);
    let widget = |title: &&str| {
        let lines: Vec<&Value> = all.iter().filter(|(graph, _)| graph.title == *title).flat_map(|(_, l)| l).collect();
        let title = if service.is_empty() { (*title).to_owned() } else { format!("{title} of {service}") };
        json!({"type": "metric", "width": 8, "height": 6, "properties": {
            "region": region, "title": title, "view": "timeSeries", "period": 60, "stat": "Sum", "metrics": lines,
        }})
    };
    titles.iter().map(widget).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SERVICES;

    #[test]
    fn the_metrics_of_a_distribution_are_shown_from_their_own_region() {
        let (balancer, cdn) = ("app/billing-main/1".to_owned(), Some("E1".to_owned()));
        let shown = DashboardInputs { balancer, cdn, services: vec![], database: None, cache: None };
        let body = body("eu-central-1", &[], &shown);
        let widgets = body["widgets"].as_array().expect("widgets").iter().filter(|w| w["type"] == "metric");
        let widgets: Vec<(&Value, String)> =
            widgets.map(|w| (&w["properties"]["region"], w["properties"]["metrics"].to_string())).collect();
        assert!(widgets.len() > 1);
        for (region, metrics) in widgets {
            assert_eq!(region == GLOBAL, metrics.contains("AWS/CloudFront"), "{region}: {metrics}");
            assert!(
                !metrics.contains("AWS/CloudFront") || metrics.contains(r#""DistributionId","E1","Region","Global""#)
            );
        }
    }

    /// Holds the limits of CloudWatch: 500 widgets, 500 metrics in one, and 2500 in a dashboard.
    #[test]
    fn the_dashboard_of_the_largest_stack_is_within_the_limits() {
        let service = |n: usize| ServiceInputs { name: format!("s{n}"), target: "t".into(), fleet: "f".into() };
        let shown = DashboardInputs {
            balancer: "b".into(),
            cdn: Some("E1".into()),
            services: (1..=SERVICES).map(service).collect(),
            database: Some("d".into()),
            cache: None,
        };
        let body = body("us-east-1", &[], &shown);
        let widgets = body["widgets"].as_array().expect("widgets");
        let metrics: Vec<usize> =
            widgets.iter().map(|w| w["properties"]["metrics"].as_array().map_or(0, Vec::len)).collect();
        assert!(widgets.len() <= 500 && metrics.iter().all(|n| *n <= 500), "{} widgets: {metrics:?}", widgets.len());
        assert!(metrics.iter().sum::<usize>() <= 2500, "{} metrics", metrics.iter().sum::<usize>());
    }
}
