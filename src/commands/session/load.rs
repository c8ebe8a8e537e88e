//! Reads the stack file, and reports mistakes in what the user has written.
use super::super::Failure;
use crate::{
    aws,
    cli::Global,
    config::{self, Loaded, NamedRegion, Outside},
    engine::Graph,
    output::{Printer, complaint::Complaint},
    userdata,
};

/// Reads and checks the stack file. Warnings go to stderr; no call is made to AWS.
pub(crate) fn load(global: &Global, out: &Printer) -> Result<Loaded, Failure> {
    let named = |region: String, by: String| NamedRegion { region, by };
    let outside = Outside {
        asked: global.region.clone().map(|region| named(region, "--region".into())),
        include: global.include_outside.clone(),
        usual: aws::region::configured(global.profile.as_deref()).map(|(region, by)| named(region, by)),
        ..config::Outside::default()
    };
    let loaded = config::load_in(&global.config, &outside).map_err(|e| Failure::file(&e, out))?;
    out.typist.learn_region(&loaded.config.region);
    if !out.json() && !loaded.warnings.is_empty() {
        out.rendered(&loaded.render_warnings(out.color(), out.width()));
    }
    Ok(loaded)
}

/// Converts an error of another module, with its help, to a failure.
pub(crate) fn said(e: impl miette::Diagnostic) -> Failure {
    Failure::Error(crate::error::Error::other(e.to_string(), e.help().map(|h| h.to_string()).unwrap_or_default()))
}

/// Converts an error of a template to a failure.
///
/// A template that does not render is a mistake in the user's files: exit code 2, as for the stack file.
pub(crate) fn template(e: Box<userdata::Error>) -> Failure {
    let complaint = Complaint {
        file: e.file().map(Into::into),
        line: e.line(),
        ..Complaint::new("template", e.to_string(), miette::Diagnostic::help(&*e).map(|h| h.to_string()))
    };
    Failure::Usage { complaints: vec![complaint], text: Some(format!("{:?}", miette::Report::new(*e))) }
}

/// Fails if one of these is no key of a step.
pub(super) fn check_keys<'a>(graph: &Graph, keys: impl IntoIterator<Item = &'a String>) -> Result<(), Failure> {
    let Some(key) = keys.into_iter().find(|key| graph.get(key).is_none()) else { return Ok(()) };
    let like = |n: &str| strsim::jaro_winkler(n, key);
    let near = graph.nodes().map(|n| n.key().as_str()).max_by(|a, b| like(a).total_cmp(&like(b)));
    let meant = near.filter(|n| like(n) > 0.8).map(|n| format!("did you mean {n}? ")).unwrap_or_default();
    let help = format!("{meant}`gameday status -v` lists all");
    Err(Failure::usage("no_step", format!("there is no step {key}"), help))
}
