//! The views: the only place that prints. Data goes to stdout, progress and errors to stderr.
pub mod bake;
pub mod calls;
pub mod clock;
pub mod complaint;
pub mod cost;
pub mod line;
pub mod live;
pub mod logs;
pub mod plain;
pub mod plan;
pub mod progress;
pub mod sandbox;
pub mod schema;
pub mod serve;
pub mod status;
pub mod style;
pub mod targets;
pub mod teardown;
pub mod usage;
pub mod why;

use crate::{
    cli::{Format, Global},
    hidden, said,
    typed::Typist,
};
use complaint::Complaint;
use line::{Event, Line};
use serde::Serialize;
use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
};

/// Output settings, decided once.
#[derive(Clone, Copy, Debug)]
pub struct Printer {
    pub format: Format,
    pub verbose: u8,
    /// True if stderr is a terminal whose lines can be rewritten.
    pub live: bool,
    /// True if a person can be asked.
    pub interactive: bool,
    /// Completes commands for the user.
    pub typist: Typist,
}

impl Printer {
    pub fn new(global: &Global) -> Self {
        let ci = std::env::var_os("CI").is_some_and(|v| !v.is_empty() && v != "false");
        let human = global.output == Format::Human;
        let tty = std::io::stderr().is_terminal();
        Self {
            format: global.output,
            verbose: global.verbose,
            // Rewritten lines do not work together with a line for each call.
            live: human && tty && !ci && global.verbose < 2 && std::env::var("TERM").as_deref() != Ok("dumb"),
            interactive: tty && std::io::stdin().is_terminal() && !ci,
            typist: Typist::new(global),
        }
    }

    /// Returns a command in the form that this user has to type.
    pub fn typed(&self, command: &str) -> String {
        self.typist.command(command)
    }

    pub fn json(&self) -> bool {
        self.format == Format::Json
    }

    /// Prints a line of data for people or pipes. A closed pipe (`| head`) is not an error.
    pub fn data(&self, text: impl AsRef<str>) {
        self.try_data(text);
    }

    /// Prints an event as a line of JSON.
    pub fn event(&self, event: Event<'_>) {
        self.line(&Line::now(event));
    }

    /// Prints one JSON object on its own line.
    pub fn line(&self, value: &impl Serialize) {
        self.try_line(value);
    }

    /// Prints the text of a file or a program, byte for byte in every locale. On a terminal, only its visible part.
    pub fn verbatim(&self, text: impl AsRef<str>) {
        let text = hidden::known(text.as_ref().trim_end_matches('\n'));
        let is_seen = std::io::stdout().is_terminal();
        plain::put(&format!("{}\n", if is_seen { said::lines(&text) } else { text.into_owned() }));
    }

    /// Prints a line of data. Returns false if nobody reads it, so that long commands can end.
    pub fn try_data(&self, text: impl AsRef<str>) -> bool {
        plain::put(&format!("{}\n", self.shown(text.as_ref())))
    }

    pub fn try_line(&self, value: &impl Serialize) -> bool {
        let mut value = serde_json::to_value(value).expect("views serialise");
        self.typist.json(&mut value);
        let text = plain::json(&value);
        plain::took(writeln!(std::io::stdout().lock(), "{text}"))
    }

    /// Prints a remark for people, which is not part of the data.
    pub fn note(&self, text: impl AsRef<str>) {
        let _ = writeln!(anstream::stderr().lock(), "{}", self.shown(text.as_ref()));
    }

    /// Prints a remark of several lines that a library has laid out.
    pub fn rendered(&self, text: &str) {
        let text = self.typist.text(text.trim_end_matches('\n'));
        let _ = writeln!(anstream::stderr().lock(), "{}", plain::rendered(&text));
    }

    /// Returns a line in the form that this user's terminal can show.
    fn shown(&self, line: &str) -> String {
        plain::shown(&self.typist.text(line.trim_end_matches('\n')))
    }

    /// Returns the exit code, or prints a message and returns 1 if not all data reached stdout.
    pub fn end(&self, code: ExitCode) -> ExitCode {
        let Some(why) = plain::lost() else { return code };
        self.note(format!("{}error{}: cannot write to stdout: {why}", style::BAD, style::RESET));
        self.note(format!(
            "  {}help:{} the output is incomplete: make room, and run it again",
            style::TITLE,
            style::RESET
        ));
        ExitCode::from(1)
    }

    /// Prints errors: as one object with JSON output, else as `text`, which a library has laid out.
    pub fn complain(&self, complaints: &[Complaint], text: Option<&str>) {
        match text {
            _ if self.json() => self.event(Event::Error { errors: complaints }),
            Some(text) => self.rendered(text),
            None => complaints.iter().for_each(|c| self.say(c)),
        }
    }

    fn say(&self, c: &Complaint) {
        // The output of a program can have several lines. They are marked as a quotation.
        let mut lines = c.message.trim().lines();
        self.note(format!("{}error{}: {}", style::BAD, style::RESET, lines.next().unwrap_or_default()));
        lines.for_each(|line| self.note(format!("    │ {line}")));
        if let Some(help) = &c.help {
            self.note(format!("  {}help:{} {help}", style::TITLE, style::RESET));
        }
    }

    /// Prints an error and its way out.
    pub fn error(&self, what: &str, help: Option<&str>) {
        self.fail(&Complaint::new("other", what, help.map(Into::into)));
    }

    /// Prints an error with its code.
    pub fn fail(&self, c: &Complaint) {
        self.complain(std::slice::from_ref(c), None);
    }

    /// Returns the number of columns of the terminal.
    pub fn width(&self) -> usize {
        console::Term::stderr().size_checked().map_or(100, |(_, columns)| usize::from(columns)).min(120)
    }

    pub fn color(&self) -> bool {
        anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
    }
}

/// Asks a question on the terminal. `None` at the end of the input.
pub fn ask(question: &str) -> Option<String> {
    let mut err = anstream::stderr().lock();
    let _ = write!(err, "{}", plain::shown(question));
    let _ = err.flush();
    let mut answer = String::new();
    (std::io::stdin().read_line(&mut answer).ok()? > 0).then_some(answer)
}

/// Asks for a yes. Without one, or without a person to ask, says that nothing was changed.
pub fn agree(out: &Printer, question: &str) -> bool {
    if !out.interactive {
        out.error("nothing was changed: there is no terminal to ask on", Some("say --yes to go ahead without asking"));
        return false;
    }
    let agreed = ask(question).is_some_and(|a| matches!(a.trim(), "y" | "Y" | "yes"));
    if !agreed {
        out.note("nothing was changed");
    }
    agreed
}
