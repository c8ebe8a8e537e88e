//! Measures from outside: does the service answer, and are its targets healthy?
use crate::{
    aws::{Aws, error::AwsResult},
    error::Result,
    snapshot::{Part, Snapshot},
};
use serde::Serialize;
use std::{fmt, time::Duration};
use tokio::time::Instant;

/// How many good answers in a row count as serving.
const IN_A_ROW: u32 = 3;
/// An answer later than this counts as none.
const TOO_LATE: Duration = Duration::from_secs(5);

/// What the target group says of its targets.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Targets {
    pub healthy: usize,
    pub all: usize,
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
    /// Why it was not asked.
    pub unasked: Option<String>,
}

impl Verdict {
    /// What a snapshot proves.
    pub fn of(s: &Snapshot) -> Self {
        let mut targets = Targets::default();
        // A target on its way out is not one that is wanted.
        for t in s.targets.iter().filter(|t| t.state != "draining") {
            targets.add(&t.state, t.description.as_deref().unwrap_or_default());
        }
        let seen = s.target_group.is_some() && s.saw(Part::Targets);
        Self {
            url: s.balancer.as_ref().and(s.probe.url.clone()),
            targets: seen.then_some(targets),
            answer: answer_of(s),
            unasked: s.probe.unasked.clone(),
        }
    }

    /// Healthy targets, and a good answer where one was asked for. A balancer whose targets are all unhealthy
    /// passes requests on to all of them (it "fails open"), so an answer alone proves nothing.
    pub fn serving(&self) -> bool {
        self.targets.as_ref().is_some_and(|t| t.healthy > 0) && self.answer.as_ref().is_none_or(Answer::good)
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
        write!(f, " · {} of {} targets healthy", targets.healthy, targets.all)?;
        if !targets.reasons.is_empty() {
            write!(f, " ({})", targets.reasons.join("; "))?;
        }
        match (&self.answer, &self.unasked) {
            (Some(Answer { status: Some(s), millis, beacon, .. }), _) => {
                write!(f, " · HTTP {s} in {millis} ms")?;
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

/// The health of a target group's targets. One call; AWS gives it in one page.
pub async fn targets(aws: &Aws, target_group: &str) -> Result<Targets> {
    let answer = aws
        .elb
        .describe_target_health()
        .target_group_arn(target_group)
        .send()
        .await
        .or_absent("DescribeTargetHealth")?;
    let mut t = Targets::default();
    for d in answer.and_then(|a| a.target_health_descriptions).unwrap_or_default() {
        let health = d.target_health();
        let state = health.and_then(|h| h.state()).map_or("unknown", |s| s.as_str());
        // A target on its way out is not one that is wanted.
        if state == "draining" {
            continue;
        }
        t.add(state, health.and_then(|h| h.description()).unwrap_or_default());
    }
    Ok(t)
}

/// Asks a URL, without following redirects: a game's judge does not either.
pub struct Prober(reqwest::Client);

impl Default for Prober {
    fn default() -> Self {
        let client = tls_ready(reqwest::Client::builder())
            .timeout(TOO_LATE)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("gameday/", env!("CARGO_PKG_VERSION")))
            .pool_max_idle_per_host(0)
            .build()
            .expect("a client without special settings can be built");
        Self(client)
    }
}

/// A client needs to be told which TLS this process uses, once.
pub(crate) fn tls_ready(client: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    // Only the first caller in the process installs it; for the others it stands already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    client
}

impl Prober {
    pub async fn ask(&self, url: &str) -> Answer {
        let start = Instant::now();
        let result = self.0.get(url).send().await;
        let millis = || start.elapsed().as_millis() as u64;
        match result {
            Ok(r) => {
                let status = r.status().as_u16();
                let beacon = if status == 503 { beacon(r.text().await.unwrap_or_default()) } else { None };
                Answer { status: Some(status), error: None, millis: millis(), beacon }
            }
            Err(e) => {
                let mut cause: &dyn std::error::Error = &e;
                while let Some(next) = cause.source() {
                    cause = next;
                }
                Answer { status: None, error: Some(cause.to_string()), millis: millis(), beacon: None }
            }
        }
    }
}

/// What the boot beacon says of itself: `fetch, 37 s: …`.
fn beacon(body: String) -> Option<String> {
    let v: serde_json::Value = serde_json::from_str(&body).ok()?;
    let stage = v.get("stage")?.as_str()?;
    let seconds = v.get("seconds").and_then(|s| s.as_f64()).map_or(String::new(), |s| format!(", {s:.0} s"));
    let error = v.get("error").and_then(|e| e.as_str()).filter(|e| !e.is_empty());
    Some(format!("{stage}{seconds}{}", error.map_or(String::new(), |e| format!(": {e}"))))
}

/// How the verdict is to be found.
#[derive(Clone, Debug)]
pub enum Ask {
    /// From outside, this URL.
    Url(String),
    /// Only the target group, for this reason.
    TargetsOnly(&'static str),
}

/// One look: the target group and, at the same moment, one request from outside.
pub async fn look(aws: &Aws, prober: &Prober, url: &str, target_group: &str, ask: &Ask) -> Result<Verdict> {
    let (targets, answer) = futures::join!(targets(aws, target_group), async {
        match ask {
            Ask::Url(url) => Some(prober.ask(url).await),
            Ask::TargetsOnly(_) => None,
        }
    });
    Ok(Verdict {
        url: Some(match ask {
            Ask::Url(asked) => asked.clone(),
            Ask::TargetsOnly(_) => url.to_owned(),
        }),
        targets: Some(targets?),
        answer,
        unasked: match ask {
            Ask::TargetsOnly(why) => Some((*why).to_owned()),
            Ask::Url(_) => None,
        },
    })
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

/// Looks until it serves several times in a row, or until patience ends; the last verdict either way.
pub async fn until_serving(
    mut look: impl AsyncFnMut() -> Result<Verdict>,
    patience: Duration,
    every: Duration,
    mut say: impl FnMut(&Verdict),
) -> Result<Verdict> {
    let start = Instant::now();
    let mut good = 0;
    loop {
        let verdict = look().await?;
        good = if verdict.serving() { good + 1 } else { 0 };
        let enough = if verdict.answer.is_some() { IN_A_ROW } else { 1 };
        if good >= enough || start.elapsed() > patience {
            return Ok(verdict);
        }
        say(&verdict);
        tokio::time::sleep(if good > 0 { every / 4 } else { every }).await;
    }
}
