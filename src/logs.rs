//! Logs of the instances: events of several log groups become one stream by time, with each event once.
//!
//! Events come in pages and in overlapping looks. The module is pure; only [`source`] asks AWS.
pub mod source;

#[cfg(test)]
mod tests;

use crate::error::Result;
use jiff::{SpanRelativeTo, Timestamp};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// How late an event can arrive without being missed.
pub const OVERLAP: Duration = Duration::from_secs(120);

/// The log that an event is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Log {
    /// The output of the application.
    App,
    /// The output of the boot script.
    Boot,
    /// The console output of the instance.
    Console,
}

impl Log {
    /// Returns the log's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Boot => "boot",
            Self::Console => "console",
        }
    }
}

/// One event of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Event {
    /// The time; `None` on the console, which keeps none.
    pub at: Option<Timestamp>,
    pub log: Log,
    /// The name of the service, if the stack has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    pub instance: String,
    pub message: String,
    /// AWS's own id of the event, which identifies it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
}

/// A page of a log group and the token of the next one. An empty page need not be the last.
#[derive(Debug, Default)]
pub struct Page {
    pub events: Vec<Event>,
    pub next: Option<String>,
}

/// Fetches all pages of one look.
pub async fn pages(mut fetch: impl AsyncFnMut(Option<String>) -> Result<Page>) -> Result<Vec<Event>> {
    let (mut all, mut token, mut seen) = (vec![], None, BTreeSet::new());
    loop {
        let page = fetch(token).await?;
        all.extend(page.events);
        // Some emulators repeat the same token endlessly, which is the end as well.
        match page.next {
            Some(next) if seen.insert(next.clone()) => token = Some(next),
            _ => return Ok(all),
        }
    }
}

/// The read position in one log group.
#[derive(Debug)]
pub struct Tail {
    since: Timestamp,
    from: Timestamp,
    /// The time of the newest event seen.
    newest: Option<Timestamp>,
    /// Events at or after `from`, which the next look returns again.
    seen: BTreeMap<String, Option<Timestamp>>,
}

impl Tail {
    /// Begins at a point in time.
    pub fn new(since: Timestamp) -> Self {
        Self { since, from: since, newest: None, seen: BTreeMap::new() }
    }

    /// Returns the start of the next look.
    pub fn from(&self) -> Timestamp {
        self.from
    }

    /// Adds all events of one look, made at `now`, and returns the new ones.
    pub fn take(&mut self, look: Vec<Event>, now: Timestamp) -> Vec<Event> {
        let new: Vec<Event> = look.into_iter().filter(|e| self.seen.insert(e.id.clone(), e.at).is_none()).collect();
        self.newest = new.iter().filter_map(|e| e.at).chain(self.newest).max();
        // Either clock can be ahead; the earlier time cannot skip anything.
        if let Some(newest) = self.newest {
            self.from = newest.min(now).checked_sub(OVERLAP).unwrap_or(self.since).max(self.since).max(self.from);
            self.seen.retain(|_, at| at.is_none_or(|at| at >= self.from));
        }
        new
    }
}

/// Merges logs by time. Events of the same moment stay in the order of their log.
pub fn interleave(logs: impl IntoIterator<Item = Vec<Event>>) -> Vec<Event> {
    let mut all: Vec<Event> = logs.into_iter().flatten().collect();
    all.sort_by_key(|e| e.at);
    all
}

/// Returns the part of `now` that a console printed after `before`. The console is a moving window that keeps only the
/// end.
pub fn beyond<'a>(before: &str, now: &'a str) -> &'a str {
    if let Some(rest) = now.strip_prefix(before) {
        return rest;
    }
    // The last few lines do not repeat by chance.
    let mut start = before.len().saturating_sub(400);
    while !before.is_char_boundary(start) {
        start += 1;
    }
    let tail = &before[start..];
    match now.rfind(tail) {
        Some(at) if !tail.is_empty() => &now[at + tail.len()..],
        _ => now,
    }
}

/// Parses a duration such as `10m`, `2h`, `1h30m` or `1d`.
pub fn since(text: &str) -> Result<Duration, String> {
    let wrong = || "a time such as 90s, 10m, 2h or 1h30m".to_owned();
    let span: jiff::Span = text.trim().parse().map_err(|_| wrong())?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    Duration::try_from(length).ok().filter(|d| !d.is_zero()).ok_or_else(wrong)
}
