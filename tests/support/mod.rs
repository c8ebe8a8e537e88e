//! An emulator of its own, gameday against it, and an independent client (boto3) that looks at what came of it.
mod emulator;

use emulator::Emulator;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio},
};

/// `gameday`, as users have it, in an environment without their settings.
pub fn gameday() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gameday"));
    let theirs = |name: &str| ["AWS_", "GAMEDAY_", "CLICOLOR", "NO_COLOR", "RUST_"].iter().any(|p| name.starts_with(p));
    for (name, _) in std::env::vars().filter(|(name, _)| theirs(name)) {
        command.env_remove(name);
    }
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
    command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "y");
    command
}

/// What one command said and did.
pub struct Said {
    pub line: String,
    pub code: i32,
    pub out: String,
    pub err: String,
    pub calls: Vec<Call>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Call {
    pub service: String,
    pub operation: String,
    pub mutating: bool,
    /// Whether it was held against AWS's API model.
    checked: bool,
    /// What in it names an object that a policy could know by name.
    pub named: BTreeMap<String, String>,
    /// Seconds of the emulator's clock.
    began: f64,
    ended: f64,
}

/// A call as far as the rights to it are concerned: service, operation, and what it names.
pub type Asked = (String, String, BTreeMap<String, String>);

impl Said {
    pub fn of(line: String, output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("it prints UTF-8");
        let code = output.status.code().expect("it ends by itself");
        Self { line, code, out: text(output.stdout), err: text(output.stderr), calls: vec![] }
    }

    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code of `gameday {}`\n{}\n{}", self.line, self.out, self.err);
        self
    }

    /// Its one JSON object.
    #[track_caller]
    pub fn json(&self) -> Value {
        let lines = self.lines();
        assert_eq!(lines.len(), 1, "`gameday {}` prints one object, not\n{}", self.line, self.out);
        lines[0].clone()
    }

    /// Its lines, each of them JSON.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        let parse =
            |l| serde_json::from_str(l).unwrap_or_else(|e| panic!("`gameday {}` printed {l:?}: {e}", self.line));
        self.out.lines().map(parse).collect()
    }

    /// The longest chain of calls in which each began after the one before had ended: what waited for each other. Tells
    /// something when every answer is late, so that what could have gone at once overlaps.
    pub fn rounds(&self) -> Vec<String> {
        let mut calls: Vec<&Call> = self.calls.iter().collect();
        calls.sort_by(|a, b| a.ended.total_cmp(&b.ended));
        let (mut rounds, mut until) = (vec![], f64::NEG_INFINITY);
        for call in calls.into_iter() {
            if call.began >= until {
                rounds.push(format!("{}:{}", call.service, call.operation));
                until = call.ended;
            }
        }
        rounds
    }

    /// The calls that change something, as `ec2:CreateVpc`; the lease's own are left out.
    pub fn changes(&self) -> Vec<String> {
        let name = |c: &Call| format!("{}:{}", c.service, c.operation);
        let mut all: Vec<String> = self.calls.iter().filter(|c| c.mutating).map(name).collect();
        // The lease takes, renews and gives back one parameter.
        if all.first().is_some_and(|c| c == "ssm:PutParameter")
            && all.last().is_some_and(|c| c == "ssm:DeleteParameter")
        {
            all.pop();
            all.retain(|c| c != "ssm:PutParameter");
        }
        all
    }
}

/// An account in an emulator.
pub struct World {
    emulator: Emulator,
    account: RefCell<Account>,
    pub folder: tempfile::TempDir,
    /// Everything gameday said, for the search for passwords.
    said: RefCell<Vec<(String, String)>>,
    /// What it called, by stack file, in the order of their first runs.
    called: RefCell<Vec<(PathBuf, BTreeSet<Asked>)>>,
}

struct Account {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl World {
    /// On a free port, at once; gone with this value.
    pub fn start() -> Self {
        let emulator = Emulator::start("instant");
        let account = RefCell::new(Account::start(&emulator));
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { emulator, account, folder, said: RefCell::default(), called: RefCell::default() }
    }

    /// Runs gameday on a stack file, saying all it can.
    pub fn run(&self, file: impl AsRef<Path>, args: &[&str]) -> Said {
        self.plain(file, &[args, &["-vv"]].concat())
    }

    /// Runs gameday on a stack file.
    pub fn plain(&self, file: impl AsRef<Path>, args: &[&str]) -> Said {
        let file = file.as_ref();
        self.control("DELETE", "calls");
        let mut command = gameday();
        command.arg("-c").arg(file).args(args).env("AWS_ENDPOINT_URL", &self.emulator.url);
        command.env("AWS_ACCESS_KEY_ID", &self.emulator.key);
        let output = command.output().expect("gameday starts");
        let mut said = Said::of(format!("-c {} {}", file.display(), args.join(" ")), output);
        let calls = self.control("GET", "calls")["calls"].take();
        said.calls = serde_json::from_value(calls).expect("the emulator's list of calls");
        let unchecked: Vec<_> = said.calls.iter().filter(|c| !c.checked).collect();
        assert!(unchecked.is_empty(), "not held against the API model: {unchecked:?}");
        self.said.borrow_mut().push((said.line.clone(), format!("{}\n{}", said.out, said.err)));
        let mut called = self.called.borrow_mut();
        let at = called.iter().position(|(f, _)| f == file).unwrap_or_else(|| {
            called.push((file.into(), BTreeSet::new()));
            called.len() - 1
        });
        called[at].1.extend(said.calls.iter().map(|c| (c.service.clone(), c.operation.clone(), c.named.clone())));
        said
    }

    /// A stack file made from another by replacing text, which must be in it.
    pub fn file(&self, name: &str, from: &str, changes: &[(&str, &str)]) -> PathBuf {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(from);
        let mut text = std::fs::read_to_string(&from).expect("the stack file");
        for (old, new) in changes {
            assert!(text.contains(old), "{} has no {old:?}", from.display());
            text = text.replacen(old, new, 1);
        }
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("the temporary folder");
        path
    }

    /// Asks the independent client.
    #[track_caller]
    pub fn account<T: DeserializeOwned>(&self, question: Value) -> T {
        let answer = self.account.borrow_mut().ask(&question);
        assert!(answer.get("error").is_none(), "tests/life/account.py on {question}: {}", answer["error"]);
        serde_json::from_value(answer["ok"].clone()).expect("an answer of that shape")
    }

    pub fn control(&self, method: &str, what: &str) -> Value {
        self.tell(method, what, json!(null))
    }

    /// The emulator's own endpoints; see its control.py.
    pub fn tell(&self, method: &str, what: &str, body: Value) -> Value {
        self.account(json!({"do": "control", "url": self.emulator.url, "method": method, "what": what, "body": body}))
    }

    /// Where something that gameday said holds one of these.
    pub fn said_any(&self, secrets: &[String]) -> Vec<String> {
        let said = self.said.borrow();
        let leaks = |text: &str| secrets.iter().any(|s| text.contains(s.as_str()));
        said.iter().filter(|(_, text)| leaks(text)).map(|(line, _)| line.clone()).collect()
    }

    /// What was called for each stack file.
    pub fn called(&self) -> Vec<(PathBuf, BTreeSet<Asked>)> {
        self.called.borrow().clone()
    }
}

impl Account {
    fn start(emulator: &Emulator) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/life/account.py");
        let mut child = Command::new(&emulator::install().python)
            .args(["-B", script])
            .env("AWS_ENDPOINT_URL", &emulator.url)
            .env("AWS_ACCESS_KEY_ID", &emulator.key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the sandbox's Python starts");
        let ask = child.stdin.take().expect("it is piped");
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, ask, answers }
    }

    fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.ask, "{question}").expect("tests/life/account.py reads");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("tests/life/account.py prints UTF-8");
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("tests/life/account.py answered {line:?}: {e}"))
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
