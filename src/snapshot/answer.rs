//! What the service answers from outside, and what a booting instance says.
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was seen from outside.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Probe {
    /// What was, or would have been, asked.
    pub url: Option<String>,
    /// Why nothing was asked: an emulator, or the user did not want it.
    pub unasked: Option<String>,
    /// The proxy that it was asked through, which resolves the name; `None`: straight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// What the host of `url` resolves to.
    pub addresses: Vec<String>,
    /// What the balancer's own name resolves to, when `url` goes by another one.
    pub balancer_addresses: Vec<String>,
    /// Why the name does not resolve.
    pub unresolved: Option<String>,
    pub answers: Vec<Answer>,
}

/// The answer of one address of the balancer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Answer {
    pub address: String,
    pub status: Option<u16>,
    pub error: Option<String>,
    pub millis: u64,
    pub beacon: Option<Beacon>,
}

impl Answer {
    pub fn good(&self) -> bool {
        self.status.is_some_and(|s| (200..400).contains(&s))
    }
}

/// What an instance says of its own boot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Beacon {
    /// Only what has the form of an id: commands are made of it.
    #[serde(deserialize_with = "an_instance_id")]
    pub instance: Option<String>,
    pub zone: Option<String>,
    pub stage: String,
    pub step: Option<u32>,
    pub of: Option<u32>,
    /// `running`, `retrying`, `failed`…
    pub status: Option<String>,
    pub attempt: Option<u32>,
    pub seconds: Option<u64>,
    pub stage_seconds: Option<u64>,
    pub error: Option<String>,
    pub warnings: BTreeMap<String, String>,
}

impl Beacon {
    /// More than any boot takes, and more stages and tries than there are.
    const LONGEST: u64 = 7 * 24 * 3600;
    const MANY: u32 = 100_000;
    /// Warnings of one boot, and the characters of a text in it.
    const WARNINGS: usize = 32;
    const TEXT: usize = 4096;

    /// Returns it without what no boot says: whoever answers there may say anything.
    pub(crate) fn bounded(self) -> Self {
        let short =
            |text: String| if text.len() <= Self::TEXT { text } else { text.chars().take(Self::TEXT).collect() };
        let time = |seconds: Option<u64>| seconds.filter(|s| *s <= Self::LONGEST);
        let number = |n: Option<u32>| n.filter(|n| *n <= Self::MANY);
        let warnings = self.warnings.into_iter().take(Self::WARNINGS);
        Self {
            instance: self.instance.map(short),
            zone: self.zone.map(short),
            stage: short(self.stage),
            step: number(self.step),
            of: number(self.of),
            status: self.status.map(short),
            attempt: number(self.attempt),
            seconds: time(self.seconds),
            stage_seconds: time(self.stage_seconds),
            error: self.error.map(short),
            warnings: warnings.map(|(what, text)| (short(what), short(text))).collect(),
        }
    }
}

/// `fetch, 37 s: curl: (6)…`
impl std::fmt::Display for Beacon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.stage)?;
        if let Some(s) = self.seconds {
            write!(f, ", {s} s")?;
        }
        match &self.error {
            Some(e) => write!(f, ": {e}"),
            None => Ok(()),
        }
    }
}

/// True if this has the form of an instance's id: `i-` and 17 hexadecimal digits; 8 for instances from before 2016.
pub fn is_instance_id(text: &str) -> bool {
    let digits = text.strip_prefix("i-").unwrap_or_default();
    matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn an_instance_id<'de, D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.filter(|id| is_instance_id(id)))
}
