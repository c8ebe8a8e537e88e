//! Measures from outside: does the service answer, and are its targets healthy?
use crate::{
    diagnose::{self, Finding},
    error::Result,
    snapshot::{Part, Snapshot},
};
use serde::Serialize;
use std::{fmt, time::Duration};
use tokio::time::Instant;

/// How many good answers in a row count as serving.
const IN_A_ROW: u32 = 3;
/// How many looks in a row something broken has to stand before nobody waits for it any more. At the usual five seconds these
/// are 40: a group that was attached just now has its instances registered a while later.
const STANDS: u32 = 9;
/// And how long at the least: the sandbox looks many times a second, and its instances come and go like others.
const GRACE: Duration = Duration::from_secs(3);

/// What the target group says of its targets.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Targets {
    pub healthy: usize,
    pub all: usize,
    /// How many there should be.
    pub wanted: usize,
    /// Zones with a healthy one.
    pub zones: Vec<String>,
    /// Why those that are not healthy are not, in AWS's words, each once.
    pub reasons: Vec<String>,
}

impl Targets {
    fn add(&mut self, state: &str, said: &str) {
        self.all += 1;
        if state == "healthy" {
            self.healthy += 1;
            return;
        }
        let reason = if said.is_empty() { state.to_owned() } else { format!("{state}: {said}") };
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }
}

/// One answer from outside.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    pub status: Option<u16>,
    pub error: Option<String>,
    pub millis: u64,
    /// The boot beacon's word, when it was it that answered.
    pub beacon: Option<String>,
}

impl Answer {
    pub fn good(&self) -> bool {
        self.status.is_some_and(|s| (200..400).contains(&s))
    }
}

/// Whether the stack serves, and the evidence.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Verdict {
    pub url: Option<String>,
    pub targets: Option<Targets>,
    /// `None`: not asked (an emulator, or `--no-probe`).
    pub answer: Option<Answer>,
    /// How many of the name's addresses, one a zone, gave a good answer, and how many there are.
    pub addresses: Option<(usize, usize)>,
    /// Why it was not asked.
    pub unasked: Option<String>,
    /// When it was not asked: what stops requests on their way, as far as AWS's own word goes.
    pub broken: Option<String>,
}

impl Verdict {
    /// What a snapshot proves.
    pub fn of(s: &Snapshot) -> Self {
        let group = s.auto_scaling_group.as_ref();
        let wanted = group.map_or(s.expected.desired, |g| g.desired);
        let mut targets = Targets { wanted: wanted.try_into().unwrap_or_default(), ..Targets::default() };
        // A target on its way out is not one that is wanted.
        for t in s.targets.iter().filter(|t| t.state != "draining") {
            targets.add(&t.state, t.description.as_deref().unwrap_or_default());
            let instance = s.instances.iter().find(|i| i.id == t.id).map(|i| &i.zone);
            let member = || group?.members.iter().find(|m| m.id == t.id).map(|m| &m.zone);
            targets.zones.extend(instance.or_else(member).filter(|_| t.state == "healthy").cloned());
        }
        targets.zones.sort();
        targets.zones.dedup();
        let seen = s.target_group.is_some() && s.saw(Part::Targets);
        let answer = answer_of(s);
        // An answer says more than any diagnosis.
        let unasked = answer.is_none() && s.probe.unasked.is_some();
        Self {
            url: s.balancer.as_ref().and(s.probe.url.clone()),
            targets: seen.then_some(targets),
            answer,
            addresses: (!s.probe.addresses.is_empty()).then(|| {
                let answers = |a: &&String| s.probe.answers.iter().any(|r| r.address == **a && r.good());
                (s.probe.addresses.iter().filter(answers).count(), s.probe.addresses.len())
            }),
            unasked: s.probe.unasked.clone(),
            broken: unasked.then(|| diagnose::chain(s)).and_then(|c| Some(c.stops_requests()?.cause.clone())),
        }
    }

    /// Healthy targets, and a good answer; where none was asked for, a way to the targets on which nothing is known to
    /// be broken. A balancer whose targets are all unhealthy passes requests on to all of them (it "fails open"), so an
    /// answer alone proves nothing.
    pub fn serving(&self) -> bool {
        let gets_through = self.answer.as_ref().map_or(self.broken.is_none(), Answer::good);
        gets_through && self.targets.as_ref().is_some_and(|t| t.healthy > 0)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(url) = &self.url else { return write!(f, "NOT SERVING: there is no load balancer") };
        let targets = self.targets.clone().unwrap_or_default();
        let good = self.answer.as_ref().is_some_and(Answer::good);
        match (self.serving(), good) {
            (true, _) => write!(f, "SERVING {url}")?,
            (false, true) => write!(f, "FAIL-OPEN {url}: the balancer answers without a healthy target")?,
            (false, false) => write!(f, "NOT SERVING {url}")?,
        }
        if let (None, Some(cause)) = (&self.answer, &self.broken) {
            write!(f, ": {cause}")?;
        }
        write!(f, " · {} of {} targets healthy", targets.healthy, targets.all.max(targets.wanted))?;
        if !targets.zones.is_empty() {
            write!(f, " in {}", targets.zones.join(", "))?;
        }
        if !targets.reasons.is_empty() {
            write!(f, " ({})", targets.reasons.join("; "))?;
        }
        match (&self.answer, &self.unasked) {
            (Some(Answer { status: Some(s), millis, beacon, .. }), _) => {
                write!(f, " · HTTP {s} in {millis} ms")?;
                if let Some((good, all)) = self.addresses.filter(|(_, all)| *all > 1) {
                    write!(f, " · {good} of {all} addresses answer")?;
                }
                if let Some(b) = beacon {
                    write!(f, " · boot: {b}")?;
                }
                Ok(())
            }
            (Some(Answer { error: Some(e), .. }), _) => write!(f, " · no answer: {e}"),
            (_, Some(why)) => write!(f, " · not asked from outside: {why}"),
            _ => Ok(()),
        }
    }
}

/// One answer that stands for those of all addresses: a bad one when half of them are bad, else the slowest good one.
fn answer_of(s: &Snapshot) -> Option<Answer> {
    let probe = &s.probe;
    let (good, bad): (Vec<_>, Vec<_>) = probe.answers.iter().partition(|a| a.good());
    let shown = if bad.len() >= good.len().max(1) {
        bad.first().copied()
    } else {
        good.iter().copied().max_by_key(|a| a.millis)
    };
    if let (None, Some(why), None) = (shown, &probe.unresolved, &probe.unasked) {
        return Some(Answer { status: None, error: Some(why.clone()), millis: 0, beacon: None });
    }
    shown.map(|a| Answer {
        status: a.status,
        error: a.error.clone(),
        millis: a.millis,
        beacon: a.beacon.as_ref().map(ToString::to_string),
    })
}

/// One look of those who wait: the verdict and, while it does not serve, what is wrong first of all.
#[derive(Clone, Debug, Default)]
pub struct Look {
    pub verdict: Verdict,
    pub wrong: Option<Finding>,
}

/// Looks until it serves several times in a row, until what is wrong does not pass by itself, or until patience ends;
/// the last look in each case.
pub async fn until_serving(
    mut look: impl AsyncFnMut() -> Result<Look>,
    patience: Duration,
    every: Duration,
    mut say: impl FnMut(&Look),
) -> Result<Look> {
    let start = Instant::now();
    let (mut good, mut stands, mut wrong, mut since) = (0, 0, None, start);
    loop {
        let seen = look().await?;
        good = if seen.verdict.serving() { good + 1 } else { 0 };
        let enough = if seen.verdict.answer.is_some() { IN_A_ROW } else { 1 };
        let rule = seen.wrong.as_ref().filter(|f| f.stays()).map(|f| f.rule);
        if rule != wrong {
            (stands, since) = (0, Instant::now());
        }
        stands += u32::from(rule.is_some());
        wrong = rule;
        let stays = stands >= STANDS && since.elapsed() >= GRACE;
        if good >= enough || stays || start.elapsed() > patience {
            return Ok(seen);
        }
        say(&seen);
        tokio::time::sleep(if good > 0 { every / 4 } else { every }).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{HopName, Severity};

    fn look(rule: &'static str, severity: Severity, trying: bool) -> Look {
        let wrong = Finding {
            rule,
            hop: HopName::Listener,
            severity,
            symptom: false,
            trying,
            cause: String::new(),
            evidence: String::new(),
            command: String::new(),
            note: None,
        };
        Look { wrong: Some(wrong), ..Look::default() }
    }

    /// How long it is waited for what these looks show, the last of them again and again.
    async fn waits(looks: &[Look]) -> u64 {
        let (begun, mut n) = (Instant::now(), 0);
        let next = async || {
            n += 1;
            Ok(looks[n.min(looks.len()) - 1].clone())
        };
        until_serving(next, Duration::from_secs(900), Duration::from_secs(5), |_| {}).await.unwrap();
        begun.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_what_does_not_pass_by_itself() {
        let broken = look("rule-stolen", Severity::Broken, false);
        let booting = look("booting", Severity::Waiting, false);
        let retried = look("boot-fetch", Severity::Broken, true);
        assert_eq!(waits(&[broken.clone()]).await, 40, "nine looks");
        assert_eq!(waits(&[booting.clone(), broken.clone(), booting.clone(), broken.clone()]).await, 55, "in a row");
        assert!(waits(&[booting]).await >= 900, "what passes has all the time there is");
        assert!(waits(&[retried]).await >= 900);
        assert!(waits(&[Look::default()]).await >= 900, "nothing is known to be wrong");
    }
}
