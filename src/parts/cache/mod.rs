//! The cache: an ElastiCache replication group or cache cluster of the stack's own, or one that the stack only uses.
pub mod bill;
pub(crate) mod judge;
pub mod measure;
pub mod see;
mod wire;

use super::Entry;

pub(crate) use wire::{Address, wire};

/// The entry of the cache in the list of parts.
pub(crate) const ENTRY: Entry = Entry {
    find: Some(|look| Box::pin(see::find(look))),
    behind: &[judge::hop],
    stores: &[&judge::REDIS, &judge::MEMCACHED],
    ..Entry::NONE
};
