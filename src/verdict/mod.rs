//! The verdict on whether the stack serves. It follows from a snapshot alone.
mod build;
mod judged;
mod targets;
mod wait;
mod word;
mod words;

pub use build::Build;
pub use judged::Judged;
pub use targets::Targets;
pub use wait::{Look, until_serving};
pub use word::Word;
pub use words::Headline;

use crate::{
    diagnose::{self, Chain, Finding, Severity},
    error::Class,
    snapshot::{Answer, Gap, Part, Snapshot},
};
use jiff::SignedDuration;
use serde::Serialize;
use std::time::Duration;

/// The verdict on whether the stack serves, with the evidence.
///
/// The first part is what was measured:
///
/// | the balancer | answer from outside | targets | the way there | measured |
/// | --- | --- | --- | --- | --- |
/// | does not exist | any | any | any | not serving |
/// | seen or not | bad, or none came | any | any | not serving |
/// | seen or not | good | one is healthy | any | serving |
/// | seen or not | good | none is healthy (the balancer fails open) | any | not serving |
/// | seen or not | good | not seen | any | unknown |
/// | seen or not | not asked | none is healthy | any | not serving |
/// | seen or not | not asked | healthy, or not seen | something on it is broken | not serving |
/// | seen | not asked | one is healthy | seen whole, and nothing on it is broken | serving |
/// | seen or not | not asked | healthy, or not seen | not seen whole | unknown |
///
/// The second part is the word. A stack that serves with nothing left to lose is AT RISK. A stack that does not serve
/// is BUILDING while somebody builds it or its first instances boot, NOT BUILT if neither a listener nor a fleet
/// exists, and NOT SERVING otherwise. A stack that somebody takes down is AT RISK, then NOT BUILT, since its end is no fault.
///
/// So an object that was not seen is no evidence, neither that it exists nor that it does not. A good answer needs no
/// way that was seen, because the answer has come that way. But it does not say whether a target is healthy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Verdict {
    /// The name of the service.
    pub service: String,
    /// True if the stack has more services, so that texts have to name this one.
    #[serde(skip)]
    #[schemars(skip)]
    pub is_named: bool,
    /// The URL of the service, if its address is known.
    pub url: Option<String>,
    /// The targets; `None` if they could not be seen.
    pub targets: Option<Targets>,
    /// The answer from outside; `None` if nothing was asked (an emulator, `--no-probe`, or an unknown address).
    #[serde(serialize_with = "words::answer")]
    #[schemars(with = "Option<words::AnswerInWords>")]
    pub answer: Option<Answer>,
    /// How many of the name's addresses (one per zone) gave a good answer, and how many there are.
    pub addresses: Option<(usize, usize)>,
    /// Why nothing was asked from outside.
    pub unasked: Option<String>,
    /// What stops requests on their way according to AWS, if nothing was asked from outside.
    pub broken: Option<String>,
    /// The object that is known to be missing, without which nothing is served.
    pub missing: Option<String>,
    /// True if neither a listener nor a fleet exists.
    pub unbuilt: bool,
    /// What is waited for, while the first instances of a new fleet boot.
    pub booting: Option<String>,
    /// Why the stack may stop serving soon.
    pub risks: Vec<String>,
    /// How far the stack is built, if somebody looked.
    pub build: Option<Build>,
    /// The failed calls that would have given more evidence.
    pub unseen: Vec<String>,
    /// True if these calls fail again however often they are made.
    pub forbidden: bool,
}

/// The longest time since the creation of a fleet in which its first instances may still be booting.
const FIRST_BOOT: Duration = Duration::from_secs(600);

/// The parts that decide if there is an answer from outside.
const DECIDE: &[Part] = &[Part::Balancer, Part::TargetGroup, Part::Targets];
/// The parts that decide as well if there is none.
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
    /// Returns the verdict that a snapshot proves.
    pub fn of(s: &Snapshot) -> Self {
        let group = s.auto_scaling_group.as_ref();
        let mut targets = Targets { wanted: s.targets_wanted(), ..Targets::default() };
        // A draining target is no longer wanted.
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
            // The cause of a symptom is the finding that has brought it about.
            let root = chain.findings().into_iter().find(|r| !r.symptom && r.severity == Severity::Broken);
            root.filter(|_| f.symptom).unwrap_or(f).cause.clone()
        });
        let mut verdict = Self {
            service: s.whose.service.clone(),
            is_named: !s.expected.own.siblings.is_empty(),
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

    /// Adds how far the stack is built.
    pub fn with(self, build: Build) -> Self {
        Self { build: Some(build), ..self }
    }

    /// True if requests are answered, by what was measured; `None` if not enough was seen.
    pub fn measured(&self) -> Option<bool> {
        let healthy = self.targets.as_ref().map(|t| t.healthy > 0);
        match (&self.answer, healthy) {
            _ if self.missing.is_some() => Some(false),
            (Some(a), _) if !a.good() => Some(false),
            // A balancer whose targets are all unhealthy passes requests on to all of them (it "fails open"), so an
            // answer alone proves nothing.
            (Some(_), healthy) => healthy,
            (None, Some(false)) => Some(false),
            (None, _) if self.broken.is_some() => Some(false),
            (None, Some(true)) if self.unseen.is_empty() => Some(true),
            (None, _) => None,
        }
    }

    /// Returns the verdict in a word.
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

    /// Returns why the stack can stop serving soon, the surest reason first.
    pub fn dangers(&self) -> Vec<&str> {
        self.deleting().into_iter().chain(&self.risks).map(String::as_str).collect()
    }

    /// Returns who is taking the stack down.
    fn deleting(&self) -> Option<&String> {
        self.build.as_ref()?.deleting.as_ref()
    }

    fn is_being_built(&self) -> bool {
        let build = self.build.as_ref();
        let by_somebody = build.is_some_and(|b| b.who.is_some());
        let booting = self.booting.is_some() && self.deleting().is_none();
        by_somebody || booting || (self.unbuilt && build.is_some_and(Build::is_going_on))
    }

    /// True if the stack serves, at risk or not.
    pub fn serving(&self) -> bool {
        self.word().serves()
    }

    /// True if the balancer answers without a healthy target.
    pub fn fails_open(&self) -> bool {
        let healthy = self.targets.as_ref().map(|t| t.healthy > 0);
        self.answer.as_ref().is_some_and(Answer::good) && healthy == Some(false)
    }

    /// Returns what can stop the service soon: a single target or zone left of several, and what is wrong on the way.
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
        let on_the_way = |f: &&Finding| chain.is_on_the_way(f.hop) || f.severity == Severity::Broken;
        let findings = chain.findings();
        risks.extend(findings.into_iter().find(|f| !f.symptom && on_the_way(f)).map(|f| f.cause.clone()));
        risks
    }

    /// True if another look cannot tell more: the account denies the calls that decide.
    pub fn is_blind(&self) -> bool {
        self.word() == Word::Unknown && self.forbidden
    }
}

/// Returns the reason for waiting while the first instances of a fleet boot and nothing else is wrong.
fn first_boot(s: &Snapshot, chain: &Chain) -> Option<String> {
    let findings = chain.findings();
    let first = findings.iter().find(|f| !f.symptom).or(findings.first())?;
    let broken = findings.iter().any(|f| f.stays());
    let created = s.auto_scaling_group.as_ref()?.created_at?;
    let is_young = s.at.duration_since(created) < SignedDuration::try_from(FIRST_BOOT).ok()?;
    (first.severity == Severity::Waiting && !broken && is_young).then(|| first.cause.clone())
}

/// Returns one answer for those of all addresses: a bad one if half of them are bad, else the slowest good one.
fn answer_of(s: &Snapshot) -> Option<Answer> {
    let probe = &s.probe;
    let (good, bad): (Vec<_>, Vec<_>) = probe.answers.iter().partition(|a| a.good());
    let shown = if bad.len() >= good.len().max(1) {
        bad.first().copied()
    } else {
        good.iter().copied().max_by_key(|a| a.millis)
    };
    if let (None, Some(why), None) = (shown, &probe.unresolved, &probe.unasked) {
        return Some(Answer { error: Some(why.clone()), ..Answer::default() });
    }
    shown.cloned()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns a verdict on this evidence: is the balancer there, the answer, a healthy target, a broken way, all of
    /// the way seen?
    pub(crate) fn verdict(
        there: bool,
        good: Option<bool>,
        healthy: Option<bool>,
        broken: bool,
        whole: bool,
    ) -> Verdict {
        let answer = |good| Answer { status: Some(if good { 200 } else { 503 }), millis: 9, ..Answer::default() };
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

                        // The same at risk, and while the stack is being built.
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

                        // The same while the stack is taken down.
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
}
