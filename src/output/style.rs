//! Colours by meaning, and how durations, keys and values look.
use crate::serving::Word;
use anstyle::{AnsiColor, Style};
use serde_json::Value;
use std::time::Duration;

pub const GOOD: Style = AnsiColor::Green.on_default();
pub const WARN: Style = AnsiColor::Yellow.on_default();
pub const BAD: Style = AnsiColor::Red.on_default().bold();
pub const DIM: Style = Style::new().dimmed();
pub const TITLE: Style = Style::new().bold();
pub const RESET: anstyle::Reset = anstyle::Reset;

/// The colour of a verdict.
pub fn verdict(word: Word) -> Style {
    match word {
        Word::Serving => GOOD,
        Word::NotServing => BAD,
        Word::Building | Word::AtRisk | Word::Unknown => WARN,
        Word::NotBuilt => DIM,
    }
}

/// `9 s`, `1:40`, `1:02:03`.
pub fn clock(d: Duration) -> String {
    let s = d.as_secs_f64().round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{}:{:02}", s / 60, s % 60),
        _ => format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60),
    }
}

/// An id without what all ids of the account begin with: the resource of an ARN, else as it is.
pub fn short_id(id: &str) -> &str {
    if id.starts_with("arn:") { id.splitn(6, ':').last().unwrap_or(id) } else { id }
}

/// The mark and the style of a change.
pub fn change(word: &str) -> (&'static str, Style) {
    match word {
        "create" => ("+", GOOD),
        "update" => ("~", WARN),
        "replace" => ("±", WARN),
        "delete" => ("-", BAD),
        "refuse" => ("!", BAD),
        _ => (" ", DIM),
    }
}

/// A value on one line: text without quotes, the rest as JSON, cut to `most` characters.
pub fn value(v: &Value, most: usize) -> String {
    let text = match v {
        Value::String(s) => s.clone(),
        Value::Null => "none".into(),
        v => v.to_string(),
    };
    let line = text.replace('\n', "⏎");
    if line.chars().count() <= most { line } else { line.chars().take(most - 1).collect::<String>() + "…" }
}

/// `1 step`, `2 steps`.
pub fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// A colour for one of many that are told apart by it. None of them means good or bad.
pub fn one_of_many(n: usize) -> Style {
    use AnsiColor::*;
    [Cyan, Magenta, Blue, BrightYellow, BrightCyan, BrightMagenta, BrightBlue, BrightGreen][n % 8].on_default()
}
