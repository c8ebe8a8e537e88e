//! The cost of the cache: its nodes.
use crate::{
    aws::listing,
    config::{CacheEngine, Group, Mode},
    cost::{Account, Item, Per, Plan, Thing},
    error::Result,
};
use aws_sdk_elasticache::types::CacheCluster;

/// Returns the cost item for `count` nodes of this engine and class.
pub fn nodes(engine: CacheEngine, class: &str, count: f64) -> Item {
    let key = class.to_owned();
    let thing = Thing::new(format!("{class}, {engine}"), move |p| {
        let list = match engine {
            CacheEngine::Redis => &p.cache.redis,
            CacheEngine::Valkey => &p.cache.valkey,
            CacheEngine::Memcached => &p.cache.memcached,
        };
        Some(Per::Hour.price(*list.get(&key)?))
    });
    Item::new(Group::Cache, thing, count)
}

/// Returns the cost item of the cache that the stack file describes.
pub fn planned(plan: &Plan<'_>) -> Vec<Item> {
    let c = &plan.config.cache;
    if c.mode != Mode::Create {
        return vec![];
    }
    vec![nodes(c.engine, &c.class, f64::from(c.nodes))]
}

/// Returns the cost item of the stack's own cache, if it exists.
pub async fn running(account: &Account<'_>) -> Result<Vec<Item>> {
    let config = account.config;
    if config.cache.mode != Mode::Create {
        return Ok(vec![]);
    }
    let name = config.name_of(config.cache.key());
    if config.cache.engine == CacheEngine::Memcached {
        let found = listing::cache_cluster(account.aws, &name).await?;
        let item = |c: CacheCluster| {
            let count = c.num_cache_nodes().unwrap_or_default();
            nodes(CacheEngine::Memcached, c.cache_node_type().unwrap_or_default(), f64::from(count))
        };
        return Ok(found.map(item).into_iter().collect());
    }
    let found = listing::cache(account.aws, &name).await?;
    let items = found.map(|g| {
        let engine = match g.engine() {
            Some("redis") => CacheEngine::Redis,
            Some("valkey") => CacheEngine::Valkey,
            _ => config.cache.engine,
        };
        nodes(engine, g.cache_node_type().unwrap_or_default(), g.member_clusters().len() as f64)
    });
    Ok(items.into_iter().collect())
}
