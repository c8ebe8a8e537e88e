//! The real binary in a world of its own: the sandbox, machines that boot, browsers, terminals.
//!
//! Every test needs something that a guest's machine can lack (Python packages from the network, root, tmux, Chromium),
//! and names it where cargo lists the test as ignored. `cargo test -- --include-ignored` runs them all and installs
//! what is missing.
//!
//! All suites are one program, so that they run side by side: most of them wait for processes more than they compute.
//! No two tests share a sandbox, a port, a home or a file, unless a lock says so. The harness starts tests by name: the
//! name of the machines, which take longest, comes first.
mod bake;
mod boot;
mod contract;
mod first_user;
mod front;
mod keys;
mod life;
mod lints;
mod names;
mod resilience;
mod sandbox;
mod serve;
mod services;
mod shell;
mod supply;
#[path = "../support/mod.rs"]
mod support;
mod systems;
mod tools;
mod unseen;
mod watch;
mod why_sandbox;
mod words;
