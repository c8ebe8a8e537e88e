//! The cache: engine, version, class. The number of nodes is limited in the model.
use super::Rules;
use super::class::{class, warn_unless_t};
use super::database::endpoint;
use crate::check::Issue;
use crate::place::at;
use crate::{Cache, CacheEngine, Mode};

const REDIS: &[&str] = &["6.0", "6.2", "7.0", "7.1"];
const VALKEY: &[&str] = &["7.2", "8.0", "8.1", "8.2", "9.0", "9.1"];

pub(super) fn check(rules: &mut Rules<'_>) {
    let cache = &rules.config.cache;
    if let Some(text) = &cache.endpoint {
        endpoint(rules, at("cache.endpoint"), text, cache.engine.port());
    }
    if cache.mode != Mode::Create {
        return;
    }
    if let Some(version) = &cache.version {
        engine_version(rules, cache, version);
    }
    let here = at("cache.class");
    let Some(class) = class(rules, here.clone(), "cache.", &cache.class) else { return };
    if class.family == "t1" || class.family.starts_with('m') && matches!(class.family, "m1" | "m2" | "m3") {
        rules.found.error(
            "class_retired",
            here,
            format!("{} is retired", cache.class),
            "no failover and no current engine on this class",
            "use \"cache.t3.micro\"",
        );
        return;
    }
    if cache.encrypted && !encrypts(class.family) {
        let issue = Issue::error(
            "cache_encrypted",
            here,
            format!("{} cannot be encrypted at rest", cache.class),
            "ElastiCache encrypts on T2, M4 and R4 or newer",
            "use \"cache.t3.micro\", or set encrypted = false under [cache]",
        );
        rules.found.push(issue.with(at("cache.encrypted"), "asked for here"));
        return;
    }
    warn_unless_t(rules, here, &class, &cache.class, "cache.t3.micro");
}

/// True if ElastiCache can encrypt data of a family at rest.
fn encrypts(family: &str) -> bool {
    !matches!(family, "c1" | "m1" | "m2" | "m3" | "r3" | "t1")
}

fn engine_version(rules: &mut Rules<'_>, cache: &Cache, version: &str) {
    let (engine, own, other_engine, other) = match cache.engine {
        CacheEngine::Redis => ("redis", REDIS, "valkey", VALKEY),
        CacheEngine::Valkey => ("valkey", VALKEY, "redis", REDIS),
    };
    if own.contains(&version) {
        return;
    }
    let newest = own.last().unwrap_or(&"");
    // AWS accepts `6.x` and `6`, but always shows 6.2.6 for them.
    let series = version.strip_suffix(".x").unwrap_or(version);
    let of_series = own.iter().rfind(|v| v.strip_prefix(series).is_some_and(|rest| rest.starts_with('.')));
    let (why, fix) = if other.contains(&version) {
        (
            format!("this is a version of {other_engine}"),
            format!("set engine = \"{other_engine}\" (same protocol), or version = \"{newest}\""),
        )
    } else if version.starts_with(['2', '3', '4', '5']) {
        ("out of standard support, 80 % more expensive".to_owned(), format!("use \"{newest}\""))
    } else if let Some(version) = of_series {
        ("a series, not a version".to_owned(), format!("use \"{version}\""))
    } else {
        ("not a version that ElastiCache offers".to_owned(), format!("one of {}", own.join(", ")))
    };
    let issue = Issue::error("cache_version", at("cache.version"), format!("there is no {engine} {version}"), why, fix);
    rules.found.push(issue.with(at("cache.engine"), "the engine"));
}
