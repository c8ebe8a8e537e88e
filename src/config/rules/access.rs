//! Who may reach the stack from outside.
use super::Rules;
use super::network::cidr;
use crate::place::at;

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
        cidr(rules, at("access.http").item(i), text);
    }
    for (i, text) in access.ssh.iter().enumerate() {
        let here = at("access.ssh").item(i);
        if cidr(rules, here.clone(), text).is_some_and(|range| range.prefix_len() == 0) {
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
