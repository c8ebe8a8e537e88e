//! The big screen's data, and the messages of its server.
use super::{
    Printer,
    live::{LiveRound, Row, Sort, rows},
    style::*,
};
use crate::{
    diagnose::{Finding, Hop},
    live::{Event, LiveState, in_short},
    parts::{balancer::measure as balancer, metric::MetricRow},
    snapshot::{Activity, Alarm},
    verdict::{Verdict, Word},
};
use jiff::Timestamp;
use serde::Serialize;
use std::net::SocketAddr;

/// The number of events that are shown.
pub const EVENTS: usize = 60;
/// The number of our own requests that are drawn: five minutes.
const ANSWERS: usize = 300;
/// The number of CloudWatch's minutes that are drawn.
const MINUTES: usize = 60;

/// The answer of `GET /status`: a round of `status --watch -o json` (its `events` are the last 60), and the data behind
/// its numbers.
#[derive(Serialize, schemars::JsonSchema)]
pub struct Picture<'a> {
    #[serde(flatten)]
    round: LiveRound<'a>,
    verdict_since: Option<Timestamp>,
    /// The service with the worst verdict, of which the rest tells.
    service: &'a str,
    seen: &'a Verdict,
    /// Its request path, hop by hop.
    chain: &'a [Hop],
    /// Its findings, the most important first.
    findings: Vec<&'a Finding>,
    instances: Vec<Row>,
    alarms: &'a [Alarm],
    activities: Vec<Did<'a>>,
    history: History,
    region: &'a str,
    /// True for the local emulator instead of AWS.
    sandbox: bool,
}

/// The actions of Auto Scaling with their reasons, in words.
#[derive(Serialize, schemars::JsonSchema)]
struct Did<'a> {
    at: Timestamp,
    status: &'a str,
    text: String,
}

impl<'a> Did<'a> {
    fn new(a: &'a Activity) -> Self {
        Self { at: a.start, status: &a.status, text: in_short(a) }
    }
}

/// Values for the graphs, the oldest first.
#[derive(Serialize, schemars::JsonSchema)]
struct History {
    /// Our own requests: time, milliseconds, HTTP status (0: no answer).
    answers: Vec<(i64, u32, u16)>,
    /// CloudWatch's values by the minute, empty without CloudWatch.
    requests: Vec<f64>,
    errors: Vec<f64>,
    /// The 90th percentile in milliseconds.
    p90: Vec<f64>,
    /// The worst word of each of the last 60 minutes, null for minutes without a look.
    words: Vec<Option<Word>>,
    /// The reason why CloudWatch has no values.
    silent: Option<String>,
}

impl<'a> Picture<'a> {
    pub fn new(state: &'a LiveState, round: LiveRound<'a>, sandbox: bool) -> Self {
        let look = state.snapshot.as_deref();
        Self {
            round,
            verdict_since: state.verdict_since,
            service: look.map_or("", |s| &s.whose.service),
            seen: &state.verdict,
            chain: &state.chain.hops,
            findings: state.chain.findings(),
            instances: rows(state, Sort::Zone),
            alarms: look.map_or(&[], |s| &s.alarms),
            activities: look.map_or(vec![], |s| s.activities.iter().take(8).map(Did::new).collect()),
            history: History::of(state),
            region: look.map_or("", |s| &s.whose.region),
            sandbox,
        }
    }
}

impl History {
    fn of(state: &LiveState) -> Self {
        let kept = &state.seconds;
        let answers = kept.iter().skip(kept.len().saturating_sub(ANSWERS)).map(|s| (s.at, s.millis, s.status));
        let minutes = |metric: &MetricRow| state.minutes.recent(metric, MINUTES);
        let both = minutes(&balancer::TARGET_5XX).into_iter().zip(minutes(&balancer::ELB_5XX));
        Self {
            answers: answers.collect(),
            requests: minutes(&balancer::REQUESTS),
            errors: both.map(|(a, b)| a + b).collect(),
            p90: minutes(&balancer::P90).into_iter().map(|s| s * 1000.0).collect(),
            words: words(state),
            silent: state.no_metrics.clone(),
        }
    }
}

fn words(state: &LiveState) -> Vec<Option<Word>> {
    let now = state.now.as_second().div_euclid(60);
    let of = |minute: i64| state.words.iter().find(|(at, _)| *at == minute).map(|(_, word)| *word);
    (now - MINUTES as i64 + 1..=now).map(of).collect()
}

/// Returns the last events, the oldest first.
pub fn events(state: &LiveState) -> Vec<Event> {
    state.events.iter().skip(state.events.len().saturating_sub(EVENTS)).cloned().collect()
}

/// Prints the server's address, which is the first line on stdout for people and scripts.
pub fn listening(out: &Printer, at: SocketAddr, token: bool) {
    // A browser cannot open the address that means all interfaces.
    let to = if at.ip().is_unspecified() { format!("localhost:{}", at.port()) } else { at.to_string() };
    let url = format!("http://{to}/");
    if out.json() {
        return out.line(&serde_json::json!({
            "at": Timestamp::now(), "event": "listening", "url": url, "address": at, "token": token,
        }));
    }
    let who = match (at.ip().is_loopback(), token) {
        (true, true) => "this machine only; changes need the token",
        (true, false) => "this machine only; no changes: there is no GAMEDAY_TOKEN",
        (false, _) => "everybody who reaches this machine and has the token",
    };
    out.data(format!("serving on {TITLE}{url}{RESET} for {who}; Ctrl-C ends it"));
}

/// Prints an action that was requested over HTTP and done.
pub fn done(out: &Printer, text: &str) {
    if out.json() {
        return out.line(&serde_json::json!({"at": Timestamp::now(), "event": "changed", "what": text}));
    }
    out.note(text);
}
