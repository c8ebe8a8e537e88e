//! Tests of the model: events from rounds, verdicts, trouble, bounded memory.
use super::clock::{StepState, Times};
use super::{testing::*, *};
use crate::{
    engine::{Direction, Forecast},
    verdict::{Build, Verdict, Word},
};

fn state() -> LiveState {
    LiveState::new(start(), Times { scale: 1.0, ..Times::default() })
}

fn texts(events: &[Event]) -> Vec<String> {
    events.iter().map(|e| e.text.clone()).collect()
}

#[test]
fn the_first_look_is_no_event() {
    let mut s = state();
    assert_eq!(s.fold(looked(0, unbroken())), []);
    assert!(s.verdict.serving());
    assert_eq!(s.fold(looked(60, unbroken())), []);
}

#[test]
fn a_target_that_fails_and_comes_back_is_told() {
    let mut s = state();
    s.fold(looked(0, unbroken()));
    let (a, b) = ("i-0aaaaaaaaaaaaaaa1", "i-0bbbbbbbbbbbbbbb2");
    let news = s.fold(health(10, &[(a, "healthy"), (b, "unhealthy")]));
    let told = texts(&news);
    assert!(told[0].starts_with("i-0bbbbbbbbbbbbbbb2 unhealthy: Health checks failed"), "{told:?}");
    assert!(s.verdict.serving() && !s.chain.broken());
    let news = s.fold(health(20, &[(a, "unhealthy"), (b, "unhealthy")]));
    assert!(
        news.iter().any(|e| e.kind == EventKind::Verdict && e.text.starts_with("NOT SERVING (was AT RISK)")),
        "{news:?}"
    );
    let news = s.fold(health(30, &[(a, "healthy"), (b, "healthy")]));
    assert!(news.iter().any(|e| e.kind == EventKind::Verdict && e.good == Some(true)));
    assert_eq!(s.verdict_since, Some(after(30)));
    assert_eq!(s.fold(health(40, &[(a, "healthy"), (b, "healthy")])), []);
}

#[test]
fn instances_alarms_and_activities_are_told_in_words() {
    let mut s = state();
    s.fold(looked(0, unbroken()));
    let mut new = unbroken();
    let group = new.auto_scaling_group.as_mut().unwrap();
    group.members.remove(0);
    group.members.push(crate::snapshot::Member {
        id: "i-0new".into(),
        zone: "us-east-1a".into(),
        lifecycle: "Pending".into(),
        ..Default::default()
    });
    new.alarms.push(crate::snapshot::Alarm {
        name: "billing-target-5xx".into(),
        description: Some("the service answers 5xx".into()),
        ..Default::default()
    });
    new.activities.insert(0, crate::snapshot::Activity {
        start: after(50),
        status: "InProgress".into(),
        description: "Launching a new EC2 instance: i-0new".into(),
        cause: "At 2026-11-21T10:00:50Z an instance was started in response to a difference between desired and actual capacity, increasing the capacity from 1 to 2.".into(),
        ..Default::default()
    });
    let told = texts(&s.fold(looked(60, new)));
    for part in [
        "i-0new joined, us-east-1a (Pending)",
        "i-0aaaaaaaaaaaaaaa1 left, us-east-1a",
        "alarm billing-target-5xx: the service answers 5xx",
        "launching i-0new (capacity 1 → 2)",
    ] {
        assert!(told.iter().any(|t| t.starts_with(part)), "{part} in {told:#?}");
    }
    let told = texts(&s.fold(looked(120, unbroken())));
    assert!(told.iter().any(|t| t == "alarm billing-target-5xx has ended"), "{told:#?}");
}

#[test]
fn what_is_not_there_is_neither_broken_nor_fixed_and_costs_nothing() {
    let mut s = state();
    s.fold(Round { cost: Some(Cost::default()), ..looked(0, unbroken()) });
    assert!(s.cost.is_some());
    // A build makes the balancer long before the fleet: without a listener it is not yet a service.
    let mut begun = listener_deleted();
    begun.auto_scaling_group = None;
    let verdict = Verdict::of(&begun);
    assert_eq!(verdict.word(), Word::NotBuilt, "{verdict}");
    let build = Build { under_way: true, ..Build::default() };
    assert_eq!(verdict.with(build).word(), Word::Building);
    let gone = Snapshot { balancer: None, ..begun };
    let news = s.fold(looked(60, gone));
    assert_eq!((s.verdict.word(), s.cost.is_none()), (Word::NotBuilt, true), "{}", s.verdict);
    assert!(news.iter().any(|e| e.kind == EventKind::Verdict), "{news:#?}");
    let back = s.fold(looked(120, unbroken()));
    assert!(s.verdict.serving());
    assert!([news, back].iter().flatten().all(|e| e.kind != EventKind::Path));
}

#[test]
fn a_broken_hop_is_told_and_its_repair_too() {
    let mut s = state();
    s.fold(looked(0, unbroken()));
    let news = s.fold(looked(60, listener_deleted()));
    assert!(news.iter().any(|e| e.kind == EventKind::Path && e.text.starts_with("listener:")), "{news:#?}");
    let news = s.fold(looked(120, unbroken()));
    assert!(news.iter().any(|e| e.kind == EventKind::Path && e.good == Some(true)), "{news:#?}");
}

/// Returns a look at two services.
fn both(at: i64, lookup: Snapshot, root: Snapshot) -> Round {
    looked_at_all(at, [of_service("lookup", lookup), of_service("root", root)])
}

fn sick() -> Snapshot {
    let mut snapshot = unbroken();
    snapshot.targets.iter_mut().for_each(|target| target.state = "unhealthy".into());
    snapshot
}

const HEALTHY: [(&str, &str); 2] = [("i-0aaaaaaaaaaaaaaa1", "healthy"), ("i-0bbbbbbbbbbbbbbb2", "healthy")];

#[test]
fn the_worst_of_several_services_is_shown_and_events_name_theirs() {
    let mut s = state();
    assert_eq!(s.fold(both(0, unbroken(), unbroken())), []);
    assert_eq!(s.verdict.service, "lookup", "of equal ones the first");
    s.fold(answered(10, Some(200), 20));
    let news = s.fold(both(60, unbroken(), listener_deleted()));
    assert!(news.iter().any(|e| e.text.starts_with("NOT SERVING root (was SERVING)")), "{news:#?}");
    assert!(news.iter().any(|e| e.kind == EventKind::Path && e.text.starts_with("listener:")), "{news:#?}");
    assert_eq!((s.verdict.service.as_str(), s.verdict_since), ("root", Some(after(60))));
    assert_eq!((s.others[0].service(), s.latency().asked), ("lookup", 0), "the answer was that of lookup");
    let news = s.fold(both(120, sick(), unbroken()));
    assert!(news.iter().any(|e| e.text.starts_with("SERVING root (was NOT SERVING)")), "{news:#?}");
    assert_eq!((s.verdict.service.as_str(), s.verdict_since), ("lookup", Some(after(120))));
}

#[test]
fn between_two_looks_a_service_that_recovers_makes_room_for_the_worst() {
    let mut s = state();
    s.fold(both(0, sick(), sick()));
    assert_eq!(s.verdict.service, "lookup");
    let news = s.fold(health(10, &HEALTHY));
    assert!(news.iter().any(|e| e.text.starts_with("SERVING lookup (was NOT SERVING)")), "{news:#?}");
    assert_eq!((s.verdict.service.as_str(), s.verdict.word()), ("root", Word::NotServing));
    let late = Round { service: "lookup".into(), ..health(11, &HEALTHY) };
    assert_eq!((s.fold(late), s.verdict.word()), (vec![], Word::NotServing), "the health was asked of lookup");
}

#[test]
fn the_service_that_the_user_chooses_stays() {
    let mut s = state();
    s.show_next();
    assert_eq!(s.snapshot, None, "nothing was seen yet");
    s.fold(both(0, unbroken(), sick()));
    s.show_next();
    assert_eq!((s.verdict.service.as_str(), s.worst().service.as_str()), ("lookup", "root"));
    s.fold(both(60, unbroken(), sick()));
    assert_eq!((s.verdict.service.as_str(), s.verdict_since), ("lookup", Some(after(0))));
    s.show_next();
    assert_eq!((s.verdict.service.as_str(), s.verdict_since), ("root", Some(after(0))));
    s.fold(both(120, sick(), unbroken()));
    assert_eq!(s.verdict.service, "lookup", "the worst one was no choice");
}

#[test]
fn a_build_is_the_build_of_all_services() {
    let mut s = state();
    let gone = || Snapshot { balancer: None, auto_scaling_group: None, ..listener_deleted() };
    s.fold(both(0, gone(), gone()));
    assert_eq!((s.verdict.word(), s.others[0].verdict.word()), (Word::NotBuilt, Word::NotBuilt));
    let busy = Step { key: crate::engine::Key::new("vpc", "main"), state: StepState::Busy, usually: BOOT };
    let news = s.fold(Round { steps: Some(vec![busy]), ..Round::at(after(10)) });
    assert_eq!((s.verdict.word(), s.others[0].verdict.word()), (Word::Building, Word::Building));
    for name in ["lookup", "root"] {
        assert!(texts(&news).iter().any(|t| t.starts_with(&format!("BUILDING {name} (was NOT BUILT)"))), "{news:#?}");
    }
}

#[test]
fn one_lost_request_is_no_outage_but_two_of_three_are() {
    let mut s = state();
    s.fold(looked(0, unbroken()));
    for (at, status) in [(1, Some(200)), (2, Some(200)), (3, None), (4, Some(200))] {
        assert_eq!(s.fold(answered(at, status, 20)), [], "at {at}");
    }
    s.fold(answered(5, None, 5000));
    let news = s.fold(answered(6, None, 5000));
    assert!(!s.verdict.serving() || news.is_empty());
    s.fold(answered(7, None, 5000));
    assert!(!s.verdict.serving());
    assert_eq!(s.verdict.answer.as_ref().unwrap().error.as_deref(), Some("connection refused"));
}

#[test]
fn lost_credentials_keep_the_picture_and_its_age() {
    let mut s = state();
    s.fold(looked(0, unbroken()));
    let news = s.fold(lost(30, TroubleKind::Credentials, "ExpiredToken"));
    assert!(news[0].text.starts_with("the credentials are refused: renew them"), "{news:?}");
    assert_eq!(s.fold(lost(60, TroubleKind::Credentials, "ExpiredToken")), [], "said once");
    s.fold(answered(90, Some(200), 20));
    assert!(s.trouble.is_some(), "an answer from outside says nothing of AWS");
    assert_eq!((s.age(), s.verdict.serving()), (Some(90), true));
    let news = s.fold(looked(120, unbroken()));
    assert_eq!((news[0].text.as_str(), s.trouble.as_ref(), s.age()), ("AWS answers again", None, Some(0)));
}

#[test]
fn a_look_that_saw_nothing_does_not_wipe_the_picture() {
    let mut s = state();
    s.fold(looked(0, unbroken()));
    let gap = crate::snapshot::Gap {
        part: crate::snapshot::Part::Balancer,
        call: "DescribeLoadBalancers".into(),
        class: Some(Class::Lost),
        why: "dns error".into(),
        help: None,
    };
    s.fold(looked(60, Snapshot { gaps: vec![gap.clone(); 5], ..Snapshot::default() }));
    assert_eq!(s.trouble.as_ref().unwrap().kind, TroubleKind::Network);
    assert_eq!(s.snapshot.as_ref().unwrap().targets.len(), 2);
    // One service that fails is a gap, and does not make the whole look fail.
    s.fold(looked(120, Snapshot { gaps: vec![gap], ..unbroken() }));
    assert_eq!((&s.trouble, s.age()), (&None, Some(0)));
}

#[test]
fn percentiles_are_of_the_last_five_minutes() {
    let mut s = state();
    (0..600).for_each(|n| drop(s.fold(answered(n, Some(200), if n < 300 { 900 } else { 10 + n as u64 % 100 }))));
    let l = s.latency();
    assert!((299..=301).contains(&l.asked), "{l:?}");
    assert_eq!((l.failed, l.p50, l.p90, l.p99), (0, Some(60), Some(100), Some(109)), "{l:?}");
}

#[test]
fn five_hours_leave_the_memory_flat() {
    let mut s = state();
    let mut sizes = vec![];
    for second in 0..6 * 3600 {
        s.fold(answered(second, Some(if second % 50 < 25 { 200 } else { 503 }), 20));
        if second % 60 == 0 {
            s.fold(metrics(second));
            s.fold(looked(second, if second % 120 == 0 { unbroken() } else { listener_deleted() }));
        }
        if second >= 5 * 3600 && second % 600 == 0 {
            sizes.push((s.seconds.len(), s.minutes.len(), s.events.len()));
        }
    }
    assert!(s.told > 500, "there was something to forget: {}", s.told);
    sizes.dedup();
    assert_eq!(sizes, [(18_000, 14 * 300, 500)]);
}

/// Returns the clock of the example stack, `left` seconds before the first request and with these steps missing.
async fn clock(left: i64, missing: &[&str], serving: bool) -> Clock {
    use crate::{
        aws::{Aws, Target},
        config,
        facts::Facts,
        stack,
    };
    let loaded = config::load(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/billing-api.toml").as_ref()).unwrap();
    let facts = Facts::offline(&loaded.config);
    let aws = Aws::connect(&Target { region: "us-east-1".into(), ..Target::default() }).await;
    let graph = stack::wire(&loaded, &facts, &aws).map_err(|e| e.to_string()).unwrap().graph;
    let step = |n: &dyn crate::engine::Node| Step {
        key: n.key().clone(),
        state: if missing.contains(&n.key().as_str()) { StepState::Missing } else { StepState::Ready },
        usually: n.typical().create,
    };
    let mut times = Times {
        traffic_at: Some(after(left)),
        forecast: Some(Forecast::new(&graph, Direction::Forward)),
        scale: 1.0,
        multi_az: true,
        cache_nodes: 2,
        ..Times::default()
    };
    times.see(start(), graph.nodes().map(step).collect());
    times.clock(start(), serving)
}

#[tokio::test]
async fn the_clock_is_green_amber_red_and_proposes_cuts() {
    let c = clock(3600, &["cache/main"], false).await;
    assert_eq!((c.light, c.left_seconds, c.waiting_for.as_deref()), (Light::Green, Some(3600), Some("cache/main")));
    assert_eq!((c.eta_seconds, c.slack_seconds), (Some(455), Some(3145)));
    assert_eq!(clock(600, &["cache/main"], false).await.light, Light::Amber);
    let late = clock(300, &["cache/main", "database/main"], false).await;
    assert_eq!(late.light, Light::Red);
    assert_eq!(late.cuts.iter().map(|c| (c.what, c.gain_seconds)).collect::<Vec<_>>(), [("single-node cache", 70)]);
    assert_eq!(clock(-60, &[], true).await.light, Light::Green);
    assert_eq!(clock(-60, &[], false).await.light, Light::Red);
}
