//! The look at the launch template and the instance profile.
use crate::{
    aws::listing,
    config::Mode,
    resources::user_data,
    snapshot::{
        Look, Part, Snapshot,
        read::{some, time},
    },
    userdata,
};
use aws_sdk_ec2::types as ec2;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The launch template of the service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Template {
    pub id: String,
    pub name: String,
    pub default_version: i64,
    pub latest_version: i64,
    /// The default version, the latest version, and the one that the Auto Scaling group names.
    pub versions: Vec<TemplateVersion>,
}

/// The instance profile, which gives instances their role.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    pub exists: bool,
    /// The name of its role. A profile has at most one.
    pub role: Option<String>,
}

/// A version of the launch template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TemplateVersion {
    pub number: i64,
    pub description: Option<String>,
    pub created_at: Option<Timestamp>,
    pub created_by: Option<String>,
    pub image: Option<String>,
    pub instance_type: Option<String>,
    pub key_pair: Option<String>,
    pub groups: Vec<String>,
    pub profile: Option<String>,
    /// The SHA-256 of the decoded user data. The text itself is not kept, because it may contain passwords.
    pub user_data_sha256: Option<String>,
}

impl Template {
    /// Returns the number of the version that an Auto Scaling group names: a number, `$Default` or `$Latest`.
    pub fn number(&self, named: &str) -> Option<i64> {
        match named {
            "$Default" => Some(self.default_version),
            "$Latest" => Some(self.latest_version),
            number => number.parse().ok(),
        }
    }
}

/// Finds the launch template by its name.
pub(super) async fn find(look: &Look<'_>) {
    let found = look.ask(Part::Template, "DescribeLaunchTemplateVersions", async {
        let all = listing::template_versions(look.aws, &look.expected.names.template).await?;
        Ok(template(all.to_vec()))
    });
    let found = found.await;
    look.keep(|s| s.template = found);
}

/// Finds the stack's own instance profile.
///
/// A profile that the stack only uses is skipped, because it may not be readable.
pub(super) async fn profile(look: &Look<'_>) {
    let Some(name) = look.expected.names.profile.as_ref().filter(|_| look.expected.iam == Mode::Create) else { return };
    let found = look.ask(Part::Profile, "GetInstanceProfile", async {
        if let Some((_, role)) = listing::listed_profile(look.aws, name).await {
            return Ok(Some(Profile { exists: true, role: Some(role) }));
        }
        let found = listing::instance_profile(look.aws, name).await?;
        let role = found.as_ref().as_ref().and_then(|p| Some(p.roles().first()?.role_name().to_owned()));
        Ok(Some(Profile { exists: found.is_some(), role }))
    });
    let found = found.await;
    look.keep(|s| s.profile = found);
}

/// Reads all versions of the launch template if the Auto Scaling group names one that was not found yet.
pub(super) async fn find_used(look: &Look<'_>) {
    let is_missing = look.seen(|s| {
        let (Some(template), Some(number)) = (&s.template, named(s)) else { return false };
        template.versions.iter().all(|v| v.number != number)
    });
    if is_missing {
        let found = look.ask(Part::Template, "DescribeLaunchTemplateVersions", async {
            let all = listing::all_template_versions(look.aws, &look.expected.names.template).await?;
            Ok(template(all.to_vec()))
        });
        if let Some(found) = found.await {
            look.keep(|s| s.template = Some(found));
        }
    }
    look.keep(keep_used);
}

/// Returns the number of the version that the Auto Scaling group names.
fn named(s: &Snapshot) -> Option<i64> {
    s.auto_scaling_group.as_ref()?.template_version.as_deref()?.parse().ok()
}

/// Drops all versions but the default, the latest, and the one that the Auto Scaling group names.
fn keep_used(s: &mut Snapshot) {
    let named = named(s);
    let Some(t) = &mut s.template else { return };
    t.versions.retain(|v| v.number == t.default_version || v.number == t.latest_version || Some(v.number) == named);
}

fn template(versions: Vec<ec2::LaunchTemplateVersion>) -> Option<Template> {
    let first = versions.first()?;
    let (id, name) = (first.launch_template_id.clone(), first.launch_template_name.clone());
    let default = versions.iter().find(|v| v.default_version() == Some(true)).and_then(|v| v.version_number);
    let mut versions: Vec<_> = versions.into_iter().map(template_version).collect();
    versions.sort_by_key(|v| v.number);
    versions.dedup_by_key(|v| v.number);
    Some(Template {
        id: id.unwrap_or_default(),
        name: name.unwrap_or_default(),
        default_version: default.unwrap_or_default(),
        latest_version: versions.last().map_or(0, |v| v.number),
        versions,
    })
}

fn template_version(v: ec2::LaunchTemplateVersion) -> TemplateVersion {
    let created_at = v.create_time.as_ref().and_then(time);
    let mut seen = TemplateVersion {
        number: v.version_number.unwrap_or_default(),
        description: some(v.version_description),
        created_at,
        created_by: some(v.created_by),
        ..TemplateVersion::default()
    };
    if let Some(d) = v.launch_template_data {
        seen.image = d.image_id;
        seen.instance_type = d.instance_type.map(|t| t.as_str().into());
        seen.key_pair = some(d.key_name);
        seen.groups = d.security_group_ids.unwrap_or_default();
        for i in d.network_interfaces.unwrap_or_default() {
            seen.groups.extend(i.groups.unwrap_or_default());
        }
        seen.profile = d.iam_instance_profile.and_then(|p| p.name.or_else(|| p.arn.as_deref().map(super::fleet::last)));
        seen.user_data_sha256 = some(d.user_data).map(|u| user_data::sha256(userdata::decode(&u)));
    }
    seen
}
