//! The network: the VPC with its subnets and routes, and the ways out of it.
pub mod bill;
mod wire;

pub(crate) use wire::{Network, wire};
