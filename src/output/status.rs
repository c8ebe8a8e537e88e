//! The verdict, then every step.
use super::{Printer, clock, style::*, why};
use crate::{
    diagnose::{Chain, Finding, Hop},
    engine::{Diff, Key, Phase, Report, Status, Visit},
    serving::Verdict,
    snapshot::Gap,
    stack::Group,
    watch::{Clock, Light},
};
use serde::Serialize;

/// `status -o json`.
#[derive(Serialize)]
pub struct Overview<'a> {
    pub stack: &'a str,
    pub serving: bool,
    pub verdict: String,
    pub endpoint: Option<&'a str>,
    /// The verdict's evidence.
    pub seen: &'a Verdict,
    /// How long there is, and what is still being built.
    pub clock: Clock,
    /// The request path, hop by hop; empty when it was not looked at because all is well.
    pub chain: &'a [Hop],
    /// What is wrong, the one to begin with first.
    pub findings: Vec<&'a Finding>,
    pub gaps: &'a [Gap],
    pub steps: Vec<Step<'a>>,
}

#[derive(Serialize)]
pub struct Step<'a> {
    pub key: &'a Key,
    pub group: Group,
    pub phase: String,
    pub id: Option<&'a str>,
    pub drift: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The way out, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl<'a> Overview<'a> {
    /// `path` is the request path and what of it could not be seen, where it was looked at.
    pub fn new(
        stack: &'a str,
        path: Option<(&'a Chain, &'a [Gap])>,
        verdict: &'a Verdict,
        clock: Clock,
        report: &'a Report<Status>,
    ) -> Self {
        let mut steps: Vec<Step> = report.0.iter().map(|(key, visit)| Step::new(key, visit)).collect();
        steps.sort_by_key(|s| s.group);
        Self {
            stack,
            serving: verdict.serving(),
            verdict: verdict.to_string(),
            endpoint: verdict.url.as_deref(),
            seen: verdict,
            clock,
            chain: path.map_or(&[], |(chain, _)| &chain.hops),
            findings: path.map_or(vec![], |(chain, _)| chain.findings()),
            gaps: path.map_or(&[], |(_, gaps)| gaps),
            steps,
        }
    }
}

impl<'a> Step<'a> {
    fn new(key: &'a Key, visit: &'a Visit<Status>) -> Self {
        let blank = |phase: &str, error| Step {
            key,
            group: Group::of(key.kind()),
            phase: phase.into(),
            id: None,
            drift: vec![],
            error,
            help: None,
        };
        match visit {
            Visit::Done(s) => Step { phase: word(s), id: s.id.as_deref(), drift: paths(&s.drift), ..blank("", None) },
            Visit::Failed(e) => Step { help: e.help(), ..blank("unknown", Some(e.to_string())) },
            Visit::Skipped(because) => blank("unknown", Some(format!("not looked at, because of {because}"))),
            Visit::NotStarted => blank("unknown", None),
        }
    }
}

fn word(s: &Status) -> String {
    match &s.phase {
        None => "missing".into(),
        Some(Phase::Ready) if s.used => "used".into(),
        Some(Phase::Ready) => "ready".into(),
        Some(Phase::Busy(w)) => w.clone(),
        Some(Phase::Deleting) => "deleting".into(),
        Some(Phase::Broken(w)) => format!("broken: {w}"),
    }
}

fn paths(diff: &Diff) -> Vec<&str> {
    diff.0.iter().map(|f| f.path.as_str()).collect()
}

/// Time left, ETA and slack; when it will be late, what would help.
fn time(out: &Printer, c: &Clock) {
    let style = match c.light {
        Light::Green => GOOD,
        Light::Amber => WARN,
        Light::Red => BAD,
    };
    let said = clock::words(c);
    if !said.is_empty() {
        out.data(format!("{style}{}{RESET}", said.join(" · ")));
    }
    for cut in &c.cuts {
        out.data(format!("{WARN}{}{RESET}", clock::cut(cut)));
    }
}

pub fn show(out: &Printer, view: &Overview<'_>) {
    if out.json() {
        return out.line(view);
    }
    out.data(format!("{}{}{RESET}", verdict(view.seen.word()), view.verdict));
    time(out, &view.clock);
    let missing = view.steps.iter().filter(|s| s.phase == "missing").count();
    if missing == view.steps.len() {
        return out.data(format!("{DIM}nothing of stack {} exists; `gameday up` builds it{RESET}", view.stack));
    }
    why::hops(out, view.chain);
    why::gaps(out, view.gaps);
    if let Some(first) = view.findings.first() {
        why::finding(out, first);
        why::more(out, view.findings.len() - 1);
    }
    let width = view.steps.iter().map(|s| s.key.as_str().len()).max().unwrap_or(0);
    let mut group = None;
    for s in &view.steps {
        if group != Some(s.group) {
            out.data(format!("{TITLE}{}{RESET}", s.group));
            group = Some(s.group);
        }
        let style = match s.phase.as_str() {
            "ready" | "used" if s.drift.is_empty() => GOOD,
            "missing" => BAD,
            "unknown" => WARN,
            p if p.starts_with("broken") => BAD,
            _ => WARN,
        };
        let mut line = format!("  {:<width$}  {style}{:<9}{RESET} {}", s.key.as_str(), s.phase, s.id.unwrap_or(""));
        if !s.drift.is_empty() {
            line += &format!("  {WARN}drift: {}{RESET}", s.drift.join(", "));
        }
        if let Some(e) = &s.error {
            line += &format!("  {WARN}{e}{RESET}");
        }
        out.data(line.trim_end().to_owned());
    }
    let drifted = view.steps.iter().filter(|s| !s.drift.is_empty()).count();
    let unseen = view.steps.iter().filter(|s| s.phase == "unknown").count();
    let mut what = vec![];
    if missing > 0 {
        what.push(format!("{missing} missing"));
    }
    if drifted > 0 {
        // By hand, by an edit of the file, or because something that they refer to is gone.
        what.push(format!("{drifted} differ from the stack file"));
    }
    if unseen > 0 {
        what.push(format!("{unseen} could not be looked at"));
    }
    if !what.is_empty() {
        let next = if missing + drifted > 0 {
            format!("; `{}` shows what `{}` would do", out.typed("gameday plan"), out.typed("gameday up"))
        } else {
            String::new()
        };
        out.data(format!("{WARN}{}{RESET}{next}", what.join(", ")));
    }
    let ways_out = view.steps.iter().filter_map(|s| s.help.as_deref());
    let told: Vec<&str> = view.gaps.iter().filter_map(|g| g.help.as_deref()).collect();
    why::helps(out, ways_out.filter(|h| !told.contains(h)));
}
