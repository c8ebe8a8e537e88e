//! Who reaches whom: the security groups, and the endpoints of AWS's services.
pub mod bill;
mod wire;

pub(crate) use wire::{Groups, Rules, endpoints, groups, rules};
