//! The shared files: an EFS file system of the stack's own, or one that is used.
pub mod bill;
mod wire;

pub(crate) use wire::{Files, wire};

/// The port of NFS.
pub(crate) const PORT: u16 = 2049;
