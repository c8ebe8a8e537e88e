//! An emulator of its own for a test: the one that `--sandbox` installs, ended with this value.
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use gameday::{
    aws::Endpoint,
    sandbox::{Install, Sandbox},
};

pub struct Emulator {
    process: Child,
    pub url: String,
    /// The access key id that it wants to see.
    pub key: String,
}

/// Installed once for all tests of this process; several processes wait for each other by its lock.
pub fn install() -> &'static Install {
    static INSTALL: OnceLock<Install> = OnceLock::new();
    INSTALL.get_or_init(|| {
        // On a thread of its own: the caller may be in a runtime already.
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
    /// At pace `instant` or `fast`.
    pub fn start(pace: &str) -> Self {
        let install = install();
        // It ends when its standard input does, and so with this process, however that ends.
        let mut process = Command::new(&install.python)
            .arg(&install.plugin)
            .args(["--port", "0", "--pace", pace, "--until-eof"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{install:?}: {e}"));
        let mut first = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let url = first.split_whitespace().find(|w| w.starts_with("http://"));
        let url = url.unwrap_or_else(|| panic!("the emulator says {first:?}")).to_owned();
        let key = first.rsplit_once('=').unwrap_or_else(|| panic!("the emulator says {first:?}")).1.trim().to_owned();
        Self { process, url, key }
    }

    /// What leads clients to it.
    #[allow(dead_code, reason = "not every test has clients in its own process")]
    pub fn endpoint(&self) -> Option<Endpoint> {
        Some(Endpoint { url: self.url.clone(), key: self.key.clone() })
    }

    /// Calls a control endpoint under `/_gameday/`; the body of the answer.
    #[allow(dead_code, reason = "not every test that starts one tells it something")]
    pub fn tell(&self, method: &str, what: &str, body: &str) -> String {
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

impl Drop for Emulator {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
