//! The sandbox: a local AWS emulator that gameday starts by itself, and that keeps its state between commands.
//!
//! It is moto with a plugin of ours (`plugin/`: Python, shipped inside the binary), in a virtual environment under the
//! user's cache folder. Nothing here prints: slow steps are reported through a callback.
//!
//! ```text
//! ~/.cache/gameday/sandbox/
//!     venv-<hash>/        moto, each package by its hash (`requirements.lock`); the hash is of that list and the Python
//!     plugin-<hash>/      our plugin, unpacked, and compared with ours before it runs; the hash is of its files
//!     default/            one running sandbox: server.json, log, lock ($GAMEDAY_SANDBOX names another)
//! ```
//!
//! All of it belongs to its user alone (`private`), and so does the running emulator: it answers only requests with its
//! key, which is new at each start and is kept in `server.json` (`plugin/door.py`), and it proves its identity before it
//! is told anything.
mod control;
mod error;
mod install;
mod pace;
mod private;
mod process;
mod server;

pub use error::Error;
pub use install::{Install, python};
pub use pace::Pace;
pub use server::{Running, Sandbox};

/// What a command waits for while the sandbox is not running yet.
#[derive(Clone, Copy, Debug)]
pub enum Doing<'a> {
    Says(&'a str),
    /// The `nth` package is downloaded.
    Installs {
        package: &'a str,
        nth: usize,
    },
    /// The emulator starts, which takes some seconds.
    Starts,
}

/// Returns the running sandbox, started if necessary. Without a pace it keeps its own; a new one runs at `instant`.
pub async fn ensure(pace: Option<Pace>, say: impl Fn(Doing<'_>)) -> Result<Running, Error> {
    Sandbox::of_user()?.ensure(pace, say).await
}

/// Stops the sandbox. Returns true if one was running.
pub async fn stop() -> Result<bool, Error> {
    Sandbox::of_user()?.stop().await
}

/// Returns the running sandbox, if any. Starts nothing.
pub async fn status() -> Result<Option<Running>, Error> {
    Sandbox::of_user()?.status().await
}

/// Empties the account in the sandbox. Returns true if one was running.
pub async fn reset() -> Result<bool, Error> {
    Sandbox::of_user()?.reset().await
}

/// Runs a sandbox in the foreground until it is interrupted. `ensure` does not find it.
pub async fn serve(port: u16, pace: Option<Pace>, say: impl Fn(Doing<'_>)) -> Result<(), Error> {
    Sandbox::of_user()?.serve(port, pace, say).await
}
