//! Words from outside, made safe to read.
//!
//! AWS, machines, files and people can send characters that a terminal obeys or does not show. Such characters hide a
//! word, turn its direction, or begin a line that looks like gameday's. They are replaced by a visible mark; in JSON
//! they are escaped.
use std::borrow::Cow;

/// The replacement of a hidden character.
pub const MARK: char = '\u{fffd}';
/// The replacement of a line end within words from outside.
pub const LINE: char = '⏎';

/// True if a terminal obeys this character, or does not show it.
pub fn is_hidden(c: char) -> bool {
    // The most common case.
    if matches!(c, ' '..='~') {
        return false;
    }
    matches!(c,
        // C0, DEL and C1.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        // Characters that turn the direction of text, or end lines and paragraphs.
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        // Characters without width.
        | '\u{ad}' | '\u{34f}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200d}'
        | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        // Blanks that look like nothing.
        | '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}'
        // Annotations between lines, shorthand and notes, all of them controls.
        | '\u{fff0}'..='\u{fffb}' | '\u{13430}'..='\u{13455}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        // Tags and selectors, which carry a hidden text.
        | '\u{e0000}'..='\u{e0fff}')
}

fn ends_line(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Returns words as one line that no terminal obeys.
pub fn line(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut said = String::with_capacity(text.len());
    let mut before = None;
    for c in text.chars() {
        match c {
            '\t' => said.push(' '),
            '\n' if before == Some('\r') => {}
            c if ends_line(c) => said.push(LINE),
            // A selector that shows a sign as a picture, as keyboards write it.
            '\u{fe0f}' if before.is_some_and(|b| !b.is_ascii() && !is_hidden(b)) => said.push(c),
            c if is_hidden(c) => said.push(MARK),
            c => said.push(c),
        }
        before = Some(c);
    }
    Cow::Owned(said)
}

/// Returns words for use in a sentence: one line, without the quotes that mark a command.
pub fn words(text: &str) -> String {
    line(text).replace('`', "'")
}

/// Returns a text of several lines that no terminal obeys. Tabs stay, because the text can be a script.
pub fn lines(text: &str) -> String {
    let parts = |l: &str| l.split('\t').map(|part| line(part).into_owned()).collect::<Vec<_>>().join("\t");
    text.split('\n').map(|l| parts(l.strip_suffix('\r').unwrap_or(l))).collect::<Vec<_>>().join("\n")
}

/// Returns a text whose characters keep their bytes, so that positions in it stay valid.
pub fn in_place(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mark = |c: char| match (c, c.len_utf8()) {
        ('\n' | '\t' | '\r', _) => c.to_string(),
        (c, _) if !is_hidden(c) => c.to_string(),
        (_, n) if n >= MARK.len_utf8() => format!("{MARK}{}", "?".repeat(n - MARK.len_utf8())),
        (_, n) => "?".repeat(n),
    };
    Cow::Owned(text.chars().map(mark).collect())
}

/// Returns a JSON document with such characters escaped. Nothing is lost, and it can be displayed.
pub fn json(text: String) -> String {
    // Between values, only layout blanks can occur.
    let is_layout = |c: char| matches!(c, '\n' | '\t' | '\r');
    if !text.contains(|c| is_hidden(c) && !is_layout(c)) {
        return text;
    }
    let mut safe = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        if is_hidden(c) && !is_layout(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| safe.push_str(&format!("\\u{unit:04x}")));
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_or_nobody_sees_becomes_a_mark() {
        for (hostile, shown) in [
            ("\u{1b}]52;c;eA==\u{7}", "\u{fffd}]52;c;eA==\u{fffd}"),
            ("\u{9d}0;title\u{9c}", "\u{fffd}0;title\u{fffd}"),
            ("a\u{202e}b\u{2066}c\u{61c}d\u{200f}", "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}"),
            ("a\u{200b}\u{200d}\u{feff}\u{ad}\u{7f}", "a\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            ("a\u{e0041}\u{fff9}\u{fe01}\u{fe0f}", "a\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            ("one\nerror: two\r\nthree\u{2028}four\u{85}", "one⏎error: two⏎three⏎four⏎"),
            ("a\tb", "a b"),
        ] {
            assert_eq!(line(hostile), shown);
        }
        for plain in ["équipe 팀 · → ✓", "⚠\u{fe0f} on fire", "i-0123456789abcdef0", ""] {
            assert!(matches!(line(plain), Cow::Borrowed(_)) || line(plain) == plain, "{plain}");
        }
        assert_eq!(lines("a\u{7}\r\n\tb\rc"), "a\u{fffd}\n\tb⏎c");
        assert_eq!(words("run `gameday teardown`\n"), "run 'gameday teardown'⏎");
    }

    #[test]
    fn places_in_a_text_still_hold() {
        let text = "a = \"\u{1b}\u{9b}\u{202e}\u{e0041}x\"\n";
        let safe = in_place(text);
        assert_eq!((safe.len(), safe.find('x')), (text.len(), text.find('x')));
        assert!(!safe.replace('\n', "").contains(is_hidden));
    }

    #[test]
    fn json_keeps_what_was_said() {
        let said = "a\u{1b}\u{7f}\u{9b}\u{202e}\u{2028}\u{e0041}b\n";
        for text in [serde_json::json!({ said: said }).to_string(), serde_json::to_string_pretty(&[said]).unwrap()] {
            let safe = json(text.clone());
            assert!(!safe.replace('\n', "").contains(is_hidden), "{safe}");
            let [back, was]: [serde_json::Value; 2] = [&safe, &text].map(|t| serde_json::from_str(t).unwrap());
            assert_eq!(back, was);
        }
        assert_eq!(json("{\"a\": \"é\"}".into()), "{\"a\": \"é\"}");
    }
}
