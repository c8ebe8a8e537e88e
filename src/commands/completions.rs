//! `gameday completions SHELL`
use super::{DONE, Outcome};
use crate::{cli::Cli, output::Printer};
use clap::CommandFactory;

pub fn run(out: Printer, shell: clap_complete::Shell) -> Outcome {
    // By way of memory: clap_complete panics when a pipe is closed.
    let mut script = vec![];
    clap_complete::generate(shell, &mut Cli::command(), "gameday", &mut script);
    out.verbatim(String::from_utf8_lossy(&script));
    Ok(DONE)
}
