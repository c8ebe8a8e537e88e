//! The only place that sleeps.
use crate::{Class, Cx, Diff, Env, Error, Event, Found, Phase, Resource, Result};
use std::time::Duration;
use tokio::time::Instant;

/// How fast the world is, and how often to look at it.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Durations of this world over those of AWS: 1 on AWS, 0.05 in a sandbox at a twentieth.
    pub scale: f64,
    /// Whether pauses vary by a fifth, so that many pollers do not march in step.
    pub jitter: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Self { scale: 1.0, jitter: true }
    }
}

impl Pace {
    /// A duration of AWS as it is in this world.
    pub fn of(&self, d: Duration) -> Duration {
        d.mul_f64(self.scale)
    }

    /// The pause before the next look: quick at first; sparse while nothing can have happened yet;
    /// then a hundredth of the time waited, so that a look is late by 1 % at the most.
    pub fn pause(&self, waited: Duration, typical: Duration, strain: f64) -> Duration {
        let typical = self.of(typical);
        let pause = if waited < typical.mul_f64(0.6) && typical > Duration::from_secs(10) {
            (typical.mul_f64(0.65).saturating_sub(waited)).min(Duration::from_secs(10))
        } else {
            waited.mul_f64(0.01).clamp(self.of(Duration::from_millis(500)), Duration::from_secs(5))
        };
        self.jittered(pause.max(Duration::from_millis(20)).mul_f64(strain))
    }

    pub(crate) fn jittered(&self, d: Duration) -> Duration {
        if self.jitter { d.mul_f64(0.8 + 0.4 * fastrand::f64()) } else { d }
    }
}

/// What to wait for.
pub(crate) enum Goal<'a, R: Resource> {
    /// Not busy and not being deleted.
    Settled,
    /// Ready and as wanted: RDS says `available` for a moment after a modify.
    Matching(&'a R::Spec),
    /// The one with this id: another may stand in its place.
    Gone(&'a str),
}

/// Sleeps, unless the run is to stop.
pub(crate) async fn sleep(env: &Env, d: Duration) -> Result<()> {
    tokio::select! {
        () = tokio::time::sleep(d) => Ok(()),
        () = env.stop.wanted() => Err(Error::Interrupted),
    }
}

/// It is broken, with what repairs it, or what making it again would lose.
pub(crate) fn broken<R: Resource>(it: &R, cx: &Cx<'_>, why: &str) -> Error {
    Error::Broken { key: cx.key.clone(), why: why.into(), repair: it.repair(cx, why), loses: R::LOSES }
}

/// Looks again and again until the goal is met.
pub(crate) async fn until<R: Resource>(
    it: &R,
    cx: &Cx<'_>,
    goal: Goal<'_, R>,
    typical: Duration,
) -> Result<Option<Found<R>>> {
    look_until(it, cx, goal, typical, Instant::now(), R::PATIENCE).await
}

/// The same within the time that all stages of an update have together, which began at `since`.
pub(crate) async fn until_within<R: Resource>(
    it: &R,
    cx: &Cx<'_>,
    goal: Goal<'_, R>,
    typical: Duration,
    since: Instant,
) -> Result<Option<Found<R>>> {
    look_until(it, cx, goal, typical, since, stages::<R>(cx)).await
}

/// A moment between two stages; an error when the time for all of them is over.
pub(crate) async fn next_stage<R: Resource>(_: &R, cx: &Cx<'_>, since: Instant) -> Result<()> {
    let waited = since.elapsed();
    if waited > stages::<R>(cx) {
        return Err(Error::StillBusy { key: cx.key.clone(), last: "between two stages".into(), waited });
    }
    sleep(cx.env, cx.env.pace.pause(waited, Duration::ZERO, cx.env.strain.get())).await
}

/// What is waited for between stages takes as long as this world makes it take.
fn stages<R: Resource>(cx: &Cx<'_>) -> Duration {
    cx.env.pace.of(R::PATIENCE).max(Duration::from_secs(30))
}

async fn look_until<R: Resource>(
    it: &R,
    cx: &Cx<'_>,
    goal: Goal<'_, R>,
    typical: Duration,
    start: Instant,
    patience: Duration,
) -> Result<Option<Found<R>>> {
    let mut said = None;
    loop {
        let found = it.find(cx).await?;
        // AWS answers again: back to the usual pauses, step by step.
        cx.env.strain.set(1.0 + (cx.env.strain.get() - 1.0) * 0.8);
        let phase = match (&found, &goal) {
            (None, Goal::Gone(_) | Goal::Settled) => return Ok(None),
            (Some(f), Goal::Gone(id)) if f.id != *id => return Ok(None),
            (None, Goal::Matching(_)) => "not visible yet".to_owned(),
            (Some(f), goal) => match (&f.phase, goal) {
                (Phase::Ready | Phase::Broken(_), Goal::Settled) => return Ok(found),
                (Phase::Ready, Goal::Matching(want)) => match Diff::between(&f.spec, want).0.first() {
                    None => return Ok(found),
                    Some(field) => format!("{} not settled", field.path),
                },
                (Phase::Ready, Goal::Gone(_)) => "still there".into(),
                (Phase::Broken(why), Goal::Matching(_)) => {
                    return Err(broken(it, cx, why));
                }
                (Phase::Broken(s) | Phase::Busy(s), _) => s.clone(),
                (Phase::Deleting, _) => "deleting".into(),
            },
        };
        let waited = start.elapsed();
        if waited > patience {
            return Err(Error::StillBusy { key: cx.key.clone(), last: phase, waited });
        }
        if said.as_ref() != Some(&phase) {
            cx.env.events.say(Event::Waiting { key: cx.key.clone(), phase: phase.clone() });
            said = Some(phase);
        }
        sleep(cx.env, cx.env.pace.pause(waited, typical, cx.env.strain.get())).await?;
    }
}

/// Tries of one step: exponential back-off with full jitter, and a budget.
#[derive(Default)]
pub(crate) struct Tries {
    count: u32,
    /// The first failure of this streak, and the last.
    streak: Option<(Instant, Instant)>,
}

/// After this long without a failure, the next one is the first of a new streak.
const STREAK: Duration = Duration::from_secs(30);

/// How long a step may go on trying. IAM needs up to two minutes to be visible to EC2 [AWS 4.7]. What is in the
/// wrong state for a change may be in the middle of another, which takes as long as any.
fn budget(class: Class, patience: Duration) -> Duration {
    match class {
        Class::NotYetVisible => Duration::from_secs(150),
        Class::WrongState | Class::InUse => patience.max(Duration::from_secs(300)),
        _ => Duration::from_secs(300),
    }
}

impl Tries {
    /// Sleeps before the next try; gives the error back when it does not pass or the budget is spent.
    pub async fn again<R: Resource>(&mut self, _: &R, cx: &Cx<'_>, error: Error) -> Result<()> {
        // What is in use for a change is so for a while: a deletion has to ask who holds it, and never comes here.
        let passes = |c: &Class| c.passes() || *c == Class::InUse;
        let Some(class) = error.class().filter(passes) else { return Err(error) };
        let now = Instant::now();
        let first = match self.streak {
            Some((first, last)) if now - last < STREAK => first,
            _ => {
                self.count = 0;
                now
            }
        };
        self.streak = Some((first, now));
        if now - first > budget(class, R::PATIENCE) {
            return Err(error);
        }
        let throttled = class == Class::Throttled;
        if throttled {
            cx.env.strain.set((cx.env.strain.get() * 1.5).min(8.0));
        }
        let most = Duration::from_millis(500).mul_f64(2f64.powi(self.count.min(5) as i32)).min(Duration::from_secs(10));
        let pause = cx
            .env
            .pace
            .of(most.mul_f64(if cx.env.pace.jitter { 0.5 + 0.5 * fastrand::f64() } else { 1.0 }))
            .max(Duration::from_millis(50));
        self.count += 1;
        cx.env.events.say(Event::Retrying {
            key: cx.key.clone(),
            code: error.code(),
            error: error.to_string(),
            throttled,
            pause: pause.as_secs_f64(),
        });
        sleep(cx.env, pause).await
    }
}
