//! Monitoring: the alarms and one dashboard.
pub mod bill;
pub(crate) mod judge;
pub mod see;
mod wire;

use super::Entry;

pub(crate) use wire::{Watched, WatchedService, wire};

/// The entry of monitoring in the list of parts.
pub(crate) const ENTRY: Entry =
    Entry { find: Some(|look| Box::pin(see::find(look))), behind: &[judge::hop], ..Entry::NONE };
