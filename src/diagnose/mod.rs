//! Why requests get no answer: the request path as a chain of hops, each judged from a [`Snapshot`].
//!
//! The diagnosis is pure, so that a saved snapshot gives the same findings to somebody without access, and every
//! breakage can be a test.
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

// The order of the path is that of `parts::LIST`, not that of these variants.
/// A place on the request path, or behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HopName {
    Name,
    Cdn,
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
            Self::Cdn => "cdn",
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

/// The state of a hop or of a zone in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Good,
    /// The hop carries requests, but not as the stack file describes it.
    Weak,
    /// AWS or a booting instance is at work, and the state ends by itself.
    Busy,
    /// The hop was not seen, or cannot be judged.
    Unknown,
    Bad,
}

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Requests are lost.
    Broken,
    /// Requests are lost until something in progress is done.
    Waiting,
    /// Requests are served for now.
    Weak,
}

/// A problem at a hop: rule, cause, evidence, and a command that repairs it.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Finding {
    /// The rule of the diagnosis that found the problem. Its name is stable, for scripts and tests.
    pub rule: &'static str,
    pub hop: HopName,
    pub severity: Severity,
    /// True if something else is likely to be the cause.
    pub symptom: bool,
    /// True if something is at work on the problem, so that it can end by itself: a boot or a launch that is retried.
    pub trying: bool,
    pub cause: String,
    pub evidence: String,
    /// The command that repairs it, to be typed as it is.
    pub command: String,
    /// What to know or to do besides.
    pub note: Option<String>,
}

impl Finding {
    /// True if the problem remains until somebody does something.
    pub fn stays(&self) -> bool {
        self.severity == Severity::Broken && !self.symptom && !self.trying
    }
}

/// A place on the request path, or behind it, with its state and its findings.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Hop {
    pub hop: HopName,
    /// True if a request passes this hop, up to the instances; false for what the instances need, and for alarms.
    #[serde(skip)]
    #[schemars(skip)]
    pub on_the_way: bool,
    pub state: State,
    pub evidence: String,
    /// The state in each zone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<Zone>,
    pub findings: Vec<Finding>,
}

/// The state of a hop in one zone.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Zone {
    pub zone: String,
    pub state: State,
    pub evidence: String,
}

/// The request path, hop by hop.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chain {
    pub hops: Vec<Hop>,
}

impl Chain {
    /// Returns all findings, the one to begin with first.
    ///
    /// Findings that lose requests come before weak ones, causes before symptoms, broken before waiting. Equal ones are
    /// in the order of the path.
    pub fn findings(&self) -> Vec<&Finding> {
        let mut all: Vec<&Finding> = self.hops.iter().flat_map(|h| &h.findings).collect();
        // A symptom at the name, seen from outside, cannot be the cause of any other.
        let outermost = |f: &Finding| f.symptom && f.hop == HopName::Name;
        // The sort is stable: equal findings stay in the order of the path.
        all.sort_by_key(|f| (f.severity == Severity::Weak, f.symptom, outermost(f), f.severity));
        all
    }

    /// Returns the finding that stops requests although there is a healthy target, if any.
    ///
    /// Only the path up to the target counts. Findings that affect only future instances do not.
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

    /// Returns a hop, if the stack has it.
    pub fn hop(&self, name: HopName) -> Option<&Hop> {
        self.hops.iter().find(|h| h.hop == name)
    }
}

/// Judges the request path, hop by hop. Groups that the stack does without have no hop.
pub fn chain(snapshot: &Snapshot) -> Chain {
    let view = View::new(snapshot);
    let on_the_way = |hop: Hop| Hop { on_the_way: true, ..hop };
    let of_part = |part: &parts::Entry| {
        let edge = part.edge.and_then(|judge| judge(&view));
        edge.into_iter().chain(part.way.iter().map(|judge| judge(&view))).collect::<Vec<_>>()
    };
    let of_parts = parts::LIST.iter().flat_map(of_part).map(on_the_way);
    let mut hops: Vec<Hop> = std::iter::once(on_the_way(name::hop(&view))).chain(of_parts).collect();
    hops.extend(parts::LIST.iter().flat_map(|p| p.behind).filter_map(|judge| judge(&view)));
    if nothing_exists(snapshot) {
        for hop in &mut hops {
            for finding in &mut hop.findings {
                finding.symptom = true;
            }
        }
        // The first hop of the stack itself, after the name.
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

/// Returns all findings, the one to begin with first.
pub fn why(snapshot: &Snapshot) -> Vec<Finding> {
    chain(snapshot).findings().into_iter().cloned().collect()
}

fn nothing_exists(s: &Snapshot) -> bool {
    let seen = [Part::TargetGroup, Part::Vpc].into_iter().all(|p| s.saw(p));
    let no_network = s.vpc.is_none() || s.expected.network == Origin::Use;
    seen && no_network && is_unbuilt(s) && s.balancer.is_none() && s.target_group.is_none()
}

/// True if there is neither a listener nor a fleet: they were never built, or were torn down. A balancer without a
/// listener may stand, since a build makes it long before the database is there.
pub fn is_unbuilt(s: &Snapshot) -> bool {
    let seen = [Part::Balancer, Part::Listeners, Part::AutoScalingGroup].into_iter().all(|p| s.saw(p));
    seen && s.listeners.is_empty() && s.auto_scaling_group.is_none()
}

/// Rules that do not stop the running instances from serving, although they are grave: no new instances are launched, a
/// tag is lost, or only the look itself is refused.
const SERVES_ON: &[&str] = &[
    "credentials",
    "fleet-missing",
    "fleet-deleting",
    "fleet-zero",
    "fleet-suspended",
    "fleet-unattached",
    "vpc-missing",
];
