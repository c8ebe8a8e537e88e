//! `status --watch`: a terminal interface, one JSON object per round, or one line per change.
mod instances;
mod panels;
mod plain;
mod screen;
mod terminal;
mod text;
mod ui;

#[cfg(test)]
mod tests;

pub use instances::{Row, Sort, rows};
pub use plain::{LiveRound, heartbeat, news};
pub use ui::Action;

use crate::{live::LiveState, typed::Typist};
use jiff::tz::TimeZone;
use ratatui_core::terminal::Terminal;
use std::{io, thread};
use termion::{event::Key, input::TermRead};
use text::Theme;
use tokio::sync::mpsc;
use ui::Ui;

/// The interface, which owns the terminal until it is dropped.
pub struct Screen {
    terminal: Terminal<terminal::Ansi>,
    ui: Ui,
    theme: Theme,
    typist: Typist,
    tz: TimeZone,
    keys: mpsc::UnboundedReceiver<Key>,
    _taken: terminal::Taken,
}

impl Screen {
    /// Takes over the terminal. A separate thread reads keys, since they must not wait for anything.
    pub fn open(typist: Typist) -> io::Result<Self> {
        let taken = terminal::Taken::take()?;
        let (send, keys) = mpsc::unbounded_channel();
        thread::spawn(move || {
            for key in io::stdin().keys().map_while(Result::ok) {
                if send.send(key).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            terminal: Terminal::new(terminal::Ansi::default())?,
            ui: Ui::default(),
            theme: Theme { color: color() },
            typist,
            tz: TimeZone::system(),
            keys,
            _taken: taken,
        })
    }

    /// Returns the next key, `None` if there will be none.
    pub async fn key(&mut self) -> Option<Key> {
        self.keys.recv().await
    }

    /// Returns the action of a key.
    pub fn press(&mut self, key: Key, state: &LiveState) -> Action {
        let shown = self.ui.shown(state);
        let ids: Vec<String> = instances::rows(shown, self.ui.sort).into_iter().map(|r| r.id).collect();
        self.ui.key(key, state, &ids)
    }

    pub fn draw(&mut self, state: &LiveState) -> io::Result<()> {
        let (ui, theme, typist, tz) = (&self.ui, self.theme, self.typist, &self.tz);
        self.terminal.draw(|frame| screen::draw(frame.buffer_mut(), ui.shown(state), ui, theme, typist, tz))?;
        Ok(())
    }
}

fn color() -> bool {
    anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
}
