//! The wait for a good verdict.
use super::Verdict;
use crate::{diagnose::Finding, error::Result};
use std::time::Duration;
use tokio::time::Instant;

/// How many good answers in a row count as serving.
const IN_A_ROW: u32 = 3;
/// How many looks in a row have to see the same fault before the wait ends.
///
/// At the usual five seconds these take 40 seconds, because a group that was just attached has its instances registered
/// a while later.
const STANDS: u32 = 9;
/// How long the same fault has to last at least before the wait ends.
///
/// In the sandbox there are many looks a second, and its instances come and go as on AWS.
const GRACE: Duration = Duration::from_secs(3);

/// One look during a wait: the verdict and, while the service does not answer, the first fault.
#[derive(Clone, Debug, Default)]
pub struct Look {
    pub verdict: Verdict,
    pub wrong: Option<Finding>,
}

impl Look {
    /// Returns the worst of the looks at several services.
    pub fn worst(all: Vec<Self>) -> Self {
        // The first of equal ones.
        all.into_iter().rev().max_by_key(|look| look.verdict.word()).unwrap_or_default()
    }
}

/// Looks until the service answers several times in a row, or until waiting has no use.
///
/// The wait ends early on a fault that does not pass by itself, and when patience ends. Returns the last look.
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
        // A look that the account denies now is denied later, too.
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
    use super::{super::tests::verdict, *};
    use crate::diagnose::{HopName, Severity};

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

    /// Returns the seconds of a wait in which these looks come, and then the last of them again and again.
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
        assert_eq!(waits(std::slice::from_ref(&broken)).await, 40, "nine looks");
        assert_eq!(waits(&[booting.clone(), broken.clone(), booting.clone(), broken.clone()]).await, 55, "in a row");
        assert!(waits(&[booting]).await >= 900, "what passes has all the time there is");
        assert!(waits(&[retried]).await >= 900);
        assert!(waits(&[Look::default()]).await >= 900, "nothing is known to be wrong");
    }
}
