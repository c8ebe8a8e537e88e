//! Why requests get no answer: the request path as a chain of hops, each judged from a [`Snapshot`]. Pure, so that a
//! saved snapshot tells the same story to somebody without access, and every breakage can be a test.
mod balancer;
mod data;
mod egress;
mod fleet;
mod launch;
mod listener;
mod name;
mod reach;
mod refusal;
mod resolve;
mod target;

use crate::{
    config::Origin,
    shell::{self, command},
    snapshot::{Part, Snapshot},
};
use reach::View;
use serde::Serialize;
use std::{cmp::Reverse, fmt};

/// Where a request passes, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HopName {
    Name,
    Balancer,
    Listener,
    Rule,
    TargetGroup,
    Instances,
    Database,
    Cache,
    Files,
    Alarms,
}

impl fmt::Display for HopName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Name => "name",
            Self::Balancer => "balancer",
            Self::Listener => "listener",
            Self::Rule => "rule",
            Self::TargetGroup => "target group",
            Self::Instances => "instances",
            Self::Database => "database",
            Self::Cache => "cache",
            Self::Files => "files",
            Self::Alarms => "alarms",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Good,
    /// It carries requests, but not as the stack file says.
    Weak,
    /// AWS or a booting instance is at work: it passes by itself.
    Busy,
    /// Not seen, or not to be judged.
    Unknown,
    Bad,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Requests are lost.
    Broken,
    /// They are, until something is done that is being done.
    Waiting,
    /// They are served for now.
    Weak,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Finding {
    /// Which rule of the diagnosis found it: stable, for scripts and tests.
    pub rule: &'static str,
    pub hop: HopName,
    pub severity: Severity,
    /// It shows the trouble, but something else is likely to be its cause.
    pub symptom: bool,
    /// Something is at work on it, so that it may pass by itself: a boot or a launch that is tried again.
    pub trying: bool,
    pub cause: String,
    pub evidence: String,
    /// What repairs it, to be typed as it stands.
    pub command: String,
    /// What there is to know or to do besides.
    pub note: Option<String>,
}

impl Finding {
    /// Whether it stays as it is until somebody does something.
    pub fn stays(&self) -> bool {
        self.severity == Severity::Broken && !self.symptom && !self.trying
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Hop {
    pub hop: HopName,
    pub state: State,
    pub evidence: String,
    /// What there is in each zone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<Zone>,
    pub findings: Vec<Finding>,
}

#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Zone {
    pub zone: String,
    pub state: State,
    pub evidence: String,
}

/// The request path.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chain {
    pub hops: Vec<Hop>,
}

impl Chain {
    /// All findings, the one to begin with first: what is broken before what only waits or is weak, a cause before
    /// what it brings about, and along the way of a request.
    pub fn findings(&self) -> Vec<&Finding> {
        let mut all: Vec<&Finding> = self.hops.iter().flat_map(|h| &h.findings).collect();
        // What the outside sees is the last thing that brings anything about.
        let outermost = |f: &Finding| f.symptom && f.hop == HopName::Name;
        all.sort_by_key(|f| (f.severity == Severity::Weak, f.symptom, outermost(f), f.severity, f.hop));
        all
    }

    /// What stops requests that have a healthy target to get to, if anything does: of the way there, without what only
    /// concerns instances to come or what the instances need.
    pub fn stops_requests(&self) -> Option<&Finding> {
        let on_the_way = |f: &&Finding| f.hop <= HopName::Instances && f.severity != Severity::Weak;
        self.findings().into_iter().filter(on_the_way).find(|f| !SERVES_ON.contains(&f.rule))
    }

    /// Whether requests are lost.
    pub fn broken(&self) -> bool {
        self.hops.iter().flat_map(|h| &h.findings).any(|f| f.severity != Severity::Weak)
    }

    pub fn hop(&self, name: HopName) -> Option<&Hop> {
        self.hops.iter().find(|h| h.hop == name)
    }
}

/// The request path, hop by hop. Groups that the stack goes without are no hop.
pub fn chain(snapshot: &Snapshot) -> Chain {
    let view = View::new(snapshot);
    let mut hops = vec![
        name::hop(&view),
        balancer::hop(&view),
        listener::hop(&view),
        listener::rule_hop(&view),
        target::hop(&view),
        fleet::hop(&view),
    ];
    hops.extend(data::database(&view));
    hops.extend(data::cache(&view));
    hops.extend(data::files(&view));
    hops.extend(alarms(&view));
    if nothing_exists(snapshot) {
        for hop in &mut hops {
            for finding in &mut hop.findings {
                finding.symptom = true;
            }
        }
        let at = &mut hops[1];
        at.findings.insert(
            0,
            Draft::new(
                "stack-missing",
                format!("nothing of the stack {} exists", snapshot.whose.stack),
                format!("region {}: no VPC, no load balancer, no Auto Scaling group of it", snapshot.whose.region),
                UP,
            )
            .at(HopName::Balancer),
        );
    }
    Chain { hops }
}

/// All that is wrong, the one to begin with first.
pub fn why(snapshot: &Snapshot) -> Vec<Finding> {
    chain(snapshot).findings().into_iter().cloned().collect()
}

fn nothing_exists(s: &Snapshot) -> bool {
    let seen = [Part::TargetGroup, Part::Vpc].into_iter().all(|p| s.saw(p));
    let no_network = s.vpc.is_none() || s.expected.network == Origin::Use;
    seen && no_network && is_unbuilt(s) && s.target_group.is_none()
}

/// True if neither the balancer nor the fleet exists: what carries requests was never built, or was taken down.
pub fn is_unbuilt(s: &Snapshot) -> bool {
    let seen = [Part::Balancer, Part::AutoScalingGroup].into_iter().all(|p| s.saw(p));
    seen && s.balancer.is_none() && s.auto_scaling_group.is_none()
}

fn alarms(view: &View<'_>) -> Option<Hop> {
    let s = view.s;
    if s.expected.alarms.is_empty() {
        return None;
    }
    let mut hop = Draft::hop();
    for a in &s.alarms {
        let what = a.description.clone().unwrap_or_else(|| "it is in ALARM".into());
        let reason = a.reason.clone().unwrap_or_else(|| "CloudWatch gives no reason".into());
        hop.push(Draft::new("alarm", format!("alarm {}: {what}", a.name), reason, "gameday status").weak().symptom());
    }
    let evidence = match s.alarms.len() {
        _ if !s.saw(Part::Alarms) => "could not be looked at".to_owned(),
        _ if is_unbuilt(s) => "not built yet".to_owned(),
        0 => format!("none of {} in ALARM", s.expected.alarms.len()),
        n => format!("{n} of {} in ALARM: {}", s.expected.alarms.len(), names(s.alarms.iter().map(|a| &a.name))),
    };
    Some(hop.done(HopName::Alarms, s.saw(Part::Alarms) && !is_unbuilt(s), evidence))
}

/// Grave, but what runs goes on serving: nobody makes new instances, it does not carry our tag any more, or it is only we
/// who cannot look.
const SERVES_ON: &[&str] = &[
    "credentials",
    "fleet-missing",
    "fleet-deleting",
    "fleet-zero",
    "fleet-suspended",
    "fleet-unattached",
    "vpc-missing",
];

/// The usual repair.
const UP: &str = "gameday up";

/// Which of the user's own subnets has room.
const FREE_ADDRESSES: &str = "aws ec2 describe-subnets --query 'Subnets[].[SubnetId,AvailableIpAddressCount]'";

/// What repairs something: a command, and what there is to say about it.
struct Fix {
    command: String,
    note: Option<String>,
}

impl From<&str> for Fix {
    fn from(command: &str) -> Self {
        command.to_owned().into()
    }
}
impl From<&String> for Fix {
    fn from(command: &String) -> Self {
        command.clone().into()
    }
}
impl From<String> for Fix {
    fn from(command: String) -> Self {
        Self { command, note: None }
    }
}
impl<C: Into<String>, N: Into<String>> From<(C, N)> for Fix {
    fn from((command, note): (C, N)) -> Self {
        Self { command: command.into(), note: Some(note.into()) }
    }
}

/// What takes an object that lost its tags back into the stack.
fn adopt(key: &str, id: &str) -> Fix {
    (command!("gameday up --adopt {}", format!("{key}={id}")), "tags it again, when it is yours").into()
}

/// New instances instead of these: the Auto Scaling group launches them at once.
fn replace<T: AsRef<str>>(ids: impl IntoIterator<Item = T>) -> String {
    let one = |id: T| {
        let id = id.as_ref();
        command!(
            "aws autoscaling terminate-instance-in-auto-scaling-group --instance-id {} --no-should-decrement-desired-capacity",
            id
        )
    };
    shell::all(ids.into_iter().map(one))
}

/// A finding in the making.
struct Draft {
    rule: &'static str,
    severity: Severity,
    symptom: bool,
    trying: bool,
    cause: String,
    evidence: String,
    fix: Fix,
}

impl Draft {
    fn new(rule: &'static str, cause: impl Into<String>, evidence: impl Into<String>, fix: impl Into<Fix>) -> Self {
        Self {
            rule,
            severity: Severity::Broken,
            symptom: false,
            trying: false,
            cause: cause.into(),
            evidence: evidence.into(),
            fix: fix.into(),
        }
    }
    /// Requests are served for now.
    fn weak(mut self) -> Self {
        self.severity = Severity::Weak;
        self
    }
    /// It passes by itself.
    fn waiting(mut self) -> Self {
        self.severity = Severity::Waiting;
        self
    }
    /// It may: something tries again.
    fn trying(mut self) -> Self {
        self.trying = true;
        self
    }
    fn trying_if(self, is: bool) -> Self {
        if is { self.trying() } else { self }
    }
    fn weak_if(self, is: bool) -> Self {
        if is { self.weak() } else { self }
    }
    fn symptom(mut self) -> Self {
        self.symptom = true;
        self
    }
    fn symptom_if(self, is: bool) -> Self {
        if is { self.symptom() } else { self }
    }
    fn at(self, hop: HopName) -> Finding {
        let Self { rule, severity, symptom, trying, cause, evidence, fix: Fix { command, note } } = self;
        // What was seen is said in others' words: only a command of ours stands between backquotes.
        let [cause, evidence] = [cause, evidence].map(|t| t.replace('`', "'"));
        Finding { rule, hop, severity, symptom, trying, cause, evidence, command, note }
    }
    fn hop() -> Drafts {
        Drafts(vec![])
    }
}

/// The findings of one hop in the making.
struct Drafts(Vec<Draft>);

impl Drafts {
    fn push(&mut self, draft: Draft) {
        self.0.push(draft);
    }
    fn extend(&mut self, drafts: impl IntoIterator<Item = Draft>) {
        self.0.extend(drafts);
    }
    fn done(self, hop: HopName, seen: bool, evidence: impl Into<String>) -> Hop {
        let mut drafts = self.0;
        drafts.sort_by_key(|d| (d.severity, d.symptom));
        let state = match drafts.first().map(|d| d.severity) {
            Some(Severity::Broken) => State::Bad,
            _ if !seen => State::Unknown,
            Some(Severity::Waiting) => State::Busy,
            Some(Severity::Weak) => State::Weak,
            None => State::Good,
        };
        let findings = drafts.into_iter().map(|d| d.at(hop)).collect();
        Hop { hop, state, evidence: evidence.into(), zones: vec![], findings }
    }
}

/// The first few, and how many more.
fn sorted<T: Ord>(all: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = all.into_iter().collect();
    all.sort();
    all
}

fn names<T: AsRef<str>>(all: impl IntoIterator<Item = T>) -> String {
    let all: Vec<T> = all.into_iter().collect();
    let few: Vec<&str> = all.iter().take(4).map(AsRef::as_ref).collect();
    match all.len() {
        0 => "none".into(),
        1..=4 => few.join(", "),
        n => format!("{} and {} more", few.join(", "), n - 4),
    }
}

/// The evidence for a security group that is gone.
fn no_group(view: &View<'_>, name: &str) -> String {
    format!("no group carries the tag {}=security-group/{name}", view.s.whose.keys.step())
}

/// The newest first.
fn newest<T>(all: impl IntoIterator<Item = T>, at: impl Fn(&T) -> jiff::Timestamp) -> Vec<T> {
    let mut all: Vec<T> = all.into_iter().collect();
    all.sort_by_key(|t| Reverse(at(t)));
    all
}
