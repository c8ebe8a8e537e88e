//! Who reaches whom: the security groups, and the endpoints of AWS's services.
mod wire;

pub(crate) use wire::{Groups, Rules, endpoints, groups, rules};
