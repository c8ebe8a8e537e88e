//! The plan: the changes that `up` would make.
use super::{Printer, complaint::Complaint, line::Event, style::*};
use crate::{
    config::{Config, Group, Loaded, ServiceScope},
    cost::{Bill, WayOut},
    engine::{Change, Diff, Key, Report, Visit},
    error::{Error, Help as _},
    facts::Facts,
    parts::cdn::bill::Saving,
};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// The output of `plan -o json`.
#[derive(Serialize, schemars::JsonSchema)]
pub struct Plan<'a> {
    pub stack: &'a str,
    pub account: &'a str,
    pub region: &'a str,
    /// True for the local emulator instead of AWS.
    pub sandbox: bool,
    /// The whole plan in words.
    #[serde(skip)]
    pub place: String,
    /// The source of the region: `gameday.toml`, `--region`, `AWS_REGION`, `profile seoul`, or `by default`.
    pub region_by: &'a str,
    pub changes: Vec<Step<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Trouble>,
    /// Steps that the account denies and the service does not need.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<Trouble>,
    /// Steps that AWS is still creating since an earlier run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub busy: Vec<&'a Key>,
    /// Present if the service got another name or port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handover: Option<Handover>,
    /// Present if running instances have to follow another launch template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh: Option<Refresh>,
    /// The price of the whole stack at its desired size, absent for a part of the stack.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "super::cost::brief")]
    #[schemars(with = "Option<super::cost::Brief<'static>>")]
    pub cost: Option<Bill>,
    /// For private instances: the price of each way out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<WayOut>,
    /// Present if the stack has a distribution: what it is expected to save.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cdn: Option<Saving>,
}

#[derive(Serialize, schemars::JsonSchema)]
pub struct Step<'a> {
    pub key: &'a Key,
    pub group: Group,
    #[serde(flatten)]
    pub change: &'a Change,
}

/// The replacement of one fleet by another. Both run for a while, and requests are always served.
#[derive(Serialize, schemars::JsonSchema)]
pub struct Handover {
    /// The names of the old Auto Scaling groups.
    pub from: Vec<String>,
    pub to: String,
    /// The number of healthy targets that the new fleet needs.
    pub targets: u32,
    /// The usual time in seconds during which both run.
    pub usually: f64,
}

/// The replacement of a fleet's instances, new ones first.
#[derive(Serialize, schemars::JsonSchema)]
pub struct Refresh {
    /// The name of the Auto Scaling group.
    pub group: String,
    /// The number of instances that are replaced.
    pub instances: u32,
    /// The usual time in seconds.
    pub usually: f64,
}

impl Handover {
    /// Returns the hand-over, if fleets remain from before a service got another name or port: `from`, by name.
    pub fn find(config: &Config, facts: &Facts, from: Vec<String>, usually: Duration) -> Option<Self> {
        let heirs: Vec<_> = config.services().filter(|s| facts.is_handed_over(config, *s)).collect();
        let to: Vec<String> = heirs.iter().map(|s| config.name_of(&s.key("auto-scaling-group"))).collect();
        (!from.is_empty() && !heirs.is_empty()).then(|| Self {
            from,
            to: to.join(", "),
            targets: heirs.iter().map(|s| s.desired).sum(),
            usually: usually.as_secs_f64(),
        })
    }
}

impl Refresh {
    /// Returns the refresh, if running instances have to follow another version of their launch template.
    pub fn find(config: &Config, report: &Report<Change>, usually: Duration) -> Option<Self> {
        let follows = |diff: &Diff| ["template", "version", "outdated"].iter().any(|f| diff.touches(f));
        let is_fleet = |(key, change): &(&Key, &Change)| {
            key.kind() == "auto-scaling-group" && matches!(change, Change::Update { diff } if follows(diff))
        };
        let changed: Vec<&Key> = report.done().filter(is_fleet).map(|(key, _)| key).collect();
        let is_changed = |s: &ServiceScope<'_>| changed.iter().any(|key| key.as_str() == s.key("auto-scaling-group"));
        let services: Vec<_> = config.services().filter(is_changed).collect();
        let groups: Vec<String> = services.iter().map(|s| config.name_of(&s.key("auto-scaling-group"))).collect();
        (!services.is_empty()).then(|| Self {
            group: groups.join(", "),
            instances: services.iter().map(|s| s.desired).sum(),
            usually: usually.as_secs_f64(),
        })
    }
}

#[derive(Clone, Serialize, schemars::JsonSchema)]
pub struct Trouble {
    pub key: Key,
    #[serde(flatten)]
    pub complaint: Complaint,
}

impl<'a> Plan<'a> {
    pub fn new(loaded: &'a Loaded, facts: &'a Facts, report: &'a Report<Change>) -> Self {
        let mut changes: Vec<Step> = report
            .done()
            .filter(|(_, c)| !c.is_none())
            .map(|(key, change)| Step { key, group: Group::of_kind(key.kind()), change })
            .collect();
        // Sorted by group for readers; within a group the order is the graph's.
        changes.sort_by_key(|s| s.group);
        let trouble = |(key, e): (&Key, &Error)| Trouble { key: key.clone(), complaint: e.into() };
        let errors = report.failed().map(trouble).collect();
        let Facts { account, region, sandbox, .. } = facts;
        let (stack, region_by) = (loaded.config.name.as_str(), loaded.region_by.as_str());
        let (without, busy, egress) = (vec![], vec![], vec![]);
        Self {
            stack,
            account,
            region,
            sandbox: *sandbox,
            place: facts.place(region_by),
            region_by,
            changes,
            errors,
            without,
            busy,
            handover: None,
            refresh: None,
            cost: None,
            egress,
            cdn: None,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.errors.is_empty()
    }

    /// Returns a summary such as `38 to create, 1 to update`.
    pub fn summary(&self) -> String {
        let words = ["create", "update", "replace", "delete", "refuse"];
        let said: Vec<String> = words
            .iter()
            .filter_map(|w| match self.changes.iter().filter(|s| s.change.word() == *w).count() {
                0 => None,
                n if *w == "refuse" => Some(format!("{BAD}{n} refused{RESET}")),
                n => Some(format!("{n} to {w}")),
            })
            .collect();
        if said.is_empty() { "nothing to change".into() } else { said.join(", ") }
    }
}

/// Prints the plan: to stdout as data if it was requested, to stderr before `up` asks.
pub fn show(out: &Printer, plan: &Plan<'_>, report: &Report<Change>, usually: Duration, as_data: bool) {
    if out.json() {
        if as_data {
            out.line(plan);
        }
        return;
    }
    let print = |s: String| if as_data { out.data(s) } else { out.note(s) };
    let mut group = None;
    for step in &plan.changes {
        if group != Some(step.group) {
            print(format!("{TITLE}{}{RESET}", step.group));
            group = Some(step.group);
        }
        let (mark, style) = change(step.change.word());
        print(format!("  {style}{mark} {}{RESET}", step.key));
        match step.change {
            Change::Create { spec } if out.verbose > 0 => fields(spec).into_iter().for_each(print),
            c => {
                if let Some(diff) = c.diff() {
                    diff_lines(diff).into_iter().for_each(print);
                }
                match c {
                    Change::Refuse { help, .. } => print(format!("      {DIM}{help}{RESET}")),
                    Change::Replace { loses: Some(what), .. } => {
                        print(format!("      {BAD}{what} will be lost{RESET}"))
                    }
                    _ => {}
                }
            }
        }
    }
    let mut skipped: BTreeMap<&Key, usize> = BTreeMap::new();
    for (key, visit) in &report.0 {
        match visit {
            Visit::Failed(e) => {
                print(format!("  {BAD}✗ {key}{RESET}: {e}"));
                if let Some(help) = e.help() {
                    print(format!("      {DIM}{help}{RESET}"));
                }
            }
            // Listed one by one, they would push the important error off the screen.
            Visit::Skipped(because) => *skipped.entry(because).or_insert(0) += 1,
            _ => {}
        }
    }
    for Trouble { key, complaint } in &plan.without {
        print(format!("  {WARN}! {key}{RESET}: {}", complaint.message));
        if let Some(help) = &complaint.help {
            print(format!("      {DIM}{help}{RESET}"));
        }
    }
    for (because, n) in skipped {
        print(format!("  {DIM}? {} not looked at, because of {because}{RESET}", count(n, "step")));
    }
    if let Some(h) = &plan.handover {
        print(format!(
            "{} {} serving until {} of {} {} healthy; both run for about {}, then the old {} deleted",
            h.from.join(" and "),
            if h.from.len() == 1 { "keeps" } else { "keep" },
            count(h.targets as usize, "target"),
            h.to,
            if h.targets == 1 { "is" } else { "are" },
            clock(Duration::from_secs_f64(h.usually)),
            if h.from.len() == 1 { "one is" } else { "ones are" },
        ));
    }
    if let Some(r) = &plan.refresh {
        print(format!(
            "{} of {} {} replaced, the new ones first; that usually takes {} after the update",
            count(r.instances as usize, "instance"),
            r.group,
            if r.instances == 1 { "is" } else { "are" },
            clock(Duration::from_secs_f64(r.usually)),
        ));
    }
    let mut last = format!("{TITLE}{}{RESET} in {}: {}", plan.stack, plan.place, plan.summary());
    if !plan.errors.is_empty() {
        last += &format!(", {BAD}{}{RESET}", count(plan.errors.len(), "error"));
    }
    if !plan.busy.is_empty() {
        let names: Vec<&str> = plan.busy.iter().map(|k| k.as_str()).collect();
        last += &format!("; {} already being created: {}", plan.busy.len(), names.join(", "));
    }
    if usually > Duration::from_secs(5) {
        last += &format!(" {DIM}(usually takes {}){RESET}", clock(usually));
    }
    print(last);
    if let Some(bill) = &plan.cost {
        print(format!("{DIM}{}{RESET}", super::cost::line(bill)));
        if let Some(line) = super::cost::ways_out(&bill.unit, &plan.egress) {
            print(format!("{DIM}{line}{RESET}"));
        }
        if let Some(saving) = &plan.cdn {
            print(format!("{DIM}{}{RESET}", super::cost::saving(&bill.unit, saving)));
        }
    }
}

/// Prints that the stack has a new address.
pub fn moved(out: &Printer, endpoint: &str) {
    let what = format!("the address is new: {endpoint}");
    let help = "register it again with the event: requests to the old one are lost";
    if out.json() {
        return out.event(Event::NewAddress { endpoint, help });
    }
    out.note(format!("{BAD}{what}{RESET}"));
    out.note(format!("  {TITLE}{help}{RESET}"));
}

fn fields(spec: &Value) -> Vec<String> {
    let Value::Object(map) = spec else { return vec![] };
    map.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| format!("      {DIM}{k}: {}{RESET}", value(v, 90))).collect()
}

fn diff_lines(diff: &Diff) -> Vec<String> {
    let mut lines = vec![];
    for f in &diff.0 {
        match (&f.found, &f.want) {
            // For a script, only the lines that differ.
            (Some(Value::String(a)), Some(Value::String(b))) if a.contains('\n') && b.contains('\n') => {
                lines.push(format!("      {}:", f.path));
                lines.extend(changed_lines(a, b));
            }
            // For a set, the missing and the extra items.
            (Some(Value::Array(a)), Some(Value::Array(b))) => {
                lines.push(format!("      {}:", f.path));
                lines.extend(
                    a.iter().filter(|x| !b.contains(x)).map(|x| format!("        {BAD}- {}{RESET}", value(x, 90))),
                );
                lines.extend(
                    b.iter().filter(|x| !a.contains(x)).map(|x| format!("        {GOOD}+ {}{RESET}", value(x, 90))),
                );
            }
            (found, want) => {
                let show = |v: &Option<Value>| v.as_ref().map_or("none".into(), |v| value(v, 60));
                lines.push(format!("      {}: {BAD}{}{RESET} → {GOOD}{}{RESET}", f.path, show(found), show(want)));
            }
        }
    }
    lines
}

fn changed_lines(a: &str, b: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (a.lines().collect(), b.lines().collect());
    let gone = old.iter().filter(|l| !new.contains(l)).map(|l| format!("        {BAD}- {l}{RESET}"));
    let come = new.iter().filter(|l| !old.contains(l)).map(|l| format!("        {GOOD}+ {l}{RESET}"));
    let mut lines: Vec<String> = gone.chain(come).collect();
    if lines.len() > 20 {
        let more = lines.len() - 20;
        lines.truncate(20);
        lines.push(format!("        {DIM}… and {more} more{RESET}"));
    }
    lines
}
