//! gameday in fifteen minutes.
//!
//! One `gameday.toml` describes a stack. The stack file and the facts of the account are wired into a graph of steps; a
//! verb walks the graph and hands what it saw to a view. `docs/architecture.md` has the words, the layers and the reasons;
//! `CONTRIBUTING.md` says how to add a kind, a verb, a rule or a finding.
//!
//! Read in this order:
//!
//! | module | what it is |
//! | --- | --- |
//! | [`config`] | the model of `gameday.toml`, every rule that it has to keep, and the table of kinds; knows no AWS call |
//! | [`engine`] | [`engine::Resource`], the life that all kinds share ([`engine::node`]), the walk; knows no AWS service |
//! | [`resources`] | one kind of AWS object a file, one `impl Resource` each |
//! | [`facts`] | what is looked up once and never created: account, zones, image, an existing network |
//! | [`parts`] | the parts of a stack, one folder each: their steps, what is seen of them, what is wrong with them |
//! | [`stack`] | the wiring: config and facts become a graph of steps, purely |
//! | [`leftovers`] | what is left of a stack: of an earlier stack file, with its tags, without them |
//! | [`commands`] | one verb a file: it walks the graph and hands what it saw to a view |
//! | [`output`] | the views, for people and as JSON; the only place that prints |
//!
//! What is seen from outside, and judged:
//!
//! | module | what it is |
//! | --- | --- |
//! | [`snapshot`] | one look at everything that carries requests, as plain data that can be saved |
//! | [`diagnose`] | what is wrong with a snapshot, hop by hop; pure |
//! | [`verdict`] | the verdict in six words, and the wait for it |
//! | [`live`] | the model of the live status: rounds folded into a bounded state |
//! | [`serve`] | the same on the web, with an API |
//! | [`cost`], [`logs`], [`targets`] | what the stack costs, what its instances say, the machines behind its balancer |
//!
//! What the account keeps about a stack, as small notes:
//!
//! | module | what it is |
//! | --- | --- |
//! | [`lease`] | who is at work |
//! | [`record`] | what the stack has made: the proof of what its tags only claim |
//! | [`history`] | how long its steps took |
//! | [`set_up`] | whether its database is set up |
//!
//! The ground:
//!
//! | module | what it is |
//! | --- | --- |
//! | [`aws`] | clients, credentials, proxies, shared listings; the only reader of AWS's errors |
//! | [`userdata`] | what an instance does at boot, rendered from templates |
//! | [`policy`] | the least-privilege IAM policy, from what each step declares |
//! | [`sandbox`] | a local emulator instead of AWS |
//! | [`cli`], [`typed`] | the command line; the commands that people are told to type |
//! | [`error`], [`help`] | the one error type; what to type after an error |
//! | [`said`], [`hidden`] | words from outside, made fit to be read; passwords as dots |
#![warn(clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used, unreachable_pub)]
pub mod aws;
pub mod bake;
pub mod cli;
pub mod commands;
pub mod cost;
pub mod diagnose;
pub mod error;
pub mod facts;
#[cfg(test)]
mod fuzz;
pub mod help;
pub mod hidden;
pub mod history;
pub mod lease;
pub mod leftovers;
pub mod live;
pub mod logs;
pub mod output;
pub mod parts;
pub mod policy;
mod private;
pub mod record;
pub mod resources;
pub mod sandbox;
pub mod serve;
pub mod set_up;
mod shell;
pub mod snapshot;
pub mod stack;
pub mod targets;
pub mod typed;
pub mod userdata;
pub mod verdict;

pub use gameday_config as config;
pub use gameday_config::said;
pub use gameday_engine as engine;
