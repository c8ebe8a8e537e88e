//! gameday in fifteen minutes.
//!
//! One `gameday.toml` ([`config`]) describes a stack. [`facts`] looks up what cannot be known offline; [`stack`] wires
//! config and facts into a graph of steps, purely. Each kind of AWS object is one file in [`resources`], one
//! `impl Resource` ([`engine::Resource`]); its life is written once, in [`engine::node`]. A verb ([`commands`]) walks
//! the graph and hands what it saw to a view ([`output`]), the only place that prints. [`userdata`] renders what an
//! instance does at boot; [`serving`] measures from outside; [`snapshot`] sees all that carries the requests and
//! [`diagnose`] says, purely, what is wrong with it; [`watch`] is the model of a live status; [`cost`] says what it
//! costs, [`logs`] what it says; [`targets`] are the machines behind a balancer, [`serve`] shows it all on the web;
//! [`lease`] who is at work, [`history`] how long it took before, [`record`] what the stack has made, [`set_up`] that the
//! database is set up; [`sandbox`] runs a local emulator instead of AWS.
#![warn(clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used)]
pub mod aws;
pub mod cli;
pub mod commands;
pub mod cost;
pub mod diagnose;
pub mod error;
pub mod facts;
#[cfg(test)]
mod fuzz;
pub mod hidden;
pub mod history;
pub mod lease;
pub mod logs;
pub mod output;
pub mod policy;
mod private;
pub mod record;
pub mod resources;
pub mod sandbox;
pub mod serve;
pub mod serving;
pub mod set_up;
mod shell;
pub mod snapshot;
pub mod stack;
pub mod targets;
pub mod typed;
pub mod userdata;
pub mod watch;

pub use gameday_config as config;
pub use gameday_config::said;
pub use gameday_engine as engine;
