//! The model of `gameday.toml` and every rule it has to keep.
//!
//! `parse` reads a text in three steps and reports everything it finds at once: the TOML (which
//! recovers after a mistake), names and types against the JSON schema (`shape`), and the rules that
//! types cannot say (`rules`).
mod check;
mod derived;
mod model;
mod place;
mod problem;
mod rules;
mod schema;
mod shape;
mod suggest;
mod syntax;

pub use derived::{Cidr, NoRoom, Standing, Subnets, Whose, host_port};
pub use model::*;
pub use problem::{ConfigErrors, Problem, Severity, Source, render};
pub use schema::schema;

use check::Issues;
use place::{Map, Place};
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// A stack file that can be built.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    pub warnings: Vec<Problem>,
    pub source: Source,
}

impl Loaded {
    /// Where a file named in the stack file is: beside the stack file.
    pub fn resolve(&self, file: &str) -> PathBuf {
        beside(&self.source.name, file)
    }

    /// The warnings as text for people; empty when there are none.
    pub fn render_warnings(&self, color: bool, width: usize) -> String {
        render(&self.warnings, &self.source, color, width)
    }
}

/// Reads and checks a stack file.
pub fn load(path: &Path) -> Result<Loaded, ConfigErrors> {
    load_in(path, None)
}

/// The same for another region than the file's, which has to keep the same rules.
pub fn load_in(path: &Path, region: Option<&str>) -> Result<Loaded, ConfigErrors> {
    let name = path.display().to_string();
    let unreadable = |what: String, fix: &str| {
        let mut issues = Issues::default();
        issues.error("no_file", Place::default(), what, "", fix);
        let source = Source { name: name.clone(), text: "".into() };
        ConfigErrors { problems: issues.locate(&Map::default(), ""), source }
    };
    match std::fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => parse_in(&name, &text, region),
            Err(error) => {
                let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|b| *b == b'\n').count();
                Err(unreadable(format!("{name} is not UTF-8 text (line {line})"), "save the file as UTF-8"))
            }
        },
        Err(error) => Err(unreadable(
            format!("cannot read {name}: {error}"),
            "name the stack file with -c PATH, or start from a copy of examples/billing-api.toml",
        )),
    }
}

/// Checks the text of a stack file. Files that it names are looked up beside `file_name`.
pub fn parse(file_name: &str, text: &str) -> Result<Loaded, ConfigErrors> {
    parse_in(file_name, text, None)
}

/// The same for another region than the file's.
pub fn parse_in(file_name: &str, text: &str, region: Option<&str>) -> Result<Loaded, ConfigErrors> {
    let source = Source { name: file_name.into(), text: text.into() };
    let (document, toml_errors) = DeTable::parse_recoverable(text);
    let mut syntax = Issues::default();
    let trusted = syntax::check(text, &toml_errors, &mut syntax);
    if !trusted {
        // Below an open bracket nothing stands where it seems to: more would be guesses.
        return Err(ConfigErrors { problems: syntax.locate(&Map::default(), text), source });
    }

    let schema = schema();
    let mut walk = shape::Walk::new(&schema);
    let sound = walk.document(&document);
    let (mut map, mut issues) = (walk.map, walk.issues);
    let mut config = match serde_json::from_value::<Config>(sound) {
        Ok(config) => Some(config),
        // The walk lets nothing through that serde refuses; should it ever, it must not be silent.
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
    if let (Some(config), Some(region)) = (&mut config, region) {
        config.region = region.into();
        map.forget(&place::at("region"));
    }
    if let Some(config) = &config {
        let mut broken = rules::check(config, &map, file_name, region.is_some());
        broken.only_sound(&map);
        issues.extend(broken);
    }
    if !toml_errors.is_empty() {
        // What is missing may stand on a line that could not be read.
        for rule in ["missing_key", "no_service"] {
            issues.remove(rule);
        }
    }
    let broken_lines: Vec<_> = syntax.locate(&Map::default(), text);
    let mut problems = issues.locate(&map, text);
    if region.is_some() {
        // It was typed: there is nothing in the text to point at.
        for p in problems.iter_mut().filter(|p| p.path == "region" && !map.given(&place::at("region"))) {
            p.message = format!("--region: {}", p.message);
            p.span = 0..0;
        }
    }
    problems.retain(|p| broken_lines.iter().all(|broken| broken.line != p.line));
    problems.extend(broken_lines);
    problems.sort_by_key(|p| (p.span.start, p.span.end, p.rule));

    match config {
        Some(mut config) if problems.iter().all(|p| p.severity == Severity::Warning) => {
            rules::once(&mut config);
            Ok(Loaded { config, warnings: problems, source })
        }
        _ => Err(ConfigErrors { problems, source }),
    }
}

fn beside(stack_file: &str, file: &str) -> PathBuf {
    Path::new(stack_file).parent().unwrap_or(Path::new("")).join(file)
}
