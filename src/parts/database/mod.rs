//! The database and its passwords: an RDS instance of the stack's own, or one that the stack only uses.
pub mod bill;
pub(crate) mod judge;
pub mod measure;
pub mod see;
mod wire;

use super::Entry;

pub(crate) use wire::{Passwords, wire};

/// The entry of the database in the list of parts.
pub(crate) const ENTRY: Entry = Entry {
    find: Some(|look| Box::pin(see::find(look))),
    follow: Some(|look| Box::pin(see::refused(look))),
    behind: &[judge::hop],
    stores: &[&judge::MYSQL, &judge::POSTGRES],
    ..Entry::NONE
};
