//! A stand-in for the contest's server: the same needs, the same manners, for rehearsals and tests.
//!
//! ```text
//! server [-config server.ini] [-compute SECONDS]      (or GAMEDAY_COMPUTE_SECONDS)
//! ```
//!
//! It reads `server.ini`, needs Redis, MySQL with the table `unicorns` and a writable `FsPath`, writes `app_log`, and
//! answers `GET /calc?input=…`: quickly when Redis, MySQL or a file has the answer (header `X-Answer-From`), slowly when
//! it has to compute. Five requests at once; five more wait; the rest get 503. `/healthcheck` tells the queue.
//!
//! A static binary: `RUSTFLAGS='-C target-feature=+crt-static' cargo build --example server --target x86_64-unknown-linux-gnu`.
use mysql::prelude::Queryable;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

const AT_ONCE: usize = 5;
const WAITING: usize = 5;

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
        eprintln!("server: {e}");
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
        let _: Option<String> =
            self.redis().and_then(|mut r| Ok(redis::cmd("PING").query(&mut r)?)).map_err(|e| format!("redis: {e}"))?;
        self.mysql()
            .and_then(|mut m| Ok(m.query_drop("SELECT unicornid, unicornlocation FROM unicorns LIMIT 0")?))
            .map_err(|e| format!("mysql: {e}"))?;
        let probe = self.file(".probe");
        std::fs::write(&probe, "").map_err(|e| format!("FsPath: {}: {e}", probe.display()))?;
        Ok(())
    }

    fn setting(&self, key: &str) -> Fallible<&str> {
        Ok(self.ini.get(key).ok_or_else(|| format!("server.ini has no {key}"))?)
    }

    fn redis(&self) -> Fallible<redis::Connection> {
        let address = format!("redis://{}:{}/", self.setting("RedisHost")?, self.setting("RedisPort")?);
        let connection = redis::Client::open(address)?.get_connection_with_timeout(Duration::from_secs(3))?;
        connection.set_read_timeout(Some(Duration::from_secs(3)))?;
        Ok(connection)
    }

    fn mysql(&self) -> Fallible<mysql::Conn> {
        let (host, port) = (self.setting("MysqlHost")?, self.setting("MysqlPort")?.parse()?);
        let options = mysql::OptsBuilder::new()
            .ip_or_hostname(Some(host))
            .tcp_port(port)
            .user(Some(self.setting("MysqlUser")?))
            .pass(Some(self.setting("MysqlPass")?))
            .db_name(Some(self.setting("MysqlDb")?))
            .tcp_connect_timeout(Some(Duration::from_secs(3)))
            .prefer_socket(false);
        Ok(mysql::Conn::new(options)?)
    }

    fn file(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("{}{name}", self.ini.get("FsPath").map_or("./", String::as_str)))
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
        let target = first.split(' ').nth(1).unwrap_or("/").to_string();
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
        let input = query.split('&').find_map(|pair| pair.strip_prefix("input="));
        let Some(input) = input.filter(|_| path == "/calc") else {
            return ("404 Not Found", "none", "ask /calc?input=…\n".into());
        };
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
        let answer = self.calc(input);
        self.queue.lock().expect("no thread panics").running -= 1;
        self.freed.notify_one();
        match answer {
            Ok((from, body)) => ("200 OK", from, body),
            Err(e) => {
                self.write(&format!("error: {e}"));
                ("500 Internal Server Error", "error", format!("{e}\n"))
            }
        }
    }

    /// Whoever has the answer gives it; a store that is down is passed over.
    fn calc(&self, input: &str) -> Fallible<(&'static str, String)> {
        let key: String = Sha256::digest(input).iter().map(|byte| format!("{byte:02x}")).collect();
        let mut redis = self.redis();
        if let Ok(redis) = &mut redis
            && let Some(answer) = redis::cmd("GET").arg(&key).query::<Option<String>>(redis)?
        {
            return Ok(("redis", answer));
        }
        let mut mysql = self.mysql();
        if let Ok(mysql) = &mut mysql
            && let Some(answer) =
                mysql.exec_first("SELECT unicornlocation FROM unicorns WHERE unicornid = ? LIMIT 1", (&key,))?
        {
            return Ok(("mysql", answer));
        }
        if let Ok(answer) = std::fs::read_to_string(self.file(&key)) {
            return Ok(("file", answer));
        }
        std::thread::sleep(self.compute);
        let answer = format!("unicorn {}\n", &key[..16]);
        let kept = [
            redis.and_then(|mut r| Ok(redis::cmd("SET").arg(&key).arg(&answer).exec(&mut r)?)),
            mysql.and_then(|mut m| {
                Ok(m.exec_drop("INSERT INTO unicorns (unicornid, unicornlocation) VALUES (?, ?)", (&key, &answer))?)
            }),
            std::fs::write(self.file(&key), &answer).map_err(Into::into),
        ];
        for failed in kept.into_iter().filter_map(Result::err) {
            self.write(&format!("not kept: {failed}"));
        }
        Ok(("computed", answer))
    }

    fn write(&self, line: &str) {
        let seconds = std::time::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_secs());
        let mut log = self.log.lock().expect("no thread panics");
        // A full disk must not stop the service.
        let _ = writeln!(log, "{seconds} {line}");
    }
}

/// Lines of `"Key" = "value"`.
fn parse(text: &str) -> HashMap<String, String> {
    let unquote = |text: &str| text.trim().trim_matches('"').replace("\\\"", "\"").replace("\\\\", "\\");
    text.lines().filter_map(|line| line.split_once('=')).map(|(key, value)| (unquote(key), unquote(value))).collect()
}
