//! Law 10: every kind keeps the contract — absent, create, none, change, update, none, delete, absent — through the
//! real SDK over HTTP against the emulator; what is not ours is refused, and what is changed by hand is repaired.
mod compute;
mod compute_support;
mod data;
mod data_support;
mod defaults;
mod egress;
mod network;
mod network_support;
