//! The request path, hop by hop, and its problems.
use super::{
    Printer,
    line::Event,
    status::{Path, all_gaps},
    style::*,
};
use crate::{
    diagnose::{Finding, Hop, HopName, Severity, State},
    shell::command,
    snapshot::Gap,
    verdict::{Judged, Word},
};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeSet;

/// The output of `why -o json`.
#[derive(Serialize, JsonSchema)]
pub struct Told<'a> {
    stack: &'a str,
    at: String,
    /// The verdict in a word: that of the worst service.
    word: Word,
    /// True if some service loses requests.
    broken: bool,
    /// The services, the worst first.
    services: Vec<Path<'a>>,
    gaps: Vec<&'a Gap>,
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

/// Prints the path of the worst service, then a line for each other one. `url` is the URL that was asked instead of the
/// balancer's own.
pub fn show(out: &Printer, judged: &[Judged], url: Option<&str>) {
    let Some((worst, others)) = judged.split_first() else { return };
    let all = all_gaps(judged.iter().map(|one| &one.snapshot));
    if out.json() {
        return out.line(&Told {
            stack: &worst.snapshot.whose.stack,
            at: worst.snapshot.at.to_string(),
            word: worst.verdict.word(),
            broken: judged.iter().any(|one| one.chain.broken()),
            services: judged.iter().map(Into::into).collect(),
            gaps: all,
        });
    }
    let (s, chain, verdict) = (&worst.snapshot, &worst.chain, &worst.verdict);
    let findings = chain.findings();
    let asked = s.probe.url.as_deref().unwrap_or("no URL");
    let name = if verdict.is_named { format!(" {}", s.whose.service) } else { String::new() };
    out.data(format!("{TITLE}{}{name}{RESET} · {asked} · {DIM}{}{RESET}", s.whose.stack, s.at.strftime("%F %T UTC")));
    match findings.first() {
        None => {
            hops(out, &chain.hops);
            gaps(out, &all);
            out.data(match verdict.word() {
                _ if all.is_empty() => format!("{GOOD}nothing is broken{RESET}"),
                Word::Unknown => format!("{WARN}{verdict}{RESET}"),
                _ => format!("{WARN}nothing broken was seen, but not everything was seen{RESET}"),
            });
        }
        Some(first) => {
            hops(out, if out.verbose > 0 { &chain.hops } else { until(&chain.hops, first) });
            gaps(out, &all);
            if out.verbose > 0 {
                for f in &findings {
                    finding(out, f);
                }
            } else {
                finding(out, first);
                more(out, findings.len() - 1, url);
            }
        }
    }
    if !others.is_empty() {
        out.data("");
    }
    for other in others {
        in_short(out, &other.into());
    }
}

/// Prints the path of a service on one line: its first finding, and the command that shows the rest.
pub fn in_short(out: &Printer, path: &Path<'_>) {
    let Some(first) = path.findings.first() else {
        let (mark, style) = mark(if path.word == Word::Unknown { State::Unknown } else { State::Good });
        return out.data(format!("{style}{mark} {}{RESET}", path.service));
    };
    let state = match first.severity {
        Severity::Broken => State::Bad,
        Severity::Waiting => State::Busy,
        Severity::Weak => State::Weak,
    };
    let (mark, style) = mark(state);
    let all = out.typed(&command!("gameday why --service {}", path.service));
    out.data(format!("{style}{mark} {}{RESET} {}: {} {DIM}(`{all}`){RESET}", path.service, first.hop, first.cause));
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
pub fn gaps(out: &Printer, gaps: &[&Gap]) {
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
