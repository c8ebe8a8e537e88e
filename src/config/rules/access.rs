//! Access from outside.
use super::network::cidr;
use super::{Rules, is_id};
use crate::derived::Cidr;
use crate::place::{Place, at};

pub(super) fn check(rules: &mut Rules<'_>) {
    let access = &rules.config.access;
    if access.http.is_empty() {
        rules.found.error(
            "http_nobody",
            at("access.http"),
            "nobody is allowed to reach the service",
            "the load balancer would let no request in",
            "allow everybody: [\"0.0.0.0/0\"], or delete the line",
        );
    }
    number(rules);
    for (i, text) in access.http.iter().enumerate() {
        source(rules, at("access.http").item(i), text);
    }
    for (i, text) in access.ssh.iter().enumerate() {
        let here = at("access.ssh").item(i);
        if source(rules, here.clone(), text).is_some_and(|range| range.prefix_len() == 0) {
            rules.found.error(
                "ssh_open",
                here,
                "SSH is open to the whole internet",
                "everybody could try to log in; graders deduct for it",
                "name your own address: `curl https://checkip.amazonaws.com`, then \"ADDRESS/32\"",
            );
        }
    }
    if let Some(key) = &access.key_pair {
        if key.is_empty() || key.len() > 255 || key.ends_with(".pem") {
            rules.found.error(
                "key_pair",
                at("access.key_pair"),
                format!("{key:?} is not the name of a key pair"),
                if key.ends_with(".pem") { "this is the name of a file" } else { "1 to 255 characters" },
                "give the name that the EC2 console shows under Key Pairs",
            );
        } else if access.ssh.is_empty() {
            rules.found.warn(
                "key_pair_idle",
                at("access.key_pair"),
                "the key pair has no effect",
                "nobody is allowed to reach port 22",
                "list your address: `ssh = [\"ADDRESS/32\"]`, or delete the key pair",
            );
        }
    } else if !access.ssh.is_empty() {
        rules.found.warn(
            "ssh_without_key",
            at("access.ssh"),
            "SSH is open, but no key pair is given",
            "the instances have no key for a login",
            "name a key pair of the account: `key_pair = \"NAME\"`",
        );
    }
}

/// The most rules of a security group in one direction, without a higher quota of the account.
const RULES: usize = 60;

/// Reports more sources than a security group takes rules.
fn number(rules: &mut Rules<'_>) {
    let config = rules.config;
    let listeners = if config.balancer.tls.is_some() { 2 } else { 1 };
    // The group of the instances lets in the load balancer as well.
    for (key, list, each, others) in [("http", &config.access.http, listeners, 0), ("ssh", &config.access.ssh, 1, 1)] {
        if list.len() * each + others > RULES {
            rules.found.error(
                "access_too_many",
                at("access").key(key),
                format!("{} sources, of which a security group holds {}", list.len(), (RULES - others) / each),
                format!("each is a rule for each port, and AWS allows {RULES}"),
                "join ranges that lie side by side, or name a prefix list: \"pl-…\"",
            );
        }
    }
}

/// Reads a range, or returns `None` for a prefix list. Anything else is reported.
fn source(rules: &mut Rules<'_>, place: Place, text: &str) -> Option<Cidr> {
    if text.starts_with("sg-") {
        rules.found.error(
            "access_group",
            place,
            format!("{text} is a security group"),
            "the load balancer sees public addresses, not the private ones of a group",
            "give the range of the clients, \"203.0.113.0/24\", or a prefix list, \"pl-…\"",
        );
        return None;
    }
    if !is_list(text) {
        return cidr(rules, place, text);
    }
    if text.contains(".ipv6.") {
        rules.found.error(
            "prefix_list_ipv6",
            place,
            format!("{text} contains IPv6 ranges"),
            "the stack supports IPv4 only",
            format!("write \"{}\"", text.replace(".ipv6.", ".")),
        );
    } else if text.starts_with("pl-") && !is_id(text, "pl-") {
        rules.found.error(
            "prefix_list_id",
            place,
            format!("{text:?} is not the id of a prefix list"),
            "ids look like pl-0123456789abcdef0",
            "copy the id, or write the name: `aws ec2 describe-managed-prefix-lists` lists both",
        );
    }
    None
}

/// True if the text is meant as a prefix list: an id, or the name of one of AWS's own.
fn is_list(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    text.starts_with("pl-") || text.starts_with("com.amazonaws.") && text.chars().all(word)
}
