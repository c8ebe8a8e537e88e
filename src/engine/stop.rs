//! The request to stop a run, made once (Ctrl-C) and seen by every step.
use std::{cell::Cell, rc::Rc};
use tokio::sync::Notify;

/// A flag that can be waited for. Clones share it.
#[derive(Clone, Default)]
pub struct Stop(Rc<(Cell<bool>, Notify)>);

impl Stop {
    /// Requests the stop: no new step starts after this, and every wait ends.
    pub fn request(&self) {
        self.0.0.set(true);
        self.0.1.notify_waiters();
    }

    /// True once the stop is requested.
    pub fn is_requested(&self) -> bool {
        self.0.0.get()
    }

    /// Waits until the stop is requested.
    pub async fn requested(&self) {
        while !self.is_requested() {
            self.0.1.notified().await;
        }
    }
}
