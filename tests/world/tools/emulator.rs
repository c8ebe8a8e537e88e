//! An emulator for a test: the one that `--sandbox` installs, with an empty account, used by nobody else until this
//! value is dropped.
use gameday::{
    aws::Endpoint,
    sandbox::{Install, Sandbox},
};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

/// The process of an emulator and, once it is needed, an independent client.
struct Process {
    process: Child,
    url: String,
    key: String,
    account: Mutex<Option<Account>>,
}

/// An emulator for one test.
pub struct Emulator {
    /// The process; `None` only while this value is dropped.
    running: Option<Process>,
    pub url: String,
    /// The access key id that the emulator expects.
    pub key: String,
}

/// Emulators whose tests are done. They are reused, because starting one and letting it read AWS's models takes longer
/// than most tests.
static FREE: Mutex<Vec<Process>> = Mutex::new(vec![]);

/// Installs the sandbox once for all tests of this process. Several processes wait for each other by the installation's
/// lock.
pub fn install() -> &'static Install {
    static INSTALL: OnceLock<Install> = OnceLock::new();
    INSTALL.get_or_init(|| {
        // On a thread of its own, because the caller can be in a runtime already.
        std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let sandbox = Sandbox::of_user().unwrap();
            runtime.block_on(sandbox.install(&|_: gameday::sandbox::Doing<'_>| ())).unwrap_or_else(|e| panic!("{e}"))
        })
        .join()
        .unwrap()
    })
}

impl Emulator {
    /// Starts an emulator, or takes one that is free, at the pace `instant` or `fast`.
    pub fn start(pace: &str) -> Self {
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let running = free.unwrap_or_else(Process::start);
        running.tell("POST", &format!("pace?pace={pace}"), "");
        Self { url: running.url.clone(), key: running.key.clone(), running: Some(running) }
    }

    fn running(&self) -> &Process {
        self.running.as_ref().expect("it is taken out at the end only")
    }

    /// Returns the endpoint and the key for clients.
    pub fn endpoint(&self) -> Option<Endpoint> {
        Some(Endpoint { url: self.url.clone(), key: self.key.clone() })
    }

    /// Calls a control endpoint under `/_gameday/`. Returns the body of the answer.
    pub fn tell(&self, method: &str, what: &str, body: &str) -> String {
        self.running().tell(method, what, body)
    }

    /// Asks the independent client a question.
    pub fn ask(&self, question: &Value) -> Value {
        let running = self.running();
        let mut account = running.account.lock().unwrap_or_else(PoisonError::into_inner);
        account.get_or_insert_with(|| Account::start(running)).ask(question)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        // After a failed test, the state of the emulator is unknown.
        if std::thread::panicking() {
            return;
        }
        running.tell("POST", "reset", "");
        running.tell("DELETE", "calls", "");
        FREE.lock().unwrap_or_else(PoisonError::into_inner).push(running);
    }
}

impl Process {
    fn start() -> Self {
        let install = install();
        // The emulator ends when its standard input closes, and so with this process, however it ends.
        let mut process = Command::new(&install.python)
            .arg(&install.plugin)
            .args(["--port", "0", "--until-eof"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{install:?}: {e}"));
        let mut first = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let url = first.split_whitespace().find(|w| w.starts_with("http://"));
        let url = url.unwrap_or_else(|| panic!("the emulator says {first:?}")).to_owned();
        let key = first.rsplit_once('=').unwrap_or_else(|| panic!("the emulator says {first:?}")).1.trim().to_owned();
        Self { process, url, key, account: Mutex::default() }
    }

    fn tell(&self, method: &str, what: &str, body: &str) -> String {
        let host = self.url.trim_start_matches("http://");
        let mut to = TcpStream::connect(host).unwrap();
        let head = format!(
            "{method} /_gameday/{what} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n",
            self.key
        );
        write!(to, "{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        to.read_to_string(&mut answer).unwrap();
        assert!(answer.lines().next().unwrap_or_default().contains("200"), "{answer}");
        answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// The independent client: boto3, not the SDK under test.
struct Account {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Account {
    fn start(emulator: &Process) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/life/account.py");
        let mut child = Command::new(&install().python)
            .args(["-B", script])
            .env("PYTHONPATH", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support"))
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
