//! The laws of the engine, on a cloud that lives in memory and with a paused clock.
mod converge;
mod failures;
mod forecast;
mod handover;
mod ownership;
mod teardown;

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
/// Checks that each object exists exactly once and is as wanted.
async fn whole(w: &World) {
    assert_eq!(sorted(w.names()), ["t-alarm", "t-db", "t-fs", "t-net", "t-web"]);
    let p = plan(&stack(w), &env()).await;
    assert!(p.done().all(|(_, c)| c.is_none()) && p.all_done(), "{:?}", words(&p));
}
