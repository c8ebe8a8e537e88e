//! The load balancer, and where its requests go.
mod wire;

pub(crate) use wire::{Balancer, Route, route, wire};
