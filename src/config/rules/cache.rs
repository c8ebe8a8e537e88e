//! The cache: engine, version, class. The number of nodes is limited in the model.
use super::Rules;
use super::class::{class, warn_unless_t};
use super::database::endpoint;
use crate::check::Issue;
use crate::place::at;
use crate::{Cache, CacheEngine, Mode, Need, Run, Service};

const ENGINES: [CacheEngine; 3] = [CacheEngine::Redis, CacheEngine::Valkey, CacheEngine::Memcached];

pub(super) fn check(rules: &mut Rules<'_>) {
    let cache = &rules.config.cache;
    if let Some(text) = &cache.endpoint {
        endpoint(rules, at("cache.endpoint"), text, cache.engine.port());
        port(rules, cache);
    }
    if cache.engine == CacheEngine::Memcached && cache.mode != Mode::Off {
        shipped_config(rules);
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
    if cache.engine == CacheEngine::Memcached {
        if cache.encrypted && rules.map.given(&at("cache.encrypted")) {
            let issue = Issue::error(
                "cache_encrypted",
                at("cache.encrypted"),
                "memcached cannot be encrypted at rest",
                "its nodes keep everything in memory and make no snapshots, so ElastiCache offers no encryption at rest",
                "delete the line, or set engine = \"valkey\" under [cache]",
            );
            rules.found.push(issue.on_key().with(at("cache.engine"), "the engine"));
            return;
        }
    } else if cache.encrypted && !encrypts(class.family) {
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

/// Warns about an existing server on the usual port of another protocol.
fn port(rules: &mut Rules<'_>, cache: &Cache) {
    let Some((_, port)) = cache.endpoint() else { return };
    let other = ENGINES.into_iter().find(|other| other.port() == port && other.speaks() != cache.engine.speaks());
    if let Some(other) = other {
        let issue = Issue::warning(
            "cache_port",
            at("cache.endpoint"),
            format!("port {port} is the usual one of {other}"),
            format!("with engine = \"{}\" the instances speak {} to it", cache.engine, cache.engine.speaks()),
            format!("set engine = \"{other}\" under [cache], or check the port"),
        );
        rules.found.push(issue.with(at("cache.engine"), "the engine"));
    }
}

/// Warns if a service gets the shipped configuration file, which has no keys for memcached.
fn shipped_config(rules: &mut Rules<'_>) {
    let config = rules.config;
    let shipped = |s: &Service| s.run == Run::Binary && s.config.is_none() && s.user_data.is_none();
    for name in config.service.iter().filter(|(_, s)| shipped(s) && s.needs(Need::Cache)).map(|(name, _)| name) {
        let issue = Issue::warning(
            "cache_config",
            at("cache.engine"),
            format!("the server.ini of {name} does not name the cache"),
            "the shipped file is for a server that speaks Redis, and its keys for memcached are not known",
            format!(
                "give [service.{name}] a `config` with the server's own keys and {{{{ cache.nodes }}}}, such as \
                 examples/root.ini.j2"
            ),
        );
        rules.found.push(issue.with(at("service").key(name), "it has no `config`"));
    }
}

/// True if ElastiCache can encrypt data of a family at rest.
fn encrypts(family: &str) -> bool {
    !matches!(family, "c1" | "m1" | "m2" | "m3" | "r3" | "t1")
}

/// Returns the versions of an engine that gameday creates, the newest last.
///
/// Older ones of memcached do not run on every node type of the T class [AWS 2.4].
const fn versions(engine: CacheEngine) -> &'static [&'static str] {
    match engine {
        CacheEngine::Redis => &["6.0", "6.2", "7.0", "7.1"],
        CacheEngine::Valkey => &["7.2", "8.0", "8.1", "8.2", "9.0", "9.1"],
        CacheEngine::Memcached => &["1.5.16", "1.6.6", "1.6.12", "1.6.17", "1.6.22"],
    }
}

fn engine_version(rules: &mut Rules<'_>, cache: &Cache, version: &str) {
    let (engine, own) = (cache.engine, versions(cache.engine));
    if own.contains(&version) {
        return;
    }
    let newest = own.last().unwrap_or(&"");
    // AWS accepts `6.x` and `6`, but always shows 6.2.6 for them.
    let series = version.strip_suffix(".x").unwrap_or(version);
    let of_series = own.iter().rfind(|v| v.strip_prefix(series).is_some_and(|rest| rest.starts_with('.')));
    let other = ENGINES.into_iter().find(|other| versions(*other).contains(&version));
    let (why, fix) = if let Some(other) = other {
        let same = if other.speaks() == engine.speaks() { "same" } else { "another" };
        (
            format!("this is a version of {other}"),
            format!("set engine = \"{other}\" ({same} protocol), or version = \"{newest}\""),
        )
    } else if version.starts_with(['2', '3', '4', '5']) && engine != CacheEngine::Memcached {
        ("out of standard support, 80 % more expensive".to_owned(), format!("use \"{newest}\""))
    } else if let Some(version) = of_series {
        ("a series, not a version".to_owned(), format!("use \"{version}\""))
    } else if engine == CacheEngine::Memcached && ["1.4", "1.5"].iter().any(|old| version.starts_with(old)) {
        ("T4g nodes need 1.5.16 or newer".to_owned(), format!("use \"{newest}\""))
    } else {
        ("not a version that ElastiCache offers".to_owned(), format!("one of {}", own.join(", ")))
    };
    let issue = Issue::error("cache_version", at("cache.version"), format!("there is no {engine} {version}"), why, fix);
    rules.found.push(issue.with(at("cache.engine"), "the engine"));
}
