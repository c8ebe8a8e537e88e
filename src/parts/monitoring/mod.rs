//! Monitoring: the alarms that matter, and one dashboard.
pub mod bill;
mod wire;

pub(crate) use wire::{Watched, WatchedService, wire};
