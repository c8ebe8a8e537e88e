//! The database: an RDS instance of the stack's own, or one that is used, and its passwords.
pub mod bill;
pub(crate) mod judge;
pub mod measure;
pub mod see;
mod wire;

use super::Entry;

pub(crate) use wire::{Passwords, wire};

/// What its clients speak.
pub(crate) const ENGINE: &str = "MySQL";
/// The port of MySQL.
pub(crate) const PORT: u16 = 3306;

/// What the look and the diagnosis know of it.
pub(crate) const ENTRY: Entry = Entry {
    find: Some(|look| Box::pin(see::find(look))),
    behind: &[judge::hop],
    stores: &[&judge::STORE],
    ..Entry::NONE
};
