//! Words as a shell takes them, for commands that people type next.

/// Quotes one word for a shell where that is needed.
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/%+@,=".contains(c);
    let is_plain = !text.is_empty() && !text.starts_with(['~', '=']) && text.chars().all(plain);
    if is_plain { text.into() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn only_what_a_shell_would_change_is_quoted() {
        for plain in
            ["team", "a-b_c.d", "http://x/y?z".trim_end_matches("?z"), "arn:aws:iam::1:role/x", "me@example.com"]
        {
            assert_eq!(word(plain), plain);
        }
        for (text, quoted) in [
            ("My MacBook Pro", "'My MacBook Pro'"),
            ("équipe", "'équipe'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
            ("~/x", "'~/x'"),
            ("a$b", "'a$b'"),
            ("http://x/y?z=1&w", "'http://x/y?z=1&w'"),
        ] {
            assert_eq!(word(text), quoted);
        }
    }
}
