//! The actions of keys. A key changes the view or requests something; AWS is unknown here.
use super::instances::Sort;
use crate::live::LiveState;
use termion::event::Key;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum View {
    #[default]
    Overview,
    Path,
    Instances,
    Traffic,
    Events,
}

impl View {
    pub(super) const ALL: [Self; 5] = [Self::Overview, Self::Path, Self::Instances, Self::Traffic, Self::Events];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Overview => "all",
            Self::Path => "path",
            Self::Instances => "instances",
            Self::Traffic => "traffic",
            Self::Events => "events",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Overlay {
    #[default]
    None,
    Help,
    Details,
    /// The question whether to replace this instance.
    Replace(String),
    /// The last log lines of this instance.
    Logs(String),
}

/// The action of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    None,
    Quit,
    /// Look at everything now.
    Look,
    /// Show the next service.
    NextService,
    Replace(String),
    /// Fetch the last log lines of this instance.
    Logs(String),
}

#[derive(Default)]
pub(super) struct Ui {
    pub view: View,
    pub overlay: Overlay,
    pub sort: Sort,
    /// The chosen instance, which stays chosen when its row moves.
    chosen: Option<String>,
    /// Its last row.
    row: usize,
    pub scroll: usize,
    frozen: Option<Box<LiveState>>,
}

impl Ui {
    pub(super) fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Returns the state to show: the frozen one, or else the live one.
    pub(super) fn shown<'a>(&'a self, live: &'a LiveState) -> &'a LiveState {
        self.frozen.as_deref().unwrap_or(live)
    }

    /// Returns the row of the chosen instance. If the instance is gone, its last row.
    pub(super) fn row<'a>(&self, mut ids: impl ExactSizeIterator<Item = &'a str>) -> usize {
        let last = ids.len().saturating_sub(1);
        let chosen = self.chosen.as_deref();
        ids.position(|id| Some(id) == chosen).unwrap_or(self.row.min(last))
    }

    fn choose(&mut self, row: usize, ids: &[String]) {
        self.row = row.min(ids.len().saturating_sub(1));
        self.chosen = ids.get(self.row).cloned();
    }

    /// Handles a key. `ids` are the instances in display order.
    pub(super) fn key(&mut self, key: Key, live: &LiveState, ids: &[String]) -> Action {
        let overlay = std::mem::take(&mut self.overlay);
        let row = self.row(ids.iter().map(String::as_str));
        self.choose(row, ids);
        if matches!(key, Key::Ctrl('c')) {
            return Action::Quit;
        }
        match overlay {
            Overlay::Replace(id) => {
                return if matches!(key, Key::Char('y' | 'Y')) { Action::Replace(id) } else { Action::None };
            }
            // Any key closes it. A key with a meaning also takes effect.
            Overlay::Help | Overlay::Details | Overlay::Logs(_)
                if matches!(key, Key::Esc | Key::Char('?' | '\n' | ' ')) =>
            {
                return Action::None;
            }
            _ => {}
        }
        match key {
            Key::Char('q') => return Action::Quit,
            Key::Char(c @ '1'..='5') => self.show(View::ALL[c as usize - '1' as usize]),
            Key::Char('\t') => self.turn(1),
            Key::BackTab => self.turn(View::ALL.len() - 1),
            Key::Char('?' | 'h') => self.overlay = Overlay::Help,
            Key::Char('f') => {
                self.frozen = if self.frozen.is_some() { None } else { Some(Box::new(live.clone())) };
            }
            Key::Char('s') => self.sort = self.sort.next(),
            Key::Char('r') => return Action::Look,
            Key::Char('n') if !self.is_frozen() => return Action::NextService,
            Key::Char('\n') if !ids.is_empty() => self.overlay = Overlay::Details,
            Key::Char('x') => {
                if let Some(id) = ids.get(row) {
                    // The instance in question has to be visible.
                    self.show(View::Instances);
                    self.overlay = Overlay::Replace(id.clone());
                }
            }
            Key::Char('l') => {
                if let Some(id) = ids.get(row) {
                    self.overlay = Overlay::Logs(id.clone());
                    return Action::Logs(id.clone());
                }
            }
            // All findings in full.
            Key::Char('w') => self.show(View::Path),
            Key::Down | Key::Char('j') if self.view == View::Instances => self.choose(row + 1, ids),
            Key::Up | Key::Char('k') if self.view == View::Instances => self.choose(row.saturating_sub(1), ids),
            Key::Down | Key::Char('j') => self.scroll = (self.scroll + 1).min(500),
            Key::Up | Key::Char('k') => self.scroll = self.scroll.saturating_sub(1),
            Key::PageDown => self.scroll = (self.scroll + 10).min(500),
            Key::PageUp => self.scroll = self.scroll.saturating_sub(10),
            _ => {}
        }
        Action::None
    }

    fn show(&mut self, view: View) {
        (self.view, self.scroll) = (view, 0);
    }

    fn turn(&mut self, by: usize) {
        let at = View::ALL.iter().position(|v| *v == self.view).unwrap_or(0);
        self.show(View::ALL[(at + by) % View::ALL.len()]);
    }
}
