//! `gameday completions SHELL`
use super::{DONE, Outcome};
use crate::cli::Cli;
use clap::CommandFactory;
use std::io::Write;

pub fn run(shell: clap_complete::Shell) -> Outcome {
    // By way of memory: clap_complete panics when a pipe is closed.
    let mut script = vec![];
    clap_complete::generate(shell, &mut Cli::command(), "gameday", &mut script);
    let _ = std::io::stdout().write_all(&script);
    Ok(DONE)
}
