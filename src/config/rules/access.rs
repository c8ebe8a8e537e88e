//! Who may reach the stack from outside.
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
            "nobody may reach the service",
            "the load balancer would let no request in",
            "allow everybody: [\"0.0.0.0/0\"], or delete the line",
        );
    }
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
                "nobody may reach port 22",
                "list your address: `ssh = [\"ADDRESS/32\"]`, or delete the key pair",
            );
        }
    } else if !access.ssh.is_empty() {
        rules.found.warn(
            "ssh_without_key",
            at("access.ssh"),
            "SSH is open, but no key pair is given",
            "the instances know no key to log in with",
            "name a key pair of the account: `key_pair = \"NAME\"`",
        );
    }
}

/// A range, or a prefix list by id or name; `None` for those and for what is neither, which is reported.
fn source(rules: &mut Rules<'_>, place: Place, text: &str) -> Option<Cidr> {
    if text.starts_with("sg-") {
        rules.found.error(
            "access_group",
            place,
            format!("{text} is a security group"),
            "the load balancer sees public addresses, and a group stands for private ones",
            "give the range that requests come from, \"203.0.113.0/24\", or a prefix list, \"pl-…\"",
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
            format!("{text} holds IPv6 ranges"),
            "the stack speaks IPv4",
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

/// Whether this is meant for a prefix list: an id, or the name of one of AWS's own.
fn is_list(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    text.starts_with("pl-") || text.starts_with("com.amazonaws.") && text.chars().all(word)
}
