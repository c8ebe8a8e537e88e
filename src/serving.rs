//! Measures from outside: does the service answer, and are its targets healthy?
use crate::{
    diagnose::{self, Finding},
    error::{Class, Result},
    snapshot::{Gap, Part, Snapshot},
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

/// The verdict in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Word {
    Serving,
    NotServing,
    /// The balancer answers without a healthy target.
    FailOpen,
    /// What would decide it could not be seen.
    Unknown,
}

impl Word {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "SERVING",
            Self::NotServing => "NOT SERVING",
            Self::FailOpen => "FAIL-OPEN",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Good news, bad news, or neither.
    pub fn good(self) -> Option<bool> {
        match self {
            Self::Serving => Some(true),
            Self::NotServing | Self::FailOpen => Some(false),
            Self::Unknown => None,
        }
    }
}

/// Whether the stack serves, and the evidence.
///
/// | the balancer | answer from outside | targets | the way there | word |
/// | --- | --- | --- | --- | --- |
/// | is not there | any | any | any | NOT SERVING |
/// | seen or not | bad, or none came | any | any | NOT SERVING |
/// | seen or not | good | one is healthy | any | SERVING |
/// | seen or not | good | none is healthy | any | FAIL-OPEN |
/// | seen or not | good | not seen | any | UNKNOWN |
/// | seen or not | not asked | none is healthy | any | NOT SERVING |
/// | seen or not | not asked | healthy, or not seen | something on it is broken | NOT SERVING |
/// | seen | not asked | one is healthy | seen whole, and nothing on it is broken | SERVING |
/// | seen or not | not asked | healthy, or not seen | not seen whole | UNKNOWN |
///
/// So nothing that was not seen counts as evidence: neither that it is there, nor that it is not. A good answer needs no way
/// that was seen, because it has come that way; but whether a target is healthy it does not say.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Verdict {
    pub url: Option<String>,
    /// `None`: they could not be seen.
    pub targets: Option<Targets>,
    /// `None`: not asked (an emulator, `--no-probe`, or the address could not be seen).
    pub answer: Option<Answer>,
    /// How many of the name's addresses, one a zone, gave a good answer, and how many there are.
    pub addresses: Option<(usize, usize)>,
    /// Why it was not asked.
    pub unasked: Option<String>,
    /// When it was not asked: what stops requests on their way, as far as AWS's own word goes.
    pub broken: Option<String>,
    /// What is known not to exist, without which nothing is served.
    pub missing: Option<String>,
    /// The calls that would have told more about it, and failed.
    pub unseen: Vec<String>,
    /// Whether they fail again however often they are made.
    pub forbidden: bool,
}

/// What decides when the answer from outside is there, and what else does when it is not.
const DECIDE: &[Part] = &[Part::Balancer, Part::TargetGroup, Part::Targets];
const WAY: &[Part] = &[
    Part::Listeners,
    Part::Rules,
    Part::Subnets,
    Part::RouteTables,
    Part::InternetGateways,
    Part::Acls,
    Part::SecurityGroups,
];

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
        let answer = answer_of(s);
        let missing = (s.balancer.is_none() && s.saw(Part::Balancer)).then(|| "there is no load balancer".to_owned());
        let decides = |g: &&Gap| DECIDE.contains(&g.part) || answer.is_none() && WAY.contains(&g.part);
        let gaps: Vec<&Gap> = s.gaps.iter().filter(decides).collect();
        let mut unseen: Vec<String> = gaps.iter().map(|g| g.call.clone()).collect();
        unseen.dedup();
        // An answer says more than any diagnosis.
        let broken = answer.is_none().then(|| diagnose::chain(s)).and_then(|c| Some(c.stops_requests()?.cause.clone()));
        Self {
            url: s.probe.url.clone().filter(|_| missing.is_none()),
            targets: s.saw_targets().then_some(targets),
            answer,
            addresses: (!s.probe.addresses.is_empty()).then(|| {
                let answers = |a: &&String| s.probe.answers.iter().any(|r| r.address == **a && r.good());
                (s.probe.addresses.iter().filter(answers).count(), s.probe.addresses.len())
            }),
            unasked: s.probe.unasked.clone(),
            broken,
            missing,
            unseen,
            forbidden: !gaps.is_empty() && gaps.iter().all(|g| g.is(Class::Denied)),
        }
    }

    pub fn word(&self) -> Word {
        let healthy = self.targets.as_ref().map(|t| t.healthy > 0);
        match (&self.answer, healthy) {
            _ if self.missing.is_some() => Word::NotServing,
            (Some(a), _) if !a.good() => Word::NotServing,
            (Some(_), Some(true)) => Word::Serving,
            // A balancer whose targets are all unhealthy passes requests on to all of them (it "fails open"), so an answer
            // alone proves nothing.
            (Some(_), Some(false)) => Word::FailOpen,
            (Some(_), None) => Word::Unknown,
            (None, Some(false)) => Word::NotServing,
            (None, _) if self.broken.is_some() => Word::NotServing,
            (None, Some(true)) if self.unseen.is_empty() => Word::Serving,
            (None, _) => Word::Unknown,
        }
    }

    pub fn serving(&self) -> bool {
        self.word() == Word::Serving
    }

    /// Whether looking again cannot tell more: what decides may not be looked at.
    pub fn is_blind(&self) -> bool {
        self.word() == Word::Unknown && self.forbidden
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.word();
        f.write_str(word.as_str())?;
        if let Some(what) = &self.missing {
            return write!(f, ": {what}");
        }
        if let Some(url) = &self.url {
            write!(f, " {url}")?;
        }
        match (word, &self.broken) {
            (Word::FailOpen, _) => write!(f, ": the balancer answers without a healthy target")?,
            (Word::Unknown, _) => write!(f, ": not enough could be seen to say whether it serves")?,
            (Word::NotServing, Some(cause)) => write!(f, ": {cause}")?,
            _ => {}
        }
        match &self.targets {
            Some(t) => {
                write!(f, " · {} of {} targets healthy", t.healthy, t.all.max(t.wanted))?;
                if !t.zones.is_empty() {
                    write!(f, " in {}", t.zones.join(", "))?;
                }
                if !t.reasons.is_empty() {
                    write!(f, " ({})", t.reasons.join("; "))?;
                }
            }
            None => write!(f, " · the targets' health could not be seen")?,
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
            }
            (Some(Answer { error: Some(e), .. }), _) => write!(f, " · no answer: {e}")?,
            (_, Some(why)) => write!(f, " · not asked from outside: {why}")?,
            (None, None) if self.url.is_none() => {
                write!(f, " · not asked from outside: its address could not be seen")?
            }
            _ => {}
        }
        if !self.unseen.is_empty() {
            write!(f, " · not seen: {}", self.unseen.join(", "))?;
        }
        Ok(())
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
        // What may not be looked at is no more to be seen later.
        let blind = seen.verdict.is_blind().then_some("unseen");
        let rule = seen.wrong.as_ref().filter(|f| f.stays()).map(|f| f.rule).or(blind);
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

    /// A verdict on this evidence: is the balancer there, the answer, a healthy target, a broken way, all of the way seen?
    fn verdict(there: bool, good: Option<bool>, healthy: Option<bool>, broken: bool, whole: bool) -> Verdict {
        let answer = |good| Answer { status: Some(if good { 200 } else { 503 }), error: None, millis: 9, beacon: None };
        Verdict {
            url: there.then(|| "http://x/".into()),
            missing: (!there).then(|| "there is no load balancer".into()),
            answer: good.map(answer),
            targets: healthy.map(|h| Targets { healthy: usize::from(h), all: 1, ..Targets::default() }),
            broken: broken.then(|| "nobody listens".into()),
            unseen: if whole { vec![] } else { vec!["DescribeListeners".into()] },
            ..Verdict::default()
        }
    }

    #[test]
    fn the_word_follows_the_table() {
        const BOTH: [bool; 2] = [true, false];
        let all = |of: [bool; 2]| [Some(of[0]), Some(of[1]), None];
        for good in all(BOTH) {
            for healthy in all(BOTH) {
                for broken in BOTH {
                    for whole in BOTH {
                        let here = format!("answer {good:?}, healthy {healthy:?}, broken {broken}, all seen {whole}");
                        assert_eq!(verdict(false, good, healthy, broken, whole).word(), Word::NotServing, "{here}");
                        let v = verdict(true, good, healthy, broken, whole);
                        let word = match (good, healthy) {
                            (Some(false), _) => Word::NotServing,
                            (Some(true), Some(true)) => Word::Serving,
                            (Some(true), Some(false)) => Word::FailOpen,
                            (Some(true), None) => Word::Unknown,
                            (None, Some(false)) => Word::NotServing,
                            (None, _) if broken => Word::NotServing,
                            (None, Some(true)) if whole => Word::Serving,
                            (None, _) => Word::Unknown,
                        };
                        assert_eq!(v.word(), word, "{here}");
                        assert!(v.to_string().starts_with(word.as_str()), "{v}");
                        assert_eq!(v.serving(), v.word().good() == Some(true), "{here}");
                    }
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_what_may_not_be_seen() {
        let mut look = Look { verdict: verdict(true, None, Some(true), false, false), wrong: None };
        assert!(waits(&[look.clone()]).await >= 900, "a call that failed may succeed");
        look.verdict.forbidden = true;
        assert_eq!(waits(&[look]).await, 40, "one that is denied does not");
    }

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
