//! Measures from outside: does the service answer, and are its targets healthy?
use crate::{
    config::Group,
    diagnose::{self, Chain, Finding, HopName, Severity},
    error::{Class, Result},
    lease::Holder,
    output::style::clock,
    snapshot::{Gap, Part, Snapshot},
    watch::{Clock, Stand, Step},
};
use jiff::SignedDuration;
use serde::Serialize;
use std::{collections::BTreeMap, fmt, time::Duration};
use tokio::time::Instant;

/// How many good answers in a row count as serving.
const IN_A_ROW: u32 = 3;
/// How many looks in a row something broken has to stand before nobody waits for it any more. At the usual five seconds these
/// are 40: a group that was attached just now has its instances registered a while later.
const STANDS: u32 = 9;
/// And how long at the least: the sandbox looks many times a second, and its instances come and go like others.
const GRACE: Duration = Duration::from_secs(3);

/// What the target group says of its targets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
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
    /// How many there are, or should be where that is more.
    pub fn expected(&self) -> usize {
        self.all.max(self.wanted)
    }

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
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
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

/// The verdict in a word: the same in every view and in JSON. From the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Word {
    Serving,
    /// It serves, but with nothing left that may fail.
    #[serde(rename = "AT RISK")]
    AtRisk,
    /// What would decide it could not be seen.
    Unknown,
    /// Neither a balancer nor a fleet exists, and nobody is building.
    #[serde(rename = "NOT BUILT")]
    NotBuilt,
    /// Somebody is building, or what was built just now has not booted yet.
    Building,
    #[serde(rename = "NOT SERVING")]
    NotServing,
}

impl Word {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotBuilt => "NOT BUILT",
            Self::Building => "BUILDING",
            Self::Serving => "SERVING",
            Self::AtRisk => "AT RISK",
            Self::NotServing => "NOT SERVING",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// True if requests are answered.
    pub fn serves(self) -> bool {
        matches!(self, Self::Serving | Self::AtRisk)
    }

    /// Good news, bad news, or neither.
    pub fn good(self) -> Option<bool> {
        match self {
            Self::Serving => Some(true),
            Self::NotServing => Some(false),
            Self::NotBuilt | Self::Building | Self::AtRisk | Self::Unknown => None,
        }
    }
}

/// How far a stack is built.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Build {
    /// Steps that are done.
    pub done: usize,
    pub all: usize,
    /// The same by group: done, and all.
    pub groups: BTreeMap<Group, (usize, usize)>,
    /// Whether AWS is making a step now.
    pub under_way: bool,
    /// Who is building, in words: `anna@laptop has been running gameday up for 12 s`.
    pub who: Option<String>,
    /// Who is taking the stack down, in words.
    pub deleting: Option<String>,
    /// Seconds until the service answers, if somebody is building.
    pub left_seconds: Option<u64>,
    pub waiting_for: Option<String>,
}

impl Build {
    /// Whoever is at work knows more than a look from outside.
    pub fn of(steps: &[Step], clock: &Clock, who: Option<&Holder>) -> Self {
        let deleting = who.filter(|holder| !holder.builds()).map(ToString::to_string);
        let who = who.filter(|holder| holder.builds());
        let told = who.and_then(|holder| holder.progress.clone());
        let going_on = who.is_some() || clock.under_way;
        let by_look = || {
            let mut groups: BTreeMap<Group, (usize, usize)> = BTreeMap::new();
            for step in steps {
                let (done, all) = groups.entry(Group::of_kind(step.key.kind())).or_default();
                *done += usize::from(step.state == Stand::Ready);
                *all += 1;
            }
            groups
        };
        let groups = told.as_ref().map_or_else(by_look, |p| p.groups.clone());
        Self {
            done: groups.values().map(|(done, _)| done).sum(),
            all: groups.values().map(|(_, all)| all).sum(),
            groups,
            under_way: clock.under_way,
            who: who.map(ToString::to_string),
            deleting,
            left_seconds: told.as_ref().map(|p| p.left_seconds).or(clock.eta_seconds).filter(|_| going_on),
            waiting_for: told.and_then(|p| p.waiting_for).or_else(|| clock.waiting_for.clone()).filter(|_| going_on),
        }
    }

    /// True if somebody or AWS is at work on it.
    fn is_going_on(&self) -> bool {
        self.who.is_some() || self.under_way
    }
}

/// Whether the stack serves, and the evidence.
///
/// First what was measured:
///
/// | the balancer | answer from outside | targets | the way there | measured |
/// | --- | --- | --- | --- | --- |
/// | is not there | any | any | any | not serving |
/// | seen or not | bad, or none came | any | any | not serving |
/// | seen or not | good | one is healthy | any | serving |
/// | seen or not | good | none is healthy (the balancer fails open) | any | not serving |
/// | seen or not | good | not seen | any | unknown |
/// | seen or not | not asked | none is healthy | any | not serving |
/// | seen or not | not asked | healthy, or not seen | something on it is broken | not serving |
/// | seen | not asked | one is healthy | seen whole, and nothing on it is broken | serving |
/// | seen or not | not asked | healthy, or not seen | not seen whole | unknown |
///
/// Then the word: what serves with nothing left that may fail is AT RISK; what does not serve is BUILDING while somebody
/// builds it or its first instances boot, NOT BUILT where neither balancer nor fleet exists, and NOT SERVING otherwise.
/// What somebody takes down is AT RISK, then NOT BUILT: that it ends is no fault.
///
/// So nothing that was not seen counts as evidence: neither that it is there, nor that it is not. A good answer needs no way
/// that was seen, because it has come that way; but whether a target is healthy it does not say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
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
    /// True if neither balancer nor fleet exists.
    pub unbuilt: bool,
    /// While the first instances of a new fleet boot: what is waited for.
    pub booting: Option<String>,
    /// Why it may stop serving soon.
    pub risks: Vec<String>,
    /// How far it is built, where somebody looked.
    pub build: Option<Build>,
    /// The calls that would have told more about it, and failed.
    pub unseen: Vec<String>,
    /// Whether they fail again however often they are made.
    pub forbidden: bool,
}

/// How old a fleet is at the most whose first instances boot: later that is a fault.
const FIRST_BOOT: Duration = Duration::from_secs(600);

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
        let chain = diagnose::chain(s);
        // An answer says more than any diagnosis.
        let broken = answer.is_none().then(|| chain.stops_requests()).flatten().map(|f| {
            // What has brought it about is the cause.
            let root = chain.findings().into_iter().find(|r| !r.symptom && r.severity == Severity::Broken);
            root.filter(|_| f.symptom).unwrap_or(f).cause.clone()
        });
        let mut verdict = Self {
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
            unbuilt: diagnose::is_unbuilt(s),
            booting: first_boot(s, &chain),
            risks: vec![],
            build: None,
            unseen,
            forbidden: !gaps.is_empty() && gaps.iter().all(|g| g.is(Class::Denied)),
        };
        verdict.risks = verdict.risks(s, &chain);
        verdict
    }

    /// The same with how far the stack is built.
    pub fn with(self, build: Build) -> Self {
        Self { build: Some(build), ..self }
    }

    /// Whether requests are answered, by what was measured; `None`: not enough was seen.
    pub fn measured(&self) -> Option<bool> {
        let healthy = self.targets.as_ref().map(|t| t.healthy > 0);
        match (&self.answer, healthy) {
            _ if self.missing.is_some() => Some(false),
            (Some(a), _) if !a.good() => Some(false),
            // A balancer whose targets are all unhealthy passes requests on to all of them (it "fails open"), so an answer
            // alone proves nothing.
            (Some(_), healthy) => healthy,
            (None, Some(false)) => Some(false),
            (None, _) if self.broken.is_some() => Some(false),
            (None, Some(true)) if self.unseen.is_empty() => Some(true),
            (None, _) => None,
        }
    }

    pub fn word(&self) -> Word {
        match self.measured() {
            Some(true) if self.risks.is_empty() && self.deleting().is_none() => Word::Serving,
            Some(true) => Word::AtRisk,
            Some(false) if self.is_being_built() => Word::Building,
            Some(false) if self.unbuilt || self.deleting().is_some() => Word::NotBuilt,
            Some(false) => Word::NotServing,
            None => Word::Unknown,
        }
    }

    /// Why it may stop serving soon, the surest reason first.
    pub fn dangers(&self) -> Vec<&str> {
        self.deleting().into_iter().chain(&self.risks).map(String::as_str).collect()
    }

    /// Who is taking it down.
    fn deleting(&self) -> Option<&String> {
        self.build.as_ref()?.deleting.as_ref()
    }

    fn is_being_built(&self) -> bool {
        let build = self.build.as_ref();
        let by_somebody = build.is_some_and(|b| b.who.is_some());
        let booting = self.booting.is_some() && self.deleting().is_none();
        by_somebody || booting || (self.unbuilt && build.is_some_and(Build::is_going_on))
    }

    pub fn serving(&self) -> bool {
        self.word().serves()
    }

    /// True if the balancer answers without a healthy target.
    pub fn fails_open(&self) -> bool {
        let healthy = self.targets.as_ref().map(|t| t.healthy > 0);
        self.answer.as_ref().is_some_and(Answer::good) && healthy == Some(false)
    }

    /// What may stop the service soon: one target or zone that is left of several, and what is wrong on the way.
    fn risks(&self, s: &Snapshot, chain: &Chain) -> Vec<String> {
        let mut risks = vec![];
        if let Some(t) = &self.targets {
            let many_zones = s.expected.zones.len() > 1;
            match (t.healthy, t.zones.as_slice()) {
                (1, [zone]) if t.wanted > 1 => risks.push(format!("only one target is left, in {zone}")),
                (1, _) if t.wanted > 1 => risks.push("only one target is left".into()),
                (_, [zone]) if t.wanted > 1 && many_zones => risks.push(format!("only {zone} is left")),
                _ => {}
            }
        }
        if let Some((good, all)) = self.addresses.filter(|(good, all)| good < all) {
            risks.push(format!("{good} of {all} addresses answer"));
        }
        let on_the_way = |f: &&Finding| f.hop <= HopName::Instances || f.severity == Severity::Broken;
        let findings = chain.findings();
        risks.extend(findings.into_iter().find(|f| !f.symptom && on_the_way(f)).map(|f| f.cause.clone()));
        risks
    }

    /// Whether looking again cannot tell more: what decides may not be looked at.
    pub fn is_blind(&self) -> bool {
        self.word() == Word::Unknown && self.forbidden
    }
}

/// What is waited for while the first instances of a fleet boot and nothing else is wrong.
fn first_boot(s: &Snapshot, chain: &Chain) -> Option<String> {
    let findings = chain.findings();
    let first = findings.iter().find(|f| !f.symptom).or(findings.first())?;
    let broken = findings.iter().any(|f| f.stays());
    let created = s.auto_scaling_group.as_ref()?.created_at?;
    let is_young = s.at.duration_since(created) < SignedDuration::try_from(FIRST_BOOT).ok()?;
    (first.severity == Severity::Waiting && !broken && is_young).then(|| first.cause.clone())
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} steps", self.done, self.all)?;
        if let Some(who) = &self.who {
            write!(f, " · {who}")?;
        }
        if let Some(left) = self.left_seconds.filter(|left| *left > 0) {
            write!(f, " · about {} left", clock(Duration::from_secs(left)))?;
        }
        if let Some(key) = &self.waiting_for {
            write!(f, " · waiting for {key}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word().as_str())?;
        if let Some(url) = &self.url {
            write!(f, " {url}")?;
        }
        self.evidence(f)
    }
}

/// The verdict without the URL, for those who give that a line of its own.
pub struct Headline<'a>(&'a Verdict);

impl fmt::Display for Headline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.word().as_str())?;
        self.0.evidence(f)
    }
}

impl Verdict {
    pub fn headline(&self) -> Headline<'_> {
        Headline(self)
    }

    /// What stands behind the word: the cause after a colon, then what was measured.
    fn evidence(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.word();
        let cause = match word {
            Word::NotBuilt => Some(match self.build.as_ref() {
                Some(Build { deleting: Some(who), .. }) => who.clone(),
                // All of them are only where the look at the steps is the older one.
                Some(b) if (1..b.all).contains(&b.done) => format!("{} of {} steps are done", b.done, b.all),
                _ => "nothing of it exists".into(),
            }),
            Word::Building => self.booting.clone().or_else(|| self.missing.clone()).or_else(|| self.broken.clone()),
            Word::NotServing if self.fails_open() => Some("the balancer answers although no target is healthy".into()),
            Word::NotServing => self.missing.clone().or_else(|| self.broken.clone()),
            Word::AtRisk => Some(self.dangers().join("; ")),
            Word::Unknown => Some("not enough could be seen to say whether it serves".into()),
            Word::Serving => None,
        };
        match (&self.build, cause) {
            (Some(build), _) if word == Word::Building => write!(f, " {build}")?,
            (_, Some(cause)) => write!(f, ": {cause}")?,
            _ => {}
        }
        if self.missing.is_some() {
            return Ok(());
        }
        match &self.targets {
            Some(t) => {
                write!(f, " · {} of {} targets healthy", t.healthy, t.expected())?;
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
            (_, Some(why)) => write!(f, " · not tested over HTTP: {why}")?,
            (None, None) if self.url.is_none() => write!(f, " · not tested over HTTP: its address could not be seen")?,
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
                            (Some(true), Some(false)) => Word::NotServing,
                            (Some(true), None) => Word::Unknown,
                            (None, Some(false)) => Word::NotServing,
                            (None, _) if broken => Word::NotServing,
                            (None, Some(true)) if whole => Word::Serving,
                            (None, _) => Word::Unknown,
                        };
                        assert_eq!(v.word(), word, "{here}");
                        assert!(v.to_string().starts_with(word.as_str()), "{v}");
                        assert_eq!(v.serving(), v.word().good() == Some(true), "{here}");

                        // The same with nothing left that may fail, and while it is being built.
                        let risky = Verdict { risks: vec!["only one target is left".into()], ..v.clone() };
                        let amber = if word == Word::Serving { Word::AtRisk } else { word };
                        assert_eq!((risky.word(), risky.serving()), (amber, v.serving()), "{here}");
                        let built = |who: Option<&str>, under_way, unbuilt| {
                            let build = Build { all: 53, who: who.map(Into::into), under_way, ..Build::default() };
                            Verdict { unbuilt, ..v.clone() }.with(build).word()
                        };
                        let else_ = |other| if word == Word::NotServing { other } else { word };
                        assert_eq!(built(Some("anna"), false, false), else_(Word::Building), "{here}");
                        assert_eq!(built(None, true, true), else_(Word::Building), "{here}");
                        assert_eq!(built(None, true, false), word, "AWS changes what stands: {here}");
                        assert_eq!(built(None, false, true), else_(Word::NotBuilt), "{here}");

                        // While it is taken down.
                        let build = Build { deleting: Some("anna".into()), ..Build::default() };
                        let going = v.clone().with(build);
                        let gone = if word == Word::Serving { Word::AtRisk } else { else_(Word::NotBuilt) };
                        assert_eq!(going.word(), gone, "{here}");
                        let told = going.to_string().contains("anna");
                        assert_eq!(told, word != Word::Unknown, "{here}: {going}");
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
