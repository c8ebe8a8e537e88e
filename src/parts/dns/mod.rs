//! The name of the service: an alias record in a hosted zone of the account.
pub(crate) mod judge;
pub mod see;
mod wire;

use super::Entry;

pub(crate) use wire::{prove, wire};

/// The entry of the name in the list of parts. Its findings are those of the hop of the name.
pub(crate) const ENTRY: Entry = Entry { find: Some(|look| Box::pin(see::find(look))), ..Entry::NONE };
