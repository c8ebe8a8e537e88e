//! The cache: an ElastiCache replication group of the stack's own, or one that is used.
pub mod bill;
pub mod measure;
mod wire;

pub(crate) use wire::wire;

/// The port of Redis and Valkey.
pub(crate) const PORT: u16 = 6379;
