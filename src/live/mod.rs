//! The model of the live screen, which `status --watch` and `serve` show. The observations of each round are folded
//! into one state with bounded memory, and the differences between two rounds are events.
//!
//! The model makes no calls and has no clock of its own, so that five hours are a short test. Only [`ask`] and
//! [`replace()`] talk to AWS.
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
    verdict::Judged,
};
use jiff::Timestamp;
use serde::Serialize;

/// The observations of one moment. Any part can be missing, because each has its own pace.
#[derive(Clone, Debug, Default)]
pub struct Round {
    pub at: Timestamp,
    /// A full look: the request path of each service, judged; the worst first.
    pub services: Vec<Judged>,
    /// The name of the service that `targets` and `answer` belong to; empty: the one that is shown.
    pub service: String,
    /// The targets' health alone, which changes fastest.
    pub targets: Option<Vec<Target>>,
    /// One answer from outside.
    pub answer: Option<snapshot::Answer>,
    pub metrics: Option<Metrics>,
    pub cost: Option<Cost>,
    pub steps: Option<Vec<Step>>,
    /// The holder of the lease, if somebody asked. `Some(None)`: nobody works on the stack.
    pub at_work: Option<Option<Holder>>,
    /// The number of AWS calls made so far.
    pub calls: u64,
    /// Why AWS cannot be asked, if so.
    pub trouble: Option<Trouble>,
    /// Why CloudWatch returns no metrics, if so.
    pub no_metrics: Option<String>,
}

impl Round {
    /// Creates an empty round.
    pub fn at(at: Timestamp) -> Self {
        Self { at, ..Self::default() }
    }
}

/// What the running stack costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Cost {
    /// The unit of the amounts: `$`, `points`.
    pub unit: String,
    pub per_hour: f64,
    pub for_event: f64,
    /// The hours that `for_event` covers.
    pub hours: f64,
    /// What one more instance costs a minute, and so has to earn.
    pub one_more_per_minute: f64,
}

/// A reason why AWS cannot be asked at the moment.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Trouble {
    pub kind: TroubleKind,
    pub said: String,
}

/// The kind of reason why AWS cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TroubleKind {
    Network,
    Credentials,
    Throttled,
}

impl Trouble {
    /// Returns the trouble that the failure of one call shows, if it concerns AWS as a whole. A missing right is none:
    /// it stays missing.
    pub fn of(e: &Error) -> Option<Self> {
        let kind = TroubleKind::of(e.class())?;
        Some(Self { kind, said: e.to_string() })
    }

    /// Returns the trouble that the gaps of a look show. One failed part is only a gap; many that failed for one reason
    /// mean that the look saw nothing.
    pub fn of_look(s: &Snapshot) -> Option<Self> {
        let of = |kind| s.gaps.iter().filter(move |g| TroubleKind::of(g.class) == Some(kind));
        let enough = [(TroubleKind::Credentials, 1), (TroubleKind::Network, MANY), (TroubleKind::Throttled, MANY)];
        let (kind, _) = enough.into_iter().find(|(kind, least)| of(*kind).count() >= *least)?;
        let said = of(kind).next().map(|g| g.why.clone()).unwrap_or_default();
        Some(Self { kind, said })
    }
}

/// The number of gaps for one reason that is no coincidence.
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
