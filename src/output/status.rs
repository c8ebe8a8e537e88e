//! The verdict, then every step.
use super::{Printer, clock, complaint::Complaint, style::*, why};
use crate::{
    config::Group,
    diagnose::{Chain, Finding, Hop},
    engine::{Diff, Key, Phase, Report, Status, Visit},
    live::{Clock, Light},
    snapshot::{Gap, Snapshot},
    verdict::{Judged, Verdict, Word},
};
use serde::Serialize;

/// The output of `status -o json`.
#[derive(Serialize, schemars::JsonSchema)]
pub struct Overview<'a> {
    pub stack: &'a str,
    pub serving: bool,
    /// The verdict in a word, the same in every view: that of the worst service.
    pub word: Word,
    /// The verdict in a sentence.
    pub verdict: String,
    /// The address of the worst service.
    pub endpoint: Option<&'a str>,
    /// The time that is left, and the steps still being built.
    pub clock: Clock,
    /// The services, the worst first.
    pub services: Vec<Path<'a>>,
    pub gaps: Vec<&'a Gap>,
    pub steps: Vec<Step<'a>>,
    /// The URL that was asked instead of the balancer's own.
    #[serde(skip)]
    pub asked: Option<&'a str>,
}

/// The request path of one service.
#[derive(Serialize, schemars::JsonSchema)]
pub struct Path<'a> {
    pub service: &'a str,
    pub serving: bool,
    /// True if something on the path loses requests.
    pub broken: bool,
    pub word: Word,
    /// The verdict in a sentence.
    pub verdict: String,
    pub endpoint: Option<&'a str>,
    /// The verdict's evidence.
    pub seen: &'a Verdict,
    /// The request path, hop by hop.
    pub chain: &'a [Hop],
    /// The findings, the most important first.
    pub findings: Vec<&'a Finding>,
    /// The number of rows that the database has refused or deleted, if instances of this service count them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_rows: Option<u64>,
}

impl<'a> Path<'a> {
    /// Builds the view of a service's path.
    pub fn new(service: &'a str, chain: &'a Chain, verdict: &'a Verdict) -> Self {
        Self {
            service,
            serving: verdict.serving(),
            broken: chain.broken(),
            word: verdict.word(),
            verdict: verdict.to_string(),
            endpoint: verdict.url.as_deref(),
            seen: verdict,
            chain: &chain.hops,
            findings: chain.findings(),
            refused_rows: None,
        }
    }
}

impl<'a> From<&'a Judged> for Path<'a> {
    fn from(judged: &'a Judged) -> Self {
        let refused_rows = judged.snapshot.database.as_ref().and_then(|d| d.refused_rows);
        Self { refused_rows, ..Self::new(judged.service(), &judged.chain, &judged.verdict) }
    }
}

/// Returns what could not be seen of some services, each once.
pub fn all_gaps<'a>(snapshots: impl Iterator<Item = &'a Snapshot>) -> Vec<&'a Gap> {
    let mut all: Vec<&Gap> = vec![];
    for gap in snapshots.flat_map(|s| &s.gaps) {
        if !all.contains(&gap) {
            all.push(gap);
        }
    }
    all
}

#[derive(Serialize, schemars::JsonSchema)]
pub struct Step<'a> {
    pub key: &'a Key,
    pub group: Group,
    pub phase: String,
    pub id: Option<&'a str>,
    pub drift: Vec<&'a str>,
    /// The reason why it could not be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Complaint>,
}

impl<'a> Overview<'a> {
    /// Builds the view. The worst service comes first.
    pub fn new(
        stack: &'a str,
        services: Vec<Path<'a>>,
        gaps: Vec<&'a Gap>,
        clock: Clock,
        report: &'a Report<Status>,
    ) -> Self {
        let worst = services.first();
        let mut steps: Vec<Step> = report.0.iter().map(|(key, visit)| Step::new(key, visit)).collect();
        steps.sort_by_key(|s| s.group);
        Self {
            stack,
            serving: worst.is_some_and(|path| path.serving),
            word: worst.map_or(Word::Unknown, |path| path.word),
            verdict: worst.map_or_else(String::new, |path| path.verdict.clone()),
            endpoint: worst.and_then(|path| path.endpoint),
            clock,
            services,
            gaps,
            steps,
            asked: None,
        }
    }
}

impl<'a> Step<'a> {
    /// True if the step exists as in the stack file.
    fn is_ready(&self) -> bool {
        matches!(self.phase.as_str(), "ready" | "used") && self.drift.is_empty()
    }

    /// True if AWS is working on the step.
    fn is_busy(&self) -> bool {
        let p = self.phase.as_str();
        !matches!(p, "ready" | "used" | "missing" | "unknown") && !p.starts_with("broken")
    }

    fn new(key: &'a Key, visit: &'a Visit<Status>) -> Self {
        let blank = |phase: &str, error| Step {
            key,
            group: Group::of_kind(key.kind()),
            phase: phase.into(),
            id: None,
            drift: vec![],
            error,
        };
        match visit {
            Visit::Done(s) => Step { phase: word(s), id: s.id.as_deref(), drift: paths(&s.drift), ..blank("", None) },
            Visit::Failed(e) => blank("unknown", Some(e.into())),
            Visit::Skipped(because) => {
                let why = format!("not looked at, because of {because}");
                blank("unknown", Some(Complaint::new("skipped", why, None)))
            }
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

/// Prints time left, ETA and slack, and suggestions if the stack will be late.
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

/// Prints about ten lines: the verdict, the URL, the request path, and the steps that are not ready.
///
/// A problem adds lines. With `-v` all hops and all steps are printed.
pub fn show(out: &Printer, view: &Overview<'_>) {
    if out.json() {
        return out.line(view);
    }
    let Some((worst, others)) = view.services.split_first() else { return };
    out.data(format!("{}{}{RESET}", verdict(worst.word), worst.seen.headline()));
    if let Some(url) = worst.endpoint {
        out.data(url);
    }
    for other in others {
        out.data(format!("{}{}{RESET}", verdict(other.word), other.verdict));
    }
    // During a build the verdict already contains the time.
    let told = worst.word == Word::Building && worst.seen.build.as_ref().is_some_and(|b| b.left_seconds.is_some());
    let rest = |c: &Clock| Clock { eta_seconds: None, waiting_for: None, ..c.clone() };
    time(out, &if told { rest(&view.clock) } else { view.clock.clone() });
    if worst.word == Word::NotBuilt && view.steps.iter().all(|s| s.phase == "missing") {
        return out.data(format!("`{}` builds it", out.typed("gameday up")));
    }
    match worst.findings.first() {
        _ if out.verbose > 0 => why::hops(out, worst.chain),
        Some(first) => why::hops(out, why::until(worst.chain, first)),
        None => why::marks(out, worst.chain),
    }
    why::gaps(out, &view.gaps);
    if let Some(first) = worst.findings.first() {
        why::finding(out, first);
        why::more(out, worst.findings.len() - 1, view.asked);
        out.data("");
    }
    for other in others {
        why::in_short(out, other);
    }
    if let Some(rows) = view.services.iter().find_map(|path| path.refused_rows) {
        out.data(format!("rows refused by the database so far: {rows}"));
    }
    steps(out, &view.steps);
    let ways_out = view.steps.iter().filter_map(|s| s.error.as_ref()?.help.as_deref());
    let told: Vec<&str> = view.gaps.iter().filter_map(|g| g.help.as_deref()).collect();
    why::helps(out, ways_out.filter(|h| !told.contains(h)));
}

/// The largest number of unready steps that are listed. More are counted by group.
const LISTED: usize = 8;

/// Prints the steps that are not as wanted, and the total number of steps.
fn steps(out: &Printer, steps: &[Step<'_>]) {
    let off: Vec<&Step> = steps.iter().filter(|s| !s.is_ready()).collect();
    let shown: Vec<&Step> = match off.len() {
        _ if out.verbose > 0 => steps.iter().collect(),
        0..=LISTED => off.clone(),
        _ => vec![],
    };
    let width = shown.iter().map(|s| s.key.as_str().len()).max().unwrap_or(0);
    let mut group = None;
    for s in shown {
        if out.verbose > 0 && group != Some(s.group) {
            out.data(format!("{TITLE}{}{RESET}", s.group));
            group = Some(s.group);
        }
        out.data(line(s, width));
    }
    let many = |what: &str, n: usize| (n > 0).then(|| format!("{n} {what}"));
    let of = |wanted: &dyn Fn(&Step) -> bool| steps.iter().filter(|s| wanted(s)).count();
    let (missing, drifted) = (of(&|s| s.phase == "missing"), of(&|s| !s.drift.is_empty()));
    let what: Vec<String> = [
        many("missing", missing),
        // The cause can be a manual change, a change of the file, or a missing object to which they refer.
        many(if drifted == 1 { "differs from the stack file" } else { "differ from the stack file" }, drifted),
        many("could not be looked at", of(&|s| s.phase == "unknown")),
        many("under way", of(&|s| s.is_busy())),
        many("broken", of(&|s| s.phase.starts_with("broken"))),
    ]
    .into_iter()
    .flatten()
    .collect();
    let all = count(steps.len(), "step");
    if what.is_empty() {
        let more = if out.verbose > 0 { "" } else { " (-v lists them)" };
        return out.data(format!("{GOOD}{all}: all ready{RESET}{DIM}{more}{RESET}"));
    }
    let next = match missing + drifted {
        0 => String::new(),
        _ => format!("; `{}` shows what `{}` would do", out.typed("gameday plan"), out.typed("gameday up")),
    };
    out.data(format!("{all}: {WARN}{}{RESET}{next}", what.join(", ")));
}

fn line(s: &Step<'_>, width: usize) -> String {
    let style = match s.phase.as_str() {
        _ if s.is_ready() => GOOD,
        "missing" => BAD,
        p if p.starts_with("broken") => BAD,
        _ => WARN,
    };
    let mut line = format!("  {:<width$}  {style}{:<9}{RESET} {}", s.key.as_str(), s.phase, s.id.unwrap_or(""));
    if !s.drift.is_empty() {
        line += &format!("  {WARN}drift: {}{RESET}", s.drift.join(", "));
    }
    if let Some(e) = &s.error {
        line += &format!("  {WARN}{}{RESET}", e.message);
    }
    line.trim_end().to_owned()
}
