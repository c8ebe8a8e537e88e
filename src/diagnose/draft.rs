//! Drafts of findings: what the rules of a hop write, with the command that repairs it.
use super::{Finding, Hop, HopName, Severity, State};
use crate::shell::{self, command};
use std::cmp::Reverse;

/// The usual repair.
pub(crate) const UP: &str = "gameday up";

/// The command that lists the free addresses of each of the user's own subnets.
pub(crate) const FREE_ADDRESSES: &str =
    "aws ec2 describe-subnets --query 'Subnets[].[SubnetId,AvailableIpAddressCount]'";

/// A repair: a command, and a note about it.
pub(crate) struct Fix {
    pub command: String,
    pub note: Option<String>,
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

/// Returns the repair that takes an object that lost its tags back into the stack.
pub(crate) fn adopt(key: &str, id: &str) -> Fix {
    (command!("gameday up --adopt {}", format!("{key}={id}")), "tags it again, if it is yours").into()
}

/// Returns the command that terminates these instances. The Auto Scaling group launches new ones at once.
pub(crate) fn replace<T: AsRef<str>>(ids: impl IntoIterator<Item = T>) -> String {
    let one = |id: T| {
        let id = id.as_ref();
        command!(
            "aws autoscaling terminate-instance-in-auto-scaling-group --instance-id {} --no-should-decrement-desired-capacity",
            id
        )
    };
    shell::all(ids.into_iter().map(one))
}

/// A draft of a finding, without its hop.
pub(crate) struct Draft {
    pub rule: &'static str,
    pub severity: Severity,
    pub symptom: bool,
    pub trying: bool,
    pub cause: String,
    pub evidence: String,
    pub fix: Fix,
}

impl Draft {
    /// Creates a draft of the severity [`Severity::Broken`].
    pub(crate) fn new(
        rule: &'static str,
        cause: impl Into<String>,
        evidence: impl Into<String>,
        fix: impl Into<Fix>,
    ) -> Self {
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
    /// Marks that requests are served for now.
    pub(crate) fn weak(mut self) -> Self {
        self.severity = Severity::Weak;
        self
    }
    /// Marks that the problem ends by itself.
    pub(crate) fn waiting(mut self) -> Self {
        self.severity = Severity::Waiting;
        self
    }
    /// Marks that the problem can end by itself, because something retries.
    pub(crate) fn trying(mut self) -> Self {
        self.trying = true;
        self
    }
    /// Marks that something retries, if `is`.
    pub(crate) fn trying_if(self, is: bool) -> Self {
        if is { self.trying() } else { self }
    }
    /// Marks that requests are served for now, if `is`.
    pub(crate) fn weak_if(self, is: bool) -> Self {
        if is { self.weak() } else { self }
    }
    /// Marks that something else is likely to be the cause.
    pub(crate) fn symptom(mut self) -> Self {
        self.symptom = true;
        self
    }
    /// Marks that something else is likely to be the cause, if `is`.
    pub(crate) fn symptom_if(self, is: bool) -> Self {
        if is { self.symptom() } else { self }
    }
    /// Returns the finding at a hop.
    pub(crate) fn at(self, hop: HopName) -> Finding {
        let Self { rule, severity, symptom, trying, cause, evidence, fix: Fix { command, note } } = self;
        // Cause and evidence quote others, and only a command of gameday's is between backquotes.
        let [cause, evidence] = [cause, evidence].map(|t| t.replace('`', "'"));
        Finding { rule, hop, severity, symptom, trying, cause, evidence, command, note }
    }
    /// Creates the empty list of drafts of a hop.
    pub(crate) fn hop() -> Drafts {
        Drafts(vec![])
    }
}

/// The drafts of one hop's findings.
pub(crate) struct Drafts(pub Vec<Draft>);

impl Drafts {
    /// Adds a draft.
    pub(crate) fn push(&mut self, draft: Draft) {
        self.0.push(draft);
    }
    /// Adds drafts.
    pub(crate) fn extend(&mut self, drafts: impl IntoIterator<Item = Draft>) {
        self.0.extend(drafts);
    }
    /// Returns the hop with its findings, the gravest first. The state follows from the gravest finding; `seen` is
    /// false if the hop could not be judged in full.
    pub(crate) fn done(self, hop: HopName, seen: bool, evidence: impl Into<String>) -> Hop {
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
        Hop { hop, on_the_way: false, state, evidence: evidence.into(), zones: vec![], findings }
    }
}

/// Returns the first four names, and the number of the rest.
pub(crate) fn names<T: AsRef<str>>(all: impl IntoIterator<Item = T>) -> String {
    let all: Vec<T> = all.into_iter().collect();
    let few: Vec<&str> = all.iter().take(4).map(AsRef::as_ref).collect();
    match all.len() {
        0 => "none".into(),
        1..=4 => few.join(", "),
        n => format!("{} and {} more", few.join(", "), n - 4),
    }
}

/// Returns the items sorted by time, the newest first.
pub(crate) fn newest<T>(all: impl IntoIterator<Item = T>, at: impl Fn(&T) -> jiff::Timestamp) -> Vec<T> {
    let mut all: Vec<T> = all.into_iter().collect();
    all.sort_by_key(|t| Reverse(at(t)));
    all
}
