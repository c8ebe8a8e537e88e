//! The findings about the listener and its rules: which target group gets a request for a path.
use crate::{
    aws::words::elb::target_group_name,
    diagnose::{
        Draft, Drafts, Hop, HopName, UP, View,
        name::{host_of, path_of, port_of, query_of},
        names,
    },
    parts::{access::HTTP, balancer::judge::block, tls},
    shell::command,
    snapshot::{Action, Condition, Listener, Part, Rule, matches, sample_host, sample_path},
};

/// Returns the listener that receives requests for the probed URL.
fn ours<'a>(view: &View<'a>) -> Option<&'a Listener> {
    let (_, port) = asked(view);
    view.s.listeners.iter().find(|l| l.port == port)
}

/// Returns scheme and port of the probed URL, or those of the stack file.
fn asked<'a>(view: &View<'a>) -> (&'a str, u16) {
    let s = view.s;
    s.probe.url.as_deref().map_or((s.expected.scheme(), s.expected.listener_port), port_of)
}

/// Returns the hop of the listener.
pub(crate) fn hop(view: &View<'_>) -> Hop {
    let s = view.s;
    let (scheme, port) = asked(view);
    let mut hop = Draft::hop();
    let seen = s.saw(Part::Listeners) && s.balancer.is_some();
    if !seen {
        return hop.done(
            HopName::Listener,
            false,
            match s.saw(Part::Listeners) {
                true => view.absent(Part::Balancer, "no load balancer, so no listener"),
                false => view.absent(Part::Listeners, ""),
            },
        );
    }
    let Some(l) = ours(view) else {
        let there: Vec<String> = s.listeners.iter().map(|l| format!("{} {}", l.protocol, l.port)).collect();
        hop.push(if port != s.expected.listener_port {
            Draft::new(
                "url-port",
                format!("the URL uses port {port}, where the balancer does not listen"),
                format!("it listens on {}", names(&there)),
                command!(
                    "gameday why {}",
                    s.expected.url(&host_of(s.probe.url.as_deref().unwrap_or_default()), &s.expected.path())
                ),
            )
        } else if s.listeners.is_empty() {
            Draft::new(
                "listener-missing",
                format!("the balancer has no listener on port {port}"),
                "DescribeListeners returns none: every connection is refused or times out",
                UP,
            )
        } else {
            Draft::new(
                "listener-port",
                format!("the balancer does not listen on port {port}"),
                format!("it listens on {}", names(&there)),
                UP,
            )
        });
        // HTTPS waits for the certificate, if ACM has not issued it.
        if tls::judge::waits(view) && port == s.expected.listener_port {
            hop.0.iter_mut().for_each(|draft| draft.symptom = true);
            tls::judge::certificate(view, &mut hop);
        }
        return hop.done(HopName::Listener, true, format!("none on port {port}; there are: {}", names(&there)));
    };
    if !l.protocol.eq_ignore_ascii_case(scheme) {
        hop.push(Draft::new(
            "listener-protocol",
            format!("the listener on port {port} speaks {}, not {}", l.protocol, scheme.to_uppercase()),
            l.arn.clone(),
            UP,
        ));
    }
    if s.saw(Part::TargetGroup) {
        default_action(view, l, &mut hop);
    }
    if scheme == "https" {
        tls::judge::certificate(view, &mut hop);
    }
    redirect(view, &mut hop);
    let evidence = format!("{} {} → {}", l.protocol, l.port, said(view, &l.default));
    hop.done(HopName::Listener, true, evidence)
}

/// Adds the finding about port 80 if it does not redirect to HTTPS as the stack file says.
fn redirect(view: &View<'_>, hop: &mut Drafts) {
    let s = view.s;
    if !s.expected.redirect || !s.saw(Part::Rules) {
        return;
    }
    let evidence = match s.listeners.iter().find(|l| l.port == HTTP) {
        None => format!("there is no listener on port {HTTP}"),
        Some(l) => {
            let host = s.expected.hosts.first().map(|host| sample_host(host)).unwrap_or_default();
            let others = |rule: &&Rule| block::place(view, rule).is_none() && takes(rule, &host, "/");
            match l.rules.iter().find(others) {
                Some(rule) if redirects(view, rule) => return,
                Some(rule) => {
                    format!("priority {} ({}): {}", rule.priority, conditions(rule), said(view, &rule.actions))
                }
                None => format!("no rule matches; default action: {}", said(view, &l.default)),
            }
        }
    };
    let cause = format!("requests on port {HTTP} are not redirected to HTTPS");
    hop.push(Draft::new("redirect-missing", cause, evidence, UP).weak());
}

/// Adds the findings about the listener's default action.
fn default_action(view: &View<'_>, l: &Listener, hop: &mut Drafts) {
    let to_us = share(view, &l.default);
    if view.s.expected.has_origin_header() {
        // The rules forward what comes through CloudFront, and whatever else is let in is a finding of its own.
    } else if view.s.expected.is_default() {
        let (rule, cause) = match l.default.last() {
            _ if to_us == 100 => return,
            Some(Action::FixedResponse { code }) => {
                ("listener-default-fixed", format!("the listener answers every request with a fixed {code}"))
            }
            Some(Action::Redirect { to, .. }) => {
                ("listener-default-redirect", format!("the listener redirects every request to {to}"))
            }
            Some(Action::Forward { .. }) if to_us > 0 => (
                "listener-default-split",
                format!("the listener sends only {to_us} % of the requests to our target group"),
            ),
            Some(Action::Forward { .. }) => {
                ("listener-default-elsewhere", "the listener forwards to another target group".to_owned())
            }
            _ => ("listener-default-other", "the listener does not forward requests to our target group".to_owned()),
        };
        let evidence = format!("default action: {}", said(view, &l.default));
        hop.push(Draft::new(rule, cause, evidence, UP));
    } else if !matches!(l.default.last(), Some(Action::FixedResponse { .. })) && !is_of_sibling(view, &l.default) {
        hop.push(
            Draft::new(
                "listener-default-open",
                "paths that no route names are not answered with 404",
                format!("default action: {}", said(view, &l.default)),
                UP,
            )
            .weak(),
        );
    }
}

/// Returns the percentage of requests that these actions send to the service's target group.
fn share(view: &View<'_>, actions: &[Action]) -> i32 {
    let Some(ours) = &view.s.target_group else { return 0 };
    let Some(Action::Forward { targets }) = actions.iter().find(|a| matches!(a, Action::Forward { .. })) else {
        return 0;
    };
    let all: i32 = targets.iter().map(|t| t.weight).sum();
    let to_us: i32 = targets.iter().filter(|t| t.target_group == ours.arn).map(|t| t.weight).sum();
    if all == 0 { 0 } else { to_us * 100 / all }
}

/// True if these actions forward only to other services of the stack.
fn is_of_sibling(view: &View<'_>, actions: &[Action]) -> bool {
    let Some(Action::Forward { targets }) = actions.last() else { return false };
    !targets.is_empty() && targets.iter().all(|t| view.s.expected.is_of_sibling(&t.target_group))
}

/// True if these actions forward only to target groups that are called as the stack's are.
fn is_of_stack(view: &View<'_>, actions: &[Action]) -> bool {
    let Some(Action::Forward { targets }) = actions.last() else { return false };
    let prefix = format!("{}-", view.s.whose.stack);
    !targets.is_empty() && targets.iter().all(|t| target_group_name(&t.target_group).starts_with(&prefix))
}

/// Returns the actions in words.
fn said(view: &View<'_>, actions: &[Action]) -> String {
    let ours = view.s.target_group.as_ref();
    let one = |a: &Action| match a {
        Action::Forward { targets } => {
            let name = |arn: &str| match ours {
                Some(t) if t.arn == arn => t.name.clone(),
                _ => target_group_name(arn).to_owned(),
            };
            match targets.as_slice() {
                [one] if one.weight > 0 => name(&one.target_group),
                all => names(all.iter().map(|t| format!("{} (weight {})", name(&t.target_group), t.weight))),
            }
        }
        Action::FixedResponse { code } => format!("fixed response {code}"),
        Action::Redirect { to, code } => format!("redirect {code} to {to}"),
        Action::Other { name } => name.clone(),
    };
    if actions.is_empty() { "nothing".into() } else { names(actions.iter().map(one)) }
}

/// True if a rule matches a GET request for this path, which can have a query.
pub(super) fn takes(rule: &Rule, host: &str, path: &str) -> bool {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    rule.conditions.iter().all(|c| match c.field.as_str() {
        "path-pattern" => c.values.iter().any(|v| matches(v, path)),
        "host-header" => c.values.iter().any(|v| matches(&v.to_lowercase(), &host.to_lowercase())),
        "query-string" => block::has(query, &c.values),
        "http-request-method" => c.values.iter().any(|v| v == "GET"),
        "source-ip" => c.values.iter().any(|v| v == "0.0.0.0/0"),
        // Whether CloudFront sends the value is a question to the distribution.
        "http-header" => c.is_on_origin_header(),
        // An ordinary request has no such header.
        _ => false,
    })
}

/// Returns the hop of the listener rules.
pub(crate) fn rule_hop(view: &View<'_>) -> Hop {
    let s = view.s;
    let mut hop = Draft::hop();
    let Some(l) = ours(view) else {
        let why = match s.balancer {
            Some(_) => view.absent(Part::Listeners, "no listener, so no rules"),
            None => view.absent(Part::Balancer, "no listener, so no rules"),
        };
        return hop.done(HopName::Rule, false, why);
    };
    if !s.saw(Part::Rules) || !s.saw(Part::TargetGroup) {
        return hop.done(HopName::Rule, false, "the rules, or the target group, could not be read");
    }
    let (url, given) = match (&s.probe.url, &s.balancer) {
        (Some(url), _) => (url.clone(), true),
        (None, Some(b)) if s.expected.host().is_none() => (s.expected.url(&b.dns_name, &s.expected.path()), false),
        (None, _) => (s.expected.at(), false),
    };
    let (host, path) = (&*host_of(&url), &*path_of(&url));
    // Only a condition on the query makes a difference between the two.
    let asked = query_of(&url).map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let routes = &s.expected.routes;

    // The probed path comes first, then a sample path of every route.
    let mut paths: Vec<String> = vec![path.to_owned()];
    paths.extend(routes.iter().map(|route| sample_path(route)));
    paths.dedup();
    let unrouted = !routes.is_empty() && !routes.iter().any(|r| matches(r, path));
    if unrouted && given {
        let at = l.rules.iter().find(|r| takes(r, host, path));
        if at.is_none_or(|r| share(view, &r.actions) == 0) {
            hop.push(Draft::new(
                "path-unrouted",
                format!("no route of the stack file matches {path}"),
                format!(
                    "routes = {}; everything else gets {}",
                    names(routes),
                    said(view, at.map_or(&l.default, |rule| &rule.actions))
                ),
                (UP, format!("after adding it to routes under [service.{}]", s.whose.service)),
            ));
        }
        paths.remove(0);
    }
    let mut told: Vec<&str> = block::judge(view, l, host, &asked, &mut hop);
    let mut requests: Vec<(String, &String)> = paths.iter().map(|path| (host.to_owned(), path)).collect();
    let hosts = s.expected.hosts.iter().map(|host| sample_host(host));
    requests.extend(hosts.flat_map(|host| paths.iter().map(move |path| (host.clone(), path))));
    for (host, path) in &requests {
        let taker = l.rules.iter().find(|r| takes(r, host, path));
        match taker {
            Some(rule) if redirects(view, rule) => {}
            Some(rule) if share(view, &rule.actions) < 100 => {
                if !told.contains(&rule.arn.as_str()) {
                    told.push(&rule.arn);
                    hop.push(taken(view, l, rule, host, path));
                }
            }
            None if !s.expected.is_default() || s.expected.has_origin_header() => {
                if !told.contains(&"missing") {
                    told.push("missing");
                    hop.push(Draft::new(
                        "rule-missing",
                        format!("no listener rule sends {path} to our target group"),
                        format!(
                            "{} rules on port {}; it gets the default action: {}",
                            l.rules.len(),
                            l.port,
                            said(view, &l.default)
                        ),
                        UP,
                    ));
                }
            }
            _ => {}
        }
    }
    // Other rules that forward requests to neither this service nor a sibling.
    let foreign = |r: &&Rule| {
        share(view, &r.actions) == 0
            && !is_of_sibling(view, &r.actions)
            && block::place(view, r).is_none()
            && !redirects(view, r)
            && !(s.expected.has_origin_header() && r.conditions.iter().all(Condition::is_on_origin_header))
    };
    for rule in l.rules.iter().filter(foreign).filter(|r| !told.contains(&r.arn.as_str())) {
        if is_of_stack(view, &rule.actions) {
            let draft = Draft::new(
                "rule-foreign",
                format!("a rule matches {} for a service that is not in the stack file", conditions(rule)),
                format!("priority {}: {}", rule.priority, said(view, &rule.actions)),
                (UP, "deletes it with the service"),
            );
            hop.push(draft.weak());
            continue;
        }
        hop.push(
            Draft::new(
                "rule-foreign",
                format!("a foreign rule matches {}", conditions(rule)),
                format!("priority {}: {}", rule.priority, said(view, &rule.actions)),
                command!("aws elbv2 delete-rule --rule-arn {}", rule.arn),
            )
            .weak(),
        );
    }
    let evidence = match l.rules.iter().find(|r| takes(r, host, &asked)) {
        Some(r) => format!("{path}: rule {} ({}) → {}", r.priority, conditions(r), said(view, &r.actions)),
        None => format!("{path}: no rule, the default action → {}", said(view, &l.default)),
    };
    hop.done(HopName::Rule, true, evidence)
}

/// True if this is the rule that redirects port 80 to HTTPS.
fn redirects(view: &View<'_>, rule: &Rule) -> bool {
    let to_https = |a: &Action| matches!(a, Action::Redirect { to, .. } if to.starts_with("https://#{host}:443/"));
    view.s.expected.https() && rule.actions.iter().all(to_https) && !rule.actions.is_empty()
}

/// Returns the finding for a rule that matches a path of the service and does not forward it to its target group.
fn taken(view: &View<'_>, l: &Listener, rule: &Rule, host: &str, path: &str) -> Draft {
    let later =
        l.rules.iter().any(|r| r.priority > rule.priority && takes(r, host, path) && share(view, &r.actions) == 100);
    let has_rule = !view.s.expected.is_default() || view.s.expected.has_origin_header();
    let foreign = !has_rule || later;
    let evidence = format!("priority {} ({}): {}", rule.priority, conditions(rule), said(view, &rule.actions));
    if is_of_sibling(view, &rule.actions) {
        let cause = format!("a rule of another service matches {path} before ours");
        return Draft::new("rule-order", cause, evidence, (UP, "puts the more specific rules first"));
    }
    if foreign {
        return Draft::new(
            "rule-stolen",
            format!("another rule matches {path} before ours"),
            evidence,
            command!("aws elbv2 delete-rule --rule-arn {}", rule.arn),
        );
    }
    match rule.actions.last() {
        Some(Action::FixedResponse { code }) => {
            Draft::new("rule-fixed", format!("the rule for {path} answers with a fixed {code}"), evidence, UP)
        }
        _ => Draft::new(
            "rule-elsewhere",
            format!("the rule for {path} does not forward to our target group"),
            evidence,
            UP,
        ),
    }
}

/// Returns the conditions of a rule in words.
fn conditions(rule: &Rule) -> String {
    in_words(&rule.conditions)
}

/// Returns conditions in words.
pub(super) fn in_words(all: &[Condition]) -> String {
    names(all.iter().map(|c| match &c.header {
        Some(_) if c.is_on_origin_header() => "the header of CloudFront's requests".into(),
        Some(header) => format!("{} {header}: {}", c.field, names(&c.values)),
        // A pattern for the values of any key has no key before the sign.
        None => format!("{} {}", c.field, names(c.values.iter().map(|v| v.strip_prefix('=').unwrap_or(v)))),
    }))
}
