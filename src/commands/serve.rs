//! `gameday serve`: one live status for all viewers, and one worker for all requests.
use super::{DONE, Failure, Outcome, Session, cost, live::Driver, session, targets::target_group};
use crate::{
    aws::Aws,
    cli::{Consent, Global, ServeArgs, StatusArgs},
    config::file,
    error::Error,
    output::{Printer, live::news, plain, serve as view, style::*},
    private,
    serve::{Access, Action, Answer, Ask, Picture, Site, Token, router, serve},
    targets,
};
use axum::http::StatusCode;
use futures::{FutureExt, StreamExt, future::LocalBoxFuture};
use jiff::Timestamp;
use std::{
    collections::{BTreeSet, HashMap},
    fs,
    future::pending,
    io,
    net::SocketAddr,
    os::unix::fs::MetadataExt,
    path::Path,
    rc::Rc,
    time::Duration,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot, watch},
    time::{Instant, interval, timeout},
};

/// The interval at which due jobs begin.
const TICK: Duration = Duration::from_millis(250);
/// The interval of new pictures. In between, the page itself counts its clocks on.
const FRAME: Duration = Duration::from_secs(1);
/// How long a list of machines is kept, so that many requests at once make one look.
const FRESH: Duration = Duration::from_secs(5);
/// How long requests under way may take at the end.
const LAST: Duration = Duration::from_secs(5);
/// How many requests can wait for the worker.
const QUEUE: usize = 64;

/// Runs `gameday serve`.
pub async fn run(global: &Global, out: Printer, args: ServeArgs) -> Outcome {
    let token = token(args.token_file.as_deref(), args.listen, &out)?;
    let locked = token.is_some();
    let access = Access::new(args.listen.ip(), token).ok_or_else(|| no_token(args.listen))?;
    let prices = cost::prices(&args.prices, &out)?;
    let session = Session::open(global, out, &Consent::default()).await?;
    let listener = TcpListener::bind(args.listen).await.map_err(|e| cannot_listen(args.listen, &e))?;
    let at = listener.local_addr().map_err(|e| cannot_listen(args.listen, &e))?;

    if let Some(name) = &args.service.service {
        session::named(&session.loaded.config, name)?;
    }
    // Without a group, the answer to a request says that there are several.
    let mut worker = Worker::new(target_group(&session.loaded.config, &args.service, false).unwrap_or_default());
    let look = StatusArgs { watch: true, service: args.service, probe: args.probe, prices: args.prices };
    let mut driver = Driver::new(session, &look, prices);
    let (shown, picture) = watch::channel::<Picture>(None);
    let (asks, mut asked) = mpsc::channel(QUEUE);
    let (end, ended) = oneshot::channel::<()>();
    // The server is a task of its own, so that a look does not hold up an answer.
    let mut server = tokio::spawn(serve(listener, router(Site { access, picture, asks }), ended));
    view::listening(&out, at, locked);

    let [mut terminated, mut hung_up] =
        [SignalKind::terminate(), SignalKind::hangup()].map(|kind| signal(kind).expect("signals can be listened to"));
    let (mut tick, mut frame) = (interval(TICK), interval(FRAME));
    loop {
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => break,
            _ = terminated.recv() => break,
            _ = hung_up.recv() => break,
            _ = &mut server => return Err(Error::other("the server ended by itself", "start it again").into()),
            Some(result) = driver.jobs.next() => driver.receive(result),
            done = worker.done() => worker.answer(&mut driver, &out, done),
            Some(ask) = asked.recv(), if worker.is_free() => worker.begin(&driver.session, ask),
            _ = tick.tick() => driver.tick(),
            _ = frame.tick(), if driver.has_a_picture() => {
                let events = std::mem::take(&mut driver.unreported);
                if !out.json() {
                    news(&out, &events);
                }
                let events = view::events(&driver.state);
                let picture = view::Picture::new(&driver.state, driver.round(&events), driver.session.facts.sandbox);
                let mut body = serde_json::to_value(&picture).expect("pictures serialise");
                out.typist.json(&mut body);
                shown.send_replace(Some(plain::json(&body).into()));
            }
        }
    }
    // No new request is taken, and the one under way is answered.
    drop((end, asked));
    let rest = async {
        if !worker.is_free() {
            let done = worker.done().await;
            worker.answer(&mut driver, &out, done);
        }
        _ = server.await;
    };
    _ = timeout(LAST, rest).await;
    Ok(DONE)
}

/// The size limit of a token file, which is more than any token has.
const TOKEN: usize = 4096;

/// Reads the token from the file, else from the environment. An argument would be in the list of processes.
fn token(file: Option<&Path>, listen: SocketAddr, out: &Printer) -> Result<Option<Token>, Failure> {
    let no_token = |what: String| Failure::usage("token", what, "put it there, or into GAMEDAY_TOKEN");
    let (token, of) = match file {
        Some(file) => {
            let cannot = |e: io::Error| no_token(format!("cannot read the token in {}: {e}", file.display()));
            let text = file::read_text(file, TOKEN).map_err(cannot)?;
            is_ours(file, out)?;
            let none = || no_token(format!("there is no token in {}", file.display()));
            (Token::new(&text).ok_or_else(none)?, file.display().to_string())
        }
        None => match std::env::var("GAMEDAY_TOKEN").ok().and_then(|t| Token::new(&t)) {
            Some(token) => (token, "GAMEDAY_TOKEN".into()),
            None => return Ok(None),
        },
    };
    if !token.strong {
        let what = format!("the token in {of} has fewer than 16 characters: it can be guessed");
        let help = "make a longer one, such as `openssl rand -hex 16` prints";
        if !listen.ip().is_loopback() {
            return Err(Failure::usage("token", what, help));
        }
        out.note(format!("{WARN}warning{RESET}: {what}; {help}"));
    }
    Ok(Some(token))
}

/// Fails if others can write the token file or own it, and warns if others can read it. A pipe is not checked.
fn is_ours(file: &Path, out: &Printer) -> Result<(), Failure> {
    let Ok(at) = fs::metadata(file) else { return Ok(()) };
    if !at.is_file() {
        return Ok(());
    }
    let shown = file.display();
    let others = if private::is_ours(&at) { None } else { Some("belongs to another user") };
    let others = others.or((at.mode() & 0o022 != 0).then_some("can be written by others"));
    if let Some(others) = others {
        let what = format!("the token in {shown} is not yours alone: the file {others}");
        return Err(Failure::usage("token", what, format!("`chmod 600 {shown}`, and let it belong to you")));
    }
    if at.mode() & 0o077 != 0 {
        let what = format!("others on this machine can read the token in {shown}; `chmod 600 {shown}`");
        out.note(format!("{WARN}warning{RESET}: {what}"));
    }
    Ok(())
}

fn no_token(at: SocketAddr) -> Failure {
    let help = format!(
        "put one into the environment variable GAMEDAY_TOKEN or into a file (--token-file), or listen on 127.0.0.1:{}",
        at.port()
    );
    Failure::usage("token", format!("on {at} others can reach it, and there is no token"), help)
}

fn cannot_listen(at: SocketAddr, e: &io::Error) -> Failure {
    let help = match e.kind() {
        io::ErrorKind::AddrInUse => format!(
            "something listens there already, perhaps another `gameday serve`; choose another port: --listen {}:0 takes a \
             free one",
            at.ip()
        ),
        io::ErrorKind::PermissionDenied => "ports below 1024 are for root; choose another one".into(),
        _ => "choose an address of this machine, such as 127.0.0.1:8080 or 0.0.0.0:8080".into(),
    };
    Error::other(format!("cannot listen on {at}: {e}"), help).into()
}

/// The worker that carries out requests for machines, one after the other.
struct Worker {
    /// The name of the target group that instances are attached to.
    group: Rc<str>,
    work: Option<LocalBoxFuture<'static, Done>>,
    /// The answers to requests for lists that are fresh, by balancer.
    kept: HashMap<String, (Instant, Answer)>,
    /// The names of the existing balancers. For any number of requested names, AWS is asked for them once.
    names: Option<(Instant, Rc<BTreeSet<String>>)>,
    /// The answer that says why the balancers could not be listed.
    unlisted: Option<(Instant, Answer)>,
}

/// A request that was carried out, with its answer.
struct Done {
    ask: Ask,
    answer: Answer,
    names: Option<Rc<BTreeSet<String>>>,
}

impl Worker {
    fn new(group: String) -> Self {
        Self { group: group.into(), work: None, kept: HashMap::new(), names: None, unlisted: None }
    }

    fn is_free(&self) -> bool {
        self.work.is_none()
    }

    fn begin(&mut self, session: &Rc<Session>, ask: Ask) {
        let kept = self.kept.get(&ask.balancer).or(self.unlisted.as_ref()).filter(|(at, _)| at.elapsed() < FRESH);
        if let (Action::List, Some((_, answer))) = (&ask.action, kept) {
            // Somebody who does not wait any more needs no answer.
            _ = ask.answer.send(answer.clone());
            return;
        }
        let (session, group) = (session.clone(), self.group.clone());
        let mut names = self.names.as_ref().filter(|(at, _)| at.elapsed() < FRESH).map(|(_, names)| names.clone());
        let work = async move {
            let (aws, balancer) = (&session.aws, ask.balancer.as_str());
            let answer = match &ask.action {
                Action::List => listed(aws, balancer, &mut names).await.map(|m| Answer::new(StatusCode::OK, m)),
                Action::Attach(id) => {
                    let done = targets::attach(aws, balancer, &group, id).await;
                    done.map(|m| Answer::new(StatusCode::CREATED, m))
                }
                Action::Detach(id) => targets::detach(aws, balancer, id).await.map(|m| Answer::new(StatusCode::OK, m)),
            };
            Done { answer: answer.unwrap_or_else(|e| Answer::refused(&e)), ask, names }
        };
        self.work = Some(work.boxed_local());
    }

    /// Waits until the request under way is done. Without a request, waits endlessly.
    async fn done(&mut self) -> Done {
        match &mut self.work {
            Some(work) => {
                let done = work.await;
                self.work = None;
                done
            }
            None => pending().await,
        }
    }

    fn answer(&mut self, driver: &mut Driver, out: &Printer, Done { ask, answer, names }: Done) {
        let did = match &ask.action {
            Action::List => None,
            Action::Attach(id) => Some(format!("{id} was attached to {}, as somebody asked", ask.balancer)),
            Action::Detach(id) => Some(format!("{id} was detached from {}, as somebody asked", ask.balancer)),
        };
        match did {
            None => {
                self.kept.retain(|_, (at, _)| at.elapsed() < FRESH);
                match names {
                    None => self.unlisted = Some((Instant::now(), answer.clone())),
                    Some(names) => {
                        // Answers for unknown names are not kept, since anybody can invent any number of names.
                        if names.contains(&ask.balancer) {
                            self.kept.insert(ask.balancer, (Instant::now(), answer.clone()));
                        }
                        if self.names.as_ref().is_none_or(|(_, old)| !Rc::ptr_eq(old, &names)) {
                            self.names = Some((Instant::now(), names));
                        }
                    }
                }
            }
            Some(did) if answer.status.is_success() => {
                self.kept.clear();
                self.names = None;
                view::done(out, &did);
                driver.state.note(Timestamp::now(), true, did);
                driver.schedule.look_now();
            }
            Some(_) => {}
        }
        _ = ask.answer.send(answer);
    }
}

/// Returns the machines behind an existing balancer.
///
/// `names` are the names of the existing balancers. They are looked up if they are not known yet.
async fn listed(
    aws: &Aws,
    balancer: &str,
    names: &mut Option<Rc<BTreeSet<String>>>,
) -> Result<Vec<targets::Machine>, targets::Error> {
    let known = match names {
        Some(names) => names.clone(),
        None => Rc::new(targets::balancers(aws).await?),
    };
    *names = Some(known.clone());
    if known.contains(balancer) {
        return targets::list(aws, balancer).await;
    }
    Err(targets::Error::NoBalancer { name: balancer.into(), others: known.iter().cloned().collect() })
}
