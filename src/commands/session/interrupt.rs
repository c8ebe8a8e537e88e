//! The one listener for Ctrl-C of a verb that changes something.
//!
//! The first Ctrl-C requests the stop of the run: no new step starts, and calls in flight finish. The second leaves at
//! once. Once tokio has listened for a signal, the signal no longer ends the process by itself, so the listener has to
//! live as long as the verb: also while the verb writes notes, gives back its lease or looks for what is left.
use super::Session;
use crate::engine::Stop;
use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
};
use tokio::task::JoinHandle;

/// The message at the first Ctrl-C.
const STOPPING: &str = "stopping: no new step starts, calls in flight finish; Ctrl-C again leaves at once";

/// The listener, once it is started, and whether it prints a message.
#[derive(Default)]
pub(super) struct Interrupt {
    task: RefCell<Option<JoinHandle<()>>>,
    is_silent: Rc<Cell<bool>>,
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

impl Session {
    /// Listens for Ctrl-C until the session ends, and prints that the run stops.
    pub(super) fn listen(&self) {
        self.interrupt.is_silent.set(false);
        self.start_listener();
    }

    /// Waits for the first Ctrl-C, which the caller reports.
    pub(crate) async fn interrupted(&self) {
        self.interrupt.is_silent.set(true);
        self.start_listener();
        self.env.stop.requested().await;
    }

    fn start_listener(&self) {
        let (stop, view, is_silent) = (self.env.stop.clone(), self.view.clone(), self.interrupt.is_silent.clone());
        let say = move || {
            if !is_silent.get() {
                view.note(STOPPING);
            }
        };
        let leave = || std::process::exit(130);
        let mut task = self.interrupt.task.borrow_mut();
        // A task of its own, since a verb cannot await the listener everywhere.
        task.get_or_insert_with(|| tokio::task::spawn_local(stop_on(tokio::signal::ctrl_c, stop, say, leave)));
    }
}

/// Requests the stop at the first signal, and leaves at any signal once the stop is requested.
async fn stop_on(signal: impl AsyncFn() -> io::Result<()>, stop: Stop, say: impl Fn(), leave: impl Fn()) {
    while signal().await.is_ok() {
        if stop.is_requested() {
            leave();
        } else {
            say();
            stop.request();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::{sync::Semaphore, task::LocalSet, time::sleep};

    #[tokio::test(start_paused = true)]
    async fn the_second_ctrl_c_leaves_at_once_whatever_the_verb_is_doing() {
        let (pressed, stop) = (Rc::new(Semaphore::new(0)), Stop::default());
        let (said, left) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let count = |cell: &Rc<Cell<u32>>| {
            let cell = cell.clone();
            move || cell.set(cell.get() + 1)
        };
        let signals = pressed.clone();
        let signal = async move || {
            signals.acquire().await.expect("the semaphore stays open").forget();
            Ok(())
        };
        let listener = stop_on(signal, stop.clone(), count(&said), count(&left));
        let verb = async {
            // The walk is over, and AWS delays a release: nothing else selects on the signal.
            sleep(Duration::from_secs(5)).await;
            assert!(!stop.is_requested());
            pressed.add_permits(1);
            sleep(Duration::from_secs(5)).await;
            assert_eq!((stop.is_requested(), said.get(), left.get()), (true, 1, 0));
            pressed.add_permits(1);
            sleep(Duration::from_secs(5)).await;
            assert_eq!((said.get(), left.get()), (1, 1));
        };
        LocalSet::new()
            .run_until(async {
                tokio::task::spawn_local(listener);
                verb.await;
            })
            .await;
    }
}
