//! A service: its fleet of instances with their user data and permissions, and its target group.
pub mod bill;
pub(crate) mod judge;
pub mod measure;
pub mod see;
mod user_data;
mod wire;

use super::Entry;

pub(crate) use user_data::aws_services;
pub use user_data::{UserDataInputs, endpoint_services};
pub(crate) use wire::{Data, Fleet, master, scale, wire};

/// The entry of the service in the list of parts.
pub(crate) const ENTRY: Entry = Entry {
    find: Some(|look| Box::pin(see::find(look))),
    follow: Some(|look| Box::pin(see::follow(look))),
    way: &[judge::target::hop, judge::hop],
    ..Entry::NONE
};
