//! Whatever fails, and wherever a run is cut, the next run finishes the work, and nothing is created twice.
use super::*;

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
        stop.request();
    });
    assert!(r.interrupted());
    assert_eq!(words(&r), ["net create", "db failed", "fs create", "alarm create", "web not started"]);
    assert!(up(&stack(&w), &env()).await.all_done());
    assert_eq!(sorted(w.log()), CREATES);
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
            env.ownership.set_alone(false);
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
