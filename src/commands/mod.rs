//! One verb a file. A verb reads the session, walks the graph, and hands what it saw to a view.
pub mod completions;
pub mod cost;
pub mod logs;
pub mod man;
pub mod plan;
pub mod policy;
pub mod render;
pub mod sandbox;
pub mod schema;
pub mod serve;
mod session;
pub mod status;
mod tagged;
pub mod targets;
pub mod teardown;
mod untagged;
pub mod up;
mod watch;
pub mod why;

use crate::{
    cli::{Cli, Up, Verb},
    output::Printer,
    stack::Group,
};
use session::Session;
use std::process::ExitCode;

/// Why a verb ended without having done what it is for. Already printed when it gets to `main`, or printed there.
#[derive(Debug)]
pub enum Failure {
    /// An error with its way out.
    Error(crate::error::Error),
    /// Rendered already: problems of the stack file, a template, the sandbox. `usage`: exit code 2.
    Said { text: String, usage: bool },
}

impl<E: Into<crate::error::Error>> From<E> for Failure {
    fn from(e: E) -> Self {
        Self::Error(e.into())
    }
}

pub type Outcome = Result<ExitCode, Failure>;

pub const DONE: ExitCode = ExitCode::SUCCESS;

/// Something failed; what it was has been said.
pub fn failed() -> ExitCode {
    ExitCode::from(1)
}
/// `plan` has changes.
pub fn changes() -> ExitCode {
    ExitCode::from(2)
}
pub fn interrupted() -> ExitCode {
    ExitCode::from(130)
}

pub async fn run(cli: Cli, out: Printer) -> Outcome {
    let global = &cli.global;
    let group = |g: Group, change: crate::cli::Change| Up { groups: vec![g], change, ..Up::default() };
    match cli.verb {
        Verb::Plan(args) => plan::run(global, out, args).await,
        Verb::Up(args) => up::run(global, out, args).await,
        Verb::Network(c) => up::run(global, out, group(Group::Network, c)).await,
        Verb::Database(c) => up::run(global, out, group(Group::Database, c)).await,
        Verb::Cache(c) => up::run(global, out, group(Group::Cache, c)).await,
        Verb::Files(c) => up::run(global, out, group(Group::Files, c)).await,
        Verb::Launch(c) => up::run(global, out, group(Group::Launch, c)).await,
        Verb::Balancer(c) => up::run(global, out, group(Group::Balancer, c)).await,
        Verb::Fleet(c) => up::run(global, out, group(Group::Fleet, c)).await,
        Verb::Monitoring(c) => up::run(global, out, group(Group::Monitoring, c)).await,
        Verb::Status(args) => status::run(global, out, args).await,
        Verb::Cost(args) => cost::run(global, out, args).await,
        Verb::Logs(args) => logs::run(global, out, args).await,
        Verb::Why(args) => why::run(global, out, args).await,
        Verb::Serve(args) => serve::run(global, out, args).await,
        Verb::Targets { what } => targets::run(global, out, what).await,
        Verb::Teardown(args) => teardown::run(global, out, args).await,
        Verb::Render(args) => render::run(global, out, args).await,
        Verb::Policy => policy::run(global, out).await,
        Verb::Schema => schema::run(out),
        Verb::Sandbox { what } => sandbox::run(global, out, what).await,
        Verb::Completions { shell } => completions::run(out, shell),
        Verb::Man => man::run(out),
    }
}
