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

/// Answers that are still good: recent, and nothing was changed since they were requested.
pub struct Reads {
    calls: Calls,
    keep: Cell<Duration>,
    /// Answers from before this moment are too old for every caller.
    from: Cell<Option<Instant>>,
    slots: RefCell<HashMap<(TypeId, String), Slot>>,
}

impl Reads {
    /// Makes an empty store. `calls` tells when something was changed.
    pub(super) fn new(calls: Calls) -> Self {
        Self { calls, keep: Cell::new(Duration::from_millis(400)), from: Cell::default(), slots: RefCell::default() }
    }

    /// Sets how long an answer stays good: a moment while something is being built, some seconds for a single look.
    pub fn keep_for(&self, d: Duration) {
        self.keep.set(d);
    }

    /// Begins a new look, which shares only answers from this moment on. For callers that look repeatedly.
    pub fn renew(&self) {
        self.from.set(Instant::now().checked_sub(Duration::from_secs(2)));
    }

    /// True while nothing is being changed.
    ///
    /// Answers that are a few seconds old, and bulk APIs that lag behind, are then acceptable.
    pub fn is_look(&self) -> bool {
        self.keep.get() >= Duration::from_secs(5)
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
            && answer.at.elapsed() <= self.keep.get()
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
