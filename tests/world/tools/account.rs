//! An emulator, gameday against it, and an independent client (boto3) that reads the results.
use super::emulator::Emulator;
use crate::support::{Said, gameday};
use gameday::aws::Endpoint;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// An account in an emulator.
pub struct World {
    emulator: Emulator,
    pub folder: tempfile::TempDir,
    /// Everything that gameday printed, for the search for passwords.
    said: RefCell<Vec<(String, String)>>,
    /// The statements of the policies of each stack, by the text of its file, in the order of their first runs.
    policies: RefCell<Vec<(String, String, Vec<Value>)>>,
    /// The region of the independent client.
    region: &'static str,
    /// The number of rights that were judged, and those that were missing.
    rights: RefCell<(u64, BTreeSet<String>)>,
}

impl World {
    /// Starts an emulator on a free port, at the pace `instant`. It ends with this value.
    pub fn start() -> Self {
        Self::start_in("us-east-1")
    }

    /// The same for a stack in another region.
    pub fn start_in(region: &'static str) -> Self {
        let emulator = Emulator::start("instant");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (said, policies, rights) = (RefCell::default(), RefCell::default(), RefCell::default());
        Self { emulator, folder, said, policies, region, rights }
    }

    /// Returns the endpoint and the key for clients.
    pub fn endpoint(&self) -> Option<Endpoint> {
        self.emulator.endpoint()
    }

    /// Runs gameday on a stack file, with all its messages (`-vv`).
    pub fn run(&self, file: impl AsRef<Path>, args: &[&str]) -> Said {
        self.plain(file, &[args, &["-vv"]].concat())
    }

    /// Runs gameday on a stack file, with only the rights that `gameday policy` prints for it.
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

    /// Runs gameday on a stack file, and asserts that it makes at most so many calls in so many dependent rounds.
    #[track_caller]
    pub fn bounded(&self, file: impl AsRef<Path>, args: &[&str], code: i32, calls: usize, rounds: usize) -> Said {
        // With this fault, answers wait until everything that is sent at once has arrived.
        let look = |gather: f64| {
            self.tell("POST", "faults", json!({ "gather": gather }));
            let said = self.plain(&file, args).ends(code);
            self.control("DELETE", "faults");
            let waited = said.rounds();
            println!("{args:?}: {} calls in {} rounds: {}", said.calls.len(), waited.len(), waited.join(", "));
            (said, waited)
        };
        // A busy machine can fail to send in time what belongs together, or be so late that the first answers are read
        // again (one look shares its answers for ten seconds). More calls or rounds are counted then, never fewer.
        let longest = 8.0 / rounds as f64;
        let few = |(said, waited): &(Said, Vec<String>)| said.calls.len() <= calls && waited.len() <= rounds;
        let mut tries = [0.3, longest / 2.0, longest, longest, longest].into_iter().map(look);
        let (said, waited) = tries.find(few).unwrap_or_else(|| look(longest));
        let mut by = BTreeMap::<String, usize>::new();
        said.calls.iter().for_each(|c| *by.entry(format!("{}:{}", c.service, c.operation)).or_default() += 1);
        assert!(said.calls.len() <= calls, "{args:?} makes {} calls: {by:?}", said.calls.len());
        assert!(waited.len() <= rounds, "{args:?} makes {} dependent rounds of calls: {waited:?}", waited.len());
        said
    }

    /// Writes a stack file that is another with some text replaced. The text must occur in it.
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

    /// Asks the independent client a question.
    #[track_caller]
    pub fn account<T: DeserializeOwned>(&self, mut question: Value) -> T {
        question["region"] = self.region.into();
        let answer = self.emulator.ask(&question);
        assert!(answer.get("error").is_none(), "tests/life/account.py on {question}: {}", answer["error"]);
        serde_json::from_value(answer["ok"].clone()).expect("an answer of that shape")
    }

    /// Calls a control endpoint of the emulator without a body.
    pub fn control(&self, method: &str, what: &str) -> Value {
        self.tell(method, what, json!(null))
    }

    /// Calls a control endpoint of the emulator; see its control.py.
    pub fn tell(&self, method: &str, what: &str, body: Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.emulator.tell(method, what, &body);
        serde_json::from_str(&answer).unwrap_or_else(|e| panic!("{method} {what} answered {answer:?}: {e}"))
    }

    /// Returns the commands whose output contains one of these secrets.
    pub fn said_any(&self, secrets: &[String]) -> Vec<String> {
        let said = self.said.borrow();
        let leaks = |text: &str| secrets.iter().any(|s| text.contains(s.as_str()));
        said.iter().filter(|(_, text)| leaks(text)).map(|(line, _)| line.clone()).collect()
    }

    /// Returns the number of rights that were judged so far, and those that were missing.
    pub fn rights(&self) -> (u64, BTreeSet<String>) {
        self.rights.borrow().clone()
    }

    /// Adds the rights of the `first` form of a stack file to those of the file, because a renamed service keeps
    /// objects under its first name.
    pub fn keep_rights(&self, file: &Path, first: &Path) {
        let statements = |of: &Path| {
            assert!(self.hold_to_policy(of, "nobody"), "{} has no policies", of.display());
            let text = std::fs::read_to_string(of).expect("the stack file");
            let policies = self.policies.borrow();
            policies.iter().position(|(known, ..)| *known == text).expect("it was put there")
        };
        let (first, file) = (statements(first), statements(file));
        let mut policies = self.policies.borrow_mut();
        let more = policies[first].2.clone();
        policies[file].2.extend(more);
        drop(policies);
        self.control("DELETE", "policy");
    }

    /// Restricts a client, by its user agent, to the policies of a stack file. Returns false if the file has no
    /// policies.
    ///
    /// What an earlier file of the same stack built, and this one no longer wants, is deleted with the rights of the
    /// earlier file.
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

/// Returns the statements that `gameday policy` printed.
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
