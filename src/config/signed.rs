//! Signed URLs: their validity, and the parts that nobody else is allowed to see.
use jiff::{SignedDuration, Timestamp, civil};

/// The validity of a signed URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Valid until this moment.
    Until(Timestamp),
    /// Signed, but without a readable moment.
    Unknown,
}

/// Parameters that are a signature, or give the right to read.
const SECRET: &[&str] =
    &["x-amz-signature", "x-amz-security-token", "x-goog-signature", "x-oss-signature", "signature", "sig"];

/// Returns the validity of a URL if it is signed.
pub fn validity(url: &str) -> Option<Validity> {
    let query = url.split_once('?')?.1.split('#').next().unwrap_or_default();
    let all: Vec<(String, String)> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_ascii_lowercase(), unescaped(value)))
        .collect();
    let get = |key: &str| all.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
    if !SECRET.iter().any(|key| get(key).is_some()) {
        return None;
    }
    // S3 and similar services, Google, Alibaba: a moment of signing and a number of seconds.
    for kind in ["amz", "goog", "oss"] {
        let (date, seconds) = (get(&format!("x-{kind}-date")), get(&format!("x-{kind}-expires")));
        if let (Some(date), Some(seconds)) = (date, seconds) {
            let until = moment(date)
                .zip(seconds.parse().ok())
                .and_then(|(from, seconds)| from.checked_add(SignedDuration::from_secs(seconds)).ok());
            return Some(until.map_or(Validity::Unknown, Validity::Until));
        }
    }
    // Older URLs of S3 and Google, and CloudFront: seconds since 1970. Azure: a date.
    let seconds = get("expires").and_then(|s| Timestamp::from_second(s.parse().ok()?).ok());
    let until = seconds.or_else(|| moment(get("se")?));
    Some(until.map_or(Validity::Unknown, Validity::Until))
}

/// Reads a moment such as `20261129T100000Z`, `2026-11-29T10:00:00Z` or `2026-11-29`.
fn moment(text: &str) -> Option<Timestamp> {
    let day = |text: &str, form: &str| civil::Date::strptime(form, text).ok()?.in_tz("UTC").ok();
    let compact = || civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?.in_tz("UTC").ok();
    let minutes = || civil::DateTime::strptime("%Y-%m-%dT%H:%MZ", text).ok()?.in_tz("UTC").ok();
    if let Ok(moment) = text.parse() {
        return Some(moment);
    }
    compact().or_else(minutes).or_else(|| day(text, "%Y-%m-%d")).map(|z| z.timestamp())
}

/// Writes a duration such as `3 days and 4 hours` or `50 minutes`.
pub(crate) fn long(duration: SignedDuration) -> String {
    let minutes = duration.as_mins().max(0);
    let (days, hours) = (minutes / 1440, minutes / 60 % 24);
    let n = |n: i64, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    match (days, hours) {
        (0, 0) => n(minutes, "minute"),
        (0, hours) => format!("{} and {}", n(hours, "hour"), n(minutes % 60, "minute")),
        (days, 0) => n(days, "day"),
        (days, hours) => format!("{} and {}", n(days, "day"), n(hours, "hour")),
    }
}

/// Returns the ranges of the secret values in a text with signed URLs.
fn secrets(text: &str) -> Vec<std::ops::Range<usize>> {
    // The byte lengths stay, since only ASCII letters change.
    let lower = text.to_ascii_lowercase();
    let mut found = vec![];
    for key in SECRET {
        for (at, _) in lower.match_indices(key) {
            let begins = at > 0 && matches!(lower.as_bytes()[at - 1], b'?' | b'&' | b';');
            if !begins || lower.as_bytes().get(at + key.len()) != Some(&b'=') {
                continue;
            }
            let from = at + key.len() + 1;
            let length = text[from..].find(|c: char| c.is_whitespace() || "&\"'#<>`;)".contains(c));
            found.push(from..length.map_or(text.len(), |l| from + l));
        }
    }
    found.retain(|range| !range.is_empty());
    found.sort_by_key(|range| range.start);
    found
}

/// Returns the text with dots for the secrets of its signed URLs.
pub fn masked(text: &str) -> String {
    replaced(text, |_| "••••••••".into())
}

/// Masks the secrets without moving any other byte.
pub(crate) fn masked_in_place(text: &str) -> String {
    replaced(text, |secret| "*".repeat(secret.len()))
}

fn replaced(text: &str, with: impl Fn(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for range in secrets(text) {
        out.push_str(&text[at..range.start]);
        out.push_str(&with(&text[range.clone()]));
        at = range.end;
    }
    out.push_str(&text[at..]);
    out
}

fn unescaped(text: &str) -> String {
    let mut out = vec![];
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let hex = |at: usize| bytes.get(at).and_then(|b| (*b as char).to_digit(16));
        match (bytes[at], hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (b, ..) => {
                out.push(b);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_urls_say_until_when_they_hold() {
        let until = |text: &str| Some(Validity::Until(text.parse().unwrap()));
        for (query, expected) in [
            (
                "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20261129T100000Z&X-Amz-Expires=3600&X-Amz-Signature=ab",
                until("2026-11-29T11:00:00Z"),
            ),
            ("x-amz-date=20261129T100000Z&x-amz-expires=604800&x-amz-signature=ab", until("2026-12-06T10:00:00Z")),
            ("AWSAccessKeyId=AKIA&Signature=a%2Bb&Expires=1795946400", until("2026-11-29T10:00:00Z")),
            ("X-Goog-Date=20261129T100000Z&X-Goog-Expires=900&X-Goog-Signature=ab", until("2026-11-29T10:15:00Z")),
            ("GoogleAccessId=a%40b&Expires=1795946400&Signature=x", until("2026-11-29T10:00:00Z")),
            ("sv=2024-11-04&se=2026-11-29T10%3A00%3A00Z&sr=b&sp=r&sig=abc%3D", until("2026-11-29T10:00:00Z")),
            ("sv=2024-11-04&se=2026-11-29T10:00Z&sig=abc", until("2026-11-29T10:00:00Z")),
            ("sv=2024-11-04&se=2026-11-29&sig=abc", until("2026-11-29T00:00:00Z")),
            ("Policy=eyJ&Signature=abc&Key-Pair-Id=K1", Some(Validity::Unknown)),
            ("X-Amz-Date=yesterday&X-Amz-Expires=3600&X-Amz-Signature=ab", Some(Validity::Unknown)),
            ("version=3", None),
            ("expires=never", None),
        ] {
            assert_eq!(validity(&format!("https://b.example/server?{query}")), expected, "{query}");
        }
        assert_eq!(validity("https://b.example/server"), None);
    }

    #[test]
    fn the_secret_part_is_masked() {
        let url =
            "https://b.example/server?X-Amz-Credential=AKIA%2F&X-Amz-Security-Token=FwoG%2B&X-Amz-Signature=abcdef&x=1";
        assert_eq!(
            masked(&format!("SOURCE='{url}' # x")),
            "SOURCE='https://b.example/server?X-Amz-Credential=AKIA%2F&X-Amz-Security-Token=••••••••&X-Amz-Signature=••••••••&x=1' # x"
        );
        let text = format!("source = \"{url}\"\n");
        assert_eq!(masked_in_place(&text).len(), text.len());
        assert!(!masked_in_place(&text).contains("abcdef"));
        for url in [
            "https://a/b?se=2026-11-29&sig=abc%3D",
            "https://a/b?Expires=1&Signature=abc",
            "https://a/b?Signature=abc&Expires=1",
        ] {
            assert!(!masked(url).contains("abc"), "{url}");
        }
        assert_eq!(masked("sig=abc"), "sig=abc", "not in a URL");
    }

    #[test]
    fn how_long_that_is() {
        for (seconds, text) in [
            (59, "0 minutes"),
            (3000, "50 minutes"),
            (3660, "1 hour and 1 minute"),
            (86400, "1 day"),
            (277_200, "3 days and 5 hours"),
            (-5, "0 minutes"),
        ] {
            assert_eq!(long(SignedDuration::from_secs(seconds)), text);
        }
    }
}
