//! The words of a boot script on the console of an instance.
use regex::Regex;
use serde::Serialize;
use std::sync::LazyLock;

/// A line of the boot script: its time, the stage, the text.
static LINE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ([a-z_]+|-) +(.+)").expect("a pattern of ours"));
static DONE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^done after (\d+) s$").expect("a pattern of ours"));
static ANSWERS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"the service answers .*after (\d+) s").expect("a pattern of ours"));

/// A stage of the boot that was done on the baking instance, and is not repeated by those launched from the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Stage {
    pub name: String,
    pub seconds: u64,
}

/// What the console of a baking instance says.
#[derive(Debug, Default, PartialEq)]
pub struct Console {
    /// The stages that are done, in their order.
    pub stages: Vec<Stage>,
    /// Why a stage failed for good.
    pub failed: Option<String>,
    /// True if everything is in its place.
    pub is_complete: bool,
    /// The last lines of the boot script.
    pub last: Vec<String>,
}

/// How many lines are quoted.
const LAST: usize = 5;

impl Console {
    /// Reads a console's text.
    pub fn read(text: &str) -> Self {
        let mut console = Self { is_complete: text.contains(super::MARK), ..Self::default() };
        for (stage, said) in text.lines().filter_map(line) {
            if let Some(seconds) = DONE.captures(said).and_then(|c| c[1].parse().ok()) {
                console.stages.push(Stage { name: stage.into(), seconds });
            }
            if let Some(why) = said.strip_prefix("failed: ") {
                console.failed = Some(format!("{stage}: {why}"));
            }
            console.last.push(format!("{stage} {said}"));
        }
        console.last.drain(..console.last.len().saturating_sub(LAST));
        console
    }
}

fn line(text: &str) -> Option<(&str, &str)> {
    let parts = LINE.captures(text)?;
    Some((parts.get(1)?.as_str(), parts.get(2)?.as_str().trim_end()))
}

/// Returns the seconds after which an instance said that its service answers.
pub fn answered_after(line: &str) -> Option<u64> {
    ANSWERS.captures(line)?[1].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_scripts_lines_are_found_among_others() {
        let text = "[    1.0] systemd[1]: Started x\n\
            2026-11-29T10:00:00Z -         instance i-1 in us-east-1a\n\
            2026-11-29T10:00:01Z packages  begins\n\
            [   12.0] cloud-init[1]: 2026-11-29T10:00:31Z packages  done after 30 s\r\n\
            2026-11-29T10:00:31Z fetch     begins\n\
            2026-11-29T10:00:33Z agent_package done after 2 s\n";
        let console = Console::read(text);
        let names: Vec<_> = console.stages.iter().map(|s| (s.name.as_str(), s.seconds)).collect();
        assert_eq!(names, [("packages", 30), ("agent_package", 2)]);
        assert_eq!((console.failed, console.is_complete), (None, false));
        assert!(Console::read(&format!("{text}gameday: baked\r\n")).is_complete);
        let failed = Console::read(&format!("{text}2026-11-29T10:03:00Z fetch     failed: http://x: 404\n"));
        assert_eq!(failed.failed.as_deref(), Some("fetch: http://x: 404"));
        assert_eq!(failed.last.len(), LAST);
        assert_eq!(Console::read("nothing of ours"), Console::default());
    }

    #[test]
    fn an_instance_says_after_how_long_it_answers() {
        assert_eq!(
            answered_after("2026-11-29T10:00:00Z done      the service answers on port 80 after 45 s"),
            Some(45)
        );
        assert_eq!(answered_after("the service answers after 40 s"), Some(40));
        assert_eq!(answered_after("the service answers 500 at /healthcheck"), None);
    }
}
