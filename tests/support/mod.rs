//! An emulator of its own, gameday against it, and an independent client (boto3) that looks at what came of it.
mod emulator;

use emulator::Emulator;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{
    cell::RefCell,
    collections::BTreeSet,
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
    /// Seconds of the emulator's clock.
    began: f64,
    ended: f64,
}

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
        for call in calls {
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
    /// The statements of the policies for each stack, by the text of the file, in the order of their first runs.
    policies: RefCell<Vec<(String, String, Vec<Value>)>>,
    /// How many rights were judged, and which were missing.
    rights: RefCell<(u64, BTreeSet<String>)>,
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
        Self {
            emulator,
            account,
            folder,
            said: RefCell::default(),
            policies: RefCell::default(),
            rights: RefCell::default(),
        }
    }

    /// Runs gameday on a stack file, saying all it can.
    pub fn run(&self, file: impl AsRef<Path>, args: &[&str]) -> Said {
        self.plain(file, &[args, &["-vv"]].concat())
    }

    /// Runs gameday on a stack file, with the rights that it says it needs for it and no other.
    pub fn plain(&self, file: impl AsRef<Path>, args: &[&str]) -> Said {
        let file = file.as_ref();
        let held = self.hold_to_policy(file, "aws-sdk-rust");
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
        if held {
            let report = self.control("GET", "policy");
            let mut rights = self.rights.borrow_mut();
            rights.0 += report["judged"].as_u64().expect("a number");
            let missing = report["missing"].as_array().expect("a list");
            rights.1.extend(missing.iter().map(|m| format!("{}: {m}", said.line)));
            self.control("DELETE", "policy");
        }
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

    /// How many rights were judged so far, and which were missing.
    pub fn rights(&self) -> (u64, BTreeSet<String>) {
        self.rights.borrow().clone()
    }

    /// Holds whoever calls himself so to the policies for a stack file. What an earlier file of the same stack built, and
    /// this one no longer wants, is taken away with the rights of the earlier one. Whether the file has policies at all.
    pub fn hold_to_policy(&self, file: &Path, agent: &str) -> bool {
        let Ok(text) = std::fs::read_to_string(file) else { return false };
        let mut policies = self.policies.borrow_mut();
        if !policies.iter().any(|(known, ..)| *known == text) {
            let said = gameday().arg("-c").arg(file).args(["policy", "-o", "json"]).output().expect("gameday starts");
            let Ok(all) = serde_json::from_slice::<Value>(&said.stdout) else { return false };
            let Some(stack) = all["stack"].as_str() else { return false };
            policies.push((text.clone(), stack.to_owned(), statements(&all)));
        }
        let (_, stack, own) = policies.iter().find(|(known, ..)| *known == text).expect("it was put there");
        let earlier = policies.iter().filter(|(known, of, _)| of == stack && *known != text);
        let earlier: Vec<&Value> = earlier.flat_map(|(.., all)| all).collect();
        self.tell("POST", "policy", json!({"agent": agent, "statements": own, "earlier": earlier}));
        true
    }
}

/// The statements of what `gameday policy` printed.
#[track_caller]
fn statements(all: &Value) -> Vec<Value> {
    let mut statements = vec![];
    for policy in all["policies"].as_array().expect("an array") {
        let size = policy["document"].to_string().len();
        assert!(size <= 6144, "{}: a managed policy holds 6144 characters, not {size}", policy["name"]);
        statements.extend(policy["document"]["Statement"].as_array().expect("statements").clone());
    }
    let actions = statements.iter().map(|s| s["Action"].to_string()).collect::<String>();
    assert!(!actions.contains('*'), "least privilege has no wildcard: {actions}");
    statements
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
