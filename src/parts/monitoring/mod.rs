//! Monitoring: the alarms and one dashboard.
pub mod bill;
pub(crate) mod judge;
pub mod see;
mod wire;

use super::Entry;
use std::collections::BTreeSet;

pub(crate) use wire::{Watched, WatchedService, wire};

/// The entry of monitoring in the list of parts.
pub(crate) const ENTRY: Entry =
    Entry { find: Some(|look| Box::pin(see::find(look))), behind: &[judge::hop], ..Entry::NONE };

/// Returns the prefixes by which CloudWatch lists the alarms with these names.
///
/// One call lists all alarms with the prefix of the stack, and other looks make the same call. A name prescribed in the
/// stack file can have another prefix, so it is listed by itself.
fn prefixes(stack: &str, names: &[String]) -> BTreeSet<String> {
    let own = format!("{stack}-");
    names.iter().map(|name| if name.starts_with(&own) { own.clone() } else { name.clone() }).collect()
}
