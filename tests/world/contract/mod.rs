//! Law 10: every kind keeps the contract through the real SDK over HTTP against the emulator: absent, create, none,
//! change, update, none, delete, absent. Objects that are not the stack's are refused, and changes by hand are
//! repaired.
mod certificate;
mod compute;
mod compute_support;
mod data;
mod data_support;
mod defaults;
mod edge;
mod egress;
mod names;
mod network;
mod network_support;
