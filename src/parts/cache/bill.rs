//! The cost of the cache: its nodes.
use crate::{
    aws::listing,
    config::{Group, Mode},
    cost::{Account, Item, Per, Plan, Thing},
    error::Result,
};

/// Returns the cost item for `count` nodes of this engine and class.
pub fn nodes(engine: &str, class: &str, count: f64) -> Item {
    let (valkey, key) = (engine == "valkey", class.to_owned());
    let thing = Thing::new(format!("{class}, {engine}"), move |p| {
        let list = if valkey { &p.cache.valkey } else { &p.cache.redis };
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
    vec![nodes(&c.engine.to_string(), &c.class, f64::from(c.nodes))]
}

/// Returns the cost item of the stack's own cache, if it exists.
pub async fn running(account: &Account<'_>) -> Result<Vec<Item>> {
    let config = account.config;
    if config.cache.mode != Mode::Create {
        return Ok(vec![]);
    }
    let found = listing::cache(account.aws, &config.name_of("cache/main")).await?;
    let items = found.map(|g| {
        let engine = g.engine().map_or_else(|| config.cache.engine.to_string(), str::to_owned);
        nodes(&engine, g.cache_node_type().unwrap_or_default(), g.member_clusters().len() as f64)
    });
    Ok(items.into_iter().collect())
}
