//! Texts in double quotes, in which a backslash is an escape.
use super::Rules;
use crate::place::Place;
use serde_json::Value;

pub(super) fn check(rules: &mut Rules<'_>) {
    let all = serde_json::to_value(rules.config).unwrap_or_default();
    control(rules, &Place::default(), &all);
}

/// Reports control characters, which come from a backslash or are invisible.
fn control(rules: &mut Rules<'_>, place: &Place, value: &Value) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| control(rules, &place.key(key), value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, item)| control(rules, &place.item(i), item)),
        Value::String(text) => {
            let raw = rules.raw(place);
            // Texts of several lines have rules of their own.
            let Some(bad) = text.chars().find(|c| c.is_control()).filter(|_| !raw.contains('\n')) else { return };
            let (name, letter) = match bad {
                '\t' => ("a tab", Some('t')),
                '\n' => ("a line break", Some('n')),
                '\r' => ("a carriage return", Some('r')),
                '\u{8}' => ("a backspace", Some('b')),
                '\u{c}' => ("a form feed", Some('f')),
                '\u{1b}' => ("an escape", Some('e')),
                _ => ("a control character", None),
            };
            let escaped = letter.map(|l| format!("\\{l}")).filter(|e| raw.starts_with('"') && raw.contains(e.as_str()));
            let why = match &escaped {
                Some(escaped) => format!("between double quotes {escaped} means {name}"),
                None => format!("it contains {name}"),
            };
            let fix = match escaped {
                Some(_) => format!("for a backslash use single quotes, {}, or / in a path", single(raw)),
                None => "delete it".into(),
            };
            let issue = crate::check::Issue::error(
                "control_character",
                place.clone(),
                format!("`{place}` contains {name}"),
                why,
                fix,
            );
            rules.found.push(issue);
        }
        _ => {}
    }
}

/// Reports a path with backslashes and returns true if it did.
pub(super) fn backslash(rules: &mut Rules<'_>, place: &Place, file: &str, there: bool) -> bool {
    let raw = rules.raw(place);
    let escapes = raw.starts_with('"') && raw.replace("\\\\", "").contains('\\');
    if file.chars().any(char::is_control) {
        // This was reported already.
        return true;
    }
    if there || !(escapes || file.contains('\\')) {
        return false;
    }
    let written = raw.trim_matches(['"', '\'']).replace("\\\\", "\\");
    let path = if file.contains('\\') { file } else { &written }.replace('\\', "/");
    rules.found.error(
        "path_backslash",
        place.clone(),
        format!("{file:?} does not exist"),
        if escapes {
            "between double quotes a backslash begins an escape"
        } else {
            "the parts of a path are separated by /"
        },
        format!("use /: {path:?}"),
    );
    true
}

/// Returns the text between single quotes.
fn single(raw: &str) -> String {
    let inside = raw.trim_matches('"');
    let short: String = inside.chars().take(60).collect();
    let dots = if short.len() < inside.len() { "…" } else { "" };
    format!("'{short}{dots}'")
}
