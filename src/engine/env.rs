//! The environment that all steps of a run share.
use crate::{
    Consent, Error, Events, Key, Names, Ownership, Pace, Result, Stop, TagKeys, Tags, Typical, handover::Handover,
};
use std::{cell::Cell, collections::BTreeMap, time::Duration};

/// Returns the help text for an error; `None` if there is none.
pub type Advice = fn(&Error) -> Option<String>;

/// The environment that all steps of a run share.
///
/// The fields say what is to be built, what the user agrees to, and how the run behaves. What the run itself finds out
/// is private and changes while a walk holds a shared reference.
pub struct Env {
    /// The stack's name.
    pub stack: String,
    /// The keys of the tags that mark an object as the stack's.
    pub keys: TagKeys,
    /// The user's tags, which every object carries.
    pub tags: Tags,
    /// The names that were given for steps.
    pub names: Names,
    /// The user's consent to what is otherwise refused.
    pub consent: Consent,
    /// The proofs that an object is the stack's.
    pub ownership: Ownership,
    /// The copy of its data that an object leaves when it is deleted.
    pub final_snapshot: FinalSnapshot,
    /// How fast the world is, and how often to look at it.
    pub pace: Pace,
    /// How long the creation of a step took in this account before, if that is known.
    pub durations: BTreeMap<Key, Duration>,
    /// How long a look that changes nothing tries to see one step while its calls fail.
    pub patience: Duration,
    /// Where events go.
    pub events: Events,
    /// Gives the help text for an error, in events and plans. The engine knows no command line; its caller has the
    /// words.
    pub advice: Advice,
    /// The request to stop the run.
    pub stop: Stop,
    /// The findings of walks over the stack.
    pub(crate) run: Run,
}

impl Env {
    /// Makes the environment of a stack of which nothing else is known: no tags, names, consent or record.
    pub fn new(stack: impl Into<String>, events: Events) -> Self {
        Self {
            stack: stack.into(),
            keys: TagKeys::default(),
            tags: Tags::new(),
            names: Names::default(),
            consent: Consent::default(),
            ownership: Ownership::default(),
            final_snapshot: FinalSnapshot::default(),
            pace: Pace::default(),
            durations: BTreeMap::new(),
            patience: Duration::from_secs(10),
            events,
            advice: |_| None,
            stop: Stop::default(),
            run: Run { strain: Cell::new(1.0), handover: Handover::default() },
        }
    }

    /// Sleeps for this duration of AWS's time. Fails as soon as the run is to stop.
    pub async fn sleep(&self, d: Duration) -> Result<()> {
        crate::wait::sleep(self, self.pace.of(d)).await
    }

    /// Returns the expected durations of a step: as measured in this account if known, otherwise the typical ones.
    pub fn expected(&self, key: &Key, typical: Typical) -> Typical {
        self.durations.get(key).map_or(typical, |d| Typical { create: *d, ..typical })
    }
}

/// The findings of walks over a stack, shared by all its steps.
pub(crate) struct Run {
    /// How much slower to poll because AWS throttles; 1 if it does not.
    strain: Cell<f64>,
    pub handover: Handover,
}

impl Run {
    /// Returns the factor by which pauses between looks are longer than usual.
    pub(crate) fn strain(&self) -> f64 {
        self.strain.get()
    }

    /// Notes that AWS throttles.
    pub(crate) fn tighten(&self) {
        self.strain.set((self.strain.get() * 1.5).min(8.0));
    }

    /// Notes that AWS answers: back to the usual pauses, step by step.
    pub(crate) fn relax(&self) {
        self.strain.set(1.0 + (self.strain.get() - 1.0) * 0.8);
    }
}

/// The copy of its data that an object leaves when it is deleted.
#[derive(Clone, Debug, Default)]
pub struct FinalSnapshot {
    /// Its name; empty if none can be made.
    pub name: String,
    is_wanted: Cell<bool>,
}

impl FinalSnapshot {
    /// True if one is made: it was asked for, or somebody has valued the data higher than the stack file does.
    pub fn is_wanted(&self) -> bool {
        self.is_wanted.get()
    }

    /// Decides whether one is made.
    pub fn set_wanted(&self, is_wanted: bool) {
        self.is_wanted.set(is_wanted);
    }
}
