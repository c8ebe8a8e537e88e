//! The real binary, run as users run it. Its Python counterpart, with the same names, is tests/support/harness.py.
#![allow(dead_code, reason = "not every test binary needs all of it")]

use serde::Deserialize;
use serde_json::Value;
use std::{
    path::PathBuf,
    process::{Command, Output, Stdio},
};

/// Returns a command that runs `gameday` in an environment without the user's settings.
pub fn gameday() -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_gameday")))
}

/// Returns the path of a file of the project, as a word for a command line.
pub fn path(of: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(of).display().to_string()
}

/// Runs `gameday` with these arguments, after a change to the command.
pub fn run(args: &[String], change: impl Fn(&mut Command)) -> Output {
    let mut command = gameday();
    command.args(args).stderr(Stdio::piped());
    change(&mut command);
    command.output().expect("gameday starts")
}

/// Returns a command that runs `gameday` under another program with these arguments.
pub fn gameday_under(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).arg(env!("CARGO_BIN_EXE_gameday"));
    clean(command)
}

fn clean(mut command: Command) -> Command {
    let theirs = |name: &str| ["AWS_", "GAMEDAY_", "CLICOLOR", "NO_COLOR", "RUST_"].iter().any(|p| name.starts_with(p));
    for (name, _) in std::env::vars().filter(|(name, _)| theirs(name)) {
        command.env_remove(name);
    }
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
    command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "y");
    command
}

/// The result of a command: what it printed, its exit code, and the calls that it made.
pub struct Said {
    pub line: String,
    pub code: i32,
    pub out: String,
    pub err: String,
    pub calls: Vec<Call>,
}

/// A call that the emulator has recorded.
#[derive(Clone, Debug, Deserialize)]
pub struct Call {
    pub service: String,
    pub operation: String,
    pub mutating: bool,
    /// True if the call was checked against AWS's API model.
    pub checked: bool,
    /// When the call began, in seconds of the emulator's clock.
    began: f64,
    ended: f64,
}

impl Said {
    /// Reads the output of a command that has ended by itself.
    pub fn of(line: String, output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("it prints UTF-8");
        let code = output.status.code().expect("it ends by itself");
        Self { line, code, out: text(output.stdout), err: text(output.stderr), calls: vec![] }
    }

    /// Asserts the exit code.
    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code of `gameday {}`\n{}\n{}", self.line, self.out, self.err);
        self
    }

    /// Returns the one JSON object that the command printed.
    #[track_caller]
    pub fn json(&self) -> Value {
        let lines = self.lines();
        assert_eq!(lines.len(), 1, "`gameday {}` prints one object, not\n{}", self.line, self.out);
        lines[0].clone()
    }

    /// Returns the lines that the command printed, each of them JSON.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        let parse =
            |l| serde_json::from_str(l).unwrap_or_else(|e| panic!("`gameday {}` printed {l:?}: {e}", self.line));
        self.out.lines().map(parse).collect()
    }

    /// Returns the longest chain of calls in which each call began after the end of the one before: the calls that
    /// waited for each other.
    ///
    /// The result is meaningful if the emulator answers only when everything that is sent at once has arrived (the
    /// fault `gather`).
    pub fn rounds(&self) -> Vec<String> {
        let mut calls: Vec<&Call> = self.calls.iter().collect();
        calls.sort_by(|a, b| a.ended.total_cmp(&b.ended));
        let (mut rounds, mut until) = (vec![], f64::NEG_INFINITY);
        for call in calls {
            if call.began >= until {
                rounds.push(format!("{}:{}", call.service, call.operation));
                until = call.ended;
            }
        }
        rounds
    }

    /// Returns the calls that change something, as `ec2:CreateVpc`, without the lease's own.
    pub fn changes(&self) -> Vec<String> {
        let name = |c: &Call| format!("{}:{}", c.service, c.operation);
        let mut all: Vec<String> = self.calls.iter().filter(|c| c.mutating).map(name).collect();
        // The lease creates, renews and deletes one parameter.
        if all.first().is_some_and(|c| c == "ssm:PutParameter")
            && all.last().is_some_and(|c| c == "ssm:DeleteParameter")
        {
            all.pop();
            all.retain(|c| c != "ssm:PutParameter");
        }
        all
    }
}
