//! The steps of the cache.
use crate::{
    config::Mode,
    engine::{Input, Key, Known},
    parts::{Builder, access::Groups, network::Network},
    resources::{cache::Cache, cache_subnet_group::CacheSubnetGroup},
};

/// The cache for those who refer to it, whatever kind of step it is.
#[derive(Clone)]
pub(crate) struct Address {
    key: Key,
    pub host: Input<String>,
    pub port: Input<u16>,
    /// The names under which CloudWatch measures it.
    pub members: Input<Vec<String>>,
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
    Some(Address {
        key: cache.key().clone(),
        host: cache.input(|c| c.host.clone()),
        port: cache.input(|c| c.port),
        members: cache.input(|c| c.members.clone()),
    })
}
