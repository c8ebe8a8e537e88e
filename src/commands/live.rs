//! `gameday status --watch`: asks AWS at the pace of a schedule, folds the answers into a state, and shows it at once.
use super::{DONE, Failure, Outcome, Session, cost, session::Paths};
use crate::{
    cli::StatusArgs,
    cost::Prices,
    engine::{Report, Status},
    error::Error,
    live::{self, Event, Job, LiveState, Names, Round, Schedule, Trouble, TroubleKind},
    logs::source,
    output::{
        self,
        live::{self as view, Action, Screen},
        status::{self, Overview},
        style,
    },
    snapshot,
    verdict::Judged,
};
use futures::{FutureExt, StreamExt, future::LocalBoxFuture, stream::FuturesUnordered};
use jiff::Timestamp;
use std::{future::pending, io, rc::Rc, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, interval},
};

/// The interval at which due jobs begin and the screen is drawn.
const TICK: Duration = Duration::from_millis(250);
/// The interval of JSON objects.
const ROUND: Duration = Duration::from_secs(5);
/// The interval of lines for people that repeat the state.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// How far back an instance's logs are read.
const LOGS: Duration = Duration::from_secs(600);
/// How long to wait before the next attempt to get credentials.
const RENEW: Duration = Duration::from_secs(15);

/// The result of a job.
pub(super) enum JobResult {
    Round(Job, Box<Round>),
    Steps(Report<Status>),
    /// A session with new credentials, or why there is none.
    Connected(Result<Box<Session>, Failure>),
    Replaced(String, Result<(), Error>),
    Logs(String, Result<Vec<String>, Error>),
}

/// The driver of a live status: it asks AWS at the pace of a schedule, and keeps the state for a view.
pub(super) struct Driver {
    pub session: Rc<Session>,
    paths: Rc<Paths>,
    prices: Rc<Prices>,
    pub state: LiveState,
    pub schedule: Schedule,
    pub jobs: FuturesUnordered<LocalBoxFuture<'static, JobResult>>,
    report: Report<Status>,
    began: Instant,
    /// The number of calls of earlier sessions.
    calls_before: u64,
    renewed: Option<Instant>,
    metrics_seen: bool,
    probes: usize,
    /// True if a run at work has just ended. One more look comes before that is reported.
    done: bool,
    /// The events that have not been reported yet.
    pub unreported: Vec<Event>,
}

/// Shows the live status until the user leaves it.
pub(super) async fn run(mut session: Session, args: StatusArgs) -> Outcome {
    session.remember().await;
    let out = session.out;
    let prices = cost::prices(&args.prices, &out)?;
    let screen = !out.json() && io::IsTerminal::is_terminal(&io::stdout()) && io::IsTerminal::is_terminal(&io::stdin());
    let mut screen = if screen { Some(Screen::open(out.typist).map_err(broken_terminal)?) } else { None };
    let mut driver = Driver::new(session, &args, prices);

    let [mut ends, mut hangs, mut resized] =
        [SignalKind::terminate(), SignalKind::hangup(), SignalKind::window_change()]
            .map(|kind| signal(kind).expect("signals can be listened to"));
    let mut tick = interval(TICK);
    let (mut told, mut first) = (Instant::now(), true);
    loop {
        let key = async {
            match &mut screen {
                Some(s) => s.key().await,
                None => pending().await,
            }
        };
        let mut draw = true;
        tokio::select! {
            biased;
            key = key => match (key, &mut screen) {
                (Some(key), Some(s)) => match s.press(key, &driver.state) {
                    Action::Quit => break,
                    Action::Look => driver.schedule.look_now(),
                    Action::NextService => driver.state.show_next(),
                    Action::Replace(id) => driver.replace(id),
                    Action::Logs(id) => driver.read_logs(id),
                    Action::None => {}
                },
                // The terminal is gone.
                _ => break,
            },
            _ = ends.recv() => break,
            _ = hangs.recv() => break,
            _ = tokio::signal::ctrl_c() => break,
            _ = resized.recv() => {}
            Some(result) = driver.jobs.next() => {
                driver.receive(result);
                // Results come in bursts, so the next tick draws them.
                draw = false;
            }
            _ = tick.tick() => driver.tick(),
        }
        if let Some(s) = screen.as_mut().filter(|_| draw) {
            s.draw(&driver.state).map_err(broken_terminal)?;
        } else if screen.is_none() && driver.has_a_picture() {
            let news = std::mem::take(&mut driver.unreported);
            let due = first || told.elapsed() >= if out.json() { ROUND } else { HEARTBEAT };
            match (out.json(), due) {
                // Nobody reads any more (`| head`), so there is no reason to go on asking AWS.
                (true, true) if !out.try_line(&driver.round(&news)) => break,
                (true, true) => {}
                (true, false) => driver.unreported = news,
                (false, _) => {
                    view::news(&out, &news);
                    if due && !view::heartbeat(&out, &driver.state) {
                        break;
                    }
                }
            }
            if due {
                (told, first) = (Instant::now(), false);
            }
        }
    }
    // The terminal is given back, and the last verdict stays on it.
    let verdict = screen.take().is_some().then(|| driver.state.worst().to_string());
    if let Some(verdict) = verdict.filter(|_| driver.state.snapshot.is_some()) {
        let word = driver.state.worst().word();
        out.data(format!("{}{verdict}{}", style::verdict(word), style::RESET));
    }
    Ok(DONE)
}

fn broken_terminal(e: io::Error) -> Failure {
    Error::other(format!("the terminal cannot be used: {e}"), "try `-o json`, or pipe it: then it prints lines").into()
}

impl Driver {
    /// Makes a driver. The first tick begins its jobs.
    pub(super) fn new(session: Session, args: &StatusArgs, prices: Prices) -> Self {
        let paths = Paths::new(&args.service, args.probe.probe.clone(), args.probe.no_probe);
        let times = session.times();
        Self {
            session: Rc::new(session),
            paths: Rc::new(paths),
            prices: Rc::new(prices),
            state: LiveState::new(Timestamp::now(), times),
            schedule: Schedule::default(),
            jobs: FuturesUnordered::new(),
            report: Report(vec![]),
            began: Instant::now(),
            calls_before: 0,
            renewed: None,
            metrics_seen: false,
            probes: 0,
            done: false,
            unreported: vec![],
        }
    }

    /// True if there is something to show. The first round waits for the steps, too, unless they take too long.
    pub(super) fn has_a_picture(&self) -> bool {
        self.state.snapshot.is_some() && (!self.report.0.is_empty() || self.began.elapsed() > ROUND * 2)
    }

    fn calls(&self) -> u64 {
        self.calls_before + self.session.aws.calls.reads() + self.session.aws.calls.writes()
    }

    /// Begins the jobs that are due by now.
    pub(super) fn tick(&mut self) {
        let now = self.began.elapsed();
        self.state.now = Timestamp::now();
        self.schedule.count(now, self.calls());
        self.state.rate = self.schedule.rate();
        self.schedule.building = self.state.times.building();
        self.schedule.serving = self.state.worst().serving();
        self.schedule.at_work = self.state.at_work.is_some();
        for job in self.schedule.due(now) {
            match self.begin(job) {
                Some(running) => self.jobs.push(running),
                None => self.schedule.done(job),
            }
        }
        let refused = self.state.trouble.as_ref().is_some_and(|t| t.kind == TroubleKind::Credentials);
        if refused && self.renewed.is_none_or(|at| at.elapsed() >= RENEW) {
            self.renewed = Some(Instant::now());
            let session = self.session.clone();
            self.jobs.push(async move { JobResult::Connected(session.reconnect().await.map(Box::new)) }.boxed_local());
        }
    }

    /// Returns the work of a job, if enough is known to do it.
    fn begin(&mut self, job: Job) -> Option<LocalBoxFuture<'static, JobResult>> {
        let (session, look) = (self.session.clone(), self.state.snapshot.as_deref());
        let round = move |r: Round| JobResult::Round(job, Box::new(Round { at: Timestamp::now(), ..r }));
        let service = look.map(|s| s.whose.service.clone()).unwrap_or_default();
        let failed = |e: &Error| Round { trouble: Trouble::of(e), ..Round::default() };
        Some(match job {
            Job::Look => {
                let paths = self.paths.clone();
                async move {
                    session.look_anew();
                    round(Round { services: Judged::all(session.snapshots(&paths).await), ..Round::default() })
                }
                .boxed_local()
            }
            Job::Health => {
                let group = look?.target_group.as_ref()?.arn.clone();
                async move {
                    round(match snapshot::targets(&session.aws, &group).await {
                        Ok(targets) => Round { service, targets: Some(targets), ..Round::default() },
                        Err(e) => failed(&e),
                    })
                }
                .boxed_local()
            }
            Job::Probe => {
                let probe = &look?.probe;
                let to_ask = probe.via.is_some() || !probe.addresses.is_empty();
                let url = probe.url.clone().filter(|_| probe.unasked.is_none() && to_ask)?;
                // The addresses are asked in turn, since each zone has its own. Behind a proxy there are none.
                let address = probe.addresses.get(self.probes % probe.addresses.len().max(1)).cloned();
                self.probes += 1;
                async move {
                    let answer = snapshot::ask_address(&session.aws.network, &url, address.as_deref()).await;
                    round(Round { service, answer, ..Round::default() })
                }
                .boxed_local()
            }
            Job::Metrics => {
                // The fleet of the service that is shown is part of the look, under the name that it has at this moment.
                let (config, look) = (&session.loaded.config, look?);
                let others = config.services().filter(|service| service.name != look.whose.service);
                let names = Names::of(look, others.map(|service| config.name_of(&service.key("auto-scaling-group"))));
                if names.is_empty() {
                    return None;
                }
                let first = !std::mem::replace(&mut self.metrics_seen, true);
                async move {
                    round(match live::ask(&session.aws, &names, first).await {
                        Ok(metrics) => Round { metrics: Some(metrics), ..Round::default() },
                        // A network error of CloudWatch alone says nothing about the rest.
                        Err(e) => {
                            let trouble = Trouble::of(&e).filter(|t| t.kind != TroubleKind::Network);
                            Round { trouble, no_metrics: Some(e.to_string()), ..Round::default() }
                        }
                    })
                }
                .boxed_local()
            }
            Job::Cost => {
                let prices = self.prices.clone();
                // A failure here is no trouble for the rest of the view.
                async move {
                    let cost = cost::running(&session, &prices).await.ok().flatten();
                    round(Round { cost, ..Round::default() })
                }
                .boxed_local()
            }
            Job::Work => {
                async move { round(Round { at_work: Some(session.at_work().await), ..Round::default() }) }.boxed_local()
            }
            Job::Steps => async move {
                session.look_anew();
                JobResult::Steps(session.look().await)
            }
            .boxed_local(),
        })
    }

    /// Folds the result of a job into the state.
    pub(super) fn receive(&mut self, result: JobResult) {
        let now = self.began.elapsed();
        match result {
            JobResult::Round(job, mut round) => {
                self.schedule.done(job);
                if matches!(round.at_work, Some(None)) && self.state.at_work.is_some() {
                    (self.done, round.at_work) = (true, None);
                    self.schedule.all_now();
                } else if job == Job::Look && std::mem::take(&mut self.done) {
                    round.at_work = Some(None);
                }
                // The looks at the services run side by side, and the last one to end has counted the calls of all.
                if let Some(calls) = round.services.iter().map(|one| one.snapshot.calls).max() {
                    self.schedule.looked(calls);
                }
                let asked_aws = !matches!(job, Job::Probe | Job::Cost | Job::Work);
                let was = self.state.trouble.as_ref().map(|t| t.kind);
                let first = self.state.snapshot.is_none();
                let machines = |s: &LiveState| s.snapshot.as_ref().map(|look| look.instances.len());
                let before = machines(&self.state);
                let news = self.state.fold(*round);
                if machines(&self.state) != before {
                    self.schedule.cost_now();
                }
                if asked_aws {
                    match self.state.trouble.as_ref().map(|t| t.kind) {
                        Some(TroubleKind::Throttled) => self.schedule.strained(),
                        _ => self.schedule.relieved(),
                    }
                    if was.is_some() && self.state.trouble.is_none() {
                        self.schedule.look_now();
                    }
                }
                if first && self.state.snapshot.is_some() {
                    // Health and metrics waited for what the first look found.
                    self.schedule.again();
                }
                if !news.is_empty() {
                    self.schedule.changed(now);
                }
                self.unreported.extend(news);
                // The terminal view never drains this list (it shows the state's own events), so cap it.
                let from = self.unreported.len().saturating_sub(500);
                self.unreported.drain(..from);
            }
            JobResult::Steps(report) => {
                self.schedule.done(Job::Steps);
                let steps = Some(self.session.progress(&report));
                let round = Round { steps, ..Round::at(Timestamp::now()) };
                self.report = report;
                self.state.fold(round);
            }
            JobResult::Connected(Ok(session)) => {
                self.calls_before = self.calls();
                self.session = Rc::new(*session);
                self.schedule.look_now();
            }
            // There are still no credentials: the next attempt comes later.
            JobResult::Connected(Err(_)) => {}
            JobResult::Logs(id, lines) => self.state.logs = Some((id, lines.map_err(|e| e.to_string()))),
            JobResult::Replaced(id, done) => {
                let (good, text) = match done {
                    Ok(()) => (true, format!("{id} is being replaced, as you asked")),
                    Err(e) => (false, format!("{id} cannot be replaced: {e}")),
                };
                self.state.note(Timestamp::now(), good, text);
                self.schedule.changed(now);
            }
        }
    }

    /// Terminates an instance; its Auto Scaling group launches another one.
    fn replace(&mut self, id: String) {
        let session = self.session.clone();
        let ended = async move {
            let done = live::replace(&session.aws, &id).await;
            JobResult::Replaced(id, done)
        };
        self.jobs.push(ended.boxed_local());
    }

    /// Reads what an instance wrote in the last minutes.
    fn read_logs(&mut self, id: String) {
        let session = self.session.clone();
        self.state.logs = None;
        let looked = async move {
            let from = Timestamp::now().checked_sub(LOGS).unwrap_or(Timestamp::UNIX_EPOCH);
            let groups = source::LogGroup::all(&session.loaded.config, |_| true);
            let of = |group| source::look(&session.aws, group, Some(&id), from);
            let found = futures::future::try_join_all(groups.iter().map(of)).await;
            let lines = found.map(|found| {
                let mut all: Vec<_> = found.into_iter().flatten().flatten().collect();
                all.sort_by_key(|e| e.at);
                all.iter().map(output::logs::one_line).collect()
            });
            JobResult::Logs(id, lines)
        };
        self.jobs.push(looked.boxed_local());
    }

    /// Returns the JSON object of a round, with the news since the last one.
    pub(super) fn round<'a>(&'a self, news: &'a [Event]) -> view::LiveRound<'a> {
        let s = &self.state;
        let overview = s.snapshot.as_ref().map(|look| {
            let shown = status::Path::new(&look.whose.service, &s.chain, &s.verdict);
            let mut services: Vec<status::Path<'_>> =
                std::iter::once(shown).chain(s.others.iter().map(Into::into)).collect();
            services.sort_by_key(|path| std::cmp::Reverse(path.word));
            let gaps = status::all_gaps(std::iter::once(&**look).chain(s.others.iter().map(|one| &one.snapshot)));
            Overview::new(&look.whose.stack, services, gaps, s.clock(), &self.report)
        });
        view::LiveRound::new(s, overview, news)
    }
}
