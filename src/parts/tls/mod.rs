//! HTTPS at the load balancer: the certificate, and the redirect of port 80.
pub(crate) mod judge;
pub mod see;
mod wire;

use super::Entry;

pub(crate) use wire::{SUFFIX, Shown, domain_of, redirect, rule, wire};

/// The entry of HTTPS in the list of parts. Its findings are those of the listener.
pub(crate) const ENTRY: Entry = Entry { follow: Some(|look| Box::pin(see::follow(look))), ..Entry::NONE };
