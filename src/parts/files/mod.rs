//! The shared files: an EFS file system of the stack's own, or one that the stack only uses.
pub mod bill;
pub(crate) mod judge;
pub mod see;
mod wire;

use super::Entry;

pub(crate) use wire::{Files, wire};

/// The protocol of its clients.
pub(crate) const PROTOCOL: &str = "NFS";
/// The port of NFS.
pub(crate) const PORT: u16 = 2049;

/// The entry of the file system in the list of parts.
pub(crate) const ENTRY: Entry = Entry {
    find: Some(|look| Box::pin(see::find(look))),
    follow: Some(|look| Box::pin(see::follow(look))),
    behind: &[judge::hop],
    stores: &[&judge::STORE],
    ..Entry::NONE
};
