//! The requests that reach each service: `routes` and `hosts`.
use super::Rules;
use crate::check::Issue;
use crate::place::{Place, at};
use crate::routing::{RULE_HOLDS, RULES, Routing, SERVICES, wildcards};
use std::collections::BTreeMap;

pub(super) fn check(rules: &mut Rules<'_>) {
    let config = rules.config;
    for (name, service) in &config.service {
        let place = at("service").key(name);
        each(rules, &place.key("routes"), &service.routes, "route_form", path);
        each(rules, &place.key("hosts"), &service.hosts, "host_form", host);
        together(rules, &place, &service.hosts, &service.routes);
    }
    number(rules);
    services(rules);
    defaults(rules);
    between_services(rules);
}

/// What is wrong with a pattern, and the way out.
type Wrong = (String, String);

/// Checks each pattern of a list by itself.
fn each(
    rules: &mut Rules<'_>,
    place: &Place,
    patterns: &[String],
    rule: &'static str,
    form: fn(&str) -> Option<Wrong>,
) {
    let mut first = BTreeMap::new();
    for (i, pattern) in patterns.iter().enumerate() {
        let here = place.item(i);
        if let Some(before) = first.insert(pattern.clone(), i) {
            let issue = Issue::error(
                "route_twice",
                here,
                format!("{pattern} is given twice"),
                "the second one has no effect",
                "delete one",
            );
            rules.found.push(issue.with(place.item(before), "first here"));
        } else if let Some((why, fix)) = form(pattern) {
            let what = if rule == "host_form" { "a host name or pattern" } else { "a path pattern" };
            rules.found.error(rule, here, format!("{pattern:?} is not {what}"), why, fix);
        } else if wildcards(pattern) > RULE_HOLDS {
            rules.found.error(
                "route_wildcards",
                here,
                format!("{pattern} has {} wildcards", wildcards(pattern)),
                "a load balancer allows 5 per rule; one * matches any text, including slashes",
                "use fewer: \"/a/*\" matches /a/b and /a/b/c",
            );
        }
    }
}

/// Returns what is wrong with a path pattern, and the way out.
pub(super) fn path(route: &str) -> Option<Wrong> {
    let bad = route.chars().find(|c| !(c.is_ascii_alphanumeric() || "_-.$/~\"'@:+&*?".contains(*c)));
    if !route.starts_with('/') && !route.starts_with('*') {
        Some(("it has to begin with / or *".into(), format!("write \"/{route}\"")))
    } else if route.len() > 128 {
        Some((format!("{} characters; a load balancer allows 128", route.len()), "shorten it with a *".into()))
    } else {
        let bad = bad?;
        let fix = match bad {
            '%' | '{' | '(' | '[' => "in patterns only * (any text) and ? (one character) are special",
            _ => "letters, digits and _ - . $ / ~ \" ' @ : + & * ?",
        };
        Some((format!("a load balancer does not accept {bad:?} in a path"), fix.into()))
    }
}

fn host(host: &str) -> Option<Wrong> {
    let bare = host.rsplit("://").next().unwrap_or_default().split(['/', ':']).next().unwrap_or_default();
    let bad = host.chars().find(|c| !(c.is_ascii_alphanumeric() || "-.*?".contains(*c)));
    let like = || "for example \"api.example.com\" or \"*.example.com\"".to_owned();
    let end = host.rsplit('.').next().unwrap_or_default();
    if bare != host && bare.contains('.') {
        Some(("it is the name alone, without scheme, port and path".into(), format!("write \"{bare}\"")))
    } else if let Some(bad) = bad {
        Some((format!("a load balancer does not accept {bad:?} in a host name"), like()))
    } else if host.len() > 128 {
        Some((format!("{} characters; a load balancer allows 128", host.len()), "shorten it with a *".into()))
    } else if !host.contains('.') {
        Some(("a load balancer requires a dot in it".into(), like()))
    } else if end.is_empty() || !end.chars().all(|c| c.is_ascii_alphabetic()) {
        Some(("a load balancer allows only letters after the last dot".into(), like()))
    } else {
        None
    }
}

/// Reports a host and a route that do not fit into one rule, because they have too many wildcards together.
fn together(rules: &mut Rules<'_>, place: &Place, hosts: &[String], routes: &[String]) {
    let most = |patterns: &[String]| patterns.iter().map(|p| wildcards(p)).filter(|n| *n <= RULE_HOLDS).max();
    let (Some(of_hosts), Some(of_routes)) = (most(hosts), most(routes)) else { return };
    if of_hosts + of_routes <= RULE_HOLDS {
        return;
    }
    let at_most = |patterns: &[String], n| patterns.iter().position(|p| wildcards(p) == n).unwrap_or_default();
    let (host, route) = (at_most(hosts, of_hosts), at_most(routes, of_routes));
    let issue = Issue::error(
        "route_wildcards",
        place.key("routes").item(route),
        format!("{} and {} have {} wildcards", hosts[host], routes[route], of_hosts + of_routes),
        "a request has to match both in one rule of the load balancer, which allows 5",
        "use fewer: \"/a/*\" matches /a/b and /a/b/c",
    );
    rules.found.push(issue.with(place.key("hosts").item(host), "the host"));
}

/// Reports more rules than a load balancer takes.
fn number(rules: &mut Rules<'_>) {
    let config = rules.config;
    let counts = || config.service.iter().map(|(name, service)| (name, config.rules_of(service).len()));
    let all = config.rules_on_listeners(0);
    if all <= RULES {
        return;
    }
    let (on_both, on_each) =
        if config.balancer.tls.is_some() { (" on the two listeners", " on each") } else { ("", "") };
    let Some((name, most)) = counts().max_by_key(|(_, n)| *n) else { return };
    let service = &config.service[name];
    let key = if service.routes.is_empty() { "hosts" } else { "routes" };
    rules.found.error(
        "routes_too_many",
        at("service").key(name).key(key),
        format!("routes and hosts of all services take {all} rules{on_both}, these alone {most}{on_each}"),
        format!("a load balancer allows {RULES}; a rule holds 5 patterns, and {RULE_HOLDS} wildcards"),
        "join them with wildcards: \"/api/*\"",
    );
}

/// Reports more services than one stack takes.
fn services(rules: &mut Rules<'_>) {
    let all = &rules.config.service;
    let Some(name) = all.keys().nth(SERVICES) else { return };
    let issue = Issue::error(
        "services_too_many",
        at("service").key(name),
        format!("{} services; a stack takes {SERVICES}", all.len()),
        "each is a rule in the security groups of the balancer and the stores, which hold 60",
        "move some into a stack of their own: another file with another name",
    );
    rules.found.push(issue.on_key());
}

/// Reports services without routes and hosts, if there is more than one.
fn defaults(rules: &mut Rules<'_>) {
    let mut without = rules.config.service.iter().filter(|(_, service)| service.is_default()).map(|(name, _)| name);
    let Some(first) = without.next() else { return };
    for name in without {
        let issue = Issue::error(
            "service_no_routes",
            at("service").key(name),
            format!("the services {first} and {name} have neither routes nor hosts"),
            "only one service can get the requests that no route names",
            format!("give one of them paths, for example routes = [\"/{name}\", \"/{name}/*\"] under [service.{name}]"),
        );
        rules.found.push(issue.on_key().with(at("service").key(first), "the first one"));
    }
}

/// Reports what another service takes: the same pattern, or everything.
fn between_services(rules: &mut Rules<'_>) {
    let config = rules.config;
    let mut before: Vec<(&String, Routing, Place)> = vec![];
    for (name, service) in &config.service {
        let place = at("service").key(name);
        let hosts = || if service.hosts.is_empty() { vec![None] } else { service.hosts.iter().map(Some).collect() };
        let mut own = vec![];
        for (i, route) in service.routes.iter().enumerate() {
            let with = |host: Option<&String>| Routing {
                hosts: host.into_iter().cloned().collect(),
                paths: vec![route.clone()],
            };
            own.extend(hosts().into_iter().map(with).map(|routing| (name, routing, place.key("routes").item(i))));
        }
        if service.routes.is_empty() {
            let only = |(i, host): (usize, &String)| {
                (name, Routing { hosts: vec![host.clone()], paths: vec![] }, place.key("hosts").item(i))
            };
            own.extend(service.hosts.iter().enumerate().map(only));
        }
        let mut told: Vec<Place> = vec![];
        for (_, routing, here) in &own {
            let same = |(_, other, _): &&(&String, Routing, Place)| other.covers(routing) && routing.covers(other);
            let Some((other, theirs, there)) = before.iter().find(same) else { continue };
            if told.contains(here) {
                continue;
            }
            told.push(here.clone());
            let text = |r: &Routing| [r.hosts.concat(), r.paths.concat()].concat();
            let issue = Issue::error(
                "route_twice",
                here.clone(),
                if text(theirs) == text(routing) {
                    format!("{} is given twice, for {other} and for {name}", text(routing))
                } else {
                    format!("{} of {name} and {} of {other} match the same requests", text(routing), text(theirs))
                },
                "a request reaches one service only",
                "delete one",
            );
            rules.found.push(issue.with(there.clone(), format!("of {other}")));
        }
        before.extend(own);
    }
    let everything = Routing::default();
    let Some(default) = config.default_service() else { return };
    if let Some((other, _, there)) = before.iter().find(|(_, routing, _)| routing.covers(&everything)) {
        let issue = Issue::error(
            "service_unreachable",
            at("service").key(default),
            format!("no request reaches the service {default}"),
            format!("it gets what no other service takes, and {other} takes every path"),
            format!(
                "give it paths of its own, for example routes = [\"/{default}\", \"/{default}/*\"] under [service.{default}]"
            ),
        );
        rules.found.push(issue.on_key().with(there.clone(), format!("every path goes to {other}")));
    }
}
