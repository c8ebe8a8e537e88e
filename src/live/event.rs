//! Events: the differences between two looks, in words.
use crate::{
    diagnose::{Chain, Finding, Severity},
    snapshot::{Activity, Part, Snapshot},
    verdict::Verdict,
};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Kind")]
pub enum EventKind {
    Verdict,
    Instance,
    Target,
    Alarm,
    Scaling,
    Boot,
    Path,
    Trouble,
    Yours,
}

/// Something that happened to the stack or to the live screen.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Event {
    pub at: Timestamp,
    pub kind: EventKind,
    /// True for good news, false for bad news; `None`: neither.
    pub good: Option<bool>,
    pub text: String,
}

impl Event {
    /// Creates an event.
    pub fn new(at: Timestamp, kind: EventKind, good: impl Into<Option<bool>>, text: impl Into<String>) -> Self {
        Self { at, kind, good: good.into(), text: text.into() }
    }
}

/// Returns the word of a verdict: `SERVING`, `AT RISK`, ….
pub fn word(v: &Verdict) -> &'static str {
    v.word().as_str()
}

/// Returns an event if the word of the verdict has changed.
pub(super) fn of_verdict(at: Timestamp, old: &Verdict, new: &Verdict) -> Option<Event> {
    let now = word(new);
    (word(old) != now).then(|| {
        let name = if new.is_named { format!(" {}", new.service) } else { String::new() };
        let t = new
            .targets
            .as_ref()
            .map_or(String::new(), |t| format!(", {} of {} targets healthy", t.healthy, t.expected()));
        Event::new(at, EventKind::Verdict, new.word().good(), format!("{now}{name} (was {}){t}", word(old)))
    })
}

/// Returns an event for each difference between two looks.
pub(super) fn between(at: Timestamp, old: &Snapshot, new: &Snapshot) -> Vec<Event> {
    let mut events = vec![];
    let mut say = |e| events.push(e);

    let members = |s: &Snapshot| -> BTreeMap<String, (String, String)> {
        let all = s.auto_scaling_group.iter().flat_map(|g| &g.members);
        all.map(|m| (m.id.clone(), (m.zone.clone(), m.lifecycle.clone()))).collect()
    };
    let (before, after) = (members(old), members(new));
    if old.auto_scaling_group.is_some() && new.auto_scaling_group.is_some() {
        for (id, (zone, lifecycle)) in &after {
            match before.get(id) {
                None => say(Event::new(at, EventKind::Instance, None, format!("{id} joined, {zone} ({lifecycle})"))),
                Some((_, was)) if was != lifecycle => {
                    say(Event::new(at, EventKind::Instance, None, format!("{id} {was} → {lifecycle}")));
                }
                _ => {}
            }
        }
        for (id, (zone, _)) in before.iter().filter(|(id, _)| !after.contains_key(*id)) {
            let why = new.instances.iter().find(|i| i.id == *id).and_then(|i| i.state_reason.clone());
            let why = why.map_or(String::new(), |w| format!(": {w}"));
            say(Event::new(at, EventKind::Instance, false, format!("{id} left, {zone}{why}")));
        }
    }

    for t in new.targets.iter().filter(|_| old.saw_targets()) {
        let was = old.targets.iter().find(|o| o.id == t.id);
        if was.is_some_and(|w| w.state == t.state) || (was.is_none() && old.target_group.is_none()) {
            continue;
        }
        let why = t.description.as_ref().filter(|_| t.state != "healthy").map_or(String::new(), |d| format!(": {d}"));
        let good = match t.state.as_str() {
            "healthy" => Some(true),
            "unhealthy" => Some(false),
            _ => None,
        };
        say(Event::new(at, EventKind::Target, good, format!("{} {}{why}", t.id, t.state)));
    }

    for a in new.alarms.iter().filter(|a| old.saw(Part::Alarms) && old.alarms.iter().all(|o| o.name != a.name)) {
        let what = a.description.clone().or_else(|| a.reason.clone()).unwrap_or_default();
        say(Event::new(at, EventKind::Alarm, false, format!("alarm {}: {what}", a.name)));
    }
    let saw_alarms = new.saw(Part::Alarms);
    for a in old.alarms.iter().filter(|o| saw_alarms && new.alarms.iter().all(|a| a.name != o.name)) {
        say(Event::new(at, EventKind::Alarm, true, format!("alarm {} has ended", a.name)));
    }

    // AWS lists the newest first; events are in order of time.
    for a in new.activities.iter().rev() {
        let was = old.activities.iter().find(|o| o.start == a.start && o.description == a.description);
        if was.is_some_and(|w| w.status == a.status) || (was.is_none() && old.activities.is_empty()) {
            continue;
        }
        let good = if a.status == "Failed" { Some(false) } else { None };
        say(Event::new(at, EventKind::Scaling, good, in_short(a)));
    }

    for b in new.probe.answers.iter().filter_map(|a| a.beacon.as_ref()) {
        let was = old.probe.answers.iter().filter_map(|a| a.beacon.as_ref()).find(|o| o.instance == b.instance);
        if was.is_none_or(|w| (&w.stage, &w.status) != (&b.stage, &b.status)) {
            let who = b.instance.as_deref().unwrap_or("an instance");
            let bad = (b.status.as_deref() == Some("failed")).then_some(false);
            say(Event::new(at, EventKind::Boot, bad, format!("{who} boots: {b}")));
        }
    }
    events
}

/// Returns an event for each finding that is new or gone. Alarms have events of their own.
pub(super) fn of_chain(at: Timestamp, old: &Chain, new: &Chain) -> Vec<Event> {
    let (before, after) = (old.findings(), new.findings());
    let alarm = |rule: &str| rule == "alarm";
    let came = after.iter().filter(|f| !alarm(f.rule) && before.iter().all(|o| (o.rule, o.hop) != (f.rule, f.hop)));
    let went = before.iter().filter(|f| !alarm(f.rule) && after.iter().all(|o| (o.rule, o.hop) != (f.rule, f.hop)));
    // A problem that ends by itself is no bad news.
    let bad = |f: &Finding| (f.severity == Severity::Broken).then_some(false);
    let came = came.map(|f| Event::new(at, EventKind::Path, bad(f), format!("{}: {}", f.hop, f.cause)));
    came.chain(went.map(|f| Event::new(at, EventKind::Path, true, format!("{} fixed (was: {})", f.hop, f.cause))))
        .collect()
}

/// Returns a scaling activity in few words: `launched i-… (capacity 0 → 2)`.
pub fn in_short(a: &Activity) -> String {
    let done = a.status == "Successful";
    let of = |what: &str| a.description.strip_prefix(what).map(|rest| rest.trim_start_matches(':').trim());
    let (verb, id) = match (of("Launching a new EC2 instance"), of("Terminating EC2 instance")) {
        (Some(id), _) if done => ("launched", id),
        (Some(id), _) => ("launching", id),
        (_, Some(id)) if done => ("terminated", id),
        (_, Some(id)) => ("terminating", id),
        _ => ("", a.description.as_str()),
    };
    let id = id.split(" - ").next().unwrap_or(id).trim();
    let what = [verb, id].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(" ");
    if let Some(message) = a.message.as_ref().filter(|_| !done) {
        return format!("{what}: {message}");
    }
    // AWS's sentence names the capacity if that is the reason.
    let change = a.cause.rsplit_once("capacity from ").and_then(|(_, rest)| {
        let (from, rest) = rest.split_once(" to ")?;
        let to: String = rest.chars().take_while(char::is_ascii_digit).collect();
        (from.bytes().all(|b| b.is_ascii_digit()) && !to.is_empty()).then(|| format!("capacity {from} → {to}"))
    });
    match change.unwrap_or_else(|| in_words(&a.cause)) {
        why if why.is_empty() => what,
        why => format!("{what} ({why})"),
    }
}

/// Returns the reason in AWS's sentence about a scaling activity, without its times.
pub fn in_words(cause: &str) -> String {
    let mut text = cause.trim();
    // `At 2026-11-21T10:00:00Z a user request…`
    while let Some(rest) = text.strip_prefix("At ") {
        text = rest.split_once(' ').map_or("", |(_, after)| after);
    }
    let first = text.split(".  At ").next().unwrap_or(text).trim_end_matches('.');
    first.chars().take(160).collect()
}
