//! The request path, hop by hop, and its problems.
use super::{Printer, line::Event, style::*};
use crate::{
    diagnose::{Chain, Finding, Hop, HopName, Severity, State},
    shell::command,
    snapshot::{Gap, Snapshot},
    verdict::{Verdict, Word},
};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeSet;

/// The output of `why -o json`.
#[derive(Serialize, JsonSchema)]
pub struct Told<'a> {
    stack: &'a str,
    at: String,
    url: Option<&'a str>,
    word: Word,
    verdict: String,
    broken: bool,
    chain: &'a [Hop],
    /// The findings, the most important first.
    findings: Vec<&'a Finding>,
    gaps: &'a [Gap],
}

/// Returns the mark and the style of a hop.
pub fn mark(state: State) -> (&'static str, Style) {
    match state {
        State::Good => ("✓", GOOD),
        State::Weak => ("!", WARN),
        State::Busy => ("…", WARN),
        State::Unknown => ("?", DIM),
        State::Bad => ("✗", BAD),
    }
}

/// Prints the path. `url` is the URL that was asked instead of the balancer's own.
pub fn show(out: &Printer, s: &Snapshot, chain: &Chain, verdict: &Verdict, url: Option<&str>) {
    let findings = chain.findings();
    if out.json() {
        return out.line(&Told {
            stack: &s.whose.stack,
            at: s.at.to_string(),
            url: s.probe.url.as_deref(),
            word: verdict.word(),
            verdict: verdict.to_string(),
            broken: chain.broken(),
            chain: &chain.hops,
            findings,
            gaps: &s.gaps,
        });
    }
    let asked = s.probe.url.as_deref().unwrap_or("no URL");
    out.data(format!("{TITLE}{}{RESET} · {asked} · {DIM}{}{RESET}", s.whose.stack, s.at.strftime("%F %T UTC")));
    let Some(first) = findings.first() else {
        hops(out, &chain.hops);
        gaps(out, &s.gaps);
        return out.data(match verdict.word() {
            _ if s.gaps.is_empty() => format!("{GOOD}nothing is broken{RESET}"),
            Word::Unknown => format!("{WARN}{verdict}{RESET}"),
            _ => format!("{WARN}nothing broken was seen, but not everything was seen{RESET}"),
        });
    };
    hops(out, if out.verbose > 0 { &chain.hops } else { until(&chain.hops, first) });
    gaps(out, &s.gaps);
    if out.verbose > 0 {
        for f in &findings {
            finding(out, f);
        }
    } else {
        finding(out, first);
        more(out, findings.len() - 1, url);
    }
}

/// Returns the hops up to the first broken one, since later ones do not matter then. All of them, if requests are still
/// served.
pub fn until<'a>(hops: &'a [Hop], first: &Finding) -> &'a [Hop] {
    match hops.iter().position(|h| h.hop == first.hop) {
        Some(at) if first.severity != Severity::Weak => &hops[..=at],
        _ => hops,
    }
}

/// Prints all hops on as few lines as possible.
pub fn marks(out: &Printer, hops: &[Hop]) {
    let (mut line, mut used) = (String::new(), 0);
    for h in hops {
        let (mark, style) = mark(h.state);
        let text = format!("{mark} {}", h.hop);
        let wide = text.chars().count() + 2;
        if used > 0 && used + wide > out.width() {
            out.data(std::mem::take(&mut line).trim_end());
            used = 0;
        }
        used += wide;
        line += &format!("{style}{mark}{RESET} {}  ", h.hop);
    }
    if used > 0 {
        out.data(line.trim_end());
    }
}

/// Prints one line per hop, and one per zone for hops with instances.
pub fn hops(out: &Printer, hops: &[Hop]) {
    for h in hops {
        let (mark, style) = mark(h.state);
        let name = h.hop.to_string();
        out.data(format!("{style}{mark} {name:<12}{RESET} {}", h.evidence));
        if h.hop == HopName::Instances {
            for z in &h.zones {
                let (_, style) = self::mark(z.state);
                out.data(format!("  {style}{:<12}{RESET} {}", z.zone, z.evidence));
            }
        }
    }
}

/// Prints the cause, the evidence and the command to type.
pub fn finding(out: &Printer, f: &Finding) {
    let style = match f.severity {
        Severity::Broken => BAD,
        Severity::Waiting | Severity::Weak => WARN,
    };
    out.data("");
    out.data(format!("{style}{}{RESET} {DIM}({}, {}){RESET}", f.cause, f.hop, f.rule));
    out.data(format!("  {DIM}seen{RESET}  {}", f.evidence));
    out.data(format!("  {DIM}type{RESET}  {}", to_type(out, f)));
}

/// Prints a finding to users who are waiting.
pub fn event(out: &Printer, f: &Finding) {
    if out.json() {
        return out.event(Event::Finding { finding: f });
    }
    let style = if f.severity == Severity::Broken { BAD } else { WARN };
    out.note(format!("{style}{}{RESET} {DIM}({}, {}){RESET}", f.cause, f.hop, f.rule));
    out.note(format!("  {DIM}seen{RESET}  {}", f.evidence));
    out.note(format!("  {DIM}type{RESET}  {}", to_type(out, f)));
}

/// Returns the command in the user's terms, with remarks as a comment, so that the line can be pasted.
pub fn to_type(out: &Printer, f: &Finding) -> String {
    let command = out.typed(&f.command);
    let note = f.note.as_ref().map_or(String::new(), |n| format!("  {DIM}# {n}{RESET}"));
    format!("{TITLE}{command}{RESET}{note}")
}

/// Prints how many more findings exist, and the command that shows them.
///
/// `url` is the URL that was asked instead of the balancer's own.
pub fn more(out: &Printer, n: usize, url: Option<&str>) {
    if n > 0 {
        let all = url.map_or("gameday why -v".into(), |url| command!("gameday why -v {}", url));
        out.data(format!("{DIM}and {n} more: `{all}`{RESET}"));
    }
}

/// Prints what could not be seen.
pub fn gaps(out: &Printer, gaps: &[Gap]) {
    for g in gaps {
        out.data(format!("{WARN}not seen{RESET} {}: {}", g.call, g.why));
    }
    helps(out, gaps.iter().filter_map(|g| g.help.as_deref()));
}

/// Prints the ways out, each once.
pub fn helps<'a>(out: &Printer, ways: impl Iterator<Item = &'a str>) {
    for help in ways.collect::<BTreeSet<_>>() {
        out.data(format!("  {TITLE}help:{RESET} {help}"));
    }
}
