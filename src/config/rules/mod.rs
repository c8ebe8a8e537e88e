//! The rules that types cannot express.
//!
//! There is one file per group of the stack file. Each rule is a small block that ends in an issue with what is wrong,
//! why, and the way out. A rule's name is stable, because people search for it.
mod access;
mod balancer;
mod cache;
mod cdn;
mod class;
mod copies;
mod database;
mod dns;
mod egress;
mod files;
mod iam;
mod logs;
mod modes;
mod monitoring;
mod names;
mod network;
mod packages;
mod parameters;
mod refuse;
mod routes;
mod scaling;
mod service;
mod source;
mod stack;
mod text;
mod twice;

pub use stack::REGIONS;
pub(crate) use twice::remove_repeats;

use crate::check::Issues;
use crate::include::{Includes, ReadError};
use crate::place::{Map, Place};
use crate::{Config, NamedRegion, Outside};

/// The input of every rule.
pub(crate) struct Rules<'a> {
    config: &'a Config,
    map: &'a Map,
    /// The files that the stack file names.
    includes: &'a Includes,
    /// The stack file's text.
    text: &'a str,
    /// Regions that are given elsewhere.
    outside: &'a Outside,
    /// The region among them that replaces the file's.
    taken: Option<&'a NamedRegion>,
    found: Issues,
}

/// Collects all broken rules.
///
/// Some judge a default that replaces an unusable value. The caller drops those.
pub(crate) fn check(
    config: &Config,
    map: &Map,
    includes: &Includes,
    text: &str,
    outside: &Outside,
    taken: Option<&NamedRegion>,
) -> Issues {
    let mut rules = Rules { config, map, includes, text, outside, taken, found: Issues::default() };
    text::check(&mut rules);
    stack::check(&mut rules);
    names::check(&mut rules);
    modes::check(&mut rules);
    network::check(&mut rules);
    egress::check(&mut rules);
    access::check(&mut rules);
    balancer::check(&mut rules);
    database::check(&mut rules);
    cache::check(&mut rules);
    files::check(&mut rules);
    cdn::check(&mut rules);
    dns::check(&mut rules);
    iam::check(&mut rules);
    monitoring::check(&mut rules);
    service::check(&mut rules);
    routes::check(&mut rules);
    twice::check(&mut rules);
    rules.found
}

impl<'a> Rules<'a> {
    /// Returns the value as written in the file, including quotes, or nothing for a default.
    fn raw(&self, place: &Place) -> &'a str {
        if !self.map.given(place) {
            return "";
        }
        self.text.get(self.map.span(place)).unwrap_or_default()
    }

    #[cfg(test)]
    fn of_test(config: &'a Config) -> Self {
        static EMPTY: std::sync::LazyLock<Map> = std::sync::LazyLock::new(Map::default);
        static NOWHERE: Outside = Outside { asked: None, usual: None, include: vec![], today: None };
        static HERE: std::sync::LazyLock<Includes> = std::sync::LazyLock::new(|| Includes::from(""));
        Self {
            config,
            map: &EMPTY,
            includes: &HERE,
            text: "",
            outside: &NOWHERE,
            taken: None,
            found: Issues::default(),
        }
    }

    /// Checks that a file named in the stack file exists and can be read.
    fn file_exists(&mut self, place: Place, file: &str) {
        let read = self.includes.read(file);
        if text::backslash(self, &place, file, read.is_ok()) {
            return;
        }
        let Err(refused) = read else { return };
        let (what, fix) = (format!("{} {refused}", self.includes.path(file).display()), refused.fix());
        match refused {
            ReadError::Outside(to) => {
                // Quoted, with invisible characters escaped, because the author of the link chose the name.
                let why = format!("it is {to:?}; a stack file names files of its own folder only");
                self.found.error("file_outside", place, what, why, fix);
            }
            ReadError::Missing => {
                self.found.error("file_missing", place, what, "files are looked up beside the stack file", fix)
            }
            _ => self.found.error("file_kind", place, what, "its text goes into the user data", fix),
        }
    }
}

/// Checks for the form that every service accepts.
///
/// It has small letters, digits and hyphens, begins with a letter, and has no doubled or last hyphen.
fn plain_name(text: &str, longest: usize) -> Result<(), String> {
    let length = text.chars().count();
    Err(if text.is_empty() {
        "it is empty".to_owned()
    } else if length > longest {
        format!("{length} characters; {longest} are allowed")
    } else if let Some(bad) = text.chars().find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-')) {
        match bad {
            ' ' => "a space is in it".to_owned(),
            c if c.is_uppercase() => format!("{c:?} is a capital letter"),
            c => format!("{c:?} is in it"),
        }
    } else if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        "it does not begin with a letter".to_owned()
    } else if text.ends_with('-') {
        "it ends with a hyphen".to_owned()
    } else if text.contains("--") {
        "it has two hyphens in a row".to_owned()
    } else {
        return Ok(());
    })
}

/// Returns the nearest name of that form.
fn as_plain_name(text: &str, longest: usize, fallback: &str) -> String {
    let lower = text.to_lowercase();
    let words: Vec<_> =
        lower.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit())).filter(|w| !w.is_empty()).collect();
    let name = words.join("-");
    let name = name.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    let name: String = name.chars().take(longest).collect();
    match name.trim_end_matches('-') {
        "" => fallback.to_owned(),
        name => name.to_owned(),
    }
}

/// True for `prefix` followed by 8 to 40 hex digits.
fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|id| (8..=40).contains(&id.len()) && id.chars().all(|c| c.is_ascii_hexdigit()))
}
