//! The views: the only place that prints. Data goes to stdout, progress and errors to stderr.
pub mod cost;
pub mod logs;
pub mod plan;
pub mod progress;
pub mod serve;
pub mod status;
pub mod style;
pub mod targets;
pub mod teardown;
pub mod watch;
pub mod why;

use crate::cli::{Format, Global};
use serde::Serialize;
use std::io::{IsTerminal, Write};

/// How to print, decided once.
#[derive(Clone, Copy, Debug)]
pub struct Printer {
    pub format: Format,
    pub verbose: u8,
    /// Whether stderr is a terminal whose lines may be rewritten.
    pub live: bool,
    /// Whether a person can be asked.
    pub interactive: bool,
}

impl Printer {
    pub fn new(global: &Global) -> Self {
        let ci = std::env::var_os("CI").is_some_and(|v| !v.is_empty() && v != "false");
        let human = global.output == Format::Human;
        let tty = std::io::stderr().is_terminal();
        Self {
            format: global.output,
            verbose: global.verbose,
            live: human && tty && !ci && std::env::var("TERM").as_deref() != Ok("dumb"),
            interactive: tty && std::io::stdin().is_terminal() && !ci,
        }
    }

    pub fn json(&self) -> bool {
        self.format == Format::Json
    }

    /// Data for people or pipes. A closed pipe (`| head`) is not an error.
    pub fn data(&self, text: impl AsRef<str>) {
        self.try_data(text);
    }

    /// One JSON object on a line of its own.
    pub fn line(&self, value: &impl Serialize) {
        self.try_line(value);
    }

    /// The same; whether anybody took it: what goes on for hours ends when nobody reads.
    pub fn try_data(&self, text: impl AsRef<str>) -> bool {
        writeln!(anstream::stdout().lock(), "{}", text.as_ref().trim_end_matches('\n')).is_ok()
    }

    pub fn try_line(&self, value: &impl Serialize) -> bool {
        writeln!(std::io::stdout().lock(), "{}", serde_json::to_string(value).expect("views serialise")).is_ok()
    }

    /// A remark for people; not part of the data.
    pub fn note(&self, text: impl AsRef<str>) {
        let _ = writeln!(anstream::stderr().lock(), "{}", text.as_ref().trim_end_matches('\n'));
    }

    /// An error and its way out.
    pub fn error(&self, what: &str, help: Option<&str>) {
        if self.json() {
            self.line(&serde_json::json!({
                "at": jiff::Timestamp::now().to_string(), "event": "error", "error": what, "help": help,
            }));
            return;
        }
        self.note(format!("{}error{}: {what}", style::BAD, style::RESET));
        if let Some(help) = help {
            self.note(format!("  {}help:{} {help}", style::TITLE, style::RESET));
        }
    }

    /// Columns of the terminal.
    pub fn width(&self) -> usize {
        console::Term::stderr().size_checked().map_or(100, |(_, columns)| usize::from(columns)).min(120)
    }

    pub fn color(&self) -> bool {
        anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
    }
}

/// Asks on the terminal; `None` at its end.
pub fn ask(question: &str) -> Option<String> {
    let mut err = anstream::stderr().lock();
    let _ = write!(err, "{question}");
    let _ = err.flush();
    let mut answer = String::new();
    (std::io::stdin().read_line(&mut answer).ok()? > 0).then_some(answer)
}
