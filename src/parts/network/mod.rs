//! The network: the VPC with its subnets and routes, and the ways out of it.
pub mod bill;
pub(crate) mod judge;
pub mod see;
mod wire;

use super::Entry;

pub(crate) use wire::{Network, wire};

/// The entry of the network in the list of parts.
pub(crate) const ENTRY: Entry = Entry {
    find: Some(|look| Box::pin(see::find(look))),
    follow: Some(|look| Box::pin(see::follow(look))),
    ..Entry::NONE
};
