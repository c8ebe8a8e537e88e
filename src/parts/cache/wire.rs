//! The steps of the cache.
use crate::{
    config::Mode,
    engine::Ref,
    parts::{Builder, access::Groups, network::Network},
    resources::{cache::Cache, cache_subnet_group::CacheSubnetGroup},
};

/// Wires the cache, if the stack has one.
pub(crate) fn wire(b: &mut Builder<'_>, network: &Network, groups: &Groups) -> Option<Ref<Cache>> {
    let c = &b.config.cache;
    if c.mode == Mode::Off {
        return None;
    }
    let ours = c.mode == Mode::Create;
    let subnet_group = ours.then(|| b.add("main", CacheSubnetGroup { aws: b.aws(), subnets: network.private.clone() }));
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
    Some(b.add_or_use(ours, "main", cache))
}
