//! The instances: place, age, health and progress of their boot.
use super::{
    panels::{Cx, Lines},
    text::{age, cell, line},
    ui::Ui,
};
use crate::{
    live::{LiveState, Metric},
    shell::command,
};
use ratatui_core::style::{Modifier, Style};
use serde::Serialize;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    #[default]
    Zone,
    Age,
    Health,
}

impl Sort {
    pub fn next(self) -> Self {
        match self {
            Self::Zone => Self::Age,
            Self::Age => Self::Health,
            Self::Health => Self::Zone,
        }
    }
    pub fn name(self) -> &'static str {
        match self {
            Self::Zone => "zone",
            Self::Age => "age",
            Self::Health => "health",
        }
    }
}

/// One instance, from all sources.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Row {
    pub id: String,
    pub zone: String,
    #[serde(rename = "kind")]
    pub instance_type: String,
    /// The age in seconds.
    pub age: Option<i64>,
    /// The target group's word, or else Auto Scaling's.
    pub health: String,
    pub why: String,
    pub lifecycle: String,
    pub boot: String,
    /// Its share of the requests in percent: its zone's share, divided by the zone's healthy instances.
    pub share: Option<f64>,
    pub address: String,
    pub version: String,
}

impl Row {
    fn good(&self) -> Option<bool> {
        match self.health.as_str() {
            "healthy" => Some(true),
            "unhealthy" | "stopped" | "terminated" => Some(false),
            _ => None,
        }
    }
}

pub fn rows(s: &LiveState, sort: Sort) -> Vec<Row> {
    let Some(look) = &s.snapshot else { return vec![] };
    let members = look.auto_scaling_group.as_ref().map_or(&[][..], |g| &g.members);
    let mut ids: Vec<&str> = members.iter().map(|m| m.id.as_str()).collect();
    ids.extend(look.targets.iter().map(|t| t.id.as_str()));
    ids.extend(look.instances.iter().filter(|i| i.state != "terminated").map(|i| i.id.as_str()));
    ids.sort_unstable();
    ids.dedup();
    let mut rows: Vec<Row> = ids
        .into_iter()
        .map(|id| {
            let instance = look.instances.iter().find(|i| i.id == id);
            let member = members.iter().find(|m| m.id == id);
            let target = look.targets.iter().find(|t| t.id == id);
            let beacon =
                look.probe.answers.iter().filter_map(|a| a.beacon.as_ref()).find(|b| b.instance.as_deref() == Some(id));
            let running = instance.filter(|i| i.state != "running").map(|i| i.state.clone());
            Row {
                id: id.into(),
                zone: instance.map(|i| i.zone.clone()).or_else(|| Some(member?.zone.clone())).unwrap_or_default(),
                instance_type: instance.map(|i| i.instance_type.clone()).unwrap_or_default(),
                age: instance.and_then(|i| i.launched_at).map(|t| s.now.duration_since(t).as_secs()),
                health: running.or_else(|| Some(target?.state.clone())).unwrap_or_else(|| {
                    let known = look.saw_targets();
                    if known { "no target" } else { "not seen" }.into()
                }),
                why: target.and_then(|t| t.description.clone()).unwrap_or_default(),
                lifecycle: member.map_or("not in the group".into(), |m| m.lifecycle.clone()),
                boot: beacon.map(ToString::to_string).unwrap_or_default(),
                share: None,
                address: instance
                    .and_then(|i| i.public_ip.clone().or_else(|| i.private_ip.clone()))
                    .unwrap_or_default(),
                version: member.and_then(|m| m.template_version.clone()).unwrap_or_default(),
            }
        })
        .collect();
    share(s, &mut rows, &look.expected.zones);
    match sort {
        Sort::Zone => rows.sort_by(|a, b| (&a.zone, &a.id).cmp(&(&b.zone, &b.id))),
        Sort::Age => rows.sort_by_key(|r| r.age.unwrap_or(i64::MAX)),
        Sort::Health => rows.sort_by_key(|r| r.good().map_or(1, |g| if g { 2 } else { 0 })),
    }
    rows
}

/// Sets the shares, which follow from CloudWatch's counts by zone.
fn share(s: &LiveState, rows: &mut [Row], zones: &[String]) {
    let of = |i: usize| s.minutes.latest(Metric::Zone(i as u8), s.now).unwrap_or(0.0);
    let all: f64 = (0..zones.len()).map(of).sum();
    if all <= 0.0 {
        return;
    }
    for (i, zone) in zones.iter().enumerate() {
        let healthy = rows.iter().filter(|r| r.zone == *zone && r.good() == Some(true)).count();
        for r in rows.iter_mut().filter(|r| r.zone == *zone && r.good() == Some(true)) {
            r.share = Some(100.0 * of(i) / all / healthy as f64);
        }
    }
}

/// Returns the table. The selected row is reversed if something can be done with it.
pub(super) fn table(cx: &Cx, sort: Sort, ui: Option<&Ui>) -> Lines {
    let rows = rows(cx.s, sort);
    if rows.is_empty() {
        let text = if cx.s.snapshot.is_some() { "no instance" } else { "looking …" };
        return vec![line([(text.into(), cx.theme.dim())])];
    }
    let selected = ui.map(|ui| ui.row(rows.iter().map(|r| r.id.as_str())));
    let wide = cx.width >= 90;
    let mut lines = vec![];
    if wide {
        // The column by which the table is sorted.
        let by = |of: Sort| if of == sort { format!("{} ▾", of.name()) } else { of.name().to_owned() };
        let head = format!(
            "  {} {} {} {} {} {} {}",
            cell(&by(Sort::Zone), 12),
            cell("instance", 20),
            cell("type", 10),
            cell(&by(Sort::Age), 8),
            cell(&by(Sort::Health), 10),
            cell("share", 6),
            "boot, or why",
        );
        lines.push(line([(head, cx.theme.dim())]));
    }
    for (i, r) in rows.iter().enumerate() {
        let chosen = selected == Some(i);
        let share = r.share.map_or(String::new(), |s| format!("~{s:.0} %"));
        let old = r.age.map_or(String::new(), age);
        let mut note: Vec<&str> = [r.boot.as_str(), r.why.as_str()].into_iter().filter(|t| !t.is_empty()).collect();
        if r.lifecycle != "InService" {
            note.insert(0, &r.lifecycle);
        }
        let mark = if chosen { "▸ " } else { "  " };
        let (head, tail) = if wide {
            (
                format!(
                    "{mark}{} {} {} {} ",
                    cell(&r.zone, 12),
                    cell(&r.id, 20),
                    cell(&r.instance_type, 10),
                    cell(&old, 8)
                ),
                format!(" {} {}", cell(&share, 6), note.join(" · ")),
            )
        } else {
            let (zone, id) = (r.zone.rsplit('-').next().unwrap_or_default(), r.id.clone());
            (
                format!("{mark}{} {} {} ", cell(zone, 3), cell(&id, 19), cell(&old, 7)),
                format!(" {} {}", cell(&share, 5), note.join(" · ")),
            )
        };
        let base = if chosen { Style::new().add_modifier(Modifier::BOLD) } else { Style::new() };
        lines.push(line([(head, base), (cell(&r.health, 10), cx.theme.of(r.good())), (tail, base)]));
    }
    lines
}

/// Returns everything known about one instance.
pub(super) fn details(cx: &Cx, r: &Row) -> Lines {
    let mut lines = vec![];
    let mut say = |what: &str, text: &str| {
        if !text.is_empty() {
            let words = super::text::wrap(text, cx.width.saturating_sub(14));
            for (i, w) in words.into_iter().enumerate() {
                let label = if i == 0 { what } else { "" };
                lines.push(line([(format!("{label:<13} "), cx.theme.dim()), (w, Style::new())]));
            }
        }
    };
    say("instance", &format!("{} · {} · {}", r.id, r.instance_type, r.zone));
    say("address", &r.address);
    say("age", &r.age.map_or(String::new(), age));
    say("target", &format!("{} {}", r.health, r.why));
    say("Auto Scaling", &r.lifecycle);
    say("template", &r.version);
    say("boot", &r.boot);
    say("share", &r.share.map_or(String::new(), |s| format!("about {s:.0} % of the requests, by its zone's count")));
    let told: Vec<_> = cx.s.events.iter().rev().filter(|e| e.text.contains(&r.id)).take(5).collect();
    for e in told {
        say(&cx.time(e.at), &e.text);
    }
    say("look closer", &cx.typist.command(&command!("gameday logs --instance {}", r.id)));
    lines
}
