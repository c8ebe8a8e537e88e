//! Words, numbers and small graphs, fitted to a width.
use crate::{said, verdict::Word};
use ratatui_core::{
    style::{Color, Modifier, Style},
    text::{Line, Span},
};

/// Styles by meaning. Without colour, weight and marks replace it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Theme {
    pub color: bool,
}

impl Theme {
    fn fg(self, color: Color) -> Style {
        if self.color { Style::new().fg(color) } else { Style::new() }
    }
    pub(super) fn good(self) -> Style {
        self.fg(Color::Green)
    }
    pub(super) fn warn(self) -> Style {
        self.fg(Color::Yellow)
    }
    pub(super) fn bad(self) -> Style {
        self.fg(Color::Red).add_modifier(Modifier::BOLD)
    }
    pub(super) fn graph(self) -> Style {
        self.fg(Color::Cyan)
    }
    pub(super) fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }
    pub(super) fn title(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }
    pub(super) fn of(self, good: Option<bool>) -> Style {
        match good {
            Some(true) => self.good(),
            Some(false) => self.bad(),
            None => Style::new(),
        }
    }
    /// Returns the style of a verdict, on its colour or reversed.
    ///
    /// Green serves, red does not, grey does not exist, amber is in between.
    pub(super) fn flag(self, word: Word) -> Style {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        match word {
            _ if !self.color => bold.add_modifier(Modifier::REVERSED),
            Word::Serving => bold.fg(Color::Black).bg(Color::Green),
            Word::NotServing => bold.fg(Color::White).bg(Color::Red),
            Word::NotBuilt => bold.fg(Color::White).bg(Color::DarkGray),
            Word::AtRisk | Word::Building | Word::Unknown => bold.fg(Color::Black).bg(Color::Yellow),
        }
    }
}

/// Cuts a text to a number of columns, with a sign for the missing part.
pub(super) fn fit(text: &str, width: usize) -> String {
    let text = said::line(text);
    if text.chars().count() <= width {
        return text.into_owned();
    }
    text.chars().take(width.saturating_sub(1)).collect::<String>() + "…"
}

/// Pads or cuts a text to exactly this number of columns.
pub(super) fn cell(text: &str, width: usize) -> String {
    format!("{:<width$}", fit(text, width))
}

/// Wraps words into lines. A word that is longer than a line is broken.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let pieces = |word: &str| -> Vec<String> {
        let all: Vec<char> = word.chars().collect();
        all.chunks(width.max(1)).map(|piece| piece.iter().collect()).collect()
    };
    for word in text.split_whitespace().flat_map(pieces) {
        let last = lines.last_mut().expect("there is a line");
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > width {
            lines.push(word);
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(&word);
        }
    }
    lines
}

/// Draws the newest `width` values as one line of bars. The highest fills its cell.
pub(super) fn spark(values: &[f64], width: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let values = &values[values.len().saturating_sub(width)..];
    let top = values.iter().copied().fold(0.0, f64::max);
    let bar = |v: &f64| {
        let eighth = if top > 0.0 { (v / top * 8.0).ceil() as usize } else { 0 };
        if eighth == 0 { ' ' } else { BARS[eighth.min(8) - 1] }
    };
    format!("{:>width$}", values.iter().map(bar).collect::<String>())
}

/// Writes an age such as `48 s`, `12 min` or `3:07 h`.
pub(super) fn age(seconds: i64) -> String {
    match seconds.max(0) {
        s @ 0..120 => format!("{s} s"),
        s @ 120..7200 => format!("{} min", s / 60),
        s => format!("{}:{:02} h", s / 3600, s / 60 % 60),
    }
}

/// Writes a number such as `7`, `3.2`, `1.5k` or `2.1M`, in at most four columns.
pub(super) fn short(v: f64) -> String {
    match v.abs() {
        a if a >= 999_500.0 => format!("{:.1}M", v / 1e6),
        a if a >= 9_950.0 => format!("{:.0}k", v / 1e3),
        a if a >= 1_000.0 => format!("{:.1}k", v / 1e3),
        a if a >= 10.0 || a.fract() == 0.0 => format!("{v:.0}"),
        _ => format!("{v:.1}"),
    }
}

pub(super) fn seconds(v: f64) -> String {
    if v < 1.0 { format!("{:.0} ms", v * 1000.0) } else { format!("{v:.1} s") }
}

/// Returns a line of pieces with their styles.
pub(super) fn line<'a>(pieces: impl IntoIterator<Item = (String, Style)>) -> Line<'a> {
    let span = |(text, style): (String, Style)| Span::styled(said::line(&text).into_owned(), style);
    Line::from(pieces.into_iter().map(span).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fit() {
        assert_eq!([fit("abcdef", 6), fit("abcdef", 4), fit("a\nb", 9)], ["abcdef", "abc…", "a⏎b"]);
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("delete arn:aws:123456789 now", 8), ["delete", "arn:aws:", "12345678", "9 now"]);
        assert_eq!(spark(&[0.0, 1.0, 4.0, 8.0], 6), "   ▁▄█");
        assert_eq!([short(7.0), short(3.25), short(1530.0), short(20_400.0)], ["7", "3.2", "1.5k", "20k"]);
        assert_eq!([age(48), age(300), age(11_220)], ["48 s", "5 min", "3:07 h"]);
    }
}
