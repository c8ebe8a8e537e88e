//! The database and its passwords: an RDS instance of the stack's own, or one that the stack only uses.
pub mod bill;
pub(crate) mod judge;
pub mod measure;
pub mod see;
mod wire;

use super::Entry;

pub(crate) use wire::{Passwords, wire};

/// The protocol of its clients.
pub(crate) const ENGINE: &str = "MySQL";
/// The port of MySQL.
pub(crate) const PORT: u16 = 3306;

/// The entry of the database in the list of parts.
pub(crate) const ENTRY: Entry = Entry {
    find: Some(|look| Box::pin(see::find(look))),
    behind: &[judge::hop],
    stores: &[&judge::STORE],
    ..Entry::NONE
};
