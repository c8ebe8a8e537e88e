//! Completion candidates of values for shells: step keys, services, profiles, regions, instances.
//!
//! After an error there are no candidates.
use super::{Cli, Global, guide};
use crate::{aws, commands, config, said, snapshot::is_instance_id};
use clap::{Arg, FromArgMatches};
use clap_complete::{
    CompleteEnv,
    engine::{ArgValueCompleter, CompletionCandidate, PathCompleter},
};
use std::{ffi::OsStr, time::Duration};

/// The variable with which a shell's script asks for candidates.
pub const VARIABLE: &str = "_GAMEDAY_COMPLETE";
/// How long candidates from AWS may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Answers the shell's script and exits, if it asks.
pub fn answer() {
    CompleteEnv::with_factory(guide::definition).var(VARIABLE).complete();
}

/// Completes files that end in `.toml`, and folders.
pub fn stack_files() -> ArgValueCompleter {
    let toml = |path: &std::path::Path| path.extension().is_some_and(|e| e == "toml");
    ArgValueCompleter::new(PathCompleter::file().filter(toml))
}

/// Returns the keys of the stack's steps, from the stack file alone.
pub fn steps(typed: &OsStr) -> Vec<CompletionCandidate> {
    candidates(typed, run(commands::keys(&global())).unwrap_or_default())
}

/// Returns the services of the stack file.
pub fn services(typed: &OsStr) -> Vec<CompletionCandidate> {
    candidates(typed, commands::services(&global()).unwrap_or_default())
}

/// Returns the profiles of the AWS configuration files.
pub fn profiles(typed: &OsStr) -> Vec<CompletionCandidate> {
    candidates(typed, aws::profiles())
}

/// Returns the regions.
pub fn regions(typed: &OsStr) -> Vec<CompletionCandidate> {
    candidates(typed, config::REGIONS.iter().map(ToString::to_string).collect())
}

/// Returns the stack's instances, from AWS.
pub fn instances(typed: &OsStr) -> Vec<CompletionCandidate> {
    let look = async { tokio::time::timeout(PATIENCE, commands::instances(&global())).await.ok().flatten() };
    let all = run(look).unwrap_or_default();
    candidates(typed, all.into_iter().filter(|id| is_instance_id(id)).collect())
}

fn candidates(typed: &OsStr, all: Vec<String>) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let fits = |one: &String| one.starts_with(typed.as_ref()) && !one.contains(said::is_hidden);
    all.into_iter().filter(fits).map(CompletionCandidate::new).collect()
}

fn run<T>(work: impl Future<Output = Option<T>>) -> Option<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?.block_on(work)
}

/// Returns the global options of the line being typed, which may be incomplete.
fn global() -> Global {
    let line: Vec<_> = std::env::args_os().skip_while(|a| a != "--").skip(1).collect();
    let known = |arg: &Arg| arg.get_id() != "help" && arg.get_id() != "version";
    let mut global = vec!["gameday".into()];
    let definition = guide::definition();
    let mut words = line.into_iter().skip(1).peekable();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy().into_owned();
        let is = |arg: &&Arg| {
            let long = arg.get_long().is_some_and(|l| text == format!("--{l}") || text.starts_with(&format!("--{l}=")));
            long || arg.get_short().is_some_and(|s| text == format!("-{s}"))
        };
        let Some(arg) = definition.get_arguments().filter(|a| known(a)).find(is) else { continue };
        global.push(word);
        if arg.get_action().takes_values() && !text.contains('=') {
            global.extend(words.next());
        }
    }
    global.push("policy".into());
    let matches = definition.try_get_matches_from(&global).ok();
    let cli = matches.and_then(|m| Cli::from_arg_matches(&m).ok());
    cli.map_or_else(Global::default, |cli| cli.global)
}
