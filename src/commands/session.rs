//! What most verbs begin with: the stack file, the clients, the facts, the graph.
use super::Failure;
use crate::{
    aws::{self, Aws, Target, note},
    cli::{Consent, Global, Pace, Probe},
    config::{self, Claims, Config, Group, Loaded, NamedRegion, Origin, Outside, ServiceScope},
    engine::{
        Direction, Env, Events, Forecast, Graph, Key, Names, Node, Ownership, Phase, RecordReader, Ref, Report, Status,
        Stop, TagKeys, Visit, glance, walk,
    },
    facts::{self, Facts},
    help,
    history::{History, Stopwatch},
    lease::{self, Holder, Lease, Taken},
    output::{self, Printer, complaint::Complaint, progress::View, sandbox::Preparing, style::*},
    record,
    resources::target_group::TargetGroup,
    sandbox,
    snapshot::{self, Asking, Depth, Expected, Snapshot, Whose},
    stack::{self, Stack, remains::Remains},
    watch::{Stand, Step, Times},
};
use futures::future::{Either, select};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    time::Duration,
};

/// How long one look at the whole stack may share its reads.
const ONE_LOOK: Duration = Duration::from_secs(10);
/// While something is being built, only steps that ask in the same moment share an answer.
const BUILDING: Duration = Duration::from_millis(400);

pub(super) struct Session {
    pub loaded: Loaded,
    pub aws: Aws,
    pub facts: Facts,
    pub stack: Stack,
    pub env: Env,
    pub view: View,
    pub out: Printer,
    history: History,
    stopwatch: Stopwatch,
    target: Target,
    scale: f64,
}

/// Reads and checks the stack file; warnings go to stderr. Makes no AWS call.
pub(super) fn load(global: &Global, out: &Printer) -> Result<Loaded, Failure> {
    let named = |region: String, by: String| NamedRegion { region, by };
    let outside = Outside {
        asked: global.region.clone().map(|region| named(region, "--region".into())),
        include: global.include_outside.clone(),
        usual: aws::region::of_the_user(global.profile.as_deref()).map(|(region, by)| named(region, by)),
    };
    let mut loaded = config::load_in(&global.config, &outside).map_err(|e| Failure::file(&e, out))?;
    out.typist.learn_region(&loaded.config.region);
    if !out.json() && !loaded.warnings.is_empty() {
        out.rendered(&loaded.render_warnings(out.color(), out.width()));
    }
    loaded.config.add_region_to_global_names();
    Ok(loaded)
}

/// Where to talk to: AWS, or the sandbox, started if need be. With the sandbox's own pace.
pub(super) async fn target(global: &Global, config: &Config, out: &Printer) -> Result<(Target, f64), Failure> {
    let ask: aws::Ask = output::ask;
    let mut target = Target {
        region: config.region.clone(),
        profile: global.profile.clone(),
        endpoint: None,
        ask: out.interactive.then_some(ask),
        keys: TagKeys::new(&config.tag_prefix),
        tags: config.tags.clone(),
        tell: (out.verbose > 1).then_some(output::calls::show),
    };
    if !global.sandbox {
        return Ok((target, 1.0));
    }
    let preparing = Preparing::new(*out);
    let running = sandbox::ensure(pace(global, out), |doing| preparing.say(doing)).await.map_err(said)?;
    drop(preparing);
    target.endpoint = Some(running.lead());
    Ok((target, running.pace.scale()))
}

/// The clients, once there are credentials for them.
pub(super) async fn reach(target: &Target) -> Result<Aws, Failure> {
    let aws = Aws::connect(target).await;
    aws.ready().await?;
    Ok(aws)
}

/// The pace asked for; on a terminal things take their time so that there is something to see.
pub(super) fn pace(global: &Global, out: &Printer) -> Option<Pace> {
    global.pace.or(out.live.then_some(Pace::Fast))
}

/// An error of another part, with its help, as text.
pub(super) fn said(e: impl miette::Diagnostic) -> Failure {
    Failure::Error(crate::error::Error::other(e.to_string(), e.help().map(|h| h.to_string()).unwrap_or_default()))
}

impl Session {
    pub async fn open(global: &Global, out: Printer, consent: &Consent) -> Result<Self, Failure> {
        Self::begin(global, out, &consent.replace, consent.given(), Ahead::Nothing).await.map(|(session, _)| session)
    }

    /// For those who look at the whole stack next: the look begins while the facts are still being gathered.
    pub async fn open_to_look(global: &Global, out: Printer, consent: &Consent) -> Result<Self, Failure> {
        Self::begin(global, out, &consent.replace, consent.given(), Ahead::Steps).await.map(|(session, _)| session)
    }

    /// For those who delete the whole stack, and these objects with it.
    pub async fn open_to_delete(global: &Global, out: Printer, ids: &[String]) -> Result<Self, Failure> {
        let given = Claims { delete: ids.iter().cloned().collect(), ..Claims::default() };
        Self::begin(global, out, &[], given, Ahead::Steps).await.map(|(session, _)| session)
    }

    /// And with the request path, seen at the same moment.
    pub async fn open_and_see(global: &Global, out: Printer, probe: &Probe) -> Result<(Self, Snapshot), Failure> {
        let (session, seen) = Self::begin(global, out, &[], Claims::default(), Ahead::Path(probe)).await?;
        Ok((session, seen.expect("the request path was asked for")))
    }

    async fn begin(
        global: &Global,
        out: Printer,
        replace: &[String],
        given: Claims,
        ahead: Ahead<'_>,
    ) -> Result<(Self, Option<Snapshot>), Failure> {
        let mut loaded = load(global, &out)?;
        loaded.config.given = given;
        let (target, scale) = target(global, &loaded.config, &out).await?;
        let aws = reach(&target).await?;
        // Boxed, as a future of all that a verb may do would be too deep a type.
        let (mut session, seen) = Box::pin(Self::gather(loaded, aws, target, scale, out, ahead)).await?;
        session.replace(known(&session.stack.graph, replace)?.into_iter().collect());
        known(&session.stack.graph, &session.loaded.config.given.adopt.keys().cloned().collect::<Vec<_>>())?;
        Ok((session, seen))
    }

    fn replace(&mut self, keys: BTreeSet<String>) {
        // One that is made anew is empty.
        if let Some(master) = self.stack.master.as_ref().filter(|_| keys.contains("database/main")) {
            master.done.take();
        }
        self.env.consent.replace = keys;
    }

    async fn gather(
        mut loaded: Loaded,
        aws: Aws,
        target: Target,
        scale: f64,
        out: Printer,
        ahead: Ahead<'_>,
    ) -> Result<(Self, Option<Snapshot>), Failure> {
        aws.reads.keep_for(ONE_LOOK);
        let (facts, ledger) =
            futures::join!(Box::pin(ahead.with_the_facts(&aws, &loaded)), record::look(&aws, &loaded.config.name));
        let (mut facts, mut seen) = facts?;
        let other_keys = facts.identities != loaded.config.identities;
        loaded.config.take_identities(facts.identities.clone());
        let renamed = loaded.config.keep_existing_names(&facts.standing);
        if (other_keys || !renamed.is_empty()) && seen.is_some() {
            seen = ahead.look(&aws, &loaded, &facts).await;
        }
        let stack = stack::wire(&loaded, &facts, &aws).map_err(template)?;
        // Nobody can take over what is no step.
        facts.claims.retain(|(step, _)| stack.graph.get(step).is_some());
        let view = View::new(out);
        let stopwatch = Stopwatch::new(scale);
        let mut env = Env::new(&loaded.config.name, stopwatch.before(view.events()));
        env.advice = help::of;
        env.keys = aws.keys.clone();
        env.tags = loaded.config.tags.clone();
        let mut names = loaded.config.names.clone();
        names.extend(facts.standing.clone());
        env.names = Names::new(names, renamed);
        env.pace.scale = scale;
        let given = loaded.config.given.clone();
        (env.consent.adopt, env.consent.delete) = (given.adopt, given.delete);
        env.ownership = Ownership::new(ledger).with_reader(record_reader(&aws, &loaded.config.name));
        env.final_snapshot.name = final_snapshot(&loaded.config);
        let history = History::default();
        Ok((Self { loaded, aws, facts, stack, env, view, out, history, stopwatch, target, scale }, seen))
    }

    /// Reads again what the stack has made.
    pub async fn reread(&self) -> Result<(), Failure> {
        self.env.ownership.set_ledger(record::load(&self.aws, &self.env.stack).await?);
        Ok(())
    }

    /// Writes down that these steps are about to be made.
    pub async fn write_down(&self, keys: impl Iterator<Item = &Key>) -> Result<(), Failure> {
        let keys: Vec<&Key> = keys.collect();
        if keys.is_empty() {
            return Ok(());
        }
        let beginning = self.env.ownership.begin(keys.into_iter(), note::LARGEST);
        let Some(record) = beginning else {
            self.say_that_tags_decide();
            return Ok(());
        };
        if !record::begin(&self.aws, &self.env.stack, &record).await? {
            self.out.note(format!(
                "{DIM}this account keeps no notes of the stack (SSM Parameter Store): what this run makes has to be named \
                 with --adopt, should a later one ask whose it is{RESET}"
            ));
        }
        Ok(())
    }

    /// For an account that does not show what the stack has made.
    pub fn say_that_tags_decide(&self) {
        self.out.note(format!(
            "{WARN}this account shows no notes of the stack (SSM Parameter Store): whose an object is rests on its \
             tags{RESET}"
        ));
    }

    /// Writes down what was made and what is gone. `done` are the steps of which nothing is left open.
    pub async fn wrote(&self, done: impl Iterator<Item = &Key>) {
        // Named by the stack file, Amazon's newest, or one of these before.
        for image in self.facts.images.values() {
            self.env.ownership.note_used(facts::IMAGE, image);
        }
        // What could not be written is known by its beginning, at the next run.
        _ = record::end(&self.aws, &self.env.stack, &self.env.ownership, done).await;
    }

    /// Forgets what was made: all of it is gone.
    pub async fn made_nothing(&self) {
        _ = record::forget(&self.aws, &self.env.stack).await;
    }

    /// Writes down that what the command line names is the stack's.
    pub async fn take_in(&self) {
        self.env.ownership.record_named();
        self.wrote(std::iter::empty()).await;
    }

    /// Asks the account how long the steps took before. For those who have something to forecast.
    pub async fn remember(&mut self) {
        self.history = History::load(&self.aws, &self.env.stack).await;
        self.env.durations = self.history.of(self.stack.graph.nodes().map(|n| n.key()));
    }

    /// Leaves in the account how long the steps of this run took.
    pub async fn learn(&self) {
        self.history.clone().learn(&self.aws, &self.env.stack, &self.stopwatch).await;
    }

    /// The same anew, with the credentials that there are now: the SDK reads a profile once.
    pub async fn again(&self) -> Result<Self, Failure> {
        // The terminal is the screen's by now: nobody can be asked for a code.
        let target = Target { ask: None, ..self.target.clone() };
        let mut session = self.with(reach(&target).await?, target).await?;
        session.remember().await;
        Ok(session)
    }

    /// The same, with what others have made meanwhile.
    pub async fn now(&self) -> Result<Self, Failure> {
        self.aws.reads.renew();
        let mut session = self.with(self.aws.clone(), self.target.clone()).await?;
        session.replace(self.env.consent.replace.clone());
        session.env.ownership.set_alone(self.env.ownership.is_alone());
        session.env.final_snapshot = self.env.final_snapshot.clone();
        Ok(session)
    }

    async fn with(&self, aws: Aws, target: Target) -> Result<Self, Failure> {
        let mut loaded = self.loaded.clone();
        loaded.config.names.extend(self.env.names.wanted().clone());
        Ok(Self::gather(loaded, aws, target, self.scale, self.out, Ahead::Nothing).await?.0)
    }

    /// Keeps only these groups and what they need; none named: everything.
    pub fn narrow(&mut self, groups: &[Group]) {
        if !groups.is_empty() {
            let keys = self.stack.graph.with_needs(|k: &Key| groups.contains(&Group::of_kind(k.kind())));
            self.stack.graph = std::mem::take(&mut self.stack.graph).only(&keys);
        }
    }

    /// From now on things change: answers are shared only in the same moment.
    pub fn building(&self) {
        self.aws.reads.keep_for(BUILDING.min(self.env.pace.of(BUILDING * 4)));
    }

    /// How many calls were made, for those who want to know.
    pub fn say_calls(&self) {
        if self.out.verbose > 0 && !self.out.json() {
            let calls = &self.aws.calls;
            self.out.note(format!("{} reading calls, {} changing calls", calls.reads(), calls.writes()));
        }
    }

    /// Where things are built, in words: an account and a region, or the sandbox.
    pub fn place(&self) -> String {
        self.facts.place(&self.loaded.region_by)
    }

    /// The moment of the first request, if the stack file names one.
    pub fn traffic_at(&self) -> Option<jiff::Timestamp> {
        self.loaded.config.traffic_at(&jiff::Zoned::now())
    }

    /// Takes the stack's lease, or says who has it.
    pub async fn lease(&self, verb: &str, args: crate::cli::Lease) -> Result<Lease, Failure> {
        let taken = match args {
            crate::cli::Lease { wait: true, .. } => Taken::Wait,
            crate::cli::Lease { steal: true, .. } => Taken::Steal,
            crate::cli::Lease { no_lease: true, .. } => {
                self.out.note(
                    "without a lease: who else is at work on the stack is not asked, and nobody is told of this run",
                );
                self.env.ownership.set_alone(false);
                return Ok(Lease::none(&self.aws, Holder::me(verb)));
            }
            _ => Taken::Refuse,
        };
        let say = |whom: &str| self.out.note(whom);
        let lease = Lease::take(&self.aws, &self.env.stack, Holder::me(verb), taken, say).await?;
        self.env.ownership.set_alone(lease.is_alone());
        Ok(lease)
    }

    /// Runs a walk that changes things: keeps the lease and the view alive, and listens for Ctrl-C.
    pub async fn drive<T>(&self, lease: &Lease, walk: impl Future<Output = T>) -> T {
        let taken_over = |other: &Holder| self.view.note(&format!("taken over: {other}"));
        tokio::select! {
            result = walk => result,
            never = self.view.tick() => match never {},
            never = self.stop_on_ctrl_c() => match never {},
            never = lease.keep(&self.env.stack, &self.env.stop, || self.view.progress(), taken_over) => match never {},
        }
    }

    /// How long AWS has been making each of these steps, where an earlier run has told.
    pub fn under_way<'a>(&self, keys: impl Iterator<Item = &'a Key>) -> BTreeMap<Key, Duration> {
        let since = |begun: Timestamp| Timestamp::now().duration_since(begun).unsigned_abs();
        keys.map(|key| (key.clone(), self.history.begun(key).map_or(Duration::ZERO, since))).collect()
    }

    /// Who is at work on the stack.
    pub async fn at_work(&self) -> Option<Holder> {
        lease::at_work(&self.aws, &self.env.stack).await
    }

    /// What is ours but no longer in the stack file; `seen` is a look at the stack.
    pub async fn remains(&self, seen: &Report<Status>) -> Result<Remains, Failure> {
        Ok(Remains::find(&self.loaded, &self.facts, &self.aws, &self.env, &self.stack, seen).await?)
    }

    /// Looks at every step.
    pub async fn look(&self) -> Report<Status> {
        glance(&self.stack.graph, &self.env).await;
        walk(&self.stack.graph, Direction::Forward, &self.env, async |n: &dyn Node| n.observe(&self.env).await).await
    }

    /// What is known about time before anything was seen.
    pub fn times(&self) -> Times {
        Times {
            traffic_at: self.traffic_at(),
            forecast: Some(Forecast::new(&self.stack.graph, Direction::Forward)),
            scale: self.env.pace.scale,
            multi_az: self.loaded.config.database.multi_az,
            cache_nodes: self.loaded.config.cache.nodes,
            ..Times::default()
        }
    }

    /// How far the steps are, and how long each usually takes, here or on AWS.
    pub fn progress(&self, seen: &Report<Status>) -> Vec<Step> {
        let usually = |key: &Key| {
            let node = self.stack.graph.get(key.as_str());
            node.map_or(Duration::ZERO, |n| self.env.expected(key, n.typical()).create)
        };
        let step =
            |(key, visit): &(Key, Visit<Status>)| Step { key: key.clone(), state: stand(visit), usually: usually(key) };
        seen.0.iter().map(step).collect()
    }

    /// The target group of the service that is shown.
    pub fn target(&self) -> &Ref<TargetGroup> {
        let shown = shown(&self.loaded.config).name;
        let service = self.stack.services.iter().find(|service| service.name == shown);
        &service.expect("each service is wired").target
    }

    /// Whose request path is shown.
    pub fn whose(&self) -> Whose {
        whose(&self.loaded, &self.facts)
    }

    /// What the stack file says of the request path.
    pub fn expected(&self) -> Expected {
        let steps = self.stack.graph.nodes().map(|n| n.key().to_string()).collect();
        expected(&self.loaded, &self.facts, steps)
    }

    /// Everything that carries the requests, seen now.
    pub async fn snapshot(&self, asking: &Asking) -> Snapshot {
        snapshot::gather(&self.aws, self.whose(), self.expected(), asking, Depth::Events).await
    }

    /// What to ask from outside; sandbox addresses are not reachable.
    pub fn asking(&self, url: Option<String>, no_probe: bool) -> Asking {
        asking(&self.aws, &self.expected(), url, no_probe)
    }

    /// Listens for Ctrl-C: the first one stops starting steps, the second one leaves at once.
    pub fn stop_on_ctrl_c(&self) -> impl Future<Output = std::convert::Infallible> + use<> {
        let (stop, view): (Stop, View) = (self.env.stop.clone(), self.view.clone());
        async move {
            loop {
                if tokio::signal::ctrl_c().await.is_err() {
                    std::future::pending::<()>().await;
                }
                if stop.is_requested() {
                    std::process::exit(130);
                }
                view.note("stopping: no new step starts, calls in flight finish; Ctrl-C again leaves at once");
                stop.request();
            }
        }
    }
}

/// What is looked at while the facts are gathered: most of it needs none of them.
#[derive(Clone, Copy)]
enum Ahead<'a> {
    Nothing,
    Steps,
    Path(&'a Probe),
}

impl Ahead<'_> {
    /// The facts and, when it was asked for, the request path. The answers of the look wait in the shared reads.
    async fn with_the_facts(self, aws: &Aws, loaded: &Loaded) -> Result<(Facts, Option<Snapshot>), Failure> {
        let mut gather = pin!(Facts::gather(aws, &loaded.config));
        // Only an existing network is a fact that lookers cannot do without.
        if matches!(self, Ahead::Nothing) || loaded.config.network.mode == Origin::Use {
            let facts = gather.await?;
            let seen = self.look(aws, loaded, &facts).await;
            return Ok((facts, seen));
        }
        let offline = Facts::offline(&loaded.config);
        let look = pin!(self.look(aws, loaded, &offline));
        let (facts, mut seen) = match select(&mut gather, look).await {
            // Without facts there is nothing to wait for.
            Either::Left((facts, look)) => (facts?, look.await),
            Either::Right((seen, facts)) => (facts.await?, seen),
        };
        if let Some(s) = &mut seen {
            s.expected = expected(loaded, &facts, std::mem::take(&mut s.expected.steps));
            s.whose = whose(loaded, &facts);
        }
        Ok((facts, seen))
    }

    async fn look(self, aws: &Aws, loaded: &Loaded, facts: &Facts) -> Option<Snapshot> {
        if matches!(self, Ahead::Nothing) {
            return None;
        }
        // What is wrong with a template is told when the stack itself is wired.
        let graph = stack::wire(loaded, facts, aws).map(|s| s.graph).unwrap_or_default();
        let mut env = Env::new(&loaded.config.name, Events::silent());
        env.keys = aws.keys.clone();
        env.tags = loaded.config.tags.clone();
        env.names = Names::new(loaded.config.names.clone(), BTreeMap::new());
        let path = async {
            let Ahead::Path(probe) = self else { return None };
            let expected = expected(loaded, facts, graph.nodes().map(|n| n.key().to_string()).collect());
            let asking = asking(aws, &expected, probe.probe.clone(), probe.no_probe);
            Some(snapshot::gather(aws, whose(loaded, facts), expected, &asking, Depth::Path).await)
        };
        futures::join!(glance(&graph, &env), path).1
    }
}

/// Returns the way to read the record of the stack again, for a step that another run may have made.
fn record_reader(aws: &Aws, stack: &str) -> RecordReader {
    let (aws, stack) = (aws.clone(), stack.to_owned());
    Box::new(move || {
        let (aws, stack) = (aws.clone(), stack.clone());
        Box::pin(async move { record::now(&aws, &stack).await })
    })
}

/// What stands in the name of the snapshot that a database leaves, between its own name and the time.
pub(super) const FINAL: &str = "-final-";

/// The name of the snapshot that the database leaves when it is deleted.
fn final_snapshot(config: &Config) -> String {
    let now = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S");
    format!("{}{FINAL}{now}", config.name_of("database/main"))
}

fn stand(visit: &Visit<Status>) -> Stand {
    match visit {
        Visit::Done(Status { phase: Some(Phase::Ready), .. }) => Stand::Ready,
        Visit::Done(Status { phase: Some(Phase::Busy(_)), .. }) => Stand::Busy,
        Visit::Done(_) => Stand::Missing,
        // What cannot be seen does not hold the clock up.
        _ => Stand::Ready,
    }
}

/// What the stack file says of the request path; `steps` are the keys of its graph.
fn expected(loaded: &Loaded, facts: &Facts, steps: Vec<String>) -> Expected {
    Expected::new(&loaded.config, shown(&loaded.config), facts, steps)
}

/// The service whose request path a verb shows.
pub(super) fn shown(config: &Config) -> ServiceScope<'_> {
    config.services().next().expect("a checked config has a service")
}

/// Whose request path a verb shows.
fn whose(loaded: &Loaded, facts: &Facts) -> Whose {
    Whose {
        stack: loaded.config.name.clone(),
        service: shown(&loaded.config).name.into(),
        account: facts.account.clone(),
        region: facts.region.clone(),
        keys: TagKeys::new(&loaded.config.tag_prefix),
    }
}

/// What to ask from outside; sandbox addresses are not reachable.
fn asking(aws: &Aws, expected: &Expected, url: Option<String>, no_probe: bool) -> Asking {
    match (url, no_probe, &aws.endpoint) {
        (url, true, _) => Asking::Nothing { at: url.unwrap_or_else(|| expected.path()), why: "--no-probe".into() },
        (Some(url), false, _) => Asking::Url(url),
        (None, false, Some(_)) => {
            Asking::Nothing { at: expected.path(), why: "sandbox addresses are not reachable".into() }
        }
        (None, false, None) => Asking::Path(expected.path()),
    }
}

/// A template that does not render is a mistake in the user's files: exit code 2, as for the stack file.
pub(super) fn template(e: Box<crate::userdata::Error>) -> Failure {
    let complaint = Complaint {
        file: e.file().map(Into::into),
        line: e.line(),
        ..Complaint::new("template", e.to_string(), miette::Diagnostic::help(&*e).map(|h| h.to_string()))
    };
    Failure::Usage { complaints: vec![complaint], text: Some(format!("{:?}", miette::Report::new(*e))) }
}

fn known(graph: &Graph, keys: &[String]) -> Result<Vec<String>, Failure> {
    for key in keys {
        if graph.get(key).is_none() {
            let like = |n: &str| strsim::jaro_winkler(n, key);
            let near = graph.nodes().map(|n| n.key().as_str()).max_by(|a, b| like(a).total_cmp(&like(b)));
            let meant = near.filter(|n| like(n) > 0.8).map(|n| format!("did you mean {n}? ")).unwrap_or_default();
            let help = format!("{meant}`gameday status -v` lists all");
            return Err(Failure::usage("no_step", format!("there is no step {key}"), help));
        }
    }
    Ok(keys.to_vec())
}
