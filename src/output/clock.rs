//! The time until the first request, and suggestions to save time, in the same words in every view.
use super::style;
use crate::live::{Clock, Cut};
use std::time::Duration;

/// Returns the parts of the sentence, which views join with a dot. Empty if there is nothing to say.
pub fn words(c: &Clock) -> Vec<String> {
    let mut said = vec![];
    match c.left_seconds {
        Some(left) if left > 0 => said.push(format!("T-{} to the first request", time(left))),
        Some(left) => said.push(format!("T+{} since the first request", time(left))),
        None => {}
    }
    match c.eta_seconds.filter(|eta| c.building && *eta > 0) {
        Some(eta) if c.under_way => said.push(format!("ETA {}", time(eta as i64))),
        // Only somebody who builds can promise an ETA.
        Some(eta) => said.push(format!("{} to build", time(eta as i64))),
        None => {}
    }
    match c.slack_seconds {
        Some(slack) if slack < 0 => said.push(format!("late by {}", time(slack))),
        Some(slack) => said.push(format!("slack {}", time(slack))),
        None => {}
    }
    if let Some(key) = c.waiting_for.as_ref().filter(|_| c.under_way) {
        said.push(format!("waiting for {key}"));
    }
    said
}

/// Describes how much time a smaller variant would save, and how to request it.
pub fn cut(cut: &Cut) -> String {
    format!("saves {}: {} ({})", time(cut.gain_seconds as i64), cut.what, cut.setting)
}

fn time(seconds: i64) -> String {
    style::clock(Duration::from_secs(seconds.unsigned_abs()))
}
