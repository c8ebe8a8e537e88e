//! The distribution: where CloudFront exists, what distinguishes answers, and who is let in.
use super::Rules;
use crate::check::Issue;
use crate::derived::partition;
use crate::place::at;
use crate::{Config, Switch};

/// The most headers in a cache key, and the most query parameters (CloudFront quotas).
const MOST: usize = 10;
/// The query parameter that stands for all.
const ALL: &str = "*";

pub(super) fn check(rules: &mut Rules<'_>) {
    let config = rules.config;
    if config.cdn.mode == Switch::Off {
        return;
    }
    region(rules, config);
    balancer(rules, config);
    tls(rules, config);
    hosts(rules, config);
    who_is_let_in(rules, config);
    query(rules, &config.cdn.query);
    headers(rules, &config.cdn.headers);
}

fn region(rules: &mut Rules<'_>, config: &Config) {
    if partition(&config.region) == "aws" {
        return;
    }
    let issue = Issue::error(
        "cdn_region",
        at("cdn.mode"),
        format!("there is no CloudFront for {}", config.region),
        "AWS GovCloud has none, and in China it needs a registered domain and another account",
        "set mode = \"off\" under [cdn], or choose another region",
    );
    rules.found.push(issue.with(at("region"), "the region"));
}

fn balancer(rules: &mut Rules<'_>, config: &Config) {
    if !config.has_internal_balancer() {
        return;
    }
    let issue = Issue::error(
        "cdn_internal",
        at("balancer.scheme"),
        "CloudFront cannot reach the load balancer",
        "an internal load balancer has private addresses only, and the distribution asks it over the internet",
        "set scheme = \"public\": close_balancer lets only CloudFront in; or mode = \"off\" under [cdn]",
    );
    rules.found.push(issue.with(at("cdn.mode"), "the distribution"));
}

fn tls(rules: &mut Rules<'_>, config: &Config) {
    if config.balancer.tls.is_none() {
        return;
    }
    let issue = Issue::error(
        "cdn_tls",
        at("balancer.tls"),
        "the load balancer has HTTPS although CloudFront is in front of it",
        "clients get HTTPS from CloudFront, under its own name, and CloudFront asks the load balancer by HTTP",
        "delete [balancer.tls], or set mode = \"off\" under [cdn]",
    );
    rules.found.push(issue.with(at("cdn.mode"), "the distribution"));
}

fn hosts(rules: &mut Rules<'_>, config: &Config) {
    for (name, _) in config.service.iter().filter(|(_, service)| !service.hosts.is_empty()) {
        let issue = Issue::error(
            "cdn_hosts",
            at("service").key(name).key("hosts"),
            format!("no request that comes through CloudFront reaches {name} by its host"),
            "CloudFront asks the load balancer for the load balancer's own name",
            format!("give [service.{name}] routes instead of hosts, or set mode = \"off\" under [cdn]"),
        );
        rules.found.push(issue.with(at("cdn.mode"), "the distribution"));
    }
}

fn who_is_let_in(rules: &mut Rules<'_>, config: &Config) {
    let cdn = &config.cdn;
    if cdn.close_balancer && !cdn.endpoint {
        let issue = Issue::error(
            "cdn_closed",
            at("cdn.endpoint"),
            "the load balancer is the address of the stack, but closed",
            "close_balancer lets only CloudFront in, so nobody could ask the load balancer",
            "set close_balancer = false, or endpoint = true",
        );
        rules.found.push(issue.with(at("cdn.close_balancer"), "this closes it"));
    }
}

fn query(rules: &mut Rules<'_>, names: &[String]) {
    let all = names.iter().position(|name| name == ALL);
    if let Some(i) = all.filter(|_| names.len() > 1) {
        rules.found.error(
            "cdn_query",
            at("cdn.query").item(i),
            "\"*\" is given beside names",
            "it means every query parameter, so the names have no effect",
            "use [\"*\"] alone, or only the names",
        );
    } else if names.len() > MOST {
        rules.found.error(
            "cdn_query",
            at("cdn.query"),
            format!("{} query parameters are given", names.len()),
            format!("CloudFront distinguishes answers by {MOST} of them at most"),
            "use [\"*\"], which means every parameter",
        );
    }
    for (i, name) in names.iter().enumerate().filter(|(_, name)| *name != ALL) {
        if name.is_empty() || name.len() > 128 || name.contains(|c: char| c.is_whitespace() || "*?&=#".contains(c)) {
            rules.found.error(
                "cdn_query",
                at("cdn.query").item(i),
                format!("{name:?} is not the name of a query parameter"),
                "a name is the part before the equals sign, without wildcards",
                "use a name such as \"input\", or [\"*\"] for all",
            );
        }
    }
}

fn headers(rules: &mut Rules<'_>, names: &[String]) {
    if names.len() > MOST {
        rules.found.error(
            "cdn_header",
            at("cdn.headers"),
            format!("{} headers are given", names.len()),
            format!("CloudFront distinguishes answers by {MOST} headers at most"),
            "keep those on which the answer depends",
        );
    }
    for (i, name) in names.iter().enumerate() {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        let (why, fix) = if name.is_empty() || name.len() > 128 || !name.chars().all(is_token) {
            ("a header has letters, digits and hyphens", "use a name such as \"Accept-Language\"")
        } else if REFUSED.iter().any(|refused| name.eq_ignore_ascii_case(refused)) {
            ("CloudFront cannot distinguish answers by it", "delete it: the answer must not depend on it")
        } else {
            continue;
        };
        rules.found.error(
            "cdn_header",
            at("cdn.headers").item(i),
            format!("{name:?} cannot be part of the cache key"),
            why,
            fix,
        );
    }
}

/// Headers that CloudFront removes or sets itself, so that no answer can depend on them.
const REFUSED: &[&str] =
    &["Connection", "Cookie", "Host", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Via"];
