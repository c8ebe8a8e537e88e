//! The laws of the engine, on a cloud that lives in memory and with a paused clock.
use crate::testing::*;
use crate::*;
use proptest::prelude::*;
use serde::Serialize;
use std::{cell::RefCell, rc::Rc, time::Duration};
use tokio::time::Instant;

/// net ← (db slow, fs ← alarm) ← web
fn stack(w: &World) -> Graph {
    sized(w, 5)
}
fn sized(w: &World, db_size: u32) -> Graph {
    let mut g = Graph::default();
    let thing = |size, links: &[&Ref<Thing>], seconds| Thing {
        world: w.clone(),
        size,
        links: links.iter().map(|&l| l.clone()).collect(),
        slow: Typical::secs(seconds, 1, seconds),
    };
    let net = g.add("net", thing(1, &[], 0));
    let db = g.add("db", thing(db_size, &[&net], 300));
    let fs = g.add("fs", thing(2, &[&net], 10));
    g.add("alarm", thing(1, &[&fs], 0));
    g.add("web", thing(3, &[&db, &fs], 20));
    g
}
const CREATES: [&str; 5] = ["create alarm", "create db", "create fs", "create net", "create web"];
const DELETES: [&str; 5] = ["delete alarm", "delete db", "delete fs", "delete net", "delete web"];

fn env() -> Env {
    Env::new("t", Events::silent())
}
fn listening() -> (Env, Rc<RefCell<Vec<Event>>>) {
    let seen = Rc::new(RefCell::new(vec![]));
    let s = seen.clone();
    (Env::new("t", Events::new(move |e| s.borrow_mut().push(e))), seen)
}
fn words(r: &Report<Change>) -> Vec<String> {
    r.0.iter()
        .map(|(k, v)| {
            let what = match v {
                Visit::Done(c) => c.word(),
                Visit::Failed(_) => "failed",
                Visit::Skipped(_) => "skipped",
                Visit::NotStarted => "not started",
            };
            format!("{} {what}", k.name())
        })
        .collect()
}
fn sorted(mut v: Vec<String>) -> Vec<String> {
    v.sort();
    v
}
/// Each object exists exactly once and is as wanted; taking it down leaves nothing.
async fn whole(w: &World) {
    assert_eq!(sorted(w.names()), ["t-alarm", "t-db", "t-fs", "t-net", "t-web"]);
    let p = plan(&stack(w), &env()).await;
    assert!(p.done().all(|(_, c)| c.is_none()) && p.all_done(), "{:?}", words(&p));
}

#[tokio::test(start_paused = true)]
async fn law_1_a_plan_touches_nothing_and_names_what_is_not_known_yet() {
    let w = World::default();
    let p = plan(&stack(&w), &env()).await;
    let web = p.done().last().unwrap().1;
    assert_eq!(
        serde_json::to_string(web).unwrap(),
        r#"{"change":"create","spec":{"size":3,"links":["(known after thing/db)","(known after thing/fs)"]}}"#
    );
    assert!(w.log().is_empty() && w.names().is_empty());
}

#[tokio::test(start_paused = true)]
async fn law_2_twice_is_once() {
    let w = World::default();
    assert!(up(&stack(&w), &env()).await.all_done());
    w.log();
    whole(&w).await;
    let again = up(&stack(&w), &env()).await;
    assert!(again.done().all(|(_, c)| c.is_none()));
    assert!(w.log().is_empty());
}

#[tokio::test(start_paused = true)]
async fn law_3_a_step_starts_when_its_needs_are_done() {
    let w = World::default();
    let (env, seen) = listening();
    up(&stack(&w), &env).await;
    let seen = seen.borrow();
    let at = |f: &dyn Fn(&Event) -> bool| seen.iter().position(f).unwrap();
    let done = |n: &str| at(&|e| matches!(e, Event::Done { key, .. } if key.name() == n));
    let started = |n: &str| at(&|e| matches!(e, Event::Started { key } if key.name() == n));
    assert!(done("net") < started("db") && done("fs") < started("alarm") && done("db") < started("web"));
    assert!(done("alarm") < done("db"), "a step does not wait for what it does not need");
    assert!(started("db") < started("fs"), "the longest path goes first");
}

#[tokio::test(start_paused = true)]
async fn law_3_wall_time_is_the_critical_path() {
    let w = World::default();
    let t = Instant::now();
    up(&stack(&w), &env()).await;
    let critical = 300.0 + 20.0;
    assert!(t.elapsed().as_secs_f64() < critical * 1.02 + 1.0, "{:?}", t.elapsed());
    let t = Instant::now();
    teardown(&stack(&w), &env()).await;
    assert!(t.elapsed().as_secs_f64() < critical * 1.02 + 2.0, "{:?}", t.elapsed());
}

#[tokio::test(start_paused = true)]
async fn law_4_drift_is_shown_and_repaired() {
    let w = World::default();
    up(&stack(&w), &env()).await;
    w.log();
    w.meddle("t-db", |o| o.size = 9);
    let p = plan(&stack(&w), &env()).await;
    assert_eq!(
        serde_json::to_string(
            p.0[1..2]
                .iter()
                .map(|(_, v)| v)
                .map(|v| match v {
                    Visit::Done(c) => c,
                    _ => panic!(),
                })
                .next()
                .unwrap()
        )
        .unwrap(),
        r#"{"change":"update","diff":[{"path":"size","found":9,"want":5}]}"#
    );
    up(&stack(&w), &env()).await;
    assert_eq!(w.log(), ["update db"]);

    w.meddle("t-fs", |o| drop(o.tags.remove("gameday:step")));
    up(&stack(&w), &env()).await;
    assert_eq!(w.log(), ["tag fs"]);
    whole(&w).await;
}

#[tokio::test(start_paused = true)]
async fn law_4_what_disappears_is_made_again_and_what_is_fixed_is_refused_with_a_way_out() {
    let w = World::default();
    up(&stack(&w), &env()).await;
    w.log();
    w.lose("t-fs");
    // alarm and web read fs, whose id is not known now: the plan says so instead of guessing.
    let p = plan(&stack(&w), &env()).await;
    assert_eq!(words(&p), ["net none", "db none", "fs create", "alarm refuse", "web refuse"]);
    let r = up(&stack(&w), &env()).await;
    let errors: Vec<_> = r.failed().map(|(_, e)| (e.to_string(), e.help().unwrap())).collect();
    assert_eq!(errors.len(), 2);
    assert_eq!(errors[0].0, "thing/alarm cannot change links in place");
    assert!(errors[0].1.contains("--replace thing/alarm"));
    assert_eq!(w.log(), ["create fs"]);

    let mut insist = env();
    insist.replace = ["thing/alarm".into(), "thing/web".into()].into();
    assert_eq!(
        words(&up(&stack(&w), &insist).await),
        ["net none", "db none", "fs none", "alarm replace", "web replace"]
    );
    assert_eq!(sorted(w.log()), ["create alarm", "create web", "delete alarm", "delete web"]);
    whole(&w).await;
}

#[tokio::test(start_paused = true)]
async fn law_4_what_a_refused_step_is_needed_for_goes_on() {
    let w = World::default();
    up(&stack(&w), &env()).await;
    w.log();
    // Of fs a change is refused; web, which needs it, was lost.
    w.meddle("t-fs", |o| o.links = vec!["another".into()]);
    w.lose("t-web");
    let r = up(&stack(&w), &env()).await;
    assert_eq!(words(&r), ["net none", "db none", "fs failed", "alarm none", "web create"]);
    assert_eq!(w.log(), ["create web"]);
}

/// A name under `[names]` that is changed after its object was made.
#[tokio::test(start_paused = true)]
async fn law_4_another_name_is_refused_with_a_way_out_and_never_a_second_one() {
    let renamed = || {
        let mut env = env();
        env.names.insert("thing/web".into(), "t-web".into());
        env.renamed.insert("thing/web".into(), "site".into());
        env
    };
    let w = World::default();
    up(&stack(&w), &env()).await;
    w.log();
    assert_eq!(words(&plan(&stack(&w), &renamed()).await)[4], "web refuse");
    let r = up(&stack(&w), &renamed()).await;
    let (_, error) = r.failed().next().unwrap();
    assert_eq!(error.to_string(), "thing/web cannot change name in place");
    assert!(error.help().unwrap().contains("name = \"t-web\""), "{:?}", error.help());
    assert_eq!((w.log(), w.names().contains(&"t-web".into())), (vec![], true));

    let mut insist = renamed();
    insist.replace = ["thing/web".into()].into();
    assert_eq!(words(&up(&stack(&w), &insist).await)[4], "web replace");
    assert_eq!(w.log(), ["delete web", "create web"]);
    assert!(w.names().contains(&"site".into()) && !w.names().contains(&"t-web".into()), "{:?}", w.names());
    // What was only said to stand under the old name: the tags of what is gone are listed for a while.
    assert_eq!(words(&up(&stack(&w), &renamed()).await)[4], "web none");
    w.lose("site");
    assert_eq!(words(&up(&stack(&w), &renamed()).await)[4], "web create");
    assert!(w.names().contains(&"site".into()));
    assert!(teardown(&stack(&w), &renamed()).await.all_done());
    assert!(w.names().is_empty());
}

#[tokio::test(start_paused = true)]
async fn law_5_what_is_not_ours_is_never_touched() {
    let w = World::default();
    up(&stack(&w), &env()).await;
    w.log();
    for theirs in [None, Some("another")] {
        w.meddle("t-alarm", |o| {
            o.size = 77;
            o.tags.clear();
            o.tags.extend(theirs.map(|s| ("gameday:stack".to_owned(), s.to_owned())));
        });
        let r = up(&stack(&w), &env()).await;
        assert!(matches!(r.failed().next(), Some((_, Error::NotOurs { .. }))));
        // It refers to fs, which therefore cannot go: that is said, and all the rest is gone.
        let r = teardown(&stack(&w), &env()).await;
        assert!(matches!(r.failed().next(), Some((k, Error::Blocked { .. })) if k.name() == "fs"));
        assert_eq!(sorted(w.names()), ["t-alarm", "t-fs", "t-net"]);
        assert!(w.log().iter().all(|l| !l.ends_with("alarm")));
        up(&stack(&w), &env()).await;
    }
    // Unless told to adopt it.
    let mut env = env();
    env.proofs.get_mut().adopted = [("thing/alarm".into(), w.objects("t-alarm")[0].clone())].into();
    up(&stack(&w), &env).await;
    assert!(w.log().contains(&"tag alarm".to_owned()));
    whole(&w).await;
}

#[tokio::test(start_paused = true)]
async fn law_5_a_stack_under_another_tag_prefix_is_told_and_never_touched() {
    let under = |prefix: &str| Env { keys: TagKeys::new(prefix), ..env() };
    let w = World::default();
    up(&stack(&w), &under("event-")).await;
    w.meddle("t-net", |o| assert_eq!(o.tags["event-step"], "thing/net"));
    w.log();
    // The usual prefix, one of another sign, one that is equal but for capitals.
    for other in [TagKeys::USUAL, "event:", "Event-"] {
        let r = up(&stack(&w), &under(other)).await;
        let (_, error) = r.failed().next().expect("it stands under another prefix");
        assert!(
            matches!(error, Error::OtherPrefix { prefix, ours, .. } if prefix == "event-" && ours == other),
            "{error}"
        );
        assert!(error.help().is_some_and(|h| h.contains("tag_prefix = \"event-\"")), "{error}");
        assert!(!teardown(&stack(&w), &under(other)).await.all_done());
        assert_eq!(w.log(), Vec::<String>::new());
    }
    // Another stack's is a stranger's, whatever the prefix.
    w.meddle("t-net", |o| drop(o.tags.insert("event-stack".into(), "another".into())));
    let r = up(&stack(&w), &env()).await;
    assert!(r.failed().any(|(k, e)| k.name() == "net" && matches!(e, Error::NotOurs { .. })));
    w.meddle("t-net", |o| drop(o.tags.insert("event-stack".into(), env().stack)));
    assert!(up(&stack(&w), &under("event-")).await.all_done());
    assert!(teardown(&stack(&w), &under("event-")).await.all_done());
    assert!(w.names().is_empty());
}

#[tokio::test(start_paused = true)]
async fn law_5_what_is_used_is_read_but_never_changed_or_deleted() {
    let w = World::default();
    up(&stack(&w), &env()).await;
    w.log();
    let theirs = |size| {
        let mut g = Graph::default();
        let net = g.add_used("net", Thing { world: w.clone(), size, links: vec![], slow: Typical::secs(0, 0, 0) });
        g.add("extra", Thing { world: w.clone(), size: 1, links: vec![net], slow: Typical::secs(0, 0, 0) });
        g
    };
    w.meddle("t-net", |o| o.tags.clear());
    assert_eq!(words(&up(&theirs(99), &env()).await), ["net none", "extra create"]);
    assert!(teardown(&theirs(99), &env()).await.all_done());
    assert_eq!(w.log(), ["create extra", "delete extra"]);
    w.lose("t-net");
    let r = up(&theirs(1), &env()).await;
    assert!(matches!(r.failed().next(), Some((_, Error::Missing { .. }))));
    assert!(w.log().is_empty());
}

#[tokio::test(start_paused = true)]
async fn law_6_a_failure_stops_only_what_needs_it() {
    let w = World::default();
    let (env, seen) = listening();
    up(&stack(&w), &env).await;
    w.log();
    w.lose("t-fs");
    w.lose("t-alarm");
    w.lose("t-web");
    // find net, db, fs …: the fourth call is the create of fs.
    w.fail(3, Fault::Denied);
    seen.borrow_mut().clear();
    let r = up(&stack(&w), &env).await;
    assert_eq!(words(&r), ["net none", "db none", "fs failed", "alarm skipped", "web skipped"]);
    up(&stack(&w), &env).await;
    assert_eq!(sorted(w.log()), ["create alarm", "create fs", "create web"]);
}

#[tokio::test(start_paused = true)]
async fn law_7_wherever_a_run_is_cut_the_next_one_finishes_it() {
    for cut in (0..400).step_by(3) {
        let w = World::default();
        let _ = tokio::time::timeout(Duration::from_secs(cut), up(&stack(&w), &env())).await;
        assert!(up(&stack(&w), &env()).await.all_done());
        assert_eq!(sorted(w.log()), CREATES, "up cut at {cut} s");
        whole(&w).await;
        let _ = tokio::time::timeout(Duration::from_secs(cut), teardown(&stack(&w), &env())).await;
        assert!(teardown(&stack(&w), &env()).await.all_done());
        assert_eq!(sorted(w.log()), DELETES, "teardown cut at {cut} s");
        assert!(w.names().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn law_7_a_stop_starts_nothing_new_and_the_next_run_resumes() {
    let w = World::default();
    let env1 = env();
    let stop = env1.stop.clone();
    let g = stack(&w);
    let (r, ()) = tokio::join!(up(&g, &env1), async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        stop.now();
    });
    assert!(r.interrupted());
    assert_eq!(words(&r), ["net create", "db failed", "fs create", "alarm create", "web not started"]);
    assert!(up(&stack(&w), &env()).await.all_done());
    assert_eq!(sorted(w.log()), CREATES);
}

#[tokio::test(start_paused = true)]
async fn law_8_teardown_goes_backwards_twice_is_a_no_op_and_nothing_is_left() {
    let w = World::default();
    up(&stack(&w), &env()).await;
    w.log();
    assert!(teardown(&stack(&w), &env()).await.all_done());
    let log = w.log();
    let at = |s: &str| log.iter().position(|l| l == s).unwrap();
    assert!(at("delete web") < at("delete db") && at("delete db") < at("delete net"));
    assert!(at("delete alarm") < at("delete fs") && at("delete fs") < at("delete net"));
    assert!(w.names().is_empty());
    let again = teardown(&stack(&w), &env()).await;
    assert!(again.done().all(|(_, deleted)| !deleted));
    assert!(w.log().is_empty());
}

#[tokio::test(start_paused = true)]
async fn law_8_a_stranger_who_holds_something_is_named() {
    let w = World::default();
    up(&stack(&w), &env()).await;
    let mut g = Graph::default();
    let net = g.add_used("net", Thing { world: w.clone(), size: 1, links: vec![], slow: Typical::secs(0, 0, 0) });
    g.add("stranger", Thing { world: w.clone(), size: 1, links: vec![net], slow: Typical::secs(0, 0, 0) });
    up(&g, &Env::new("t", Events::silent())).await;
    w.log();
    let r = teardown(&stack(&w), &env()).await;
    let (key, error) = r.failed().next().unwrap();
    assert_eq!(key.as_str(), "thing/net");
    assert!(matches!(error, Error::Blocked { by, .. } if by == &["thing-6"]), "{error}");
    assert_eq!(w.names().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn law_10_what_is_in_use_for_a_change_is_changed_when_it_no_longer_is() {
    let w = World::default();
    up(&stack(&w), &env()).await;
    w.log();
    w.in_use_for(Duration::from_secs(200));
    let t = Instant::now();
    assert!(up(&sized(&w, 6), &env()).await.all_done());
    assert_eq!(w.log(), ["update db"]);
    let waited = t.elapsed();
    assert!(waited >= Duration::from_secs(200) && waited < Duration::from_secs(215), "{waited:?}");
    // What never lets go is said as what it is, and only after the kind's own patience.
    w.in_use_for(Duration::from_secs(24 * 3600));
    let r = up(&sized(&w, 7), &env()).await;
    let (key, error) = r.failed().next().unwrap();
    assert_eq!((key.as_str(), error.class()), ("thing/db", Some(Class::InUse)));
    assert!(error.help().unwrap().contains("remove what uses it"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn law_10_what_holds_a_deletion_is_asked_every_few_seconds_only() {
    let w = World::default();
    let mut g = Graph::default();
    let thing = |links: Vec<Ref<Thing>>| Thing { world: w.clone(), size: 1, links, slow: Typical::secs(0, 0, 0) };
    let net = g.add("net", thing(vec![]));
    let mut theirs = Graph::default();
    let used = theirs.add_used("net", thing(vec![]));
    theirs.add("stranger", thing(vec![used]));
    up(&g, &env()).await;
    up(&theirs, &env()).await;
    drop(net);
    w.on_its_way_out("t-stranger", Duration::from_secs(60));
    let (t, before) = (Instant::now(), w.calls());
    assert!(teardown(&g, &env()).await.all_done());
    let (waited, calls) = (t.elapsed(), w.calls() - before);
    assert!(waited >= Duration::from_secs(60) && waited < Duration::from_secs(66), "{waited:?}");
    // Each try is a deletion and a look.
    assert!(calls <= 2 * 32, "{calls} calls in {waited:?}");
}

/// Fails call `n` of a whole life in every way; whatever happens then, the next run makes it whole.
#[tokio::test(start_paused = true)]
async fn law_9_fail_each_call_in_turn_and_the_next_up_converges() {
    let w = World::default();
    up(&stack(&w), &env()).await;
    let (total, mut lives) = (w.calls(), 0);
    for fault in [Fault::Throttled, Fault::LostBefore, Fault::LostAfter, Fault::Denied] {
        for hidden in [0, 3] {
            for n in 0..total {
                let w = World::default();
                w.hide_fresh(Duration::from_secs(hidden));
                w.fail(n, fault);
                let first = up(&stack(&w), &env()).await;
                if fault != Fault::Denied {
                    assert!(first.all_done(), "{fault:?} at call {n}: {:?}", words(&first));
                }
                w.heal();
                // The next run begins some seconds later: a process has to start.
                tokio::time::sleep(Duration::from_secs(hidden)).await;
                assert!(up(&stack(&w), &env()).await.all_done(), "{fault:?} at call {n}");
                assert_eq!(sorted(w.log()), CREATES, "{fault:?} at call {n}, fresh hidden for {hidden} s");
                whole(&w).await;
                lives += 1;
            }
        }
    }
    assert!(lives > 400, "{lives}");
}

#[tokio::test(start_paused = true)]
async fn two_who_are_not_alone_make_each_once() {
    for late in 0..30 {
        let w = World::default();
        let run = async |after: u64| {
            tokio::time::sleep(Duration::from_millis(after * 37)).await;
            let env = env();
            env.alone.set(false);
            up(&stack(&w), &env).await
        };
        let (one, two) = futures::join!(run(0), run(late));
        assert!(one.all_done() && two.all_done(), "{late}: {:?} {:?}", words(&one), words(&two));
        // The twins that were deleted are listed for a while.
        tokio::time::sleep(Duration::from_secs(1000)).await;
        plan(&stack(&w), &env()).await;
        whole(&w).await;
    }
}

#[tokio::test(start_paused = true)]
async fn expired_credentials_are_said_once_and_nothing_more_is_tried() {
    let w = World::default();
    (6..200).for_each(|n| w.fail(n, Fault::Expired));
    let (env, seen) = listening();
    let report = up(&stack(&w), &env).await;
    assert_eq!(report.failed().count(), 1, "{:?}", words(&report));
    let said = seen.borrow().iter().filter(|e| matches!(e, Event::Failed { .. })).count();
    assert_eq!(said, 1);
    w.heal();
    assert!(up(&stack(&w), &env).await.all_done());
    whole(&w).await;
}

#[test]
fn the_forecast_is_the_longest_path() {
    proptest!(|(edges in proptest::collection::vec((0usize..12, 0usize..12), 0..40),
                costs in proptest::collection::vec(0u64..500, 12))| {
        let w = World::default();
        let mut g = Graph::default();
        let mut refs: Vec<Ref<Thing>> = vec![];
        for (i, cost) in costs.iter().enumerate() {
            let links = edges.iter().filter(|(a, b)| *a == i && *b < i).map(|(_, b)| refs[*b].clone()).collect();
            refs.push(g.add(&format!("n{i}"), Thing { world: w.clone(), size: 1, links, slow: Typical::secs(*cost, 1, 1) }));
        }
        let ahead = g.nodes().map(|n| (n.key().clone(), Progress::Ahead(n.typical().create))).collect();
        let (eta, path) = Forecast::new(&g, Direction::Forward).longest_path(&ahead);
        // The slow way: every path, by recursion.
        fn longest(i: usize, edges: &[(usize, usize)], costs: &[u64]) -> u64 {
            let before = edges.iter().filter(|(a, b)| *a == i && *b < i);
            costs[i] + before.map(|(_, b)| longest(*b, edges, costs)).max().unwrap_or(0)
        }
        let slow_way = (0..12).map(|i| longest(i, &edges, &costs)).max().unwrap();
        prop_assert_eq!(eta.as_secs(), slow_way);
        let along: u64 = path.iter().map(|k| costs[k.name()[1..].parse::<usize>().unwrap()]).sum();
        prop_assert_eq!(along, slow_way);
    });
}

/// A door that is opened by a hand that must first be free: its update goes by stages, and what is taken from the
/// one before it waits for the last walk.
#[derive(Clone, Default)]
struct Door(Rc<RefCell<Hall>>);
#[derive(Default)]
struct Hall {
    open_to: Vec<u32>,
    /// Until when the older of them is used.
    used_until: Option<Instant>,
    log: Vec<String>,
}
struct DoorTo {
    hall: Door,
    room: u32,
    never_free: bool,
    older: bool,
}
#[derive(Serialize)]
struct Rooms {
    open_to: Vec<u32>,
}

impl Resource for DoorTo {
    const KIND: &'static str = "door";
    const STAGED: bool = true;
    const PATIENCE: Duration = Duration::from_secs(600);
    type Spec = Rooms;
    type Output = ();

    fn spec(&self, _: &Inputs) -> Rooms {
        Rooms { open_to: vec![self.room] }
    }
    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let hall = self.hall.0.borrow();
        let waits = hall.used_until.is_some_and(|t| Instant::now() < t);
        Ok((!hall.open_to.is_empty()).then(|| Found {
            id: "door".into(),
            spec: Rooms { open_to: hall.open_to.clone() },
            output: Some(()),
            phase: if waits { Phase::Busy("room 1 is still used".into()) } else { Phase::Ready },
            tags: cx.inherited(),
        }))
    }
    async fn create(&self, _: &Cx<'_>, want: &Rooms) -> Result<()> {
        self.hall.0.borrow_mut().open_to = want.open_to.clone();
        Ok(())
    }
    async fn update(&self, _: &Cx<'_>, want: &Rooms, found: &Found<Self>, _: &Diff) -> Result<()> {
        let mut hall = self.hall.0.borrow_mut();
        if found.spec.open_to.len() == 1 && want.open_to.len() == 1 {
            hall.open_to.extend(&want.open_to);
            hall.used_until = Some(Instant::now() + Duration::from_secs(if self.never_free { 1 << 20 } else { 120 }));
        } else {
            hall.open_to = want.open_to.clone();
        }
        let now = format!("{:?}", hall.open_to);
        hall.log.push(now);
        Ok(())
    }
    async fn delete(&self, _: &Cx<'_>, _: &Found<Self>) -> Result<()> {
        self.hall.0.borrow_mut().open_to.clear();
        Ok(())
    }
    fn meanwhile(&self, _: &Cx<'_>, found: &Found<Self>, mut want: Rooms) -> Rooms {
        if self.older {
            want.open_to = [&found.spec.open_to[..], &want.open_to].concat();
            want.open_to.sort_unstable();
            want.open_to.dedup();
        }
        want
    }
}

fn door(hall: &Door, room: u32, never_free: bool, older: bool) -> Graph {
    let mut g = Graph::default();
    g.add("main", DoorTo { hall: hall.clone(), room, never_free, older });
    g
}

#[tokio::test(start_paused = true)]
async fn an_update_by_stages_waits_between_them_wherever_it_is_cut() {
    for cut in [0, 1, 60, 119, 121, 300] {
        let hall = Door::default();
        assert_eq!(words(&up(&door(&hall, 1, false, false), &env()).await), ["main create"]);
        let second = door(&hall, 2, false, false);
        let _ = tokio::time::timeout(Duration::from_secs(cut), up(&second, &env())).await;
        assert!(up(&second, &env()).await.all_done(), "cut at {cut} s");
        assert_eq!(hall.0.borrow().log, ["[1, 2]", "[2]"], "cut at {cut} s");
        assert_eq!(words(&up(&second, &env()).await), ["main none"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_by_stages_that_never_gets_on_says_so_and_leaves_both() {
    let hall = Door::default();
    up(&door(&hall, 1, true, false), &env()).await;
    let begun = Instant::now();
    let report = up(&door(&hall, 2, true, false), &env()).await;
    let (_, error) = report.failed().next().unwrap();
    assert!(matches!(error, Error::StillBusy { last, .. } if last == "room 1 is still used"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(620), "all stages have one patience");
    assert_eq!(hall.0.borrow().open_to, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn what_an_older_one_still_needs_is_taken_away_by_the_last_walk_only() {
    let hall = Door::default();
    up(&door(&hall, 1, false, false), &env()).await;
    let (g, env) = (door(&hall, 2, false, true), env());
    assert_eq!(words(&plan(&g, &env).await), ["main update"]);
    assert!(up(&g, &env).await.all_done());
    assert_eq!(hall.0.borrow().open_to, [1, 2]);
    assert_eq!(env.unfinished.borrow().len(), 1);
    env.last.set(true);
    assert!(up(&g, &env).await.all_done());
    assert_eq!(hall.0.borrow().open_to, [2]);
}
