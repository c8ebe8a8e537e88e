//! The exit of all text: checks that it arrives, and that its reader can show more than ASCII.
use super::style::signature;
use crate::{hidden, said};
use serde_json::Value;
use std::{
    borrow::Cow,
    io::{self, Write},
    sync::{Mutex, OnceLock},
};

/// The first failure of stdout, except a closed pipe.
static LOST: Mutex<Option<io::Error>> = Mutex::new(None);

/// True if the text was written. A full disk is remembered for the end; a closed pipe (`| head`) is not an error.
pub fn took(written: io::Result<()>) -> bool {
    let Err(e) = written else { return true };
    if e.kind() != io::ErrorKind::BrokenPipe {
        LOST.lock().expect("nobody panics with it").get_or_insert(e);
    }
    false
}

/// Writes text to stdout unchanged. Returns true if it was written.
pub fn put(text: &str) -> bool {
    took(write!(anstream::stdout().lock(), "{text}"))
}

/// Returns why not all data reached stdout.
pub fn lost() -> Option<String> {
    took(io::stdout().flush());
    LOST.lock().expect("nobody panics with it").as_ref().map(ToString::to_string)
}

/// True if the locale is UTF-8. The first of these variables that is set and not empty decides; without any the locale
/// is `C`.
fn takes_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|v| variable(v).filter(|l| !l.is_empty()));
    let locale = locale.unwrap_or_default().to_lowercase();
    let charset = locale.split('@').next().unwrap_or_default();
    // `en_US.UTF-8`. macOS also has a plain `UTF-8`.
    let charset = charset.rsplit('.').next().unwrap_or_default();
    matches!(charset, "utf-8" | "utf8")
}

/// True if people see only ASCII. JSON is UTF-8 in every locale.
pub fn ascii_only() -> bool {
    static ASCII: OnceLock<bool> = OnceLock::new();
    *ASCII.get_or_init(|| !takes_utf8(|name| std::env::var(name).ok()))
}

/// Returns one line in the form that this locale can show.
///
/// Every printed line passes here. Only gameday's own styles stay, line breaks are marked, and passwords are masked.
pub fn shown(line: &str) -> String {
    local(walled(&hidden::known(line), |words| said::line(words).into_owned()))
}

/// Returns several lines that a library has laid out with its own styles.
pub fn rendered(text: &str) -> String {
    local(laid_out(text))
}

fn laid_out(text: &str) -> String {
    let text = hidden::known(text);
    let lines = text.split('\n').map(|line| {
        let mut safe = String::new();
        let mut rest = line;
        while let Some((words, style)) = rest.split_once("\x1b[") {
            let end = style.find(|c: char| !(c.is_ascii_digit() || c == ';'));
            safe += &said::line(words);
            match end.filter(|at| style[*at..].starts_with('m') && !conceals(&style[..*at])) {
                Some(at) => {
                    safe += &format!("\x1b[{}", &style[..=at]);
                    rest = &style[at + 1..];
                }
                None => {
                    safe.push(said::MARK);
                    safe.push('[');
                    rest = style;
                }
            }
        }
        safe + &said::line(rest)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns a JSON document on one line that no terminal obeys.
pub fn json(value: &Value) -> String {
    said::json(hidden::known(&value.to_string()).into_owned())
}

/// True if letters in this style are invisible.
fn conceals(style: &str) -> bool {
    style.split(';').any(|code| code.trim_start_matches('0') == "8")
}

/// Replaces gameday's styles by escapes, and the words between them by their `safe` form.
fn walled(text: &str, safe: impl Fn(&str) -> String) -> String {
    let mut parts = text.split(signature());
    let mut out = safe(parts.next().unwrap_or_default());
    for part in parts {
        // The part ends like this; nobody else knows its beginning.
        let (style, words) = part.split_once('m').unwrap_or_default();
        out += &format!("\x1b[{style}m{}", safe(words));
    }
    out
}

fn local(text: String) -> String {
    if ascii_only() { ascii(&text).into_owned() } else { text }
}

fn ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '…' => plain += "...",
            '→' => plain += "->",
            '←' => plain += "<-",
            '≥' => plain += ">=",
            '≤' => plain += "<=",
            c => plain.push(one(c)),
        }
    }
    Cow::Owned(plain)
}

/// Returns an ASCII character of one column for this one.
pub fn one(c: char) -> char {
    match c {
        c if c.is_ascii() => c,
        '✓' | '✔' => '+',
        '✗' | '✘' | '×' => 'x',
        '…' | '▁' | '▂' | '┬' => '.',
        '·' | '•' | '–' | '—' | '−' | '─' | '━' | '╶' | '╴' => '-',
        '→' | '▸' | '▶' | '☞' => '>',
        '←' => '<',
        '↑' | '▲' => '^',
        '↓' | '▼' => 'v',
        '↻' | '±' | '≈' => '~',
        '│' | '┃' | '├' | '┤' | '╎' | '┆' => '|',
        '╭' => ',',
        '╰' => '`',
        '┌' | '┐' | '└' | '┘' | '╮' | '╯' | '┼' | '┴' | '╔' | '╗' | '╚' | '╝' => '+',
        '▃' | '▄' => ':',
        '▅' | '▆' => '=',
        '▇' | '█' | '▉' | '▊' | '▋' | '▌' | '▍' | '▎' | '▏' => '#',
        '⚠' | '⚡' => '!',
        '⏎' => '|',
        '\u{a0}' | '\u{2007}' | '\u{202f}' => ' ',
        '‘' | '’' | '‚' => '\'',
        '“' | '”' | '„' => '"',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf8(vars: &[(&str, &str)]) -> bool {
        takes_utf8(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn the_first_locale_that_is_set_decides() {
        assert!(!utf8(&[]), "nothing set is C");
        for locale in ["C", "POSIX", "en_US", "en_US.ISO-8859-1", "de_DE@euro", "ko_KR.eucKR", "ja_JP.SJIS", ""] {
            assert!(!utf8(&[("LANG", locale)]), "{locale}");
        }
        for locale in ["C.UTF-8", "en_US.UTF-8", "en_US.utf8", "ko_KR.UTF8", "de_DE.UTF-8@euro", "UTF-8"] {
            assert!(utf8(&[("LANG", locale)]), "{locale}");
            assert!(
                utf8(&[("LC_ALL", ""), ("LC_CTYPE", locale), ("LANG", "C")]),
                "{locale}: an empty one falls through"
            );
        }
        assert!(!utf8(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]));
        assert!(!utf8(&[("LC_CTYPE", "POSIX"), ("LANG", "en_US.UTF-8")]));
        assert!(utf8(&[("LC_ALL", "C.UTF-8"), ("LC_CTYPE", "C")]));
    }

    #[test]
    fn every_mark_has_one_in_ascii() {
        let marks = "✓✗×…·•–→←↑↓↻±│├╭╰─┌┐└┘┬┼▁▂▃▄▅▆▇█▸⏎⚡";
        assert!(marks.chars().all(|c| one(c) != '?'), "{}", ascii(marks));
        assert_eq!(ascii("✓ name · a → b, ami-…"), "+ name - a -> b, ami-...");
        assert!(ascii("équipe 팀").is_ascii());
        assert!(matches!(ascii("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn styles_are_ours_or_none() {
        use super::super::style::{BAD, RESET};
        let hostile = "\u{1b}[1m\u{1b}[31m\u{1b}]0;title\u{7}\u{202e}\nerror: forged";
        let safe = walled(&format!("{BAD}error{RESET}: {hostile}"), |words| said::line(words).into_owned());
        assert_eq!(
            safe,
            "\u{1b}[1m\u{1b}[31merror\u{1b}[0m: \u{fffd}[1m\u{fffd}[31m\u{fffd}]0;title\u{fffd}\u{fffd}⏎error: forged"
        );
    }

    #[test]
    fn what_a_library_has_laid_out_keeps_its_lines_and_colours() {
        let text = laid_out("\u{1b}[31m×\u{1b}[0m x\u{1b}[8mhid\u{1b}[0;08m\u{1b}]52;c;x\u{7}\n\u{1b}[2Jlast\u{1b}[");
        assert_eq!(
            text,
            "\u{1b}[31m×\u{1b}[0m x\u{fffd}[8mhid\u{fffd}[0;08m\u{fffd}]52;c;x\u{fffd}\n\u{fffd}[2Jlast\u{fffd}["
        );
    }

    #[test]
    fn only_a_reader_who_has_gone_is_no_failure() {
        assert!(took(Ok(())));
        assert!(!took(Err(io::ErrorKind::BrokenPipe.into())));
        assert!(LOST.lock().unwrap().is_none());
    }
}
