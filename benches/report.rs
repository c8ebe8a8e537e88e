//! `cargo bench`: the figures that the README promises, each with its bound. Not a test: timings belong here.
//!
//! * In virtual time, with AWS's usual durations: `up` and `teardown` of the example against the critical path.
//! * Calls of a second `up` and of a `status`, counted by the sandbox.
//! * `--help`: time and memory. The size of the release binary.
use gameday::{
    aws::{Aws, Target},
    config,
    engine::{
        Direction, Env, Events, Forecast, Graph, Key, Progress, Ref,
        testing::{Thing, World, teardown, up},
    },
    facts::Facts,
    stack,
};
use std::{collections::BTreeMap, path::Path, process::Command, time::Duration};

fn main() {
    println!("{:<52} {:>12} {:>12}", "", "measured", "bound");
    let runtime = |paused| {
        let mut b = tokio::runtime::Builder::new_current_thread();
        b.enable_all().start_paused(paused).build().expect("a runtime")
    };
    let example = runtime(false).block_on(example());
    runtime(true).block_on(virtual_time(&example));
    calls();
    help();
}

fn row(what: &str, measured: String, bound: &str) {
    println!("{what:<52} {measured:>12} {bound:>12}");
}

/// The example's graph, wired without AWS.
async fn example() -> Graph {
    let loaded = config::load(Path::new("examples/billing-api.toml")).expect("the example is sound");
    let aws = Aws::connect(&Target { region: "us-east-1".into(), ..Target::default() }).await;
    let facts = Facts::offline(&loaded.config);
    stack::wire(&loaded, &facts, &aws).expect("the example renders").graph
}

/// The same shape and the same durations on a cloud that lives in memory.
async fn virtual_time(example: &Graph) {
    let world = World::default();
    let shadow = || {
        let mut g = Graph::default();
        let mut refs: BTreeMap<Key, Ref<Thing>> = BTreeMap::new();
        for n in example.nodes() {
            let links = n.needs().iter().map(|k| refs[k].clone()).collect();
            let name = n.key().as_str().replace('/', "-");
            let thing = Thing { world: world.clone(), size: 1, links, slow: n.typical() };
            refs.insert(n.key().clone(), g.add(&name, thing));
        }
        g
    };
    let critical = |g: &Graph, dir, cost: fn(&dyn gameday::engine::Node) -> Duration| {
        let ahead = g.nodes().map(|n| (n.key().clone(), Progress::Ahead(cost(n)))).collect();
        Forecast::new(g, dir).longest_path(&ahead).0
    };
    let env = Env::new("bench", Events::silent());
    let g = shadow();
    let path = critical(&g, Direction::Forward, |n| n.typical().create);
    let t = tokio::time::Instant::now();
    assert!(up(&g, &env).await.all_done());
    ratio("up, over the critical path", t.elapsed(), path);
    let g = shadow();
    let path = critical(&g, Direction::Reverse, |n| n.typical().delete);
    let t = tokio::time::Instant::now();
    assert!(teardown(&g, &env).await.all_done());
    ratio("teardown, over the critical path", t.elapsed(), path);
}

fn ratio(what: &str, wall: Duration, path: Duration) {
    let what = format!("{what} ({} s)", path.as_secs());
    row(&what, format!("{:.3}", wall.as_secs_f64() / path.as_secs_f64()), "1.02");
}

fn gameday(args: &[&str]) -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_gameday"));
    c.args(args);
    c
}

/// The sandbox counts what a second `up` and a `status` ask for.
fn calls() {
    let run = |args: &[&str]| {
        let mut all = vec!["--sandbox", "--pace", "instant", "-c", "examples/billing-api.toml", "-v"];
        all.extend(args);
        let out = gameday(&all).output().expect("gameday runs");
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        let count = |word: &str| {
            said.lines().rev().find_map(|l| {
                let (before, _) = l.split_once(word)?;
                before.split_whitespace().next_back()?.parse::<u64>().ok()
            })
        };
        (count(" reading calls").unwrap_or(0), count(" changing calls").unwrap_or(0))
    };
    run(&["up", "--yes"]);
    let (reads, writes) = run(&["up", "--yes"]);
    row("second up: calls", reads.to_string(), "40");
    row("second up: changing calls", writes.to_string(), "0");
    let (reads, _) = run(&["status"]);
    row("status, with the request path: calls", reads.to_string(), "40");
    run(&["teardown", "--confirm", "billing"]);
}

fn help() {
    let mut best = Duration::MAX;
    for _ in 0..10 {
        let t = std::time::Instant::now();
        gameday(&["--help"]).output().expect("gameday runs");
        best = best.min(t.elapsed());
    }
    row("--help", format!("{:.1} ms", best.as_secs_f64() * 1000.0), "20 ms");
    // The most that any child of this process used.
    let kib = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage);
        usage.ru_maxrss
    };
    row("peak memory of any verb above", format!("{:.0} MB", kib as f64 / 1024.0), "40 MB");
    let size = std::fs::metadata(env!("CARGO_BIN_EXE_gameday")).map_or(0, |m| m.len());
    row("binary, stripped", format!("{:.1} MB", size as f64 / 1e6), "40 MB");
}
