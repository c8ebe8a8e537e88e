//! The findings about the cache: its status, its settings, and whether the instances can reach it.
use crate::{
    config::{CacheEngine, Mode},
    diagnose::{Draft, Hop, HopName, UP, View, names},
    parts::store::{Place, Status, Store, rules},
    snapshot::Part,
};

/// The engine for protocol and port: Redis and Valkey have the same ones.
const ENGINE: CacheEngine = CacheEngine::Redis;

/// The cache as a store.
pub(crate) const STORE: Store = Store {
    hop: HopName::Cache,
    what: "the cache",
    speaks: ENGINE.speaks(),
    port: ENGINE.port(),
    group: "cache",
    stage: "cache",
    rules: rules!("cache"),
    statuses: STATUSES,
    refusal: |_, _| None,
};

const REPLACE: &str = "gameday up --replace cache/main";

/// The meaning of the statuses of ElastiCache.
const STATUSES: &[Status] = &[
    Status::serves(&["available", "snapshotting"]),
    Status::broken(
        &["deleting"],
        "cache-deleting",
        "the cache is being deleted",
        UP,
        Some("waits, then creates a new one"),
    ),
    Status::broken(&["create-failed"], "cache-failed", "AWS could not create the cache", REPLACE, None),
    Status::serves_at_endpoint(&["modifying"]),
    Status::busy(Status::OTHER, "cache-creating", "AWS is still creating the cache"),
];

/// Returns the hop of the cache, or `None` if the stack has none.
pub(crate) fn hop(view: &View<'_>) -> Option<Hop> {
    let s = view.s;
    match s.expected.cache {
        Mode::Off => return None,
        Mode::Use => return Some(STORE.used(view, s.expected.cache_endpoint.as_deref())),
        Mode::Create => {}
    }
    let mut hop = Draft::hop();
    let name = &s.expected.names.cache;
    let Some(c) = &s.cache else {
        if s.saw(Part::Cache) {
            hop.push(Draft::new(
                "cache-missing",
                format!("there is no cache {name}"),
                "DescribeReplicationGroups returns none with this name",
                (UP, "5 to 10 minutes"),
            ));
        }
        return Some(hop.done(
            HopName::Cache,
            s.saw(Part::Cache),
            view.absent(Part::Cache, format!("no replication group {name}")),
        ));
    };
    hop.extend(STORE.status(&c.id, &c.status, c.host.is_some()));
    if c.tls {
        hop.push(
            Draft::new(
                "cache-tls",
                "the cache requires TLS, but the service speaks plain Redis",
                format!("{} is {}", c.id, c.status),
                REPLACE,
            )
            .weak_if(view.serves()),
        );
    }
    let nodes = s.expected.cache_nodes as usize;
    if c.members.len() < nodes && c.status == "available" {
        let what = format!("{} of {nodes} nodes: {}", c.members.len(), names(c.members.iter().map(|m| &m.id)));
        hop.push(
            Draft::new("cache-replica-missing", "the cache has fewer nodes than the stack file says", what, UP).weak(),
        );
    }
    let place = Place { port: c.port, groups: vec![&c.groups], subnets: vec![] };
    // A member shows its security groups only after it exists.
    if s.saw(Part::CacheNodes) && (!c.groups.is_empty() || c.status == "available") {
        STORE.reach(view, &place, &mut hop);
    }
    STORE.beacons(view, &mut hop);
    let told = format!(
        "{} {}, {}, {}",
        c.id,
        c.status,
        count(c.members.len()),
        c.host.as_deref().unwrap_or("no endpoint yet")
    );
    Some(hop.done(HopName::Cache, s.saw(Part::Cache), told))
}

fn count(nodes: usize) -> String {
    if nodes == 1 { "1 node".into() } else { format!("{nodes} nodes") }
}
