//! `gameday status --watch`: asks at the pace of a schedule, folds what comes into a state, shows it at once.
use super::{DONE, Failure, Outcome, Session, cost};
use crate::{
    cli::StatusArgs,
    cost::Prices,
    engine::{Report, Status},
    error::Error,
    live::{self, Event, Job, LiveState, Names, Round, Schedule, Trouble, TroubleKind},
    logs,
    output::{
        self,
        live::{self as view, Action, Screen},
        status::Overview,
        style,
    },
    snapshot::{self, Asking},
};
use futures::{FutureExt, StreamExt, future::LocalBoxFuture, stream::FuturesUnordered};
use jiff::Timestamp;
use std::{future::pending, io, rc::Rc, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, interval},
};

/// How often is looked whether something is due, and drawn what came.
const TICK: Duration = Duration::from_millis(250);
/// One JSON object each.
const ROUND: Duration = Duration::from_secs(5);
const HEARTBEAT: Duration = Duration::from_secs(60);
/// How far back an instance's logs are read.
const LOGS: Duration = Duration::from_secs(600);
/// How long to wait before credentials are looked for again.
const RENEW: Duration = Duration::from_secs(15);

/// What a job came back with.
pub(super) enum JobResult {
    Round(Job, Box<Round>),
    Steps(Report<Status>),
    /// With new credentials, or none.
    Connected(Result<Box<Session>, Failure>),
    Replaced(String, Result<(), Error>),
    Logs(String, Result<Vec<String>, Error>),
}

/// Asks at the pace of a schedule, for whoever shows it.
pub(super) struct Driver {
    pub session: Rc<Session>,
    asking: Rc<Asking>,
    prices: Rc<Prices>,
    pub state: LiveState,
    pub schedule: Schedule,
    pub jobs: FuturesUnordered<LocalBoxFuture<'static, JobResult>>,
    report: Report<Status>,
    began: Instant,
    /// Calls of sessions before this one.
    calls_before: u64,
    renewed: Option<Instant>,
    metrics_seen: bool,
    probes: usize,
    /// Whoever was at work is done: what stands now is looked at before anybody says so.
    done: bool,
    /// What happened and has not been told yet.
    pub unreported: Vec<Event>,
}

pub async fn run(mut session: Session, args: StatusArgs) -> Outcome {
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
                // Drawn with the next tick: answers come in bursts.
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
                // Nobody reads any more (`| head`): no reason to go on asking AWS.
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
    // The terminal is given back: what was seen last stays on it.
    let verdict = screen.take().is_some().then(|| driver.state.verdict.to_string());
    if let Some(verdict) = verdict.filter(|_| driver.state.snapshot.is_some()) {
        let word = driver.state.verdict.word();
        out.data(format!("{}{verdict}{}", style::verdict(word), style::RESET));
    }
    Ok(DONE)
}

fn broken_terminal(e: io::Error) -> Failure {
    Error::other(format!("the terminal cannot be used: {e}"), "try `-o json`, or pipe it: then it prints lines").into()
}

impl Driver {
    pub fn new(session: Session, args: &StatusArgs, prices: Prices) -> Self {
        let times = session.times();
        let asking = session.asking(args.probe.probe.clone(), args.probe.no_probe);
        Self {
            session: Rc::new(session),
            asking: Rc::new(asking),
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

    /// Whether there is something to tell: the first round has the steps, too, unless they take too long.
    pub fn has_a_picture(&self) -> bool {
        self.state.snapshot.is_some() && (!self.report.0.is_empty() || self.began.elapsed() > ROUND * 2)
    }

    fn calls(&self) -> u64 {
        self.calls_before + self.session.aws.calls.reads() + self.session.aws.calls.writes()
    }

    /// Time has passed: begin what is due.
    pub fn tick(&mut self) {
        let now = self.began.elapsed();
        self.state.now = Timestamp::now();
        self.schedule.count(now, self.calls());
        self.state.rate = self.schedule.rate();
        self.schedule.building = self.state.times.building();
        self.schedule.serving = self.state.verdict.serving();
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
            self.jobs.push(async move { JobResult::Connected(session.again().await.map(Box::new)) }.boxed_local());
        }
    }

    /// The job, if there is enough known to do it.
    fn begin(&mut self, job: Job) -> Option<LocalBoxFuture<'static, JobResult>> {
        let (session, look) = (self.session.clone(), self.state.snapshot.as_deref());
        let round = move |r: Round| JobResult::Round(job, Box::new(Round { at: Timestamp::now(), ..r }));
        let failed = |e: &Error| Round { trouble: Trouble::of(e), ..Round::default() };
        Some(match job {
            Job::Look => {
                let asking = self.asking.clone();
                async move {
                    session.aws.reads.renew();
                    let snapshot = Some(Box::new(session.snapshot(&asking).await));
                    round(Round { snapshot, ..Round::default() })
                }
                .boxed_local()
            }
            Job::Health => {
                let group = look?.target_group.as_ref()?.arn.clone();
                async move {
                    round(match snapshot::targets(&session.aws, &group).await {
                        Ok(targets) => Round { targets: Some(targets), ..Round::default() },
                        Err(e) => failed(&e),
                    })
                }
                .boxed_local()
            }
            Job::Probe => {
                let probe = &look?.probe;
                let to_ask = probe.via.is_some() || !probe.addresses.is_empty();
                let url = probe.url.clone().filter(|_| probe.unasked.is_none() && to_ask)?;
                // One address after the other: each zone has its own. Behind a proxy there are none.
                let address = probe.addresses.get(self.probes % probe.addresses.len().max(1)).cloned();
                self.probes += 1;
                async move {
                    let answer = snapshot::ask_address(&session.aws.network, &url, address.as_deref()).await;
                    round(Round { answer, ..Round::default() })
                }
                .boxed_local()
            }
            Job::Metrics => {
                // The first service's fleet is part of the look, under the name that it has at this moment.
                let config = &session.loaded.config;
                let others =
                    config.services().skip(1).map(|service| config.name_of(&service.key("auto-scaling-group")));
                let names = Names::of(look?, others);
                if names.is_empty() {
                    return None;
                }
                let first = !std::mem::replace(&mut self.metrics_seen, true);
                async move {
                    round(match live::ask(&session.aws, &names, first).await {
                        Ok(metrics) => Round { metrics: Some(metrics), ..Round::default() },
                        // That CloudWatch alone cannot be reached says nothing of the rest.
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
                // What cannot be priced is no trouble with AWS.
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
                session.aws.reads.renew();
                JobResult::Steps(session.look().await)
            }
            .boxed_local(),
        })
    }

    pub fn receive(&mut self, result: JobResult) {
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
                if let (Job::Look, Some(s)) = (job, &round.snapshot) {
                    self.schedule.looked(s.calls);
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
                // Nobody takes them from an interface; it shows the state's own.
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
            // Still none: it is tried again.
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

    /// Ends an instance; its group starts another one.
    fn replace(&mut self, id: String) {
        let session = self.session.clone();
        let ended = async move {
            let done = live::replace(&session.aws, &id).await;
            JobResult::Replaced(id, done)
        };
        self.jobs.push(ended.boxed_local());
    }

    /// What an instance wrote in the last minutes.
    fn read_logs(&mut self, id: String) {
        let session = self.session.clone();
        self.state.logs = None;
        let looked = async move {
            let from = Timestamp::now().checked_sub(LOGS).unwrap_or(Timestamp::UNIX_EPOCH);
            let (config, aws) = (&session.loaded.config, &session.aws);
            // The instance can be of any service.
            let groups: Vec<_> = config
                .services()
                .flat_map(|service| logs::source::GROUPS.map(|log| (service.log_path(&config.name, log.word()), log)))
                .collect();
            let looks = groups.iter().map(|(group, log)| logs::source::look(aws, group, *log, Some(&id), from));
            let found = futures::future::try_join_all(looks).await;
            let lines = found.map(|found| {
                let mut all: Vec<_> = found.into_iter().flatten().flatten().collect();
                all.sort_by_key(|e| e.at);
                all.iter().map(output::logs::one_line).collect()
            });
            JobResult::Logs(id, lines)
        };
        self.jobs.push(looked.boxed_local());
    }

    pub fn round<'a>(&'a self, news: &'a [Event]) -> view::LiveRound<'a> {
        let s = &self.state;
        let overview = s.snapshot.as_ref().map(|look| {
            Overview::new(&look.whose.stack, Some((&s.chain, &look.gaps)), &s.verdict, s.clock(), &self.report)
        });
        view::LiveRound::new(s, overview, news)
    }
}
