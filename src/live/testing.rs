//! Rounds for tests: five minutes of a stack that serves, and what can happen to it.
use super::{Cost, LiveState, Metric, Metrics, Round, Series, Trouble, TroubleKind, clock::Times};
use crate::{
    parts::{
        balancer::measure as balancer, cache::measure as cache, database::measure as database,
        service::measure as service,
    },
    snapshot::{Answer, Sibling, Snapshot, Target},
    verdict::Judged,
};
use jiff::{SignedDuration, Timestamp};

/// Returns the snapshot of a stack without a problem.
pub(crate) fn unbroken() -> Snapshot {
    let text = include_str!("../../tests/fixtures/why/unbroken.json");
    Snapshot::from_json(text).expect("the fixture is a snapshot")
}

/// Returns the snapshot of a stack whose listener was deleted.
pub(crate) fn listener_deleted() -> Snapshot {
    let text = include_str!("../../tests/fixtures/why/listener-deleted.json");
    Snapshot::from_json(text).expect("the fixture is a snapshot")
}

/// Returns the start of the test: 10:00 of the day.
pub(crate) fn start() -> Timestamp {
    "2026-11-21T10:00:00Z".parse().expect("it is a time")
}

/// Returns the time so many seconds after the start.
pub(crate) fn after(seconds: i64) -> Timestamp {
    start() + SignedDuration::from_secs(seconds)
}

/// Returns a round with a look.
pub(crate) fn looked(at: i64, snapshot: Snapshot) -> Round {
    looked_at_all(at, [snapshot])
}

/// Returns a round with a look at several services.
pub(crate) fn looked_at_all(at: i64, snapshots: impl IntoIterator<Item = Snapshot>) -> Round {
    let all = snapshots.into_iter().map(|snapshot| Snapshot { at: after(at), ..snapshot });
    Round { services: Judged::all(all.collect()), ..Round::at(after(at)) }
}

/// Returns the snapshot of one of two services, `root` and `lookup`.
pub(crate) fn of_service(name: &str, mut snapshot: Snapshot) -> Snapshot {
    let sibling = if name == "root" { "lookup" } else { "root" };
    snapshot.whose.service = name.into();
    snapshot.expected.own.siblings = vec![Sibling { target_group: sibling.into(), auto_scaling_group: sibling.into() }];
    snapshot
}

/// Returns a round with an answer from outside.
pub(crate) fn answered(at: i64, status: Option<u16>, millis: u64) -> Round {
    let error = status.is_none().then(|| "connection refused".to_owned());
    let answer = Answer { address: "198.51.100.21".into(), status, error, millis, beacon: None, ..Answer::default() };
    Round { answer: Some(answer), ..Round::at(after(at)) }
}

/// Returns a round with the health of these targets.
pub(crate) fn health(at: i64, states: &[(&str, &str)]) -> Round {
    let target = |(id, state): &(&str, &str)| Target {
        id: (*id).into(),
        port: 80,
        state: (*state).into(),
        description: (*state == "unhealthy").then(|| "Health checks failed with these codes: [503]".into()),
        ..Target::default()
    };
    Round { targets: Some(states.iter().map(target).collect()), ..Round::at(after(at)) }
}

/// Returns a round in which AWS could not be asked.
pub(crate) fn lost(at: i64, kind: TroubleKind, said: &str) -> Round {
    Round { trouble: Some(Trouble { kind, said: said.into() }), ..Round::at(after(at)) }
}

/// Returns a round with an hour of metrics.
pub(crate) fn metrics(at: i64) -> Round {
    let minute = after(at).as_second() / 60 * 60;
    let wave = |n: i64, base: f64, swing: f64| base + swing * ((n % 12) as f64 - 6.0).abs() / 6.0;
    let series = |base: f64, swing: f64| (0..60).map(|n| (minute - 60 * n, wave(n, base, swing))).collect::<Series>();
    let all = [
        (Metric::from(&balancer::REQUESTS), series(1500.0, 400.0)),
        (Metric::Of("good"), series(1490.0, 380.0)),
        (Metric::from(&balancer::TARGET_5XX), series(0.0, 9.0)),
        (Metric::from(&balancer::P50), series(0.03, 0.01)),
        (Metric::from(&balancer::P90), series(0.08, 0.04)),
        (Metric::from(&balancer::P99), series(0.2, 0.1)),
        (Metric::from(&service::CPU), series(20.0, 30.0)),
        (Metric::from(&database::CPU), series(15.0, 20.0)),
        (Metric::from(&database::CONNECTIONS), series(10.0, 4.0)),
        (Metric::from(&cache::CPU), series(3.0, 4.0)),
        (Metric::from(&cache::HITS), series(900.0, 0.0)),
        (Metric::from(&cache::MISSES), series(100.0, 0.0)),
        (Metric::Zone(0), series(800.0, 0.0)),
        (Metric::Zone(1), series(700.0, 0.0)),
    ];
    Round { metrics: Some(Metrics(all.into())), ..Round::at(after(at)) }
}

/// Returns the state after five minutes of serving, with traffic, cost and a little history.
pub(crate) fn serving() -> LiveState {
    let mut state = LiveState::new(start(), Times { traffic_at: Some(after(-1260)), scale: 1.0, ..Times::default() });
    state.fold(looked(0, unbroken()));
    state.fold(health(20, &[("i-0aaaaaaaaaaaaaaa1", "healthy"), ("i-0bbbbbbbbbbbbbbb2", "unhealthy")]));
    state.fold(health(60, &[("i-0aaaaaaaaaaaaaaa1", "healthy"), ("i-0bbbbbbbbbbbbbbb2", "healthy")]));
    for second in 61..300 {
        state.fold(answered(second, Some(if second == 200 { 503 } else { 200 }), 20 + (second as u64 * 7) % 30));
    }
    state.fold(metrics(298));
    let cost = Cost { unit: "$".into(), per_hour: 0.0981, for_event: 0.55, hours: 5.6, one_more_per_minute: 0.000_3 };
    state.fold(Round { cost: Some(cost), ..Round::at(after(299)) });
    state.fold(health(299, &[("i-0aaaaaaaaaaaaaaa1", "healthy"), ("i-0bbbbbbbbbbbbbbb2", "healthy")]));
    state.now = after(301);
    state.rate = 17;
    state
}
