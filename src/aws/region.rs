//! The region in the user's AWS settings, for stack files that name none.
use super::settings::{Settings, variable};

/// Returns the configured region and its source: `AWS_REGION`, or `profile seoul`.
pub fn configured(profile: Option<&str>) -> Option<(String, String)> {
    if let Some((name, region)) = variable(&["AWS_REGION", "AWS_DEFAULT_REGION"]) {
        return Some((region, name.to_owned()));
    }
    let settings = Settings::load(profile);
    let region = settings.text("region")?.to_owned();
    Some((region, format!("profile {}", settings.name)))
}
