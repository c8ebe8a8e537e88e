//! How fast time passes in the sandbox.

/// The speed of the sandbox's databases, balancers and instances.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Everything is there at once
    Instant,
    /// A twentieth of AWS's own times
    Fast,
    /// As long as AWS takes
    Real,
}

impl Pace {
    /// Returns how long a second of AWS takes in the sandbox.
    pub fn scale(self) -> f64 {
        match self {
            Self::Instant => 0.001,
            Self::Fast => 0.05,
            Self::Real => 1.0,
        }
    }

    /// Returns the plugin's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Instant => "instant",
            Self::Fast => "fast",
            Self::Real => "real",
        }
    }

    /// Returns the pace of the plugin's word.
    pub(crate) fn named(word: &str) -> Option<Self> {
        [Self::Instant, Self::Fast, Self::Real].into_iter().find(|p| p.word() == word)
    }
}
