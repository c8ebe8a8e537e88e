//! `status --watch` in a real terminal, against the emulator: keys, the terminal afterwards, and the number of calls.
use crate::{support::gameday, tools::debian};

use std::{
    io::{BufRead, BufReader},
    process::{Command, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

const GAMEDAY: &str = env!("CARGO_BIN_EXE_gameday");
const STACK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/billing-api.toml");

/// A sandbox of its own with the example stack in it, and a terminal.
struct World {
    name: String,
}

impl World {
    fn new(name: &str) -> Self {
        debian::need("tmux", "tmux");
        debian::need("curl", "curl");
        let world = Self { name: format!("test-watch-{name}-{}", std::process::id()) };
        let up = world.gameday(&["--pace", "instant", "up", "--yes"]);
        assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
        world
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut c = gameday();
        c.env("GAMEDAY_SANDBOX", &self.name).args(["--sandbox", "-c", STACK]).args(args);
        c
    }

    fn gameday(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("gameday runs")
    }

    fn tmux(&self, args: &[&str]) -> String {
        let out =
            Command::new("tmux").args(["-L", &self.name, "-f", "/dev/null"]).args(args).output().expect("tmux runs");
        assert!(out.status.success(), "tmux {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// Starts a shell of this size and types the command.
    fn shell(&self, columns: u16, rows: u16, line: &str) {
        let (x, y) = (columns.to_string(), rows.to_string());
        self.tmux(&["new-session", "-d", "-s", "t", "-x", &x, "-y", &y, "env", "PS1=ready> ", "sh"]);
        self.tmux(&["send-keys", "-t", "t", line, "Enter"]);
    }

    fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys", "-t", "t"], keys].concat());
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-t", "t"])
    }

    fn until(&self, text: &str) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if screen.contains(text) {
                return screen;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "no {text:?} in\n{screen}");
            sleep(Duration::from_millis(50));
        }
    }

    fn until_gone(&self, text: &str) {
        let begun = Instant::now();
        while self.screen().contains(text) {
            assert!(begun.elapsed() < Duration::from_secs(60), "{text:?} stays in\n{}", self.screen());
            sleep(Duration::from_millis(50));
        }
    }

    fn display(&self, what: &str) -> String {
        self.tmux(&["display", "-p", "-t", "t", what]).trim().to_owned()
    }

    /// Waits until the shell has its terminal back, and checks the screen, the cursor, and the line settings.
    ///
    /// The line settings are read from the terminal device: a command typed into the shell would leave text on the
    /// screen.
    fn is_restored(&self) {
        let begun = Instant::now();
        while self.display("#{pane_current_command}") != "sh" {
            assert!(begun.elapsed() < Duration::from_secs(60), "it still runs:\n{}", self.screen());
            sleep(Duration::from_millis(50));
        }
        assert_eq!(self.display("#{alternate_on} #{cursor_flag}"), "0 1");
        let out = Command::new("stty").args(["-a", "-F", &self.display("#{pane_tty}")]).output().expect("stty runs");
        let said = String::from_utf8_lossy(&out.stdout).replace(';', " ");
        for setting in ["isig", "icanon", "echo", "opost"] {
            assert!(said.split_whitespace().any(|w| w == setting), "no {setting} in {said}");
        }
    }

    fn line(&self) -> String {
        format!("GAMEDAY_SANDBOX={} {GAMEDAY} --sandbox -c {STACK} status --watch", self.name)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = Command::new("tmux").args(["-L", &self.name, "kill-server"]).stderr(Stdio::null()).status();
        let _ = self.gameday(&["sandbox", "stop", "--yes"]);
        if let Some(home) = std::env::var_os("HOME") {
            let _ =
                std::fs::remove_dir_all(std::path::Path::new(&home).join(".cache/gameday/sandbox").join(&self.name));
        }
    }
}

/// Asserts what matters on a screen of 80 columns and 24 rows: the verdict, the endpoint, exactly these panels in this
/// order, and the keys.
fn is_a_screen(screen: &str, panels: &[&str]) {
    let lines: Vec<&str> = screen.lines().collect();
    assert!(lines.len() == 24 && lines.iter().all(|l| l.chars().count() <= 80), "{screen}");
    assert!(lines[0].starts_with(" SERVING ") && lines[0].contains("targets"), "{screen}");
    assert!(lines[1].starts_with("http://"), "{screen}");
    let titles = lines.iter().filter_map(|l| l.strip_prefix("─ ")?.split(" ─").next());
    let shown: Vec<&str> = titles.filter(|t| *t != "Alarms and scaling").collect();
    assert_eq!(shown, panels, "{screen}");
    // The keys for help and quit are never cut, nor the notice that this is not AWS.
    assert!(lines[23].contains("? help  q quit") && lines[23].contains("SANDBOX"), "{screen}");
}

#[test]
#[ignore = "needs the sandbox and tmux: cargo test -- --include-ignored"]
fn keys_change_views_and_the_terminal_is_given_back() {
    let w = World::new("keys");
    w.shell(80, 24, &w.line());
    w.until("SERVING");
    // CloudWatch metrics come last; then all panels have content.
    w.until("─ Request path");
    w.until("/h · ");
    let all = w.screen();
    is_a_screen(&all, &["Request path", "Traffic", "Instances by zone", "Cost and load", "Events"]);
    assert!(all.contains("✓ balancer") && all.contains("✓ target group") && all.contains("healthy"), "{all}");
    w.keys(&["3"]);
    is_a_screen(&w.until("Instances, and what Auto Scaling did"), &["Instances, and what Auto Scaling did"]);
    w.keys(&["Enter"]);
    w.until("logs --instance i-");
    w.keys(&["Escape"]);
    // A key right after Escape would count as one key with it, as with Alt.
    w.until_gone("logs --instance i-");
    // The sandbox writes the boot's messages to the log group of the instance's service.
    w.keys(&["l"]);
    w.until("Logs of i-");
    w.until("the service answers after");
    w.keys(&["Escape"]);
    w.until_gone("Logs of i-");
    w.keys(&["?"]);
    w.until("our own");
    w.keys(&["5"]);
    w.until("─ Events");
    w.until_gone("Request path");
    is_a_screen(&w.screen(), &["Events"]);
    w.keys(&["f"]);
    w.until("FROZEN");
    w.keys(&["f"]);
    // After a change of size the screen is drawn at once, down to the smallest size.
    w.keys(&["1"]);
    w.tmux(&["resize-window", "-t", "t", "-x", "60", "-y", "15"]);
    let small = w.until("calls/min");
    assert!(small.contains("SERVING") && small.lines().all(|l| l.chars().count() <= 60), "{small}");
    w.keys(&["q"]);
    w.is_restored();

    // A signal leaves the terminal in the same state.
    w.tmux(&["resize-window", "-t", "t", "-x", "80", "-y", "24"]);
    w.keys(&["clear", "Enter"]);
    w.keys(&[&w.line(), "Enter"]);
    w.until("Request path");
    let pid = w.tmux(&["display", "-p", "-t", "t", "#{pane_pid}"]);
    let ended = Command::new("pkill").args(["-TERM", "-P", pid.trim()]).status().unwrap();
    assert!(ended.success());
    w.is_restored();
}

#[test]
#[ignore = "needs the sandbox and tmux: cargo test -- --include-ignored"]
fn replacing_asks_and_a_new_instance_comes() {
    let w = World::new("replace");
    w.shell(100, 30, &w.line());
    w.until("SERVING");
    w.keys(&["x"]);
    let asked = w.until("Replace i-");
    let id: String =
        asked.split("Replace i-").nth(1).unwrap().chars().take_while(char::is_ascii_alphanumeric).collect();
    w.keys(&["n", "5"]);
    w.until("nothing has happened");
    w.keys(&["x"]);
    w.until("Replace i-");
    w.keys(&["y", "5"]);
    w.until(&format!("i-{id} is being replaced, as you asked"));
    w.until(&format!("i-{id} left"));
    w.until(" joined, ");
}

#[test]
#[ignore = "needs the sandbox and tmux: cargo test -- --include-ignored"]
fn json_is_an_object_a_round_within_the_budget() {
    let w = World::new("json");
    let mut run = w.command(&["-o", "json", "status", "--watch"]).stdout(Stdio::piped()).spawn().unwrap();
    // Lines are read as they come, because a writer into a full pipe waits.
    let (to, lines) = std::sync::mpsc::channel();
    let pipe = BufReader::new(run.stdout.take().unwrap());
    std::thread::spawn(move || pipe.lines().map_while(Result::ok).try_for_each(|line| to.send(line)));
    let round = || -> serde_json::Value {
        let line = lines.recv_timeout(Duration::from_secs(60)).expect("a round within a minute");
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"))
    };
    // The first rounds look at everything; after them the pace is steady.
    (0..3).for_each(|_| drop(round()));
    let way: serde_json::Value = serde_json::from_slice(&w.gameday(&["-o", "json", "sandbox", "env"]).stdout).unwrap();
    let way = |name: &str| way[name].as_str().unwrap().to_owned();
    let (url, key) = (way("AWS_ENDPOINT_URL"), format!("Authorization: Bearer {}", way("AWS_ACCESS_KEY_ID")));
    let calls = |method: &str| {
        let what = format!("{url}/_gameday/calls");
        let out = Command::new("curl").args(["-s", "-H", &key, "-X", method, &what]).output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&out.stdout).unwrap_or_default()
    };
    calls("DELETE");
    let begun = Instant::now();
    let mut last = round();
    (1..4).for_each(|_| last = round());
    let (seconds, made) = (begun.elapsed().as_secs(), calls("GET"));
    run.kill().unwrap();
    run.wait().unwrap();
    let made = made["counts"]["all"].as_u64().unwrap();
    assert!((1..=2 + seconds / 3).contains(&made), "{made} calls in {seconds} s");
    assert_eq!((&last["event"], &last["serving"]), (&"round".into(), &true.into()));
    for field in ["services", "gaps", "steps", "clock", "metrics", "cost", "events", "calls_per_minute"] {
        assert!(!last[field].is_null(), "{field} in {last}");
    }
}
