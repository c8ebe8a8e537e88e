//! Who is at work on a stack: an advisory lease in the account.
//!
//! The lease is an SSM parameter, because `PutParameter` without `Overwrite` is the one call that at most one of two
//! callers can win. Its holder renews it every few seconds; when it stands still for [`DEAD`] its holder is gone. The
//! steps are correct without it: an account that forbids SSM simply has no lease.
use crate::{
    aws::{
        Aws,
        note::{self, LEASE as NOTE},
    },
    config::Group,
    engine::Stop,
    error::{Class, Error, Result},
    output::style::clock,
    said,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// How often the holder says that it is alive.
const RENEW: Duration = Duration::from_secs(4);
/// A lease that stands still for this long belongs to nobody.
pub const DEAD: Duration = Duration::from_secs(13);
/// How long AWS may refuse it for a moment (throttling; a name that was deleted just now) before one works without.
const REFUSED: Duration = Duration::from_secs(40);
/// How long one waits for a name to become free before a word is said.
const QUIET: Duration = Duration::from_secs(3);
/// Between two tries to take it.
const PAUSE: Duration = Duration::from_millis(700);
/// More take-overs in a row than there ever are, more steps of a group, longer words than any of ours.
const MOST: usize = 1000;
/// No run takes longer.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Who holds it, for people to read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Holder {
    /// `anna@laptop`
    pub owner: String,
    pub verb: String,
    pub since: jiff::Timestamp,
    /// Tells two runs of the same person apart.
    pub run: String,
    /// How often the lease was taken over to come here. A renewal that was on its way when somebody took over puts the
    /// former holder's back: the higher number has it all the same.
    #[serde(default)]
    pub generation: usize,
    /// How far the run is, for those who look on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// How far a run is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps that are done, and all there are, by group.
    pub groups: BTreeMap<Group, (usize, usize)>,
    /// Seconds until the run is done.
    pub left_seconds: u64,
    pub waiting_for: Option<String>,
}

impl Progress {
    fn makes_sense(&self) -> bool {
        let word = self.waiting_for.as_ref().is_none_or(|key| key.len() <= MOST);
        let steps = self.groups.values().all(|(done, all)| done <= all && *all <= MOST);
        word && steps && self.left_seconds <= LONGEST.as_secs()
    }
}

impl Holder {
    pub fn me(verb: &str) -> Self {
        let var = |names: &[&str]| names.iter().find_map(|n| std::env::var(n).ok()).filter(|v| !v.is_empty());
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|h| h.trim().to_owned());
        let host = host.or_else(|| var(&["HOSTNAME", "COMPUTERNAME"])).unwrap_or_else(|| "somewhere".into());
        Self {
            owner: format!("{}@{host}", var(&["USER", "USERNAME", "LOGNAME"]).unwrap_or_else(|| "somebody".into())),
            verb: verb.into(),
            since: jiff::Timestamp::now(),
            run: format!("{:016x}", rand::random::<u64>()),
            generation: 0,
            progress: None,
        }
    }

    /// True if the run builds or repairs.
    pub fn builds(&self) -> bool {
        self.verb != TEARDOWN
    }

    /// Reads a lease. Whoever may write SSM parameters may write anything there: what no run of ours writes is nobody's.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let mut holder: Self = note::json(text)?;
        let words = [&holder.owner, &holder.verb, &holder.run];
        if holder.generation > MOST || words.iter().any(|word| word.len() > MOST) {
            return None;
        }
        holder.progress.take_if(|p| !p.makes_sense());
        Some(holder)
    }

    /// Whoever wrote a lease that is none of ours.
    fn unknown() -> Self {
        let [owner, verb] = ["somebody", "(unknown)"].map(Into::into);
        Self { owner, verb, since: jiff::Timestamp::now(), run: String::new(), generation: 0, progress: None }
    }

    /// Whether this one has the lease, and not the other. Of two who took over at the same moment, one has it.
    fn beats(&self, other: &Self) -> bool {
        (self.generation, &self.run) > (other.generation, &other.run)
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let since = Duration::try_from(jiff::Timestamp::now().duration_since(self.since)).unwrap_or_default();
        // Whoever may write the note wrote these.
        let [owner, verb] = [&self.owner, &self.verb].map(|text| said::words(text));
        // A clock that is wrong by years, or a lease that somebody made up.
        if since > LONGEST {
            return write!(f, "{owner} is running gameday {verb}");
        }
        write!(f, "{owner} has been running gameday {verb} for {}", clock(since))
    }
}

/// What to do when somebody else holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Taken {
    /// Say who it is, and leave.
    #[default]
    Refuse,
    Wait,
    Steal,
}

/// A lease that is held, or that this account does not let us have.
pub struct Lease {
    aws: Aws,
    me: Holder,
    held: bool,
    /// Somebody said that this run takes over. That holds for the whole run: whoever may write the lease could claim it
    /// again and again, and a claim that is honest looks the same. Of two who say it both go on: the steps are correct
    /// without a lease.
    stolen: bool,
    /// Nobody else is at work: it was free, or whoever had it is dead.
    alone: bool,
    /// Somebody else had it first.
    waited: bool,
}

/// The verb that takes a stack down.
pub const TEARDOWN: &str = "teardown";
/// A holder who has not renewed for this long is not at work any more, as far as one look can tell; clocks may differ.
const QUIET_FOR: Duration = Duration::from_secs(60);

/// Who holds the lease of a stack now, and the version of the parameter.
pub async fn holder(aws: &Aws, stack: &str) -> Result<Option<(Holder, i64)>> {
    let found = note::read(aws, stack, NOTE).await?;
    // What cannot be read is somebody's, too, until it stands still.
    Ok(found.map(|note| (Holder::of(&note.text).unwrap_or_else(Holder::unknown), note.version)))
}

/// Returns who is at work on a stack, by one look; `None` too where the account does not let us know.
pub async fn at_work(aws: &Aws, stack: &str) -> Option<Holder> {
    let notes = note::all(aws, stack).await.ok()?;
    let note = notes.get(NOTE)?;
    let silent = jiff::Timestamp::now().duration_since(note.written_at?).unsigned_abs();
    Holder::of(&note.text).filter(|_| silent < QUIET_FOR)
}

impl Lease {
    /// Goes without it: nobody is told, and nobody can stop the run.
    pub fn none(aws: &Aws, me: Holder) -> Self {
        Self { aws: aws.clone(), me, held: false, stolen: false, alone: false, waited: false }
    }

    /// Takes the lease. `say` is told whom it waits for.
    pub async fn take(aws: &Aws, stack: &str, me: Holder, taken: Taken, mut say: impl FnMut(&str)) -> Result<Self> {
        let mut lease = Self { stolen: taken == Taken::Steal, ..Self::none(aws, me) };
        let mut seen: Option<(i64, Instant)> = None;
        let mut said = false;
        let begun = Instant::now();
        loop {
            let there = match lease.put(stack, false).await {
                Ok(()) => return Ok(lease.hold(true)),
                Err(e) if e.class() == Some(Class::AlreadyExists) => {
                    lease.waited = taken != Taken::Steal;
                    holder(aws, stack).await
                }
                Err(e) => Err(e),
            };
            let (other, version) = match there {
                // The answer to our own call was lost.
                Ok(Some((other, _))) if other.run == lease.me.run => return Ok(lease.hold(true)),
                Ok(Some(there)) => there,
                // Whoever had it gave it back just now, and AWS may keep the name for half a minute.
                Ok(None) if begun.elapsed() < REFUSED => {
                    if begun.elapsed() > QUIET && !said {
                        say("the last run has just ended: AWS gives its lease free within 30 s");
                        said = true;
                    }
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Ok(None) => return Ok(lease),
                Err(e) if e.class().is_some_and(Class::passes) && begun.elapsed() < REFUSED => {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                // Without the right to it, or without SSM, one works without a lease.
                Err(e) if can_do_without(taken, &e) => {
                    if taken == Taken::Steal {
                        say(&format!("there is no lease to take over: {e}; this run goes on without one"));
                    }
                    return Ok(lease);
                }
                Err(e) => return Err(e),
            };
            // A holder that was killed renews no more: only standing still tells.
            let (alive, still) = match seen {
                Some((v, since)) if v == version => (false, since.elapsed()),
                Some(_) => (true, Duration::ZERO),
                None => (false, Duration::ZERO),
            };
            if seen.is_none_or(|(v, _)| v != version) {
                seen = Some((version, Instant::now()));
            }
            if taken == Taken::Steal || still > DEAD {
                lease.me.generation = other.generation.saturating_add(1);
                return match lease.put(stack, true).await {
                    Ok(()) => Ok(lease.hold(still > DEAD)),
                    Err(e) if can_do_without(taken, &e) => {
                        say(&format!("the lease cannot be taken over: {e}; this run goes on without one"));
                        Ok(lease)
                    }
                    Err(e) => Err(e),
                };
            }
            if taken == Taken::Refuse && alive {
                return Err(refused(&other));
            }
            if !said {
                say(&other.to_string());
                said = true;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn hold(mut self, alone: bool) -> Self {
        (self.held, self.alone) = (true, alone);
        self
    }

    /// Whether nobody else can be at work on the stack. Who has taken over is not alone until the other has stopped.
    pub fn is_alone(&self) -> bool {
        self.alone
    }

    /// True if somebody else was at work until now: what was planned before may be done, or undone.
    pub fn has_waited(&self) -> bool {
        self.waited
    }

    /// Renews the lease until it is dropped, with how far the run is; when somebody took it over, asks the run to stop and
    /// says who.
    pub async fn keep(
        &self,
        stack: &str,
        stop: &Stop,
        progress: impl Fn() -> Option<Progress>,
        mut say: impl FnMut(&Holder),
    ) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(RENEW).await;
            if !self.held {
                continue;
            }
            match holder(&self.aws, stack).await {
                Ok(Some((other, _))) if !self.stolen && other.beats(&self.me) => {
                    say(&other);
                    stop.request();
                    std::future::pending::<()>().await;
                }
                // What fails here is tried again in a moment; the steps themselves report a broken connection.
                _ => _ = self.write(stack, &Holder { progress: progress(), ..self.me.clone() }, true).await,
            }
        }
    }

    /// Gives it back.
    pub async fn release(self, stack: &str) {
        if self.held
            && let Ok(Some((holder, _))) = holder(&self.aws, stack).await
            && holder.run == self.me.run
        {
            // If this fails the lease dies by itself.
            let _ = note::delete(&self.aws, stack, NOTE).await;
        }
    }

    async fn put(&self, stack: &str, overwrite: bool) -> Result<()> {
        self.write(stack, &self.me, overwrite).await
    }

    async fn write(&self, stack: &str, holder: &Holder, overwrite: bool) -> Result<()> {
        let text = serde_json::to_string(holder).expect("a holder serialises");
        match overwrite {
            true => note::overwrite(&self.aws, stack, NOTE, text).await,
            false => note::create(&self.aws, stack, NOTE, text).await,
        }
    }
}

/// Whether one works without a lease that AWS does not give: without the right to it, without SSM, or where somebody has
/// made of it what nobody can overwrite.
fn can_do_without(taken: Taken, e: &Error) -> bool {
    let no = e.class().is_some_and(|c| c.passes() || matches!(c, Class::Denied | Class::Invalid));
    no || (taken == Taken::Steal && e.class() != Some(Class::Credentials))
}

fn refused(other: &Holder) -> Error {
    Error::other(
        format!("{other}"),
        "`gameday status` shows what happens; --wait waits until it is done, --steal takes over, --no-lease goes round it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_took_over_last_has_it_whatever_was_written_last() {
        let holder = |run: &str, generation| Holder { run: run.into(), generation, ..Holder::me("up") };
        let (first, second, third) = (holder("c", 0), holder("b", 1), holder("a", 1));
        assert!(second.beats(&first) && !first.beats(&second), "a late renewal of the first changes nothing");
        assert!(second.beats(&third) && !third.beats(&second), "of two at the same moment one has it");
        assert!(!first.beats(&first));
    }

    #[test]
    fn a_lease_that_no_run_writes_is_nobody_s() {
        let lease = |change: &dyn Fn(&mut serde_json::Value)| {
            let progress = Progress { groups: [(Group::Fleet, (1, 9))].into(), left_seconds: 60, waiting_for: None };
            let holder = Holder { progress: Some(progress), ..Holder::me("up") };
            let mut lease = serde_json::to_value(holder).unwrap();
            change(&mut lease);
            Holder::of(&lease.to_string())
        };
        assert!(lease(&|_| {}).is_some_and(|h| h.progress.is_some()));
        for generation in [u64::from(u32::MAX), u64::MAX, 1001] {
            assert_eq!(lease(&|l| l["generation"] = generation.into()), None);
        }
        assert_eq!(lease(&|l| l["generation"] = (-1).into()), None);
        assert_eq!(lease(&|l| l["owner"] = "x".repeat(1001).into()), None);
        assert_eq!(lease(&|l| l["more"] = "x".repeat(4096).into()), None, "larger than a parameter of ours");
        // How far it is is what makes no sense: the rest holds.
        for left in [86_401, u64::MAX] {
            assert!(lease(&|l| l["progress"]["left_seconds"] = left.into()).is_some_and(|h| h.progress.is_none()));
        }
        for steps in [[10, 9], [0, usize::MAX], [usize::MAX, usize::MAX]] {
            assert!(
                lease(&|l| l["progress"]["groups"]["fleet"] = steps.to_vec().into())
                    .is_some_and(|h| h.progress.is_none())
            );
        }
        for since in ["-009999-01-02T01:59:59Z", "9999-12-30T22:00:00Z", "2019-01-01T00:00:00Z"] {
            let said = lease(&|l| l["since"] = since.into()).unwrap().to_string();
            assert!(said.ends_with(" gameday up") || said.ends_with(" for 0 s"), "{said}");
        }
    }
}
