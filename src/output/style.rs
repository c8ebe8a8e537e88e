//! Colours by meaning, and the forms of durations, keys and values.
use crate::{said, verdict::Word};
use anstyle::AnsiColor;
use serde_json::Value;
use std::{fmt, ops::Deref, sync::LazyLock, time::Duration};

/// One of gameday's styles. It is signed in a text, so that words from outside cannot contain one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Style(anstyle::Style);

pub const GOOD: Style = Style(AnsiColor::Green.on_default());
pub const WARN: Style = Style(AnsiColor::Yellow.on_default());
pub const BAD: Style = Style(AnsiColor::Red.on_default().bold());
pub const DIM: Style = Style(anstyle::Style::new().dimmed());
pub const TITLE: Style = Style(anstyle::Style::new().bold());
pub const RESET: Reset = Reset;

/// The end of any style.
#[derive(Clone, Copy, Debug)]
pub struct Reset;

impl Deref for Style {
    type Target = anstyle::Style;
    fn deref(&self) -> &anstyle::Style {
        &self.0
    }
}

impl fmt::Display for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.render().to_string().replace("\x1b[", signature()))
    }
}

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}0m", signature())
    }
}

/// Returns the beginning of a style until it is printed: parameters that nobody outside this process knows.
pub fn signature() -> &'static str {
    // Four digits each, like real parameters, so that code which removes styles also removes these.
    static OURS: LazyLock<String> = LazyLock::new(|| {
        let parts: [u16; 5] = rand::random();
        format!("\x1b[{};", parts.map(|n| (n % 10_000).to_string()).join(";"))
    });
    &OURS
}

/// Returns the colour of a verdict.
pub fn verdict(word: Word) -> Style {
    match word {
        Word::Serving => GOOD,
        Word::NotServing => BAD,
        Word::Building | Word::AtRisk | Word::Unknown => WARN,
        Word::NotBuilt => DIM,
    }
}

/// Writes a duration such as `9 s`, `1:40` or `1:02:03`.
pub fn clock(d: Duration) -> String {
    let s = d.as_secs_f64().round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{}:{:02}", s / 60, s % 60),
        _ => format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60),
    }
}

/// Returns the resource of an ARN, without the part that all ids of the account share. Other ids are unchanged.
pub fn short_id(id: &str) -> &str {
    if id.starts_with("arn:") { id.splitn(6, ':').last().unwrap_or(id) } else { id }
}

/// Returns the mark and the style of a change.
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

/// Returns a value on one line: text without quotes, everything else as JSON, cut to `most` characters.
pub fn value(v: &Value, most: usize) -> String {
    let text = match v {
        Value::String(s) => s.clone(),
        Value::Null => "none".into(),
        v => v.to_string(),
    };
    let line = said::line(&text);
    if line.chars().count() <= most {
        line.into_owned()
    } else {
        line.chars().take(most - 1).collect::<String>() + "…"
    }
}

/// Writes a number with its noun: `1 step`, `2 steps`.
pub fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// Returns a colour that distinguishes one of many things. None of them means good or bad.
pub fn one_of_many(n: usize) -> Style {
    use AnsiColor::*;
    Style([Cyan, Magenta, Blue, BrightYellow, BrightCyan, BrightMagenta, BrightBlue, BrightGreen][n % 8].on_default())
}
