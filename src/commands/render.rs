//! `gameday render`: the user data and every file made from a template, without AWS.
use super::{DONE, Failure, Outcome, failed, session};
use crate::{
    aws::{Aws, Target},
    cli::{Global, RenderArgs},
    facts::Facts,
    output::{Printer, style::*},
    stack, userdata,
};

/// Runs `gameday render`.
pub async fn run(global: &Global, out: Printer, args: RenderArgs) -> Outcome {
    let loaded = session::load(global, &out)?;
    let target = Target { region: loaded.config.region.clone(), ..Target::default() };
    let facts = Facts::offline(&loaded.config);
    let stack = stack::wire(&loaded, &facts, &Aws::connect(&target).await).map_err(session::template)?;
    let shown = session::shown(&loaded.config).name;
    let service = stack.services.iter().find(|service| service.name == shown).expect("each service is wired");
    let rendered = service.user_data.rendered().map_err(session::template)?;
    if args.check {
        let findings = userdata::check(&rendered);
        if out.json() {
            out.line(&serde_json::json!({"size": rendered.size, "gzipped": rendered.gzipped, "findings": findings, "names": rendered.names}));
        } else {
            for f in &findings {
                out.data(f.to_string());
            }
            let packed = if rendered.gzipped { " compressed" } else { "" };
            out.data(format!("{} bytes{packed} of {}", rendered.size, userdata::LIMIT));
            out.data(format!("names for templates: {}", rendered.names.join(", ")));
        }
        let bad = findings.iter().any(|f| f.level == userdata::Level::Error);
        return Ok(if bad { failed() } else { DONE });
    }
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
