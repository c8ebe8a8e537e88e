//! Fuzz tests: text from outside ends in a value or an error, within limits of time and memory, and never in a panic.
//!
//! Sound texts are spoilt at random, in the same way at each run. With `GAMEDAY_FUZZ_SECONDS=1000` each kind of text is
//! tested for that long.
use crate::{
    config::Group,
    cost::prices,
    diagnose,
    engine::{Direction, Forecast, Graph, Key, Progress},
    history::History,
    lease::{Holder, Progress as Told},
    live::{Step, StepState, Times},
    serve::Token,
    snapshot::{Answer, Snapshot, probe},
    verdict::{Build, Verdict},
};
use jiff::Timestamp;
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The number of spoilt texts of each kind in the short form.
const CASES: usize = 600;
/// The time limit of one text. A busy machine needs a hundredth of it.
const SLOWEST: Duration = Duration::from_secs(20);
/// The limit of additional memory for all texts of a kind, in bytes.
const LARGEST: u64 = 512 << 20;

/// Texts that replace other text.
const ODD: &[&str] = &[
    "18446744073709551615",
    "9223372036854775808",
    "-9223372036854775808",
    "4294967296",
    "4294967295",
    "65536",
    "-1",
    "0",
    "1e308",
    "1e400",
    "-0.0",
    "NaN",
    "inf",
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "\"",
    "'",
    "\\",
    "\u{1b}[2J",
    "\u{1b}]52;c;eA==\u{7}",
    "\u{202e}",
    "\u{2066}",
    "\r\n",
    "\0",
    "\u{feff}",
    "[[[[[[[[",
    "{\"a\":",
    "\\u0000",
    "\\ud800",
    "9999-12-30T22:00:00Z",
    "-009999-01-02T01:59:59Z",
    "0.0.0.0/0",
    "::/0",
    "255.255.255.255/33",
    "i-0; sh #",
    "$(sh)",
    "💥",
];

/// A spoiler of texts. The same seed spoils them in the same way.
struct Spoiler(fastrand::Rng);

impl Spoiler {
    fn spoil(&mut self, sound: &str) -> Vec<u8> {
        let mut text = sound.as_bytes().to_vec();
        for _ in 0..self.0.usize(1..6) {
            let (from, rng) = (self.0.usize(0..text.len().max(1)), &mut self.0);
            let to = (from + rng.usize(0..40)).min(text.len());
            let from = from.min(to);
            match rng.u8(0..9) {
                0 => drop(text.drain(from..to)),
                1 => text.truncate(from),
                2 => _ = text.get_mut(from).map(|byte| *byte ^= 1 << rng.u8(0..8)),
                3 => {
                    let twice = text[from..to].to_vec();
                    text.splice(from..from, twice.repeat(rng.usize(1..50)));
                }
                4 => drop(text.splice(from..from, rng.choice(ODD).unwrap().bytes())),
                // A whole value is replaced.
                _ => {
                    let is_value = |b: &u8| b.is_ascii_alphanumeric() || b"-_./:+".contains(b);
                    let start = text[..from].iter().rposition(|b| !is_value(b)).map_or(0, |at| at + 1);
                    let end = text[from..].iter().position(|b| !is_value(b)).map_or(text.len(), |at| from + at);
                    text.splice(start..end, rng.choice(ODD).unwrap().bytes());
                }
            }
        }
        text
    }
}

/// Passes each of the texts to `taken`, sound and spoilt in many ways.
fn spoilt(name: &str, sound: &[String], mut taken: impl FnMut(&str)) {
    let until = std::env::var("GAMEDAY_FUZZ_SECONDS").ok().and_then(|s| s.parse().ok()).map(Duration::from_secs);
    let (begun, before) = (Instant::now(), memory());
    let mut spoiler = Spoiler(fastrand::Rng::with_seed(name.bytes().map(u64::from).sum()));
    sound.iter().for_each(|text| taken(text));
    let mut cases = 0;
    while until.map_or(cases < CASES, |until| begun.elapsed() < until) {
        let text = spoiler.spoil(&sound[cases % sound.len()]);
        let text = String::from_utf8_lossy(&text);
        let this = Instant::now();
        taken(&text);
        assert!(this.elapsed() < SLOWEST, "{name}: {:?} for\n{text}", this.elapsed());
        cases += 1;
    }
    let more = memory().saturating_sub(before);
    assert!(more < LARGEST, "{name}: {more} bytes more after {cases} texts");
    println!("{name}: {cases} texts in {:?}, {} KiB more", begun.elapsed(), more / 1024);
}

/// Returns the memory that this process uses.
fn memory() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or_default() * 4096
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the texts of the files in a folder whose names end with `end`.
fn files(folder: &str, end: &str) -> Vec<String> {
    let mut all: Vec<PathBuf> = fs::read_dir(root().join(folder)).unwrap().map(|f| f.unwrap().path()).collect();
    all.sort();
    let text = |path: &PathBuf| fs::read_to_string(path).unwrap();
    all.iter().filter(|path| path.to_string_lossy().ends_with(end)).map(text).collect()
}

fn judged(snapshot: &Snapshot) {
    let chain = diagnose::chain(snapshot);
    let verdict = Verdict::of(snapshot);
    _ = (format!("{verdict} {}", verdict.headline()), chain.broken(), verdict.serving(), verdict.dangers().len());
    assert!(Snapshot::from_json(&snapshot.to_json()).is_ok() || snapshot.version == 0);
}

#[test]
fn notes() {
    let keys = ["database/main", "cache/main", "vpc/main"].map(|key| {
        let (kind, name) = key.split_once('/').unwrap();
        Key::new(kind, name)
    });
    let sound = [
        r#"{"created":{"database/main":400,"cache/main":600,"vpc/main":9},"begun":{}}"#,
        r#"{"created":{"cache/main":86400},"begun":{"database/main":"2026-10-01T11:00:00Z","cache/main":"2026-10-01T11:00:00Z"}}"#,
    ];
    let forecast = Forecast::new(&Graph::default(), Direction::Forward);
    spoilt("notes", &sound.map(str::to_owned), |text| {
        let history = History::said(text);
        let took = history.of(keys.iter());
        assert!(took.values().sum::<Duration>() <= Duration::from_secs(3 * 24 * 3600), "{text}");
        let ahead = took.iter().map(|(key, took)| (key.clone(), Progress::Pending(took.mul_f64(1.0)))).collect();
        forecast.longest_path(&ahead);
        for begun in keys.iter().filter_map(|key| history.begun(key)) {
            assert!(begun <= Timestamp::now(), "{text}");
        }
    });
}

#[test]
fn leases() {
    let told = Told {
        groups: [(Group::Database, (3, 9)), (Group::Fleet, (0, 4))].into(),
        left_seconds: 400,
        waiting_for: Some("database/main".into()),
    };
    let me = Holder { generation: 3, progress: Some(told), ..Holder::me("up") };
    let sound = [Holder::me("teardown"), me].map(|holder| serde_json::to_string(&holder).unwrap());
    let now = Timestamp::now();
    let step = Step { key: Key::new("database", "main"), state: StepState::Busy, usually: Duration::from_secs(400) };
    let mut times = Times { traffic_at: Some(now + Duration::from_secs(900)), ..Times::default() };
    times.see(now, vec![step]);
    spoilt("leases", &sound, |text| {
        let Some(holder) = Holder::parse(text) else { return };
        let mut clock = times.clock(now, false);
        clock.follow(&holder);
        let build = Build::of(&times.steps, &clock, Some(&holder));
        assert!(build.all <= 100_000 && build.left_seconds.is_none_or(|left| left <= 86_400), "{text}");
        _ = format!("{holder} {build} {}", crate::output::clock::words(&clock).join(""));
    });
}

#[test]
fn beacons() {
    let sound = [
        r#"{"stack":"billing","service":"api","instance":"i-0123456789abcdef0","zone":"us-east-1a","stage":"database","step":5,"of":8,
            "status":"retrying","attempt":2,"seconds":71,"stage_seconds":9,"error":"ERROR 1045","warnings":{"cache":"slow"}}"#,
    ];
    let seen = Snapshot::from_json(&files("tests/fixtures/why", "unbroken.json")[0]).unwrap();
    spoilt("beacons", &sound.map(str::to_owned), |text| {
        let Some(beacon) = probe::beacon(text) else { return };
        assert!(beacon.seconds.is_none_or(|s| s <= 7 * 86_400) && beacon.to_string().len() < 50_000, "{text}");
        let mut seen = seen.clone();
        seen.probe.answers = vec![Answer { status: Some(503), beacon: Some(beacon), ..Answer::default() }; 2];
        judged(&seen);
    });
}

#[test]
fn snapshots() {
    spoilt("snapshots", &files("tests/fixtures/why", ".json"), |text| {
        if let Ok(snapshot) = Snapshot::from_json(text) {
            judged(&snapshot);
        }
    });
}

#[test]
fn tokens() {
    let sound = ["team:correct-horse-battery", "0123456789abcdef0123456789abcdef\n"];
    spoilt("tokens", &sound.map(str::to_owned), |text| {
        let token = Token::new(text);
        assert_eq!(token.is_none(), text.trim().is_empty());
        assert!(token.is_none_or(|t| t.strong == (text.trim().chars().count() >= 16)));
    });
}

#[test]
fn stack_files() {
    spoilt("stack files", &files("examples", ".toml"), |text| {
        if let Ok(loaded) = crate::config::parse("any.toml", text) {
            loaded.render_warnings(false, 80);
            loaded.config.subnets(loaded.config.zones.len().max(2)).unwrap();
        }
    });
}

#[test]
fn price_files() {
    spoilt("price files", &files("templates", ".toml"), |text| {
        let Ok(prices) = prices::read("any.toml", text) else { return };
        let sums = prices.instance.values().map(|amount| amount.0 * 8784.0).sum::<f64>();
        assert!(sums.is_finite(), "{text}");
        if let Some(economy) = &prices.economy {
            assert!(economy.quanta(8784.0).is_finite(), "{text}");
        }
    });
}
