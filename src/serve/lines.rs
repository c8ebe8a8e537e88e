//! Who is connected. A connection costs the server a file descriptor, and AWS is reached through the same: so there are
//! only so many, and whoever holds one without asking for anything makes room for those who do.
use axum::Router;
use hyper::{
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{oneshot, watch},
    task::AbortHandle,
    time::{Instant, interval, sleep},
};

/// Connections in all, where the limit of file descriptors allows as many.
const MOST: usize = 256;
/// Connections of one address that ask for nothing.
const EACH: usize = 32;
/// File descriptors for AWS, for what is asked from outside and for the terminal.
const RESERVE: usize = 128;
/// File descriptors that are wanted.
const WANTED: usize = 1024;
/// A connection that has asked for nothing for this long, or has not read its answer, is closed.
const PATIENCE: Duration = Duration::from_secs(10);
/// One that has asked for nothing for this long makes room for others.
const YOUNG: Duration = Duration::from_millis(500);
const TICK: Duration = Duration::from_millis(100);
/// Of a request's head; that of a browser takes a tenth.
const HEAD: usize = 16 * 1024;

/// Where a request comes from: an IPv4 address, or the part of an IPv6 address that somebody is given as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct From(IpAddr);

impl From {
    pub fn of(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            IpAddr::V6(ip) if !ip.is_loopback() => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
            ip => ip,
        })
    }
}

/// Answers whoever connects until `ended`; then it finishes what is under way.
pub async fn serve(listener: TcpListener, router: Router, mut ended: oneshot::Receiver<()>) {
    let most = descriptors().saturating_sub(RESERVE).clamp(EACH / 2, MOST);
    let (lines, ending) = (Lines::default(), watch::Sender::new(false));
    let mut tick = interval(TICK);
    loop {
        let count = lines.tidy(most);
        tokio::select! {
            biased;
            _ = &mut ended => break,
            came = listener.accept(), if count < most => match came {
                Ok((stream, from)) => lines.begin(stream, From::of(from.ip()), &router, ending.subscribe()),
                // Without a file descriptor there is nothing to do but to wait for one.
                Err(_) => sleep(TICK).await,
            },
            _ = tick.tick(), if count > 0 => {}
        }
    }
    ending.send_replace(true);
    while lines.tidy(most) > 0 {
        tick.tick().await;
    }
}

/// How many file descriptors this process may have; raised as far as it may raise it itself.
fn descriptors() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls only read and write this one value.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) != 0 {
            return 0;
        }
        if limit.rlim_cur < WANTED as libc::rlim_t {
            let more = libc::rlimit { rlim_cur: limit.rlim_max.min(WANTED as libc::rlim_t), ..limit };
            if libc::setrlimit(libc::RLIMIT_NOFILE, &more) == 0 {
                limit = more;
            }
        }
    }
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}

/// The connections that there are, by the order in which they came.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    lines: HashMap<u64, Line>,
    next: u64,
}

struct Line {
    from: From,
    /// Since when nothing is done for it; `None`: a request is being answered.
    idle: Option<Instant>,
    task: Option<AbortHandle>,
}

impl Lines {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn enter(&self, from: From) -> u64 {
        let mut book = self.book();
        let id = book.next;
        book.next += 1;
        book.lines.insert(id, Line { from, idle: Some(Instant::now()), task: None });
        id
    }

    fn begin(&self, stream: TcpStream, from: From, router: &Router, mut ending: watch::Receiver<bool>) {
        let id = self.enter(from);
        let (seat, router) = (Seat { lines: self.clone(), id }, TowerToHyperService::new(router.clone()));
        let task = tokio::spawn(async move {
            let seat = &seat;
            let answer = service_fn(|mut request: hyper::Request<hyper::body::Incoming>| {
                seat.is_idle(None);
                request.extensions_mut().insert(from);
                let answer = router.call(request);
                async move {
                    let answer = answer.await;
                    seat.is_idle(Some(Instant::now()));
                    answer
                }
            });
            let connection = http1::Builder::new().max_buf_size(HEAD).serve_connection(TokioIo::new(stream), answer);
            let mut connection = pin!(connection);
            // What goes wrong on a line is its other end's to see.
            tokio::select! {
                _ = connection.as_mut() => return,
                () = async { _ = ending.wait_for(|ending| *ending).await } => {}
            }
            connection.as_mut().graceful_shutdown();
            _ = connection.await;
        });
        if let Some(line) = self.book().lines.get_mut(&id) {
            line.task = Some(task.abort_handle());
        }
    }

    /// Closes those that ask for nothing: for too long, too many of one address, or when there is no room. How many are left.
    fn tidy(&self, most: usize) -> usize {
        let mut book = self.book();
        let now = Instant::now();
        let mut each: HashMap<From, usize> = HashMap::new();
        book.lines.values().for_each(|line| *each.entry(line.from).or_default() += 1);
        let idle = |line: &Line| line.idle.map(|since| now.duration_since(since));
        let mut room = if book.lines.len() < most { usize::MAX } else { most / 4 };
        // Without room, those of an address with too many go first, however often they ask.
        let crowds = |line: &Line| room != usize::MAX && each[&line.from] > EACH;
        let goes = |line: &Line| Some((crowds(line), idle(line).filter(|idle| *idle >= YOUNG || crowds(line))?));
        let mut dawdling: Vec<_> =
            book.lines.iter().filter_map(|(id, line)| Some((goes(line)?, *id, line.from))).collect();
        dawdling.sort_by(|a, b| b.cmp(a));
        for ((_, idle), id, from) in dawdling {
            let of_address = each.entry(from).or_default();
            let is_full = room != usize::MAX && room > 0;
            if idle < PATIENCE && *of_address <= EACH && !is_full {
                continue;
            }
            *of_address -= 1;
            room = if is_full { room - 1 } else { room };
            if let Some(task) = book.lines.remove(&id).and_then(|line| line.task) {
                task.abort();
            }
        }
        book.lines.len()
    }
}

/// A connection's place in the book, given back with it.
struct Seat {
    lines: Lines,
    id: u64,
}

impl Seat {
    fn is_idle(&self, since: Option<Instant>) {
        if let Some(line) = self.lines.book().lines.get_mut(&self.id) {
            line.idle = since;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.lines.book().lines.remove(&self.id);
    }
}
