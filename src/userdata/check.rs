//! `gameday render --check`: checks of the rendered files that need no machine.
use super::{LIMIT, Rendered};
use serde::Serialize;
use std::fmt;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// How serious a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth knowing.
    Note,
    /// It works, but should be looked at.
    Warning,
    /// No instance would boot with it.
    Error,
}

/// One remark about a rendered file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub level: Level,
    pub file: String,
    pub line: Option<usize>,
    pub message: String,
}

impl Finding {
    /// Makes an error.
    pub(super) fn error(file: &str, message: String) -> Self {
        Self { level: Level::Error, file: file.into(), line: None, message }
    }
    /// Makes a warning.
    pub(super) fn warning(file: &str, message: String) -> Self {
        Self { level: Level::Warning, ..Self::error(file, message) }
    }
    fn note(file: &str, message: String) -> Self {
        Self { level: Level::Note, ..Self::error(file, message) }
    }
    fn at(self, line: usize) -> Self {
        Self { line: Some(line), ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Error => "error",
        };
        match self.line {
            Some(line) => write!(f, "{level}: {}:{line}: {}", self.file, self.message),
            None => write!(f, "{level}: {}: {}", self.file, self.message),
        }
    }
}

/// Checks every rendered file. ShellCheck is used if it is installed; if not, that is a finding, too.
pub fn check(rendered: &Rendered) -> Vec<Finding> {
    let mut found = rendered.notes.clone();
    let script = &rendered.user_data;
    if !is_for_cloud_init(script) {
        let why = match script.trim_start().starts_with('<') {
            true => "is for Windows (<powershell>, <script>); the instances run Linux",
            false => "does not start with #!, #cloud-config or another sign that cloud-init knows: it would not run it",
        };
        found.push(Finding::error("user-data.sh", why.into()).at(1));
    }
    let size = rendered.size;
    if size > LIMIT {
        found.push(Finding::error("user-data.sh", format!("has {size} bytes, AWS takes {LIMIT}")));
    } else if rendered.gzipped {
        found.push(Finding::note(
            "user-data.sh",
            format!("has {} bytes, {size} with gzip; AWS allows {LIMIT}, so it is sent compressed", script.len()),
        ));
    } else {
        found.push(Finding::note("user-data.sh", format!("has {size} bytes of {LIMIT}")));
    }
    let shellcheck = find("shellcheck");
    let bash = find("bash");
    for (name, text) in &rendered.files {
        text_lints(name, text, name != "user-data.sh" || !rendered.as_written, &mut found);
        let first = text.lines().next().unwrap_or_default();
        if first.starts_with("#!") && first.trim_end().ends_with("sh") {
            if bash {
                found.extend(run(name, text, Command::new("bash").args(["-n", "-s"]), Level::Error));
            }
            if shellcheck {
                let mut lint = Command::new("shellcheck");
                found.extend(run(name, text, lint.args(["-s", "bash", "-f", "gcc", "-"]), Level::Warning));
            }
        }
    }
    if !bash {
        found.push(Finding::note("user-data.sh", "bash is not installed here: syntax not looked at".into()));
    }
    if !shellcheck {
        found.push(Finding::note("user-data.sh", "ShellCheck is not installed here: scripts not linted".into()));
    }
    found
}

/// True if cloud-init accepts the script, by its first line or as parts in MIME.
fn is_for_cloud_init(script: &str) -> bool {
    let first = script.lines().next().unwrap_or_default();
    let known =
        ["#!", "#cloud-config", "#cloud-boothook", "#include", "#part-handler", "#upstart-job", "## template: jinja"];
    let head: String = script.chars().take(4096).collect::<String>().to_ascii_lowercase();
    known.iter().any(|k| first.starts_with(k)) || head.contains("mime-version:")
}

fn text_lints(name: &str, text: &str, ours: bool, found: &mut Vec<Finding>) {
    if ours && !text.is_empty() && !text.ends_with('\n') {
        found.push(Finding::warning(name, "the last line has no newline".into()));
    }
    let mut in_secret = false;
    for (at, line) in (1..).zip(text.lines()) {
        if let Some(what) = clear_secret(line).filter(|_| !in_secret) {
            found.push(Finding::warning(name, format!("{what} in clear")).at(at));
        }
        in_secret = line.starts_with("put /opt/gameday/secrets/");
    }
}

/// Returns what a line seems to contain, if somebody typed a secret into a template.
fn clear_secret(line: &str) -> Option<&'static str> {
    let access_key = |from: usize| {
        let rest = &line.as_bytes()[from + 4..];
        rest.len() >= 16 && rest[..16].iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    // In a signed URL it only names the signer.
    let signed = line.contains("X-Amz-Credential=") || line.contains("AWSAccessKeyId=");
    if !signed && ["AKIA", "ASIA"].iter().any(|p| line.find(p).is_some_and(access_key)) {
        return Some("an AWS access key");
    }
    if line.contains("PRIVATE KEY-----") {
        return Some("a private key");
    }
    // key = value, as in env and ini files. Marks, variables and empty values are fine.
    let (key, value) = line.split_once('=')?;
    let key = key.trim().trim_start_matches("export ").trim_matches('"').to_ascii_lowercase();
    let value = value.trim().trim_matches(['"', '\'']);
    let secret = ["password", "mysqlpass", "passwd", "secret", "secret_key", "token"].iter().any(|k| key.ends_with(k));
    let named = key.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    let clear = !value.is_empty() && !value.starts_with(['$', '@', '(', '•']);
    (secret && named && clear).then_some("a password or token")
}

fn find(program: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else { return false };
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn run(name: &str, text: &str, command: &mut Command, level: Level) -> Vec<Finding> {
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let output = started.and_then(|mut child| {
        let mut input = child.stdin.take().expect("it is piped");
        let text = text.to_string();
        let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
        let output = child.wait_with_output();
        let _ = writer.join();
        output
    });
    match output {
        Err(e) => vec![Finding::note(name, format!("could not be linted: {e}"))],
        Ok(output) if output.status.success() => vec![],
        Ok(output) => [output.stdout, output.stderr]
            .iter()
            .flat_map(|text| String::from_utf8_lossy(text).lines().map(str::to_string).collect::<Vec<_>>())
            .filter(|line| !line.trim().is_empty())
            .map(|line| {
                // bash: line 12: …   and   -:12:3: warning: … [SC2086]
                let number = line.split([':', ' ']).find_map(|word| word.parse().ok());
                let message = line.splitn(4, ':').last().unwrap_or(&line).trim().to_string();
                Finding { level, file: name.into(), line: number, message }
            })
            .collect(),
    }
}
