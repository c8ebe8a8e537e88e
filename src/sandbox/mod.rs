//! The sandbox: a local AWS emulator that gameday starts by itself, and that keeps its state between commands.
//!
//! It is moto with a plugin of ours (`plugin/`: Python, shipped inside the binary), in a virtual environment under the
//! user's cache folder. Nothing here prints: what takes long is said through a callback.
//!
//! ```text
//! ~/.cache/gameday/sandbox/
//!     venv-<hash>/        moto, each package by its hash (`requirements.lock`); the hash is of that list and the Python
//!     plugin-<hash>/      our plugin, unpacked, and compared with ours before it runs; the hash is of its files
//!     default/            one running sandbox: server.json, log, lock ($GAMEDAY_SANDBOX names another)
//! ```
//!
//! All of it is its user's alone (`private`), and so is the running one: it answers whoever has its key, which is new at
//! each start and stands in `server.json` (`plugin/door.py`), and proves that it is the one before it is told anything.
mod control;
mod error;
mod install;
mod private;
mod process;
mod server;

pub use crate::cli::Pace;
pub use error::Error;
pub use install::{Install, python};
pub use server::{Running, Sandbox};

/// What is done where a sandbox is not there at once.
#[derive(Clone, Copy, Debug)]
pub enum Doing<'a> {
    Says(&'a str),
    /// A package is downloaded, the `nth`.
    Installs {
        package: &'a str,
        nth: usize,
    },
    /// The emulator is started: some seconds.
    Starts,
}

/// The sandbox for this command, started if need be. No pace: the one it has, or `instant` for a new one.
pub async fn ensure(pace: Option<Pace>, say: impl Fn(Doing<'_>)) -> Result<Running, Error> {
    Sandbox::of_user()?.ensure(pace, say).await
}

/// Stops it; whether there was one.
pub async fn stop() -> Result<bool, Error> {
    Sandbox::of_user()?.stop().await
}

/// The running one, if any. Starts nothing.
pub async fn status() -> Result<Option<Running>, Error> {
    Sandbox::of_user()?.status().await
}

/// Empties the account in it; whether there was one.
pub async fn reset() -> Result<bool, Error> {
    Sandbox::of_user()?.reset().await
}

/// Runs one in the foreground until it is interrupted; it is not the one that `ensure` finds.
pub async fn serve(port: u16, pace: Option<Pace>, say: impl Fn(Doing<'_>)) -> Result<(), Error> {
    Sandbox::of_user()?.serve(port, pace, say).await
}

impl Pace {
    /// How long a second of AWS takes here.
    pub fn scale(self) -> f64 {
        match self {
            Self::Instant => 0.001,
            Self::Fast => 0.05,
            Self::Real => 1.0,
        }
    }

    /// As the plugin spells it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Instant => "instant",
            Self::Fast => "fast",
            Self::Real => "real",
        }
    }

    pub(crate) fn named(word: &str) -> Option<Self> {
        [Self::Instant, Self::Fast, Self::Real].into_iter().find(|p| p.word() == word)
    }
}
