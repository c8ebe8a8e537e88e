//! The shared files: an EFS file system of the stack's own, or one that is used.
pub mod bill;
pub(crate) mod judge;
pub mod see;
mod wire;

use super::Entry;

pub(crate) use wire::{Files, wire};

/// What its clients speak.
pub(crate) const PROTOCOL: &str = "NFS";
/// The port of NFS.
pub(crate) const PORT: u16 = 2049;

/// What the look and the diagnosis know of it.
pub(crate) const ENTRY: Entry = Entry {
    find: Some(|look| Box::pin(see::find(look))),
    follow: Some(|look| Box::pin(see::follow(look))),
    behind: &[judge::hop],
    stores: &[&judge::STORE],
    ..Entry::NONE
};
