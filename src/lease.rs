//! Who is at work on a stack: an advisory lease in the account.
//!
//! The lease is an SSM parameter, because `PutParameter` without `Overwrite` is the one call that at most one of two
//! callers can win. Its holder renews it every few seconds; when it stands still for [`DEAD`] its holder is gone. The
//! steps are correct without it: an account that forbids SSM simply has no lease.
use crate::{
    aws::{Aws, note},
    engine::Stop,
    error::{Class, Error, Result},
    output::style::clock,
    said,
    stack::Group,
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
    pub generation: u32,
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
        let since = jiff::Timestamp::now().duration_since(self.since).as_secs().max(0).unsigned_abs();
        let since = clock(Duration::from_secs(since));
        // Whoever may write the note wrote these.
        let [owner, verb] = [&self.owner, &self.verb].map(|text| said::words(text));
        write!(f, "{owner} has been running gameday {verb} for {since}")
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
    /// Nobody else is at work: it was free, or whoever had it is dead.
    alone: bool,
    /// Somebody else had it first.
    waited: bool,
}

/// Its note in the account.
const NOTE: &str = "lease";
/// The verb that takes a stack down.
pub const TEARDOWN: &str = "teardown";
/// A holder who has not renewed for this long is not at work any more, as far as one look can tell; clocks may differ.
const QUIET_FOR: Duration = Duration::from_secs(60);

/// Who holds the lease of a stack now, and the version of the parameter.
pub async fn holder(aws: &Aws, stack: &str) -> Result<Option<(Holder, i64)>> {
    let found = note::read(aws, stack, NOTE).await?;
    // What cannot be read is somebody's, too, until it stands still.
    let parsed = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Holder::unknown());
    Ok(found.map(|note| (parsed(&note.text), note.version)))
}

/// Returns who is at work on a stack, by one look; `None` too where the account does not let us know.
pub async fn at_work(aws: &Aws, stack: &str) -> Option<Holder> {
    let note = note::read(aws, stack, NOTE).await.ok()??;
    let silent = jiff::Timestamp::now().duration_since(note.written_at?).unsigned_abs();
    serde_json::from_str(&note.text).ok().filter(|_| silent < QUIET_FOR)
}

impl Lease {
    /// Takes the lease. `say` is told whom it waits for.
    pub async fn take(aws: &Aws, stack: &str, me: Holder, taken: Taken, mut say: impl FnMut(&str)) -> Result<Self> {
        let mut lease = Self { aws: aws.clone(), me, held: false, alone: false, waited: false };
        let mut seen: Option<(i64, Instant)> = None;
        let mut said = false;
        let begun = Instant::now();
        loop {
            let there = match lease.put(stack, false).await {
                Ok(()) => {
                    lease.waited = seen.is_some();
                    return Ok(lease.hold(true));
                }
                Err(e) if e.class() == Some(Class::AlreadyExists) => holder(aws, stack).await,
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
                Err(e) if e.class().is_some_and(|c| c.passes() || matches!(c, Class::Denied | Class::Invalid)) => {
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
                lease.me.generation = other.generation + 1;
                lease.put(stack, true).await?;
                return Ok(lease.hold(still > DEAD));
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
                Ok(Some((other, _))) if other.beats(&self.me) => {
                    say(&other);
                    stop.now();
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
        note::write(&self.aws, stack, NOTE, text, !overwrite).await
    }
}

fn refused(other: &Holder) -> Error {
    Error::other(
        format!("{other}"),
        "`gameday status` shows what happens; --wait waits until it is done, --steal takes over",
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
}
