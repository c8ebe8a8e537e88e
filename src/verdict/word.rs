//! The verdict in a word.
use serde::Serialize;

/// The verdict in a word, the same in every view and in JSON; from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Word {
    Serving,
    /// The service answers, but there is a danger that it stops.
    #[serde(rename = "AT RISK")]
    AtRisk,
    /// The evidence that decides could not be seen.
    Unknown,
    /// Neither a balancer nor a fleet exists, and nobody is building.
    #[serde(rename = "NOT BUILT")]
    NotBuilt,
    /// Somebody is building, or what was built just now has not booted yet.
    Building,
    #[serde(rename = "NOT SERVING")]
    NotServing,
}

impl Word {
    /// Returns the word as people and scripts read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotBuilt => "NOT BUILT",
            Self::Building => "BUILDING",
            Self::Serving => "SERVING",
            Self::AtRisk => "AT RISK",
            Self::NotServing => "NOT SERVING",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// True if requests are answered.
    pub fn serves(self) -> bool {
        matches!(self, Self::Serving | Self::AtRisk)
    }

    /// True for good news, false for bad news; `None` for neither.
    pub fn good(self) -> Option<bool> {
        match self {
            Self::Serving => Some(true),
            Self::NotServing => Some(false),
            Self::NotBuilt | Self::Building | Self::AtRisk | Self::Unknown => None,
        }
    }
}
