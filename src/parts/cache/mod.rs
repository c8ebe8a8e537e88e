//! The cache: an ElastiCache replication group of the stack's own, or one that the stack only uses.
pub mod bill;
pub(crate) mod judge;
pub mod measure;
pub mod see;
mod wire;

use super::Entry;

pub(crate) use wire::wire;

/// The protocol of its clients.
pub(crate) const ENGINE: &str = "Redis";
/// The port of Redis and Valkey.
pub(crate) const PORT: u16 = 6379;

/// The entry of the cache in the list of parts.
pub(crate) const ENTRY: Entry = Entry {
    find: Some(|look| Box::pin(see::find(look))),
    behind: &[judge::hop],
    store: Some(&judge::STORE),
    ..Entry::NONE
};
