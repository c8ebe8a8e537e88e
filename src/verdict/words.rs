//! The verdict as people and scripts read it.
use super::{Build, Verdict, Word};
use crate::{output::style::clock, snapshot::Answer};
use serde::{Serialize, Serializer};
use std::{fmt, time::Duration};

/// One answer from outside.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "Answer")]
pub(super) struct AnswerInWords {
    /// The HTTP status.
    pub status: Option<u16>,
    /// Why there was no answer.
    pub error: Option<String>,
    /// The response time in milliseconds.
    pub millis: u64,
    /// The boot beacon in words, if the beacon answered.
    pub beacon: Option<String>,
}

/// Serialises an answer without its address, and with the beacon in words.
pub(super) fn answer<S: Serializer>(answer: &Option<Answer>, to: S) -> Result<S::Ok, S::Error> {
    let in_words = |a: &Answer| AnswerInWords {
        status: a.status,
        error: a.error.clone(),
        millis: a.millis,
        beacon: a.beacon.as_ref().map(ToString::to_string),
    };
    answer.as_ref().map(in_words).serialize(to)
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} steps", self.done, self.all)?;
        if let Some(who) = &self.who {
            write!(f, " · {who}")?;
        }
        if let Some(left) = self.left_seconds.filter(|left| *left > 0) {
            write!(f, " · about {} left", clock(Duration::from_secs(left)))?;
        }
        if let Some(key) = &self.waiting_for {
            write!(f, " · waiting for {key}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.word_and_name(f)?;
        if let Some(url) = &self.url {
            write!(f, " {url}")?;
        }
        self.evidence(f)
    }
}

/// The verdict without the URL, for views with a line of its own for that.
pub struct Headline<'a>(&'a Verdict);

impl fmt::Display for Headline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.word_and_name(f)?;
        self.0.evidence(f)
    }
}

impl Verdict {
    /// Returns the verdict without the URL.
    pub fn headline(&self) -> Headline<'_> {
        Headline(self)
    }

    /// Writes the word, and the name of the service if there are several.
    fn word_and_name(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word().as_str())?;
        if self.is_named { write!(f, " {}", self.service) } else { Ok(()) }
    }

    /// Writes the evidence for the word: the cause after a colon, then what was measured.
    fn evidence(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.word();
        let cause = match word {
            Word::NotBuilt => Some(match self.build.as_ref() {
                Some(Build { deleting: Some(who), .. }) => who.clone(),
                // All steps are done only if the look at the steps is the older one.
                Some(b) if (1..b.all).contains(&b.done) => format!("{} of {} steps are done", b.done, b.all),
                _ => "nothing of it exists".into(),
            }),
            Word::Building => self.booting.clone().or_else(|| self.missing.clone()).or_else(|| self.broken.clone()),
            Word::NotServing if self.fails_open() => Some("the balancer answers although no target is healthy".into()),
            Word::NotServing => self.missing.clone().or_else(|| self.broken.clone()),
            Word::AtRisk => Some(self.dangers().join("; ")),
            Word::Unknown => Some("not enough could be seen to say whether it serves".into()),
            Word::Serving => None,
        };
        match (&self.build, cause) {
            (Some(build), _) if word == Word::Building => write!(f, " {build}")?,
            (_, Some(cause)) => write!(f, ": {cause}")?,
            _ => {}
        }
        if self.missing.is_some() {
            return Ok(());
        }
        match &self.targets {
            Some(t) => {
                write!(f, " · {} of {} targets healthy", t.healthy, t.expected())?;
                if !t.zones.is_empty() {
                    write!(f, " in {}", t.zones.join(", "))?;
                }
                if !t.reasons.is_empty() {
                    write!(f, " ({})", t.reasons.join("; "))?;
                }
            }
            None => write!(f, " · the targets' health could not be seen")?,
        }
        match (&self.answer, &self.unasked) {
            (Some(Answer { status: Some(s), millis, beacon, .. }), _) => {
                write!(f, " · HTTP {s} in {millis} ms")?;
                if let Some((good, all)) = self.addresses.filter(|(_, all)| *all > 1) {
                    write!(f, " · {good} of {all} addresses answer")?;
                }
                if let Some(b) = beacon {
                    write!(f, " · boot: {b}")?;
                }
            }
            (Some(Answer { error: Some(e), .. }), _) => write!(f, " · no answer: {e}")?,
            (_, Some(why)) => write!(f, " · not tested over HTTP: {why}")?,
            (None, None) if self.url.is_none() => write!(f, " · not tested over HTTP: its address could not be seen")?,
            _ => {}
        }
        if !self.unseen.is_empty() {
            write!(f, " · not seen: {}", self.unseen.join(", "))?;
        }
        Ok(())
    }
}
