//! The events of a walk, as data.
use crate::{Change, Error, Key};
use serde::Serialize;
use std::{rc::Rc, time::Duration};

/// An event in the life of one step.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The needs of the step are met, and the engine looks at it.
    Started {
        /// The step.
        key: Key,
    },
    /// The engine has decided what to do.
    Planned {
        /// The step.
        key: Key,
        /// The change that is made.
        #[serde(flatten)]
        change: Change,
        /// How long that usually takes, in seconds.
        usually: f64,
    },
    /// AWS is at work on the object.
    Waiting {
        /// The step.
        key: Key,
        /// AWS's own word for what it does, or what the engine waits for.
        phase: String,
    },
    /// A call failed in a way that passes; it is tried again after `pause` seconds.
    Retrying {
        /// The step.
        key: Key,
        /// The kind of the error.
        code: &'static str,
        /// The error in words.
        #[serde(rename = "message")]
        error: String,
        /// True if AWS throttles the account.
        throttled: bool,
        /// The seconds until the next try.
        pause: f64,
    },
    /// The step is as wanted.
    Done {
        /// The step.
        key: Key,
        /// The word for what was done.
        change: &'static str,
    },
    /// The object is gone.
    Deleted {
        /// The step.
        key: Key,
    },
    /// The step has failed.
    Failed {
        /// The step.
        key: Key,
        /// The kind of the error.
        code: &'static str,
        /// The error in words.
        #[serde(rename = "message")]
        error: String,
        /// The way out, if one is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        help: Option<String>,
    },
    /// The account denies the step, and the service does without it.
    Without {
        /// The step.
        key: Key,
        /// The kind of the error.
        code: &'static str,
        /// The error in words.
        #[serde(rename = "message")]
        error: String,
        /// The consequence for the service.
        help: &'static str,
    },
    /// The step was not tried, because another one failed.
    Skipped {
        /// The step.
        key: Key,
        /// The step that failed.
        because: Key,
    },
}

impl Event {
    /// Returns the step to which it happens.
    pub fn key(&self) -> &Key {
        match self {
            Self::Started { key }
            | Self::Planned { key, .. }
            | Self::Waiting { key, .. }
            | Self::Retrying { key, .. }
            | Self::Done { key, .. }
            | Self::Deleted { key }
            | Self::Failed { key, .. }
            | Self::Without { key, .. }
            | Self::Skipped { key, .. } => key,
        }
    }

    pub(crate) fn failed(key: &Key, error: &Error, help: Option<String>) -> Self {
        Self::Failed { key: key.clone(), code: error.code(), error: error.to_string(), help }
    }

    pub(crate) fn planned(key: &Key, change: &Change, usually: Duration) -> Self {
        Self::Planned { key: key.clone(), change: change.clone(), usually: usually.as_secs_f64() }
    }
}

/// Where events go. Clones share the listener.
#[derive(Clone)]
pub struct Events(Rc<dyn Fn(Event)>);

impl Events {
    /// Calls this listener with every event.
    pub fn new(listener: impl Fn(Event) + 'static) -> Self {
        Self(Rc::new(listener))
    }

    /// Drops all events.
    pub fn silent() -> Self {
        Self::new(|_| ())
    }

    /// Tells the listener of an event.
    pub fn say(&self, e: Event) {
        (self.0)(e)
    }
}
