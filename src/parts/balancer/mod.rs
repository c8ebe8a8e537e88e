//! The load balancer, and where its requests go.
pub mod bill;
pub(crate) mod judge;
pub mod measure;
pub mod see;
mod wire;

use super::Entry;

pub(crate) use wire::{Balancer, Route, route, wire};

/// What the look and the diagnosis know of it.
pub(crate) const ENTRY: Entry = Entry {
    find: Some(|look| Box::pin(see::find(look))),
    follow: Some(|look| Box::pin(see::follow(look))),
    way: &[judge::hop, judge::listener::hop, judge::listener::rule_hop],
    ..Entry::NONE
};
