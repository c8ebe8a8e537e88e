//! The load balancer, its listener, and the rules that route requests.
pub mod bill;
mod block;
pub(crate) mod judge;
pub mod measure;
pub mod see;
mod wire;

use super::Entry;

pub(crate) use super::tls::SUFFIX as HTTPS_SUFFIX;
pub(crate) use wire::{Balancer, CLOUDFRONT_RULE, Route, route, service_of, wire};

/// The entry of the balancer in the list of parts.
pub(crate) const ENTRY: Entry = Entry {
    find: Some(|look| Box::pin(see::find(look))),
    follow: Some(|look| Box::pin(see::follow(look))),
    way: &[judge::hop, judge::listener::hop, judge::listener::rule_hop],
    ..Entry::NONE
};
