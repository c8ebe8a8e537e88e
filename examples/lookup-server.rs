//! A stand-in for the contest's lookup server of the second day: it keeps its answers in memcached and PostgreSQL.
//!
//! ```text
//! lookup-server [-config server.ini] [-compute SECONDS]      (or GAMEDAY_COMPUTE_SECONDS)
//! ```
//!
//! It reads a configuration file (`lookup.ini.j2`; the true keys are not known), needs memcached and PostgreSQL with
//! the table `unicorns`, writes `app_log`, and answers `GET /lookup?input=…` and every path below it: quickly when
//! memcached or PostgreSQL has the answer (header `X-Answer-From`), slowly when it has to compute. Five requests at
//! once; five more wait; the rest get 503. `/healthcheck` tells the queue.
//!
//! A row contains the input as it came. If PostgreSQL refuses the row, the answer is given and kept nowhere.
//!
//! A static binary: `RUSTFLAGS='-C target-feature=+crt-static' cargo build --example lookup-server --target
//! x86_64-unknown-linux-gnu`.
use postgres::{Client, Config, NoTls};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

const AT_ONCE: usize = 5;
const WAITING: usize = 5;
/// How long a store may take before it counts as down.
const PATIENCE: Duration = Duration::from_secs(3);

struct Server {
    ini: HashMap<String, String>,
    compute: Duration,
    log: Mutex<File>,
    queue: Mutex<Queue>,
    freed: Condvar,
}

#[derive(Default)]
struct Queue {
    running: usize,
    waiting: usize,
}

fn main() {
    if let Err(e) = run() {
        eprintln!("lookup-server: {e}");
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
    let log_path = format!("{}app_log", ini.get("LogLocation").map_or("./", String::as_str));
    let log = OpenOptions::new().create(true).append(true).open(&log_path).map_err(|e| format!("{log_path}: {e}"))?;
    let server = Server {
        compute: Duration::from_secs_f64(compute.as_deref().unwrap_or("4").parse()?),
        log: Mutex::new(log),
        queue: Mutex::default(),
        freed: Condvar::new(),
        ini,
    };
    server.needs().inspect_err(|e| server.write(&format!("cannot start: {e}")))?;

    let port: u16 = server.ini.get("Port").map_or(Ok(80), |p| p.parse())?;
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
    /// Everything it cannot run without, each named when it is missing.
    fn needs(&self) -> Fallible<()> {
        let version = self.memcached().and_then(|mut store| store.ask("version\r\n"));
        let version = version.map_err(|e| format!("memcached: {e}"))?;
        self.write(&format!("memcached: {}", version.trim_end()));
        self.postgres()
            .and_then(|mut p| Ok(p.batch_execute("SELECT unicornid, unicornlocation FROM unicorns LIMIT 0")?))
            .map_err(|e| format!("postgres: {}", cause(&*e)))?;
        Ok(())
    }

    fn setting(&self, key: &str) -> Fallible<&str> {
        Ok(self.ini.get(key).ok_or_else(|| format!("the configuration file has no {key}"))?)
    }

    fn memcached(&self) -> Fallible<Store> {
        Store::connect(&format!("{}:{}", self.setting("CacheHost")?, self.setting("CachePort")?))
    }

    fn postgres(&self) -> Fallible<Client> {
        let client = Config::new()
            .host(self.setting("PgsqlHost")?)
            .port(self.setting("PgsqlPort")?.parse()?)
            .user(self.setting("PgsqlUser")?)
            .password(self.setting("PgsqlPass")?)
            .dbname(self.setting("PgsqlDb")?)
            .connect_timeout(PATIENCE)
            .connect(NoTls)?;
        Ok(client)
    }

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
        let (status, from, body) = self.answer(&target);
        self.write(&format!("{status} {target} {from} {} ms", began.elapsed().as_millis()));
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nX-Answer-From: {from}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        )?;
        Ok(())
    }

    fn answer(&self, target: &str) -> (&'static str, &'static str, String) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if path == "/healthcheck" {
            let queue = self.queue.lock().expect("no thread panics");
            return ("200 OK", "health", format!("{{\"running\":{},\"waiting\":{}}}\n", queue.running, queue.waiting));
        }
        if path != "/lookup" && !path.starts_with("/lookup/") {
            return ("404 Not Found", "none", "ask /lookup?input=…\n".into());
        }
        // Another path below /lookup is a question of its own.
        let input = query.split('&').find_map(|pair| pair.strip_prefix("input=")).unwrap_or(path);
        {
            let mut queue = self.queue.lock().expect("no thread panics");
            if queue.running >= AT_ONCE {
                if queue.waiting >= WAITING {
                    return ("503 Service Unavailable", "full", "the queue is full\n".into());
                }
                queue.waiting += 1;
                queue = self.freed.wait_while(queue, |q| q.running >= AT_ONCE).expect("no thread panics");
                queue.waiting -= 1;
            }
            queue.running += 1;
        }
        let (from, body) = self.lookup(input);
        self.queue.lock().expect("no thread panics").running -= 1;
        self.freed.notify_one();
        ("200 OK", from, body)
    }

    /// Whoever has the answer gives it; a store that is down is passed over.
    fn lookup(&self, input: &str) -> (&'static str, String) {
        let hash = hash(input);
        let key = format!("lookup-{hash:016x}");
        match self.memcached().and_then(|mut store| store.get(&key)) {
            Ok(Some(answer)) => return ("memcached", answer),
            Ok(None) => {}
            Err(e) => self.write(&format!("not asked: memcached: {e}")),
        }
        match self.row(input) {
            Ok(Some(answer)) => {
                self.keep(&key, &answer);
                return ("postgres", answer);
            }
            Ok(None) => {}
            Err(e) => self.write(&format!("not asked: postgres: {}", cause(&*e))),
        }
        std::thread::sleep(self.compute);
        let answer = format!("lookup {hash:016x}\n");
        let insert = "INSERT INTO unicorns (unicornid, unicornlocation) VALUES ($1, $2)";
        match self.postgres().and_then(|mut p| Ok(p.execute(insert, &[&input, &answer])?)) {
            Ok(_) => self.keep(&key, &answer),
            Err(e) => self.write(&format!("not kept: postgres: {}", cause(&*e))),
        }
        ("computed", answer)
    }

    fn row(&self, input: &str) -> Fallible<Option<String>> {
        let select = "SELECT unicornlocation FROM unicorns WHERE unicornid = $1 LIMIT 1";
        let row = self.postgres()?.query_opt(select, &[&input])?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    fn keep(&self, key: &str, answer: &str) {
        if let Err(e) = self.memcached().and_then(|mut store| store.set(key, answer)) {
            self.write(&format!("not kept: memcached: {e}"));
        }
    }

    fn write(&self, line: &str) {
        let seconds = std::time::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_secs());
        let mut log = self.log.lock().expect("no thread panics");
        // A full disk must not stop the service.
        let _ = writeln!(log, "{seconds} {line}");
    }
}

/// The innermost cause: what PostgreSQL said, where its client says only that there was an error.
fn cause<'a>(mut error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    while let Some(source) = error.source() {
        error = source;
    }
    error
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
