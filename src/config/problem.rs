//! Problems in a stack file, and their display.
use crate::{
    check::{floor, position},
    said,
};
use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, NamedSource, SourceCode,
    SourceSpan, SpanContents,
};
use serde::Serialize;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The severity of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The stack cannot be built.
    Error,
    /// The stack can be built, but probably not as intended.
    Warning,
}

/// One problem of a stack file: where, what, why, and the way out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Problem {
    /// The severity of the problem.
    pub severity: Severity,
    /// The stable name of the broken rule: `zones_too_few`.
    pub rule: &'static str,
    /// The path of the value: `service.api.port`. Empty for the file as a whole.
    pub path: String,
    /// The position of the value, both counted from 1.
    pub line: usize,
    /// The column of the value.
    pub column: usize,
    /// The range of the value in the text, if the text contains it.
    #[serde(skip)]
    pub span: Range<usize>,
    /// The problem, in one line.
    pub message: String,
    /// The reason, shown under the value.
    pub reason: String,
    /// The way out.
    pub help: String,
    /// Other values that are part of the problem.
    #[serde(skip)]
    pub others: Vec<(Range<usize>, String)>,
}

impl Problem {
    /// Returns the problem without control characters, which it may repeat from the file.
    fn harmless(&self) -> Self {
        let [message, reason] = [&self.message, &self.reason].map(|t| said::line(t).into_owned());
        // Some help texts have several lines, and miette indents them.
        let help = said::lines(&self.help);
        let others = self.others.iter().map(|(at, text)| (at.clone(), said::line(text).into_owned())).collect();
        Self { message, reason, help, others, ..self.clone() }
    }

    /// True if one of the lines to show is too long.
    fn is_in_a_long_line(&self, text: &str) -> bool {
        let at = floor(text, self.span.start.min(text.len()));
        let before = text[..at].rsplit('\n').take(2);
        before.chain(text[at..].split('\n').take(3)).any(|line| line.len() > SHOWN)
    }

    /// Returns the text for people, without the line of the file.
    fn without_its_line(&self, file: &str) -> String {
        let Self { message, line, column, reason, help, .. } = self;
        let sign = if self.severity == Severity::Error { "×" } else { "⚠" };
        let file = said::line(file);
        format!("  {sign} {message}\n   [{file}:{line}:{column}] {reason}\n  help: {help}\n\n")
    }
}

/// The longest line of a file that is shown, in bytes.
const SHOWN: usize = 4096;

/// The text of a stack file and its name in messages.
#[derive(Clone, Debug)]
pub struct Source {
    /// The name in messages.
    pub name: String,
    /// The whole text.
    pub text: Arc<str>,
}

/// All problems of a stack file: at least one error, and the warnings.
#[derive(Clone, Debug)]
pub struct ConfigErrors {
    /// The problems in the order of the text.
    pub problems: Vec<Problem>,
    /// The text of the file.
    pub source: Source,
}

impl ConfigErrors {
    /// Returns all problems as text for people, with the count at the end.
    pub fn render(&self, color: bool, width: usize) -> String {
        render(&self.problems, &self.source, color, width)
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", summary(&self.problems, &self.source))
    }
}

impl std::error::Error for ConfigErrors {}

/// Returns problems as text for people, in the order of the file, with the count at the end.
pub fn render(problems: &[Problem], source: &Source, color: bool, width: usize) -> String {
    if problems.is_empty() {
        return String::new();
    }
    let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_links(false)
        .with_width(width)
        .with_break_words(false)
        .without_syntax_highlighting();
    // The line is shown, but not the secrets of signed URLs.
    let masked = crate::signed::masked_in_place(&source.text);
    // A byte order mark at the beginning is neither text nor a column.
    let mark = masked.chars().next().filter(|c| *c == '\u{feff}').map_or(0, char::len_utf8);
    let text: Arc<str> = format!("{}{}", &masked[..mark], said::in_place(&masked[mark..])).into();
    let named = Counted(NamedSource::new(said::line(&source.name), text.clone()), text);
    let mut out = String::new();
    for problem in problems {
        if problem.is_in_a_long_line(&source.text) {
            out += &problem.harmless().without_its_line(&source.name);
            continue;
        }
        let report = Report { problem: &problem.harmless(), source: &named, text: &source.text, width };
        handler.render_report(&mut out, &report).expect("writing to a string");
        out.push('\n');
    }
    out + &summary(problems, source) + "\n"
}

fn summary(problems: &[Problem], source: &Source) -> String {
    let count = |severity, word: &str| match problems.iter().filter(|p| p.severity == severity).count() {
        0 => None,
        1 => Some(format!("1 {word}")),
        n => Some(format!("{n} {word}s")),
    };
    let counts: Vec<_> =
        [count(Severity::Error, "error"), count(Severity::Warning, "warning")].into_iter().flatten().collect();
    format!("{}: {}", said::line(&source.name), counts.join(", "))
}

/// The text for miette, which counts columns in bytes.
struct Counted(NamedSource<Arc<str>>, Arc<str>);

impl SourceCode for Counted {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let found = self.0.read_span(span, before, after)?;
        let (_, column) = position(&self.1, floor(&self.1, found.span().offset()));
        Ok(Box::new(MietteSpanContents::new_named(
            self.0.name().into(),
            found.data(),
            *found.span(),
            found.line(),
            column - 1,
            found.line_count(),
        )))
    }
}

/// One problem in the form that miette displays.
struct Report<'a> {
    problem: &'a Problem,
    source: &'a Counted,
    text: &'a str,
    width: usize,
}

impl Report<'_> {
    /// Wraps the label under a value, which miette does not do.
    fn label(&self, text: &str, span: &Range<usize>) -> String {
        let line_start = self.text[..span.start].rfind('\n').map_or(0, |n| n + 1);
        let column = self.text[line_start..span.start].chars().count();
        let room = self.width.saturating_sub(column + 16).max(28);
        wrap(text, room)
    }
}

fn wrap(text: &str, room: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("never empty");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The rule's name is at the end, because it is for searching.
        write!(f, "{} ({})", self.problem.message, self.problem.rule)
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.problem.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        (!self.problem.help.is_empty()).then(|| Box::new(&self.problem.help) as _)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        (!self.text.is_empty() && !self.problem.span.is_empty()).then_some(self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        if self.text.is_empty() || self.problem.span.is_empty() {
            return None;
        }
        let place = |span: &Range<usize>| SourceSpan::from(span.clone());
        let problem = self.problem;
        let main =
            LabeledSpan::new_primary_with_span(Some(self.label(&problem.reason, &problem.span)), place(&problem.span));
        let others = problem
            .others
            .iter()
            .map(move |(span, text)| LabeledSpan::new_with_span(Some(self.label(text, span)), place(span)));
        Some(Box::new(std::iter::once(main).chain(others)))
    }
}
