//! The progress of a walk: live lines on a terminal, one line per event elsewhere, or one JSON object per line.
use super::{Printer, line, plain::shown, style::*};
use crate::{
    config::Group,
    engine::{Direction, Event, Events, Forecast, Graph, Key, Progress},
    lease,
};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::{Duration, Instant},
};

/// The time between two signs of life without a terminal.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// The view of one walk. Clones share it.
#[derive(Clone)]
pub struct View(Rc<RefCell<State>>);

struct State {
    out: Printer,
    started: Instant,
    tally: Tally,
    forecast: Option<Forecast>,
    /// The remaining time of each step. Absent steps are done or not part of the walk.
    expected: BTreeMap<Key, Duration>,
    /// Steps that will be created; some are created together with another step.
    comes: BTreeSet<Key>,
    /// The time for which AWS had been creating a step before the walk began.
    under_way: BTreeMap<Key, Duration>,
    running: BTreeMap<Key, Running>,
    boot: Duration,
    scale: f64,
    deadline: Option<jiff::Timestamp>,
    screen: Option<Screen>,
    throttled: u32,
    last_line: Instant,
    quiet: bool,
}

/// The number of finished steps of a group.
#[derive(Default)]
struct Tally {
    groups: BTreeMap<Group, Steps>,
    /// True if finished groups are printed in one line, because there are too many steps to read.
    folds: bool,
}

#[derive(Default)]
struct Steps {
    all: usize,
    done: usize,
    /// The number of changed steps among the finished ones.
    changed: usize,
    failed: bool,
    /// The time of the first change.
    since: Option<Instant>,
}

/// The largest number of changes that are printed one by one.
const FEW: usize = 12;

impl Tally {
    fn of(keys: impl Iterator<Item = Key>, folds: bool) -> Self {
        let mut groups: BTreeMap<Group, Steps> = BTreeMap::new();
        for key in keys {
            groups.entry(Group::of_kind(key.kind())).or_default().all += 1;
        }
        Self { groups, folds }
    }

    fn done(&self) -> usize {
        self.groups.values().map(|g| g.done).sum()
    }

    fn all(&self) -> usize {
        self.groups.values().map(|g| g.all).sum()
    }

    /// Counts a step as done. Returns its group if it was the last one and something in it was changed.
    fn finish(&mut self, key: &Key, changed: bool) -> Option<(Group, &Steps)> {
        let group = Group::of_kind(key.kind());
        let steps = self.groups.get_mut(&group)?;
        steps.done += 1;
        steps.changed += usize::from(changed);
        (steps.done == steps.all && steps.changed > 0 && !steps.failed).then_some((group, steps))
    }

    fn begin(&mut self, key: &Key) {
        if let Some(steps) = self.groups.get_mut(&Group::of_kind(key.kind())) {
            steps.since.get_or_insert_with(Instant::now);
        }
    }

    fn fail(&mut self, key: &Key) {
        if let Some(steps) = self.groups.get_mut(&Group::of_kind(key.kind())) {
            steps.failed = true;
        }
    }
}

/// The plan of a walk, as far as it is known before.
pub struct Course<'a> {
    pub graph: &'a Graph,
    pub direction: Direction,
    /// The expected time of each step on AWS.
    pub expected: BTreeMap<Key, Duration>,
    /// Steps that will be created.
    pub comes: BTreeSet<Key>,
    /// The time for which AWS has been creating a step.
    pub under_way: BTreeMap<Key, Duration>,
    /// The time that instances need to boot after the last step, in this environment.
    pub boot: Duration,
    pub deadline: Option<jiff::Timestamp>,
    /// The duration of a step here, relative to AWS.
    pub scale: f64,
}

struct Running {
    since: Instant,
    usually: Duration,
    phase: String,
    bar: Option<ProgressBar>,
}

struct Screen {
    all: MultiProgress,
    header: ProgressBar,
}

impl View {
    pub fn new(out: Printer) -> Self {
        Self(Rc::new(RefCell::new(State {
            out,
            started: Instant::now(),
            tally: Tally::default(),
            forecast: None,
            expected: BTreeMap::new(),
            comes: BTreeSet::new(),
            under_way: BTreeMap::new(),
            boot: Duration::ZERO,
            running: BTreeMap::new(),
            scale: 1.0,
            deadline: None,
            screen: None,
            throttled: 0,
            last_line: Instant::now(),
            quiet: true,
        })))
    }

    /// Returns the listener for the engine. It is silent until [`View::begin`], since a look is no news.
    pub fn events(&self) -> Events {
        let me = self.clone();
        Events::new(move |e| me.0.borrow_mut().on(e))
    }

    /// Starts to show events.
    pub fn begin(&self, course: Course<'_>) {
        let mut s = self.0.borrow_mut();
        let Course { graph, direction, expected, comes, under_way, boot, deadline, scale } = course;
        // Steps that are only deleted do not count as built.
        let counted = |key: &Key| direction == Direction::Forward || expected.contains_key(key);
        let keys = graph.nodes().map(|n| n.key().clone()).filter(counted);
        s.tally = Tally::of(keys, s.out.live && s.out.verbose == 0 && expected.len() > FEW);
        s.forecast = Some(Forecast::new(graph, direction));
        s.expected = expected;
        s.comes = comes;
        s.under_way = under_way;
        s.boot = boot;
        s.deadline = deadline;
        s.scale = scale;
        s.started = Instant::now();
        s.last_line = Instant::now();
        s.quiet = false;
        if s.out.live {
            let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
            let header = all.add(ProgressBar::new_spinner().with_style(plain("{msg}")));
            s.screen = Some(Screen { all, header });
            s.header();
        }
    }

    /// Returns the progress for observers elsewhere. `None` before the walk begins and after it ends.
    pub fn progress(&self) -> Option<lease::Progress> {
        let s = self.0.borrow();
        if s.quiet {
            return None;
        }
        let (left, path) = s.eta();
        Some(lease::Progress {
            groups: s.tally.groups.iter().map(|(group, steps)| (*group, (steps.done, steps.all))).collect(),
            left_seconds: left.as_secs(),
            waiting_for: path.first().map(ToString::to_string),
        })
    }

    /// Redraws clocks and prints signs of life, until it is dropped.
    pub async fn tick(&self) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(Duration::from_millis(250)).await;
            self.0.borrow_mut().tick();
        }
    }

    pub fn end(&self) {
        let mut s = self.0.borrow_mut();
        s.quiet = true;
        if let Some(screen) = s.screen.take() {
            for r in s.running.values() {
                if let Some(bar) = &r.bar {
                    bar.finish_and_clear();
                }
            }
            screen.header.finish_and_clear();
        }
        s.running.clear();
    }

    /// Prints a remark without tearing the live lines apart.
    pub fn note(&self, text: &str) {
        let s = self.0.borrow();
        match &s.screen {
            Some(screen) => screen.all.suspend(|| s.out.note(text)),
            None => s.out.note(text),
        }
    }

    pub fn elapsed(&self) -> Duration {
        self.0.borrow().started.elapsed()
    }
}

/// Returns the mark of a finished group.
fn done_mark(word: &str) -> &'static str {
    if word == "delete" { "-" } else { "✓" }
}

fn plain(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a template of ours")
}

impl State {
    fn on(&mut self, e: Event) {
        if self.quiet {
            return;
        }
        if self.out.json() {
            // Scripts need the changes, not each step that is looked at.
            if !matches!(&e, Event::Started { .. } | Event::Planned { .. } if self.is_idle(&e)) || self.out.verbose > 0
            {
                self.out.event(line::Event::Step(&e));
            }
            return;
        }
        match &e {
            Event::Started { .. } => {}
            Event::Planned { key, change, usually } => {
                if change.is_none() {
                    self.expected.remove(key);
                } else {
                    self.tally.begin(key);
                    let verb = match change.word() {
                        "create" => "creating",
                        "update" => "updating",
                        "replace" => "replacing",
                        w => w,
                    };
                    self.run(key, Duration::try_from_secs_f64(*usually).unwrap_or_default(), verb);
                }
            }
            Event::Waiting { key, phase } => {
                let usually = self.expected.get(key).copied().unwrap_or_default();
                self.run(key, usually, phase);
                if self.out.verbose > 0 {
                    self.say(format!("{DIM}  … {key}: {phase}{RESET}"));
                }
            }
            Event::Retrying { key, error, throttled, pause, .. } => {
                self.throttled += u32::from(*throttled);
                if *throttled && self.throttled == 1 {
                    self.say(format!("{WARN}  AWS throttles this account: slowing down{RESET}"));
                } else if !*throttled || self.out.verbose > 0 {
                    self.say(format!("{WARN}  ↻ {key}{RESET}: {error}; again in {pause:.1} s"));
                }
            }
            Event::Done { key, change: word } => self.finish(key, word),
            Event::Deleted { key } => self.finish(key, "delete"),
            Event::Failed { key, error, help, .. } => {
                self.forget(key);
                self.tally.fail(key);
                self.say(format!("{BAD}  ✗ {key}{RESET}: {error}"));
                if let Some(help) = help {
                    self.say(format!("      {DIM}{help}{RESET}"));
                }
            }
            Event::Without { key, error, help, .. } => {
                self.forget(key);
                self.say(format!("{WARN}  ! {key}{RESET}: {error}"));
                self.say(format!("      {DIM}{help}{RESET}"));
            }
            Event::Skipped { key, because } => {
                self.forget(key);
                self.tally.fail(key);
                if self.out.verbose > 0 {
                    self.say(format!("{DIM}  ? {key}: skipped because of {because}{RESET}"));
                }
            }
        }
        self.header();
    }

    /// Prints a finished step, by itself or with its group.
    fn finish(&mut self, key: &Key, word: &'static str) {
        let word = if word == "none" && self.comes.contains(key) { "create" } else { word };
        let (mark, style) = change(word);
        let (took, changed) = (self.took(key), word != "none");
        self.forget(key);
        if changed && !self.tally.folds {
            self.say(format!("{style}  {mark} {key}{RESET} {word}d{took}"));
        }
        let folds = self.tally.folds;
        let Some((group, steps)) = self.tally.finish(key, changed).filter(|_| folds) else { return };
        let since = steps.since.map_or(String::new(), |at| format!(" {DIM}in {}{RESET}", clock(at.elapsed())));
        let line = format!(
            "{style}  {} {:<11}{RESET}{}{since}",
            done_mark(word),
            group.to_string(),
            count(steps.changed, "change")
        );
        self.say(line);
    }

    fn is_idle(&self, e: &Event) -> bool {
        match e {
            Event::Planned { change, .. } => change.is_none(),
            _ => true,
        }
    }

    fn run(&mut self, key: &Key, usually: Duration, phase: &str) {
        let screen = &self.screen;
        let usually = usually.mul_f64(self.scale);
        let before = self.under_way.remove(key).unwrap_or_default();
        let r = self.running.entry(key.clone()).or_insert_with(|| Running {
            since: Instant::now().checked_sub(before).unwrap_or_else(Instant::now),
            usually,
            phase: String::new(),
            bar: screen.as_ref().map(|s| s.all.add(ProgressBar::new_spinner().with_style(plain("{msg}")))),
        });
        r.usually = r.usually.max(usually);
        r.phase = phase.to_owned();
        r.draw(key);
    }

    fn forget(&mut self, key: &Key) {
        self.expected.remove(key);
        if let (Some(r), Some(screen)) = (self.running.remove(key), &self.screen)
            && let Some(bar) = r.bar
        {
            bar.finish_and_clear();
            screen.all.remove(&bar);
        }
    }

    fn took(&self, key: &Key) -> String {
        match self.running.get(key).map(|r| r.since.elapsed()) {
            Some(d) if d >= Duration::from_secs(1) => format!(" {DIM}in {}{RESET}", clock(d)),
            _ => String::new(),
        }
    }

    fn say(&mut self, line: String) {
        self.last_line = Instant::now();
        match &self.screen {
            Some(screen) => screen.all.suspend(|| self.out.note(line)),
            None => self.out.note(line),
        }
    }

    /// Returns the remaining time of the longest path, and its steps.
    fn eta(&self) -> (Duration, Vec<Key>) {
        let mut progress: BTreeMap<Key, Progress> =
            self.expected.iter().map(|(k, d)| (k.clone(), Progress::Pending(d.mul_f64(self.scale)))).collect();
        for (k, since) in &self.under_way {
            let usually = self.expected.get(k).copied().unwrap_or_default().mul_f64(self.scale);
            progress.insert(k.clone(), Progress::Running { since: *since, usually });
        }
        for (k, r) in &self.running {
            progress.insert(k.clone(), Progress::Running { since: r.since.elapsed(), usually: r.usually });
        }
        let (left, path) = self.forecast.as_ref().map(|f| f.longest_path(&progress)).unwrap_or_default();
        (left.saturating_add(self.boot), path)
    }

    /// Returns the steps under way with their phases. The step for which the run waits is the first one.
    fn running(&self) -> Vec<String> {
        let pole = self.eta().1.into_iter().next();
        let (first, others): (Vec<_>, Vec<_>) = self.running.iter().partition(|(key, _)| Some(*key) == pole.as_ref());
        let unbegun = pole.filter(|_| first.is_empty()).map(|key| key.to_string());
        unbegun.into_iter().chain(first.into_iter().chain(others).map(|(k, r)| format!("{k} ({})", r.phase))).collect()
    }

    /// Returns the line about the whole walk, which waits for `waiting`.
    fn summary(&self, waiting: &[String]) -> String {
        let left = self.eta().0;
        let mut line = format!(
            "{TITLE}{}/{}{RESET} · {} · {} left",
            self.tally.done(),
            self.tally.all(),
            clock(self.started.elapsed()),
            if left.is_zero() { "almost nothing".to_owned() } else { format!("about {}", clock(left)) },
        );
        if !waiting.is_empty() {
            line += &format!(" · waiting for {}", waiting.join(", "));
        }
        if let Some(at) = self.deadline {
            line += &format!(" · {}", slack(at, left));
        }
        if self.throttled > 0 {
            line += &format!(" · {WARN}throttled by AWS {} times{RESET}", self.throttled);
        }
        line
    }

    fn header(&self) {
        if let Some(screen) = &self.screen {
            let pole = self.eta().1.first().map(ToString::to_string);
            screen.header.set_message(shown(&self.summary(pole.as_slice())));
        }
    }

    fn tick(&mut self) {
        if self.quiet {
            return;
        }
        self.header();
        for (key, r) in &self.running {
            r.draw(key);
        }
        if self.screen.is_none() && !self.out.json() && self.last_line.elapsed() >= HEARTBEAT {
            self.say(self.summary(&self.running()));
        }
    }
}

impl Running {
    fn draw(&self, key: &Key) {
        let Some(bar) = &self.bar else { return };
        let since = self.since.elapsed();
        let usual = if self.usually > Duration::from_secs(1) {
            format!(" / usually {}", clock(self.usually))
        } else {
            String::new()
        };
        let late =
            if since > self.usually.saturating_add(Duration::from_secs(5)) && !usual.is_empty() { WARN } else { DIM };
        let line = format!("  {key:<34} {} {late}{}{usual}{RESET}", self.phase, clock(since));
        bar.set_message(shown(&line));
    }
}

/// Describes the time until traffic, and the slack when everything is built.
pub fn slack(traffic_at: jiff::Timestamp, left: Duration) -> String {
    let until = traffic_at.duration_since(jiff::Timestamp::now()).as_secs_f64();
    let slack = until - left.as_secs_f64();
    let style = match slack {
        ..0.0 => BAD,
        ..300.0 => WARN,
        _ => GOOD,
    };
    let d = |s: f64| clock(Duration::from_secs_f64(s.abs()));
    if until <= 0.0 {
        format!("{style}traffic for {}{RESET}", d(until))
    } else if slack < 0.0 {
        format!("traffic in {} · {style}{} too late{RESET}", d(until), d(slack))
    } else {
        format!("traffic in {} · {style}slack {}{RESET}", d(until), d(slack))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::Cli,
        engine::{
            Typical,
            testing::{Thing, World},
        },
    };
    use clap::Parser;

    #[test]
    fn a_sign_of_life_names_the_step_that_it_waits_for_first_and_once() {
        let mut graph = Graph::default();
        let thing = || Thing { world: World::default(), size: 1, links: vec![], slow: Typical::default() };
        for name in ["quick", "slow"] {
            graph.add(name, thing());
        }
        let view = View::new(Printer::new(&Cli::parse_from(["gameday", "up"]).global));
        let mut state = view.0.borrow_mut();
        state.forecast = Some(Forecast::new(&graph, Direction::Forward));
        let (quick, slow) = (Key::new("thing", "quick"), Key::new("thing", "slow"));
        state.run(&quick, Duration::from_secs(60), "creating");
        state.expected.insert(slow.clone(), Duration::from_secs(600));
        assert_eq!(state.running(), ["thing/slow", "thing/quick (creating)"]);
        state.run(&slow, Duration::from_secs(600), "updating");
        let running = state.running();
        assert_eq!(running, ["thing/slow (updating)", "thing/quick (creating)"]);
        let line = state.summary(&running);
        assert!(line.ends_with("left · waiting for thing/slow (updating), thing/quick (creating)"), "{line}");
    }
}
