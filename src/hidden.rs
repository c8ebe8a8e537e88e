//! Hides passwords: the ones that this process knows become dots in everything it prints, however they got there.
use crate::engine::secret;
use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use std::borrow::Cow;

/// The text that is shown in place of a password.
pub const DOTS: &str = "••••••••";
/// The shortest password that is hidden everywhere: a shorter one can be part of other words. Known places in scripts
/// use a smaller limit.
const SHORTEST: usize = 6;
const SHORTEST_ANYWHERE: usize = 8;

/// Replaces the passwords that this process knows.
pub fn known(text: &str) -> Cow<'_, str> {
    let values: Vec<String> = secret::known().into_iter().filter(|v| v.len() >= SHORTEST_ANYWHERE).collect();
    without(text, &values)
}

/// Replaces these values in any of their encoded forms.
pub fn without<'a>(text: &'a str, values: &[String]) -> Cow<'a, str> {
    let mut shown = Cow::Borrowed(text);
    for form in values.iter().filter(|v| v.len() >= SHORTEST).flat_map(|v| forms(v)) {
        if shown.contains(&form) {
            shown = Cow::Owned(shown.replace(&form, DOTS));
        }
    }
    shown
}

/// Returns the forms of a value in scripts, JSON, URLs and base64, the longest first.
fn forms(value: &str) -> Vec<String> {
    let json = serde_json::Value::from(value).to_string();
    let mut all = vec![
        value.to_owned(),
        json[1..json.len() - 1].to_owned(),
        value.replace('\'', r"'\''"),
        value.bytes().map(|b| format!("{b:02x}")).collect(),
        escaped(value, |c| c.is_ascii_alphanumeric() || "-._~".contains(c)),
        escaped(value, |c| c.is_ascii_alphanumeric()),
    ];
    all.extend((0..3).map(|before| in_base64(value, before)).filter(|core| core.len() >= SHORTEST));
    all.sort_by_key(|form| std::cmp::Reverse(form.len()));
    all.dedup();
    all
}

fn escaped(value: &str, plain: impl Fn(char) -> bool) -> String {
    let one = |b: u8| if plain(char::from(b)) { char::from(b).to_string() } else { format!("%{b:02X}") };
    value.bytes().map(one).collect()
}

/// Returns the part of a value's base64 that does not depend on the text around it, after `before` bytes.
fn in_base64(value: &str, before: usize) -> String {
    let text = BASE64_STANDARD_NO_PAD.encode([&vec![0; before], value.as_bytes()].concat());
    let from = (before * 8).div_ceil(6);
    let to = (before + value.len()) * 8 / 6;
    text.get(from..to).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::prelude::BASE64_STANDARD;

    #[test]
    fn a_password_is_hidden_in_whichever_form_it_stands() {
        let values = ["hun'ter2\"$ü".to_owned(), "0CYAZVDpL7mNqRstUvWx".to_owned()];
        for value in &values {
            let json = serde_json::json!({ "x": value }).to_string();
            let hex: String = value.bytes().map(|b| format!("{b:02x}")).collect();
            let mut texts = vec![
                format!("echo {value} | passwd"),
                json,
                format!("echo '{}'", value.replace('\'', r"'\''")),
                hex,
                escaped(value, |c| c.is_ascii_alphanumeric()),
            ];
            texts.extend(
                ["", "a", "ab", "user:"].map(|before| BASE64_STANDARD.encode(format!("{before}{value}\nmore"))),
            );
            for text in texts {
                let shown = without(&text, &values);
                assert!(shown.contains(DOTS), "{text} → {shown}");
                assert!(!shown.contains(value.as_str()));
            }
        }
        assert!(matches!(without("nothing of it", &values), Cow::Borrowed(_)));
        assert_eq!(without("a short one", &["one".to_owned()]), "a short one");
    }
}
