//! Mistakes in the TOML itself, explained without a parser's terms.
use crate::check::{Issue, Issues, LISTED, floor, invisible};
use std::ops::Range;

/// Reports problems of the TOML itself. Returns true if later values are surely in their tables.
pub(crate) fn check(text: &str, errors: &[toml::de::Error], issues: &mut Issues) -> bool {
    let mut errors: Vec<_> = errors.iter().map(|e| (e.span().unwrap_or(0..0), e.message())).collect();
    errors.sort_by_key(|(span, _)| (span.start, span.end));
    let line = |at: usize| text[..floor(text, at)].matches('\n').count();
    let mut lines = Vec::new();
    let mut trusted = true;
    for (span, message) in errors.into_iter().take(LISTED) {
        trusted &= !["unclosed", "missing comma", "invalid table"].iter().any(|m| message.contains(m));
        // One mistake on a line often breaks the rest of the line, too.
        if lines.contains(&line(span.start)) {
            continue;
        }
        lines.push(line(span.start));
        issues.push(explain(text, span, message));
        // Everything after it was read as part of it.
        if ["missing comma", "unclosed array", "unclosed inline", "multi-line"].iter().any(|m| message.contains(m)) {
            break;
        }
    }
    trusted
}

/// Returns the first invisible or blank-like character of the line, outside of texts and comments.
fn unseen(text: &str, at: usize) -> Option<(Range<usize>, String)> {
    let at = floor(text, at);
    let start = text[..at].rfind('\n').map_or(0, |n| n + 1);
    let line = text[start..].split('\n').next().unwrap_or_default();
    let mut quote = None;
    for (i, c) in line.char_indices() {
        match (quote, c) {
            (None, '#') => return None,
            (None, '"' | '\'') => quote = Some(c),
            (Some(q), c) if c == q => quote = None,
            (None, c) if start + i > 0 => {
                if let Some(name) = invisible(c) {
                    return Some((start + i..start + i + c.len_utf8(), name));
                }
            }
            _ => {}
        }
    }
    None
}

fn explain(text: &str, span: Range<usize>, message: &str) -> Issue {
    if let Some((span, name)) = unseen(text, span.start) {
        let what = format!("an invisible character: {name}");
        return Issue::at_span(
            "syntax",
            span,
            what,
            "TOML does not accept it as a blank",
            "replace it by an ordinary blank, or delete it",
        );
    }
    let piece = text.get(span.clone()).unwrap_or_default();
    let rest = text.get(floor(text, span.start)..).unwrap_or_default().lines().next().unwrap_or_default();
    let before = text.get(..floor(text, span.start)).unwrap_or_default();
    let starts_line = before.rsplit('\n').next().is_some_and(|line| line.trim().is_empty());
    let typographic = |c: char| "\u{201c}\u{201d}\u{201e}\u{2018}\u{2019}\u{ab}\u{bb}".contains(c);
    let escape = message.contains("escape") || message.contains("unicode") || message.contains("hexadecimal");
    let (what, why, fix) = if escape && in_quotes(before, rest) {
        (
            "a backslash between double quotes",
            "there a backslash begins an escape".to_owned(),
            "use / in a path, or single quotes, in which a backslash is literal: 'C:\\data'".to_owned(),
        )
    } else if message.contains("must be quoted") && piece.is_empty() {
        ("a key without a value", "nothing follows the =".into(), "give it a value, or delete the line".into())
    } else if message.contains("must be quoted") && piece.contains(typographic) {
        let plain = piece.trim_matches(|c: char| typographic(c) || c == '"');
        ("typographic quotes", "TOML accepts only the plain quotes \" and '".into(), format!("write \"{plain}\""))
    } else if message.contains("must be quoted") {
        ("a text without quotes", "a text needs quotes".to_owned(), format!("write \"{piece}\""))
    } else if piece == ":" || message.contains("key with no value") && rest.trim_start().starts_with(':') {
        ("a colon instead of =", "TOML separates key and value with =".into(), "write `key = value`".into())
    } else if message.contains("key with no value") {
        ("a key without a value", "an = is missing here".into(), "write `key = value`".into())
    } else if message.contains("missing comma") && starts_line && is_statement(rest) {
        (
            "a list or table above this line is not closed",
            "this line was read as part of it".into(),
            "close it with ] (a list) or } (a table)".into(),
        )
    } else if (message.contains("basic string") || message.contains("literal string")) && message.contains("expected `")
    {
        (
            "a text without its closing quote",
            "the line ends, the text does not".into(),
            "close the text with the quote it began with".into(),
        )
    } else if message.contains("duplicate key") {
        (
            "the same key or table twice",
            format!("`{piece}` is already given above"),
            "keep one of the two; join two `[tables]` of one name".into(),
        )
    } else {
        let (what, expected) = message.split_once(", expected ").unwrap_or((message, ""));
        let why = if expected.is_empty() { what.to_owned() } else { format!("expected {expected}") };
        return Issue::at_span("syntax", span, format!("this is not TOML: {what}"), why, fix_of(message));
    };
    let rule = if message.contains("duplicate key") { "key_twice" } else { "syntax" };
    Issue::at_span(rule, span, what, why, fix)
}

/// True if the backslash is at the position or just before it.
fn in_quotes(before: &str, rest: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap_or_default();
    rest.starts_with('\\') || line.contains('\\')
}

/// True for a line such as `key = …` or `[table]`.
fn is_statement(line: &str) -> bool {
    line.starts_with('[') || line.split_once('=').is_some_and(|(key, _)| !key.contains(['"', ',', '{']))
}

fn fix_of(message: &str) -> &'static str {
    match message {
        m if m.contains("unclosed table") => "close the header with ]: `[database]`",
        m if m.contains("unclosed array") => "close the list with ]: `zones = [\"us-east-1a\", \"us-east-1b\"]`",
        m if m.contains("unclosed inline table") => "close it with }, or write it as a `[table]` of its own",
        m if m.contains("missing comma") => {
            "put a comma between the values; is the list before this line closed with ]?"
        }
        m if m.contains("basic string") || m.contains("literal string") => {
            "close the text with the quote it began with"
        }
        _ => "texts in quotes, lists in [ ], tables as `[header]` lines: https://toml.io",
    }
}
