//! The terminal: taken over, drawn on, and always restored.
use crate::{
    output::plain::{ascii_only, one},
    said,
};
use ratatui_core::{
    backend::{Backend, ClearType, WindowSize},
    buffer::Cell,
    layout::{Position, Size},
    style::{Color, Modifier},
};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::io::{self, Write};
use termion::raw::{IntoRawMode, RawTerminal};

/// Turns the alternate screen on, and cursor and wrapping off.
const TAKE: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const GIVE_BACK: &str = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

/// The terminal in raw mode, until this is dropped.
pub(super) struct Taken {
    _raw: RawTerminal<io::Stdout>,
}

impl Taken {
    pub(super) fn take() -> io::Result<Self> {
        let cooked = tcgetattr(io::stdout()).ok();
        let raw = io::stdout().into_raw_mode()?;
        // A panic would print invisibly, so it restores the terminal first.
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            give_back();
            if let Some(t) = &cooked {
                _ = tcsetattr(io::stdout(), OptionalActions::Now, t);
            }
            before(info);
        }));
        put(TAKE);
        Ok(Self { _raw: raw })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
    }
}

fn give_back() {
    put(GIVE_BACK);
}

fn put(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Draws on stdout with one write per frame, so that nothing flickers over a slow connection.
#[derive(Default)]
pub(super) struct Ansi {
    frame: Vec<u8>,
}

impl Backend for Ansi {
    type Error = io::Error;

    fn draw<'a, I: Iterator<Item = (u16, u16, &'a Cell)>>(&mut self, content: I) -> io::Result<()> {
        let mut style = None;
        let mut at = None;
        for (x, y, cell) in content {
            if at != Some((x, y)) {
                write!(self.frame, "\x1b[{};{}H", y + 1, x + 1)?;
            }
            let new = (cell.fg, cell.bg, cell.modifier);
            if style != Some(new) {
                sgr(&mut self.frame, new)?;
                style = Some(new);
            }
            match ascii_only() {
                false => self.frame.extend_from_slice(said::line(cell.symbol()).as_bytes()),
                true => self.frame.extend(cell.symbol().chars().next().map(|c| one(c) as u8)),
            }
            at = Some((x + 1, y));
        }
        self.frame.extend_from_slice(b"\x1b[0m");
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn show_cursor(&mut self) -> io::Result<()> {
        Ok(())
    }
    /// Returns the origin, since the cursor is hidden.
    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(Position::ORIGIN)
    }
    fn set_cursor_position<P: Into<Position>>(&mut self, _: P) -> io::Result<()> {
        Ok(())
    }
    fn clear(&mut self) -> io::Result<()> {
        self.frame.extend_from_slice(b"\x1b[2J");
        Ok(())
    }
    fn clear_region(&mut self, _: ClearType) -> io::Result<()> {
        self.clear()
    }
    fn size(&self) -> io::Result<Size> {
        let (columns, rows) = termion::terminal_size_fd(&io::stdout())?;
        Ok(Size::new(columns, rows))
    }
    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size()?, pixels: Size::ZERO })
    }
    fn flush(&mut self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(&self.frame)?;
        self.frame.clear();
        out.flush()
    }
}

fn sgr(out: &mut Vec<u8>, (fg, bg, modifier): (Color, Color, Modifier)) -> io::Result<()> {
    write!(out, "\x1b[0")?;
    for (bit, code) in [(Modifier::BOLD, 1), (Modifier::DIM, 2), (Modifier::UNDERLINED, 4), (Modifier::REVERSED, 7)] {
        if modifier.contains(bit) {
            write!(out, ";{code}")?;
        }
    }
    for (color, base) in [(fg, 30), (bg, 40)] {
        if let Some(n) = ansi(color) {
            write!(out, ";{}", base + n)?;
        }
    }
    write!(out, "m")
}

/// Returns one of the eight colours that every terminal has and every theme defines.
fn ansi(color: Color) -> Option<u8> {
    Some(match color {
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray | Color::White => 7,
        _ => return None,
    })
}
