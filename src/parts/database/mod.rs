//! The database: an RDS instance of the stack's own, or one that is used, and its passwords.
pub mod bill;
pub mod measure;
mod wire;

pub(crate) use wire::{Passwords, wire};

/// The port of MySQL.
pub(crate) const PORT: u16 = 3306;
