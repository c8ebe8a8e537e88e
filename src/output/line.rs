//! The JSON lines of verbs that change something: each event with its time.
use super::{complaint::Complaint, teardown::Certificate};
use crate::{
    diagnose::Finding,
    engine::{self, Key},
    verdict::{Verdict, Word},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

/// One line: the time and the event.
#[derive(Serialize, JsonSchema)]
pub struct Line<'a> {
    pub at: Timestamp,
    #[serde(flatten)]
    pub event: Event<'a>,
}

impl<'a> Line<'a> {
    pub fn now(event: Event<'a>) -> Self {
        Self { at: Timestamp::now(), event }
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// The command failed.
    Error { errors: &'a [Complaint] },
    /// The reason why the service does not answer yet.
    Finding { finding: &'a Finding },
    /// The balancer was replaced: the address has to be registered again.
    NewAddress { endpoint: &'a str, help: &'a str },
    /// The parameters of a database take effect at its next reboot.
    PendingReboot { key: &'a Key, command: &'a str },
    /// The end of `up`: the service answers.
    Serving(Box<Ended<'a>>),
    /// The end of `up`: the service does not answer.
    NotServing(Box<Ended<'a>>),
    /// The end of `up`: it is unknown if the service answers.
    Unknown(Box<Ended<'a>>),
    /// The end of `teardown`.
    Certificate(&'a Certificate<'a>),
    /// The outcome of a step.
    #[serde(untagged)]
    Step(&'a engine::Event),
}

/// The end of a run of `up`.
#[derive(Serialize, JsonSchema)]
pub struct Ended<'a> {
    pub word: Word,
    /// The verdict in a sentence.
    pub verdict: String,
    pub endpoint: Option<&'a str>,
    /// The verdict's evidence.
    pub seen: &'a Verdict,
    /// The reason why it does not serve.
    pub finding: Option<&'a Finding>,
    /// Seconds since the command began.
    pub seconds: u64,
}

impl<'a> Ended<'a> {
    pub fn event(self) -> Event<'a> {
        let word = self.word;
        let ended = Box::new(self);
        match word {
            Word::Serving | Word::AtRisk => Event::Serving(ended),
            Word::Unknown => Event::Unknown(ended),
            Word::NotServing | Word::NotBuilt | Word::Building => Event::NotServing(ended),
        }
    }
}
