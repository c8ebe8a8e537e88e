//! The look itself: two rounds of calls, those of a round at once. A call that fails leaves a gap.
use super::{Balancer, Distribution, Expected, Gap, Part, Snapshot, TargetGroup, VERSION, Whose, probe, targets};
use crate::{
    aws::Aws,
    error::{Error, Result},
    parts::{self, Entry, tls},
};
use futures::future::join_all;
use jiff::Timestamp;
use std::{cell::RefCell, future::Future, time::Duration};
use tokio::time::Instant;

/// The question to the service from outside.
#[derive(Clone, Debug)]
pub enum Asking {
    /// Request this path of the balancer's own address.
    Path(String),
    /// Request this URL from the balancer, whatever the host's name resolves to.
    Host(String),
    /// Request this URL.
    Url(String),
    /// Request nothing, for the reason `why`. The path or URL in `at` still decides which rule is judged.
    Nothing { at: String, why: String },
}

/// The extent of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Everything that is needed to find out what is wrong.
    Path,
    /// The path and the latest activities of the Auto Scaling group, even if nothing is wrong with it: for the list of
    /// events.
    Events,
}

/// The longest that a look waits for one answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A look in progress: whose path is looked at, what is expected, and what was seen so far.
pub(crate) struct Look<'a> {
    pub aws: &'a Aws,
    pub whose: &'a Whose,
    pub expected: &'a Expected,
    pub depth: Depth,
    seen: RefCell<Snapshot>,
}

impl Look<'_> {
    /// Waits for the answer about one part of the look. Returns its value; on an error, keeps a gap and returns the
    /// default.
    pub(crate) async fn ask<T: Default>(&self, part: Part, call: &str, asked: impl Future<Output = Result<T>>) -> T {
        let late = || {
            Error::other(format!("no answer within {} s", PATIENCE.as_secs()), "check the network, and run it again")
        };
        let answer = tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(late()));
        answer.unwrap_or_else(|e| {
            self.keep(|s| s.gaps.push(Gap::new(part, call, &e)));
            T::default()
        })
    }

    /// Passes what was seen so far to `read`, and returns the result.
    pub(crate) fn seen<T>(&self, read: impl FnOnce(&Snapshot) -> T) -> T {
        read(&self.seen.borrow())
    }

    /// Adds to what was seen so far.
    pub(crate) fn keep(&self, write: impl FnOnce(&mut Snapshot)) {
        write(&mut self.seen.borrow_mut());
    }

    /// Returns the id of the VPC, once the first round has found it.
    pub(crate) fn vpc(&self) -> Option<String> {
        self.seen(|s| s.vpc_id().filter(|v| !v.is_empty()).map(str::to_owned))
    }
}

/// Reads the objects of one VPC from a shared listing.
macro_rules! listed {
    ($look:expr, $part:ident, $list:ident, $call:literal, $vpc:expr, $read:ident) => {
        $look.ask(Part::$part, $call, async {
            let all = listing::$list($look.aws).await?;
            let here = all.iter().filter(|it| it.vpc_id() == Some($vpc.as_ref())).cloned();
            Ok(here.map(|it| $read(it, $look.whose)).collect::<Vec<_>>())
        })
    };
}
pub(crate) use listed;

/// Looks at everything once. A look never fails: what could not be read is listed in `gaps`.
pub async fn gather(aws: &Aws, whose: Whose, expected: Expected, asking: &Asking, depth: Depth) -> Snapshot {
    let (calls, start) = (aws.calls.reads(), Instant::now());
    let seen = Snapshot { version: VERSION, whose: whose.clone(), expected: expected.clone(), ..Snapshot::default() };
    let look = Look { aws, whose: &whose, expected: &expected, depth, seen: RefCell::new(seen) };

    let round =
        |of: fn(&Entry) -> Option<parts::See>| join_all(parts::LIST.iter().filter_map(of).map(|see| see(&look)));
    // First the objects that are found by name or tag.
    round(|part| part.find).await;
    // Then the objects that are found by an id from the first round.
    let (balancer, address, instances) = look.seen(|s| {
        let instances = s.auto_scaling_group.as_ref().map_or(1, |g| g.members.len());
        (s.balancer.clone(), s.address().map(str::to_owned), instances)
    });
    let probe = async {
        if let Some(balancer) = &balancer {
            let host = expected.name().unwrap_or(&balancer.dns_name);
            tls::see::trust(aws, &balancer.arn, host, &expected).await;
        }
        probe::ask(&aws.network, asking, &expected, address.as_deref(), instances).await
    };
    let (_, probe) = futures::join!(round(|part| part.follow), Box::pin(probe));

    let mut seen = look.seen.into_inner();
    seen.gaps.sort_by_key(|g| g.part);
    Snapshot {
        at: Timestamp::now(),
        probe,
        calls: aws.calls.reads() - calls,
        millis: start.elapsed().as_millis() as u64,
        ..seen
    }
}

/// Looks only at what the verdict needs, with one call: for callers that poll it.
///
/// The look covers the targets' health and the answers from outside, for a balancer, a distribution and a target group
/// that are known already.
pub async fn verdict(
    aws: &Aws,
    whose: Whose,
    balancer: Balancer,
    cdn: Option<Distribution>,
    target_group: &str,
    expected: Expected,
    asking: &Asking,
) -> Snapshot {
    let each = expected.desired.try_into().unwrap_or(1);
    let (arn, dns_name) = (balancer.arn.clone(), balancer.dns_name.clone());
    let known = Snapshot { balancer: Some(balancer), cdn, expected, ..Snapshot::default() };
    let (targets, probe) = futures::join!(targets(aws, target_group), async {
        let host = known.expected.name().unwrap_or(&dns_name);
        tls::see::trust(aws, &arn, host, &known.expected).await;
        probe::ask(&aws.network, asking, &known.expected, known.address(), each).await
    });
    let (targets, gaps) = match targets {
        Ok(targets) => (targets, vec![]),
        Err(e) => (vec![], vec![Gap::new(Part::Targets, "DescribeTargetHealth", &e)]),
    };
    Snapshot {
        version: VERSION,
        at: Timestamp::now(),
        target_group: Some(TargetGroup { arn: target_group.into(), ..TargetGroup::default() }),
        targets,
        gaps,
        probe,
        whose,
        ..known
    }
}
