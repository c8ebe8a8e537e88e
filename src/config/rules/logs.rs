//! The log files of a service, by name.
use super::Rules;
use crate::check::Issue;
use crate::place::{Place, at};
use crate::{APP_LOG, Mode, Service, Switch, is_template};

/// The most further files. Each is two entries in the agent's configuration, which is part of the user data.
const MOST: usize = 10;

pub(super) fn check(rules: &mut Rules<'_>, place: &Place, service: &Service) {
    if service.logs.is_empty() {
        return;
    }
    let here = place.key("logs");
    for (i, name) in service.logs.iter().enumerate() {
        form(rules, here.item(i), name);
    }
    if service.logs.len() > MOST {
        rules.found.error(
            "logs_many",
            here.clone(),
            format!("{} log files are too many", service.logs.len()),
            format!("the user data of an instance has room for {MOST} names"),
            "name those that are needed to find a fault",
        );
    }
    let (monitoring, iam) = (rules.config.monitoring.mode == Switch::Off, rules.config.iam.mode == Mode::Off);
    let unsent = Issue::warning(
        "logs_unsent",
        here.clone(),
        "nothing sends these log files",
        "without monitoring and an instance profile there are no log groups",
        "delete the line",
    );
    if monitoring {
        rules.found.push(unsent.on_key().with(at("monitoring.mode"), "switched off here"));
    } else if iam {
        rules.found.push(unsent.on_key().with(at("iam.mode"), "switched off here"));
    } else if let Some(file) = service.user_data.as_ref().filter(|file| !is_template(file)) {
        let issue = Issue::warning(
            "logs_unsent",
            here,
            "nothing sends these log files",
            format!("{file} replaces the boot script, which would start the agent"),
            format!("start an agent in {file}, and delete the line"),
        );
        rules.found.push(issue.on_key().with(place.key("user_data"), "the script"));
    }
}

/// Checks for the plain name of a file: the name is also that of a log stream.
fn form(rules: &mut Rules<'_>, here: Place, name: &str) {
    let example = "for example [\"access_log\"]";
    let (why, fix) = if name == APP_LOG {
        ("it is always sent", "delete it")
    } else if name.contains('/') {
        (
            "a log file is looked for in {{ log_dir }} and in the service's own folder",
            "let the service write it there, and give its name alone",
        )
    } else if !name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        || !name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    {
        ("a name has letters, digits and . _ -, and does not begin with a dot", example)
    } else if name.len() > 100 {
        ("it is longer than 100 characters", example)
    } else {
        return;
    };
    rules.found.error("log_name", here, format!("{name:?} cannot be a further log file"), why, fix);
}
