//! Quotes words for shells, for commands that people type next.
use crate::said;

/// Quotes a word for a shell if necessary.
pub(crate) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/%+@,=".contains(c);
    let is_plain = !text.is_empty() && !text.starts_with(['~', '=']) && text.chars().all(plain);
    if is_plain { text.into() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// A part of a command.
pub(crate) trait Word {
    /// Returns the quoted form, `None` if it cannot be typed safely.
    fn typed(&self) -> Option<String>;
}

/// A literal part of a command: an option, a verb.
pub(crate) struct Ours(pub &'static str);

impl Word for Ours {
    fn typed(&self) -> Option<String> {
        Some(self.0.to_owned())
    }
}

impl Word for str {
    fn typed(&self) -> Option<String> {
        typed(self)
    }
}

impl Word for String {
    fn typed(&self) -> Option<String> {
        typed(self)
    }
}

impl Word for i32 {
    fn typed(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl<T: Word + ?Sized> Word for &T {
    fn typed(&self) -> Option<String> {
        (**self).typed()
    }
}

// The words are joined with blanks.
impl<T: Word> Word for Vec<T> {
    fn typed(&self) -> Option<String> {
        self.iter().map(Word::typed).collect::<Option<Vec<_>>>().map(|all| all.join(" "))
    }
}

/// Quotes a foreign word. `None` if no quotes make it safe to type and plain to read.
fn typed(text: &str) -> Option<String> {
    // A backquote would end the command in a text, a dash begins an option, and the AWS CLI would read the file.
    let misread = text.contains('`') || ["-", "file://", "fileb://"].iter().any(|start| text.starts_with(start));
    (!misread && !text.contains(said::is_hidden)).then(|| word(text))
}

/// Replaces a command with a name that cannot be typed safely. A shell takes it for a comment.
pub(crate) const CONSOLE: &str = "# a name in this command cannot be typed safely: look in AWS's console";

/// Makes a command with each word quoted. Commands with foreign words are made in no other way.
macro_rules! command {
    ($form:literal $(, $word:expr)* $(,)?) => {{
        let line = || -> Option<String> { Some(format!($form $(, $crate::shell::Word::typed(&$word)?)*)) };
        line().unwrap_or_else(|| $crate::shell::CONSOLE.to_owned())
    }};
}
pub(crate) use command;

/// Joins commands. If one of them cannot be typed, returns its comment instead.
pub(crate) fn all(commands: impl IntoIterator<Item = String>) -> String {
    let all: Vec<String> = commands.into_iter().collect();
    if all.iter().any(|c| c == CONSOLE) { CONSOLE.to_owned() } else { all.join(" && ") }
}

/// Splits joined commands, except at ` && ` within quotes.
pub(crate) fn each(commands: &str) -> Vec<&str> {
    let (mut all, mut from, mut quoted) = (vec![], 0, false);
    for (at, c) in commands.char_indices() {
        // `\'` separates two quoted parts.
        if c == '\'' && (quoted || !commands[..at].ends_with('\\')) {
            quoted = !quoted;
        }
        if !quoted && commands[at..].starts_with(" && ") {
            all.push(&commands[from..at]);
            from = at + " && ".len();
        }
    }
    all.push(&commands[from..]);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_shell_would_change_is_quoted() {
        for plain in
            ["team", "a-b_c.d", "http://x/y?z".trim_end_matches("?z"), "arn:aws:iam::1:role/x", "me@example.com"]
        {
            assert_eq!(word(plain), plain);
        }
        for (text, quoted) in [
            ("My MacBook Pro", "'My MacBook Pro'"),
            ("équipe", "'équipe'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
            ("~/x", "'~/x'"),
            ("a$b", "'a$b'"),
            ("http://x/y?z=1&w", "'http://x/y?z=1&w'"),
        ] {
            assert_eq!(word(text), quoted);
        }
    }

    /// Returns the words that a shell makes of a command.
    fn words(command: &str) -> Vec<String> {
        let script = format!("aws() {{ printf '%s\\0' \"$@\"; }}; {command}");
        let out = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert!(out.status.success(), "{command}: {}", String::from_utf8_lossy(&out.stderr));
        let text = String::from_utf8(out.stdout).unwrap();
        text.split_terminator('\0').map(Into::into).collect()
    }

    #[test]
    fn a_word_stays_one_word_whatever_it_says() {
        for name in [
            "i-0; touch x #",
            "$(touch x)",
            "a && aws b",
            "it's \"quoted\" \\",
            "* ? [a] {a,b} ~ !! | < > &",
            "",
            "é 팀",
            "~/x",
            "=ls",
            "'; touch x; '",
        ] {
            let command = command!("aws x --name {} --all", name);
            assert_eq!(words(&command), ["x", "--name", name, "--all"], "{command}");
            assert_eq!(words(&command!("aws {}", vec![name, "b"])), [name, "b"]);
            let two = all([command.clone(), command.clone()]);
            assert_eq!(each(&two), [&command, &command], "what is within quotes joins nothing");
        }
    }

    #[test]
    fn what_cannot_be_typed_is_left_out() {
        for name in [
            "a\nb",
            "a\u{1b}[2J",
            "a\u{202e}b",
            "a\u{200b}",
            "a`b`",
            "--profile",
            "-rf",
            "file:///etc/passwd",
            "\u{9b}",
        ] {
            let command = command!("aws x --name {}", name);
            assert_eq!(command, CONSOLE, "{name:?}");
            assert!(words(&command).is_empty(), "a shell takes it for a remark");
            assert_eq!(all(["gameday up".to_owned(), command]), CONSOLE);
        }
    }

    /// Finds commands with inserted words that are made without `command!`.
    #[test]
    fn no_command_is_put_together_by_hand() {
        let by_hand = regex::Regex::new(r#"["`](?:env \S+ )?(?:aws|gameday) (?:--?\S+ )*[a-z0-9-]+[^"`]*\{"#).unwrap();
        let mut left = vec![];
        for file in sources("src".into()) {
            let text = std::fs::read_to_string(&file).unwrap();
            // Tests do not count, nor do commands that are filled in with quoted words.
            let text = text.split("#[cfg(test)]").next().unwrap();
            let lines = text.lines().collect::<Vec<_>>();
            for (n, line) in lines.iter().enumerate().filter(|(_, l)| by_hand.is_match(l)) {
                let before = lines[n.saturating_sub(3)..lines.len().min(n + 3)].join(" ");
                let made =
                    ["command!(", "{word}", "word(", "{EXAMPLE}", "plain("].iter().any(|how| before.contains(how));
                if !made && !line.trim_start().starts_with("//") {
                    left.push(format!("{}:{}: {}", file.display(), n + 1, line.trim()));
                }
            }
        }
        assert!(left.is_empty(), "these commands are put together by hand, not by `command!`:\n{}", left.join("\n"));
    }

    fn sources(folder: std::path::PathBuf) -> Vec<std::path::PathBuf> {
        let (mut all, mut folders) = (vec![], vec![folder]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
                if entry.ends_with("tests.rs") {
                    continue;
                }
                // The crate of the stack file knows no shell: its commands have only words that its rules have checked.
                match (entry.is_dir(), entry.ends_with("config")) {
                    (true, false) => folders.push(entry),
                    (true, true) => {}
                    (false, _) if entry.extension().is_some_and(|e| e == "rs") => all.push(entry),
                    _ => {}
                }
            }
        }
        all
    }
}
