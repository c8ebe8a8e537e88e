//! The messages while a sandbox is prepared: one line on a terminal, few lines elsewhere.
use super::{Printer, plain, style::*};
use crate::sandbox::Doing;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// The line, which disappears when this is dropped.
pub struct Preparing {
    out: Printer,
    line: Option<ProgressBar>,
}

impl Preparing {
    pub fn new(out: Printer) -> Self {
        let style = ProgressStyle::with_template("{msg} ({elapsed})").expect("a template of ours");
        let line = out.live.then(|| ProgressBar::new_spinner().with_style(style));
        Self { out, line }
    }

    pub fn say(&self, doing: Doing<'_>) {
        let live = |text: String| {
            let Some(line) = &self.line else { return };
            line.enable_steady_tick(Duration::from_millis(200));
            line.set_message(plain::shown(&text));
        };
        match (doing, &self.line) {
            (Doing::Says(text), Some(line)) => line.suspend(|| self.out.note(format!("{DIM}{text}{RESET}"))),
            (Doing::Says(text), None) => self.out.note(format!("{DIM}{text}{RESET}")),
            (Doing::Installs { package, nth }, _) => live(format!("sandbox: downloading package {nth}, {package}")),
            (Doing::Starts, Some(_)) => live("sandbox: starting the emulator".into()),
            (Doing::Starts, None) => self.out.note(format!("{DIM}starting the sandbox{RESET}")),
        }
    }
}

impl Drop for Preparing {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
    }
}
