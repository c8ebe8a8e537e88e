//! The command line: help, man page and completions all come from this one definition.
pub mod complete;
pub mod guide;

use crate::{config::Group, said, sandbox::Pace};
use clap::{
    ArgMatches, Args, FromArgMatches, Parser, Subcommand, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
    error::{ContextKind, ErrorKind},
};
use clap_complete::engine::ArgValueCompleter;
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

/// A web service on AWS, highly available, by lunch.
///
/// gameday builds the stack that one gameday.toml describes, says whether it is serving, keeps it as described
/// and takes it down again. There is no state file: names and tags in the account are the truth.
#[derive(Parser, Debug)]
#[command(name = "gameday", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub verb: Verb,
}

impl Cli {
    fn from_args(args: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Self, clap::Error> {
        let matches: ArgMatches = guide::definition().try_get_matches_from(args).map_err(without_unlike_suggestions)?;
        Self::from_arg_matches(&matches)
    }

    /// Reads the command line of this process.
    pub fn read() -> Result<Self, clap::Error> {
        // An error message repeats what was typed or pasted, so that has to be harmless.
        let harmless = |arg: std::ffi::OsString| said::line(&arg.to_string_lossy()).into_owned().into();
        let cli = Self::from_args(std::env::args_os())
            .map_err(|e| Self::from_args(std::env::args_os().map(harmless)).err().unwrap_or(e))?;
        // No `requires`: `gameday sandbox start --pace fast` needs no --sandbox.
        if cli.global.pace.is_some() && !cli.global.sandbox && !matches!(cli.verb, Verb::Sandbox { .. }) {
            let why = "--pace is the sandbox's: AWS takes its own time; say --sandbox too";
            return Err(guide::definition().error(ErrorKind::MissingRequiredArgument, why));
        }
        Ok(cli)
    }
}

/// Removes suggested verbs that differ too much from what was typed: `start` is not `targets`.
fn without_unlike_suggestions(mut e: clap::Error) -> clap::Error {
    let typed = e.get(ContextKind::InvalidSubcommand).map(ToString::to_string);
    let guesses = e.get(ContextKind::SuggestedSubcommand).map(ToString::to_string);
    if let (Some(typed), Some(guesses)) = (typed, guesses)
        && !guesses.split(", ").any(|g| g.starts_with(&typed) || strsim::damerau_levenshtein(&typed, g) <= 2)
    {
        e.remove(ContextKind::SuggestedSubcommand);
        e.remove(ContextKind::Suggested);
    }
    e
}

/// The options of all verbs.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The stack file
    #[arg(short, long, global = true, default_value = "gameday.toml", env = "GAMEDAY_CONFIG", value_name = "FILE", add = complete::stack_files())]
    pub config: PathBuf,
    /// Also take files that the stack file names from this folder; without it from the stack file's own only
    #[arg(long, global = true, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub include_outside: Vec<PathBuf>,
    /// Profile of the AWS configuration files
    #[arg(long, global = true, value_name = "NAME", add = ArgValueCompleter::new(complete::profiles))]
    pub profile: Option<String>,
    /// AWS region, instead of the stack file's
    #[arg(long, global = true, value_name = "REGION", add = ArgValueCompleter::new(complete::regions))]
    pub region: Option<String>,
    /// Use a local emulator instead of AWS; started on first use
    #[arg(long, global = true)]
    pub sandbox: bool,
    /// How fast the sandbox's databases, balancers and instances live [default: fast on a terminal, else instant]
    #[arg(long, global = true, value_enum)]
    pub pace: Option<Pace>,
    /// How to print
    #[arg(short, long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
    /// Say more: every event; twice: every AWS call
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// The form of the output.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Human,
    /// One object, or one event a line
    Json,
}

/// One of the outputs with `-o json`, for `gameday schema`.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// `plan`
    Plan,
    /// `status`
    Status,
    /// A line of `status --watch`
    Watch,
    /// `GET /status` of `serve`
    Serve,
    /// `why`
    Why,
    /// `cost`
    Cost,
    /// A line of `logs`
    Logs,
    /// `targets list`
    Targets,
    /// `targets attach` and `targets detach`
    Target,
    /// `bake`
    Bake,
    /// `bake --prune`
    Prune,
    /// A line of `up` and `teardown`
    #[value(aliases = ["up", "teardown"])]
    Lines,
    /// Of every verb that fails
    Error,
}

/// A verb with its arguments.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Write a stack file to begin with, with every key explained
    #[command(alias = "new")]
    Init(InitArgs),
    /// Show what `up` would change; exit code 2 when there is something
    #[command(aliases = ["diff", "preview"])]
    Plan(PlanArgs),
    /// Build or repair the stack, until the service answers
    #[command(aliases = ["apply", "deploy", "create"])]
    Up(UpArgs),
    /// Build or repair the VPC, subnets, routes and security groups
    #[command(hide = true)]
    Network(ChangeArgs),
    /// Build or repair the RDS instance and what it needs
    #[command(hide = true)]
    Database(ChangeArgs),
    /// Build or repair the ElastiCache cache and what it needs
    #[command(hide = true)]
    Cache(ChangeArgs),
    /// Build or repair the EFS file system and what it needs
    #[command(hide = true)]
    Files(ChangeArgs),
    /// Build or repair the launch template and what it needs
    #[command(hide = true)]
    Launch(ChangeArgs),
    /// Build or repair the load balancer and what it needs
    #[command(hide = true)]
    Balancer(ChangeArgs),
    /// Build or repair the Auto Scaling group and what it needs
    #[command(hide = true)]
    Fleet(ChangeArgs),
    /// Build or repair alarms, dashboard and log groups, and what they need
    #[command(hide = true)]
    Monitoring(ChangeArgs),
    /// Say whether it is serving, and what is not as it should be
    Status(StatusArgs),
    /// Say what it costs by the hour and for the event: as planned, and as it runs
    Cost(CostArgs),
    /// Print what the instances say: the application's log and the boot's, by time
    Logs(LogsArgs),
    /// Walk the request path to the first broken hop, with its cause and what repairs it
    #[command(alias = "diagnose")]
    Why(WhyArgs),
    /// Show the same picture as `status --watch` as a web page, and as JSON for scripts
    ///
    /// `GET /` is the page, `GET /status` what it shows as JSON, `GET /healthcheck` says that it runs. `GET /elb/NAME` lists
    /// the machines behind a balancer; `POST` and `DELETE` with `{"instanceId": "i-…"}` attach (201) and detach (200) one.
    /// Every other answer is `{"message": …}`.
    ///
    /// The token is the password of HTTP Basic authorization, for any user; a token with a colon is user and password. It is
    /// read from --token-file or from GAMEDAY_TOKEN. On loopback reading needs none, changing does; on any other address
    /// everything but /healthcheck needs it.
    Serve(ServeArgs),
    /// List, attach and detach the machines behind a balancer
    Targets {
        #[command(subcommand)]
        what: TargetsCommand,
    },
    /// Make an image of what a service's instances install, so that new ones are sooner ready
    ///
    /// One instance is launched from the service's launch template. It installs packages, downloads the program, reads no
    /// secret, and switches itself off; then it becomes an image, and is terminated. Takes five to ten minutes.
    Bake(BakeArgs),
    /// Delete the whole stack, and check that nothing is left
    #[command(aliases = ["down", "destroy", "delete"])]
    Teardown(TeardownArgs),
    /// Print the user data and all files made from templates, without AWS
    Render(RenderArgs),
    /// Print the least-privilege IAM policy that this stack file needs
    Policy {
        /// Write each policy into a file in this folder, and print the commands that create them
        #[arg(long, value_name = "DIR")]
        save: Option<PathBuf>,
    },
    /// Print the JSON schema of the stack file, or of what a verb prints with `-o json`
    Schema {
        /// What to describe, instead of the stack file
        #[arg(value_enum, value_name = "OUTPUT")]
        of: Option<Output>,
    },
    /// Run the local emulator
    Sandbox {
        #[command(subcommand)]
        what: SandboxCommand,
    },
    /// Print a completion script for a shell
    ///
    /// bash: `source <(gameday completions bash)` in ~/.bashrc. zsh: the same with `zsh` in ~/.zshrc. fish:
    /// `gameday completions fish > ~/.config/fish/completions/gameday.fish`.
    Completions { shell: clap_complete::Shell },
    /// Print the man page
    Man,
}

/// The arguments of `gameday init`.
#[derive(Args, Debug, Default)]
pub struct InitArgs {
    /// The stack's name: 1 to 16 small letters, digits and hyphens [default: asked for]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The program to run: an https:// or s3:// URL [default: asked for]
    #[arg(long, value_name = "URL")]
    pub source: Option<String>,
}

/// Parses the word of a group.
fn group() -> impl TypedValueParser<Value = Group> {
    PossibleValuesParser::new(Group::ALL.map(Group::word)).try_map(|word| word.parse())
}

/// The arguments of `gameday plan`.
#[derive(Args, Debug, Default)]
pub struct PlanArgs {
    /// Only these groups and what they need
    #[arg(value_parser = group())]
    pub groups: Vec<Group>,
    #[command(flatten)]
    pub consent: Consent,
    #[command(flatten)]
    pub prices: PricesArgs,
}

/// The user's consent to lose data in a step, or to take over an object.
#[derive(Args, Clone, Debug, Default)]
pub struct Consent {
    /// Recreate this step if AWS cannot change it in place; its data is lost
    #[arg(long, value_name = "KEY", add = ArgValueCompleter::new(complete::steps))]
    pub replace: Vec<String>,
    /// Take over this object as the step, although nothing proves that it is the stack's
    #[arg(long, value_name = "KEY=ID", value_parser = adopted, add = ArgValueCompleter::new(complete::steps))]
    pub adopt: Vec<(String, String)>,
}

impl Consent {
    /// Returns the objects that the command line names as the stack's.
    pub fn given(&self) -> crate::config::Claims {
        crate::config::Claims { adopt: self.adopt.iter().cloned().collect(), ..Default::default() }
    }
}

/// The arguments of verbs that change a stack.
#[derive(Args, Debug, Default)]
pub struct ChangeArgs {
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub consent: Consent,
    #[command(flatten)]
    pub lease: LeaseArgs,
}

/// What to do when a teammate is at work on the same stack.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct LeaseArgs {
    /// When a teammate is at work on this stack, wait until that is done
    #[arg(long, conflicts_with_all = ["steal", "no_lease"])]
    pub wait: bool,
    /// When a teammate is at work on this stack, take over for good; the other run stops
    #[arg(long, conflicts_with = "no_lease")]
    pub steal: bool,
    /// Do not ask who is at work on this stack, and tell nobody
    #[arg(long)]
    pub no_lease: bool,
}

/// The arguments of `gameday up`.
#[derive(Args, Debug, Default)]
pub struct UpArgs {
    /// Only these groups and what they need
    #[arg(value_parser = group())]
    pub groups: Vec<Group>,
    #[command(flatten)]
    pub change: ChangeArgs,
    #[command(flatten)]
    pub probe: ProbeArgs,
    /// Seconds to wait for the service to answer
    #[arg(long, value_name = "SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub patience: u64,
    #[command(flatten)]
    pub prices: PricesArgs,
}

/// How to test whether the service answers.
#[derive(Args, Clone, Debug, Default)]
pub struct ProbeArgs {
    /// Ask this URL whether the service answers, instead of the load balancer's own
    #[arg(long, value_name = "URL", value_parser = url, conflicts_with = "no_probe")]
    pub probe: Option<String>,
    /// Do not ask the service itself: healthy targets are enough
    #[arg(long)]
    pub no_probe: bool,
}

/// The service that a verb is about.
#[derive(Args, Clone, Debug, Default)]
pub struct ServiceArgs {
    /// Only this service of the stack file
    #[arg(short, long, value_name = "NAME", add = ArgValueCompleter::new(complete::services))]
    pub service: Option<String>,
}

/// The arguments of `gameday status`.
#[derive(Args, Debug, Default)]
pub struct StatusArgs {
    /// Stay and show what changes: on a terminal an interface with keys, with `-o json` an object a round
    #[arg(short, long)]
    pub watch: bool,
    #[command(flatten)]
    pub service: ServiceArgs,
    #[command(flatten)]
    pub probe: ProbeArgs,
    #[command(flatten)]
    pub prices: PricesArgs,
}

/// The arguments of `gameday cost`.
#[derive(Args, Clone, Debug, Default)]
pub struct CostArgs {
    /// How long it is paid for [default: what is left of 6 hours from traffic_at, or 6 hours]
    #[arg(long, value_name = "N", value_parser = hours, allow_negative_numbers = true)]
    pub hours: Option<f64>,
    #[command(flatten)]
    pub prices: PricesArgs,
    /// Only what the stack file would cost; makes no AWS call
    #[arg(long)]
    pub planned: bool,
}

/// The prices to use.
#[derive(Args, Clone, Debug, Default)]
pub struct PricesArgs {
    /// A price file that adds to the shipped one, or a game's own prices instead of it
    #[arg(long = "prices", env = "GAMEDAY_PRICES", value_name = "FILE")]
    pub file: Option<PathBuf>,
}

fn hours(text: &str) -> Result<f64, String> {
    let hours: f64 = text.parse().map_err(|_| "a number of hours, such as 6 or 1.5".to_owned())?;
    if hours > 0.0 && hours <= 8784.0 { Ok(hours) } else { Err("more than 0 and at most a year".into()) }
}

/// Parses a URL to test, and returns its full form. Without a scheme it is HTTP, as in a browser.
fn url(text: &str) -> Result<String, String> {
    let no = |why: &str| format!("{why}; a URL such as http://billing.example.com/healthcheck");
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    // The parser of URLs takes the first word of a path for a host.
    let host = full.split_once("://").map_or("", |(_, rest)| rest);
    if host.is_empty() || host.starts_with(['/', '?', '#', ':']) {
        return Err(no("no host"));
    }
    let url: reqwest::Url = full.parse().map_err(|e| no(&format!("{e}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(no(&format!("{} is not asked for", url.scheme())));
    }
    Ok(url.into())
}

/// Parses an address to listen on, in any of the forms that people type.
fn listen(text: &str) -> Result<SocketAddr, String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port),
        None => ("localhost", text),
    };
    let no = || "an address and a port, such as 127.0.0.1:8080, localhost:8080, :8080 or 8080".to_owned();
    let port: u16 = port.parse().map_err(|_| no())?;
    match host {
        "" | "*" => Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
        "localhost" => Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        _ => text.parse().map_err(|_| no()),
    }
}

fn adopted(text: &str) -> Result<(String, String), String> {
    let no = || {
        "a step and the id of its object, such as vpc/main=vpc-0123456789abcdef0: `gameday plan` shows both".to_owned()
    };
    let (key, id) = text.split_once('=').filter(|(key, id)| !key.is_empty() && !id.is_empty()).ok_or_else(no)?;
    Ok((key.into(), id.into()))
}

fn instance(id: &str) -> Result<String, String> {
    let hex = |h: &str| (h.len() == 8 || h.len() == 17) && h.bytes().all(|b| b.is_ascii_hexdigit());
    let no = || "an instance's id, such as i-0123456789abcdef0".to_owned();
    id.strip_prefix("i-").filter(|h| hex(h)).map(|_| id.to_owned()).ok_or_else(no)
}

/// The arguments of `gameday logs`.
#[derive(Args, Clone, Debug)]
pub struct LogsArgs {
    /// Go on printing what comes, until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
    /// How far to look back: 10m, 2h, 1h30m
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = crate::logs::since)]
    pub since: std::time::Duration,
    /// Only this instance (`i-…`)
    #[arg(long, value_name = "ID", value_parser = instance, add = ArgValueCompleter::new(complete::instances))]
    pub instance: Option<String>,
    /// Only messages that match this regular expression
    #[arg(long, value_name = "RE", value_parser = regex::Regex::new)]
    pub grep: Option<regex::Regex>,
    /// The instances' system console instead; needs no instance profile, comes minutes late
    #[arg(long)]
    pub console: bool,
    #[command(flatten)]
    pub service: ServiceArgs,
}

/// The arguments of `gameday why`.
#[derive(Args, Debug, Default)]
pub struct WhyArgs {
    /// URL to check [default: the load balancer's health path]
    #[arg(value_parser = url)]
    pub url: Option<String>,
    #[command(flatten)]
    pub service: ServiceArgs,
    /// Do not ask the service itself: only what AWS says
    #[arg(long)]
    pub no_probe: bool,
    /// Keep what was seen in this file, for somebody without access; it holds no secrets
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Judge what was kept, without AWS and without a stack file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["save", "url", "no_probe"])]
    pub from: Option<PathBuf>,
}

/// The arguments of `gameday serve`.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// Where to listen: `8080` and `localhost:8080` are this machine's alone, `:8080` is for all; port 0 chooses a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", value_parser = listen)]
    pub listen: SocketAddr,
    /// A file that holds the token, instead of the environment variable GAMEDAY_TOKEN
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    #[command(flatten)]
    pub service: ServiceArgs,
    #[command(flatten)]
    pub probe: ProbeArgs,
    #[command(flatten)]
    pub prices: PricesArgs,
}

/// The verbs of `gameday targets`.
#[derive(Subcommand, Debug)]
pub enum TargetsCommand {
    /// Show the machines behind a balancer
    List {
        /// The balancer's name [default: the stack's own]
        name: Option<String>,
    },
    /// Put a running instance behind a balancer
    Attach {
        /// The instance (`i-…`)
        #[arg(add = ArgValueCompleter::new(complete::instances))]
        instance: String,
        /// The balancer's name [default: the stack's own]
        #[arg(long, value_name = "NAME")]
        balancer: Option<String>,
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// Take an instance from behind a balancer; it goes on running
    Detach {
        /// The instance (`i-…`)
        #[arg(add = ArgValueCompleter::new(complete::instances))]
        instance: String,
        /// The balancer's name [default: the stack's own]
        #[arg(long, value_name = "NAME")]
        balancer: Option<String>,
    },
}

/// The arguments of `gameday bake`.
#[derive(Args, Debug, Default)]
pub struct BakeArgs {
    /// The service; needed if the stack file has several
    #[arg(value_name = "SERVICE", add = ArgValueCompleter::new(complete::services))]
    pub service: Option<String>,
    /// Write the image into the stack file, which keeps its comments
    #[arg(long)]
    pub set: bool,
    /// Delete images of the stack that nothing needs, with their snapshots, instead of making one
    #[arg(long, conflicts_with_all = ["service", "set", "patience"])]
    pub prune: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Seconds to wait until everything is installed
    #[arg(long, value_name = "SECONDS", default_value_t = 1200, value_parser = clap::value_parser!(u64).range(..=3600))]
    pub patience: u64,
    #[command(flatten)]
    pub lease: LeaseArgs,
}

/// The arguments of `gameday teardown`.
#[derive(Args, Debug, Default)]
pub struct TeardownArgs {
    /// Delete the stack of this name without asking: for scripts
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// Delete this object too, although something else protects it or nothing proves that it is the stack's
    #[arg(long, value_name = "ID")]
    pub delete: Vec<String>,
    /// Keep the data of the database in a snapshot, which is paid for until it is deleted
    #[arg(long)]
    pub final_snapshot: bool,
    /// Refused: the name is the consent
    #[arg(short, long, hide = true)]
    pub yes: bool,
    #[command(flatten)]
    pub lease: LeaseArgs,
}

/// The arguments of `gameday render`.
#[derive(Args, Debug, Default)]
pub struct RenderArgs {
    /// Print only this file (`user-data`, `server.ini`, …)
    pub file: Option<String>,
    /// Check the rendered scripts: syntax, size, line ends, secrets
    #[arg(long)]
    pub check: bool,
    #[command(flatten)]
    pub service: ServiceArgs,
}

/// The verbs of `gameday sandbox`.
#[derive(Subcommand, Debug)]
pub enum SandboxCommand {
    /// Start it in the background
    Start,
    /// Stop it; what was built in it is lost
    Stop {
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Say whether it runs, and where
    Status,
    /// Print the environment that points the AWS CLI and boto3 at it: `env $(gameday sandbox env) aws …`
    Env,
    /// Empty the account in it
    Reset {
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Run it in the foreground
    Serve {
        /// TCP port on loopback; 0 chooses a free one
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
}
