//! The state of the live screen, folded from rounds. Its memory is bounded: five hours take no more than one.
mod services;

use super::clock::Times;
use super::{
    Clock, Cost, Event, EventKind, Metric, Metrics, Ring, Round, Series, Trouble, TroubleKind, event, percentile,
};
use crate::{
    diagnose::{self, Chain},
    lease::Holder,
    snapshot::{self, Snapshot},
    verdict::{Build, Judged, Verdict, Word},
};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// The number of answers that are kept: one a second, for five hours.
const SECONDS: usize = 5 * 3600;
/// The number of minutes of each metric that are kept: five hours.
const MINUTES: usize = 5 * 60;
const EVENTS: usize = 500;
/// The seconds that the current latency is computed from.
const RECENT: usize = 300;
/// The number of minutes whose worst word is kept: the last hour.
const HOUR: usize = 60;
/// The number of last answers that decide, because one lost request is no outage.
const LAST: usize = 3;

/// One answer to gameday's own request, small enough to keep for hours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Second {
    /// Seconds since the epoch.
    pub at: i64,
    pub millis: u32,
    /// The HTTP status; 0: no answer.
    pub status: u16,
}

impl Second {
    /// True if the status is 2xx or 3xx.
    pub fn good(self) -> bool {
        (200..400).contains(&self.status)
    }
}

/// The latency of gameday's own requests, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Latency {
    /// The number of requests.
    pub asked: usize,
    pub failed: usize,
    pub p50: Option<u32>,
    pub p90: Option<u32>,
    pub p99: Option<u32>,
}

/// CloudWatch metrics by the minute.
#[derive(Clone, Debug, Default)]
pub struct Minutes(BTreeMap<Metric, Series>);

impl Minutes {
    fn take(&mut self, news: Metrics) {
        for (metric, series) in news.0 {
            let kept = self.0.entry(metric).or_default();
            // Later answers correct earlier ones.
            kept.extend(series);
            while kept.len() > MINUTES {
                kept.pop_first();
            }
        }
    }

    /// Returns the newest value, if it is less than ten minutes old.
    pub fn latest(&self, metric: impl Into<Metric>, now: Timestamp) -> Option<f64> {
        let (at, value) = self.0.get(&metric.into())?.last_key_value()?;
        (now.as_second() - at < 600).then_some(*value)
    }

    /// Returns the last `count` minutes that CloudWatch has reported. A minute without a value is 0.
    pub fn recent(&self, metric: impl Into<Metric>, count: usize) -> Vec<f64> {
        let Some(end) = self.0.values().filter_map(|s| s.last_key_value()).map(|(at, _)| *at).max() else {
            return vec![];
        };
        let of = self.0.get(&metric.into());
        let at = |back: usize| of.and_then(|s| s.get(&(end - 60 * back as i64))).copied().unwrap_or(0.0);
        (0..count).rev().map(at).collect()
    }

    /// True if there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Returns the number of values of all metrics.
    pub fn len(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }
    /// Returns every metric's newest value, if it is less than ten minutes old.
    pub fn all_latest(&self, now: Timestamp) -> BTreeMap<Metric, f64> {
        self.0.keys().filter_map(|m| Some((*m, self.latest(*m, now)?))).collect()
    }
}

/// Everything that the live screen shows.
#[derive(Clone, Debug)]
pub struct LiveState {
    pub now: Timestamp,
    pub snapshot: Option<Box<Snapshot>>,
    /// The other services of the stack, the worst first.
    pub others: Vec<Judged>,
    /// When AWS last answered about the stack.
    pub seen_at: Option<Timestamp>,
    pub chain: Chain,
    pub verdict: Verdict,
    /// When the word of the verdict last changed.
    pub verdict_since: Option<Timestamp>,
    /// The same for the other services.
    since: BTreeMap<String, Timestamp>,
    /// True if the user has chosen to see a service that is not the worst.
    is_chosen: bool,
    /// The worst word of each minute, with the minute, counted from the epoch.
    pub words: Ring<(i64, Word)>,
    pub seconds: Ring<Second>,
    pub minutes: Minutes,
    pub events: Ring<Event>,
    /// The number of events so far, including those that are no longer kept.
    pub told: usize,
    pub cost: Option<Cost>,
    pub trouble: Option<Trouble>,
    /// Why there are no CloudWatch metrics.
    pub no_metrics: Option<String>,
    pub times: Times,
    /// The holder of the lease, who works on the stack.
    pub at_work: Option<Holder>,
    /// The latest log lines of an instance, if somebody asked: its id, and the lines or why there are none.
    pub logs: Option<(String, Result<Vec<String>, String>)>,
    /// The number of AWS calls in the last minute.
    pub rate: u64,
    /// The last answers, which decide about the verdict.
    last: Ring<snapshot::Answer>,
}

impl LiveState {
    /// Creates the state before the first round.
    pub fn new(now: Timestamp, times: Times) -> Self {
        Self {
            now,
            snapshot: None,
            others: vec![],
            seen_at: None,
            chain: Chain { hops: vec![] },
            verdict: Verdict::default(),
            verdict_since: None,
            since: BTreeMap::new(),
            is_chosen: false,
            words: Ring::new(HOUR),
            seconds: Ring::new(SECONDS),
            minutes: Minutes::default(),
            events: Ring::new(EVENTS),
            told: 0,
            cost: None,
            trouble: None,
            no_metrics: None,
            times,
            at_work: None,
            logs: None,
            rate: 0,
            last: Ring::new(LAST),
        }
    }

    /// Adds a round to the state. Returns the events that it caused.
    pub fn fold(&mut self, round: Round) -> Vec<Event> {
        let at = round.at;
        self.now = self.now.max(at);
        let mut news = vec![];
        let seen = !round.services.is_empty() || round.targets.is_some() || round.metrics.is_some();
        let trouble = round.trouble.or_else(|| round.services.iter().find_map(|one| Trouble::of_look(&one.snapshot)));
        self.troubled(at, trouble.clone(), seen, &mut news);

        // A failed look must not erase what was seen before.
        let blind = trouble.is_some();
        if !blind && !round.services.is_empty() {
            self.seen_at = Some(at);
            self.look_at_services(at, round.services, &mut news);
        }
        // Another service can be shown since these were asked for.
        let is_shown = round.service.is_empty() || round.service == self.verdict.service;
        if let (Some(targets), Some(s)) = (round.targets.filter(|_| !blind && is_shown), &self.snapshot) {
            self.seen_at = Some(at);
            if s.targets != targets {
                let new = Snapshot { targets, ..(**s).clone() };
                self.look(at, new, &mut news);
            }
        }
        if let Some(asked) = round.answer.filter(|_| is_shown) {
            self.answered(at, asked, &mut news);
        }
        if round.no_metrics.is_some() {
            self.no_metrics = round.no_metrics;
        }
        if let Some(metrics) = round.metrics {
            self.no_metrics = None;
            self.minutes.take(metrics);
        }
        if let Some(cost) = round.cost {
            self.cost = Some(cost);
        }
        if let Some(steps) = round.steps {
            self.times.see(at, steps);
        }
        if let Some(holder) = round.at_work {
            self.at_work = holder;
        }
        if self.verdict_since.is_some() && self.verdict.build != self.build() {
            let verdict = Verdict { build: self.build(), ..self.verdict.clone() };
            self.judge(at, verdict, &mut news);
            let others = self.others.clone();
            self.judge_others(at, others, &mut news);
        }
        let is_worse = self.others.first().is_some_and(|one| one.verdict.word() > self.verdict.word());
        if is_worse && !self.is_chosen {
            self.show(0);
        }
        // A minute in which nothing can be seen is left out of the hour's strip.
        let sees = self.trouble.is_none() || self.verdict.answer.is_some();
        if self.verdict_since.is_some() && sees {
            self.keep_word(at);
        }
        for e in &news {
            self.events.push(e.clone());
        }
        self.told += news.len();
        news
    }

    fn troubled(&mut self, at: Timestamp, new: Option<Trouble>, seen: bool, news: &mut Vec<Event>) {
        let kind = |t: &Option<Trouble>| t.as_ref().map(|t| t.kind);
        if kind(&new) == kind(&self.trouble) || (new.is_none() && !seen) {
            return;
        }
        news.push(match &new {
            Some(t) => Event::new(at, EventKind::Trouble, false, t.in_words()),
            None => Event::new(at, EventKind::Trouble, true, "AWS answers again"),
        });
        self.trouble = new;
    }

    fn look(&mut self, at: Timestamp, new: Snapshot, news: &mut Vec<Event>) {
        let chain = diagnose::chain(&new);
        let mut verdict = Verdict { build: self.build(), ..Verdict::of(&new) };
        if !self.last.is_empty() {
            verdict.answer = self.recent_answer();
        }
        if let Some(old) = &self.snapshot {
            news.extend(event::between(at, old, &new));
            // A hop that does not exist yet, or no longer, is neither broken nor fixed.
            let stands = |v: &Verdict| !matches!(v.word(), Word::Building | Word::NotBuilt);
            if stands(&verdict) {
                let nothing = Chain { hops: vec![] };
                let before = if stands(&self.verdict) { &self.chain } else { &nothing };
                news.extend(event::of_chain(at, before, &chain));
            }
        }
        self.chain = chain;
        self.snapshot = Some(Box::new(new));
        self.judge(at, verdict, news);
    }

    fn judge(&mut self, at: Timestamp, verdict: Verdict, news: &mut Vec<Event>) {
        match self.verdict_since {
            None => self.verdict_since = Some(at),
            Some(_) => {
                let change = event::of_verdict(at, &self.verdict, &verdict);
                if change.is_some() {
                    self.verdict_since = Some(at);
                }
                news.extend(change);
            }
        }
        self.verdict = verdict;
        if self.verdict.word() == Word::NotBuilt {
            self.cost = None;
        }
    }

    fn answered(&mut self, at: Timestamp, new: snapshot::Answer, news: &mut Vec<Event>) {
        let millis = u32::try_from(new.millis).unwrap_or(u32::MAX);
        self.seconds.push(Second { at: at.as_second(), millis, status: new.status.unwrap_or(0) });
        self.last.push(new.clone());
        let Some(s) = &self.snapshot else { return };
        let mut verdict = self.verdict.clone();
        (verdict.answer, verdict.unasked) = (self.recent_answer(), None);
        let stage =
            |a: &snapshot::Answer| a.beacon.as_ref().map(|b| (b.instance.clone(), b.stage.clone(), b.status.clone()));
        let before = s.probe.answers.iter().position(|o| o.address == new.address);
        let booted = before.is_some_and(|i| stage(&s.probe.answers[i]) != stage(&new));
        if event::word(&verdict) == event::word(&self.verdict) && !booted {
            self.verdict = verdict;
            return;
        }
        // The path has to agree with the verdict.
        if let Some(i) = before {
            let mut changed = (**s).clone();
            changed.probe.answers[i] = new;
            let chain = diagnose::chain(&changed);
            news.extend(event::between(at, s, &changed));
            news.extend(event::of_chain(at, &self.chain, &chain));
            (self.chain, self.snapshot) = (chain, Some(Box::new(changed)));
        }
        self.judge(at, verdict, news);
    }

    /// Returns the newest answer that agrees with most of the last ones.
    fn recent_answer(&self) -> Option<snapshot::Answer> {
        let bad = self.last.iter().filter(|a| !a.good()).count();
        let want_good = bad * 2 < self.last.len();
        self.last.iter().rev().find(|a| a.good() == want_good).cloned()
    }

    /// Returns the latency of the requests of the last five minutes.
    pub fn latency(&self) -> Latency {
        let from = self.now.as_second() - RECENT as i64;
        let recent: Vec<Second> = self.seconds.iter().rev().take_while(|s| s.at >= from).copied().collect();
        let mut millis: Vec<u32> = recent.iter().filter(|s| s.status != 0).map(|s| s.millis).collect();
        millis.sort_unstable();
        let of = |p| percentile(&millis, p);
        let failed = recent.iter().filter(|s| !s.good()).count();
        Latency { asked: recent.len(), failed, p50: of(50), p90: of(90), p99: of(99) }
    }

    /// Returns the clock as of now.
    pub fn clock(&self) -> Clock {
        let mut clock = self.times.clock(self.now, self.worst().serving());
        if let Some(holder) = &self.at_work {
            clock.follow(holder);
        }
        clock
    }

    /// Keeps the worst word of this minute.
    fn keep_word(&mut self, at: Timestamp) {
        let (minute, word) = (at.as_second().div_euclid(60), self.worst().word());
        match self.words.last_mut() {
            Some((last, worst)) if *last == minute => *worst = (*worst).max(word),
            _ => self.words.push((minute, word)),
        }
    }

    /// Returns how far the stack is built. `None` as long as neither the steps nor a holder of the lease have been
    /// seen.
    fn build(&self) -> Option<Build> {
        let seen = !self.times.steps.is_empty() || self.at_work.is_some();
        seen.then(|| Build::of(&self.times.steps, &self.clock(), self.at_work.as_ref()))
    }

    /// Returns the age of what the screen shows, in seconds.
    pub fn age(&self) -> Option<i64> {
        self.seen_at.map(|at| self.now.duration_since(at).as_secs())
    }

    /// Adds an event about something that the user did.
    pub fn note(&mut self, at: Timestamp, good: bool, text: String) {
        self.events.push(Event::new(at, EventKind::Yours, good, text));
        self.told += 1;
    }
}

impl Trouble {
    /// Returns the trouble in one sentence, with what happens next.
    pub fn in_words(&self) -> String {
        let (what, how) = match self.kind {
            TroubleKind::Network => ("AWS cannot be reached", "updates resume when the network is back"),
            TroubleKind::Credentials => {
                ("the credentials are refused", "renew them, as with `aws sso login`: updates then resume")
            }
            TroubleKind::Throttled => ("AWS throttles", "asking less often"),
        };
        format!("{what}: {how} ({})", self.said)
    }
}
