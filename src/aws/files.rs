//! Reads the AWS configuration files as boto3 does, and keeps the line of each value.
//!
//! Accepts what boto3 accepts: indented keys, blank lines of odd whitespace, quoted names. A mistake in one profile
//! does not affect another.
use crate::{
    config::file,
    error::{Error, Result},
    shell,
};
use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
};

/// A value and its place in the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Value {
    pub text: String,
    pub at: Place,
    /// The raw lines below it that are indented further.
    pub below: Vec<(usize, String)>,
}

/// A line of a file, for messages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub file: String,
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}", self.file, self.line)
    }
}

/// The values of one section.
pub(super) type Values = BTreeMap<String, Value>;

/// A profile of both files. The credentials file wins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Profile {
    pub name: String,
    pub at: Place,
    pub values: Values,
}

impl Profile {
    /// Returns a value of the profile.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// Returns the text of a key if it is not empty.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.get(key).map(|v| v.text.as_str()).filter(|t| !t.is_empty())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Config,
    Credentials,
}

/// One file, as far as it is readable.
#[derive(Debug)]
struct File {
    kind: Kind,
    /// The path for messages.
    shown: String,
    sections: Vec<Section>,
    /// Why the file could not be read.
    wrong: Option<String>,
}

#[derive(Debug)]
struct Section {
    /// The text between the brackets.
    header: String,
    line: usize,
    values: Vec<(String, Value)>,
    /// Lines that are not properties. They are errors only if this section is used.
    bad: Vec<(usize, &'static str)>,
}

/// The config file and the credentials file.
#[derive(Debug)]
pub(super) struct Files {
    config: File,
    credentials: File,
}

impl Files {
    /// Reads the files that the environment names, or those in the home folder.
    pub(super) fn load() -> Self {
        let home = etcetera::home_dir().ok();
        let read = |kind, variable: &str, usual: &str| {
            let given = std::env::var(variable).ok().filter(|v| !v.trim().is_empty());
            let path = match (&given, &home) {
                (Some(path), _) => Some(expanded(path, home.as_deref())),
                (None, Some(home)) => Some(home.join(".aws").join(usual)),
                (None, None) => None,
            };
            let shown = given.unwrap_or_else(|| format!("~/.aws/{usual}"));
            File::read(kind, shown, path.as_deref())
        };
        Self {
            config: read(Kind::Config, "AWS_CONFIG_FILE", "config"),
            credentials: read(Kind::Credentials, "AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        }
    }

    /// Returns the config file's name for messages.
    pub(super) fn config_name(&self) -> &str {
        &self.config.shown
    }

    /// Returns a profile of both files, `None` if neither has it.
    pub(super) fn profile(&self, name: &str) -> Result<Option<Profile>> {
        let mut found: Option<Profile> = None;
        let mut bad = None;
        for file in [&self.config, &self.credentials] {
            for section in file.of_profile(name) {
                let at = file.place(section.line);
                bad = bad.or(file.bad(section, name));
                let profile = found.get_or_insert_with(|| Profile { name: name.into(), at, values: Values::default() });
                profile.values.extend(section.values.iter().cloned());
            }
        }
        match (bad, found) {
            (Some(error), _) => Err(error),
            (None, Some(found)) => Ok(Some(found)),
            // The profile may be in a file that cannot be read.
            (None, None) => match [&self.config, &self.credentials].into_iter().find_map(File::unreadable) {
                Some(error) => Err(error),
                None => Ok(None),
            },
        }
    }

    /// Returns a section of the config file that profiles refer to, such as `sso-session`.
    pub(super) fn section(&self, kind: &str, name: &str) -> Result<Option<Profile>> {
        let mut found: Option<Profile> = None;
        for section in self.config.sections.iter().filter(|s| named(&s.header, kind).as_deref() == Some(name)) {
            if let Some(error) = self.config.bad(section, &format!("{kind} {name}")) {
                return Err(error);
            }
            let at = self.config.place(section.line);
            let profile = found.get_or_insert_with(|| Profile { name: name.into(), at, values: Values::default() });
            profile.values.extend(section.values.iter().cloned());
        }
        Ok(found)
    }

    /// Returns the names of all profiles, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let mut all: Vec<String> = [&self.config, &self.credentials]
            .into_iter()
            .flat_map(|f| f.sections.iter().filter_map(|s| f.name(s)))
            .collect();
        all.sort();
        all.dedup();
        all
    }

    /// Returns the names of all sections of a kind.
    pub(super) fn sections(&self, kind: &str) -> Vec<String> {
        self.config.sections.iter().filter_map(|s| named(&s.header, kind)).collect()
    }

    /// Makes the error for a profile that does not exist, with the most likely one.
    pub(super) fn no_profile(&self, name: &str) -> Error {
        let what = format!("there is no profile {name} in {}", self.config.shown);
        // The name exists, but not as that of a profile.
        for file in [&self.config, &self.credentials] {
            let bare = |s: &&Section| match file.kind {
                Kind::Config => s.header.trim() == name || unquoted(s.header.trim()) == name,
                Kind::Credentials => named(&s.header, "profile").as_deref() == Some(name),
            };
            if let Some(section) = file.sections.iter().find(bare) {
                let (place, is) = (file.place(section.line), section.header.trim());
                let right = match file.kind {
                    Kind::Config => format!("[profile {}]", shell::word(name)),
                    Kind::Credentials => format!("[{name}]"),
                };
                return credentials(what, format!("write {right} instead of [{is}] ({place})"));
            }
        }
        let there = self.names();
        let near = there.iter().find(|n| n.eq_ignore_ascii_case(name) || strsim::jaro_winkler(n, name) > 0.9);
        let meant = near.map(|n| format!("did you mean {n}? ")).unwrap_or_default();
        let help = match there.is_empty() {
            true => format!("there are none: `aws configure --profile {}` makes it", shell::word(name)),
            false => format!("{meant}those that are there: {}", there.join(", ")),
        };
        credentials(what, help)
    }
}

/// Makes the error for an unusable profile, with the way out.
pub(super) fn credentials(what: impl Into<String>, help: impl Into<String>) -> Error {
    Error::Credentials { what: what.into(), help: help.into() }
}

impl File {
    fn read(kind: Kind, shown: String, path: Option<&Path>) -> Self {
        let (mut sections, mut wrong) = (vec![], None);
        match path.map(|path| file::read(path, file::MOST)) {
            Some(Ok(bytes)) => match String::from_utf8(bytes) {
                Ok(text) => sections = parse(&shown, &text),
                Err(e) => {
                    let valid = e.utf8_error().valid_up_to();
                    let line = e.as_bytes()[..valid].iter().filter(|b| **b == b'\n').count() + 1;
                    wrong = Some(format!("is not UTF-8 text (line {line})"));
                }
            },
            // boto3 ignores a missing file.
            Some(Err(e)) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Some(Err(e)) => wrong = Some(format!("cannot be read: {e}")),
            None => {}
        }
        Self { kind, shown, sections, wrong }
    }

    fn place(&self, line: usize) -> Place {
        Place { file: self.shown.clone(), line }
    }

    /// Returns the profile name of a section.
    fn name(&self, section: &Section) -> Option<String> {
        let header = section.header.trim();
        match self.kind {
            Kind::Config if header == "default" => Some(header.into()),
            Kind::Config => named(header, "profile"),
            Kind::Credentials if named(header, "profile").is_some() => None,
            Kind::Credentials => Some(unquoted(header)),
        }
    }

    /// Returns the sections of a profile. `[profile default]` wins over `[default]`.
    fn of_profile<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Section> {
        let mut all: Vec<&Section> = self.sections.iter().filter(|s| self.name(s).as_deref() == Some(name)).collect();
        all.sort_by_key(|s| s.header.trim().starts_with("profile"));
        all.into_iter()
    }

    fn bad(&self, section: &Section, name: &str) -> Option<Error> {
        let (line, why) = section.bad.first()?;
        let what = format!("{}: {why} (under [{name}])", self.place(*line));
        Some(credentials(what, "each line is `key = value`; correct the line, or delete it"))
    }

    fn unreadable(&self) -> Option<Error> {
        let wrong = self.wrong.as_ref()?;
        Some(credentials(format!("{} {wrong}", self.shown), "make it readable, as UTF-8 text"))
    }
}

/// Expands `~` and `$VARIABLE` as Python does.
fn expanded(path: &str, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => path.into(),
    }
}

/// Parses the sections of a text by the rules of Python's RawConfigParser.
fn parse(file: &str, text: &str) -> Vec<Section> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
    let mut sections: Vec<Section> = vec![];
    let (mut indent, mut option) = (0, false);
    for (n, raw) in text.split('\n').enumerate().map(|(n, raw)| (n + 1, raw)) {
        let line = raw.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let own = raw.chars().take_while(|c| c.is_whitespace()).count();
        if let Some(section) = sections.last_mut()
            && option
            && own > indent
            && let Some((_, value)) = section.values.last_mut()
        {
            value.below.push((n, line.into()));
            continue;
        }
        indent = own;
        if let Some(header) = line.strip_prefix('[') {
            option = false;
            let (header, bad) = match header.rfind(']') {
                Some(end) if end > 0 => (&header[..end], vec![]),
                _ => (header, vec![(n, "the closing ] is missing")]),
            };
            sections.push(Section { header: header.trim().into(), line: n, values: vec![], bad });
            continue;
        }
        // Lines before the first section are ignored.
        let Some(section) = sections.last_mut() else { continue };
        let Some(at) = line.find(['=', ':']).filter(|at| *at > 0) else {
            section.bad.push((n, "this line is neither `key = value` nor a section"));
            continue;
        };
        let key = line[..at].trim().to_lowercase();
        let text = without_comment(&key, line[at + 1..].trim()).to_owned();
        if section.values.iter().any(|(k, v)| *k == key && v.text != text) {
            section.bad.push((n, "the key of this line was given already, with another value"));
        }
        option = true;
        section.values.push((key, Value { text, at: Place { file: file.into(), line: n }, below: vec![] }));
    }
    sections
}

/// Removes a comment: the AWS SDKs start one at ` #`, except in a command.
fn without_comment<'a>(key: &str, text: &'a str) -> &'a str {
    if key == "credential_process" {
        return text;
    }
    text.find(" #").map_or(text, |at| text[..at].trim_end())
}

/// Returns `team` of `profile team`, `profile "team"` and `profile 'team'`.
fn named(header: &str, kind: &str) -> Option<String> {
    let rest = header.trim().strip_prefix(kind)?;
    let name = rest.trim_start();
    (name.len() < rest.len() && !name.is_empty()).then(|| unquoted(name))
}

/// Removes the quotes around a name, or the backslashes in it.
fn unquoted(name: &str) -> String {
    for quote in ['\'', '"'] {
        if let Some(inner) = name.strip_prefix(quote).and_then(|n| n.strip_suffix(quote)) {
            // Python's `shlex.quote` writes an apostrophe like this.
            return if quote == '\'' { inner.replace(r#"'"'"'"#, "'") } else { inner.replace("\\\"", "\"") };
        }
    }
    name.replace("\\ ", " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Help as _;

    fn files(config: &str, credentials: &str) -> Files {
        let file = |kind, shown: &str, text: &str| File {
            kind,
            shown: shown.into(),
            sections: parse(shown, text),
            wrong: None,
        };
        Files {
            config: file(Kind::Config, "~/.aws/config", config),
            credentials: file(Kind::Credentials, "~/.aws/credentials", credentials),
        }
    }

    fn text(files: &Files, profile: &str, key: &str) -> Option<String> {
        files.profile(profile).unwrap()?.text(key).map(Into::into)
    }

    #[test]
    fn odd_but_valid_files_are_read() {
        for config in [
            "[profile team]\nregion = eu-west-1\n",
            "[profile team]\n region = eu-west-1\n output = json\n",
            "[profile team]\n\tregion = eu-west-1\n",
            "\u{feff}[profile team]\r\nregion = eu-west-1\r\n",
            "[profile other]\n\u{a0}\n[profile team]\n\u{a0}region = eu-west-1\u{a0}\n",
            "[profile team]\nregion: eu-west-1\n",
            "[profile team]\nREGION=eu-west-1   # ours\n",
            "[profile team] # ours\nregion=eu-west-1\n",
            "nonsense\n[profile other]\nthis is no property\n[profile team]\nregion=eu-west-1\n",
            "[profile team]\n[profile team]\nregion=eu-west-1\n",
            "[profile team]\ns3 =\n  max_concurrent_requests = 20\nregion=eu-west-1\n",
            "  [profile team]\n  region=eu-west-1\n",
            "[profile 'team']\nregion=eu-west-1\r",
            "[profile\tteam]\nregion=eu-west-1",
        ] {
            assert_eq!(text(&files(config, ""), "team", "region").as_deref(), Some("eu-west-1"), "{config:?}");
        }
    }

    #[test]
    fn names_are_found_however_they_are_written() {
        for (header, name) in [
            ("profile 'My MacBook Pro'", "My MacBook Pro"),
            ("profile \"My MacBook Pro\"", "My MacBook Pro"),
            ("profile My\\ Mac", "My Mac"),
            ("profile My Mac", "My Mac"),
            ("profile équipe", "équipe"),
            ("profile a'b", "a'b"),
            (r#"profile 'it'"'"'s'"#, "it's"),
            ("profile me@example.com", "me@example.com"),
            ("profile default", "default"),
        ] {
            let f = files(&format!("[{header}]\nregion = x\n"), "");
            assert_eq!(text(&f, name, "region").as_deref(), Some("x"), "{header}");
        }
        let both = files("[profile My Mac]\nregion = x\n", "[My Mac]\nregion = y\n");
        assert_eq!(text(&both, "My Mac", "region").as_deref(), Some("y"), "the credentials file wins");
        let two = files("[profile default]\nregion = x\n[default]\nregion = y\n", "");
        assert_eq!(text(&two, "default", "region").as_deref(), Some("x"));
    }

    #[test]
    fn a_name_that_is_no_profile_s_is_told() {
        let said = |f: &Files, name: &str| f.no_profile(name).help().unwrap();
        assert!(
            said(&files("a\n[team]\n", ""), "team")
                .contains("write [profile team] instead of [team] (~/.aws/config, line 2)")
        );
        assert!(said(&files("", "[profile team]\n"), "team").contains("write [team] instead of [profile team]"));
        assert!(said(&files("[profile teams]\n", ""), "team").contains("did you mean teams?"));
        assert!(said(&files("[profile Team]\n", ""), "team").contains("did you mean Team?"));
        assert!(said(&files("", ""), "a b").contains("`aws configure --profile 'a b'`"));
    }

    #[test]
    fn a_wrong_line_is_an_error_of_its_own_profile_only() {
        let f = files("[profile a]\nregion = x\n[profile b]\nthis is no property\n[profile c\nregion = y\n", "");
        assert_eq!(text(&f, "a", "region").as_deref(), Some("x"));
        let said = |name: &str| f.profile(name).unwrap_err().to_string();
        assert!(said("b").contains("~/.aws/config, line 4") && said("b").contains("[b]"), "{}", said("b"));
        assert!(said("c").contains("line 5") && said("c").contains("closing ]"), "{}", said("c"));
        let twice = files("[profile a]\nregion = x\nregion = y\n", "").profile("a").unwrap_err().to_string();
        assert!(twice.contains("line 3") && twice.contains("already"), "{twice}");
    }
}
