//! The logs: one event a line, coloured by instance.
use super::{Printer, plain, style::*};
use crate::{
    logs::{Event, Log},
    said,
};
use jiff::tz::TimeZone;
use regex::Regex;
use std::io::Write;

/// A printer of events, which remembers the colour of each instance.
pub struct Lines {
    json: bool,
    grep: Option<Regex>,
    zone: TimeZone,
    instances: Vec<String>,
    /// The number of printed events.
    pub count: usize,
}

impl Lines {
    pub fn new(out: &Printer, grep: Option<Regex>) -> Self {
        Self { json: out.json(), grep, zone: TimeZone::system(), instances: vec![], count: 0 }
    }

    /// Prints the events that match. Returns false if nobody reads them, such as after `| head`.
    pub fn print(&mut self, events: &[Event]) -> bool {
        let mut out = anstream::stdout().lock();
        for e in events {
            let Some(text) = self.line(e) else { continue };
            self.count += 1;
            // JSON is UTF-8 in every locale.
            let shown =
                if self.json { text } else { text.split('\n').map(plain::shown).collect::<Vec<_>>().join("\n") };
            if !plain::took(writeln!(out, "{shown}")) {
                return false;
            }
        }
        plain::took(out.flush())
    }

    /// Returns the text of an event, `None` if it does not match.
    fn line(&mut self, e: &Event) -> Option<String> {
        if self.grep.as_ref().is_some_and(|re| !re.is_match(&e.message)) {
            return None;
        }
        if self.json {
            return Some(plain::json(&serde_json::to_value(e).expect("events serialise")));
        }
        let n = self.instances.iter().position(|i| *i == e.instance).unwrap_or_else(|| {
            self.instances.push(e.instance.clone());
            self.instances.len() - 1
        });
        let style = one_of_many(n);
        let at = match e.at {
            Some(at) => format!("{DIM}{}{RESET} ", at.to_zoned(self.zone.clone()).strftime("%H:%M:%S%.3f")),
            None => String::new(),
        };
        let log = match e.log {
            Log::Console => String::new(),
            log => format!(" {DIM}{:<4}{RESET}", log.word()),
        };
        let log = e.service.as_deref().map_or(log.clone(), |name| format!(" {DIM}{}{RESET}{log}", said::line(name)));
        Some(format!("{at}{style}{}{RESET}{log} {}", said::line(&e.instance), harmless(&e.message)))
    }
}

/// Returns an event on one line, for a screen that shows the last few.
pub fn one_line(e: &Event) -> String {
    let at = e.at.map_or(String::new(), |at| at.to_zoned(TimeZone::system()).strftime("%H:%M:%S ").to_string());
    let service = e.service.as_deref().map_or(String::new(), |name| format!("{} ", said::line(name)));
    format!("{at}{service}{:<4} {}", e.log.word(), harmless(&e.message).replace('\n', " "))
}

/// Removes what a terminal would obey, since a log contains text from strangers.
fn harmless(message: &str) -> String {
    // Logs often have colours, which carry no information.
    let text = console::strip_ansi_codes(message.trim_end());
    // The lines of one event are indented, so that they are recognised as one event.
    said::lines(&text).replace('\n', "\n    ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: i64, log: Log, instance: &str, message: &str) -> Event {
        let at = (at >= 0).then(|| jiff::Timestamp::from_millisecond(at).unwrap());
        Event { at, log, service: None, instance: instance.into(), message: message.into(), id: "37".into() }
    }

    fn lines(json: bool, grep: Option<&str>) -> Lines {
        let grep = grep.map(|re| Regex::new(re).unwrap());
        Lines { json, grep, zone: TimeZone::UTC, instances: vec![], count: 0 }
    }

    fn events() -> Vec<Event> {
        vec![
            event(1_000, Log::Boot, "i-0aa", "stage: fetch\n"),
            event(1_500, Log::App, "i-0bb", "GET /?input=\u{1b}[31mred\u{1b}[0m\u{7} 200"),
            event(61_001, Log::App, "i-0aa", "panic: queue is full\n\tmain.go:7"),
            event(-1, Log::Console, "i-0bb", "[    3.1] cloud-init done"),
        ]
    }

    fn all(mut lines: Lines) -> String {
        events().iter().filter_map(|e| lines.line(e)).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn as_people_see_it() {
        insta::assert_snapshot!(console::strip_ansi_codes(&all(lines(false, None))));
    }

    #[test]
    fn each_instance_keeps_its_colour_and_no_message_has_one() {
        let text = all(lines(false, None));
        let (a, b) = (format!("{}i-0aa", one_of_many(0)), format!("{}i-0bb", one_of_many(1)));
        assert_eq!((text.matches(&a).count(), text.matches(&b).count()), (2, 2));
        assert!(a != b && !text.contains("\u{1b}[31mred") && !text.contains('\u{7}'));
    }

    #[test]
    fn as_scripts_see_it() {
        insta::assert_snapshot!(all(lines(true, None)));
    }

    #[test]
    fn only_what_matches() {
        assert_eq!(all(lines(false, Some("^GET|panic"))).lines().count(), 3);
        assert_eq!(all(lines(true, Some("nothing of the kind"))), "");
    }
}
