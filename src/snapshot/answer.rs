//! The answers of the service from outside, and the report of a booting instance.
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The answers to requests from outside, and the addresses that were asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Probe {
    /// The URL that was asked, or would have been.
    pub url: Option<String>,
    /// Why nothing was asked: an emulator, or the user did not want it.
    pub unasked: Option<String>,
    /// The proxy that the requests went through, which also resolves the name. `None`: they went directly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// The addresses of the host of `url`.
    pub addresses: Vec<String>,
    /// The addresses of the balancer's own name, if `url` has another host.
    pub balancer_addresses: Vec<String>,
    /// Why the host of `url` does not resolve.
    pub unresolved: Option<String>,
    /// The answers, several of each address.
    pub answers: Vec<Answer>,
}

/// The answer of one address of the balancer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Answer {
    pub address: String,
    /// The HTTP status; `None`: no answer.
    pub status: Option<u16>,
    /// Why there is no answer.
    pub error: Option<String>,
    pub millis: u64,
    /// The report of a booting instance, if that is what answered.
    pub beacon: Option<Beacon>,
    /// The state of the copies of the service on the instance that answered, if it has several.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub copies: BTreeMap<u32, CopyState>,
}

/// The state of one copy of a service, as the proxy before it sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CopyState {
    Up,
    Down,
}

/// The name of the header in which the proxy before several copies tells their states.
pub(crate) const COPIES_HEADER: &str = "X-Gameday-Copies";

/// The highest number of a copy that is believed.
const MOST_COPIES: u32 = 16;

/// Parses the value of [`COPIES_HEADER`], `1=up 2=down`. Anything else counts as no value, because anybody can answer at
/// the address.
pub(crate) fn copies(value: &str) -> BTreeMap<u32, CopyState> {
    let one = |text: &str| -> Option<(u32, CopyState)> {
        let (number, state) = text.split_once('=')?;
        let state = match state {
            "up" => CopyState::Up,
            "down" => CopyState::Down,
            _ => return None,
        };
        Some((number.parse().ok().filter(|n| (1..=MOST_COPIES).contains(n))?, state))
    };
    value.split(' ').map(one).collect::<Option<_>>().unwrap_or_default()
}

impl Answer {
    /// Returns the numbers of the copies that are down.
    pub fn copies_down(&self) -> Vec<u32> {
        self.copies.iter().filter(|(_, state)| **state == CopyState::Down).map(|(number, _)| *number).collect()
    }

    /// True if the status is 2xx or 3xx.
    pub fn good(&self) -> bool {
        self.status.is_some_and(|s| (200..400).contains(&s))
    }
}

/// An instance's report about its own boot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Beacon {
    /// The instance's id. Anything without the form of an id is dropped, because commands are made of the id.
    #[serde(deserialize_with = "only_instance_id")]
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
    /// The longest time that is believed, in seconds: longer than any boot.
    const LONGEST: u64 = 7 * 24 * 3600;
    /// The highest number that is believed: more than there are stages and attempts.
    const MANY: u32 = 100_000;
    /// The largest number of warnings of one boot.
    const WARNINGS: usize = 32;
    /// The largest length of a text, in characters.
    const TEXT: usize = 4096;

    /// Returns the report without values that no boot reports, because anybody can answer at the address.
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

/// Formats a report as `fetch, 37 s: curl: (6)…`.
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

/// True if the text has the form of an instance id: `i-` and 17 hexadecimal digits; 8 for instances from before 2016.
pub fn is_instance_id(text: &str) -> bool {
    let digits = text.strip_prefix("i-").unwrap_or_default();
    matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn only_instance_id<'de, D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.filter(|id| is_instance_id(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_proxy_says_of_its_copies_is_believed() {
        assert_eq!(copies("1=up 2=down"), [(1, CopyState::Up), (2, CopyState::Down)].into());
        for other in ["", "1=up 2=dwn", "0=up", "17=up", "1=up  2=up", "1", "-1=up", "1=up,2=up", "1=UP"] {
            assert_eq!(copies(other), BTreeMap::new(), "{other}");
        }
    }
}
