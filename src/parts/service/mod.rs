//! A service: its fleet of instances, what they are told at boot and what they may do, and its target group.
pub mod bill;
pub mod measure;
mod user_data;
mod wire;

pub(crate) use user_data::aws_services;
pub use user_data::{UserDataInputs, endpoint_services};
pub(crate) use wire::{Data, Fleet, master, scale, wire};
