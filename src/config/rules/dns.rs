//! The name of the service: its form, and who answers for it.
use super::Rules;
use crate::Config;
use crate::check::Issue;
use crate::place::{Place, at};
use crate::routing::matches_host;

/// The most characters of a name: a step's key contains it.
const LONGEST: usize = 100;

pub(super) fn check(rules: &mut Rules<'_>) {
    let config = rules.config;
    let Some(dns) = &config.dns else { return };
    let place = at("dns");
    name(rules, "dns_name", place.key("name"), &dns.name, &dns.name, LONGEST);
    if let Some(id) = &dns.zone {
        zone(rules, place.key("zone"), id);
    }
    certificate(rules, config, &dns.name);
    hosts(rules, config, &dns.name);
    if config.cdn.is_endpoint() {
        let issue = Issue::error(
            "dns_cdn",
            place.key("name"),
            "the name points at the load balancer, but CloudFront is the address of the stack",
            "CloudFront answers for other names than its own only with a certificate of us-east-1 that gameday does not \
             request",
            "set endpoint = false and close_balancer = false under [cdn], or delete [dns]",
        );
        rules.found.push(issue.with(at("cdn.endpoint"), "the address of the stack"));
    }
}

/// Checks the form of a host name, which is `host` without a wildcard. `written` is what the file says.
pub(super) fn name(rules: &mut Rules<'_>, rule: &'static str, place: Place, written: &str, host: &str, longest: usize) {
    let fits = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let example = "write it as in \"app.example.com\"";
    let (why, fix) = if written.contains("://") || written.contains('/') {
        ("it is a URL".to_owned(), "write only the host: \"app.example.com\"".to_owned())
    } else if let Some(plain) = written.strip_suffix('.') {
        ("it ends with a dot".into(), format!("write \"{plain}\"; the stack file has names without the last dot"))
    } else if host.contains('*') {
        let why = match rule {
            "dns_name" => "a wildcard is no address that anybody could ask",
            _ => "only the first label of a certificate's domain can be a wildcard",
        };
        (why.into(), format!("{example}, without a wildcard there"))
    } else if written.len() > longest {
        (format!("it has {} characters; {longest} are allowed", written.len()), "choose a shorter one".into())
    } else if host.bytes().any(|b| b.is_ascii_uppercase()) {
        ("it has capital letters".into(), format!("write \"{}\"", written.to_lowercase()))
    } else if !host.contains('.') {
        ("it has one label, so that no hosted zone can have it".into(), example.into())
    } else if !host.split('.').all(fits) {
        ("a label has 1 to 63 letters, digits and inner hyphens".into(), example.into())
    } else {
        return;
    };
    rules.found.error(rule, place, format!("{written:?} is not a domain name"), why, fix);
}

/// Checks the form of the id of a hosted zone.
pub(super) fn zone(rules: &mut Rules<'_>, place: Place, id: &str) {
    let fits = id.starts_with('Z')
        && (2..=32).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if !fits {
        rules.found.error(
            "zone_id",
            place,
            format!("{id:?} is not the id of a hosted zone"),
            "an id is a Z with capital letters and digits after it",
            "`aws route53 list-hosted-zones` lists them; the id is what follows /hostedzone/",
        );
    }
}

fn certificate(rules: &mut Rules<'_>, config: &Config, name: &str) {
    let Some(domain) = config.balancer.tls.as_ref().and_then(|tls| tls.domain.as_deref()) else { return };
    if covers(domain, name) {
        return;
    }
    let issue = Issue::error(
        "dns_certificate",
        at("balancer.tls.domain"),
        format!("the certificate for {domain} is not one for {name}"),
        "clients that ask for the name refuse it",
        format!("write domain = {name:?}, or a wildcard that it matches"),
    );
    rules.found.push(issue.with(at("dns.name"), "the name"));
}

/// True if a certificate for `domain` is one for `name`: a wildcard stands for one label.
fn covers(domain: &str, name: &str) -> bool {
    match domain.strip_prefix("*.") {
        Some(parent) => name.split_once('.').is_some_and(|(_, rest)| rest == parent),
        None => domain == name,
    }
}

fn hosts(rules: &mut Rules<'_>, config: &Config, name: &str) {
    let answers = |hosts: &[String]| hosts.is_empty() || hosts.iter().any(|host| matches_host(host, name));
    if config.service.is_empty() || config.service.values().any(|service| answers(&service.hosts)) {
        return;
    }
    let first = config.service.keys().next().map(String::as_str).unwrap_or_default();
    let issue = Issue::error(
        "dns_hosts",
        at("dns.name"),
        format!("no service answers for {name}"),
        "every service has hosts, and none of them is the name: its requests are answered with 404",
        format!("add {name:?} to the hosts of a service, or choose one of those as the name"),
    );
    rules.found.push(issue.with(at("service").key(first).key("hosts"), "the hosts of one"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        for (domain, name, is) in [
            ("app.example.com", "app.example.com", true),
            ("*.example.com", "app.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "a.b.example.com", false),
            ("example.com", "app.example.com", false),
        ] {
            assert_eq!(covers(domain, name), is, "{domain} {name}");
        }
    }
}
