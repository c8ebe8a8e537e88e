//! The advisory lease of a stack, which says who is at work on it.
//!
//! The lease is an SSM parameter, because `PutParameter` without `Overwrite` is the one call that at most one of two
//! callers can win. Its holder renews it every few seconds; one that is not renewed for [`DEAD`] is void. Steps are
//! correct without a lease, so an account that forbids SSM simply has none.
use crate::{
    aws::{
        Aws,
        note::{self, LEASE as NOTE, Note},
    },
    config::Group,
    engine::Stop,
    error::{Class, Error, Result},
    output::style::clock,
    said,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::LazyLock, time::Duration};
use tokio::time::Instant;

/// The interval of renewals.
const RENEW: Duration = Duration::from_secs(4);
/// How long a lease lives without renewal.
pub const DEAD: Duration = Duration::from_secs(13);
/// How long transient refusals by AWS are tolerated (throttling; a name that was just deleted) before the run goes on
/// without a lease.
const REFUSED: Duration = Duration::from_secs(40);
/// How long to wait silently for a name to become free.
const QUIET: Duration = Duration::from_secs(3);
/// The pause between attempts to take the lease.
const PAUSE: Duration = Duration::from_millis(700);
/// An upper limit of take-overs, of steps in a group and of the length of words in a real lease.
const MOST: usize = 1000;
/// The longest plausible run.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// The id of this run: a process is one run.
static RUN: LazyLock<String> = LazyLock::new(|| format!("{:016x}", rand::random::<u64>()));

/// The holder of a lease, for people to read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Holder {
    /// The user and the machine: `anna@laptop`.
    pub owner: String,
    /// The verb that runs.
    pub verb: String,
    /// The start of the run.
    pub since: jiff::Timestamp,
    /// Distinguishes runs of the same person.
    pub run: String,
    /// How often the lease was taken over.
    ///
    /// A renewal that was under way during a take-over restores the former holder's lease; the higher generation still
    /// wins.
    #[serde(default)]
    pub generation: usize,
    /// The progress of the run, for observers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// The progress of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The number of finished steps and of all steps, by group.
    pub groups: BTreeMap<Group, (usize, usize)>,
    /// The estimated seconds until the end.
    pub left_seconds: u64,
    /// The step that is waited for.
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
    /// Returns the holder for a run of this verb, by this user.
    pub fn me(verb: &str) -> Self {
        let var = |names: &[&str]| names.iter().find_map(|n| std::env::var(n).ok()).filter(|v| !v.is_empty());
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|h| h.trim().to_owned());
        let host = host.or_else(|| var(&["HOSTNAME", "COMPUTERNAME"])).unwrap_or_else(|| "somewhere".into());
        Self {
            owner: format!("{}@{host}", var(&["USER", "USERNAME", "LOGNAME"]).unwrap_or_else(|| "somebody".into())),
            verb: verb.into(),
            since: jiff::Timestamp::now(),
            run: RUN.clone(),
            generation: 0,
            progress: None,
        }
    }

    /// True if the run builds or repairs.
    pub fn builds(&self) -> bool {
        self.verb != TEARDOWN
    }

    /// Parses a lease. Everybody with the right to SSM can write one, so text that no run writes is rejected.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut holder: Self = note::json(text)?;
        let words = [&holder.owner, &holder.verb, &holder.run];
        if holder.generation > MOST || words.iter().any(|word| word.len() > MOST) {
            return None;
        }
        holder.progress.take_if(|p| !p.makes_sense());
        Some(holder)
    }

    /// Returns a stand-in for the author of an unreadable lease.
    fn unknown() -> Self {
        let [owner, verb] = ["somebody", "(unknown)"].map(Into::into);
        Self { owner, verb, since: jiff::Timestamp::now(), run: String::new(), generation: 0, progress: None }
    }

    /// True if this holder has the lease rather than the other. After simultaneous take-overs exactly one has it.
    fn beats(&self, other: &Self) -> bool {
        (self.generation, &self.run) > (other.generation, &other.run)
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let since = Duration::try_from(jiff::Timestamp::now().duration_since(self.since)).unwrap_or_default();
        // These texts are foreign.
        let [owner, verb] = [&self.owner, &self.verb].map(|text| said::words(text));
        // A clock that is years off, or a forged lease.
        if since > LONGEST {
            return write!(f, "{owner} is running gameday {verb}");
        }
        write!(f, "{owner} has been running gameday {verb} for {}", clock(since))
    }
}

/// What to do if somebody else holds the lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// Name the holder and give up.
    #[default]
    Refuse,
    /// Wait until the lease is free.
    Wait,
    /// Take the lease over.
    Steal,
}

/// A lease that is held, or a run without one because the account does not allow it.
pub struct Lease {
    aws: Aws,
    me: Holder,
    held: bool,
    /// True if the user said to take over, for the whole run.
    ///
    /// Everybody who can write the lease could claim it repeatedly, and an honest claim looks the same. If two users
    /// take over, both runs go on: steps are correct without a lease.
    stolen: bool,
    /// True if nobody else is at work: the lease was free, or its holder is dead.
    alone: bool,
    /// True if somebody else held it first.
    waited: bool,
}

/// The verb that deletes a stack.
pub const TEARDOWN: &str = "teardown";
/// How long a holder may be silent and still count as at work in a single look, allowing for different clocks.
const QUIET_FOR: Duration = Duration::from_secs(60);

/// Returns the holder of the lease of a stack, and the version of the parameter.
pub async fn holder(aws: &Aws, stack: &str) -> Result<Option<(Holder, i64)>> {
    let found = note::read(aws, stack, NOTE).await?;
    // An unreadable lease has a holder as well, until it is no longer renewed.
    Ok(found.map(|note| (Holder::parse(&note.text).unwrap_or_else(Holder::unknown), note.version)))
}

/// Returns who is at work on a stack, by one look. `None` also if the account does not allow it.
pub async fn at_work(aws: &Aws, stack: &str) -> Option<Holder> {
    let notes = note::all(aws, stack).await.ok()?;
    let note = notes.get(NOTE)?;
    Holder::parse(&note.text).filter(|_| is_fresh(note))
}

/// True if another run holds this lease and renews it.
pub fn is_renewed_by_other(lease: &Note) -> bool {
    is_fresh(lease) && Holder::parse(&lease.text).is_none_or(|holder| holder.run != *RUN)
}

fn is_fresh(lease: &Note) -> bool {
    let silent = lease.written_at.map(|at| jiff::Timestamp::now().duration_since(at).unsigned_abs());
    silent.is_some_and(|silent| silent < QUIET_FOR)
}

impl Lease {
    /// Makes a run without a lease: others do not see it and cannot stop it.
    pub fn none(aws: &Aws, me: Holder) -> Self {
        Self { aws: aws.clone(), me, held: false, stolen: false, alone: false, waited: false }
    }

    /// Takes the lease. `say` gets the messages about waiting.
    pub async fn take(
        aws: &Aws,
        stack: &str,
        me: Holder,
        on_conflict: OnConflict,
        mut say: impl FnMut(&str),
    ) -> Result<Self> {
        let mut lease = Self { stolen: on_conflict == OnConflict::Steal, ..Self::none(aws, me) };
        let mut seen: Option<(i64, Instant)> = None;
        let mut said = false;
        let begun = Instant::now();
        loop {
            let there = match lease.put(stack, false).await {
                Ok(()) => return Ok(lease.hold(true)),
                Err(e) if e.class() == Some(Class::AlreadyExists) => {
                    lease.waited = on_conflict != OnConflict::Steal;
                    holder(aws, stack).await
                }
                Err(e) => Err(e),
            };
            let (other, version) = match there {
                // An earlier call of this run succeeded, but its answer was lost.
                Ok(Some((other, _))) if other.run == lease.me.run => return Ok(lease.hold(true)),
                Ok(Some(there)) => there,
                // The holder has just released it, and AWS may reserve the name for half a minute.
                Ok(None) if begun.elapsed() < REFUSED => {
                    if begun.elapsed() > QUIET && !said {
                        say("the last run has just ended: AWS frees its name within 30 s");
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
                // Without permission or SSM the run goes on without a lease.
                Err(e) if can_do_without(on_conflict, &e) => {
                    if on_conflict == OnConflict::Steal {
                        say(&format!("there is no lease to take over: {e}; this run goes on without one"));
                    }
                    return Ok(lease);
                }
                Err(e) => return Err(e),
            };
            // A killed holder stops renewing, which is the only sign.
            let (alive, still) = match seen {
                Some((v, since)) if v == version => (false, since.elapsed()),
                Some(_) => (true, Duration::ZERO),
                None => (false, Duration::ZERO),
            };
            if seen.is_none_or(|(v, _)| v != version) {
                seen = Some((version, Instant::now()));
            }
            if on_conflict == OnConflict::Steal || still > DEAD {
                lease.me.generation = other.generation.saturating_add(1);
                return match lease.put(stack, true).await {
                    Ok(()) => Ok(lease.hold(still > DEAD)),
                    Err(e) if can_do_without(on_conflict, &e) => {
                        say(&format!("the lease cannot be taken over: {e}; this run goes on without one"));
                        Ok(lease)
                    }
                    Err(e) => Err(e),
                };
            }
            if on_conflict == OnConflict::Refuse && alive {
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

    /// True if nobody else can be at work on the stack.
    ///
    /// After a take-over this is false, since the other run may not have stopped yet.
    pub fn is_alone(&self) -> bool {
        self.alone
    }

    /// True if somebody else was at work until now, so that earlier plans are outdated.
    pub fn has_waited(&self) -> bool {
        self.waited
    }

    /// Renews the lease with the progress until dropped.
    ///
    /// After a take-over by somebody else, passes the new holder to `say` and asks the run to stop.
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
                // A failure is retried in a moment; the steps report a broken connection.
                _ => _ = self.write(stack, &Holder { progress: progress(), ..self.me.clone() }, true).await,
            }
        }
    }

    /// Releases the lease.
    pub async fn release(self, stack: &str) {
        if self.held
            && let Ok(Some((holder, _))) = holder(&self.aws, stack).await
            && holder.run == self.me.run
        {
            // If this fails the lease expires.
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

/// True if the run can go on without a lease that AWS refuses: no permission, no SSM, or a parameter that cannot be
/// overwritten.
fn can_do_without(on_conflict: OnConflict, e: &Error) -> bool {
    let no = e.class().is_some_and(|c| c.passes() || matches!(c, Class::Denied | Class::Invalid));
    no || (on_conflict == OnConflict::Steal && e.class() != Some(Class::Credentials))
}

fn refused(other: &Holder) -> Error {
    Error::other(
        format!("{other}"),
        "`gameday status` shows what happens; --wait waits until it is done, --steal takes over, --no-lease ignores it",
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
            Holder::parse(&lease.to_string())
        };
        assert!(lease(&|_| {}).is_some_and(|h| h.progress.is_some()));
        for generation in [u64::from(u32::MAX), u64::MAX, 1001] {
            assert_eq!(lease(&|l| l["generation"] = generation.into()), None);
        }
        assert_eq!(lease(&|l| l["generation"] = (-1).into()), None);
        assert_eq!(lease(&|l| l["owner"] = "x".repeat(1001).into()), None);
        assert_eq!(lease(&|l| l["more"] = "x".repeat(note::LARGEST).into()), None, "larger than a parameter of ours");
        // Only the progress makes no sense; the rest holds.
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
