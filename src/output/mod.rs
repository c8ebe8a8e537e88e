//! The views: the only place that prints. Data goes to stdout, progress and errors to stderr.
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

/// How to print, decided once.
#[derive(Clone, Copy, Debug)]
pub struct Printer {
    pub format: Format,
    pub verbose: u8,
    /// Whether stderr is a terminal whose lines may be rewritten.
    pub live: bool,
    /// Whether a person can be asked.
    pub interactive: bool,
    /// Completes the commands that are told.
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
            // Lines that are rewritten and a line a call do not go together.
            live: human && tty && !ci && global.verbose < 2 && std::env::var("TERM").as_deref() != Ok("dumb"),
            interactive: tty && std::io::stdin().is_terminal() && !ci,
            typist: Typist::new(global),
        }
    }

    /// A command as this user has to type it.
    pub fn typed(&self, command: &str) -> String {
        self.typist.command(command)
    }

    pub fn json(&self) -> bool {
        self.format == Format::Json
    }

    /// A line of data for people or pipes. A closed pipe (`| head`) is not an error.
    pub fn data(&self, text: impl AsRef<str>) {
        self.try_data(text);
    }

    /// Something that happened, as a line of JSON.
    pub fn event(&self, event: Event<'_>) {
        self.line(&Line::now(event));
    }

    /// One JSON object on a line of its own.
    pub fn line(&self, value: &impl Serialize) {
        self.try_line(value);
    }

    /// What is a file's or a program's own text, byte for byte in every locale; on a terminal only what one can see of it.
    pub fn verbatim(&self, text: impl AsRef<str>) {
        let text = hidden::known(text.as_ref().trim_end_matches('\n'));
        let is_seen = std::io::stdout().is_terminal();
        plain::put(&format!("{}\n", if is_seen { said::lines(&text) } else { text.into_owned() }));
    }

    /// A line of data for people; whether anybody took it: what goes on for hours ends when nobody reads.
    pub fn try_data(&self, text: impl AsRef<str>) -> bool {
        plain::put(&format!("{}\n", self.shown(text.as_ref())))
    }

    pub fn try_line(&self, value: &impl Serialize) -> bool {
        let mut value = serde_json::to_value(value).expect("views serialise");
        self.typist.json(&mut value);
        let text = plain::json(&value);
        plain::took(writeln!(std::io::stdout().lock(), "{text}"))
    }

    /// A line of remarks for people; not part of the data.
    pub fn note(&self, text: impl AsRef<str>) {
        let _ = writeln!(anstream::stderr().lock(), "{}", self.shown(text.as_ref()));
    }

    /// A remark of several lines that a library has laid out.
    pub fn rendered(&self, text: &str) {
        let text = self.typist.text(text.trim_end_matches('\n'));
        let _ = writeln!(anstream::stderr().lock(), "{}", plain::rendered(&text));
    }

    /// A line as this user's terminal can show it.
    fn shown(&self, line: &str) -> String {
        plain::shown(&self.typist.text(line.trim_end_matches('\n')))
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

    /// What is wrong: as one object where JSON was asked for, else as `text`, which a library has laid out.
    pub fn complain(&self, complaints: &[Complaint], text: Option<&str>) {
        match text {
            _ if self.json() => self.event(Event::Error { errors: complaints }),
            Some(text) => self.rendered(text),
            None => complaints.iter().for_each(|c| self.say(c)),
        }
    }

    fn say(&self, c: &Complaint) {
        // What a program wrote may have several lines: it is seen that they are a quotation.
        let mut lines = c.message.trim().lines();
        self.note(format!("{}error{}: {}", style::BAD, style::RESET, lines.next().unwrap_or_default()));
        lines.for_each(|line| self.note(format!("    │ {line}")));
        if let Some(help) = &c.help {
            self.note(format!("  {}help:{} {help}", style::TITLE, style::RESET));
        }
    }

    /// An error and its way out.
    pub fn error(&self, what: &str, help: Option<&str>) {
        self.fail(&Complaint::new("other", what, help.map(Into::into)));
    }

    /// The same with its code.
    pub fn fail(&self, c: &Complaint) {
        self.complain(std::slice::from_ref(c), None);
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
