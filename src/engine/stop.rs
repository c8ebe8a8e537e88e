//! The wish to stop, said once (Ctrl-C) and seen by every step.
use std::{cell::Cell, rc::Rc};
use tokio::sync::Notify;

/// A flag that can be waited for. Clones share it.
#[derive(Clone, Default)]
pub struct Stop(Rc<(Cell<bool>, Notify)>);

impl Stop {
    /// No new step starts after this, and every wait ends.
    pub fn now(&self) {
        self.0.0.set(true);
        self.0.1.notify_waiters();
    }
    pub fn is_wanted(&self) -> bool {
        self.0.0.get()
    }
    pub async fn wanted(&self) {
        while !self.is_wanted() {
            self.0.1.notified().await;
        }
    }
}
