//! The findings about the cache: its status, its settings, and whether the instances can reach it.
use crate::{
    config::{CacheEngine, Mode},
    diagnose::{Draft, Hop, HopName, UP, View, names},
    parts::store::{Place, Status, Store, rules},
    snapshot::Part,
};

/// The cache of Redis or Valkey as a store. Both have the same protocol and port.
pub(crate) const REDIS: Store = store(CacheEngine::Redis, GROUP_STATUSES);

/// The cache of memcached as a store.
pub(crate) const MEMCACHED: Store = store(CacheEngine::Memcached, CLUSTER_STATUSES);

const fn store(engine: CacheEngine, statuses: &'static [Status]) -> Store {
    Store {
        hop: HopName::Cache,
        what: "the cache",
        speaks: engine.speaks(),
        port: engine.port(),
        group: "cache",
        stage: "cache",
        rules: rules!("cache"),
        statuses,
        refusal: |_, _| None,
    }
}

/// What differs between a replication group and a cache cluster.
struct Form {
    store: &'static Store,
    noun: &'static str,
    call: &'static str,
    replace: &'static str,
}

impl Form {
    const fn of(engine: CacheEngine) -> &'static Self {
        match engine {
            CacheEngine::Redis | CacheEngine::Valkey => &Self {
                store: &REDIS,
                noun: "replication group",
                call: "DescribeReplicationGroups",
                replace: REPLACE_GROUP,
            },
            CacheEngine::Memcached => &Self {
                store: &MEMCACHED,
                noun: "cache cluster",
                call: "DescribeCacheClusters",
                replace: REPLACE_CLUSTER,
            },
        }
    }
}

const REPLACE_GROUP: &str = "gameday up --replace cache/main";
const REPLACE_CLUSTER: &str = "gameday up --replace cache-cluster/main";

const SERVES: Status = Status::serves(&["available", "snapshotting"]);
const DELETING: Status = Status::broken(
    &["deleting", "deleted"],
    "cache-deleting",
    "the cache is being deleted",
    UP,
    Some("waits, then creates a new one"),
);
const MODIFYING: Status = Status::serves_at_endpoint(&["modifying"]);
const CREATING: Status = Status::busy(Status::OTHER, "cache-creating", "AWS is still creating the cache");

/// The meaning of the statuses of a replication group.
const GROUP_STATUSES: &[Status] = &[
    SERVES,
    DELETING,
    Status::broken(&["create-failed"], "cache-failed", "AWS could not create the cache", REPLACE_GROUP, None),
    MODIFYING,
    CREATING,
];

/// The meaning of the statuses of a cache cluster [AWS 2.2].
const CLUSTER_STATUSES: &[Status] = &[
    SERVES,
    DELETING,
    Status::broken(
        &["create-failed", "restore-failed", "incompatible-network"],
        "cache-failed",
        "AWS could not create the cache",
        REPLACE_CLUSTER,
        None,
    ),
    MODIFYING,
    Status::busy(&["rebooting cluster nodes"], "cache-rebooting", "the nodes of the cache restart"),
    CREATING,
];

/// Returns the hop of the cache, or `None` if the stack has none.
pub(crate) fn hop(view: &View<'_>) -> Option<Hop> {
    let s = view.s;
    let form = Form::of(s.expected.cache_engine);
    match s.expected.cache {
        Mode::Off => return None,
        Mode::Use => return Some(form.store.used(view, s.expected.cache_endpoint.as_deref())),
        Mode::Create => {}
    }
    let mut hop = Draft::hop();
    let name = &s.expected.names.cache;
    let Some(c) = &s.cache else {
        if s.saw(Part::Cache) {
            hop.push(Draft::new(
                "cache-missing",
                format!("there is no cache {name}"),
                format!("{} returns none with this name", form.call),
                (UP, "5 to 10 minutes"),
            ));
        }
        return Some(hop.done(
            HopName::Cache,
            s.saw(Part::Cache),
            view.absent(Part::Cache, format!("no {} {name}", form.noun)),
        ));
    };
    hop.extend(form.store.status(&c.id, &c.status, c.host.is_some()));
    if c.tls {
        hop.push(
            Draft::new(
                "cache-tls",
                format!("the cache requires TLS, but the service speaks plain {}", form.store.speaks),
                format!("{} is {}", c.id, c.status),
                form.replace,
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
        form.store.reach(view, &place, &mut hop);
    }
    form.store.beacons(view, &mut hop);
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
