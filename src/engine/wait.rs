//! Waiting: how often to look, for how long, and how often to try again. The only place of the engine that sleeps.
use crate::{Class, Cx, Diff, Env, Error, Event, Found, Phase, Resource, Result};
use std::time::Duration;
use tokio::time::Instant;

/// The pace of the world, and of the looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Durations of this world over those of AWS: 1 on AWS, 0.05 in a sandbox at a twentieth.
    pub scale: f64,
    /// True if pauses vary by a fifth, so that many pollers do not march in step.
    pub jitter: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Self { scale: 1.0, jitter: true }
    }
}

impl Pace {
    /// Returns a duration of AWS as it is in this world.
    pub fn of(&self, d: Duration) -> Duration {
        d.mul_f64(self.scale)
    }

    /// Returns the pause before the next look.
    ///
    /// Pauses are short at first, and long while nothing can have happened yet. Then they are a hundredth of the time
    /// waited, so that a look is late by 1 % at most. `strain` is the factor by which they are longer because AWS
    /// throttles.
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

/// The goal of waiting.
pub(crate) enum Goal<'a, R: Resource> {
    /// Not busy and not being deleted.
    Settled,
    /// Ready and as wanted: RDS says `available` for a moment after a modify.
    Matching(&'a R::Spec),
    /// The object with this id is gone; another one can be in its place.
    Gone(&'a str),
}

/// Sleeps. Fails as soon as the run is to stop.
pub(crate) async fn sleep(env: &Env, d: Duration) -> Result<()> {
    tokio::select! {
        () = tokio::time::sleep(d) => Ok(()),
        () = env.stop.requested() => Err(Error::Interrupted),
    }
}

/// Returns the error for a broken object, with what repairs it, or what replacing it would lose.
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

/// Looks again and again, within the time that all stages of an update have together. The first one began at `since`.
pub(crate) async fn until_within<R: Resource>(
    it: &R,
    cx: &Cx<'_>,
    goal: Goal<'_, R>,
    typical: Duration,
    since: Instant,
) -> Result<Option<Found<R>>> {
    look_until(it, cx, goal, typical, since, patience_for_stages(cx, R::PATIENCE)).await
}

/// Pauses between two stages of an update. Fails when the time for all of them is over. The first one began at `since`.
pub(crate) async fn pause_between_stages(cx: &Cx<'_>, patience: Duration, since: Instant) -> Result<()> {
    let waited = since.elapsed();
    if waited > patience_for_stages(cx, patience) {
        return Err(Error::StillBusy { key: cx.key.clone(), last: "between two stages".into(), waited });
    }
    sleep(cx.env, cx.env.pace.pause(waited, Duration::ZERO, cx.env.run.strain())).await
}

/// Returns the time that all stages of an update have together. What happens between stages is as slow as this world
/// is.
fn patience_for_stages(cx: &Cx<'_>, patience: Duration) -> Duration {
    cx.env.pace.of(patience).max(Duration::from_secs(30))
}

async fn look_until<R: Resource>(
    it: &R,
    cx: &Cx<'_>,
    goal: Goal<'_, R>,
    typical: Duration,
    start: Instant,
    patience: Duration,
) -> Result<Option<Found<R>>> {
    let mut last_event = None;
    loop {
        let found = it.find(cx).await?;
        cx.env.run.relax();
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
        if last_event.as_ref() != Some(&phase) {
            cx.env.events.say(Event::Waiting { key: cx.key.clone(), phase: phase.clone() });
            last_event = Some(phase);
        }
        sleep(cx.env, cx.env.pace.pause(waited, typical, cx.env.run.strain())).await?;
    }
}

/// The pauses between the tries of one step: exponential back-off with full jitter, and a budget.
#[derive(Default)]
pub(crate) struct Backoff {
    count: u32,
    /// The first failure of this streak, and the last.
    streak: Option<(Instant, Instant)>,
}

/// After this long without a failure, the next one is the first of a new streak.
const STREAK: Duration = Duration::from_secs(30);

/// Returns how long a step can go on trying.
///
/// IAM needs up to two minutes to be visible to EC2 [AWS 4.7]. An object in the wrong state for a change can be
/// in the middle of another change, which takes as long as any.
fn budget(class: Class, patience: Duration) -> Duration {
    match class {
        Class::NotYetVisible => Duration::from_secs(150),
        Class::WrongState | Class::InUse => patience.max(Duration::from_secs(300)),
        _ => Duration::from_secs(300),
    }
}

impl Backoff {
    /// Sleeps before the next try. Returns the error if it does not pass or the budget is spent.
    pub(crate) async fn next_try(&mut self, cx: &Cx<'_>, patience: Duration, error: Error) -> Result<()> {
        // An object in use cannot be changed for a while. A deletion has to ask for the holders, and never comes here.
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
        if now - first > budget(class, patience) {
            return Err(error);
        }
        let throttled = class == Class::Throttled;
        if throttled {
            cx.env.run.tighten();
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
