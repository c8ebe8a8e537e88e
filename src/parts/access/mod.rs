//! Network access: the security groups, and the endpoints of AWS services.
pub mod bill;
pub(crate) mod judge;
pub mod see;
mod wire;

use super::Entry;

pub(crate) use wire::{Groups, Rules, endpoints, groups, rules};

/// The port of HTTP.
pub(crate) const HTTP: u16 = 80;
/// The port of HTTPS.
pub(crate) const HTTPS: u16 = 443;
/// The port of SSH.
pub(crate) const SSH: u16 = 22;

/// The entry of network access in the list of parts.
pub(crate) const ENTRY: Entry = Entry { follow: Some(|look| Box::pin(see::follow(look))), ..Entry::NONE };
