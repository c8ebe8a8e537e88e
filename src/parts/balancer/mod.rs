//! The load balancer, and where its requests go.
pub mod bill;
pub mod measure;
mod wire;

pub(crate) use wire::{Balancer, Route, route, wire};
