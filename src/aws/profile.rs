//! Checks a profile before the SDK sees it: where its credentials come from, or what is wrong with it, and in which
//! line.
use super::files::{Files, Place, Profile, Value, credentials};
use crate::{
    config::file,
    error::{Error, Result},
    shell,
};
use aws_credential_types::Credentials;
use std::path::{Path, PathBuf};

/// Where credentials come from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Keys(Credentials),
    Role { role: Role, with: Box<Source> },
    WebIdentity { arn: String, session: Option<String>, token: PathBuf },
    Sso(Sso),
    Login { session: String, profile: String, at: Place },
    Process { command: String, profile: String, at: Place },
    Environment { profile: String, at: Place },
    InstanceMetadata,
    Container,
}

/// A role to assume.
#[derive(Clone, Debug)]
pub(super) struct Role {
    pub arn: String,
    pub session: Option<String>,
    pub external_id: Option<String>,
    pub seconds: Option<i32>,
    /// The serial number of the MFA device whose code AWS requires.
    pub mfa: Option<String>,
    pub profile: String,
    pub at: Place,
}

/// An SSO session and the role in it.
#[derive(Clone, Debug)]
pub(super) struct Sso {
    pub profile: String,
    pub at: Place,
    pub session: Option<String>,
    pub start_url: String,
    pub region: String,
    pub account: String,
    pub role: String,
}

const SOURCES: [&str; 3] = ["Environment", "Ec2InstanceMetadata", "EcsContainer"];

/// Returns the source of a profile's credentials, `None` if it names none.
pub(super) fn source(files: &Files, profile: &Profile) -> Result<Option<Source>> {
    Checker { files }.source(profile, &mut vec![])
}

struct Checker<'a> {
    files: &'a Files,
}

impl Checker<'_> {
    /// Returns the source of a profile. `seen` are the profiles that refer to it, the first one first.
    fn source(&self, profile: &Profile, seen: &mut Vec<String>) -> Result<Option<Source>> {
        let has = |key| profile.get(key).is_some();
        let keys = has("aws_access_key_id") || has("aws_secret_access_key");
        // A role comes first, except in the source profile of another role.
        if has("role_arn") && has("web_identity_token_file") {
            return self.web_identity(profile).map(Some);
        }
        if has("role_arn") && (seen.is_empty() || !keys) {
            return self.role(profile, seen).map(Some);
        }
        if !has("role_arn") {
            for key in ["source_profile", "credential_source", "web_identity_token_file", "mfa_serial"] {
                if let Some(value) = profile.get(key).filter(|_| !keys) {
                    let what = format!("the profile {} has {key}, but no role_arn ({})", profile.name, value.at);
                    return Err(credentials(
                        what,
                        "add role_arn = arn:aws:iam::ACCOUNT:role/NAME, or delete that line",
                    ));
                }
            }
        }
        if has("sso_account_id") || has("sso_role_name") {
            return self.sso(profile).map(Some);
        }
        if keys {
            return keys_of(profile).map(|k| Some(Source::Keys(k)));
        }
        if let Some(value) = profile.get("login_session") {
            let session = filled(profile, "login_session", value)?.to_owned();
            return Ok(Some(Source::Login { session, profile: profile.name.clone(), at: value.at.clone() }));
        }
        if let Some(value) = profile.get("credential_process") {
            let command = filled(profile, "credential_process", value)?.to_owned();
            return Ok(Some(Source::Process { command, profile: profile.name.clone(), at: value.at.clone() }));
        }
        if has("sso_session") || has("sso_start_url") {
            return self.sso(profile).map(Some);
        }
        Ok(None)
    }

    fn role(&self, profile: &Profile, seen: &mut Vec<String>) -> Result<Source> {
        let name = &profile.name;
        let text = |key: &str| profile.get(key).map(|v| filled(profile, key, v).map(str::to_owned)).transpose();
        let at = |key: &str| profile.get(key).map_or(&profile.at, |v| &v.at);
        let (arn, arn_at) = (arn(profile)?, at("role_arn").clone());
        let seconds = match text("duration_seconds")? {
            Some(text) => Some(text.parse().map_err(|_| {
                let what =
                    format!("duration_seconds of the profile {name} is not a number ({})", at("duration_seconds"));
                credentials(what, "give seconds, 900 to 43200, such as 3600")
            })?),
            None => None,
        };
        let with = match (text("source_profile")?, text("credential_source")?) {
            (Some(_), Some(_)) => {
                let (one, other) = (at("source_profile"), at("credential_source"));
                let what = format!(
                    "the profile {name} has both source_profile ({one}) and credential_source (line {})",
                    other.line
                );
                return Err(credentials(what, "delete one of the two lines"));
            }
            (None, None) => {
                let what = format!("the profile {name} has a role_arn ({arn_at}), but nothing to assume the role with");
                let help =
                    "add source_profile = NAME of a profile with credentials, or credential_source = Environment";
                return Err(credentials(what, help));
            }
            (Some(source), None) => self.source_profile(profile, &source, at("source_profile"), seen)?,
            (None, Some(source)) => match SOURCES.iter().position(|s| s.eq_ignore_ascii_case(&source)) {
                Some(0) => Source::Environment { profile: name.clone(), at: at("credential_source").clone() },
                Some(1) => Source::InstanceMetadata,
                Some(_) => Source::Container,
                None => {
                    let near =
                        SOURCES.iter().find(|s| strsim::jaro_winkler(&s.to_lowercase(), &source.to_lowercase()) > 0.85);
                    let meant = near.map(|s| format!("did you mean {s}? ")).unwrap_or_default();
                    let place = at("credential_source");
                    let what = format!("{source} is not a credential_source (profile {name}, {place})");
                    return Err(credentials(what, format!("{meant}there are {}", SOURCES.join(", "))));
                }
            },
        };
        let role = Role {
            arn,
            session: text("role_session_name")?,
            external_id: text("external_id")?,
            seconds,
            mfa: text("mfa_serial")?,
            profile: name.clone(),
            at: arn_at,
        };
        Ok(Source::Role { role, with: Box::new(with) })
    }

    fn source_profile(&self, of: &Profile, source: &str, at: &Place, seen: &mut Vec<String>) -> Result<Source> {
        let name = &of.name;
        let Some(profile) = self.files.profile(source)? else {
            let there: Vec<String> = self.files.names().into_iter().filter(|n| n != name).collect();
            let near = there.iter().find(|n| strsim::jaro_winkler(n, source) > 0.85);
            let meant = near.map(|n| format!("did you mean {n}? ")).unwrap_or_default();
            let what = format!("the source_profile {source} of the profile {name} does not exist ({at})");
            let help = if there.is_empty() {
                "there is no other profile".into()
            } else {
                format!("there are {}", there.join(", "))
            };
            return Err(credentials(what, meant + &help));
        };
        // One profile can hold a role and the keys to assume it with.
        if source == name {
            let keys = profile.get("aws_access_key_id").is_some() || profile.get("aws_secret_access_key").is_some();
            if keys {
                return keys_of(&profile).map(Source::Keys);
            }
        }
        seen.push(name.clone());
        if let Some(from) = seen.iter().position(|n| n == source) {
            let circle = [&seen[from..], &[source.to_owned()]].concat().join(" -> ");
            let what = format!("the source_profile of {name} forms a circle: {circle} ({at})");
            return Err(credentials(what, "let one of them have keys, SSO or a process of its own"));
        }
        self.source(&profile, seen)?.ok_or_else(|| {
            let what = format!("the source_profile {source} of the profile {name} has no credentials ({})", profile.at);
            let word = shell::word(source);
            credentials(
                what,
                format!("`aws configure --profile {word}` or `aws configure sso --profile {word}` gives it some"),
            )
        })
    }

    fn web_identity(&self, profile: &Profile) -> Result<Source> {
        let Some(value) = profile.get("web_identity_token_file") else { unreachable!("it was asked for") };
        let file = filled(profile, "web_identity_token_file", value)?;
        let token =
            token_file(file, &format!("web_identity_token_file of the profile {} ({})", profile.name, value.at))?;
        let session = profile.text("role_session_name").map(Into::into);
        Ok(Source::WebIdentity { arn: arn(profile)?, session, token })
    }

    fn sso(&self, profile: &Profile) -> Result<Source> {
        let name = &profile.name;
        let mut all = profile.values.clone();
        let session = profile.get("sso_session");
        let mut place = profile.at.clone();
        if let Some(value) = session {
            let wanted = filled(profile, "sso_session", value)?;
            let Some(section) = self.files.section("sso-session", wanted)? else {
                let there = self.files.sections("sso-session");
                let help = match there.is_empty() {
                    true => format!("`aws configure sso-session` makes it, as [sso-session {}]", shell::word(wanted)),
                    false => format!("those that are there: {}", there.join(", ")),
                };
                let what = format!("the sso_session {wanted} of the profile {name} does not exist ({})", value.at);
                return Err(credentials(what, help));
            };
            for (key, theirs) in &section.values {
                if let Some(ours) = all.get(key).filter(|ours| ours.text != theirs.text) {
                    let what = format!(
                        "{key} of the profile {name} ({}) is another one than that of its sso-session (line {})",
                        ours.at, theirs.at.line
                    );
                    return Err(credentials(what, "delete the one of the profile"));
                }
                all.insert(key.clone(), theirs.clone());
            }
            place = section.at;
        }
        let text = |key: &str| all.get(key).map(|v| v.text.clone()).filter(|t| !t.is_empty());
        let needed = ["sso_account_id", "sso_role_name", "sso_start_url", "sso_region"];
        let missing: Vec<&str> = needed.into_iter().filter(|key| text(key).is_none()).collect();
        if !missing.is_empty() {
            // With a session, two of the keys belong there.
            let of_session = session.is_some() && missing.iter().all(|k| matches!(*k, "sso_start_url" | "sso_region"));
            let (whose, at) = match of_session {
                true => ("its sso-session", place),
                false => ("it", profile.at.clone()),
            };
            let what = format!("the profile {name} uses SSO, but {whose} has no {} ({at})", missing.join(", "));
            return Err(credentials(what, format!("add that, or `aws configure sso --profile {}`", shell::word(name))));
        }
        let of = |key: &str| text(key).unwrap_or_default();
        Ok(Source::Sso(Sso {
            profile: name.clone(),
            at: profile.at.clone(),
            session: session.map(|v| v.text.clone()),
            start_url: of("sso_start_url"),
            region: of("sso_region"),
            account: of("sso_account_id"),
            role: of("sso_role_name"),
        }))
    }
}

/// Returns the path of a token file that exists and is not empty. `by` names the setting.
pub(super) fn token_file(path: &str, by: &str) -> Result<PathBuf> {
    let wrong = |why: String| {
        credentials(
            format!("{by} names {path}, which {why}"),
            "whoever started this shell has to write the token there",
        )
    };
    match file::read(Path::new(path), file::MOST) {
        Ok(bytes) if bytes.iter().all(u8::is_ascii_whitespace) => Err(wrong("is empty".into())),
        Ok(_) => Ok(path.into()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(wrong("is not there".into())),
        Err(e) => Err(wrong(format!("cannot be read: {e}"))),
    }
}

fn arn(profile: &Profile) -> Result<String> {
    let Some(value) = profile.get("role_arn") else { unreachable!("it was asked for") };
    let arn = filled(profile, "role_arn", value)?;
    if arn.starts_with("arn:") && arn.contains(":role/") {
        return Ok(arn.into());
    }
    let what = format!("role_arn of the profile {} is not the ARN of a role: {arn} ({})", profile.name, value.at);
    Err(credentials(what, "write arn:aws:iam::ACCOUNT:role/NAME"))
}

/// Returns the text of a value, which must not be empty and must be on one line.
fn filled<'a>(profile: &Profile, key: &str, value: &'a Value) -> Result<&'a str> {
    if let Some((line, _)) = value.below.first() {
        let what = format!(
            "{key} of the profile {} goes on in line {line}, which is indented further ({})",
            profile.name, value.at
        );
        return Err(credentials(what, "write all keys of a profile with the same indentation"));
    }
    if value.text.is_empty() {
        let what = format!("{key} of the profile {} is empty ({})", profile.name, value.at);
        return Err(credentials(what, "give it a value, or delete the line"));
    }
    Ok(&value.text)
}

fn keys_of(profile: &Profile) -> Result<Credentials> {
    let name = &profile.name;
    let part = |key: &'static str| -> Result<Option<String>> {
        let Some(value) = profile.get(key) else { return Ok(None) };
        let text = filled(profile, key, value)?;
        sound(text, &format!("{key} of the profile {name} ({})", value.at)).map(|()| Some(text.to_owned()))
    };
    let (id, secret) = (part("aws_access_key_id")?, part("aws_secret_access_key")?);
    let lacks = |key: &str, has: &str| {
        let at = profile.get(has).map_or(&profile.at, |v| &v.at);
        let what = format!("the profile {name} has {has} ({at}), but no {key}");
        credentials(what, format!("add {key} there, or `aws configure --profile {}`", shell::word(name)))
    };
    match (id, secret) {
        (Some(id), Some(secret)) => {
            let token = match part("aws_session_token")? {
                Some(token) => Some(token),
                None => part("aws_security_token")?,
            };
            Ok(Credentials::new(id, secret, token, None, "profile"))
        }
        (Some(_), None) => Err(lacks("aws_secret_access_key", "aws_access_key_id")),
        (None, _) => Err(lacks("aws_access_key_id", "aws_secret_access_key")),
    }
}

/// Checks that a key has only the characters of keys. The error says where it is, never what it is.
pub(super) fn sound(text: &str, whose: &str) -> Result<()> {
    let wrong = |what: &str| {
        let help = "copy it again, without anything around it; the value is not shown here";
        Err::<(), Error>(credentials(format!("{whose} has {what} in it, which no key has"), help))
    };
    for c in text.chars() {
        match c {
            '"' | '\'' | '`' | '“' | '”' | '‘' | '’' => return wrong("a quotation mark"),
            '\n' | '\r' => return wrong("a line break"),
            '\u{a0}' | '\u{2007}' | '\u{202f}' => return wrong("a no-break space"),
            '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' => return wrong("a character that cannot be seen"),
            c if c.is_whitespace() => return wrong("a blank"),
            c if !c.is_ascii_graphic() => return wrong(&format!("the character U+{:04X}", u32::from(c))),
            _ => {}
        }
    }
    Ok(())
}

/// Returns the keys in the environment. An incomplete set is an error.
pub(super) fn keys_from_env() -> Result<Option<Credentials>> {
    keys_from(|name| std::env::var_os(name).map(|v| v.to_string_lossy().into_owned()))
}

fn keys_from(env: impl Fn(&str) -> Option<String>) -> Result<Option<Credentials>> {
    // Copying leaves blanks and line ends around a key. A no-break space is invisible.
    let ends: &[char] = &[' ', '\t', '\r', '\n'];
    let of = |name: &str| -> Result<Option<String>> {
        let Some(text) = env(name).map(|v| v.trim_matches(ends).to_owned()).filter(|v| !v.is_empty()) else {
            return Ok(None);
        };
        sound(&text, name).map(|()| Some(text))
    };
    // A secret without an id is ignored as a leftover: a profile may have complete keys.
    match (of("AWS_ACCESS_KEY_ID")?, of("AWS_SECRET_ACCESS_KEY")?) {
        (Some(id), Some(secret)) => {
            let token = match of("AWS_SESSION_TOKEN")? {
                Some(token) => Some(token),
                None => of("AWS_SECURITY_TOKEN")?,
            };
            Ok(Some(Credentials::new(id, secret, token, None, "environment")))
        }
        (Some(_), None) => Err(credentials(
            "AWS_ACCESS_KEY_ID is set in the environment, but AWS_SECRET_ACCESS_KEY is not",
            "set both, or take AWS_ACCESS_KEY_ID away so that a profile is used",
        )),
        (None, _) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Help as _;

    fn env(variables: &[(&str, &str)]) -> Result<Option<Credentials>> {
        keys_from(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn keys_with_stray_characters_are_trimmed_or_said_without_their_value() {
        for (id, secret) in
            [("AKID", "secret"), ("AKID ", "secret\n"), ("\tAKID", "secret\r"), ("AKID\r\n", " secret ")]
        {
            let keys = env(&[("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret)]).unwrap().unwrap();
            assert_eq!((keys.access_key_id(), keys.secret_access_key()), ("AKID", "secret"));
        }
        for (value, why) in [
            ("\"secret\"", "a quotation mark"),
            ("'secret'", "a quotation mark"),
            ("“secret”", "a quotation mark"),
            ("sec ret", "a blank"),
            ("sec\nret", "a line break"),
            ("secret\u{a0}", "a no-break space"),
            ("\u{200b}secret", "cannot be seen"),
            ("sécret", "U+00E9"),
        ] {
            for name in ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
                let said =
                    env(&[("AWS_ACCESS_KEY_ID", "AKID"), (name, value), ("AWS_SECRET_ACCESS_KEY", "y")]).unwrap_err();
                let text = format!("{said} {}", said.help().unwrap());
                assert!(text.contains(name) && text.contains(why) && !text.contains("secret"), "{text}");
            }
        }
    }

    #[test]
    fn a_part_of_the_keys_is_a_mistake() {
        let said = |all: &[(&str, &str)]| env(all).unwrap_err().to_string();
        assert!(said(&[("AWS_ACCESS_KEY_ID", "x")]).contains("AWS_SECRET_ACCESS_KEY is not"));
        assert!(
            said(&[("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", " ")])
                .contains("AWS_SECRET_ACCESS_KEY is not")
        );
        assert!(env(&[("AWS_SESSION_TOKEN", "x")]).unwrap().is_none());
        assert!(env(&[("AWS_SECRET_ACCESS_KEY", "x")]).unwrap().is_none(), "a profile may have the keys");
    }
}
