//! The packages that the boot script installs.
use super::Rules;
use crate::check::Issue;
use crate::place::Place;
use crate::{Run, Service, is_template};

pub(super) fn check(rules: &mut Rules<'_>, place: &Place, service: &Service) {
    if service.packages.is_empty() {
        return;
    }
    let here = place.key("packages");
    for (i, name) in service.packages.iter().enumerate() {
        form(rules, here.item(i), name);
    }
    if service.run == Run::Container {
        let issue = Issue::error(
            "packages_container",
            here.clone(),
            "the container would not see these packages",
            "they are installed on the instance; a container has its own files",
            "install them in the image, and delete the line",
        );
        rules.found.push(issue.on_key().with(place.key("run"), "this is how it is run"));
    }
    if let Some(file) = service.user_data.as_ref().filter(|file| !is_template(file)) {
        let issue = Issue::error(
            "packages_user_data",
            here,
            "nothing installs these packages",
            format!("{file} replaces the boot script, which would install them"),
            format!("install them in {file}, and delete the line"),
        );
        rules.found.push(issue.on_key().with(place.key("user_data"), "the script"));
    }
}

/// Checks for the name of one package, since a package manager also takes options, files, URLs and patterns.
fn form(rules: &mut Rules<'_>, here: Place, name: &str) {
    let example = "for example [\"nodejs\"]";
    let only_names = "the boot script installs packages by name, from the repositories of the distribution";
    let (why, fix) = if name.is_empty() {
        ("it is empty", example)
    } else if name.contains("://") || name.ends_with(".rpm") || name.ends_with(".deb") {
        (only_names, "put what is no package into the archive (`source`), or install it in a boot script (`user_data`)")
    } else if name.contains(char::is_whitespace) {
        ("a space is in it", "give each package a text of its own: [\"nodejs\", \"git\"]")
    } else if name.starts_with('-') {
        ("this is an option of the package manager", example)
    } else if name.contains(['*', '?', '[', '@', '/']) {
        (only_names, "write the names of the packages themselves, without patterns and groups")
    } else if !name.starts_with(|c: char| c.is_ascii_alphanumeric())
        || !name.chars().all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c))
    {
        ("a name has letters, digits and . _ + -, a letter or digit first", example)
    } else if name.len() > 100 {
        ("it is longer than 100 characters", example)
    } else {
        return;
    };
    rules.found.error("package_name", here, format!("{name:?} is not the name of a package"), why, fix);
}
