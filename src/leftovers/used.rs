//! Objects that look like the stack's own but must stay, because the stack uses them.
use crate::config::{Config, Mode};
use crate::engine::{Key, Status};

/// Returns AWS's ids and addresses of an object. The stack file names what it uses by one of them.
pub(super) fn names_of(status: &Status) -> impl Iterator<Item = &str> {
    let all = status.id.iter().chain(&status.aliases).map(String::as_str);
    all.filter(|name| !name.is_empty())
}

/// Returns the host that the stack uses in place of this step, if it does.
pub(super) fn used_host(config: &Config, key: &Key) -> Option<String> {
    let (mode, endpoint) = match key.kind() {
        "database" => (config.database.mode, config.database.endpoint()),
        "cache" | "cache-cluster" => (config.cache.mode, config.cache.endpoint()),
        _ => return None,
    };
    endpoint.filter(|_| mode == Mode::Use).map(|(host, _)| host)
}

/// True if this address may be one of the database or cache with this id.
///
/// Only AWS's own name of another one rules it out: a CNAME, an IP address and a proxy can point at anything.
pub(super) fn may_point_at(kind: &str, id: &str, host: &str) -> bool {
    let (id, host) = (id.to_lowercase(), host.to_lowercase());
    let service = if kind == "database" { "rds" } else { "cache" };
    // In China a database has `rds.cn-north-1` where others have `us-east-1.rds`.
    let aws = host.strip_suffix(".cn").unwrap_or(&host).strip_suffix(".amazonaws.com");
    let Some(name) = aws.filter(|name| name.split('.').skip(1).any(|label| label == service)) else { return true };
    let mut labels = name.split('.');
    let (first, second) = (labels.next().unwrap_or_default(), labels.next().unwrap_or_default());
    // `billing-main-ro.…` reads from all nodes of a cache, `billing-main-001.…` is one.
    let is_node = |rest: &str| rest == "-ro" || rest.strip_prefix('-').is_some_and(|n| n.parse::<u16>().is_ok());
    let is_ours = |label: &str| label.strip_prefix(&id).is_some_and(|rest| rest.is_empty() || is_node(rest));
    match kind {
        "database" => first == id || second.starts_with("proxy-"),
        // With TLS it is `master.billing-main.…`.
        _ => is_ours(first) || is_ours(second),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_name_of_aws_is_surely_another_one() {
        let ours = |kind, host| may_point_at(kind, "billing-main", host);
        for host in [
            "billing-main.c0.us-east-1.rds.amazonaws.com",
            "Billing-Main.C0.us-east-1.RDS.amazonaws.com",
            "billing-main.c0.cn-north-1.rds.amazonaws.com.cn",
            "billing-main.c0.rds.cn-north-1.amazonaws.com.cn",
            "pool.proxy-c0.us-east-1.rds.amazonaws.com",
            "db.example.com",
            "10.0.8.4",
            "rds.amazonaws.com.example.com",
        ] {
            assert!(ours("database", host), "{host}");
        }
        for host in [
            "theirs.c0.us-east-1.rds.amazonaws.com",
            "billing-main-2.c0.us-east-1.rds.amazonaws.com",
            "theirs.c0.rds.cn-north-1.amazonaws.com.cn",
        ] {
            assert!(!ours("database", host), "{host}");
        }
        for host in [
            "billing-main.0ab.ng.0001.use1.cache.amazonaws.com",
            "Billing-main-ro.0ab.ng.0001.use1.cache.amazonaws.com",
            "billing-main-002.0ab.0001.use1.cache.amazonaws.com",
            "master.billing-main.0ab.use1.cache.amazonaws.com",
            "billing-main.0ab.cfg.use1.cache.amazonaws.com",
            "billing-main.0ab.0002.use1.cache.amazonaws.com",
            "10.0.8.5",
            "cache.internal",
        ] {
            assert!(ours("cache", host), "{host}");
        }
        for host in [
            "theirs.0ab.ng.0001.use1.cache.amazonaws.com",
            "billing-main-two.0ab.ng.0001.use1.cache.amazonaws.com",
            "theirs-001.0ab.0001.use1.cache.amazonaws.com",
        ] {
            assert!(!ours("cache", host), "{host}");
        }
    }
}
