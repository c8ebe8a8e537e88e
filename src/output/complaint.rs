//! Errors in one shape: as text for people, and for scripts as `code`, `message`, `help` and the place.
use crate::{
    config::{Problem, Severity},
    error::{Error, Help as _},
};
use serde::Serialize;

/// One error.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Complaint {
    /// Stable, for scripts: a rule of the stack file (`zones_too_few`), a class of AWS's errors (`denied`), or `usage`.
    pub code: String,
    pub message: String,
    /// The way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The file that has to be corrected, and the position in it, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
}

impl Complaint {
    pub fn new(code: &str, message: impl Into<String>, help: impl Into<Option<String>>) -> Self {
        Self { code: code.into(), message: message.into(), help: help.into(), ..Self::default() }
    }

    /// Returns the errors among the problems of a file.
    pub fn of_file(file: &str, problems: &[Problem]) -> Vec<Self> {
        let of = |p: &Problem| Self {
            code: p.rule.into(),
            message: if p.reason.is_empty() { p.message.clone() } else { format!("{}: {}", p.message, p.reason) },
            help: (!p.help.is_empty()).then(|| p.help.clone()),
            file: Some(file.into()),
            line: Some(p.line),
            column: Some(p.column),
        };
        problems.iter().filter(|p| p.severity == Severity::Error).map(of).collect()
    }
}

impl From<&Error> for Complaint {
    fn from(e: &Error) -> Self {
        Self::new(e.code(), e.to_string(), e.help())
    }
}
