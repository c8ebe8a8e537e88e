//! The model of `gameday.toml` and every rule that it has to keep.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`Config`] and its tables | the model; the JSON schema ([`schema()`]) and the reference in the docs come from it |
//! | [`parse`], [`load`] | a text or a file becomes a [`Loaded`], or all its mistakes at once |
//! | [`KINDS`], [`Kind`] | the table of kinds: everything that hangs on the word of a kind |
//! | [`mod@include`], [`mod@file`] | files that a stack file names: where they may be, how large |
//! | [`command`], [`markup`] | start commands as bash reads them; templates |
//! | [`said`], [`signed`] | words from outside made fit to be read; addresses with a signature |
//!
//! A stack file is read in three steps, each of which goes on after a mistake: the TOML, then names and types against the
//! schema, then the rules that types cannot say. Every [`Problem`] has a rule, what is wrong, why, and the way out.
//!
//! ```
//! use gameday_config::{Severity, parse};
//!
//! let loaded = parse(
//!     "gameday.toml",
//!     r#"
//!     name = "billing"
//!     region = "eu-central-1"
//!
//!     [service.api]
//!     source = "https://bucket.s3.amazonaws.com/server"
//!     "#,
//! )
//! .expect("a stack file without mistakes");
//! assert_eq!(loaded.config.name, "billing");
//! assert_eq!(loaded.config.name_of("database/main"), "billing-main");
//!
//! let errors = parse("gameday.toml", "name = \"billing\"\nregon = \"eu-central-1\"\n").expect_err("two mistakes");
//! let rules: Vec<&str> = errors.problems.iter().map(|p| p.rule).collect();
//! assert!(rules.contains(&"no_service"), "{rules:?}");
//! assert!(errors.render(false, 80).contains("did you mean"), "a misspelt key is recognised");
//! ```
#![warn(clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used, missing_docs, unreachable_pub)]

pub mod block;
mod check;
pub mod command;
mod derived;
mod engines;
pub mod file;
mod front;
pub mod include;
mod kinds;
pub mod markup;
mod model;
mod needs;
mod place;
mod problem;
mod routing;
mod rules;
pub mod said;
mod schema;
mod services;
mod shape;
pub mod signed;
mod suggest;
mod syntax;

pub use derived::{Cidr, ExistingSubnet, NoRoom, Owner, Resolved, Subnets, host_port, partition};
pub use engines::Series;
pub use kinds::{Group, KINDS, Kind, Life, NameForm, NameInArn, Scope, Style};
pub use model::*;
pub use problem::{ConfigErrors, Problem, Severity, Source, render};
pub use routing::{LAST_PRIORITY, Placed, Routing, SERVICES, priorities};
pub use rules::REGIONS;
pub use schema::schema;
pub use services::{ALARMS, APP_LOG, Identities, Identity, ServiceScope};

use check::Issues;
use include::{Includes, ReadError};
use place::{Map, Place};
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// A stack file without errors.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The stack file's values and defaults.
    pub config: Config,
    /// Problems that do not prevent building.
    pub warnings: Vec<Problem>,
    /// The text of the file.
    pub source: Source,
    /// The files that the stack file names.
    pub includes: Includes,
    /// The source of the region: `gameday.toml`, `--region`, `AWS_REGION`, `profile seoul`, or `by default`.
    pub region_by: String,
}

/// A region that is given outside the stack file.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedRegion {
    /// The region's name.
    pub region: String,
    /// The source of the region.
    pub by: String,
}

/// Settings outside the stack file: regions, and folders from which it is allowed to include files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outside {
    /// The region of the command line, which wins over the file.
    pub asked: Option<NamedRegion>,
    /// The region of the environment or the profile, used if the file names none.
    pub usual: Option<NamedRegion>,
    /// Folders besides the stack file's own.
    pub include: Vec<PathBuf>,
    /// The date by which the support of versions is judged. `None`: today.
    pub today: Option<jiff::civil::Date>,
}

impl Loaded {
    /// Returns the warnings as text for people, empty if there are none.
    pub fn render_warnings(&self, color: bool, width: usize) -> String {
        render(&self.warnings, &self.source, color, width)
    }
}

/// Reads and checks a stack file.
pub fn load(path: &Path) -> Result<Loaded, ConfigErrors> {
    load_in(path, &Outside::default())
}

/// Reads and checks a stack file with regions from elsewhere. The chosen region has to follow the same rules.
pub fn load_in(path: &Path, outside: &Outside) -> Result<Loaded, ConfigErrors> {
    let name = path.display().to_string();
    let unreadable = |what: String, fix: &str| {
        let mut issues = Issues::default();
        issues.error("no_file", Place::default(), what, "", fix);
        let source = Source { name: name.clone(), text: "".into() };
        ConfigErrors { problems: issues.locate(&Map::default(), ""), source }
    };
    match file::read(path, file::MOST).map_err(ReadError::reading) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => parse_in(&name, &text, outside),
            Err(error) => {
                let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|b| *b == b'\n').count();
                Err(unreadable(format!("{name} is not UTF-8 text (line {line})"), "save the file as UTF-8"))
            }
        },
        Err(ReadError::Unreadable(error)) if error.kind() == std::io::ErrorKind::IsADirectory => {
            Err(unreadable(format!("{name} is a folder"), "-c names the stack file in it, such as gameday.toml"))
        }
        Err(ReadError::Large) => {
            Err(unreadable(format!("{name} {}", ReadError::Large), "-c names the stack file, such as gameday.toml"))
        }
        Err(error) => Err(unreadable(
            match error {
                ReadError::Unreadable(error) => format!("cannot read {name}: {error}"),
                other => format!("{name} {other}"),
            },
            "`gameday init` writes one, with every key explained; -c FILE names another",
        )),
    }
}

/// Checks the text of a stack file. Its files are looked up in the folder of `file_name`.
pub fn parse(file_name: &str, text: &str) -> Result<Loaded, ConfigErrors> {
    parse_in(file_name, text, &Outside::default())
}

/// Checks the text of a stack file with regions from elsewhere.
pub fn parse_in(file_name: &str, text: &str, outside: &Outside) -> Result<Loaded, ConfigErrors> {
    let source = Source { name: file_name.into(), text: text.into() };
    let (document, toml_errors) = DeTable::parse_recoverable(text);
    let mut syntax = Issues::default();
    let trusted = syntax::check(text, &toml_errors, &mut syntax);
    if !trusted {
        // After an open bracket every place is doubtful, so further problems would be guesses.
        return Err(ConfigErrors { problems: syntax.locate(&Map::default(), text), source });
    }

    let schema = schema();
    let mut walk = shape::Walk::new(&schema);
    let sound = walk.document(&document);
    let (mut map, mut issues) = (walk.map, walk.issues);
    let mut config = match serde_json::from_value::<Config>(sound) {
        Ok(config) => Some(config),
        // The walk rejects everything that serde rejects. If it ever does not, the error must not be silent.
        Err(error) => {
            issues.error(
                "unreadable",
                Place::default(),
                format!("cannot be read: {error}"),
                "somewhere in this file",
                "",
            );
            None
        }
    };
    if let Some(config) = &mut config {
        small_schemes(config);
    }
    let includes = Includes::new(Path::new(file_name), &outside.include);
    let in_file = map.given(&place::at("region"));
    let taken = outside.asked.as_ref().or(outside.usual.as_ref().filter(|_| !in_file));
    if let (Some(config), Some(named)) = (&mut config, taken) {
        config.region = named.region.clone();
        map.forget(&place::at("region"));
    }
    if let Some(config) = &config {
        let mut broken = rules::check(config, &map, &includes, text, outside, taken);
        broken.only_sound(&map);
        issues.extend(broken);
    }
    if !toml_errors.is_empty() {
        // The missing key may be on a line that could not be read.
        for rule in ["missing_key", "no_service"] {
            issues.remove(rule);
        }
    }
    let broken_lines: Vec<_> = syntax.locate(&Map::default(), text);
    let mut problems = issues.locate(&map, text);
    if let Some(named) = taken {
        // The region was given elsewhere, so no place in the text can be shown.
        for p in problems.iter_mut().filter(|p| p.path == "region" && !map.given(&place::at("region"))) {
            p.message = format!("{}: {}", named.by, p.message);
            p.span = 0..0;
        }
    }
    problems.retain(|p| broken_lines.iter().all(|broken| broken.line != p.line));
    problems.extend(broken_lines);
    problems.sort_by_key(|p| (p.span.start, p.span.end, p.rule));

    match config {
        Some(mut config) if problems.iter().all(|p| p.severity == Severity::Warning) => {
            rules::remove_repeats(&mut config);
            config.accept_unnamed_keys();
            let region_by = match taken {
                Some(named) => named.by.clone(),
                None if in_file => {
                    Path::new(file_name).file_name().map_or(file_name.into(), |f| f.display().to_string())
                }
                None => "by default".into(),
            };
            Ok(Loaded { config, warnings: problems, source, includes, region_by })
        }
        _ => Err(ConfigErrors { problems, source }),
    }
}

/// True if a file is a template, by its name alone.
pub fn is_template(file: &str) -> bool {
    file.to_ascii_lowercase().ends_with(".j2")
}

/// Writes the schemes `HTTPS://` and `S3://` in lower case.
fn small_schemes(config: &mut Config) {
    for service in config.service.values_mut() {
        if let Some((scheme, rest)) = service.source.split_once("://") {
            service.source = format!("{}://{rest}", scheme.to_ascii_lowercase());
        }
    }
}
