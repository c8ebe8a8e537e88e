//! The server's connections. Each costs a file descriptor, which calls of AWS need as well, so their number is limited,
//! and idle connections are closed to make room.
use axum::Router;
use hyper::{
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
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

/// The limit of connections, if there are enough file descriptors.
const MOST: usize = 256;
/// The limit of idle connections of one address.
const EACH: usize = 32;
/// File descriptors that are kept for AWS, the probe and the terminal.
const RESERVE: usize = 128;
/// How many file descriptors the server asks for.
const WANTED: usize = 1024;
/// How long a connection may be idle, or take to read its answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection is safe from being closed to make room.
const YOUNG: Duration = Duration::from_millis(500);
const TICK: Duration = Duration::from_millis(100);
/// The size limit of a request's head. A browser's takes a tenth.
const HEAD: usize = 16 * 1024;

/// The address of a client: an IPv4 address, or the part of an IPv6 address that one customer is assigned as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientAddress(IpAddr);

impl ClientAddress {
    /// Takes the first half of an IPv6 address, and IPv4 addresses whole.
    pub fn new(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            IpAddr::V6(ip) if !ip.is_loopback() => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
            ip => ip,
        })
    }
}

/// Answers clients until `ended`, then finishes the requests under way.
pub async fn serve(listener: TcpListener, router: Router, mut ended: oneshot::Receiver<()>) {
    let most = descriptors().saturating_sub(RESERVE).clamp(EACH / 2, MOST);
    let (connections, ending) = (Connections::default(), watch::Sender::new(false));
    let mut tick = interval(TICK);
    loop {
        let count = connections.tidy(most);
        tokio::select! {
            biased;
            _ = &mut ended => break,
            accepted = listener.accept(), if count < most => match accepted {
                Ok((stream, from)) => connections.open(stream, ClientAddress::new(from.ip()), &router, ending.subscribe()),
                // Without a free file descriptor the only way is to wait.
                Err(_) => sleep(TICK).await,
            },
            _ = tick.tick(), if count > 0 => {}
        }
    }
    ending.send_replace(true);
    while connections.tidy(most) > 0 {
        tick.tick().await;
    }
}

/// Returns how many file descriptors this process may have, after raising the limit to `WANTED` where that is allowed.
fn descriptors() -> usize {
    // `None` is no limit.
    let count = |limit: Option<u64>| limit.map_or(usize::MAX, |n| n.try_into().unwrap_or(usize::MAX));
    let limit = getrlimit(Resource::Nofile);
    let raised = count(limit.maximum).min(WANTED);
    let more = Rlimit { current: Some(raised as u64), ..limit };
    if count(limit.current) < raised && setrlimit(Resource::Nofile, more).is_ok() {
        return raised;
    }
    count(limit.current)
}

/// The open connections, in the order in which they came.
#[derive(Clone, Default)]
struct Connections(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    connections: HashMap<u64, Connection>,
    next: u64,
}

struct Connection {
    from: ClientAddress,
    /// The time since when it is idle. `None` while a request is answered.
    idle: Option<Instant>,
    task: Option<AbortHandle>,
}

impl Connections {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn insert(&self, from: ClientAddress) -> u64 {
        let mut table = self.table();
        let id = table.next;
        table.next += 1;
        table.connections.insert(id, Connection { from, idle: Some(Instant::now()), task: None });
        id
    }

    fn open(&self, stream: TcpStream, from: ClientAddress, router: &Router, mut ending: watch::Receiver<bool>) {
        let id = self.insert(from);
        let (slot, router) = (Slot { connections: self.clone(), id }, TowerToHyperService::new(router.clone()));
        let task = tokio::spawn(async move {
            let slot = &slot;
            let answer = service_fn(|mut request: hyper::Request<hyper::body::Incoming>| {
                slot.set_idle(None);
                request.extensions_mut().insert(from);
                let answer = router.call(request);
                async move {
                    let answer = answer.await;
                    slot.set_idle(Some(Instant::now()));
                    answer
                }
            });
            let connection = http1::Builder::new().max_buf_size(HEAD).serve_connection(TokioIo::new(stream), answer);
            let mut connection = pin!(connection);
            // The client sees errors of its own connection.
            tokio::select! {
                _ = connection.as_mut() => return,
                () = async { _ = ending.wait_for(|ending| *ending).await } => {}
            }
            connection.as_mut().graceful_shutdown();
            _ = connection.await;
        });
        if let Some(entry) = self.table().connections.get_mut(&id) {
            entry.task = Some(task.abort_handle());
        }
    }

    /// Closes idle connections: after too long, too many of one address, or without room. Returns how many are left.
    fn tidy(&self, most: usize) -> usize {
        let mut table = self.table();
        let now = Instant::now();
        let mut each: HashMap<ClientAddress, usize> = HashMap::new();
        table.connections.values().for_each(|entry| *each.entry(entry.from).or_default() += 1);
        let idle = |entry: &Connection| entry.idle.map(|since| now.duration_since(since));
        let mut room = if table.connections.len() < most { usize::MAX } else { most / 4 };
        // Without room, addresses with too many connections lose them first, idle or not.
        let is_crowded = |entry: &Connection| room != usize::MAX && each[&entry.from] > EACH;
        let may_close = |entry: &Connection| {
            Some((is_crowded(entry), idle(entry).filter(|idle| *idle >= YOUNG || is_crowded(entry))?))
        };
        let mut closable: Vec<_> =
            table.connections.iter().filter_map(|(id, entry)| Some((may_close(entry)?, *id, entry.from))).collect();
        closable.sort_by(|a, b| b.cmp(a));
        for ((_, idle), id, from) in closable {
            let of_address = each.entry(from).or_default();
            let is_full = room != usize::MAX && room > 0;
            if idle < PATIENCE && *of_address <= EACH && !is_full {
                continue;
            }
            *of_address -= 1;
            room = if is_full { room - 1 } else { room };
            if let Some(task) = table.connections.remove(&id).and_then(|entry| entry.task) {
                task.abort();
            }
        }
        table.connections.len()
    }
}

/// A connection's place in the list, freed when dropped.
struct Slot {
    connections: Connections,
    id: u64,
}

impl Slot {
    fn set_idle(&self, since: Option<Instant>) {
        if let Some(entry) = self.connections.table().connections.get_mut(&self.id) {
            entry.idle = since;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connections.table().connections.remove(&self.id);
    }
}
