//! The layout of the panels: the most important ones are dropped last.
use super::{
    instances::{self, Sort},
    panels::{self, Cx, Lines},
    text::{Theme, line, short},
    ui::{Overlay, Ui, View},
};
use crate::{
    live::LiveState,
    parts::{balancer::measure as balancer, database::measure as database, service::measure as service},
    typed::Typist,
};
use jiff::tz::TimeZone;
use ratatui_core::{buffer::Buffer, layout::Rect, style::Style, text::Line, widgets::Widget};
use ratatui_widgets::{block::Block, clear::Clear, sparkline::Sparkline};

/// From this width on there are two columns.
const WIDE: u16 = 140;

/// A part of the screen. Panels are given in display order. A lower rank stays longer.
struct Panel {
    title: &'static str,
    rank: u8,
    lines: Lines,
    /// The least number of lines. With fewer the panel is not shown.
    min: usize,
}

impl Panel {
    fn new(title: &'static str, rank: u8, min: usize, lines: Lines) -> Self {
        Self { title, rank, min: min.min(lines.len()), lines }
    }
}

pub(super) fn draw(buffer: &mut Buffer, state: &LiveState, ui: &Ui, theme: Theme, typist: Typist, tz: &TimeZone) {
    let area = buffer.area;
    if area.width < 20 || area.height < 4 {
        return;
    }
    let cx = Cx { s: state, theme, typist, width: usize::from(area.width), tz };
    let mut y = area.y;
    let mut top = panels::verdict(&cx);
    top.extend(panels::clock_line(&cx));
    // The header must not displace everything else.
    top.truncate(usize::from(area.height / 3).max(2));
    for l in top {
        buffer.set_line(area.x, y, &l, area.width);
        y += 1;
    }
    let body = Rect { y, height: area.bottom() - 1 - y, ..area };
    match ui.view {
        View::Overview if area.width >= WIDE => {
            let half = body.width / 2;
            let left = Rect { width: half - 1, ..body };
            let right = Rect { x: body.x + half + 1, width: body.width - half - 1, ..body };
            let (lcx, rcx) =
                (Cx { width: usize::from(left.width), ..cx }, Cx { width: usize::from(right.width), ..cx });
            stack(buffer, left, theme, vec![path(&lcx, true), fleet(&lcx, ui), events(&lcx, 2)]);
            stack(buffer, right, theme, vec![traffic(&rcx), data(&rcx), alarms(&rcx, 5)]);
        }
        View::Overview => {
            let roomy = body.height >= 26;
            let all = vec![path(&cx, roomy), traffic(&cx), fleet(&cx, ui), data(&cx), alarms(&cx, 7), events(&cx, 4)];
            stack(buffer, body, theme, all);
        }
        View::Path => {
            let mut lines = panels::path(&Cx { s: state, ..cx }, true);
            for f in state.chain.findings().iter().skip(1) {
                lines.extend(panels::finding(&cx, f, 3));
            }
            scrolled(buffer, body, theme, "Request path", lines, ui.scroll);
        }
        View::Instances => {
            let mut lines = instances::table(&cx, ui.sort, Some(ui));
            lines.push(Line::default());
            lines.extend(panels::alarms(&cx));
            scrolled(buffer, body, theme, "Instances, and what Auto Scaling did", lines, ui.scroll);
        }
        View::Traffic => graphs(buffer, body, &cx),
        View::Events => scrolled(buffer, body, theme, "Events", panels::events(&cx), ui.scroll),
    }
    footer(buffer, area, state, ui, theme, typist);
    match &ui.overlay {
        Overlay::None => {}
        Overlay::Help => popup(buffer, area, theme, " Keys ", help(theme, ui.sort)),
        Overlay::Details => {
            let inner = Cx { width: usize::from(area.width.min(100).saturating_sub(6)), ..cx };
            let rows = instances::rows(inner.s, ui.sort);
            let Some(row) = rows.get(ui.row(rows.iter().map(|r| r.id.as_str()))) else { return };
            popup(buffer, area, theme, " Instance ", instances::details(&inner, row));
        }
        Overlay::Logs(id) => {
            let inner = Cx { width: usize::from(area.width.saturating_sub(6)), ..cx };
            let room = usize::from(area.height.saturating_sub(4)).max(1);
            popup(buffer, area, theme, &format!(" Logs of {id} "), panels::logs(&inner, id, room));
        }
        Overlay::Replace(id) => {
            let ask = [
                format!("Replace {id}?"),
                "Auto Scaling ends it and starts another one: one instance".into(),
                "less for as long as a boot takes.".into(),
                "y  yes, replace it      any other key  no".into(),
            ];
            popup(buffer, area, theme, " Replace ", ask.into_iter().map(|t| line([(t, Style::new())])).collect());
        }
    }
}

fn path(cx: &Cx, full: bool) -> Panel {
    let lines = panels::path(cx, full);
    Panel::new("Request path", 0, lines.len(), lines)
}
fn fleet(cx: &Cx, ui: &Ui) -> Panel {
    let title = match ui.sort {
        Sort::Zone => "Instances by zone",
        Sort::Age => "Instances by age",
        Sort::Health => "Instances by health",
    };
    Panel::new(title, 1, 4, instances::table(cx, ui.sort, None))
}
fn traffic(cx: &Cx) -> Panel {
    Panel::new("Traffic", 2, 3, panels::traffic(cx))
}
fn events(cx: &Cx, rank: u8) -> Panel {
    Panel::new("Events", rank, 1, panels::events(cx))
}
fn data(cx: &Cx) -> Panel {
    let mut lines = panels::cost(cx);
    lines.extend(panels::data(cx));
    Panel::new("Cost and load", 5, 1, lines)
}
fn alarms(cx: &Cx, rank: u8) -> Panel {
    // Active alarms matter more than past events.
    let firing = cx.s.snapshot.as_ref().is_some_and(|s| !s.alarms.is_empty());
    Panel::new("Alarms and scaling", if firing { 3 } else { rank }, 1, panels::alarms(cx))
}

/// Stacks panels: first everyone's minimum by rank, then the rest by rank.
fn stack(buffer: &mut Buffer, area: Rect, theme: Theme, mut panels: Vec<Panel>) {
    panels.retain(|p| !p.lines.is_empty());
    let mut by_rank: Vec<usize> = (0..panels.len()).collect();
    by_rank.sort_by_key(|&i| panels[i].rank);
    let mut rows = vec![0; panels.len()];
    let mut left = usize::from(area.height);
    for (place, &i) in by_rank.iter().enumerate() {
        // The most important panel is always there, as far as it fits.
        let min = if place == 0 { panels[i].min.min(left.saturating_sub(1)) } else { panels[i].min };
        if min < left {
            rows[i] = min;
            left -= min + 1;
        }
    }
    for &i in &by_rank {
        if rows[i] == 0 {
            continue;
        }
        let more = (panels[i].lines.len() - rows[i]).min(left);
        rows[i] += more;
        left -= more;
    }
    let mut y = area.y;
    for (p, rows) in panels.into_iter().zip(rows).filter(|(_, rows)| *rows > 0) {
        title(buffer, Rect { y, ..area }, theme, p.title);
        for (i, l) in p.lines.iter().take(rows).enumerate() {
            buffer.set_line(area.x, y + 1 + i as u16, l, area.width);
        }
        y += 1 + rows as u16;
    }
}

fn title(buffer: &mut Buffer, at: Rect, theme: Theme, text: &str) {
    let rule = "─".repeat(usize::from(at.width).saturating_sub(text.chars().count() + 3));
    let l = line([("─ ".into(), theme.dim()), (text.into(), theme.title()), (format!(" {rule}"), theme.dim())]);
    buffer.set_line(at.x, at.y, &l, at.width);
}

fn scrolled(buffer: &mut Buffer, area: Rect, theme: Theme, name: &str, lines: Lines, scroll: usize) {
    title(buffer, area, theme, name);
    let room = usize::from(area.height.saturating_sub(1));
    let from = scroll.min(lines.len().saturating_sub(room));
    for (i, l) in lines.iter().skip(from).take(room).enumerate() {
        buffer.set_line(area.x, area.y + 1 + i as u16, l, area.width);
    }
}

/// Draws the last hour, one column per minute, as high as the window allows.
fn graphs(buffer: &mut Buffer, area: Rect, cx: &Cx) {
    let m = &cx.s.minutes;
    let words = panels::traffic(cx);
    let load = panels::data(cx);
    let all = [
        ("Requests a minute", &balancer::REQUESTS, 1.0),
        ("5xx a minute", &balancer::TARGET_5XX, 1.0),
        ("p90 of the service, ms", &balancer::P90, 1000.0),
        ("CPU of the fleet, %", &service::CPU, 1.0),
        ("CPU of the database, %", &database::CPU, 1.0),
    ];
    let text = words.len() + load.len() + 2;
    scrolled(buffer, area, cx.theme, "Traffic and load", words.into_iter().chain(load).collect(), 0);
    let below = area.height.saturating_sub(text as u16);
    let fits = (below / 4).min(all.len() as u16);
    if fits == 0 || m.is_empty() {
        return;
    }
    let each = below / fits;
    for (i, (name, metric, factor)) in all.into_iter().take(usize::from(fits)).enumerate() {
        let at = Rect { y: area.y + text as u16 + i as u16 * each, height: each, ..area };
        let values: Vec<f64> = m.recent(metric, usize::from(area.width.min(300)));
        let top = values.iter().copied().fold(0.0, f64::max) * factor;
        title(buffer, at, cx.theme, &format!("{name} (top {})", short(top)));
        // The widget takes integers, so the values are in thousandths.
        let bars: Vec<u64> = values.iter().map(|v| (v * factor * 1000.0).max(0.0) as u64).collect();
        let graph = Rect { y: at.y + 1, height: at.height - 1, ..at };
        Sparkline::default().data(&bars).style(cx.theme.graph()).render(graph, buffer);
    }
}

/// Draws the keys and the age of the picture.
///
/// The keys for help and for quitting are never cut: the names of the views are dropped first.
fn footer(buffer: &mut Buffer, area: Rect, state: &LiveState, ui: &Ui, theme: Theme, typist: Typist) {
    const OUT: &str = "? help  q quit";
    let width = usize::from(area.width);
    let frozen = if ui.is_frozen() { "FROZEN · " } else { "" };
    let sandbox = if typist.is_sandbox() { "SANDBOX · " } else { "" };
    let asked = state.age().map_or(String::new(), |a| format!("seen {a} s ago · "));
    let fresh = [
        format!("{frozen}{sandbox}{asked}{} calls/min ", state.rate),
        format!("{frozen}{sandbox}{} calls/min ", state.rate),
        format!("{frozen}{sandbox}"),
    ];
    let names = View::ALL.iter().enumerate().map(|(i, v)| {
        let on = if *v == ui.view { theme.title() } else { theme.dim() };
        (format!("{} {}  ", i + 1, v.name()), on)
    });
    let named = vec![(format!("{} · ", ui.view.name()), theme.title())];
    let keys = |text: &str| (text.to_owned(), theme.dim());
    let next = keys(if state.others.is_empty() { "" } else { "n next service  " });
    let all = [
        [
            names.clone().collect(),
            vec![next.clone(), keys("f freeze  s sort  Enter details  l logs  w why  x replace  "), keys(OUT)],
        ],
        [names.collect(), vec![next.clone(), keys(OUT)]],
        [named, vec![next, keys("l logs  w why  x replace  "), keys(OUT)]],
        [vec![], vec![keys(OUT)]],
    ];
    let wide = |pieces: &[(String, Style)]| pieces.iter().map(|(t, _)| t.chars().count()).sum::<usize>();
    let fits = |left: &[(String, Style)], right: &str| wide(left) + 1 + right.chars().count() <= width;
    let all = all.map(|[names, keys]| [names, keys].concat());
    // The first pair that fits, with as many keys and then as many words as possible.
    let pair = fresh.iter().take(2).find_map(|right| Some((all.iter().take(3).find(|left| fits(left, right))?, right)));
    let (left, right) = pair.unwrap_or((&all[3], if fits(&all[3], &fresh[1]) { &fresh[1] } else { &fresh[2] }));
    let y = area.bottom() - 1;
    buffer.set_line(area.x, y, &line(left.clone()), area.width);
    let style = if ui.is_frozen() { theme.warn() } else { theme.dim() };
    let room = width.saturating_sub(right.chars().count());
    buffer.set_line(area.x + room as u16, y, &line([(right.clone(), style)]), area.width);
}

fn help(theme: Theme, sort: Sort) -> Lines {
    let sorts = &format!("sort instances by zone, age or health (now: {})", sort.name());
    let rows = [
        ("1 … 5, Tab", "overview, path, instances, traffic, events"),
        ("↑ ↓ PgUp PgDn", "choose an instance, or scroll"),
        ("Enter", "details of the chosen instance"),
        ("s", sorts),
        ("l", "what the chosen instance wrote last"),
        ("w", "why: the whole request path, and all that is wrong"),
        ("x", "replace the chosen instance; asks first"),
        ("f", "freeze the picture, and go on"),
        ("n", "the next service, if the stack has several"),
        ("r", "look at everything now"),
        ("? Esc", "this help, and back"),
        ("q Ctrl-C", "quit"),
        ("", ""),
        ("our own", "a request a second from here; no AWS call"),
        ("calls/min", "AWS calls in the last minute; at most 20 while nothing changes"),
    ];
    rows.iter().map(|(k, t)| line([(format!("{k:<14} "), theme.title()), ((*t).into(), Style::new())])).collect()
}

fn popup(buffer: &mut Buffer, area: Rect, theme: Theme, name: &str, lines: Lines) {
    let width = lines.iter().map(Line::width).max().unwrap_or(0).clamp(30, 96) as u16 + 4;
    let (width, height) = (width.min(area.width), (lines.len() as u16 + 2).min(area.height));
    let at = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    Clear.render(at, buffer);
    Block::bordered().title(line([(name.to_owned(), theme.title())])).render(at, buffer);
    for (i, l) in lines.iter().take(usize::from(height.saturating_sub(2))).enumerate() {
        buffer.set_line(at.x + 2, at.y + 1 + i as u16, l, width.saturating_sub(4));
    }
}
