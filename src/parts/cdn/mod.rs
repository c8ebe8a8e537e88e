//! The distribution before the load balancer: a cache of answers at CloudFront's places.
pub mod bill;
pub(crate) mod judge;
pub mod measure;
pub mod see;
mod wire;

use super::Entry;

pub(crate) use wire::{HEADER_PARAMETER, header, wire};

/// The entry of the distribution in the list of parts.
pub(crate) const ENTRY: Entry =
    Entry { find: Some(|look| Box::pin(see::find(look))), edge: Some(judge::hop), ..Entry::NONE };
