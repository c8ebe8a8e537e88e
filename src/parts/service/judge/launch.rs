//! The findings about launches: the launch template and its versions, and the last failure.
use super::refusal;
use crate::{
    diagnose::{Draft, UP, View, names, newest},
    resources::launch_template::OURS,
    snapshot::{Activity, AutoScalingGroup, Part, TemplateVersion},
};

/// Returns the findings about the launch template.
pub(super) fn template(view: &View<'_>, g: &AutoScalingGroup) -> Vec<Draft> {
    let s = view.s;
    let calm = |d: Draft| d.weak_if(view.serves());
    let Some(t) = &s.template else {
        if !s.saw(Part::Template) {
            return vec![];
        }
        return vec![calm(Draft::new(
            "template-missing",
            format!("the launch template {} is gone: nothing can be launched", s.expected.names.template),
            "DescribeLaunchTemplateVersions returns none with this name",
            UP,
        ))];
    };
    let mut all = vec![];
    if g.template.as_ref() != Some(&t.id) {
        all.push(calm(Draft::new(
            "template-foreign",
            "the Auto Scaling group launches from another template",
            format!("{} instead of {} ({})", g.template.as_deref().unwrap_or("none"), t.id, t.name),
            UP,
        )));
        return all;
    }
    let named = g.template_version.as_deref().unwrap_or("$Default");
    let number = t.number(named);
    let used = t.versions.iter().find(|v| Some(v.number) == number);
    let is_ours = |v: &&TemplateVersion| v.description.as_deref().is_some_and(|d| d.starts_with(OURS));
    let default = t.versions.iter().find(|v| v.number == t.default_version);
    if let Some(v) = default.filter(|v| !is_ours(v)) {
        let by = v.created_by.as_deref().map_or(String::new(), |b| format!(", created by {b}"));
        let draft = Draft::new(
            "template-default-foreign",
            "the default version of the launch template is not gameday's",
            format!("version {}{by}: {}", v.number, v.description.as_deref().unwrap_or("no description")),
            UP,
        );
        all.push(if number == Some(v.number) { calm(draft) } else { draft.weak() });
    }
    if named.starts_with('$') {
        all.push(
            Draft::new(
                "template-version-floating",
                "the Auto Scaling group follows a floating version, not a numbered one",
                format!("version {named}, which is {} now", number.unwrap_or_default()),
                UP,
            )
            .weak(),
        );
    } else if number != Some(t.default_version) {
        all.push(calm(Draft::new(
            "template-version-old",
            "the Auto Scaling group launches a version other than the default one",
            format!("version {named}, the default is {}", t.default_version),
            UP,
        )));
    }
    match used {
        None => all.push(calm(Draft::new(
            "template-version-missing",
            "the Auto Scaling group launches a version that does not exist",
            format!("version {named} of {}", t.name),
            UP,
        ))),
        Some(v) => all.extend(content(view, v).into_iter().map(calm)),
    }
    let version = number.map(|n| n.to_string());
    let old: Vec<&str> = g.outdated(version.as_deref()).into_iter().map(|m| m.id.as_str()).collect();
    match g.refresh {
        _ if old.is_empty() => {}
        Some(percent) => {
            let cause = format!("an instance refresh is replacing the instances, {percent} % are done");
            let evidence = format!("launched from another version of the launch template: {}", names(old));
            all.push(
                Draft::new("instance-refresh", cause, evidence, ("gameday status --watch", "it continues by itself"))
                    .weak(),
            );
        }
        None => {
            let cause = "instances were launched from another version of the launch template than new ones would be";
            all.push(Draft::new("instance-old-version", cause, names(old), UP).weak());
        }
    }
    all
}

/// Returns the findings about the content of the version in use.
fn content(view: &View<'_>, v: &TemplateVersion) -> Vec<Draft> {
    let want = &view.s.expected;
    let mut all = vec![];
    let app = view.group_id(view.instances_group());
    let version = |what: String| format!("version {}: {what}", v.number);
    if !app.is_empty() && !v.groups.iter().any(|g| g == app) {
        let what = version(format!("{}, not {app}", names(&v.groups)));
        all.push(Draft::new(
            "template-groups",
            "the launch template gives instances the wrong security group",
            what,
            UP,
        ));
    }
    if !want.image.is_empty() && v.image.as_ref().is_some_and(|i| *i != want.image) {
        let what = version(format!("{}, not {}", v.image.as_deref().unwrap_or_default(), want.image));
        all.push(Draft::new("template-image", "the launch template has another image", what, UP));
    }
    if v.instance_type.as_ref().is_some_and(|t| *t != want.instance_type) {
        let what = version(format!("{}, not {}", v.instance_type.as_deref().unwrap_or_default(), want.instance_type));
        all.push(Draft::new("template-type", "the launch template has another instance type", what, UP).weak());
    }
    if v.user_data_sha256.is_none() {
        let what = version("no user data".into());
        all.push(Draft::new(
            "template-user-data",
            "the launch template has no user data: instances boot and do nothing",
            what,
            UP,
        ));
    }
    if v.profile != want.names.profile {
        let word = |p: &Option<String>| p.clone().unwrap_or_else(|| "none".into());
        let what = version(format!("{}, not {}", word(&v.profile), word(&want.names.profile)));
        all.push(Draft::new(
            "template-profile",
            "the launch template gives instances the wrong instance profile",
            what,
            UP,
        ));
    }
    if v.key_pair != want.key_pair {
        let word = |p: &Option<String>| p.clone().unwrap_or_else(|| "none".into());
        let what = version(format!("{}, not {}", word(&v.key_pair), word(&want.key_pair)));
        all.push(Draft::new("template-key-pair", "the launch template has another key pair", what, UP).weak());
    }
    all
}

/// Returns the finding for the last launch, if it failed and instances are missing.
pub(super) fn activities(view: &View<'_>, g: &AutoScalingGroup) -> Option<Draft> {
    let alive = view.members().iter().filter(|m| m.lifecycle == "InService").count() as i32;
    if alive >= g.desired {
        return None;
    }
    let launching = |a: &&Activity| a.description.contains("Launching");
    let last = newest(view.s.activities.iter().filter(launching), |a| a.start).into_iter().next()?;
    if last.status != "Failed" && last.status != "Cancelled" {
        return None;
    }
    let message = last.message.as_deref().unwrap_or(&last.description);
    let refusal::Meaning { rule, cause, trying, fix } = refusal::meaning(view, &g.name, message);
    Some(Draft::new(rule, cause, message, fix).trying_if(trying).weak_if(view.serves()))
}
