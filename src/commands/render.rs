//! `gameday render`: the user data and every file made from a template, without AWS.
use super::{DONE, Failure, Outcome, failed, session};
use crate::{
    aws::{Aws, Target},
    cli::{Global, RenderArgs},
    config::Loaded,
    facts::Facts,
    output::{Printer, style::*},
    stack,
    userdata::{self, Rendered},
};
use std::collections::BTreeMap;

/// Runs `gameday render`.
pub async fn run(global: &Global, out: Printer, args: RenderArgs) -> Outcome {
    let loaded = session::load(global, &out)?;
    let named = args.service.service.is_some() || args.file.is_some();
    if named || loaded.config.services().count() == 1 {
        let shown = session::one(&loaded.config, &args.service)?.name;
        let rendered = rendered(&loaded, shown).await?;
        return if args.check { check(&out, &[(shown, rendered)], false) } else { print(&out, &args, &rendered) };
    }
    let mut all = vec![];
    for service in loaded.config.services() {
        all.push((service.name, rendered(&loaded, service.name).await?));
    }
    if args.check {
        return check(&out, &all, true);
    }
    if out.json() {
        let all: BTreeMap<_, _> = all.iter().map(|(name, rendered)| (name, &rendered.files)).collect();
        out.line(&all);
        return Ok(DONE);
    }
    for (service, rendered) in &all {
        for (name, text) in &rendered.files {
            out.data(format!("{TITLE}==> {service}: {name} <=={RESET}"));
            out.verbatim(text);
        }
    }
    Ok(DONE)
}

/// Renders the user data of a service, without AWS.
async fn rendered(loaded: &Loaded, service: &str) -> Result<Rendered, Failure> {
    let target = Target { region: loaded.config.region.clone(), ..Target::default() };
    let facts = Facts::offline(&loaded.config);
    let stack = stack::wire(loaded, &facts, &Aws::connect(&target).await).map_err(session::template)?;
    let service = stack.services.iter().find(|wired| wired.name == service).expect("each service is wired");
    service.user_data.rendered().map_err(session::template)
}

/// Prints what is wrong with the rendered scripts. `is_many` is true if the services have to be named.
fn check(out: &Printer, all: &[(&str, Rendered)], is_many: bool) -> Outcome {
    let mut bad = false;
    let mut told = vec![];
    for (service, rendered) in all {
        let findings = userdata::check(rendered);
        bad |= findings.iter().any(|f| f.level == userdata::Level::Error);
        if out.json() {
            told.push(serde_json::json!({"service": service, "size": rendered.size, "gzipped": rendered.gzipped, "findings": findings, "names": rendered.names}));
            continue;
        }
        if is_many {
            out.data(format!("{TITLE}{service}{RESET}"));
        }
        for f in &findings {
            out.data(f.to_string());
        }
        let packed = if rendered.gzipped { " compressed" } else { "" };
        out.data(format!("{} bytes{packed} of {}", rendered.size, userdata::LIMIT));
        out.data(format!("names for templates: {}", rendered.names.join(", ")));
    }
    match &told[..] {
        [] => {}
        [one] if !is_many => out.line(one),
        all => out.line(&serde_json::json!({ "services": all })),
    }
    Ok(if bad { failed() } else { DONE })
}

/// Prints one rendered file, or all.
fn print(out: &Printer, args: &RenderArgs, rendered: &Rendered) -> Outcome {
    match &args.file {
        Some(name) => {
            // `user-data` means user-data.sh.
            let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
            let whole = rendered.files.iter().find(|(path, _)| *path == name || last(path) == *name);
            let without_ending = |path: &str| last(path).rsplit_once('.').is_some_and(|(stem, _)| stem == name);
            let file = whole.or_else(|| rendered.files.iter().find(|(path, _)| without_ending(path)));
            let Some((_, text)) = file else {
                let names: Vec<String> = rendered.files.keys().map(|path| last(path)).collect();
                let help = format!("there are {}", names.join(", "));
                return Err(Failure::usage("no_file", format!("no file {name} is rendered"), help));
            };
            out.verbatim(text);
        }
        None if out.json() => out.line(&rendered.files),
        None => {
            for (name, text) in &rendered.files {
                out.data(format!("{TITLE}==> {name} <=={RESET}"));
                out.verbatim(text);
            }
        }
    }
    Ok(DONE)
}
