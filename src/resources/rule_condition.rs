//! Conditions of a listener rule: for a spec in words, for AWS in its types.
use super::origin_header;
use crate::config::block;
use aws_sdk_elasticloadbalancingv2::types::{
    HostHeaderConditionConfig, HttpHeaderConditionConfig, PathPatternConditionConfig, QueryStringConditionConfig,
    QueryStringKeyValuePair, RuleCondition,
};
use std::fmt;

/// A condition of a rule. One of its values has to match; `*` and `?` are wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The path, case-sensitive, without the query.
    Path(Vec<String>),
    /// The host.
    Host(Vec<String>),
    /// Keys and values of the query. Without a key, any key has the value.
    Query(Vec<(Option<String>, String)>),
    /// The name of a header, and its values.
    Header(String, Vec<String>),
}

const PATH: &str = "path-pattern";
const HOST: &str = "host-header";
const QUERY: &str = "query-string";
const HEADER: &str = "http-header";

impl From<block::Condition> for Condition {
    fn from(condition: block::Condition) -> Self {
        match condition {
            block::Condition::Path(path) => Self::Path(vec![path]),
            block::Condition::Query { key, value } => Self::Query(vec![(key, value)]),
            block::Condition::Header { name, value } => Self::Header(name, vec![value]),
        }
    }
}

impl Condition {
    /// True if the condition has no value.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Path(values) | Self::Host(values) | Self::Header(_, values) => values.is_empty(),
            Self::Query(pairs) => pairs.is_empty(),
        }
    }
}

/// Describes the condition in the same words for the wanted and the found state.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let any_of = |values: &[String]| super::sorted(values.to_vec()).join(" or ");
        match self {
            Self::Path(paths) => write!(f, "path {}", any_of(paths)),
            // A load balancer does not distinguish capital letters in them.
            Self::Host(hosts) => write!(f, "host {}", any_of(hosts).to_lowercase()),
            Self::Query(pairs) => {
                let one = |(key, value): &(Option<String>, String)| match key {
                    Some(key) => format!("{key}={value}"),
                    None => value.clone(),
                };
                write!(f, "query {}", any_of(&pairs.iter().map(one).collect::<Vec<_>>()))
            }
            Self::Header(name, values) => write!(f, "header {}: {}", name.to_ascii_lowercase(), any_of(values)),
        }
    }
}

/// Returns conditions in AWS's types.
pub(super) fn to(conditions: &[Condition]) -> Vec<RuleCondition> {
    conditions.iter().map(aws).collect()
}

fn aws(condition: &Condition) -> RuleCondition {
    let to = RuleCondition::builder();
    match condition {
        Condition::Path(paths) => {
            let values = PathPatternConditionConfig::builder().set_values(Some(paths.clone())).build();
            to.field(PATH).path_pattern_config(values)
        }
        Condition::Host(hosts) => {
            let values = HostHeaderConditionConfig::builder().set_values(Some(hosts.clone())).build();
            to.field(HOST).host_header_config(values)
        }
        Condition::Query(pairs) => {
            let pair = |(key, value): &(Option<String>, String)| {
                QueryStringKeyValuePair::builder().set_key(key.clone()).value(value).build()
            };
            let values = QueryStringConditionConfig::builder().set_values(Some(pairs.iter().map(pair).collect()));
            to.field(QUERY).query_string_config(values.build())
        }
        Condition::Header(name, values) => {
            let values = HttpHeaderConditionConfig::builder().http_header_name(name).set_values(Some(values.clone()));
            to.field(HEADER).http_header_config(values.build())
        }
    }
    .build()
}

/// Returns the values of the header of CloudFront's requests, if a rule has a condition on it.
pub(super) fn origin_header(conditions: &[RuleCondition]) -> impl Iterator<Item = &str> {
    let own = conditions.iter().filter(|c| is_on_origin_header(c)).filter_map(|c| c.http_header_config());
    own.flat_map(|c| c.values()).map(String::as_str)
}

/// True if the condition is on the header of CloudFront's requests, whose values are not described.
pub(super) fn is_on_origin_header(condition: &RuleCondition) -> bool {
    condition.http_header_config().and_then(|c| c.http_header_name()).is_some_and(origin_header::is_name)
}

/// Describes one of AWS's conditions in the same words. A condition of another field is described by its field.
pub(super) fn describe(condition: &RuleCondition) -> String {
    // AWS returns the values of some fields in the plain list, too.
    let or_plain = |values: &[String]| if values.is_empty() { condition.values().to_vec() } else { values.to_vec() };
    let known = match condition.field() {
        Some(PATH) => {
            let values = condition.path_pattern_config().map(|c| c.values()).unwrap_or_default();
            Some(Condition::Path(or_plain(values)))
        }
        Some(HOST) => {
            let values = condition.host_header_config().map(|c| c.values()).unwrap_or_default();
            Some(Condition::Host(or_plain(values)))
        }
        Some(QUERY) => condition.query_string_config().map(|c| {
            let key = |p: &QueryStringKeyValuePair| p.key.clone().filter(|key| !key.is_empty());
            Condition::Query(c.values().iter().map(|p| (key(p), p.value.clone().unwrap_or_default())).collect())
        }),
        Some(HEADER) => condition
            .http_header_config()
            .map(|c| Condition::Header(c.http_header_name().unwrap_or_default().into(), c.values().to_vec())),
        _ => None,
    };
    known.map_or_else(|| format!("({})", condition.field().unwrap_or("another condition")), |c| c.to_string())
}
