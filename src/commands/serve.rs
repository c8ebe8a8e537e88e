//! `gameday serve`: one watch for all who look, one desk for all who ask.
use super::{DONE, Failure, Outcome, Session, cost, targets::Own, watch::Watch};
use crate::{
    cli::{Consent, Global, Serve as Args, Status},
    error::Error,
    output::{Printer, plain, serve as view, watch::news},
    serve::{Access, Answer, Ask, Picture, Site, Token, What, router},
    targets,
};
use axum::http::StatusCode;
use futures::{FutureExt, StreamExt, future::LocalBoxFuture};
use jiff::Timestamp;
use std::{collections::HashMap, fs, future::pending, io, net::SocketAddr, path::Path, rc::Rc, time::Duration};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot, watch},
    time::{Instant, interval, timeout},
};

const TICK: Duration = Duration::from_millis(250);
/// How often there is a new picture: clocks are counted on by the page itself.
const FRAME: Duration = Duration::from_secs(1);
/// How long a list of machines is good for: many who ask at once make one look.
const FRESH: Duration = Duration::from_secs(5);
/// How long what is under way may take at the end.
const LAST: Duration = Duration::from_secs(5);
/// How many may wait at the desk.
const QUEUE: usize = 64;

pub async fn run(global: &Global, out: Printer, args: Args) -> Outcome {
    let token = token(args.token_file.as_deref())?;
    let locked = token.is_some();
    let access = Access::new(args.listen.ip(), token).ok_or_else(|| no_token(args.listen))?;
    let prices = cost::prices(&args.prices, &out)?;
    let session = Session::open(global, out, &Consent::default()).await?;
    let listener = TcpListener::bind(args.listen).await.map_err(|e| cannot_listen(args.listen, &e))?;
    let at = listener.local_addr().map_err(|e| cannot_listen(args.listen, &e))?;

    let mut desk = Desk::new(Own::of(&session.loaded.config));
    let look = Status { watch: true, probe: args.probe, prices: args.prices };
    let mut watch = Watch::new(session, &look, prices);
    let (shown, picture) = watch::channel::<Picture>(None);
    let (asks, mut asked) = mpsc::channel(QUEUE);
    let (end, ended) = oneshot::channel::<()>();
    let serving = axum::serve(listener, router(Site { access, picture, asks }));
    // A server of its own task: what a look takes must not hold up an answer.
    let mut server = tokio::spawn(serving.with_graceful_shutdown(async { _ = ended.await }).into_future());
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
            Some(came) = watch.jobs.next() => watch.take(came),
            done = desk.done() => desk.answer(&mut watch, &out, done),
            Some(ask) = asked.recv(), if desk.is_free() => desk.begin(&watch.session, ask),
            _ = tick.tick() => watch.tick(),
            _ = frame.tick(), if watch.has_a_picture() => {
                let told = std::mem::take(&mut watch.untold);
                if !out.json() {
                    news(&out, &told);
                }
                let events = view::events(&watch.state);
                let picture = view::Picture::new(&watch.state, watch.told(&events), watch.session.facts.sandbox);
                let mut body = serde_json::to_value(&picture).expect("pictures serialise");
                out.typist.json(&mut body);
                shown.send_replace(Some(plain::json(&body).into()));
            }
        }
    }
    // No new request; what is under way is answered.
    drop((end, asked));
    let rest = async {
        if !desk.is_free() {
            let done = desk.done().await;
            desk.answer(&mut watch, &out, done);
        }
        _ = server.await;
    };
    _ = timeout(LAST, rest).await;
    Ok(DONE)
}

/// From the file, else from the environment: an argument would be in the list of processes.
fn token(file: Option<&Path>) -> Result<Option<Token>, Failure> {
    let no_token = |what: String| Failure::usage("token", what, "put it there, or into GAMEDAY_TOKEN");
    if let Some(file) = file {
        let text = fs::read_to_string(file)
            .map_err(|e| no_token(format!("cannot read the token in {}: {e}", file.display())))?;
        let none = || no_token(format!("there is no token in {}", file.display()));
        return Token::new(&text).map(Some).ok_or_else(none);
    }
    Ok(std::env::var("GAMEDAY_TOKEN").ok().and_then(|t| Token::new(&t)))
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

/// Does what was asked for, one after the other.
struct Desk {
    own: Rc<Own>,
    work: Option<LocalBoxFuture<'static, Done>>,
    /// Lists that are fresh.
    kept: HashMap<String, (Instant, Answer)>,
}

struct Done {
    ask: Ask,
    answer: Answer,
}

impl Desk {
    fn new(own: Own) -> Self {
        Self { own: Rc::new(own), work: None, kept: HashMap::new() }
    }

    fn is_free(&self) -> bool {
        self.work.is_none()
    }

    fn begin(&mut self, session: &Rc<Session>, ask: Ask) {
        let kept = self.kept.get(&ask.balancer).filter(|(at, _)| at.elapsed() < FRESH);
        if let (What::List, Some((_, answer))) = (&ask.what, kept) {
            // Whoever does not wait for it any more needs none.
            _ = ask.answer.send(answer.clone());
            return;
        }
        let (session, own) = (session.clone(), self.own.clone());
        let work = async move {
            let (aws, balancer) = (&session.aws, ask.balancer.as_str());
            let answer = match &ask.what {
                What::List => targets::list(aws, balancer).await.map(|m| Answer::new(StatusCode::OK, m)),
                What::Attach(id) => {
                    let done = targets::attach(aws, balancer, &own.target_group, id).await;
                    done.map(|m| Answer::new(StatusCode::CREATED, m))
                }
                What::Detach(id) => targets::detach(aws, balancer, id).await.map(|m| Answer::new(StatusCode::OK, m)),
            };
            Done { answer: answer.unwrap_or_else(|e| Answer::refused(&e)), ask }
        };
        self.work = Some(work.boxed_local());
    }

    /// When what is under way is done; never, when nothing is.
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

    fn answer(&mut self, watch: &mut Watch, out: &Printer, Done { ask, answer }: Done) {
        let did = match &ask.what {
            What::List => None,
            What::Attach(id) => Some(format!("{id} was attached to {}, as somebody asked", ask.balancer)),
            What::Detach(id) => Some(format!("{id} was detached from {}, as somebody asked", ask.balancer)),
        };
        match did {
            None => {
                self.kept.retain(|_, (at, _)| at.elapsed() < FRESH);
                self.kept.insert(ask.balancer, (Instant::now(), answer.clone()));
            }
            Some(did) if answer.status.is_success() => {
                self.kept.clear();
                view::done(out, &did);
                watch.state.note(Timestamp::now(), true, did);
                watch.schedule.look_now();
            }
            Some(_) => {}
        }
        _ = ask.answer.send(answer);
    }
}
