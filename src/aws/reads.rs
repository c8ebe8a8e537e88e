//! Reads that many steps share: twelve alarms look at one `DescribeAlarms`.
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
    /// How many changes there had been when it was asked.
    writes: u64,
    value: Rc<dyn Any>,
}

/// Answers that are still good: young enough, and nothing was changed since they were asked for.
pub struct Reads {
    calls: Calls,
    keep: Cell<Duration>,
    slots: RefCell<HashMap<(TypeId, String), Slot>>,
}

impl Reads {
    pub(super) fn new(calls: Calls) -> Self {
        Self { calls, keep: Cell::new(Duration::from_millis(400)), slots: RefCell::default() }
    }

    /// How long an answer is good for. Short while something is being built; some seconds for one look at all.
    pub fn keep_for(&self, d: Duration) {
        self.keep.set(d);
    }

    /// Whether this is a look at all that changes nothing: then an answer that is some seconds behind, or a service
    /// that tells of many things at once, is good enough. While something is being built it is not.
    pub fn is_look(&self) -> bool {
        self.keep.get() >= Duration::from_secs(5)
    }

    /// The answer to `what`, fetched now or shared with whoever asked just before. Two who ask at the same
    /// moment make one call.
    pub async fn get<T: 'static>(
        &self,
        what: impl Into<String>,
        fetch: impl AsyncFnOnce() -> Result<T>,
    ) -> Result<Rc<T>> {
        let slot = self.slots.borrow_mut().entry((TypeId::of::<T>(), what.into())).or_default().clone();
        let mut slot = slot.lock().await;
        if let Some(answer) = &*slot
            && answer.at.elapsed() <= self.keep.get()
            && answer.writes == self.calls.writes()
        {
            return Ok(answer.value.clone().downcast().expect("slots are keyed by type"));
        }
        let (at, writes) = (Instant::now(), self.calls.writes());
        let value = Rc::new(fetch().await?);
        *slot = Some(Answer { at, writes, value: value.clone() });
        Ok(value)
    }
}
