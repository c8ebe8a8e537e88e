//! Monitoring: the alarms that matter, and one dashboard.
mod wire;

pub(crate) use wire::{Watched, WatchedService, wire};
