//! Issues that the walk and the rules collect at places, and that become problems at positions.
use crate::place::{Map, Place};
use crate::problem::{Problem, Severity};
use std::ops::Range;

/// A problem whose position in the text is not known yet.
#[derive(Clone, Debug)]
pub(crate) struct Issue {
    severity: Severity,
    rule: &'static str,
    place: Place,
    span: Option<Range<usize>>,
    on_key: bool,
    what: String,
    why: String,
    fix: String,
    others: Vec<(Place, String)>,
}

impl Issue {
    /// Returns an error at a place: the message, the reason (shown under the value), and the way out.
    pub(crate) fn error(
        rule: &'static str,
        place: Place,
        what: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            rule,
            place,
            span: None,
            on_key: false,
            what: what.into(),
            why: why.into(),
            fix: fix.into(),
            others: vec![],
        }
    }

    pub(crate) fn warning(
        rule: &'static str,
        place: Place,
        what: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::Warning, ..Self::error(rule, place, what, why, fix) }
    }

    /// Returns an error that has a position in the text, but no place in the tree.
    pub(crate) fn at_span(
        rule: &'static str,
        span: Range<usize>,
        what: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { span: Some(span), ..Self::error(rule, Place::default(), what, why, fix) }
    }

    /// Underlines the key instead of the value.
    pub(crate) fn on_key(self) -> Self {
        Self { on_key: true, ..self }
    }

    /// Adds another value that is part of the problem.
    pub(crate) fn with(mut self, place: Place, label: impl Into<String>) -> Self {
        self.others.push((place, label.into()));
        self
    }
}

/// The largest number of problems that are listed, since each is looked up in the whole text and shown with its line.
pub(crate) const LISTED: usize = 100;

#[derive(Debug, Default)]
pub(crate) struct Issues(Vec<Issue>);

impl Issues {
    pub(crate) fn push(&mut self, issue: Issue) {
        self.0.push(issue);
    }

    pub(crate) fn extend(&mut self, more: Issues) {
        self.0.extend(more.0);
    }

    pub(crate) fn error(
        &mut self,
        rule: &'static str,
        place: Place,
        what: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.push(Issue::error(rule, place, what, why, fix));
    }

    pub(crate) fn warn(
        &mut self,
        rule: &'static str,
        place: Place,
        what: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.push(Issue::warning(rule, place, what, why, fix));
    }

    /// Drops issues about values that were reported already.
    pub(crate) fn only_sound(&mut self, map: &Map) {
        self.0.retain(|i| map.sound(&i.place) && i.others.iter().all(|(place, _)| map.sound(place)));
    }

    /// Removes the issues of a rule that cannot be judged.
    pub(crate) fn remove(&mut self, rule: &str) {
        self.0.retain(|issue| issue.rule != rule);
    }

    /// Returns the problems in the order of the text.
    pub(crate) fn locate(mut self, map: &Map, text: &str) -> Vec<Problem> {
        let more = self.0.len().saturating_sub(LISTED);
        if more > 0 {
            // Errors first, so that the limit drops warnings before errors.
            self.0.sort_by_key(|issue| issue.severity == Severity::Warning);
            self.0.truncate(LISTED);
        }
        let mut problems: Vec<_> = self.0.into_iter().map(|issue| locate(issue, map, text)).collect();
        problems.sort_by_key(|p| (p.span.start, p.span.end, p.rule));
        problems.dedup();
        if let Some(last) = problems.last_mut().filter(|_| more > 0) {
            last.help = format!("{}; {more} more are not listed", last.help);
        }
        problems
    }
}

fn locate(issue: Issue, map: &Map, text: &str) -> Problem {
    let span = match (issue.span, issue.on_key) {
        (Some(span), _) => span,
        (None, true) => map.key_span(&issue.place),
        (None, false) => map.span(&issue.place),
    };
    let span = visible(text, span);
    let (line, column) = position(text, span.start);
    let hidden = text[span.clone()].chars().find_map(invisible).filter(|name| !issue.what.contains(name.as_str()));
    let reason = match hidden {
        Some(name) => format!("{}; it holds an invisible character ({name})", issue.why),
        None => issue.why,
    };
    // Two labels on one value are hard to read, so the value gets only one.
    let others = issue
        .others
        .into_iter()
        // A default has no place in the text.
        .filter(|(place, _)| map.given(place))
        .map(|(place, label)| (visible(text, map.span(&place)), label))
        .filter(|(other, _)| *other != span)
        .collect();
    Problem {
        severity: issue.severity,
        rule: issue.rule,
        path: issue.place.to_string(),
        line,
        column,
        span,
        message: issue.what,
        reason,
        help: issue.fix,
        others,
    }
}

/// Returns a range that can be underlined: on the value's first line, on whole characters, and not empty.
///
/// If the range has nothing visible, the nearest character is used.
fn visible(text: &str, span: Range<usize>) -> Range<usize> {
    let mut start = floor(text, span.start);
    let mut end = floor(text, span.end.max(start));
    if let Some(newline) = text[start..end].find('\n')
        && newline > 0
    {
        end = start + newline;
    }
    if start == end {
        let after = text[start..].chars().next().filter(|c| !c.is_whitespace());
        match after {
            Some(c) => end = start + c.len_utf8(),
            None => {
                let before = text[..start].trim_end();
                if let Some(c) = before.chars().next_back() {
                    end = before.len();
                    start = end - c.len_utf8();
                } else if let Some((at, c)) = text.char_indices().find(|(_, c)| !c.is_whitespace()) {
                    (start, end) = (at, at + c.len_utf8());
                }
            }
        }
    }
    start..end
}

/// Returns line and column of a byte, both counted from 1.
pub(crate) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |n| n + 1);
    // A byte order mark does not count as a column.
    let column = before[line_start..].chars().filter(|c| *c != BYTE_ORDER_MARK).count();
    (before.matches('\n').count() + 1, column + 1)
}

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Returns the name of a character that looks like a blank or like nothing, but is not one.
pub(crate) fn invisible(c: char) -> Option<String> {
    let name = match c {
        '\u{a0}' => "no-break space",
        '\u{202f}' => "narrow no-break space",
        '\u{2000}'..='\u{200a}' | '\u{205f}' => "typographic space",
        '\u{3000}' => "ideographic space",
        '\u{200b}' => "zero-width space",
        '\u{200c}' | '\u{200d}' => "zero-width joiner",
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => "mark of the writing direction",
        '\u{2060}' => "word joiner",
        '\u{ad}' => "soft hyphen",
        '\u{feff}' => "byte order mark",
        '\u{85}' | '\u{2028}' | '\u{2029}' => "line break that is none in TOML",
        _ => return None,
    };
    Some(format!("U+{:04X}, {name}", u32::from(c)))
}

/// Returns the nearest character boundary at or before `at`.
pub(crate) fn floor(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at.min(text.len()))
}
