//! The one error type. Every error says what happened, to which step, and what helps.
use crate::Key;
use std::{fmt, time::Duration};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of "no" AWS said. Decided once, from the error code, in the AWS layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// There is no such object.
    NotFound,
    /// It exists already, under this name.
    AlreadyExists,
    /// Something else still uses it (`DependencyViolation` and its kin).
    InUse,
    /// It is not in a state that allows this yet: it is being created, changed or deleted.
    WrongState,
    /// Something it refers to is not visible everywhere yet (eventual consistency).
    NotYetVisible,
    /// Too many calls.
    Throttled,
    /// No answer, or a 5xx: whether the call took effect is not known.
    Lost,
    /// Not allowed, by an IAM policy, an SCP or the account.
    Denied,
    /// The credentials are missing, wrong or expired.
    Credentials,
    /// A quota of the account is used up.
    Quota,
    /// AWS has no capacity for this right now.
    Capacity,
    /// The request itself is wrong.
    Invalid,
}

impl Class {
    /// Stable, for scripts.
    fn code(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::InUse => "in_use",
            Self::WrongState => "wrong_state",
            Self::NotYetVisible => "not_yet_visible",
            Self::Throttled => "throttled",
            Self::Lost => "no_answer",
            Self::Denied => "denied",
            Self::Credentials => "credentials",
            Self::Quota => "quota",
            Self::Capacity => "capacity",
            Self::Invalid => "invalid",
        }
    }

    /// Whether the same call may succeed a little later.
    pub fn passes(self) -> bool {
        matches!(self, Self::Throttled | Self::Lost | Self::NotYetVisible | Self::WrongState)
    }
}

/// A call that AWS refused or did not answer.
#[derive(Clone, Debug, PartialEq)]
pub struct AwsError {
    /// The API operation, as AWS names it.
    pub call: &'static str,
    pub class: Class,
    pub code: Option<String>,
    pub message: String,
    pub request_id: Option<String>,
    /// The way out, where the layer that made the call knows a better one than the class has.
    pub help: Option<String>,
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}", self.call, self.message.trim())?;
        match (&self.code, &self.request_id) {
            (Some(code), Some(id)) => write!(f, " ({code}, request {id})"),
            (Some(code), None) => write!(f, " ({code})"),
            (None, Some(id)) => write!(f, " (request {id})"),
            (None, None) => Ok(()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Aws(Box<AwsError>),
    #[error("{key} was still `{last}` after {}", seconds(.waited))]
    StillBusy { key: Key, last: String, waited: Duration },
    #[error("{key} is broken: {why}")]
    Broken {
        key: Key,
        why: String,
        /// What brings it back, where something does.
        repair: Option<String>,
        /// What making it again would lose.
        loses: Option<&'static str>,
    },
    #[error("{key} exists as {id}, but carries no tag of stack `{stack}`")]
    NotOurs {
        key: Key,
        id: String,
        stack: String,
        /// The stack that it says it belongs to.
        of: Option<String>,
    },
    /// It carries the stack's tags, which everybody may set who may tag.
    #[error("{key}: {id} carries the tags of stack `{stack}`, but is not in the stack's record of what it has made")]
    Unproven { key: Key, id: String, stack: String },
    /// It holds data, and is not the one that the stack file describes.
    #[error("{key} is not deleted: {id} differs from the stack file in {}, which cannot be changed", .fields.join(", "))]
    Unlike { key: Key, id: String, fields: Vec<String> },
    #[error("{key} is not deleted: {id} is protected from deletion")]
    Protected { key: Key, id: String },
    #[error("{key} exists as {id}, and is this stack's under the tag prefix `{prefix}`, not `{ours}`")]
    OtherPrefix { key: Key, id: String, stack: String, prefix: String, ours: String },
    #[error("{key} exists more than once: {}", .ids.join(", "))]
    Ambiguous { key: Key, ids: Vec<String> },
    #[error("{key} cannot change {} in place", .fields.join(", "))]
    Fixed {
        key: Key,
        fields: Vec<String>,
        /// `storage_gb = 30`, as it stands, where that is short.
        was: Vec<String>,
        /// Whether everything of the stack stands in it.
        carries_all: bool,
        /// What replacing it would lose.
        loses: Option<&'static str>,
    },
    #[error("{key} is still in use after {}{}", seconds(.waited), held_by(.by))]
    Blocked { key: Key, by: Vec<String>, waited: Duration },
    #[error("{what} does not exist")]
    Missing { key: Key, what: String },
    #[error("a value of {0} was needed before it existed")]
    Unknown(Key),
    #[error("interrupted")]
    Interrupted,
    /// There are no credentials that could be used: nothing was asked of AWS.
    #[error("{what}")]
    Credentials { what: String, help: String },
    /// A look that changes nothing got no answer in its time.
    #[error("no answer within {} s", .waited.as_secs())]
    NoAnswer { waited: Duration },
    #[error("{what}")]
    Other { what: String, help: String },
}

impl Error {
    /// An error with its way out, for what no other variant says.
    pub fn other(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Other { what: what.into(), help: help.into() }
    }

    pub fn class(&self) -> Option<Class> {
        match self {
            Self::Aws(e) => Some(e.class),
            Self::Credentials { .. } => Some(Class::Credentials),
            _ => None,
        }
    }

    /// What kind of error it is: stable, for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Aws(e) => e.class.code(),
            Self::StillBusy { .. } => "still_busy",
            Self::Broken { .. } => "broken",
            Self::NotOurs { .. } => "not_ours",
            Self::Unproven { .. } => "unproven",
            Self::Unlike { .. } => "unlike",
            Self::Protected { .. } => "protected",
            Self::OtherPrefix { .. } => "other_prefix",
            Self::Ambiguous { .. } => "ambiguous",
            Self::Fixed { .. } => "fixed",
            Self::Blocked { .. } => "in_use",
            Self::Missing { .. } => "not_found",
            Self::Unknown(_) => "unknown",
            Self::Interrupted => "interrupted",
            Self::Credentials { .. } => "credentials",
            Self::NoAnswer { .. } | Self::Other { .. } => "other",
        }
    }
}

fn seconds(d: &Duration) -> String {
    match d.as_secs() {
        s @ 0..120 => format!("{s} s"),
        s => format!("{} min", s / 60),
    }
}

fn held_by(by: &[String]) -> String {
    if by.is_empty() { String::new() } else { format!(", held by {}", by.join(", ")) }
}
