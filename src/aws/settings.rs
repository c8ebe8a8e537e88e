//! The user's AWS settings: the profile in use, and its values beside credentials.
use super::{
    files::{Files, Profile, credentials},
    profile,
};
use crate::error::Result;

/// The configuration files and the profile in use.
#[derive(Debug)]
pub(super) struct Settings {
    pub files: Files,
    /// The profile's name.
    pub name: String,
    /// The source of the name: `--profile` or a variable. `None` is the default profile, which need not exist.
    pub by: Option<&'static str>,
    pub profile: Result<Option<Profile>>,
}

/// Returns the first of these variables that is not empty.
pub(super) fn variable(names: &[&'static str]) -> Option<(&'static str, String)> {
    names.iter().find_map(|name| {
        let text = std::env::var(name).ok()?;
        let text = text.trim();
        (!text.is_empty()).then(|| (*name, text.to_owned()))
    })
}

impl Settings {
    /// Reads the files. `asked` is the profile of the command line.
    pub(super) fn load(asked: Option<&str>) -> Self {
        let files = Files::load();
        let (name, by) = match (asked, variable(&["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])) {
            (Some(name), _) => (name.to_owned(), Some("--profile")),
            (None, Some((by, name))) => (name, Some(by)),
            (None, None) => ("default".to_owned(), None),
        };
        let profile = match files.profile(&name) {
            Ok(None) if by.is_some() => Err(files.no_profile(&name)),
            found => found,
        };
        Self { files, name, by, profile }
    }

    /// Returns a value of the profile, `None` if the profile cannot be read.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.profile.as_ref().ok()?.as_ref()?.text(key)
    }

    /// Returns the same with its place, for messages.
    pub(super) fn placed(&self, key: &str) -> Option<(&str, String)> {
        let profile = self.profile.as_ref().ok()?.as_ref()?;
        Some((profile.text(key)?, profile.get(key)?.at.to_string()))
    }

    /// Returns the source of credentials. `None` if the files say nothing of them and no profile was named.
    pub(super) fn source(&self) -> Result<Option<profile::Source>> {
        let Some(profile) = self.profile.as_ref().map_err(Clone::clone)? else { return Ok(None) };
        self.services()?;
        profile::source(&self.files, profile)
    }

    /// Returns a configuration file with what the SDK needs of the profile: endpoints, FIPS, dual stack.
    ///
    /// The SDK's own parser accepts fewer spellings than the user's files may have.
    pub(super) fn for_the_sdk(&self) -> String {
        let mut text = "[default]\n".to_owned();
        let keys = [
            "endpoint_url",
            "services",
            "use_fips_endpoint",
            "use_dualstack_endpoint",
            "ignore_configured_endpoint_urls",
        ];
        for key in keys {
            if let Some(value) = self.text(key).filter(|_| key != "services") {
                text += &format!("{key} = {value}\n");
            }
        }
        if let Ok(Some(services)) = self.services() {
            text += "services = all\n[services all]\n";
            for (service, value) in &services.values {
                let lines: Vec<String> = value.below.iter().map(|(_, line)| format!("  {line}\n")).collect();
                text += &format!("{service} =\n{}", lines.concat());
            }
        }
        text
    }

    /// Returns the section of endpoints that the profile refers to.
    fn services(&self) -> Result<Option<Profile>> {
        let Ok(Some(profile)) = &self.profile else { return Ok(None) };
        let Some(value) = profile.get("services").filter(|v| !v.text.is_empty()) else { return Ok(None) };
        if let Some(section) = self.files.section("services", &value.text)? {
            return Ok(Some(section));
        }
        let there = self.files.sections("services");
        let help = match there.is_empty() {
            true => format!("add [services {}], or delete the line", value.text),
            false => format!("those that are there: {}", there.join(", ")),
        };
        let what = format!("the services {} of the profile {} do not exist ({})", value.text, self.name, value.at);
        Err(credentials(what, help))
    }

    /// True if all calls go to an endpoint that the user named.
    pub(super) fn has_endpoint(&self) -> bool {
        let is_true = |text: &str| text.eq_ignore_ascii_case("true");
        let ignored = match variable(&["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"]) {
            Some((_, text)) => is_true(&text),
            None => self.text("ignore_configured_endpoint_urls").is_some_and(is_true),
        };
        !ignored && (variable(&["AWS_ENDPOINT_URL"]).is_some() || self.text("endpoint_url").is_some())
    }
}
