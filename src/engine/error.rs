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

    fn help(self) -> Option<&'static str> {
        Some(match self {
            Self::Denied => {
                "`gameday policy` prints the IAM policy this stack needs; \
                 a group that the account forbids can be set to `use` or `off` in gameday.toml"
            }
            Self::Credentials => {
                "renew the credentials (environment variables, `aws sso login`, --profile), \
                 then run the same command again: it resumes where it stopped"
            }
            Self::Quota => {
                "delete what is not needed, or ask for more in Service Quotas; then run the same command again"
            }
            Self::Capacity => {
                "choose another instance class or zone in gameday.toml, or run the same command again later"
            }
            Self::Throttled => "AWS throttles this account: run the same command again, it resumes where it stopped",
            Self::Lost => "check the network and run the same command again: it resumes where it stopped",
            Self::InUse => "remove what uses it, then run the same command again",
            _ => return None,
        })
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

impl AwsError {
    fn help(&self) -> Option<String> {
        self.help.clone().or_else(|| self.class.help().map(Into::into))
    }
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
            Self::Other { .. } => "other",
        }
    }

    /// The way out, where one is known.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Aws(e) => return e.help(),
            Self::StillBusy { .. } => "run the same command again: it resumes where it stopped".into(),
            Self::Broken { repair: Some(how), .. } => how.clone(),
            Self::Broken { key, loses, .. } => {
                format!("`gameday up --replace {}` deletes it and makes it again{}", plain(key.as_str()), lost(loses))
            }
            Self::Unproven { key, id, .. } => format!(
                "look at it first: whoever may tag can make this claim. If it is the stack's, \
                 `gameday up --adopt {take}` goes on with it (`gameday teardown --delete {id}` deletes it, with the whole \
                 stack); if it is not, take its tags off, or give the step another name under [names]",
                take = format_args!("{}={}", plain(key.as_str()), plain(id)),
                id = plain(id),
            ),
            Self::Unlike { id, .. } => format!(
                "put the stack file back as it was; `gameday teardown --delete {}` deletes it all the same, with the whole \
                 stack",
                plain(id)
            ),
            Self::Protected { id, .. } => format!(
                "take the protection off on AWS, then run the same command again; `gameday teardown --delete {}` deletes \
                 it all the same, with the whole stack",
                plain(id)
            ),
            Self::NotOurs { key, id, .. } => format!(
                "`gameday up --adopt {}={}` tags it as ours; or give it another name under [names], or set its group to `use`",
                plain(key.as_str()),
                plain(id)
            ),
            Self::OtherPrefix { stack, prefix, .. } => format!(
                "write tag_prefix = {prefix:?} in gameday.toml to go on with the stack that stands; to change the prefix, \
                 run `gameday teardown --confirm {}` under the old one first",
                plain(stack)
            ),
            Self::Ambiguous { .. } => "delete the ones that are not in use, then run the same command again".into(),
            Self::Fixed { key, was, carries_all, loses, .. } => {
                let was = if was.is_empty() { String::new() } else { format!(" ({})", was.join(", ")) };
                if *carries_all {
                    return Some(format!(
                        "put the old value back{was}: the whole stack stands in it; for another one `gameday teardown` first \
                         (the data are lost)"
                    ));
                }
                let lost = lost(loses);
                format!(
                    "put the old value back{was}, or `gameday up --replace {}` deletes it and makes it again{lost}",
                    plain(key.as_str())
                )
            }
            Self::Blocked { .. } => "remove what holds it, then run the same command again".into(),
            Self::Missing { .. } => "correct gameday.toml, or set the group to `create`".into(),
            Self::Unknown(_) => "this is a defect of gameday: please report it".into(),
            Self::Interrupted => "run the same command again: it resumes where it stopped".into(),
            Self::Credentials { help, .. } | Self::Other { help, .. } => help.clone(),
        })
        .filter(|help| !help.is_empty())
    }
}

impl miette::Diagnostic for Error {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Error::help(self).map(|h| Box::new(h) as Box<dyn fmt::Display>)
    }
}

fn seconds(d: &Duration) -> String {
    match d.as_secs() {
        s @ 0..120 => format!("{s} s"),
        s => format!("{} min", s / 60),
    }
}

/// A word for a command, where a shell takes it as it stands.
fn plain(word: &str) -> &str {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._/:".contains(c);
    if word.starts_with('-') || !word.chars().all(is_plain) { "NAME" } else { word }
}

fn lost(loses: &Option<&str>) -> String {
    loses.map(|what| format!(": {what} would be lost")).unwrap_or_default()
}

fn held_by(by: &[String]) -> String {
    if by.is_empty() { String::new() } else { format!(", held by {}", by.join(", ")) }
}
