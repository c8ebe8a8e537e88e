//! The views: the only place that prints. Data goes to stdout, progress and errors to stderr.
pub mod clock;
pub mod cost;
pub mod logs;
pub mod plain;
pub mod plan;
pub mod progress;
pub mod serve;
pub mod status;
pub mod style;
pub mod targets;
pub mod teardown;
pub mod watch;
pub mod why;

use crate::{
    cli::{Format, Global},
    shell::word,
};
use serde::Serialize;
use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
};

/// How to print, decided once.
#[derive(Clone, Copy, Debug)]
pub struct Printer {
    pub format: Format,
    pub verbose: u8,
    /// Whether stderr is a terminal whose lines may be rewritten.
    pub live: bool,
    /// Whether a person can be asked.
    pub interactive: bool,
    /// The global options that were typed, for commands to type next.
    options: &'static str,
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
            // Once in a process, so that printers can be handed around.
            options: options(global).leak(),
        }
    }

    /// A command as this user has to type it: on the same stack file, in the same place.
    pub fn typed(&self, command: &str) -> String {
        let one = |c: &str| match c.strip_prefix("gameday ") {
            Some(verb) => format!("gameday {}{verb}", self.options),
            None => c.to_owned(),
        };
        command.split(" && ").map(one).collect::<Vec<_>>().join(" && ")
    }

    /// A text whose commands, between backquotes, are as this user has to type them.
    pub fn in_text(&self, text: &str) -> String {
        let part = |(i, p): (usize, &str)| if i % 2 == 1 { format!("`{}`", self.typed(p)) } else { p.to_owned() };
        match text.matches('`').count() % 2 {
            0 => text.split('`').enumerate().map(part).collect(),
            _ => text.to_owned(),
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

    /// What is a file's or a program's own text, byte for byte in every locale.
    pub fn verbatim(&self, text: impl AsRef<str>) {
        plain::put(&format!("{}\n", text.as_ref().trim_end_matches('\n')));
    }

    /// Data for people; whether anybody took it: what goes on for hours ends when nobody reads.
    pub fn try_data(&self, text: impl AsRef<str>) -> bool {
        plain::put(&format!("{}\n", plain::shown(text.as_ref().trim_end_matches('\n'))))
    }

    pub fn try_line(&self, value: &impl Serialize) -> bool {
        let text = serde_json::to_string(value).expect("views serialise");
        plain::took(writeln!(std::io::stdout().lock(), "{text}"))
    }

    /// A remark for people; not part of the data.
    pub fn note(&self, text: impl AsRef<str>) {
        let _ = writeln!(anstream::stderr().lock(), "{}", plain::shown(text.as_ref().trim_end_matches('\n')));
    }

    /// At the end: the exit code, or 1 and a message when not all that was said has got where it should.
    pub fn end(&self, code: ExitCode) -> ExitCode {
        let Some(why) = plain::lost() else { return code };
        self.note(format!("{}error{}: cannot write to stdout: {why}", style::BAD, style::RESET));
        self.note(format!(
            "  {}help:{} what was printed is not all there is: make room, and run it again",
            style::TITLE,
            style::RESET
        ));
        ExitCode::from(1)
    }

    /// What was refused before anything was done: a stack file, a template, a name. In words for people, and as an
    /// object where one was asked for.
    pub fn refused(&self, text: &str) {
        if self.json() {
            self.line(&refusal(text));
        }
        self.note(text);
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

/// `{"error": {"message"}}`, without colours.
pub fn refusal(text: &str) -> serde_json::Value {
    let plain = anstream::adapter::strip_str(text).to_string();
    serde_json::json!({"error": {"message": plain.trim()}})
}

/// `-c other.toml --sandbox `, as it was typed.
fn options(global: &Global) -> String {
    let mut all = String::new();
    let config = global.config.display().to_string();
    let by_itself = std::env::var("GAMEDAY_CONFIG").unwrap_or_else(|_| "gameday.toml".into());
    if config != by_itself {
        all += &format!("-c {} ", word(&config));
    }
    if global.sandbox {
        all += "--sandbox ";
    }
    for (option, value) in [("--profile", &global.profile), ("--region", &global.region)] {
        if let Some(value) = value {
            all += &format!("{option} {} ", word(value));
        }
    }
    all
}

/// Asks on the terminal; `None` at its end.
pub fn ask(question: &str) -> Option<String> {
    let mut err = anstream::stderr().lock();
    let _ = write!(err, "{}", plain::shown(question));
    let _ = err.flush();
    let mut answer = String::new();
    (std::io::stdin().read_line(&mut answer).ok()? > 0).then_some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn a_command_to_type_carries_what_was_typed() {
        let typed = |args: &[&str], command: &str| {
            let cli = crate::cli::Cli::parse_from([&["gameday"], args, &["why"]].concat());
            Printer::new(&cli.global).typed(command)
        };
        assert_eq!(typed(&[], "gameday up"), "gameday up");
        assert_eq!(
            typed(&["-c", "my stack.toml", "--sandbox"], "gameday network && gameday fleet"),
            "gameday -c 'my stack.toml' --sandbox network && gameday -c 'my stack.toml' --sandbox fleet"
        );
        let there = ["--profile", "team", "--region", "eu-west-1"];
        assert_eq!(typed(&there, "gameday up --replace x"), "gameday --profile team --region eu-west-1 up --replace x");
        assert_eq!(typed(&there, "aws ec2 describe-vpcs"), "aws ec2 describe-vpcs");
    }
}
