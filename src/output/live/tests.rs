//! The screens, drawn on a terminal in memory.
use super::{
    screen,
    text::Theme,
    ui::{Action, Ui},
};
use crate::{
    cli::Cli,
    live::{LiveState, Step, StepState, Times, TroubleKind, testing::*},
    typed::Typist,
};
use anstyle::AnsiColor;
use clap::Parser;
use jiff::tz::TimeZone;
use ratatui_core::{
    backend::TestBackend,
    style::{Color, Modifier},
    terminal::Terminal,
};
use termion::event::Key;

fn terminal(state: &LiveState, keys: &[Key], (width, height): (u16, u16), color: bool) -> Terminal<TestBackend> {
    let mut ui = Ui::default();
    let ids = ["i-0aaaaaaaaaaaaaaa1".to_owned(), "i-0bbbbbbbbbbbbbbb2".to_owned()];
    for key in keys {
        assert_eq!(ui.key(*key, state, &ids), Action::None);
    }
    let mut t = Terminal::new(TestBackend::new(width, height)).unwrap();
    t.draw(|f| screen::draw(f.buffer_mut(), ui.shown(state), &ui, Theme { color }, typist(), &TimeZone::UTC)).unwrap();
    t
}

/// Returns the text on the screen, without trailing blanks.
fn text(t: &Terminal<TestBackend>) -> String {
    let b = t.backend().buffer();
    let row = |y| (0..b.area.width).map(|x| b[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..b.area.height).map(row).collect::<Vec<_>>().join("\n")
}

fn shown(state: &LiveState, keys: &[Key], size: (u16, u16)) -> String {
    text(&terminal(state, keys, size, true))
}

/// Returns a typist without options to repeat.
fn typist() -> Typist {
    Typist::new(&Cli::parse_from(["gameday", "status"]).global)
}

const SIZES: [(u16, u16); 3] = [(60, 15), (80, 24), (200, 50)];

macro_rules! screens {
    ($name:literal, $state:expr) => {
        for size in SIZES {
            insta::assert_snapshot!(format!("{}_{}x{}", $name, size.0, size.1), shown(&$state, &[], size));
        }
    };
}

fn broken() -> LiveState {
    let mut s = serving();
    s.fold(looked(300, listener_deleted()));
    s
}

fn booting() -> LiveState {
    let mut s = LiveState::new(start(), Times { traffic_at: Some(after(1800)), scale: 1.0, ..Times::default() });
    let mut look = unbroken();
    look.targets.clear();
    look.alarms.push(crate::snapshot::Alarm {
        name: "billing-healthy-hosts".into(),
        description: Some("no target is healthy: nothing is served, or the balancer fails open".into()),
        since: Some(after(-40)),
        ..Default::default()
    });
    for (answer, id) in look.probe.answers.iter_mut().zip(["i-0aaaaaaaaaaaaaaa1", "i-0bbbbbbbbbbbbbbb2"]) {
        answer.status = Some(503);
        answer.beacon = Some(crate::snapshot::Beacon {
            instance: Some(id.into()),
            stage: "database".into(),
            step: Some(5),
            of: Some(8),
            seconds: Some(41),
            status: Some("running".into()),
            ..Default::default()
        });
    }
    s.fold(looked(0, look));
    s.fold(health(10, &[("i-0aaaaaaaaaaaaaaa1", "initial"), ("i-0bbbbbbbbbbbbbbb2", "unhealthy")]));
    let step = |key: (&str, &str), state| Step {
        key: crate::engine::Key::new(key.0, key.1),
        state,
        usually: std::time::Duration::from_secs(400),
    };
    let steps = vec![step(("cache", "main"), StepState::Busy), step(("vpc", "main"), StepState::Ready)];
    s.fold(crate::live::Round { steps: Some(steps), ..crate::live::Round::at(after(20)) });
    s
}

#[test]
fn it_serves() {
    screens!("serving", serving());
}

#[test]
fn a_hop_is_broken() {
    screens!("broken", broken());
}

#[test]
fn it_boots() {
    screens!("booting", booting());
}

#[test]
fn credentials_are_lost() {
    let mut s = serving();
    s.fold(lost(330, TroubleKind::Credentials, "ExpiredToken: the security token included in the request is expired"));
    s.fold(answered(340, Some(200), 31));
    screens!("lost", s);
}

#[test]
fn several_services_have_a_line_each() {
    let mut s = serving();
    let all = [("lookup", unbroken()), ("root", listener_deleted())];
    s.fold(looked_at_all(300, all.map(|(name, snapshot)| of_service(name, snapshot))));
    insta::assert_snapshot!("services", shown(&s, &[], (80, 24)));
    s.show_next();
    insta::assert_snapshot!("services_next", shown(&s, &[], (80, 24)));
}

#[test]
fn the_views() {
    let s = serving();
    for (n, name) in [('2', "path"), ('3', "instances"), ('4', "traffic"), ('5', "events")] {
        insta::assert_snapshot!(format!("view_{name}"), shown(&s, &[Key::Char(n)], (80, 24)));
    }
    insta::assert_snapshot!("help", shown(&s, &[Key::Char('?')], (80, 24)));
    insta::assert_snapshot!("details", shown(&s, &[Key::Char('3'), Key::Down, Key::Char('\n')], (80, 24)));
    insta::assert_snapshot!("replace", shown(&s, &[Key::Char('x')], (60, 15)));
}

/// The picture in the README. `GAMEDAY_BLESS=1` draws it again.
#[test]
fn the_readme_shows_this_screen() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/screen.svg");
    let picture = anstyle_svg::Term::new().render_svg(&ansi(&terminal(&serving(), &[], (100, 30), true)));
    if std::env::var_os("GAMEDAY_BLESS").is_some() {
        std::fs::write(&path, &picture).unwrap();
    }
    assert!(std::fs::read_to_string(&path).unwrap() == picture, "docs/screen.svg shows another screen");
}

/// Returns the escapes that make a terminal show this.
fn ansi(terminal: &Terminal<TestBackend>) -> String {
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let mut last = anstyle::Style::new();
        for x in 0..buffer.area.width {
            let cell = &buffer[(x, y)];
            let style = styled(cell);
            if style != last {
                text += &format!("{last:#}{style}");
                last = style;
            }
            text += cell.symbol();
        }
        text += &format!("{last:#}\n");
    }
    text
}

fn styled(cell: &ratatui_core::buffer::Cell) -> anstyle::Style {
    let color = |c: Color| match c {
        Color::Green => Some(AnsiColor::Green),
        Color::Yellow => Some(AnsiColor::Yellow),
        Color::Red => Some(AnsiColor::Red),
        Color::Cyan => Some(AnsiColor::Cyan),
        Color::Black => Some(AnsiColor::Black),
        Color::White => Some(AnsiColor::White),
        Color::DarkGray => Some(AnsiColor::BrightBlack),
        _ => None,
    };
    let mut style = anstyle::Style::new().fg_color(color(cell.fg).map(Into::into));
    style = style.bg_color(color(cell.bg).map(Into::into));
    if cell.modifier.contains(Modifier::BOLD) {
        style = style.bold();
    }
    if cell.modifier.contains(Modifier::DIM) {
        style = style.dimmed();
    }
    style
}

#[test]
fn without_colour_the_text_is_the_same_and_no_cell_has_one() {
    let s = broken();
    for size in SIZES {
        let (with, without) = (terminal(&s, &[], size, true), terminal(&s, &[], size, false));
        assert_eq!(text(&with), text(&without));
        let colored = |t: &Terminal<TestBackend>| {
            t.backend().buffer().content.iter().any(|c| c.fg != Color::Reset || c.bg != Color::Reset)
        };
        assert!(colored(&with) && !colored(&without));
    }
}

#[test]
fn any_size_is_drawn() {
    let states = [LiveState::new(start(), Times::default()), serving(), broken(), booting()];
    for (width, height) in [(1, 1), (20, 4), (21, 5), (40, 10), (139, 9), (140, 60), (400, 100)] {
        for s in &states {
            for key in ['1', '2', '3', '4', '5', '?', 'x'] {
                terminal(s, &[Key::Char(key)], (width, height), true);
            }
        }
    }
}

#[test]
fn a_long_command_pushes_its_cause_off_no_screen() {
    let mut s = broken();
    for finding in s.chain.hops.iter_mut().flat_map(|h| &mut h.findings) {
        finding.command = format!("aws elbv2 delete-rule --rule-arn {}", "arn:aws:rule/".repeat(25));
    }
    for size in [(60, 12), (60, 15), (80, 15), (80, 24)] {
        let screen = shown(&s, &[], size);
        assert!(screen.contains("has no listener on port 80") && screen.contains("delete-rule"), "{size:?}\n{screen}");
    }
}

#[test]
fn keys() {
    let live = serving();
    let ids = ["i-1".to_owned(), "i-2".to_owned()];
    let mut ui = Ui::default();
    let mut press = |c| ui.key(Key::Char(c), &live, &ids);
    assert_eq!((press('x'), press('n')), (Action::None, Action::None), "asked, and refused");
    assert_eq!((press('x'), press('y')), (Action::None, Action::Replace("i-1".into())));
    assert_eq!((press('r'), press('q')), (Action::Look, Action::Quit));
    assert_eq!(ui.key(Key::Ctrl('c'), &live, &ids), Action::Quit);
    ui.key(Key::Char('f'), &live, &ids);
    let mut later = live.clone();
    later.fold(looked(400, listener_deleted()));
    assert!(ui.is_frozen() && ui.shown(&later).verdict.serving());
    assert_eq!(ui.key(Key::Char('n'), &later, &ids), Action::None, "the frozen picture keeps its service");
    ui.key(Key::Char('f'), &later, &ids);
    assert_eq!(ui.shown(&later).told, later.told);
    assert_eq!(ui.key(Key::Char('n'), &later, &ids), Action::NextService);
}

#[test]
fn a_key_is_drawn_within_50_ms() {
    let (s, tz) = (serving(), TimeZone::UTC);
    let mut ui = Ui::default();
    let mut t = Terminal::new(TestBackend::new(200, 50)).unwrap();
    // What this thread computed, where the system counts it: a busy machine draws no slower for that.
    let begun = std::time::Instant::now();
    let computed = || -> Option<u64> {
        std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
    };
    let before = computed();
    for n in 0..20 {
        ui.key(Key::Char('\t'), &s, &[]);
        t.draw(|f| screen::draw(f.buffer_mut(), &s, &ui, Theme { color: n % 2 == 0 }, typist(), &tz)).unwrap();
    }
    let took = match (before, computed()) {
        (Some(before), Some(after)) => std::time::Duration::from_nanos(after - before),
        _ => begun.elapsed(),
    };
    assert!(took.as_millis() / 20 < 50, "{took:?} for 20");
}
