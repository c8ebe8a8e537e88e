//! The panels of the screen. Each consists of lines fitted to a width.
use super::text::{Theme, age, cell, fit, line, seconds, short, spark, wrap};
use crate::{
    diagnose::{Finding, Severity},
    live::{Light, LiveState, Trouble, in_short, word},
    output::{clock as words, style::count, why},
    parts::{
        balancer::measure as balancer, cache::measure as cache, database::measure as database, metric::MetricRow,
        service::measure as service,
    },
    typed::Typist,
    verdict::Word,
};
use anstyle::AnsiColor;
use jiff::Timestamp;
use ratatui_core::{style::Style, text::Line};

pub(super) type Lines = Vec<Line<'static>>;

/// The data of a panel.
#[derive(Clone, Copy)]
pub(super) struct Cx<'a> {
    pub s: &'a LiveState,
    pub theme: Theme,
    pub typist: Typist,
    pub width: usize,
    /// The time zone of displayed times.
    pub tz: &'a jiff::tz::TimeZone,
}

impl Cx<'_> {
    pub(super) fn time(&self, at: Timestamp) -> String {
        at.to_zoned(self.tz.clone()).strftime("%H:%M:%S").to_string()
    }

    /// Returns the colour that the other views give a mark.
    fn style(&self, of: crate::output::style::Style) -> Style {
        match of.get_fg_color() {
            Some(anstyle::Color::Ansi(AnsiColor::Green)) => self.theme.good(),
            Some(anstyle::Color::Ansi(AnsiColor::Yellow)) => self.theme.warn(),
            Some(anstyle::Color::Ansi(AnsiColor::Red)) => self.theme.bad(),
            _ => self.theme.dim(),
        }
    }
}

/// Returns the verdict: whether the stack serves, and how well. It comes first.
pub(super) fn verdict(cx: &Cx) -> Lines {
    let (s, v) = (cx.s, &cx.s.verdict);
    if s.snapshot.is_none() {
        return vec![line([(" … ".into(), cx.theme.title()), (" looking at the account".into(), Style::new())])];
    }
    // AWS's last answer may no longer be true, unless the service itself still answers.
    let old = s.age().filter(|a| s.trouble.is_some() && v.answer.is_none() && *a > 30);
    let flag = match old {
        Some(a) => format!(" {} {} ago ", word(v), age(a)),
        None => format!(" {} ", word(v)),
    };
    let flag = if v.is_named { format!("{flag}{} ", v.service) } else { flag };
    let mut said = vec![];
    if let Some(a) = &v.answer {
        said.push(match (a.status, &a.error) {
            (Some(code), _) => format!("HTTP {code} in {} ms", a.millis),
            (None, Some(e)) => format!("no answer: {e}"),
            _ => "no answer".into(),
        });
    }
    if let Some(b) = v.build.as_ref().filter(|_| v.word() == Word::Building) {
        said.push(b.to_string());
    }
    said.extend(v.dangers().into_iter().filter(|_| v.word() == Word::AtRisk).take(1).map(Into::into));
    if v.missing.is_some() {
        // There is nothing else to say about something that does not exist.
    } else if let Some(t) = &v.targets {
        said.push(format!("{}/{} targets", t.healthy, t.expected()));
    } else {
        said.push("targets not seen".into());
    }
    let zones = v.targets.as_ref().map_or(&[][..], |t| &t.zones);
    said.extend((v.missing.is_none() && v.risks.is_empty()).then(|| match zones.len() {
        0 if v.targets.is_none() => "zones not seen".into(),
        0 => "no zone".into(),
        1 => format!("only {}", zones[0]),
        n => format!("{n} zones"),
    }));
    if let Some(since) = s.verdict_since {
        said.push(format!("for {}", age(s.now.duration_since(since).as_secs())));
    }
    if v.answer.is_none() && v.unasked.is_some() && v.url.is_some() {
        said.push("not tested over HTTP".into());
    }
    let said = said.join(" · ");
    let url = v.url.as_deref().or(v.missing.as_deref()).unwrap_or("the load balancer could not be seen");
    let room = cx.width.saturating_sub(flag.chars().count() + 1);
    let flagged = (flag, if old.is_some() { cx.theme.warn() } else { cx.theme.flag(v.word()) });
    // The URL comes first if both fit. Otherwise it gets its own line, but only if it must not be lost.
    let mut lines = match url.chars().count() + 3 + said.chars().count() <= room {
        true => vec![line([flagged, (format!(" {url} · {said}"), Style::new())])],
        false => vec![
            line([flagged, (format!(" {}", fit(&said, room)), Style::new())]),
            line([(fit(url, cx.width), cx.theme.dim())]),
        ],
    };
    lines.extend(s.others.iter().map(|other| {
        let flag = format!(" {} ", other.verdict.word().as_str());
        let room = cx.width.saturating_sub(flag.chars().count() + 1);
        let name = other.service();
        let text = match (other.first(), &other.verdict.targets) {
            (Some(f), _) => format!("{name}: {}", f.cause),
            (None, Some(t)) => format!("{name} · {}/{} targets", t.healthy, t.expected()),
            (None, None) => name.to_owned(),
        };
        line([(flag, cx.theme.flag(other.verdict.word())), (format!(" {}", fit(&text, room)), Style::new())])
    }));
    lines
}

/// Returns the remaining time or the balance, and the reason why AWS is silent.
pub(super) fn clock_line(cx: &Cx) -> Lines {
    let (s, c) = (cx.s, cx.s.clock());
    let style = match c.light {
        Light::Green => cx.theme.good(),
        Light::Amber => cx.theme.warn(),
        Light::Red => cx.theme.bad(),
    };
    let mut said = words::words(&c);
    let l = s.latency();
    if l.asked > 0 {
        let good = 100.0 * (l.asked - l.failed) as f64 / l.asked as f64;
        said.push(format!("{good:.1} % of our requests answered"));
    }
    let mut lines = vec![];
    if !said.is_empty() {
        lines.push(line([(fit(&said.join(" · "), cx.width), style)]));
    }
    for cut in &c.cuts {
        lines.push(line([(fit(&words::cut(cut), cx.width), cx.theme.warn())]));
    }
    if let Some(t) = &s.trouble {
        lines.extend(trouble(cx, t));
    }
    lines
}

fn trouble(cx: &Cx, t: &Trouble) -> Lines {
    let old = cx.s.age().map_or(String::new(), |a| format!("this picture is {} old; ", age(a)));
    let words = wrap(&format!("{old}{}", t.in_words()), cx.width);
    words.into_iter().take(2).map(|l| line([(l, cx.theme.warn())])).collect()
}

/// Returns the request path. With `full`, one line per hop, else all marks on one line.
pub(super) fn path(cx: &Cx, full: bool) -> Lines {
    let chain = &cx.s.chain;
    let mut lines = vec![];
    if full {
        for h in &chain.hops {
            let (mark, style) = why::mark(h.state);
            let evidence = fit(&h.evidence, cx.width.saturating_sub(15));
            lines.push(line([(format!("{mark} {:<12} ", h.hop), cx.style(style)), (evidence, Style::new())]));
        }
    } else {
        let mut row: Vec<(String, Style)> = vec![];
        let mut used = 0;
        for h in &chain.hops {
            let (mark, style) = why::mark(h.state);
            let text = format!("{mark} {}  ", h.hop);
            if used + text.chars().count() > cx.width + 2 {
                lines.push(line(std::mem::take(&mut row)));
                used = 0;
            }
            used += text.chars().count();
            row.push((text, cx.style(style)));
        }
        lines.push(line(row));
    }
    // An object that somebody is building or deleting needs no advice.
    let build = cx.s.verdict.build.as_ref();
    let at_work = build.is_some_and(|b| b.deleting.is_some() || b.who.is_some() && !cx.s.verdict.serving());
    if let Some(f) = chain.findings().first().filter(|_| !at_work) {
        lines.extend(finding(cx, f, if full { 2 } else { 1 }));
    }
    lines
}

/// Returns the cause, the evidence, and the command to type.
pub(super) fn finding(cx: &Cx, f: &Finding, most: usize) -> Lines {
    let style = if f.severity == Severity::Broken { cx.theme.bad() } else { cx.theme.warn() };
    let indented = |label: &str, text: &str, style: Style, most: usize| {
        let words = wrap(text, cx.width.saturating_sub(7)).into_iter().take(most).enumerate();
        let label = |i| if i == 0 { format!("  {label} ") } else { " ".repeat(7) };
        words.map(|(i, l)| line([(label(i), cx.theme.dim()), (l, style)])).collect::<Lines>()
    };
    let mut lines: Lines =
        wrap(&format!("→ {}", f.cause), cx.width).into_iter().take(most).map(|l| line([(l, style)])).collect();
    // The command comes before the reason, because it must not be cut. Half a command is useless.
    lines.extend(indented("type", &cx.typist.command(&f.command), cx.theme.title(), usize::MAX));
    if let Some(note) = f.note.as_ref().filter(|_| most > 1) {
        lines.extend(indented("note", note, cx.theme.dim(), most));
    }
    lines.extend(indented("seen", &f.evidence, Style::new(), most));
    lines
}

/// Returns requests, errors and latency: our own, then CloudWatch's.
pub(super) fn traffic(cx: &Cx) -> Lines {
    let (s, m) = (cx.s, &cx.s.minutes);
    let now = s.now;
    let of = |metric: &MetricRow| m.latest(metric, now);
    let mut lines = vec![];
    let l = s.latency();
    let ms = |v: Option<u32>| v.map_or("–".into(), |v| v.to_string());
    let own = format!("p50 {} p90 {} p99 {} ms · {} lost", ms(l.p50), ms(l.p90), ms(l.p99), l.failed);
    // Losses are the news, so the bars get only what the longest text leaves.
    let text = own.chars().count().max(33);
    let room = cx.width.saturating_sub(11 + text).clamp(8, 60);
    let row = |name: &str, text: String, values: &[f64], style: Style| {
        line([
            (format!("{name:<9} "), cx.theme.dim()),
            (cell(&text, cx.width.saturating_sub(10 + room + 1)), style),
            (format!(" {}", spark(values, room)), cx.theme.graph()),
        ])
    };
    if l.asked > 0 {
        let recent: Vec<f64> = s.seconds.iter().rev().take(room).map(|s| f64::from(s.millis)).collect();
        let style = if l.failed > 0 { cx.theme.warn() } else { Style::new() };
        lines.push(row("our own", own, &recent.into_iter().rev().collect::<Vec<_>>(), style));
    }
    if m.is_empty() {
        let why = s
            .no_metrics
            .as_ref()
            .map_or("CloudWatch has no numbers yet: they come one to three minutes late".into(), |why| {
                format!("CloudWatch gives no numbers: {why}")
            });
        lines.push(line([(fit(&why, cx.width), cx.theme.dim())]));
        return lines;
    }
    let per_second = of(&balancer::REQUESTS).unwrap_or(0.0) / 60.0;
    lines.push(row("requests", format!("{}/s", short(per_second)), &m.recent(&balancer::REQUESTS, room), Style::new()));
    let bad = [
        ("4xx", &balancer::TARGET_4XX),
        ("5xx", &balancer::TARGET_5XX),
        ("elb 4xx", &balancer::ELB_4XX),
        ("elb 5xx", &balancer::ELB_5XX),
    ];
    let counts: Vec<String> =
        bad.iter().filter_map(|(name, m)| Some(format!("{name} {}", short(of(m).filter(|v| *v > 0.0)?)))).collect();
    let errors: Vec<Vec<f64>> =
        [&balancer::TARGET_5XX, &balancer::ELB_5XX].map(|e: &MetricRow| m.recent(e, room)).into();
    let errors: Vec<f64> = errors[0].iter().zip(&errors[1]).map(|(a, b)| a + b).collect();
    let (text, style) = match counts.is_empty() {
        true => ("none in the last minute".into(), cx.theme.good()),
        false => (format!("{} a minute", counts.join(" ")), cx.theme.bad()),
    };
    lines.push(row("errors", text, &errors, style));
    let ms = |metric| of(metric).map_or("–".into(), seconds);
    let text = format!("p50 {} p90 {} p99 {}", ms(&balancer::P50), ms(&balancer::P90), ms(&balancer::P99));
    lines.push(row("latency", text, &m.recent(&balancer::P90, room), Style::new()));
    lines
}

/// Returns the load of database and cache, and of the fleet.
pub(super) fn data(cx: &Cx) -> Lines {
    let (s, m) = (cx.s, &cx.s.minutes);
    let of = |metric: &MetricRow| m.latest(metric, s.now);
    let percent = |metric| of(metric).map(|v| format!("CPU {v:.0} %"));
    let row = |name: &str, state: String, load: Vec<Option<String>>| {
        let load: Vec<String> = std::iter::once(Some(state)).chain(load).flatten().filter(|t| !t.is_empty()).collect();
        line([
            (format!("{name:<9} "), cx.theme.dim()),
            (fit(&load.join(" · "), cx.width.saturating_sub(10)), Style::new()),
        ])
    };
    let mut lines = vec![];
    let Some(look) = &s.snapshot else { return lines };
    if of(&service::CPU).is_some() {
        lines.push(row("fleet", String::new(), vec![percent(&service::CPU)]));
    }
    if let Some(d) = &look.database {
        let connections = of(&database::CONNECTIONS).map(|v| format!("{} connections", short(v)));
        let free = of(&database::FREE).map(|v| format!("{:.1} GiB free", v / 1024f64.powi(3)));
        let zones = if d.multi_az { "Multi-AZ" } else { "one zone" };
        let state = format!("{} · {} · {zones}", d.status, d.class);
        lines.push(row("database", state, vec![percent(&database::CPU), connections, free]));
    }
    if let Some(c) = &look.cache {
        let (hits, misses) = (of(&cache::HITS).unwrap_or(0.0), of(&cache::MISSES).unwrap_or(0.0));
        let ratio = (hits + misses > 0.0).then(|| format!("{:.0} % hits", 100.0 * hits / (hits + misses)));
        let evicted = of(&cache::EVICTIONS).filter(|v| *v > 0.0).map(|v| format!("{} evictions", short(v)));
        let state = format!("{} · {} · {}", c.status, c.class, count(c.members.len(), "node"));
        lines.push(row("cache", state, vec![percent(&cache::CPU), ratio, evicted]));
    }
    if let Some(f) = &look.files {
        lines.push(row("files", format!("{} · {}", f.state, count(f.mount_targets.len(), "mount target")), vec![]));
    }
    lines
}

pub(super) fn cost(cx: &Cx) -> Lines {
    let Some(c) = &cx.s.cost else { return vec![] };
    let money = |v: f64| if c.unit == "$" { format!("${v:.2}") } else { format!("{v:.1} {}", c.unit) };
    let more = if c.unit == "$" { format!("${:.4}", c.one_more_per_minute) } else { money(c.one_more_per_minute) };
    let text = format!(
        "{}/h · {} for {:.1} h · one more instance {more} a minute",
        money(c.per_hour),
        money(c.for_event),
        c.hours,
    );
    vec![line([(format!("{:<9} ", "cost"), cx.theme.dim()), (fit(&text, cx.width.saturating_sub(10)), Style::new())])]
}

/// Returns the active alarms, then Auto Scaling's actions, the newest first.
pub(super) fn alarms(cx: &Cx) -> Lines {
    let Some(look) = &cx.s.snapshot else { return vec![] };
    let mut lines: Lines = vec![];
    for a in &look.alarms {
        let since = a.since.map_or(String::new(), |t| format!(" for {}", age(cx.s.now.duration_since(t).as_secs())));
        let what = a.description.clone().or_else(|| a.reason.clone()).unwrap_or_default();
        lines.push(line([(fit(&format!("! {}{since}: {what}", a.name), cx.width), cx.theme.bad())]));
    }
    for a in look.activities.iter().take(20) {
        let style = match a.status.as_str() {
            "Failed" | "Cancelled" => cx.theme.bad(),
            "Successful" => cx.theme.dim(),
            _ => cx.theme.warn(),
        };
        let text = format!("{} {}", cx.time(a.start), in_short(a));
        lines.push(line([(fit(&text, cx.width), style)]));
    }
    lines
}

/// Returns the last lines of an instance's log, the newest last.
pub(super) fn logs(cx: &Cx, id: &str, most: usize) -> Lines {
    let dim = |text: &str| vec![line([(fit(text, cx.width), cx.theme.dim())])];
    match cx.s.logs.as_ref().filter(|(of, _)| of == id) {
        None => dim("looking …"),
        Some((_, Err(e))) => wrap(e, cx.width).into_iter().map(|l| line([(l, cx.theme.bad())])).collect(),
        Some((_, Ok(all))) if all.is_empty() => dim("no log lines in the last 10 minutes"),
        Some((_, Ok(all))) => {
            let last = &all[all.len().saturating_sub(most)..];
            last.iter().map(|l| line([(fit(l, cx.width), Style::new())])).collect()
        }
    }
}

/// Returns the events, the newest first.
pub(super) fn events(cx: &Cx) -> Lines {
    let one = |e: &crate::live::Event| {
        let mark = match e.good {
            Some(true) => "+",
            Some(false) => "!",
            None => "·",
        };
        let text = fit(&e.text, cx.width.saturating_sub(11));
        line([(format!("{} ", cx.time(e.at)), cx.theme.dim()), (format!("{mark} {text}"), cx.theme.of(e.good))])
    };
    let mut lines: Lines = cx.s.events.iter().rev().map(one).collect();
    if lines.is_empty() {
        let text = if cx.s.snapshot.is_some() { "nothing has happened since this began" } else { "looking …" };
        lines.push(line([(text.into(), cx.theme.dim())]));
    }
    lines
}
