//! The clock: how long until the first request, and how long until the missing steps exist.
use crate::{
    config::CacheEngine,
    engine::{Forecast, Key, Progress},
    lease::Holder,
};
use jiff::Timestamp;
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// A step of the stack with what the clock needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub key: Key,
    pub state: StepState,
    /// How long AWS usually takes to create the object.
    pub usually: Duration,
}

/// The state of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepState {
    Missing,
    Busy,
    Ready,
}

/// How long an instance takes to boot and become healthy, after the last step [AWS 11].
pub const BOOT: Duration = Duration::from_secs(55);
/// The least slack that counts as green.
const CLOSE: Duration = Duration::from_secs(300);

/// A smaller variant of a step, and the time that it saves.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Cut {
    pub what: &'static str,
    pub gain_seconds: u64,
    /// The setting to write into the stack file.
    pub setting: &'static str,
}

/// The clock's traffic light: whether the stack will be ready in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Light {
    Green,
    Amber,
    Red,
}

/// The times that the live screen shows.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Clock {
    pub traffic_at: Option<Timestamp>,
    /// Seconds until the first request; negative: seconds since then.
    pub left_seconds: Option<i64>,
    /// Seconds until the service can answer, if it does not yet.
    pub eta_seconds: Option<u64>,
    /// The key of the step that everything waits for.
    pub waiting_for: Option<String>,
    /// Seconds between the end of building and the first request; negative: too late.
    pub slack_seconds: Option<i64>,
    pub light: Light,
    /// True if steps are missing or being made.
    pub building: bool,
    /// True if a step is being made.
    pub under_way: bool,
    /// What would save time, if the stack will be late.
    pub cuts: Vec<Cut>,
}

impl Clock {
    /// Replaces the forecast by that of whoever works on the stack, so that there is only one.
    pub fn follow(&mut self, holder: &Holder) {
        if !holder.builds() {
            (self.eta_seconds, self.slack_seconds, self.waiting_for) = (None, None, None);
            return;
        }
        let Some(told) = holder.progress.as_ref().filter(|_| self.eta_seconds.is_some()) else { return };
        self.eta_seconds = Some(told.left_seconds);
        self.slack_seconds = self.left_seconds.filter(|l| *l > 0).map(|l| slack(l, told.left_seconds));
        self.waiting_for.clone_from(&told.waiting_for);
        self.light = Light::of(false, self.left_seconds, self.slack_seconds);
    }
}

impl Light {
    fn of(serving: bool, left: Option<i64>, slack: Option<i64>) -> Self {
        match (serving, left, slack) {
            (true, ..) => Self::Green,
            (_, Some(..=0), _) => Self::Red,
            (_, _, Some(s)) if s < 0 => Self::Red,
            (_, _, Some(s)) if s >= CLOSE.as_secs() as i64 => Self::Green,
            _ => Self::Amber,
        }
    }
}

/// What the clock is computed from: the time of the first request, the steps, and their forecast.
#[derive(Clone, Debug, Default)]
pub struct Times {
    pub traffic_at: Option<Timestamp>,
    pub forecast: Option<Forecast>,
    /// The factor by which durations differ from AWS's: below 1 in the sandbox. 0 counts as 1.
    pub scale: f64,
    pub multi_az: bool,
    pub cache_nodes: u32,
    pub cache_engine: CacheEngine,
    pub steps: Vec<Step>,
    /// When each step that is being made was first seen so.
    pub began: BTreeMap<Key, Timestamp>,
}

impl Times {
    /// Notes the states of the steps.
    pub fn see(&mut self, at: Timestamp, steps: Vec<Step>) {
        self.began.retain(|key, _| steps.iter().any(|s| s.key == *key && s.state == StepState::Busy));
        for s in steps.iter().filter(|s| s.state == StepState::Busy) {
            self.began.entry(s.key.clone()).or_insert(at);
        }
        self.steps = steps;
    }

    /// True if steps are missing or being made.
    pub fn building(&self) -> bool {
        self.steps.iter().any(|s| s.state != StepState::Ready)
    }

    fn eta(&self, now: Timestamp) -> (Duration, Vec<Key>) {
        let scale = if self.scale > 0.0 { self.scale } else { 1.0 };
        let progress = self.steps.iter().filter_map(|s| {
            let usually = s.usually.mul_f64(scale);
            let p = match s.state {
                StepState::Ready => return None,
                StepState::Missing => Progress::Pending(usually),
                StepState::Busy => Progress::Running { since: since(self.began.get(&s.key).copied(), now), usually },
            };
            Some((s.key.clone(), p))
        });
        let (built, path) = self.forecast.as_ref().map(|f| f.longest_path(&progress.collect())).unwrap_or_default();
        (built.saturating_add(BOOT.mul_f64(scale)), path)
    }

    /// Returns the clock at a moment.
    pub fn clock(&self, now: Timestamp, serving: bool) -> Clock {
        let left = self.traffic_at.map(|t| t.duration_since(now).as_secs());
        let (eta, path) = self.eta(now);
        let eta = (!serving).then_some(eta.as_secs());
        let slack = left.filter(|l| *l > 0).zip(eta).map(|(l, e)| slack(l, e));
        let light = Light::of(serving, left, slack);
        let short = slack.is_some_and(|s| s < 0);
        Clock {
            traffic_at: self.traffic_at,
            left_seconds: left,
            eta_seconds: eta,
            waiting_for: path.first().filter(|_| !serving).map(ToString::to_string),
            slack_seconds: slack,
            light,
            building: self.building(),
            under_way: self.steps.iter().any(|s| s.state == StepState::Busy),
            cuts: if short { self.cuts(now) } else { vec![] },
        }
    }

    /// Returns what could be made smaller: missing steps that everything waits for.
    fn cuts(&self, now: Timestamp) -> Vec<Cut> {
        let missing = |key: &str| self.steps.iter().any(|s| s.key.as_str() == key && s.state == StepState::Missing);
        let without = |key: &str, seconds: u64| {
            let mut other = self.clone();
            for s in &mut other.steps {
                if s.key.as_str() == key {
                    s.usually = s.usually.saturating_sub(Duration::from_secs(seconds));
                }
            }
            self.eta(now).0.saturating_sub(other.eta(now).0).as_secs()
        };
        let mut cuts = vec![];
        // Gains of the durations in [AWS 11].
        // AWS creates the nodes of memcached at the same time.
        if self.cache_nodes > 1 && self.cache_engine != CacheEngine::Memcached && missing(self.cache_engine.key()) {
            let gain = without(self.cache_engine.key(), 70);
            cuts.push(Cut { what: "single-node cache", gain_seconds: gain, setting: "[cache] nodes = 1" });
        }
        if self.multi_az && missing("database/main") {
            let gain = without("database/main", 20);
            cuts.push(Cut { what: "single-AZ database", gain_seconds: gain, setting: "[database] multi_az = false" });
        }
        cuts.retain(|c| c.gain_seconds > 0);
        cuts
    }
}

/// Returns the seconds that are left once everything is built.
fn slack(left: i64, eta: u64) -> i64 {
    left.saturating_sub_unsigned(eta)
}

fn since(began: Option<Timestamp>, now: Timestamp) -> Duration {
    began.and_then(|b| Duration::try_from(now.duration_since(b)).ok()).unwrap_or_default()
}
