//! Several copies of a service on each instance.
use super::Rules;
use crate::check::Issue;
use crate::place::Place;
use crate::{Run, Service, is_template};

pub(super) fn check(rules: &mut Rules<'_>, place: &Place, service: &Service) {
    let copies = service.copies;
    if copies <= 1 {
        if rules.map.given(&place.key("connections")) {
            let issue = Issue::warning(
                "copies_one",
                place.key("connections"),
                "`connections` has no effect",
                "there is one copy, and no proxy before it",
                "give `copies` as well, or delete the line",
            );
            rules.found.push(issue.on_key());
        }
        return;
    }
    let here = place.key("copies");
    if let Some(file) = &service.user_data {
        let issue = Issue::error(
            "copies_user_data",
            here.clone(),
            format!("nothing starts {copies} copies"),
            format!("{file} replaces the boot script, which would start them and the proxy"),
            "delete one of the two lines",
        );
        rules.found.push(issue.on_key().with(place.key("user_data"), "the script"));
    }
    if service.run != Run::Container {
        port(rules, place, service);
    }
    scale(rules, place, service);
}

/// Checks that each copy can learn its own port.
fn port(rules: &mut Rules<'_>, place: &Place, service: &Service) {
    let names_port = |text: &String| text.contains("port");
    if let Some(port) = service.env.get("PORT").filter(|text| !names_port(text)) {
        let issue = Issue::error(
            "copies_port",
            place.key("env").key("PORT"),
            format!("all {} copies would listen on port {port}", service.copies),
            "each copy has a port of its own",
            "write PORT = \"{{ port }}\", or delete the line: each copy gets its PORT",
        );
        rules.found.push(issue.with(place.key("copies"), "the copies"));
        return;
    }
    let Some(file) = service.config.as_ref().filter(|file| !is_template(file)) else { return };
    if !service.command.iter().chain(service.env.values()).any(names_port) {
        let issue = Issue::warning(
            "copies_config",
            place.key("config"),
            format!("all {} copies get the same {file}", service.copies),
            "a port in it would be the same for all, and only one can listen on it",
            format!("rename it to {file}.j2 and write {{{{ port }}}} for the port, or give the port in `command`"),
        );
        rules.found.push(issue.with(place.key("copies"), "the copies"));
    }
}

/// Checks that the default target of scaling, which is for one copy, is not taken for several.
fn scale(rules: &mut Rules<'_>, place: &Place, service: &Service) {
    let here = place.key("scale").key("requests_per_target");
    let Some(target) = service.scale.requests_per_target.filter(|_| !rules.map.given(&here)) else { return };
    if service.max <= service.min {
        return;
    }
    let issue = Issue::warning(
        "copies_scale",
        place.key("copies"),
        "the service scales as if each instance had one copy",
        format!("the default of scale.requests_per_target, {target}, is for one copy"),
        format!("add [{place}.scale] requests_per_target = {}", target * f64::from(service.copies)),
    );
    rules.found.push(issue.on_key());
}
