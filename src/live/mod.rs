//! The model of the live screen, which `status --watch` and `serve` show: what was seen in each round is folded into one
//! state with bounded memory, and the differences between two rounds are events.
//!
//! The model has neither calls nor a clock of its own, so that five hours are a short test. Only [`ask`] and [`replace()`]
//! talk to AWS.
mod clock;
mod event;
mod metrics;
mod replace;
mod ring;
mod schedule;
mod state;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use clock::{BOOT, Clock, Cut, Light, Step, StepState, Times};
pub use event::{Event, EventKind, in_short, in_words, word};
pub use metrics::{Metric, Metrics, Names, Series, ask};
pub use replace::replace;
pub use ring::{Ring, percentile};
pub use schedule::{Job, Schedule};
pub use state::{Latency, LiveState, Minutes, Second};

use crate::{
    error::{Class, Error},
    lease::Holder,
    snapshot::{self, Snapshot, Target},
};
use jiff::Timestamp;
use serde::Serialize;

/// What came in at one moment: any part may be missing, because each has its own pace.
#[derive(Clone, Debug, Default)]
pub struct Round {
    pub at: Timestamp,
    /// A look at everything.
    pub snapshot: Option<Box<Snapshot>>,
    /// Only the targets' health, which changes fastest.
    pub targets: Option<Vec<Target>>,
    /// One answer from outside.
    pub answer: Option<snapshot::Answer>,
    pub metrics: Option<Metrics>,
    pub cost: Option<Cost>,
    pub steps: Option<Vec<Step>>,
    /// Who is at work on the stack, if somebody asked: `Some(None)` is nobody.
    pub at_work: Option<Option<Holder>>,
    /// AWS calls made so far.
    pub calls: u64,
    pub trouble: Option<Trouble>,
    /// CloudWatch does not give its numbers, and why.
    pub no_metrics: Option<String>,
}

impl Round {
    pub fn at(at: Timestamp) -> Self {
        Self { at, ..Self::default() }
    }
}

/// What it costs now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Cost {
    pub unit: String,
    pub per_hour: f64,
    pub for_event: f64,
    pub hours: f64,
    /// What one more instance costs a minute, and so must earn.
    pub one_more_per_minute: f64,
}

/// Why AWS cannot be asked just now.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Trouble {
    pub kind: TroubleKind,
    pub said: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TroubleKind {
    Network,
    Credentials,
    Throttled,
}

impl Trouble {
    /// What one call's failure says of AWS as a whole. A right that is missing is no trouble: it stays missing.
    pub fn of(e: &Error) -> Option<Self> {
        let kind = TroubleKind::of(e.class())?;
        Some(Self { kind, said: e.to_string() })
    }

    /// What a look's gaps say. One part that fails is a gap; many that fail for one reason are no look at all.
    pub fn of_look(s: &Snapshot) -> Option<Self> {
        let of = |kind| s.gaps.iter().filter(move |g| TroubleKind::of(g.class) == Some(kind));
        let enough = [(TroubleKind::Credentials, 1), (TroubleKind::Network, MANY), (TroubleKind::Throttled, MANY)];
        let (kind, _) = enough.into_iter().find(|(kind, least)| of(*kind).count() >= *least)?;
        let said = of(kind).next().map(|g| g.why.clone()).unwrap_or_default();
        Some(Self { kind, said })
    }
}

/// So many gaps for one reason are not a coincidence.
const MANY: usize = 4;

impl TroubleKind {
    fn of(class: Option<Class>) -> Option<Self> {
        match class? {
            Class::Credentials => Some(Self::Credentials),
            Class::Lost => Some(Self::Network),
            Class::Throttled => Some(Self::Throttled),
            _ => None,
        }
    }
}
