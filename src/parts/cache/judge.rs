//! The cache: does it take connections, is it as the stack file says, and do the instances reach it?
use crate::{
    config::{CacheEngine, Mode},
    diagnose::{Draft, Hop, HopName, UP, View, names},
    parts::store::{Place, Status, Store, rules},
    snapshot::Part,
};

/// Redis and Valkey are one protocol.
const ENGINE: CacheEngine = CacheEngine::Redis;

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

const STATUSES: &[Status] = &[
    Status::serves(&["available", "snapshotting"]),
    Status::broken(
        &["deleting"],
        "cache-deleting",
        "the cache is being deleted",
        UP,
        Some("waits, then makes a new one"),
    ),
    Status::broken(&["create-failed"], "cache-failed", "AWS could not make the cache", REPLACE, None),
    Status::serves_at_endpoint(&["modifying"]),
    Status::busy(Status::OTHER, "cache-creating", "AWS is still making the cache"),
];

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
                "DescribeReplicationGroups gives none of this name",
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
                "the cache wants TLS, the service speaks plain Redis",
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
    // A member says its groups only once it is there.
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
