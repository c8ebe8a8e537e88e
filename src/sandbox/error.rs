//! What can go wrong with the sandbox, each with a way out.
use miette::Diagnostic;
use std::{io, path::PathBuf};

/// Why the sandbox cannot be used.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum Error {
    #[error("the sandbox needs Python 3.10 or later, and there is none")]
    #[diagnostic(help(
        "install it: `apt install python3 python3-venv`, `dnf install python3` or `brew install python`; or name \
         one in GAMEDAY_PYTHON; or point AWS_ENDPOINT_URL at another emulator and leave --sandbox out"
    ))]
    NoPython,

    #[error("the sandbox needs Python 3.10 or later; {path} is {version}")]
    #[diagnostic(help("install a newer one beside it, for example python3.12, or name one in GAMEDAY_PYTHON"))]
    OldPython { path: String, version: String },

    #[error("{path} cannot make virtual environments")]
    #[diagnostic(help("on Debian and Ubuntu: `apt install python3-venv`"))]
    NoVenv { path: String },

    #[error("the sandbox could not be installed into {}:\n{output}", venv.display())]
    #[diagnostic(help(
        "it comes from the Python package index: check the network (HTTPS_PROXY, PIP_INDEX_URL), then run the same \
         command again. A package that does not have its hash is not the one that this gameday knows: ask who runs the \
         index before you go on"
    ))]
    Install { venv: PathBuf, output: String },

    #[error("the sandbox did not start:\n{log}")]
    #[diagnostic(help("its log is {}; `gameday sandbox stop`, then the same command again", path.display()))]
    Start { path: PathBuf, log: String },

    #[error("the sandbox on port {port} does not answer: {source}")]
    #[diagnostic(help("`gameday sandbox stop`, then the same command again"))]
    Silent { port: u16, source: io::Error },

    #[error("the sandbox on port {port} answered {status}: {body}")]
    #[diagnostic(help("`gameday sandbox stop`, then the same command again"))]
    Control { port: u16, status: u16, body: String },

    #[error("the sandbox, process {pid}, does not end")]
    #[diagnostic(help("look at what holds it: `ps -o stat,wchan,command -p {pid}`"))]
    Stays { pid: u32 },

    #[error("another gameday has been starting the sandbox for {seconds} s")]
    #[diagnostic(help("wait for it, or end it; the lock is {}", lock.display()))]
    Busy { lock: PathBuf, seconds: u64 },

    #[error("no home folder: the sandbox has nowhere to live")]
    #[diagnostic(help("set HOME or XDG_CACHE_HOME"))]
    NoHome,

    #[error("{} {why}: what is in it may be somebody else's", path.display())]
    #[diagnostic(help(
        "name a folder of yours, `export XDG_CACHE_HOME=\"$(mktemp -d)\"` for a new one; or, if nobody needs it any \
         more: `rm -r {}`",
        crate::shell::word(&path.to_string_lossy())
    ))]
    Foreign { path: PathBuf, why: String },

    #[error("{} can be written by everybody: what is in it may be somebody else's", path.display())]
    #[diagnostic(help("close it, then run the same command again: `chmod o-w {}`", crate::shell::word(&path.to_string_lossy())))]
    Open { path: PathBuf },

    #[error("{}: {source}", path.display())]
    #[diagnostic(help("the folder must be yours to write; XDG_CACHE_HOME moves it"))]
    File { path: PathBuf, source: io::Error },
}

/// Adds the path to an I/O error.
pub(super) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    move |source| Error::File { path, source }
}
