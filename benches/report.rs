//! `cargo bench`: the figures that the README promises, each with its bound. Not a test: timings belong here.
//!
//! * In virtual time, with AWS's usual durations: `up` and `teardown` of three examples against the critical path.
//! * Calls of a second `up` and of a `status`, counted by the sandbox.
//! * `status --watch` in a terminal: from a key to the redrawn screen.
//! * `--help`: time. The most memory that a verb took, and the size of the release binary.
use gameday::{
    aws::{Aws, Target},
    config,
    engine::{
        Direction, Env, Events, Graph,
        testing::{World, critical_path, shadow, teardown, up},
    },
    facts::Facts,
    stack,
};
use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::{Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

fn main() {
    let built = Command::new(env!("CARGO")).args(["build", "--release", "--target-dir", "target"]).status();
    assert!(built.is_ok_and(|s| s.success()), "cargo build --release");
    println!("{:<52} {:>12} {:>12}", "", "measured", "bound");
    let runtime = |paused| {
        let mut b = tokio::runtime::Builder::new_current_thread();
        b.enable_all().start_paused(paused).build().expect("a runtime")
    };
    for name in ["billing-api", "root-and-lookup", "highly-available"] {
        let example = runtime(false).block_on(example(name));
        runtime(true).block_on(virtual_time(name, &example));
    }
    let peak = calls();
    redraw();
    gameday(&["teardown", "--confirm", "billing"]).output().expect("gameday runs");
    help();
    row("peak memory of a verb, most of it the binary's pages", format!("{:.0} MB", peak as f64 / 1024.0), "40 MB");
    let size = fs::metadata(GAMEDAY).map_or(0, |m| m.len());
    row("binary, stripped", format!("{:.1} MB", size as f64 / 1e6), "40 MB");
}

fn row(what: &str, measured: String, bound: &str) {
    println!("{what:<52} {measured:>12} {bound:>12}");
}

/// The graph of an example, wired without AWS.
async fn example(name: &str) -> Graph {
    let loaded = config::load(Path::new(&format!("examples/{name}.toml"))).expect("the example is sound");
    let aws = Aws::connect(&Target { region: "us-east-1".into(), ..Target::default() }).await;
    let facts = Facts::offline(&loaded.config);
    stack::wire(&loaded, &facts, &aws).expect("the example renders").graph
}

/// The same shape and the same durations on a cloud that lives in memory.
async fn virtual_time(name: &str, example: &Graph) {
    let world = World::default();
    let env = Env::new("bench", Events::silent());
    let g = shadow(example, &world);
    let t = tokio::time::Instant::now();
    assert!(up(&g, &env).await.all_done());
    let (path, steps) = critical_path(&g, Direction::Forward);
    ratio(&format!("{name}: up"), t.elapsed(), path);
    println!("  {}", steps.iter().map(|key| key.name()).collect::<Vec<_>>().join(" > "));
    let g = shadow(example, &world);
    let t = tokio::time::Instant::now();
    assert!(teardown(&g, &env).await.all_done());
    ratio(&format!("{name}: teardown"), t.elapsed(), critical_path(&g, Direction::Reverse).0);
}

fn ratio(what: &str, wall: Duration, path: Duration) {
    let what = format!("{what}, over the critical path ({} s)", path.as_secs());
    row(&what, format!("{:.3}", wall.as_secs_f64() / path.as_secs_f64()), "1.02");
}

/// The binary that people get: `cargo bench` itself would build another one, which unwinds.
const GAMEDAY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/release/gameday");
const SANDBOX: [&str; 6] = ["--sandbox", "--pace", "instant", "-c", "examples/billing-api.toml", "-v"];

fn gameday(args: &[&str]) -> Command {
    let mut c = Command::new(GAMEDAY);
    c.args(SANDBOX).args(args);
    c
}

/// Runs it to its end; what it said, and its peak of resident memory in KiB. Looked up while it runs: `getrusage` would
/// count in what this process held when it forked, and what the children of the child used.
fn measured(mut command: Command) -> (Output, u64) {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.expect("gameday runs");
    let status = format!("/proc/{}/status", child.id());
    let run = thread::spawn(move || child.wait_with_output().expect("gameday ends"));
    let mut peak = 0;
    while !run.is_finished() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let high = text.lines().find_map(|l| l.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        peak = peak.max(high.unwrap_or(0));
        thread::sleep(Duration::from_millis(1));
    }
    (run.join().expect("read"), peak)
}

/// The sandbox counts what a second `up` and a `status` ask for. The most memory that one of them took, in KiB.
fn calls() -> u64 {
    let mut most = 0;
    let mut run = |args: &[&str]| {
        let (out, peak) = measured(gameday(args));
        most = most.max(peak);
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
    row("status, with the request path: calls", reads.to_string(), "39");
    most
}

/// From a key to the end of what is drawn for it, over some rounds of looking at the account.
fn redraw() {
    let (mut terminal, inside) = pty_process::blocking::open().expect("a terminal");
    terminal.resize(pty_process::Size::new(50, 200)).expect("a size");
    let watch = pty_process::blocking::Command::new(GAMEDAY).args(SANDBOX).args(["status", "--watch"]);
    let mut watch = watch.spawn(inside).expect("gameday runs");
    let mut drawn = {
        let fd = std::os::fd::AsFd::as_fd(&terminal).try_clone_to_owned().expect("a second handle");
        fs::File::from(fd)
    };
    let (to, chunks) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 65536];
        while let Ok(n @ 1..) = drawn.read(&mut buffer) {
            if to.send((Instant::now(), buffer[..n].to_vec())).is_err() {
                return;
            }
        }
    });
    let mut screen = Vec::new();
    while !String::from_utf8_lossy(&screen).contains("SERVING") {
        screen.extend(chunks.recv_timeout(Duration::from_secs(60)).expect("a screen within a minute").1);
    }
    let mut took: Vec<Duration> = (0..100)
        .map(|i| {
            thread::sleep(Duration::from_millis(150));
            chunks.try_iter().for_each(drop);
            let pressed = Instant::now();
            terminal.write_all(if i % 2 == 0 { b"2" } else { b"1" }).expect("a key");
            let mut last = chunks.recv_timeout(Duration::from_secs(10)).expect("a redraw").0;
            while let Ok((at, _)) = chunks.recv_timeout(Duration::from_millis(30)) {
                last = at;
            }
            last - pressed
        })
        .collect();
    terminal.write_all(b"q").expect("a key");
    watch.wait().expect("it ends");
    took.sort();
    row("a key to its redrawn screen, median of 100", format!("{:.1} ms", ms(took[50])), "50 ms");
    row("the slowest", format!("{:.1} ms", ms(took[99])), "50 ms");
}

fn ms(d: Duration) -> f64 {
    d.as_secs_f64() * 1000.0
}

fn help() {
    let mut best = Duration::MAX;
    for _ in 0..10 {
        let t = Instant::now();
        Command::new(GAMEDAY).arg("--help").output().expect("gameday runs");
        best = best.min(t.elapsed());
    }
    row("--help", format!("{:.1} ms", ms(best)), "20 ms");
}
