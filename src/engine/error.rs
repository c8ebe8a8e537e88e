//! The one error type. An error holds facts: what happened, and to which step. The caller knows what to do about it.
use crate::Key;
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// The result of whatever can fail in a run.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason for which AWS refuses or fails a call.
///
/// The AWS layer decides it once, from the error code. It is what the engine acts on: [`Class::passes`] makes it try
/// again, [`Class::InUse`] makes a deletion ask for the holders, [`Class::Lost`] makes a create look for what it
/// created. Serialises as its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Class {
    /// There is no such object.
    NotFound,
    /// An object with this name exists already.
    AlreadyExists,
    /// Something else still uses the object.
    InUse,
    /// The object is not in a state that allows this yet: it is being created, changed or deleted.
    WrongState,
    /// Something that the call refers to is not visible everywhere yet (eventual consistency).
    NotYetVisible,
    /// There were too many calls.
    Throttled,
    /// There was no answer, or a 5xx: whether the call took effect is not known.
    Lost,
    /// An IAM policy, an SCP or the account does not allow the call.
    Denied,
    /// The credentials are missing, wrong or expired.
    Credentials,
    /// A quota of the account is used up.
    Quota,
    /// AWS has no capacity for this at the moment.
    Capacity,
    /// The request itself is wrong.
    Invalid,
}

impl Class {
    /// Returns the word for the class: stable, for scripts.
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

    /// True if the same call can succeed a little later.
    pub fn passes(self) -> bool {
        matches!(self, Self::Throttled | Self::Lost | Self::NotYetVisible | Self::WrongState)
    }
}

/// A call that AWS refused or did not answer.
#[derive(Clone, Debug, PartialEq)]
pub struct AwsError {
    /// The API operation, as AWS names it.
    pub call: &'static str,
    /// The reason, as the engine acts on it.
    pub class: Class,
    /// The reason, as AWS calls it.
    pub code: Option<String>,
    /// AWS's message.
    pub message: String,
    /// AWS's id of the request, for its support.
    pub request_id: Option<String>,
    /// The way out, if the layer that made the call knows a better one than the class suggests.
    pub help: Option<String>,
}

impl AwsError {
    /// Makes an error that AWS itself did not send, with a class for the engine to act on.
    pub fn new(call: &'static str, class: Class, message: impl Into<String>) -> Self {
        Self { call, class, code: None, message: message.into(), request_id: None, help: None }
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

/// Everything that can go wrong with a step, and with a run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// AWS refused a call, or did not answer.
    #[error("{0}")]
    Aws(Box<AwsError>),

    /// AWS has not finished in time.
    #[error("{key} was still `{last}` after {}", seconds(.waited))]
    StillBusy {
        /// The step.
        key: Key,
        /// The last phase of the object.
        last: String,
        /// The time that the engine has waited.
        waited: Duration,
    },

    /// The object does not work and will not without an intervention.
    #[error("{key} is broken: {why}")]
    Broken {
        /// The step.
        key: Key,
        /// The reason, in AWS's words.
        why: String,
        /// The repair that loses nothing, if there is one.
        repair: Option<String>,
        /// The loss if it is replaced.
        loses: Option<&'static str>,
    },

    /// The object does not carry the stack's tag, or nothing else says that it is the stack's if it cannot carry any.
    #[error("{key} exists as {id}, but {} stack `{stack}`", lacks(.tagless))]
    NotOurs {
        /// The step.
        key: Key,
        /// AWS's own id or name of the object.
        id: String,
        /// The stack that looked for it.
        stack: String,
        /// The stack whose tag it carries.
        of: Option<String>,
        /// True if AWS keeps no tags for such objects.
        tagless: bool,
    },

    /// The object carries the stack's tags, which everybody with the right to tag can set, and nothing else is known of
    /// it.
    #[error("{key}: {id} carries the tags of stack `{stack}`, but is not in the stack's record of what it has made")]
    Unproven {
        /// The step.
        key: Key,
        /// AWS's own id or name of the object.
        id: String,
        /// The stack.
        stack: String,
    },

    /// The object holds data, and is not the one that the stack file describes. It is not deleted.
    #[error(
        "{key} is not deleted: {id} differs from the stack file in {}, which cannot be changed",
        .fields.join(", ")
    )]
    Unlike {
        /// The step.
        key: Key,
        /// AWS's own id or name of the object.
        id: String,
        /// The fields in which it differs.
        fields: Vec<String>,
    },

    /// The object is protected from deletion. It is not deleted.
    #[error("{key} is not deleted: {id} is protected from deletion")]
    Protected {
        /// The step.
        key: Key,
        /// AWS's own id or name of the object.
        id: String,
    },

    /// The object is the stack's, but under another prefix of the tags.
    #[error("{key} exists as {id}, and is this stack's under the tag prefix `{prefix}`, not `{ours}`")]
    OtherPrefix {
        /// The step.
        key: Key,
        /// AWS's own id or name of the object.
        id: String,
        /// The stack.
        stack: String,
        /// The prefix of the object's tags.
        prefix: String,
        /// The prefix that the stack uses at this moment.
        ours: String,
    },

    /// Several objects claim to be the step.
    #[error("{key} exists more than once: {}", .ids.join(", "))]
    Ambiguous {
        /// The step.
        key: Key,
        /// AWS's own ids or names of the objects.
        ids: Vec<String>,
    },

    /// AWS cannot change the object in place, and nobody has agreed to replace it.
    #[error("{key} cannot change {} in place", .fields.join(", "))]
    Fixed {
        /// The step.
        key: Key,
        /// The fields that cannot be changed.
        fields: Vec<String>,
        /// The found values of those fields that are short: `storage_gb = 30`.
        was: Vec<String>,
        /// True if the whole stack is inside the object, so that it is never replaced.
        carries_all: bool,
        /// The loss if it is replaced.
        loses: Option<&'static str>,
    },

    /// Something else uses the object, so that it cannot be deleted.
    #[error("{key} is still in use after {}{}", seconds(.waited), held_by(.by))]
    Blocked {
        /// The step.
        key: Key,
        /// The objects that use it, as far as they are known.
        by: Vec<String>,
        /// The time that the engine has waited.
        waited: Duration,
    },

    /// An object that is to be used does not exist.
    #[error("{what} does not exist")]
    Missing {
        /// The step.
        key: Key,
        /// The object, in words.
        what: String,
    },

    /// A kind has read the output of a step before that step was done.
    #[error("a value of {0} was needed before it existed")]
    Unknown(Key),

    /// The run was stopped.
    #[error("interrupted")]
    Interrupted,

    /// There are no usable credentials, and no call was made.
    #[error("{what}")]
    Credentials {
        /// The error in words.
        what: String,
        /// The way out.
        help: String,
    },

    /// A look that changes nothing got no answer in its time.
    #[error("no answer within {} s", .waited.as_secs())]
    NoAnswer {
        /// The time that the engine has waited.
        waited: Duration,
    },

    /// An error of the engine's caller.
    #[error("{what}")]
    Other {
        /// The error in words.
        what: String,
        /// The way out; empty if there is none.
        help: String,
    },
}

impl Error {
    /// Makes an error that no other variant describes, with its way out.
    pub fn other(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Other { what: what.into(), help: help.into() }
    }

    /// Returns the reason for which AWS refused or failed a call, if that is the error.
    pub fn class(&self) -> Option<Class> {
        match self {
            Self::Aws(e) => Some(e.class),
            Self::Credentials { .. } => Some(Class::Credentials),
            _ => None,
        }
    }

    /// Changes the class of a failed call to `to`, if `is_it` holds for the class that it has.
    ///
    /// The class decides what the engine does next, and a kind sometimes knows more than AWS's code says:
    ///
    /// * A create that fails after its first call has created the object. As [`Class::Lost`], the engine looks for the
    ///   object instead of creating a second one.
    /// * A part that is there already when it is added was added by a repeated call, or by somebody else. As
    ///   [`Class::Lost`], the engine looks again and does what is left.
    /// * An object that is not found, but was seen a moment ago, is [`Class::NotYetVisible`].
    pub fn reclassify(self, is_it: impl FnOnce(Class) -> bool, to: Class) -> Self {
        match self {
            Self::Aws(e) if is_it(e.class) => Self::Aws(Box::new(AwsError { class: to, ..*e })),
            other => other,
        }
    }

    /// Returns the kind of the error: stable, for scripts.
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

/// Returns what an object lacks to be a stack's.
fn lacks(tagless: &bool) -> &'static str {
    if *tagless { "nothing says that it is of" } else { "carries no tag of" }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_stored_as_its_name() {
        for class in [Class::Credentials, Class::Lost, Class::Throttled, Class::NotYetVisible] {
            let text = serde_json::to_string(&class).unwrap();
            assert_eq!(text, format!("\"{class:?}\""));
            assert_eq!(serde_json::from_str::<Class>(&text).unwrap(), class);
        }
    }

    #[test]
    fn only_the_class_of_a_failed_call_changes() {
        let refused = Error::Aws(Box::new(AwsError::new("ModifyThing", Class::NotFound, "no such thing")));
        let visible = |e: Error| e.reclassify(|class| class == Class::NotFound, Class::NotYetVisible);
        let changed = visible(refused.clone());
        assert_eq!((changed.class(), changed.to_string()), (Some(Class::NotYetVisible), refused.to_string()));
        assert_eq!(visible(Error::Interrupted), Error::Interrupted);
        assert_eq!(refused.clone().reclassify(|class| class == Class::Lost, Class::Denied), refused);
    }
}
