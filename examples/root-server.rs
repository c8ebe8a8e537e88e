//! A stand-in for the contest's root server of the second day: it keeps its answers in memcached.
//!
//! ```text
//! root-server [-config server.ini] [-compute SECONDS]      (or GAMEDAY_COMPUTE_SECONDS)
//! ```
//!
//! It reads a configuration file (`root.ini.j2`; the true keys are not known), needs the first of the memcached servers
//! that it names, writes `app_log`, and answers every `GET` of a path below `/`: quickly when memcached has the answer
//! (header `X-Answer-From`), slowly when it has to compute. `/healthcheck` says how many answers came from where.
//!
//! The servers divide the keys: the same list in the same order finds the same answers on every machine.
//!
//! A static binary: `RUSTFLAGS='-C target-feature=+crt-static' cargo build --example root-server --target
//! x86_64-unknown-linux-gnu`.
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// How long a store may take before it counts as down.
const PATIENCE: Duration = Duration::from_secs(3);

struct Server {
    stores: Vec<String>,
    compute: Duration,
    log: Mutex<File>,
    found: AtomicUsize,
    computed: AtomicUsize,
}

fn main() {
    if let Err(e) = run() {
        eprintln!("root-server: {e}");
        std::process::exit(1);
    }
}

fn run() -> Fallible<()> {
    let (mut path, mut compute) = (PathBuf::from("server.ini"), std::env::var("GAMEDAY_COMPUTE_SECONDS").ok());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-config" => path = arguments.next().ok_or("-config needs a file")?.into(),
            "-compute" => compute = arguments.next(),
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let ini = parse(&text);
    let setting = |key: &str| ini.get(key).ok_or_else(|| format!("{} has no {key}", path.display()));
    let log_path = format!("{}app_log", ini.get("LogLocation").map_or("./", String::as_str));
    let log = OpenOptions::new().create(true).append(true).open(&log_path).map_err(|e| format!("{log_path}: {e}"))?;
    let server = Server {
        stores: setting("MemcachedServers")?.split(',').map(|store| store.trim().to_owned()).collect(),
        compute: Duration::from_secs_f64(compute.as_deref().unwrap_or("4").parse()?),
        log: Mutex::new(log),
        found: AtomicUsize::new(0),
        computed: AtomicUsize::new(0),
    };
    let version = Store::connect(&server.stores[0]).and_then(|mut store| store.ask("version\r\n"));
    let version = version.inspect_err(|e| server.write(&format!("cannot start: memcached: {e}")))?;
    server.write(&format!("memcached: {}", version.trim_end()));

    let port: u16 = ini.get("Port").map_or(Ok(80), |p| p.parse())?;
    let listener = TcpListener::bind(("0.0.0.0", port)).map_err(|e| format!("port {port}: {e}"))?;
    server.write(&format!("listening on port {port}"));
    std::thread::scope(|threads| {
        for stream in listener.incoming() {
            match stream {
                Ok(stream) => drop(threads.spawn(|| {
                    // A client that went away is no concern of ours.
                    let _ = server.serve(stream);
                })),
                Err(e) => server.write(&format!("accept: {e}")),
            }
        }
    });
    Ok(())
}

impl Server {
    fn serve(&self, mut stream: TcpStream) -> Fallible<()> {
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut reader = BufReader::new((&stream).take(16 * 1024));
        let mut first = String::new();
        reader.read_line(&mut first)?;
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            line.clear();
        }
        let began = Instant::now();
        let target = first.split(' ').nth(1).unwrap_or("/").to_owned();
        let (from, body) = match target.as_str() {
            "/healthcheck" => {
                let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
                let (found, computed) = (count(&self.found), count(&self.computed));
                ("health", format!("{{\"memcached\":{found},\"computed\":{computed}}}\n"))
            }
            target => self.answer(target),
        };
        self.write(&format!("200 {target} {from} {} ms", began.elapsed().as_millis()));
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nX-Answer-From: {from}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        )?;
        Ok(())
    }

    /// Returns the answer and where it is from. A store that is down is a store that does not have it.
    fn answer(&self, target: &str) -> (&'static str, String) {
        let hash = hash(target);
        let (key, address) = (format!("root-{hash:016x}"), &self.stores[(hash % self.stores.len() as u64) as usize]);
        let mut store = Store::connect(address);
        match store.as_mut().map_err(|e| e.to_string()).and_then(|s| s.get(&key).map_err(|e| e.to_string())) {
            Ok(Some(answer)) => {
                self.found.fetch_add(1, Ordering::Relaxed);
                return ("memcached", answer);
            }
            Ok(None) => {}
            Err(e) => self.write(&format!("not asked: {address}: {e}")),
        }
        std::thread::sleep(self.compute);
        self.computed.fetch_add(1, Ordering::Relaxed);
        let answer = format!("root {hash:016x}\n");
        if let Err(e) = store.and_then(|mut store| store.set(&key, &answer)) {
            self.write(&format!("not kept: {address}: {e}"));
        }
        ("computed", answer)
    }

    fn write(&self, line: &str) {
        let seconds = std::time::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_secs());
        let mut log = self.log.lock().expect("no thread panics");
        // A full disk must not stop the service.
        let _ = writeln!(log, "{seconds} {line}");
    }
}

/// A connection to a memcached server, in its text protocol.
struct Store(BufReader<TcpStream>);

impl Store {
    fn connect(address: &str) -> Fallible<Self> {
        let to = address.to_socket_addrs()?.next().ok_or_else(|| format!("{address} has no address"))?;
        let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a command and returns the first line of the answer.
    fn ask(&mut self, command: &str) -> Fallible<String> {
        self.0.get_mut().write_all(command.as_bytes())?;
        let mut line = String::new();
        match self.0.read_line(&mut line)? {
            0 => Err("the connection was closed".into()),
            _ => Ok(line),
        }
    }

    fn get(&mut self, key: &str) -> Fallible<Option<String>> {
        let first = self.ask(&format!("get {key}\r\n"))?;
        if first.starts_with("END") {
            return Ok(None);
        }
        let size = first.strip_prefix("VALUE ").and_then(|rest| rest.split_whitespace().nth(2));
        let size: usize = size.ok_or_else(|| format!("unexpected answer: {}", first.trim_end()))?.parse()?;
        // The value, and the ends of its line and of the answer.
        let mut value = vec![0; size + "\r\nEND\r\n".len()];
        self.0.read_exact(&mut value)?;
        value.truncate(size);
        Ok(Some(String::from_utf8(value)?))
    }

    fn set(&mut self, key: &str, value: &str) -> Fallible<()> {
        let answer = self.ask(&format!("set {key} 0 0 {}\r\n{value}\r\n", value.len()))?;
        if answer.starts_with("STORED") { Ok(()) } else { Err(format!("answers {}", answer.trim_end()).into()) }
    }
}

/// Hashes a text in the same way on every machine (FNV-1a).
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Lines of `"Key" = "value"`.
fn parse(text: &str) -> HashMap<String, String> {
    let unquote = |text: &str| text.trim().trim_matches('"').replace("\\\"", "\"").replace("\\\\", "\\");
    text.lines().filter_map(|line| line.split_once('=')).map(|(key, value)| (unquote(key), unquote(value))).collect()
}
