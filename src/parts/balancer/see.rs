//! The look at the balancer, its listeners and their rules.
use crate::{
    aws::{listing, words},
    config::{self, block},
    resources::origin_header,
    snapshot::{
        Look, Part,
        read::{port, some},
    },
};
use aws_sdk_elasticloadbalancingv2::types as elb;
use futures::future::join_all;
use serde::{Deserialize, Serialize};

/// A load balancer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Balancer {
    pub arn: String,
    pub name: String,
    pub dns_name: String,
    pub scheme: String,
    pub state: String,
    pub reason: Option<String>,
    pub vpc: String,
    pub zones: Vec<ZoneSubnet>,
    pub groups: Vec<String>,
}

/// A subnet of the balancer with its zone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ZoneSubnet {
    pub zone: String,
    pub subnet: String,
}

/// A listener of the balancer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Listener {
    pub arn: String,
    pub port: u16,
    pub protocol: String,
    /// The default actions, for requests that no rule matches.
    pub default: Vec<Action>,
    /// The rules without the default one, by priority.
    pub rules: Vec<Rule>,
}

/// A listener rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rule {
    pub arn: String,
    pub priority: u32,
    pub conditions: Vec<Condition>,
    pub actions: Vec<Action>,
}

/// A condition of a listener rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// `path-pattern`, `host-header`, `source-ip`…
    pub field: String,
    /// The name of the header, if `field` is `http-header`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The patterns. One of a query is `key=value`, with nothing before the sign for any key.
    ///
    /// Of the header that CloudFront sends, marks of its values.
    pub values: Vec<String>,
}

impl Condition {
    /// True if the condition is on the header that CloudFront sends.
    pub(crate) fn is_on_origin_header(&self) -> bool {
        self.header.as_deref().is_some_and(origin_header::is_name)
    }
}

/// An action of a listener or a rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Action {
    Forward { targets: Vec<Weighted> },
    FixedResponse { code: String },
    Redirect { to: String, code: String },
    Other { name: String },
}

/// A target group of a forward action, with its weight.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Weighted {
    /// The ARN of the target group.
    pub target_group: String,
    pub weight: i32,
}

/// Returns the conditions of the rule that refuses the requests of an entry of `block`.
pub(crate) fn refused(block: &config::Block) -> Vec<Condition> {
    let one = |condition| match condition {
        block::Condition::Path(path) => Condition { field: "path-pattern".into(), header: None, values: vec![path] },
        block::Condition::Query { key, value } => {
            let pair = format!("{}={value}", key.unwrap_or_default());
            Condition { field: "query-string".into(), header: None, values: vec![pair] }
        }
        block::Condition::Header { name, value } => {
            Condition { field: "http-header".into(), header: Some(name), values: vec![value] }
        }
    };
    block.conditions().into_iter().map(one).collect()
}

/// Finds the balancer by its name.
pub(crate) async fn find(look: &Look<'_>) {
    let found = look.ask(Part::Balancer, "DescribeLoadBalancers", async {
        Ok(listing::balancer(look.aws, &look.expected.names.balancer).await?.map(balancer))
    });
    let found = found.await;
    look.keep(|s| s.balancer = found);
}

/// Reads the listeners of the balancer and their rules.
pub(crate) async fn follow(look: &Look<'_>) {
    let Some(balancer) = look.seen(|s| Some(s.balancer.as_ref()?.arn.clone())) else { return };
    let listeners = look.ask(Part::Listeners, "DescribeListeners", async {
        let all = listing::listeners(look.aws, &balancer).await?;
        Ok(all.iter().cloned().map(listener).collect::<Vec<_>>())
    });
    let mut listeners = listeners.await;
    let rules = join_all(listeners.iter().map(|l| rules(look, l))).await;
    for (listener, rules) in listeners.iter_mut().zip(rules) {
        listener.rules = rules;
    }
    look.keep(|s| s.listeners = listeners);
}

/// Returns the rules of a listener, by priority.
async fn rules(look: &Look<'_>, listener: &Listener) -> Vec<Rule> {
    look.ask(Part::Rules, "DescribeRules", async {
        let found = listing::rules(look.aws, &listener.arn).await?;
        let mut rules: Vec<Rule> = found.iter().cloned().filter_map(rule).collect();
        rules.sort_by_key(|r| r.priority);
        Ok(rules)
    })
    .await
}

fn balancer(b: elb::LoadBalancer) -> Balancer {
    Balancer {
        state: b.state.as_ref().and_then(|s| s.code()).map_or(String::new(), |c| c.as_str().into()),
        reason: some(b.state.and_then(|s| s.reason)),
        arn: b.load_balancer_arn.unwrap_or_default(),
        name: b.load_balancer_name.unwrap_or_default(),
        dns_name: b.dns_name.unwrap_or_default(),
        scheme: b.scheme.map_or(String::new(), |s| s.as_str().into()),
        vpc: b.vpc_id.unwrap_or_default(),
        zones: b
            .availability_zones
            .unwrap_or_default()
            .into_iter()
            .map(|z| ZoneSubnet { zone: z.zone_name.unwrap_or_default(), subnet: z.subnet_id.unwrap_or_default() })
            .collect(),
        groups: b.security_groups.unwrap_or_default(),
    }
}

fn listener(l: elb::Listener) -> Listener {
    Listener {
        arn: l.listener_arn.unwrap_or_default(),
        port: port(l.port),
        protocol: l.protocol.map_or(String::new(), |p| p.as_str().into()),
        default: actions(l.default_actions),
        rules: vec![],
    }
}

/// Returns a rule, or `None` for the default rule, which is the listener's own action.
fn rule(r: elb::Rule) -> Option<Rule> {
    let priority = r.priority.as_deref()?.parse().ok()?;
    let conditions = r.conditions.unwrap_or_default().into_iter().map(|c| {
        let header = c.http_header_config.as_ref().and_then(|h| h.http_header_name.clone());
        let listed = [
            c.path_pattern_config.and_then(|p| p.values),
            c.host_header_config.and_then(|h| h.values),
            c.source_ip_config.and_then(|s| s.values),
            c.http_request_method_config.and_then(|m| m.values),
            c.http_header_config.and_then(|h| h.values),
            c.query_string_config.and_then(|q| q.values).map(|all| {
                let text = |q: elb::QueryStringKeyValuePair| {
                    format!("{}={}", q.key.unwrap_or_default(), q.value.unwrap_or_default())
                };
                all.into_iter().map(text).collect()
            }),
            c.values,
        ];
        // AWS returns the same values twice: in the structure of the condition's type and in the plain list.
        let values = listed.into_iter().flatten().find(|v: &Vec<String>| !v.is_empty()).unwrap_or_default();
        // The value of this header is a secret.
        let values = match header.as_deref().is_some_and(origin_header::is_name) {
            true => values.iter().map(|value| origin_header::mark(value)).collect(),
            false => values,
        };
        Condition { field: c.field.unwrap_or_default(), header, values }
    });
    let conditions = conditions.collect();
    Some(Rule { arn: r.rule_arn.unwrap_or_default(), priority, conditions, actions: actions(r.actions) })
}

fn actions(all: Option<Vec<elb::Action>>) -> Vec<Action> {
    all.unwrap_or_default()
        .into_iter()
        .map(|a| match a.r#type.as_ref().map_or("", |t| t.as_str()) {
            "forward" => {
                let weighted = |(target_group, weight)| Weighted { target_group, weight };
                Action::Forward { targets: words::elb::forwards(&a).into_iter().map(weighted).collect() }
            }
            "fixed-response" => {
                Action::FixedResponse { code: a.fixed_response_config.and_then(|f| f.status_code).unwrap_or_default() }
            }
            "redirect" => {
                let r = a.redirect_config;
                let part = |p: Option<&str>, other: &str| p.unwrap_or(other).to_owned();
                Action::Redirect {
                    to: format!(
                        "{}://{}:{}{}",
                        part(r.as_ref().and_then(|r| r.protocol()), "#{protocol}").to_lowercase(),
                        part(r.as_ref().and_then(|r| r.host()), "#{host}"),
                        part(r.as_ref().and_then(|r| r.port()), "#{port}"),
                        part(r.as_ref().and_then(|r| r.path()), "/#{path}"),
                    ),
                    code: r.and_then(|r| r.status_code).map_or(String::new(), |c| c.as_str().into()),
                }
            }
            other => Action::Other { name: other.into() },
        })
        .collect()
}
