//! The services: ports and health checks. Their programs are in `source`, their requests in `routes`, their growth in
//! `scaling`.
use super::{Rules, as_plain_name, class, copies, logs, packages, plain_name, scaling, source};
use crate::check::Issue;
use crate::place::{Place, at};
use crate::{Run, Service, markup};
use std::collections::BTreeMap;

pub(super) fn check(rules: &mut Rules<'_>) {
    let config = rules.config;
    let names: Vec<_> = config.service.keys().collect();
    match names[..] {
        [] => rules.found.error(
            "no_service",
            at("service"),
            "the stack has no service",
            "gameday does not know what to run",
            "add a table such as:\n[service.api]\nsource = \"https://example-bucket.s3.amazonaws.com/server\"",
        ),
        _ => same_name(rules),
    }
    for (name, service) in &config.service {
        let place = at("service").key(name);
        if let Err(why) = plain_name(name, 12) {
            let issue = Issue::error(
                "service_name",
                place.clone(),
                format!("{name:?} cannot be the name of a service"),
                why,
                format!(
                    "1 to 12 small letters, digits and hyphens, a letter first: with the stack's name it is part of \
                     names that end at 32 characters. For example [service.{}]",
                    as_plain_name(name, 12, "api")
                ),
            );
            rules.found.push(issue.on_key());
        } else {
            slot(rules, &place, name, service);
        }
        // The right source depends on how it is run.
        if rules.map.sound(&place.key("run")) {
            source::check(rules, &place, service);
        }
        network(rules, &place, service);
        health(rules, &place, service);
        machine(rules, &place, service);
        environment(rules, &place, service);
        packages::check(rules, &place, service);
        logs::check(rules, &place, service);
        copies::check(rules, &place, service);
        scaling::check(rules, &place, service);
    }
}

/// Reports services whose objects would have the same names: `api` on port 8080, and `api-8080`.
fn same_name(rules: &mut Rules<'_>) {
    let config = rules.config;
    let mut first: BTreeMap<String, &String> = BTreeMap::new();
    for (name, service) in &config.service {
        let group = config.name_of(&format!("target-group/{}", crate::services::slot(name, service)));
        let Some(other) = first.insert(group.clone(), name) else { continue };
        let issue = Issue::error(
            "service_names_same",
            at("service").key(name),
            format!("the services {other} and {name} have the same names on AWS"),
            format!("both have the target group {group}: a service on another port than 80 has it in its names"),
            "rename one of them",
        );
        rules.found.push(issue.on_key().with(at("service").key(other), "the other one"));
    }
}

/// Checks the names that contain the port of a service on another port than the usual one.
fn slot(rules: &mut Rules<'_>, place: &Place, name: &str, service: &Service) {
    let config = rules.config;
    let slot = crate::services::slot(name, service);
    let group = format!("{}-{slot}", config.name);
    if group.len() > 32 && !config.names.contains_key(&format!("target-group/{slot}")) {
        let issue = Issue::error(
            "service_name_port",
            place.clone(),
            format!("the target group would be called {group}"),
            format!("{} characters; AWS allows 32", group.len()),
            format!(
                "shorten the service's name or the stack's by {}, or name it: [names] \"target-group/{slot}\" = \"…\"",
                group.len() - 32
            ),
        );
        rules.found.push(issue.on_key());
    }
}

fn network(rules: &mut Rules<'_>, place: &Place, service: &Service) {
    if service.port == 22 {
        rules.found.error(
            "port_taken",
            place.key("port"),
            "the service cannot listen on port 22",
            "SSH uses this port",
            "give the port that the service listens on, such as 80 or 8080",
        );
    }
}

fn health(rules: &mut Rules<'_>, place: &Place, service: &Service) {
    let path = &service.health_path;
    let why = if !path.starts_with('/') {
        Some("it has to begin with /")
    } else if path.len() > 1024 {
        Some("a load balancer allows 1024 characters")
    } else if path.chars().any(|c| c.is_whitespace() || c.is_control() || !c.is_ascii()) {
        Some("spaces and characters beyond ASCII have to be escaped")
    } else {
        None
    };
    if let Some(why) = why {
        let bare = path.rsplit("://").next().unwrap_or_default();
        let bare = if path.contains("://") { bare.split_once('/').map_or("", |(_, path)| path) } else { bare };
        let simple: String = bare.trim_start_matches('/').chars().filter(|c| c.is_ascii_graphic()).take(60).collect();
        rules.found.error(
            "health_path",
            place.key("health_path"),
            format!("{path:?} is not a path for health checks"),
            why,
            format!("for example \"/{simple}\""),
        );
    }
    let codes = &service.health_codes;
    let code = |text: &str| text.parse::<u16>().ok().filter(|code| text.len() == 3 && (200..=499).contains(code));
    let fits = |part: &str| match part.split_once('-') {
        Some((from, to)) => matches!((code(from), code(to)), (Some(from), Some(to)) if from <= to),
        None => code(part).is_some(),
    };
    if !codes.split(',').all(fits) {
        let server_error = codes.split([',', '-']).any(|part| part.starts_with('5') && part.len() == 3);
        rules.found.error(
            "health_codes",
            place.key("health_codes"),
            format!("{codes:?} are not codes of a healthy answer"),
            if server_error {
                "a load balancer accepts 200 to 499; 5xx always means unhealthy"
            } else {
                "only codes from 200 to 499 are allowed"
            },
            "write \"200\", \"200,302\" or \"200-399\"",
        );
    }
}

fn machine(rules: &mut Rules<'_>, place: &Place, service: &Service) {
    if let Some(image) = &service.image
        && !super::is_id(image, "ami-")
    {
        rules.found.error(
            "image_id",
            place.key("image"),
            format!("{image:?} is not the id of a machine image"),
            "ids look like ami-0123456789abcdef0",
            if service.run == Run::Container {
                "the container image goes into `source`; leave this out for the newest Amazon Linux 2023"
            } else {
                "leave it out for the newest Amazon Linux 2023"
            },
        );
    }
    let here = place.key("instance_type");
    let text = &service.instance_type;
    let Some(class) = class::class(rules, here.clone(), "", text) else { return };
    runs_here(rules, place.key("run"), here.clone(), service, &class, text);
    class::warn_unless_t(rules, here, &class, text, "t3.micro");
    for (i, text) in service.spot.iter().flat_map(|spot| &spot.types).enumerate() {
        let here = place.key("spot").key("types").item(i);
        if let Some(class) = class::class(rules, here.clone(), "", text) {
            runs_here(rules, place.key("run"), here.clone(), service, &class, text);
            class::warn_unless_t(rules, here, &class, text, "t3a.micro");
        }
    }
}

/// Reports Graviton instances, since neither an x86-64 binary nor the image runs on them.
fn runs_here(rules: &mut Rules<'_>, run: Place, place: Place, service: &Service, class: &class::Class<'_>, text: &str) {
    if !class.is_arm() {
        return;
    }
    let x86 = if class.family == "t4g" { "t3".to_owned() } else { class.family.replacen('g', "i", 1) };
    let fix = format!("use \"{}.{}\"", if class.is_t() { "t3" } else { &x86 }, class.size);
    let why = match service.run {
        Run::Binary => "it has an ARM processor; the service is an x86-64 binary",
        Run::Archive => "it has an ARM processor; the service is built for x86-64",
        Run::Container => "it has an ARM processor; the machine image is for x86-64",
    };
    let issue = Issue::error("instance_type_arm", place, format!("{text} cannot run the service"), why, fix);
    rules.found.push(issue.with(run, "this is how it is run"));
}

fn environment(rules: &mut Rules<'_>, place: &Place, service: &Service) {
    for (name, value) in &service.env {
        let here = place.key("env").key(name);
        let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !first || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            let issue = Issue::error(
                "env_name",
                here,
                format!("{name:?} cannot be the name of an environment variable"),
                "allowed are letters, digits and _, no digit first",
                format!("for example {}", env_like(name)),
            );
            rules.found.push(issue.on_key());
        } else if value.chars().any(char::is_control) {
            if !rules.raw(&here).contains('\n') {
                continue;
            }
            rules.found.error(
                "env_value",
                here,
                format!("the variable `{name}` has more than one line"),
                "neither systemd nor Docker reads such a value",
                "put it into a file (`config`), or encode it",
            );
        } else {
            if name == "PORT" && service.run == Run::Container {
                container_port(rules, here.clone(), value);
            }
            template(rules, here, value);
        }
    }
    if let Some(command) = &service.command {
        template(rules, place.key("command"), command);
    }
}

/// Checks the port that a container publishes on the machine, in a command that root runs.
///
/// Values from templates are checked at rendering.
fn container_port(rules: &mut Rules<'_>, here: Place, value: &str) {
    if value.contains("{{") || value.contains("{%") || value.parse::<u16>().is_ok_and(|port| port > 0) {
        return;
    }
    rules.found.error(
        "env_port",
        here,
        format!("{value:?} is not a port"),
        "in a container, PORT is the port of the service: 1 to 65535",
        "for example PORT = \"8080\"",
    );
}

/// Checks `{{ }}` in values and the command. Other template syntax would be lost, or refused later.
fn template(rules: &mut Rules<'_>, here: Place, text: &str) {
    let Some(foreign) = markup::unknown_syntax(text) else { return };
    let piece = Some(&text[foreign.piece]).filter(|piece| piece.len() <= 200).unwrap_or("…");
    rules.found.error(
        "template_syntax",
        here,
        foreign.what,
        "this value is a template",
        format!(
            "to keep it unchanged, write {{% raw %}}{piece}{{% endraw %}}; the available names are: {}",
            markup::names(|_| true)
        ),
    );
}

fn env_like(name: &str) -> String {
    let upper: String = name.to_uppercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let upper = upper.trim_matches('_');
    if upper.is_empty() {
        "LOG_LEVEL".into()
    } else if upper.starts_with(|c: char| c.is_ascii_digit()) {
        format!("_{upper}")
    } else {
        upper.into()
    }
}
