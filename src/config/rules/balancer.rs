//! The load balancer: requests that it refuses, and its certificate.
use super::Rules;
use super::dns;
use super::routes;
use crate::Block;
use crate::block::{BLOCKS, Condition};
use crate::check::Issue;
use crate::place::{Place, at};
use crate::routing::{RULE_HOLDS, RULES, wildcards};
use std::collections::BTreeMap;

pub(super) fn check(rules: &mut Rules<'_>) {
    let config = rules.config;
    let all = &config.balancer.block;
    let place = at("balancer.block");
    let (total, without) = (config.balancer_rules(), config.rules_on_listeners(0));
    // The rules of the services alone are reported at the services.
    if all.len() > BLOCKS || total > RULES && without <= RULES {
        let each = if config.balancer.tls.is_some() { "two rules, one on each listener" } else { "a rule" };
        let why = match total > RULES {
            true => format!("with those of the services it would have {total}; AWS allows {RULES}"),
            false => format!("{BLOCKS} are allowed: the rules of the services come after them"),
        };
        rules.found.error(
            "block_too_many",
            place.clone(),
            format!("{} entries, each of which is {each} of the load balancer", all.len()),
            why,
            "join entries with wildcards: { path = \"/wp-*\" }",
        );
    }
    tls(rules);
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

/// Checks the certificate of `[balancer.tls]`.
fn tls(rules: &mut Rules<'_>) {
    let config = rules.config;
    let Some(tls) = &config.balancer.tls else { return };
    let place = at("balancer.tls");
    let all = [
        ("certificate", tls.certificate.is_some()),
        ("domain", tls.domain.is_some()),
        ("self_signed", tls.self_signed),
    ];
    let given: Vec<&str> = all.into_iter().filter(|(_, is)| *is).map(|(key, _)| key).collect();
    match given[..] {
        [] => rules.found.error(
            "tls_certificate",
            place.clone(),
            "HTTPS without a certificate",
            "the load balancer has nothing to show its clients",
            "write domain = \"app.example.com\" if a hosted zone of the account has it, or self_signed = true, or \
             certificate = \"arn:aws:acm:…\": `aws acm list-certificates` lists them",
        ),
        [first, .., last] => rules.found.push(
            Issue::error(
                "tls_certificate",
                place.key(last),
                "two certificates",
                "the load balancer shows one to all clients",
                "delete one of the two lines",
            )
            .with(place.key(first), "the other one"),
        ),
        [_] => {}
    }
    if let Some(arn) = tls.certificate.as_ref().filter(|_| given.len() == 1) {
        certificate_arn(rules, place.key("certificate"), arn);
    }
    if let Some(domain) = &tls.domain {
        // ACM takes 64 characters as the name of a certificate [AWS C2].
        dns::name(rules, "tls_domain", place.key("domain"), domain, domain.strip_prefix("*.").unwrap_or(domain), 64);
    }
    if let Some(zone) = &tls.zone {
        dns::zone(rules, place.key("zone"), zone);
        if tls.domain.is_none() {
            rules.found.error(
                "tls_zone",
                place.key("zone"),
                "a hosted zone without a domain",
                "a record in it proves the domain of a certificate that gameday requests",
                "write domain = \"app.example.com\", or delete `zone`",
            );
        }
    }
}

fn certificate_arn(rules: &mut Rules<'_>, place: Place, arn: &str) {
    let config = rules.config;
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let (why, fix) = match parts[..] {
        ["arn", partition, "acm", region, account, name]
            if account.len() == 12
                && account.bytes().all(|b| b.is_ascii_digit())
                && name.strip_prefix("certificate/").is_some_and(|id| !id.is_empty() && !id.contains('/')) =>
        {
            let ours = crate::partition(&config.region);
            if partition != ours {
                (
                    format!("it is in the partition {partition}, the stack in {ours}"),
                    "name one of this partition".into(),
                )
            } else if region != config.region {
                let fix = format!("request or import it in {}, and name that one", config.region);
                (
                    format!(
                        "it is in {region}, the stack in {}: a load balancer takes its own region's",
                        config.region
                    ),
                    fix,
                )
            } else {
                return;
            }
        }
        ["arn", _, "iam", ..] => {
            ("it is a server certificate of IAM".into(), "import it into ACM: `aws acm import-certificate`".into())
        }
        _ => (
            "it is not the ARN of an ACM certificate".to_owned(),
            format!("it looks like arn:aws:acm:{}:111122223333:certificate/…", config.region),
        ),
    };
    rules.found.error("certificate_arn", place, format!("{arn:?} cannot be the certificate"), why, fix);
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
