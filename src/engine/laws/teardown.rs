//! A deletion goes backwards, waits for holders with patience, and leaves nothing.
use super::*;

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
    // An object that is never let go is reported as such, and only after the kind's own patience.
    w.in_use_for(Duration::from_secs(24 * 3600));
    let r = up(&sized(&w, 7), &env()).await;
    let (key, error) = r.failed().next().unwrap();
    assert_eq!((key.as_str(), error.class()), ("thing/db", Some(Class::InUse)));
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
    w.delete_slowly("t-stranger", Duration::from_secs(60));
    let (t, before) = (Instant::now(), w.calls());
    assert!(teardown(&g, &env()).await.all_done());
    let (waited, calls) = (t.elapsed(), w.calls() - before);
    assert!(waited >= Duration::from_secs(60) && waited < Duration::from_secs(66), "{waited:?}");
    // Each try is a deletion and a look.
    assert!(calls <= 2 * 32, "{calls} calls in {waited:?}");
}

/// A thing that reads from another one, which can be deleted before it.
struct Lingering {
    thing: Thing,
    needs: Ref<Thing>,
}

impl Resource for Lingering {
    const KIND: &'static str = "lingering";
    const OUTLIVES_NEEDS: bool = true;
    type Spec = crate::testing::Spec;
    type Output = crate::testing::Output;

    fn spec(&self, inputs: &Inputs) -> Self::Spec {
        let _ = inputs.read(&self.needs, |_| ());
        self.thing.spec(inputs)
    }
    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let Some(f) = self.thing.find(cx).await? else { return Ok(None) };
        Ok(Some(Found { id: f.id, spec: f.spec, output: f.output, phase: f.phase, tags: f.tags }))
    }
    async fn create(&self, cx: &Cx<'_>, want: &Self::Spec) -> Result<()> {
        self.thing.create(cx, want).await
    }
    async fn update(&self, _: &Cx<'_>, _: &Self::Spec, _: &Found<Self>, _: &Diff) -> Result<()> {
        Ok(())
    }
    async fn delete(&self, cx: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        let Some(found) = self.thing.find(cx).await?.filter(|f| f.id == found.id) else { return Ok(()) };
        self.thing.delete(cx, &found).await
    }
}

#[tokio::test(start_paused = true)]
async fn law_8_nothing_waits_for_what_outlives_its_needs() {
    let w = World::default();
    let mut g = Graph::default();
    let long = Duration::from_secs(400);
    let slow = Typical::secs(0, 0, long.as_secs());
    let thing = || Thing { world: w.clone(), size: 1, links: vec![], slow };
    let needs = g.add("net", thing());
    g.add("edge", Lingering { thing: thing(), needs });
    assert!(up(&g, &env()).await.all_done());
    let t = Instant::now();
    assert!(teardown(&g, &env()).await.all_done());
    assert!(w.names().is_empty());
    assert!(t.elapsed() >= long && t.elapsed() < long + Duration::from_secs(60), "{:?}: at the same time", t.elapsed());
}
