//! The load balancer: requests that it refuses.
use super::Rules;
use super::routes;
use crate::block::{BLOCKS, Condition};
use crate::check::Issue;
use crate::place::{Place, at};
use crate::routing::{RULE_HOLDS, RULES, wildcards};
use crate::{Block, Config};
use std::collections::BTreeMap;

pub(super) fn check(rules: &mut Rules<'_>) {
    let config = rules.config;
    let all = &config.balancer.block;
    let place = at("balancer.block");
    let total = rules_of(config);
    if all.len() > BLOCKS || !all.is_empty() && total > RULES {
        rules.found.error(
            "block_too_many",
            place.clone(),
            format!("{} entries, each of which is a rule of the load balancer", all.len()),
            format!("with those of the services it would have {total} rules; AWS allows {RULES}"),
            "join entries with wildcards: { path = \"/wp-*\" }",
        );
    }
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    for (i, block) in all.iter().enumerate() {
        let here = place.item(i);
        if let Some(before) = first.insert(format!("{block:?}"), i) {
            rules.found.push(
                Issue::error(
                    "block_twice",
                    here,
                    "these requests are blocked twice",
                    "the second entry has no effect",
                    "delete one",
                )
                .with(place.item(before), "first here"),
            );
            continue;
        }
        entry(rules, here, block);
    }
}

/// Returns the number of the balancer's rules, without the default ones.
fn rules_of(config: &Config) -> usize {
    config.balancer.block.len() + config.service.values().map(|s| s.rules().len()).sum::<usize>()
}

fn entry(rules: &mut Rules<'_>, place: Place, block: &Block) {
    let conditions = block.conditions();
    if conditions.is_empty() {
        rules.found.error(
            "block_empty",
            place,
            "an entry without a condition",
            "it would block every request",
            "give a path, a query or a header: { query = \"*DROP TABLE*\" }; or delete the entry",
        );
        return;
    }
    let is_any = |c: &Condition| matches!(c, Condition::Path(path) if matches!(path.as_str(), "*" | "/*"));
    if conditions.iter().all(is_any) {
        rules.found.error(
            "block_everything",
            place,
            "the entry blocks every request",
            "every path matches it, so that no service gets a request",
            "give a narrower path: \"/admin/*\"; or add a query or a header, which have to match, too",
        );
        return;
    }
    let mut count = 0;
    for condition in &conditions {
        let (key, wrong) = match condition {
            Condition::Path(path) => ("path", routes::path(path)),
            Condition::Query { key, value } => {
                let key = key.as_deref().map(|key| text("key", key));
                ("query", key.flatten().or_else(|| text("value", value)))
            }
            Condition::Header { name, value } => ("header", header(name, value)),
        };
        if let Some((why, fix)) = wrong {
            let written = block.value(key);
            let what = format!("{written:?} is not a pattern of a {key}");
            rules.found.error("block_form", place.key(key), what, why, fix);
            return;
        }
        count += wildcards(block.value(key));
    }
    if count > RULE_HOLDS {
        rules.found.error(
            "block_wildcards",
            place,
            format!("the entry has {count} wildcards"),
            format!("a load balancer allows {RULE_HOLDS} per rule"),
            "use fewer: \"*text*\" finds a text anywhere in a value",
        );
    }
}

impl Block {
    /// Returns the value of a key, as it is written.
    fn value(&self, key: &str) -> &str {
        let value = match key {
            "path" => &self.path,
            "query" => &self.query,
            _ => &self.header,
        };
        value.as_deref().unwrap_or_default()
    }
}

/// Returns what is wrong with a pattern of a query's key or value, and the way out.
fn text(what: &str, pattern: &str) -> Option<(String, String)> {
    if pattern.is_empty() {
        Some((format!("the {what} is empty"), "for any text write *: \"debug=*\"".into()))
    } else if pattern.len() > 128 {
        Some((format!("the {what} has {} characters; 128 are allowed", pattern.len()), "shorten it with a *".into()))
    } else if pattern.contains(|c: char| !(' '..='~').contains(&c)) {
        let fix = "write such characters as the client sends them: %C3%A4 for ä".into();
        Some((format!("the {what} has characters that no address contains"), fix))
    } else {
        None
    }
}

/// Returns what is wrong with a condition on a header, and the way out.
fn header(name: &str, value: &str) -> Option<(String, String)> {
    // The characters of a token (RFC 9110), which the API's documentation names.
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || value.is_empty() {
        Some(("a name and a value are needed".into(), "write \"User-Agent: *sqlmap*\"".into()))
    } else if name.len() > 40 {
        Some((format!("the name has {} characters; 40 are allowed", name.len()), "choose another header".into()))
    } else if name.contains(['*', '?']) {
        Some(("a name has no wildcards".into(), "name one header; only its value is a pattern".into()))
    } else if let Some(bad) = name.chars().find(|c| !token(*c)) {
        Some((format!("{bad:?} cannot be in the name of a header"), "write \"User-Agent: *sqlmap*\"".into()))
    } else if name.eq_ignore_ascii_case("host") {
        Some(("a load balancer does not compare this header".into(), "block a path, a query or another header".into()))
    } else {
        text("value", value)
    }
}
