//! Reads that many steps share: twelve alarms need one `DescribeAlarms`.
use super::calls::Calls;
use crate::error::Result;
use std::{
    any::{Any, TypeId},
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    time::Duration,
};
use tokio::{sync::Mutex, time::Instant};

type Slot = Rc<Mutex<Option<Answer>>>;

struct Answer {
    at: Instant,
    /// The number of changing calls when it was requested.
    writes: u64,
    /// A failure is shared only by callers that were already waiting.
    value: Result<Rc<dyn Any>>,
}

/// What the answers of a run are used for. It decides how long they are good, and which calls are good enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// Nothing is being changed. Answers a few seconds old, and bulk APIs that lag, are acceptable.
    Look,
    /// The same for a view that is asked for again and again: what has no part in serving is not read.
    Status,
    /// Things are being changed. Only callers that ask within `keep` of each other share an answer.
    Building { keep: Duration },
}

impl Mode {
    /// How long one look at the whole stack shares its answers.
    const LOOK: Duration = Duration::from_secs(10);
    /// How long an answer is shared at most while something is being built.
    pub const BUILDING: Duration = Duration::from_millis(400);

    fn keep(self) -> Duration {
        match self {
            Self::Look | Self::Status => Self::LOOK,
            Self::Building { keep } => keep,
        }
    }
}

/// Answers that are still good: young enough, and nothing was changed since they were asked for.
pub struct Reads {
    calls: Calls,
    mode: Cell<Mode>,
    /// What was asked before is of no use to anybody any more.
    from: Cell<Option<Instant>>,
    slots: RefCell<HashMap<(TypeId, String), Slot>>,
}

impl Reads {
    /// Makes an empty store. `calls` tells when something was changed.
    pub(super) fn new(calls: Calls) -> Self {
        let mode = Cell::new(Mode::Building { keep: Mode::BUILDING });
        Self { calls, mode, from: Cell::default(), slots: RefCell::default() }
    }

    /// Says what the answers are used for from now on.
    pub fn set_mode(&self, mode: Mode) {
        self.mode.set(mode);
    }

    /// Begins a new look, which shares only answers from this moment on. For callers that look repeatedly.
    pub fn renew(&self) {
        self.from.set(Instant::now().checked_sub(Duration::from_secs(2)));
    }

    /// True while nothing is being changed.
    ///
    /// Answers that are a few seconds old, and bulk APIs that lag behind, are then acceptable.
    pub fn is_look(&self) -> bool {
        matches!(self.mode.get(), Mode::Look | Mode::Status)
    }

    /// True for a view of what serves.
    ///
    /// A step then leaves out what only a change needs to know, if that takes a call for each service.
    pub fn is_status(&self) -> bool {
        self.mode.get() == Mode::Status
    }

    /// Returns the answer to `what`, fetched now or shared with a recent caller.
    ///
    /// Callers that ask at the same moment share one call, and its failure.
    pub async fn get<T: 'static>(
        &self,
        what: impl Into<String>,
        fetch: impl AsyncFnOnce() -> Result<T>,
    ) -> Result<Rc<T>> {
        let asked = Instant::now();
        let slot = self.slots.borrow_mut().entry((TypeId::of::<T>(), what.into())).or_default().clone();
        let mut slot = slot.lock().await;
        if let Some(Answer { at, value: Err(e), .. }) = &*slot
            && *at >= asked
        {
            return Err(e.clone());
        }
        if let Some(answer) = &*slot
            && let Ok(value) = &answer.value
            && answer.at.elapsed() <= self.mode.get().keep()
            && self.from.get().is_none_or(|from| answer.at >= from)
            && answer.writes == self.calls.writes()
        {
            return Ok(value.clone().downcast().expect("slots are keyed by type"));
        }
        let (at, writes) = (Instant::now(), self.calls.writes());
        match fetch().await {
            Ok(value) => {
                let value = Rc::new(value);
                *slot = Some(Answer { at, writes, value: Ok(value.clone()) });
                Ok(value)
            }
            // Callers that were already waiting get the same error; later ones ask again.
            Err(e) => {
                *slot = Some(Answer { at: Instant::now(), writes, value: Err(e.clone()) });
                Err(e)
            }
        }
    }
}
