//! An emulator of its own, gameday against it, and an independent client (boto3) that looks at what came of it.
use super::emulator::Emulator;
use crate::support::{Said, gameday};
use gameday::aws::Endpoint;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{
    cell::RefCell,
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// An account in an emulator.
pub struct World {
    emulator: Emulator,
    pub folder: tempfile::TempDir,
    /// Everything gameday said, for the search for passwords.
    said: RefCell<Vec<(String, String)>>,
    /// The statements of the policies for each stack, by the text of the file, in the order of their first runs.
    policies: RefCell<Vec<(String, String, Vec<Value>)>>,
    /// How many rights were judged, and which were missing.
    rights: RefCell<(u64, BTreeSet<String>)>,
}

impl World {
    /// On a free port, at once; gone with this value.
    pub fn start() -> Self {
        let emulator = Emulator::start("instant");
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { emulator, folder, said: RefCell::default(), policies: RefCell::default(), rights: RefCell::default() }
    }

    /// What leads clients to it.
    pub fn endpoint(&self) -> Option<Endpoint> {
        self.emulator.endpoint()
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
        let answer = self.emulator.ask(&question);
        assert!(answer.get("error").is_none(), "tests/life/account.py on {question}: {}", answer["error"]);
        serde_json::from_value(answer["ok"].clone()).expect("an answer of that shape")
    }

    pub fn control(&self, method: &str, what: &str) -> Value {
        self.tell(method, what, json!(null))
    }

    /// The emulator's own endpoints; see its control.py.
    pub fn tell(&self, method: &str, what: &str, body: Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.emulator.tell(method, what, &body);
        serde_json::from_str(&answer).unwrap_or_else(|e| panic!("{method} {what} answered {answer:?}: {e}"))
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
