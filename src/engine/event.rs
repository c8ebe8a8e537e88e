//! Everything the engine has to say, as data.
use crate::{Change, Error, Key};
use serde::Serialize;
use std::{rc::Rc, time::Duration};

#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The step's needs are met and it is being looked at.
    Started {
        key: Key,
    },
    /// What is going to be done to it.
    Planned {
        key: Key,
        #[serde(flatten)]
        change: Change,
        /// How long that usually takes, in seconds.
        usually: f64,
    },
    /// AWS is at work on it.
    Waiting {
        key: Key,
        phase: String,
    },
    /// A call failed in a way that passes; it is tried again after `pause` seconds.
    Retrying {
        key: Key,
        code: &'static str,
        #[serde(rename = "message")]
        error: String,
        throttled: bool,
        pause: f64,
    },
    Done {
        key: Key,
        change: &'static str,
    },
    Deleted {
        key: Key,
    },
    Failed {
        key: Key,
        code: &'static str,
        #[serde(rename = "message")]
        error: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        help: Option<String>,
    },
    /// The account denies it, and the service is served without it.
    Without {
        key: Key,
        code: &'static str,
        #[serde(rename = "message")]
        error: String,
        help: &'static str,
    },
    Skipped {
        key: Key,
        because: Key,
    },
}

impl Event {
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
    pub fn new(listener: impl Fn(Event) + 'static) -> Self {
        Self(Rc::new(listener))
    }
    pub fn silent() -> Self {
        Self::new(|_| ())
    }
    pub fn say(&self, e: Event) {
        (self.0)(e)
    }
}
