//! The hop of the name: whether it resolves, points at the stack's balancer, and gets an answer there.
use super::{Draft, Fix, Hop, HopName, State, UP, View, names};
use crate::{error::Class, parts::dns, shell::command, snapshot::Part};
use reqwest::Url;

/// Judges the name.
pub(crate) fn hop(view: &View<'_>) -> Hop {
    let s = view.s;
    let probe = &s.probe;
    let mut hop = Draft::hop();
    if let Some(gap) = s.gaps.iter().find(|g| g.is(Class::Credentials)) {
        hop.push(Draft::new(
            "credentials",
            "AWS rejects the credentials, so nothing can be judged",
            format!("{}: {}", gap.call, gap.why),
            ("aws sts get-caller-identity", "after new credentials; then gameday why"),
        ));
    }
    let host = probe.url.as_deref().map(host_of).unwrap_or_default();
    let has_record = dns::judge::record(view, &mut hop);
    let is_name = s.expected.dns.as_ref().is_some_and(|dns| dns.name.eq_ignore_ascii_case(&host));
    let Some(balancer) = &s.balancer else {
        let seen = s.saw(Part::Balancer);
        let evidence = if seen { "no load balancer, so no name" } else { "the load balancer could not be read" };
        return unknown(hop.done(HopName::Name, false, evidence));
    };
    let address = s.address().unwrap_or(&balancer.dns_name);
    if let Some(why) = &probe.unasked {
        let address = if is_name { &host } else { address };
        return unknown(hop.done(HopName::Name, false, format!("{address}; not asked: {why}")));
    }
    let own = address.eq_ignore_ascii_case(&host);
    let again = command!("gameday why {}", probe.url.as_deref().unwrap_or_default());
    if let Some(why) = &probe.unresolved {
        let draft = if is_name {
            let told = || dns::judge::delegation(view, format!("{host}: {why}"));
            match (has_record, told()) {
                (true, Some(draft)) => draft,
                _ => Draft::new("name-unresolved", "the stack's name does not resolve", format!("{host}: {why}"), UP)
                    .symptom_if(s.name.is_some()),
            }
        } else if own {
            Draft::new(
                "name-unresolved",
                "the stack's own name does not resolve",
                format!("{host}: {why}"),
                ("gameday status --watch", "a new name takes a minute; else the fault is this machine's DNS"),
            )
            .symptom_if(balancer.state != "active")
            .trying()
        } else {
            Draft::new(
                "name-unresolved",
                format!("{host} does not resolve"),
                why.clone(),
                (again.clone(), format!("after registering a CNAME record: {host} → {address}")),
            )
        };
        hop.push(draft);
        return hop.done(HopName::Name, true, format!("{host}: {why}"));
    }
    // CloudFront's names resolve to other addresses each time.
    let elsewhere = !own
        && !s.expected.cdn.as_ref().is_some_and(|cdn| cdn.endpoint)
        && !probe.balancer_addresses.is_empty()
        && probe.addresses.iter().all(|a| !probe.balancer_addresses.contains(a));
    let told =
        format!("it resolves to {}, the balancer has {}", names(&probe.addresses), names(&probe.balancer_addresses));
    if elsewhere && is_name {
        // If the record itself is wrong, that is said already.
        hop.extend(dns::judge::delegation(view, told).filter(|_| has_record));
    } else if elsewhere {
        hop.push(Draft::new(
            "name-elsewhere",
            format!("{host} does not point at the stack's balancer"),
            told,
            (again, format!("after pointing it there: {host} CNAME {}", balancer.dns_name)),
        ));
    }
    let silent: Vec<_> = probe.answers.iter().filter(|a| a.status.is_none()).collect();
    if let Some(first) = silent.first() {
        let all = silent.len() == probe.answers.len();
        let mut addresses: Vec<&str> = silent.iter().map(|a| a.address.as_str()).collect();
        addresses.dedup();
        let cause = if all {
            "no answer from the balancer's addresses".to_owned()
        } else {
            format!("{} of {} requests get no answer", silent.len(), probe.answers.len())
        };
        let evidence = format!("{}: {}", names(addresses), first.error.as_deref().unwrap_or("no answer"));
        let allowed = s.expected.http.iter().any(|c| c == "0.0.0.0/0");
        let fix: Fix = if all && !allowed {
            (UP, "after adding this machine's address to http under [access]").into()
        } else {
            UP.into()
        };
        hop.push(Draft::new("no-answer", cause, evidence, fix).symptom());
    }
    bad_answers(view, &mut hop);
    let answered = probe.answers.iter().filter_map(|a| Some((a.status?, a.millis))).collect::<Vec<_>>();
    let mut evidence = match &probe.via {
        Some(proxy) => format!("{host}, through {proxy}"),
        None => format!("{host} → {}", names(&probe.addresses)),
    };
    if let Some(slowest) = answered.iter().map(|(_, ms)| ms).max() {
        let mut codes: Vec<String> = answered.iter().map(|(code, _)| code.to_string()).collect();
        codes.sort();
        codes.dedup();
        evidence += &format!(", HTTP {} in {slowest} ms at most", codes.join("/"));
    }
    hop.done(HopName::Name, true, evidence)
}

/// Adds a finding about bad statuses, explained as in [AWS 6].
fn bad_answers(view: &View<'_>, hop: &mut super::Drafts) {
    let answers = &view.s.probe.answers;
    let bad: Vec<_> = answers.iter().filter(|a| a.status.is_some() && !a.good() && a.beacon.is_none()).collect();
    let Some(first) = bad.first() else { return };
    let code = first.status.unwrap_or_default();
    let url = view.s.probe.url.as_deref().unwrap_or_default();
    let cause = match code {
        502 => "a target closed the connection, or answered something that is not HTTP".to_owned(),
        503 if view.s.targets.is_empty() => "the balancer has no target".to_owned(),
        503 => "the service is full, or it is not ready".to_owned(),
        504 => "no target answers in time: a security group, or a process that hangs".to_owned(),
        404 => "the service, or a listener rule, does not know this path".to_owned(),
        403 => "the request is refused".to_owned(),
        _ => format!("the service answers {code}"),
    };
    let evidence = format!("{} of {} requests to {url}: HTTP {code}", bad.len(), answers.len());
    let command = if matches!(code, 400..500) { "gameday logs --since 5m" } else { UP };
    let draft = Draft::new("bad-answer", cause, evidence, command).symptom();
    hop.push(draft.weak_if(bad.len() < answers.len() && view.serves()));
}

fn unknown(mut hop: Hop) -> Hop {
    if hop.findings.is_empty() {
        hop.state = State::Unknown;
    }
    hop
}

/// Parses the URL of a probe. A snapshot without a balancer has only a path.
fn parsed(url: &str) -> Option<Url> {
    let nowhere = Url::parse("http://nowhere.invalid/").ok()?;
    Url::options().base_url(Some(&nowhere)).parse(url).ok()
}

/// Returns the host of a URL: `example.com` of `http://example.com:80/path`. An IPv6 address has its brackets.
pub(crate) fn host_of(url: &str) -> String {
    Url::parse(url).ok().and_then(|url| url.host_str().map(Into::into)).unwrap_or_default()
}

/// Returns the path of a URL: `/path` of `http://example.com:80/path?query`.
pub(crate) fn path_of(url: &str) -> String {
    parsed(url).map_or_else(|| "/".into(), |url| url.path().into())
}

/// Returns the query of a URL: `query` of `http://example.com/path?query`.
pub(crate) fn query_of(url: &str) -> Option<String> {
    parsed(url).and_then(|url| url.query().map(Into::into))
}

/// Returns the scheme and the port of a URL.
pub(crate) fn port_of(url: &str) -> (&'static str, u16) {
    let Some(url) = parsed(url) else { return ("http", 80) };
    let scheme = if url.scheme() == "https" { "https" } else { "http" };
    (scheme, url.port_or_known_default().unwrap_or(80))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_host_a_path_a_scheme_and_a_port() {
        for (url, host, path, port) in [
            ("http://example.com:8080/path?query=/x", "example.com", "/path", ("http", 8080)),
            ("http://example.com", "example.com", "/", ("http", 80)),
            ("https://example.com/a/b#c", "example.com", "/a/b", ("https", 443)),
            ("http://example.com?query=/x", "example.com", "/", ("http", 80)),
            ("http://[::1]/", "[::1]", "/", ("http", 80)),
            ("http://[2001:db8::1]:8080/v1", "[2001:db8::1]", "/v1", ("http", 8080)),
            ("http://user:password@example.com:81/", "example.com", "/", ("http", 81)),
            ("http://user:4444@example.com/", "example.com", "/", ("http", 80)),
            ("http://192.0.2.1:65535/", "192.0.2.1", "/", ("http", 65535)),
            ("/healthcheck?deep=1", "", "/healthcheck", ("http", 80)),
            ("/v1/*", "", "/v1/*", ("http", 80)),
            ("", "", "/", ("http", 80)),
        ] {
            let seen = (host_of(url), path_of(url), port_of(url));
            assert_eq!(seen, (host.to_owned(), path.to_owned(), port), "{url}");
        }
    }
}
