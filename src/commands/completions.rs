//! `gameday completions SHELL`: prints a completion script.
use super::{DONE, Failure, Outcome};
use crate::{cli::complete::VARIABLE, error::Error, output::Printer};
use clap_complete::env::Shells;

/// Runs `gameday completions`.
///
/// The script asks this program for each word, so that it knows the stack file's steps and the user's profiles.
pub fn run(out: Printer, shell: clap_complete::Shell) -> Outcome {
    let shells = Shells::builtins();
    let completer = shells.completer(&shell.to_string()).expect("each shell has a script");
    // The script is made in memory first, since a closed pipe is no error.
    let mut script = vec![];
    completer
        .write_registration(VARIABLE, "gameday", "gameday", "gameday", &mut script)
        .map_err(|e| Failure::Error(Error::other(format!("the script for {shell}: {e}"), "")))?;
    out.verbatim(String::from_utf8_lossy(&script));
    Ok(DONE)
}
