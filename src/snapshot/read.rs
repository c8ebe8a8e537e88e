//! What the readers of AWS's answers share. Words stay AWS's own, so that a state of tomorrow is still readable.
use super::Whose;
use aws_sdk_ec2::types::Tag;
use aws_smithy_types::DateTime;
use jiff::Timestamp;

pub(crate) fn time(t: &DateTime) -> Option<Timestamp> {
    Timestamp::new(t.secs(), t.subsec_nanos() as i32).ok()
}

pub(crate) fn port(p: Option<i32>) -> u16 {
    p.and_then(|p| u16::try_from(p).ok()).unwrap_or_default()
}

pub(crate) fn some(s: Option<String>) -> Option<String> {
    s.filter(|s| !s.is_empty())
}

/// Returns which step of the stack an EC2 object is, by its tags.
pub(crate) fn step(tags: &[Tag], whose: &Whose) -> Option<String> {
    let value = |key: &str| tags.iter().find(|t| t.key() == Some(key)).and_then(|t| t.value());
    (value(whose.keys.stack()) == Some(whose.stack.as_str()))
        .then(|| value(whose.keys.step()).unwrap_or_default().to_owned())
}
