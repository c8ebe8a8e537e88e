//! Rounds for tests: five minutes of a stack that serves, and what can befall it.
use super::{Cost, Metric, Metrics, Round, Series, State, Trouble, TroubleKind, clock::Times};
use crate::snapshot::{Answer, Snapshot, Target};
use jiff::{SignedDuration, Timestamp};

pub fn unbroken() -> Snapshot {
    let text = include_str!("../../tests/fixtures/why/unbroken.json");
    Snapshot::from_json(text).expect("the fixture is a snapshot")
}

pub fn listener_deleted() -> Snapshot {
    let text = include_str!("../../tests/fixtures/why/listener-deleted.json");
    Snapshot::from_json(text).expect("the fixture is a snapshot")
}

/// 10:00 of the day.
pub fn start() -> Timestamp {
    "2026-11-21T10:00:00Z".parse().expect("it is a time")
}

pub fn after(seconds: i64) -> Timestamp {
    start() + SignedDuration::from_secs(seconds)
}

pub fn looked(at: i64, snapshot: Snapshot) -> Round {
    Round { snapshot: Some(Box::new(Snapshot { at: after(at), ..snapshot })), ..Round::at(after(at)) }
}

pub fn answered(at: i64, status: Option<u16>, millis: u64) -> Round {
    let error = status.is_none().then(|| "connection refused".to_owned());
    let answer = Answer { address: "198.51.100.21".into(), status, error, millis, beacon: None };
    Round { answer: Some(answer), ..Round::at(after(at)) }
}

pub fn health(at: i64, states: &[(&str, &str)]) -> Round {
    let target = |(id, state): &(&str, &str)| Target {
        id: (*id).into(),
        port: 80,
        state: (*state).into(),
        description: (*state == "unhealthy").then(|| "Health checks failed with these codes: [503]".into()),
        ..Target::default()
    };
    Round { targets: Some(states.iter().map(target).collect()), ..Round::at(after(at)) }
}

pub fn lost(at: i64, kind: TroubleKind, said: &str) -> Round {
    Round { trouble: Some(Trouble { kind, said: said.into() }), ..Round::at(after(at)) }
}

pub fn metrics(at: i64) -> Round {
    let minute = after(at).as_second() / 60 * 60;
    let wave = |n: i64, base: f64, swing: f64| base + swing * ((n % 12) as f64 - 6.0).abs() / 6.0;
    let series = |base: f64, swing: f64| (0..60).map(|n| (minute - 60 * n, wave(n, base, swing))).collect::<Series>();
    let all = [
        (Metric::Requests, series(1500.0, 400.0)),
        (Metric::Good, series(1490.0, 380.0)),
        (Metric::Target5xx, series(0.0, 9.0)),
        (Metric::P50, series(0.03, 0.01)),
        (Metric::P90, series(0.08, 0.04)),
        (Metric::P99, series(0.2, 0.1)),
        (Metric::FleetCpu, series(20.0, 30.0)),
        (Metric::DatabaseCpu, series(15.0, 20.0)),
        (Metric::DatabaseConnections, series(10.0, 4.0)),
        (Metric::CacheCpu, series(3.0, 4.0)),
        (Metric::CacheHits, series(900.0, 0.0)),
        (Metric::CacheMisses, series(100.0, 0.0)),
        (Metric::Zone(0), series(800.0, 0.0)),
        (Metric::Zone(1), series(700.0, 0.0)),
    ];
    Round { metrics: Some(Metrics(all.into())), ..Round::at(after(at)) }
}

/// Five minutes of it, with traffic, cost and a little history.
pub fn serving() -> State {
    let mut state = State::new(start(), Times { traffic_at: Some(after(-1260)), scale: 1.0, ..Times::default() });
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
