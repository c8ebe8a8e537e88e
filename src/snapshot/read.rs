//! Helpers to read AWS's answers. States keep AWS's own words, so that a state that is new on AWS is still readable.
use super::Whose;
use aws_sdk_ec2::types::Tag;
use aws_smithy_types::DateTime;
use jiff::Timestamp;

/// Converts a time of the SDK.
pub(crate) fn time(t: &DateTime) -> Option<Timestamp> {
    Timestamp::new(t.secs(), t.subsec_nanos() as i32).ok()
}

/// Converts a port of the SDK; 0 if it is absent or out of range.
pub(crate) fn port(p: Option<i32>) -> u16 {
    p.and_then(|p| u16::try_from(p).ok()).unwrap_or_default()
}

/// Turns an empty text into `None`.
pub(crate) fn some(s: Option<String>) -> Option<String> {
    s.filter(|s| !s.is_empty())
}

/// Returns the key of the stack's step that an EC2 object is, by its tags.
pub(crate) fn step(tags: &[Tag], whose: &Whose) -> Option<String> {
    let value = |key: &str| tags.iter().find(|t| t.key() == Some(key)).and_then(|t| t.value());
    (value(whose.keys.stack()) == Some(whose.stack.as_str()))
        .then(|| value(whose.keys.step()).unwrap_or_default().to_owned())
}
