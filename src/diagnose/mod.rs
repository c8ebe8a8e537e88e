//! Why requests get no answer: the request path as a chain of hops, each judged from a [`Snapshot`]. Pure, so that a
//! saved snapshot tells the same story to somebody without access, and every breakage can be a test.
//!
//! The hops are those of the parts of a stack, in the order of `parts::LIST`; each is judged in `parts/*/judge`.
mod draft;
pub(crate) mod name;
mod view;

pub(crate) use draft::{Draft, Drafts, FREE_ADDRESSES, Fix, UP, adopt, names, newest, replace};
pub(crate) use view::View;

use crate::{
    config::Origin,
    parts,
    snapshot::{Part, Snapshot},
};
use serde::Serialize;
use std::fmt;

// The order of the path is that of `parts::LIST`, not that of the words here.
/// Where a request passes, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
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
    /// True if it stays as it is until somebody does something.
    pub fn stays(&self) -> bool {
        self.severity == Severity::Broken && !self.symptom && !self.trying
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Hop {
    pub hop: HopName,
    /// True if a request passes here, up to the instances; false of what the instances need, and of what only watches.
    #[serde(skip)]
    #[schemars(skip)]
    pub on_the_way: bool,
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
        // Stable: along the way, where nothing else decides.
        all.sort_by_key(|f| (f.severity == Severity::Weak, f.symptom, outermost(f), f.severity));
        all
    }

    /// Returns what stops requests although there is a healthy target, if anything does.
    ///
    /// Only the way to the target counts, and nothing that concerns only instances to come.
    pub fn stops_requests(&self) -> Option<&Finding> {
        let on_the_way = |f: &&Finding| self.is_on_the_way(f.hop) && f.severity != Severity::Weak;
        self.findings().into_iter().filter(on_the_way).find(|f| !SERVES_ON.contains(&f.rule))
    }

    /// True if a request passes this hop, up to the instances.
    pub fn is_on_the_way(&self, hop: HopName) -> bool {
        self.hop(hop).is_some_and(|h| h.on_the_way)
    }

    /// True if requests are lost.
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
    let on_the_way = |hop: Hop| Hop { on_the_way: true, ..hop };
    let of_parts = parts::LIST.iter().flat_map(|p| p.way).map(|judge| on_the_way(judge(&view)));
    let mut hops: Vec<Hop> = std::iter::once(on_the_way(name::hop(&view))).chain(of_parts).collect();
    hops.extend(parts::LIST.iter().flat_map(|p| p.behind).filter_map(|judge| judge(&view)));
    if nothing_exists(snapshot) {
        for hop in &mut hops {
            for finding in &mut hop.findings {
                finding.symptom = true;
            }
        }
        // Where a request enters the stack.
        if let Some(first) = hops.iter_mut().find(|h| h.hop != HopName::Name) {
            let draft = Draft::new(
                "stack-missing",
                format!("nothing of the stack {} exists", snapshot.whose.stack),
                format!("region {}: no VPC, no load balancer, no Auto Scaling group of it", snapshot.whose.region),
                UP,
            );
            first.findings.insert(0, draft.at(first.hop));
        }
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

/// Rules that are grave while what runs goes on serving: no new instances are made, a tag is lost, or only the look
/// itself is refused.
const SERVES_ON: &[&str] = &[
    "credentials",
    "fleet-missing",
    "fleet-deleting",
    "fleet-zero",
    "fleet-suspended",
    "fleet-unattached",
    "vpc-missing",
];
