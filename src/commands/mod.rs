//! The verbs, one per file. A verb reads the session, walks the graph, and hands what it saw to a view.
pub mod bake;
pub mod completions;
pub mod cost;
pub mod init;
mod live;
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
pub mod targets;
pub mod teardown;
pub mod up;
pub mod why;

use crate::{
    aws::{Aws, Target},
    cli::{Cli, Global, UpArgs, Verb},
    config::{ConfigErrors, Group},
    engine::TagKeys,
    facts::{self, Facts},
    output::{Printer, complaint::Complaint},
    stack,
};
use session::Session;
use std::process::ExitCode;
use tokio::task::LocalSet;

/// Why a verb ended without doing what it is for.
#[derive(Debug)]
pub enum Failure {
    /// An error with its help text. Exit code 1.
    Error(crate::error::Error),
    /// The command line or a file is wrong; nothing was done. Exit code 2.
    Usage {
        complaints: Vec<Complaint>,
        /// The rendered form for people, if a library has made one.
        text: Option<String>,
    },
}

impl Failure {
    /// Makes a failure from one mistake on the command line.
    pub fn usage(code: &str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Usage { complaints: vec![Complaint::new(code, message, Some(help.into()))], text: None }
    }

    /// Makes a failure from the mistakes in a file.
    pub fn file(e: &ConfigErrors, out: &Printer) -> Self {
        let complaints = Complaint::of_file(&e.source.name, &e.problems);
        Self::Usage { complaints, text: Some(e.render(out.color(), out.width())) }
    }
}

impl<E: Into<crate::error::Error>> From<E> for Failure {
    fn from(e: E) -> Self {
        Self::Error(e.into())
    }
}

/// The exit code of a verb, or why it failed.
pub type Outcome = Result<ExitCode, Failure>;

/// The exit code of success.
pub const DONE: ExitCode = ExitCode::SUCCESS;

/// Returns the exit code of a failure that has been reported.
pub fn failed() -> ExitCode {
    ExitCode::from(1)
}

/// Returns the exit code of a `plan` with changes.
pub fn changes() -> ExitCode {
    ExitCode::from(2)
}

/// Returns the exit code after Ctrl-C.
pub fn interrupted() -> ExitCode {
    ExitCode::from(130)
}

/// Loads the stack file for shell completion; `None` if that fails.
fn loaded(global: &Global) -> Option<crate::config::Loaded> {
    let outside = crate::config::Outside { include: global.include_outside.clone(), ..Default::default() };
    crate::config::load_in(&global.config, &outside).ok()
}

/// Returns the keys of a stack file's steps for shell completion; `None` if the file cannot be read.
pub async fn keys(global: &Global) -> Option<Vec<String>> {
    let loaded = loaded(global)?;
    let aws = Aws::connect(&Target { region: loaded.config.region.clone(), ..Target::default() }).await;
    let stack = stack::wire(&loaded, &Facts::offline(&loaded.config), &aws).ok()?;
    Some(stack.graph.nodes().filter(|n| !n.is_used()).map(|n| n.key().to_string()).collect())
}

/// Returns the names of the stack file's services for shell completion; `None` if the file cannot be read.
pub fn services(global: &Global) -> Option<Vec<String>> {
    Some(loaded(global)?.config.services().map(|service| service.name.to_owned()).collect())
}

/// Returns the ids of the stack's instances for shell completion. Starts no sandbox.
pub async fn instances(global: &Global) -> Option<Vec<String>> {
    let loaded = loaded(global)?;
    let endpoint = match global.sandbox {
        true => Some(crate::sandbox::status().await.ok()??.lead()),
        false => None,
    };
    let config = &loaded.config;
    let keys = TagKeys::new(&config.tag_prefix);
    let region = global.region.clone().unwrap_or_else(|| config.region.clone());
    let target = Target { region, profile: global.profile.clone(), endpoint, keys, ..Target::default() };
    let aws = session::reach(&target).await.ok()?;
    let balancer = facts::in_account(&aws, config).await.name_of(targets::BALANCER);
    let machines = crate::targets::list(&aws, &balancer).await.ok()?;
    Some(machines.into_iter().map(|m| m.instance_id).collect())
}

/// Runs one verb.
pub async fn run(cli: Cli, out: Printer) -> Outcome {
    // For tasks that belong to this thread: the listener for Ctrl-C.
    LocalSet::new().run_until(verb(cli, out)).await
}

async fn verb(cli: Cli, out: Printer) -> Outcome {
    let global = &cli.global;
    let group = |g: Group, change: crate::cli::ChangeArgs| UpArgs { groups: vec![g], change, ..UpArgs::default() };
    match cli.verb {
        Verb::Init(args) => init::run(global, out, args),
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
        Verb::Bake(args) => bake::run(global, out, args).await,
        Verb::Teardown(args) => teardown::run(global, out, args).await,
        Verb::Render(args) => render::run(global, out, args).await,
        Verb::Policy { save } => policy::run(global, out, save).await,
        Verb::Schema { of } => schema::run(out, of),
        Verb::Sandbox { what } => sandbox::run(global, out, what).await,
        Verb::Completions { shell } => completions::run(out, shell),
        Verb::Man => man::run(out),
    }
}
