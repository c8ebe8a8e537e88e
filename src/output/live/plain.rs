//! The output without a terminal: JSON for scripts, a line per change for logs.
use crate::{
    live::{Cost, Event, EventKind, Latency, LiveState, Metric, Trouble},
    output::{Printer, status::Overview, style::*},
};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// One round of `status --watch -o json`: everything of `status -o json`, and the values that move.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "Told")]
pub struct LiveRound<'a> {
    pub at: Timestamp,
    pub event: &'static str,
    #[serde(flatten)]
    pub overview: Option<Overview<'a>>,
    pub probe: Latency,
    /// The newest value of each metric.
    pub metrics: BTreeMap<String, f64>,
    pub cost: Option<&'a Cost>,
    pub trouble: Option<&'a Trouble>,
    /// Seconds since AWS last answered.
    pub age_seconds: Option<i64>,
    pub calls_per_minute: u64,
    /// The events since the last round.
    pub events: &'a [Event],
}

impl<'a> LiveRound<'a> {
    pub fn new(state: &'a LiveState, overview: Option<Overview<'a>>, events: &'a [Event]) -> Self {
        let name = |m: Metric| match m {
            Metric::Zone(i) => {
                let zone = state.snapshot.as_ref().and_then(|s| s.expected.zones.get(usize::from(i)).cloned());
                format!("requests_in_{}", zone.unwrap_or_else(|| i.to_string()))
            }
            Metric::Of(key) => key.into(),
        };
        Self {
            at: state.now,
            event: "round",
            overview,
            probe: state.latency(),
            metrics: state.minutes.all_latest(state.now).into_iter().map(|(m, v)| (name(m), v)).collect(),
            cost: state.cost.as_ref(),
            trouble: state.trouble.as_ref(),
            age_seconds: state.age(),
            calls_per_minute: state.rate,
            events,
        }
    }
}

/// Prints a line for each important event: verdicts, and problems with AWS.
pub fn news(out: &Printer, events: &[Event]) {
    for e in events {
        let style = match e.good {
            Some(true) => GOOD,
            Some(false) => BAD,
            None => DIM,
        };
        if out.verbose > 0 || matches!(e.kind, EventKind::Verdict | EventKind::Trouble | EventKind::Alarm) {
            out.data(format!("{DIM}{}{RESET} {style}{}{RESET}", e.at.strftime("%FT%TZ"), e.text));
        }
    }
}

/// Prints a sign of life with the state of the stack. Returns false if nobody reads it.
pub fn heartbeat(out: &Printer, state: &LiveState) -> bool {
    let worst = state.worst();
    let style = verdict(worst.word());
    let at = state.now.strftime("%FT%TZ");
    let old = state.age().filter(|a| *a > 60).map_or(String::new(), |a| format!(" · seen {a} s ago"));
    out.try_data(format!("{DIM}{at}{RESET} {style}{worst}{RESET}{old} · {} calls a minute", state.rate))
}
