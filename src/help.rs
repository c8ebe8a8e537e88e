//! Help texts: what to type, or to change in the stack file, after an error.
//!
//! The engine's errors hold facts. This module puts the ways out into words, because only this crate knows the command
//! line and the stack file.
use crate::error::{AwsError, Class, Error};

/// An error that may have a help text.
pub trait Help {
    /// Returns the way out, if one is known.
    fn help(&self) -> Option<String>;
}

impl Help for Error {
    fn help(&self) -> Option<String> {
        of(self)
    }
}

/// Returns the help text for an error of the engine, if there is one. This is the [`Env::advice`] of every run.
///
/// [`Env::advice`]: crate::engine::Env::advice
pub fn of(error: &Error) -> Option<String> {
    let help = match error {
        Error::Aws(e) => return of_call(e),
        Error::StillBusy { .. } | Error::Interrupted => {
            "run the same command again: it resumes where it stopped".into()
        }
        Error::Broken { repair: Some(how), .. } => how.clone(),
        Error::Broken { key, loses, .. } => {
            format!("`gameday up --replace {}` deletes it and makes it again{}", plain(key.as_str()), loss(loses))
        }
        Error::Unproven { key, id, .. } => format!(
            "look at it first: anybody who is allowed to tag can set these tags. If it is the stack's, \
             `gameday up --adopt {take}` goes on with it (`gameday teardown --delete {id}` deletes it, with the whole \
             stack); if it is not, take its tags off, or give the step another name under [names]",
            take = format_args!("{}={}", plain(key.as_str()), plain(id)),
            id = plain(id),
        ),
        Error::Unlike { id, .. } => format!(
            "put the stack file back as it was; `gameday teardown --delete {}` deletes it anyway, with the whole stack",
            plain(id)
        ),
        Error::Protected { id, .. } => format!(
            "take the protection off on AWS, then run the same command again; `gameday teardown --delete {}` deletes \
             it anyway, with the whole stack",
            plain(id)
        ),
        Error::NotOurs { key, id, tagless: true, .. } => format!(
            "`gameday up --adopt {}={}` puts the stack's record in its place; or delete it, or choose another name in \
             gameday.toml",
            plain(key.as_str()),
            plain(id)
        ),
        Error::NotOurs { key, id, .. } => format!(
            "`gameday up --adopt {}={}` tags it as ours; or give it another name under [names], or set its group to \
             `use`",
            plain(key.as_str()),
            plain(id)
        ),
        Error::OtherPrefix { stack, prefix, .. } => format!(
            "write tag_prefix = {prefix:?} in gameday.toml to go on with the existing stack; to change the prefix, \
             run `gameday teardown --confirm {}` under the old one first",
            plain(stack)
        ),
        Error::Ambiguous { .. } => "delete the ones that are not in use, then run the same command again".into(),
        Error::Fixed { key, was, carries_all, loses, .. } => {
            let was = if was.is_empty() { String::new() } else { format!(" ({})", was.join(", ")) };
            match carries_all {
                true => format!(
                    "put the old value back{was}: the whole stack is in it; for another one `gameday teardown` \
                     first (the data is lost)"
                ),
                false => format!(
                    "put the old value back{was}, or `gameday up --replace {}` deletes it and makes it again{}",
                    plain(key.as_str()),
                    loss(loses)
                ),
            }
        }
        Error::Blocked { .. } => "remove what holds it, then run the same command again".into(),
        Error::Missing { key, .. } if key.kind() == "hosted-zone" => {
            "no public hosted zone of this account has the name: name another domain in gameday.toml; or create the zone \
             in Route 53 and delegate its domain to it. `aws route53 list-hosted-zones` lists them"
                .into()
        }
        Error::Missing { .. } => "correct gameday.toml, or set the group to `create`".into(),
        Error::Unknown(_) => "this is a defect of gameday: please report it".into(),
        Error::NoAnswer { .. } => "check the network, and run the same command again".into(),
        Error::Credentials { help, .. } | Error::Other { help, .. } => help.clone(),
    };
    Some(help).filter(|help| !help.is_empty())
}

/// Returns the help text for a failed call: that of the layer that made it, else that of its class.
fn of_call(e: &AwsError) -> Option<String> {
    e.help.clone().or_else(|| of_class(e.class).map(Into::into))
}

fn of_class(class: Class) -> Option<&'static str> {
    Some(match class {
        Class::Denied => {
            "`gameday policy` prints the IAM policy this stack needs; \
             a group that the account forbids can be set to `use` or `off` in gameday.toml"
        }
        Class::Credentials => {
            "renew the credentials (environment variables, `aws sso login`, --profile), \
             then run the same command again: it resumes where it stopped"
        }
        Class::Quota => "delete what is not needed, or ask for more in Service Quotas; then run the same command again",
        Class::Capacity => "choose another instance class or zone in gameday.toml, or run the same command again later",
        Class::Throttled => "AWS throttles this account: run the same command again, it resumes where it stopped",
        Class::Lost => "check the network and run the same command again: it resumes where it stopped",
        Class::InUse => "remove what uses it, then run the same command again",
        _ => return None,
    })
}

/// Returns a word for a command, if a shell takes it literally; a placeholder if not.
fn plain(word: &str) -> &str {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._/:".contains(c);
    if word.starts_with('-') || !word.chars().all(is_plain) { "NAME" } else { word }
}

fn loss(loses: &Option<&str>) -> String {
    loses.map(|what| format!(": {what} would be lost")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Key;

    #[test]
    fn a_refused_change_names_the_old_value_and_what_replacing_loses() {
        let refusal = |loses, carries_all| Error::Fixed {
            key: Key::new("thing", "web"),
            fields: vec!["name".into()],
            was: vec!["name = \"t-web\"".into()],
            carries_all,
            loses,
        };
        let help = refusal(Some("the data in it"), false).help().unwrap();
        assert_eq!(
            help,
            "put the old value back (name = \"t-web\"), or `gameday up --replace thing/web` deletes it and makes it \
             again: the data in it would be lost"
        );
        assert!(refusal(None, true).help().unwrap().contains("`gameday teardown` first"));
    }

    #[test]
    fn words_that_a_shell_would_not_take_literally_are_not_in_a_command() {
        let key = Key::new("vpc", "main");
        for id in ["$(reboot)", "-x", "a b"] {
            let (key, stack) = (key.clone(), "t".into());
            let error = Error::NotOurs { key, id: id.into(), stack, of: None, tagless: false };
            assert!(error.help().unwrap().starts_with("`gameday up --adopt vpc/main=NAME`"), "{id}");
        }
    }

    #[test]
    fn the_layer_that_made_the_call_knows_better_than_its_class() {
        let call = |help: Option<&str>| {
            let (code, message, request_id, help) = (None, String::new(), None, help.map(Into::into));
            Error::Aws(Box::new(AwsError { call: "ModifyThing", class: Class::InUse, code, message, request_id, help }))
        };
        assert_eq!(call(None).help().unwrap(), "remove what uses it, then run the same command again");
        assert_eq!(call(Some("wait")).help().unwrap(), "wait");
    }

    #[test]
    fn another_prefix_is_named_for_the_stack_file() {
        let (key, id, stack) = (Key::new("vpc", "main"), "vpc-1".into(), "t".into());
        let error = Error::OtherPrefix { key, id, stack, prefix: "event-".into(), ours: "gameday:".into() };
        assert!(error.help().unwrap().contains("tag_prefix = \"event-\""), "{error}");
    }
}
