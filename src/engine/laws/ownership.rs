//! An object that is not the stack's is never touched.
use super::*;

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
        // It refers to fs, which therefore cannot be deleted: that is reported, and all the rest is gone.
        let r = teardown(&stack(&w), &env()).await;
        assert!(matches!(r.failed().next(), Some((k, Error::Blocked { .. })) if k.name() == "fs"));
        assert_eq!(sorted(w.names()), ["t-alarm", "t-fs", "t-net"]);
        assert!(w.log().iter().all(|l| !l.ends_with("alarm")));
        up(&stack(&w), &env()).await;
    }
    // Unless told to adopt it.
    let mut env = env();
    env.consent.adopt = [("thing/alarm".into(), w.objects("t-alarm")[0].clone())].into();
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
