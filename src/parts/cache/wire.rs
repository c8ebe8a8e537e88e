//! The steps of the cache.
use crate::{
    config::{CacheEngine, Mode},
    engine::{Input, Key, Known, Ref},
    parts::{Builder, access::Groups, metric::MetricTable, network::Network},
    resources::{cache::Cache, cache_cluster::CacheCluster, cache_subnet_group::CacheSubnetGroup},
};

/// The cache for those who refer to it, whatever kind of step it is.
#[derive(Clone)]
pub(crate) struct Address {
    key: Key,
    /// The host for clients that know only one.
    pub host: Input<String>,
    pub port: Input<u16>,
    /// The hosts for clients that choose a node for each key, in the same order on every instance.
    pub nodes: Input<Vec<String>>,
    /// The names under which CloudWatch measures it.
    pub members: Input<Vec<String>>,
    /// The number of those names.
    pub watched: usize,
    /// The metrics of its engine.
    pub metrics: &'static MetricTable,
}

impl Address {
    /// Returns the member with this number, from 0.
    pub(crate) fn member(&self, number: usize) -> Input<String> {
        let (key, members) = (self.key.clone(), self.members.clone());
        Input::new(move |inputs| {
            let member = members.read(inputs).map(|all| all.get(number).cloned());
            member.and_then(|m| m.map_or_else(|| Known::After(key.clone()), Known::Now))
        })
    }
}

/// Wires the cache, if the stack has one.
pub(crate) fn wire(b: &mut Builder<'_>, network: &Network, groups: &Groups) -> Option<Address> {
    let c = &b.config.cache;
    if c.mode == Mode::Off {
        return None;
    }
    let ours = c.mode == Mode::Create;
    let subnet_group = ours.then(|| b.add("main", CacheSubnetGroup { aws: b.aws(), subnets: network.private.clone() }));
    if c.engine != CacheEngine::Memcached {
        return Some(replication_group(b, groups, subnet_group));
    }
    if b.is_every() {
        // An earlier stack file can have had another engine.
        replication_group(b, groups, subnet_group.clone());
    }
    let cluster = CacheCluster {
        aws: b.aws(),
        existing: c.endpoint().filter(|_| !ours),
        version: c.engine_version().into(),
        class: c.class.clone(),
        nodes: c.nodes as i32,
        zones: b.zones().to_vec(),
        subnet_group,
        groups: groups.cache.iter().cloned().collect(),
    };
    let cluster = b.add_or_use(ours, "main", cluster);
    Some(Address {
        key: cluster.key().clone(),
        host: cluster.input(|c| c.host.clone()),
        port: cluster.input(|c| c.port),
        nodes: cluster.input(|c| c.nodes.clone()),
        // CloudWatch measures the cluster, and of the replication group each node.
        members: cluster.input(|c| vec![c.id.clone()]),
        watched: if b.is_every() { 2 } else { 1 },
        metrics: super::measure::of(c.engine),
    })
}

/// Wires the cache of Redis or Valkey.
fn replication_group(b: &mut Builder<'_>, groups: &Groups, subnet_group: Option<Ref<CacheSubnetGroup>>) -> Address {
    let c = &b.config.cache;
    let ours = c.mode == Mode::Create;
    let cache = Cache {
        aws: b.aws(),
        existing: c.endpoint().filter(|_| !ours),
        engine: c.engine.to_string(),
        version: c.engine_version().into(),
        class: c.class.clone(),
        encrypted: c.encrypted,
        nodes: c.nodes as i32,
        zones: b.zones().to_vec(),
        subnet_group,
        groups: groups.cache.iter().cloned().collect(),
    };
    let cache = b.add_or_use(ours, "main", cache);
    Address {
        key: cache.key().clone(),
        host: cache.input(|c| c.host.clone()),
        port: cache.input(|c| c.port),
        nodes: cache.input(|c| vec![c.host.clone()]),
        members: cache.input(|c| c.members.clone()),
        watched: c.nodes as usize,
        metrics: super::measure::of(c.engine),
    }
}
