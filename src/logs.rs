//! The logs of the instances, as one stream by time.
//!
//! Events of several log groups come in pages and overlapping looks; the stream has each event once. [`source`] asks
//! AWS, the rest is pure.
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

/// How late an event may arrive without being missed.
pub const OVERLAP: Duration = Duration::from_secs(120);

/// The log that an event is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Log {
    /// What the application writes.
    App,
    /// What the boot script says.
    Boot,
    /// What the system says on its console.
    Console,
}

impl Log {
    /// Returns the log's word, as in names of log groups and in JSON.
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
    /// The time of the event; `None` on the console, which keeps no time.
    pub at: Option<Timestamp>,
    pub log: Log,
    pub instance: String,
    pub message: String,
    /// AWS's own id of the event, which tells it from equal ones.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
}

/// A page of a log group and the token of the next one. An empty page is not necessarily the last.
#[derive(Debug, Default)]
pub struct Page {
    pub events: Vec<Event>,
    /// The token of the next page.
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
    /// Makes a position at this time.
    pub fn new(since: Timestamp) -> Self {
        Self { since, from: since, newest: None, seen: BTreeMap::new() }
    }

    /// Returns the start of the next look.
    pub fn from(&self) -> Timestamp {
        self.from
    }

    /// Takes all events of one look, made at `now`, and returns the new ones.
    pub fn take(&mut self, look: Vec<Event>, now: Timestamp) -> Vec<Event> {
        let new: Vec<Event> = look.into_iter().filter(|e| self.seen.insert(e.id.clone(), e.at).is_none()).collect();
        self.newest = new.iter().filter_map(|e| e.at).chain(self.newest).max();
        // Either clock may be ahead; the earlier time cannot skip anything.
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

/// Returns what a console printed after `before`. The console is a moving window that keeps only the end.
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

/// Parses a length of time: `10m`, `2h`, `1h30m`, `1d`.
pub fn since(text: &str) -> Result<Duration, String> {
    let wrong = || "a time such as 90s, 10m, 2h or 1h30m".to_owned();
    let span: jiff::Span = text.trim().parse().map_err(|_| wrong())?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    Duration::try_from(length).ok().filter(|d| !d.is_zero()).ok_or_else(wrong)
}
