//! The session that most verbs begin with: the stack file, the clients, the facts, the graph.
mod asking;
mod drive;
mod interrupt;
mod load;
mod notes;
mod prefetch;
mod target;

pub(super) use asking::{Awaited, Paths, named, one};
pub(super) use load::{load, said, template};
pub(super) use target::{pace, reach, target};

use super::Failure;
use crate::{
    aws::{Aws, Target, reads::Mode},
    cli::{Consent, Global},
    config::{Claims, Group, Loaded, Resolved},
    engine::{
        Direction, Env, Forecast, Key, Names, Node, Ownership, Phase, RecordReader, Report, Status, Visit, glance, walk,
    },
    facts::Facts,
    help,
    history::{History, Stopwatch},
    lease::Lease,
    leftovers::{Search, database_snapshot},
    live::{Step, StepState, Times},
    output::{Printer, progress::View},
    record,
    snapshot::Snapshot,
    stack::{self, Stack},
};
use interrupt::Interrupt;
use load::check_keys;
use prefetch::Prefetch;
use std::{cell::Cell, collections::BTreeSet, time::Duration};

/// A stack in its account, ready for a verb.
pub(super) struct Session {
    /// The stack file with the names that its objects have in the account.
    pub loaded: Loaded,
    pub aws: Aws,
    pub facts: Facts,
    pub stack: Stack,
    pub env: Env,
    pub view: View,
    pub out: Printer,
    /// The stack file as it was read.
    file: Loaded,
    history: History,
    stopwatch: Stopwatch,
    target: Target,
    scale: f64,
    /// The lease, while this run holds it.
    lease: Cell<Option<Lease>>,
    interrupt: Interrupt,
}

impl Session {
    /// Opens a session for a verb that looks at little.
    pub(super) async fn open(global: &Global, out: Printer, consent: &Consent) -> Result<Self, Failure> {
        Self::begin(global, out, &consent.replace, consent.given(), Prefetch::Nothing).await.map(|(session, _)| session)
    }

    /// Opens a session for a verb that looks at all steps next: the look begins while the facts are gathered.
    pub(super) async fn open_to_look(global: &Global, out: Printer, consent: &Consent) -> Result<Self, Failure> {
        Self::begin(global, out, &consent.replace, consent.given(), Prefetch::Steps).await.map(|(session, _)| session)
    }

    /// Opens a session for a verb that deletes the whole stack, and the objects with these ids.
    pub(super) async fn open_to_delete(global: &Global, out: Printer, ids: &[String]) -> Result<Self, Failure> {
        let given = Claims { delete: ids.iter().cloned().collect(), ..Claims::default() };
        Self::begin(global, out, &[], given, Prefetch::Steps).await.map(|(session, _)| session)
    }

    /// Opens a session, and takes a snapshot of each service's request path at the same time.
    pub(super) async fn open_and_see(
        global: &Global,
        out: Printer,
        paths: &Paths,
    ) -> Result<(Self, Vec<Snapshot>), Failure> {
        let (session, seen) = Self::begin(global, out, &[], Claims::default(), Prefetch::Path(paths)).await?;
        Ok((session, seen.expect("the request path was asked for")))
    }

    async fn begin(
        global: &Global,
        out: Printer,
        replace: &[String],
        given: Claims,
        prefetch: Prefetch<'_>,
    ) -> Result<(Self, Option<Vec<Snapshot>>), Failure> {
        let mut file = load(global, &out)?;
        if let Prefetch::Path(paths) = prefetch {
            paths.check(&file.config)?;
        }
        file.config.given = given;
        let (target, scale) = target(global, &file.config, &out).await?;
        let aws = reach(&target).await?;
        // Boxed, because the type of a future of everything that a verb can do is too deep.
        let (mut session, seen) = Box::pin(Self::gather(file, aws, target, scale, out, prefetch)).await?;
        check_keys(&session.stack.graph, replace)?;
        session.replace(replace.iter().cloned().collect());
        check_keys(&session.stack.graph, session.loaded.config.given.adopt.keys())?;
        Ok((session, seen))
    }

    fn replace(&mut self, keys: BTreeSet<String>) {
        // A replaced database is empty, so it is not set up any more.
        if let Some(master) = self.stack.master.as_ref().filter(|_| keys.contains(database_snapshot::DATABASE)) {
            master.done.take();
        }
        self.env.consent.replace = keys;
    }

    async fn gather(
        file: Loaded,
        aws: Aws,
        target: Target,
        scale: f64,
        out: Printer,
        prefetch: Prefetch<'_>,
    ) -> Result<(Self, Option<Vec<Snapshot>>), Failure> {
        aws.reads.set_mode(if matches!(prefetch, Prefetch::Path(_)) { Mode::Status } else { Mode::Look });
        let (facts, ledger) =
            futures::join!(Box::pin(prefetch.with_facts(&aws, &file)), record::look(&aws, &file.config.name));
        let (mut facts, mut seen) = facts?;
        // The only place where names of the account replace those of the stack file.
        let Resolved { config, wanted } = file.config.in_account(&facts.identities, &facts.standing);
        let loaded = Loaded { config, ..file.clone() };
        if seen.is_some() && (facts.identities != file.config.identities || !wanted.is_empty()) {
            seen = prefetch.look(&aws, &loaded, &facts).await;
        }
        let stack = stack::wire(&loaded, &facts, &aws).map_err(template)?;
        // An object that is no step of the stack cannot be taken over.
        facts.claims.retain(|(step, _)| stack.graph.get(step).is_some());
        let view = View::new(out);
        let stopwatch = Stopwatch::new(scale);
        let mut env = Env::new(&loaded.config.name, stopwatch.before(view.events()));
        env.advice = help::of;
        env.keys = aws.keys.clone();
        env.tags = loaded.config.tags.clone();
        let mut names = loaded.config.names.clone();
        names.extend(facts.standing.clone());
        env.names = Names::new(names, wanted).with_ends(loaded.config.name_ends());
        env.pace.scale = scale;
        let given = loaded.config.given.clone();
        (env.consent.adopt, env.consent.delete) = (given.adopt, given.delete);
        env.ownership = Ownership::new(ledger).with_reader(record_reader(&aws, &loaded.config.name));
        env.final_snapshot.name = database_snapshot::name(&loaded.config);
        let session = Self {
            loaded,
            aws,
            facts,
            stack,
            env,
            view,
            out,
            file,
            history: History::default(),
            stopwatch,
            target,
            scale,
            lease: Cell::default(),
            interrupt: Interrupt::default(),
        };
        Ok((session, seen))
    }

    /// Opens the session again with the present credentials, since the SDK reads a profile only once.
    pub(super) async fn reconnect(&self) -> Result<Self, Failure> {
        // The live screen owns the terminal, so the user cannot be asked for a code.
        let target = Target { ask: None, ..self.target.clone() };
        let mut session = self.with(reach(&target).await?, target).await?;
        session.remember().await;
        Ok(session)
    }

    /// Opens the session again, with what others have made meanwhile. The lease goes over to the new session.
    pub(super) async fn reopen(&self) -> Result<Self, Failure> {
        self.aws.reads.renew();
        let mut session = self.with(self.aws.clone(), self.target.clone()).await?;
        session.replace(self.env.consent.replace.clone());
        session.env.ownership.set_alone(self.env.ownership.is_alone());
        session.env.final_snapshot = self.env.final_snapshot.clone();
        session.lease.set(self.lease.take());
        Ok(session)
    }

    async fn with(&self, aws: Aws, target: Target) -> Result<Self, Failure> {
        Ok(Self::gather(self.file.clone(), aws, target, self.scale, self.out, Prefetch::Nothing).await?.0)
    }

    /// Keeps only these groups and what they need. Without groups, keeps everything.
    pub(super) fn narrow(&mut self, groups: &[Group]) {
        if !groups.is_empty() {
            let keys = self.stack.graph.with_needs(|k: &Key| groups.contains(&Group::of_kind(k.kind())));
            self.stack.graph = std::mem::take(&mut self.stack.graph).only(&keys);
        }
    }

    /// Prints how many calls were made, if the user asked for more output.
    pub(super) fn say_calls(&self) {
        if self.out.verbose > 0 && !self.out.json() {
            let calls = &self.aws.calls;
            self.out.note(format!("{} reading calls, {} changing calls", calls.reads(), calls.writes()));
        }
    }

    /// Returns where the stack is, in words: an account and a region, or the sandbox.
    pub(super) fn place(&self) -> String {
        self.facts.place(&self.loaded.region_by)
    }

    /// Returns the time of the first request, if the stack file names one.
    pub(super) fn traffic_at(&self) -> Option<jiff::Timestamp> {
        self.loaded.config.traffic_at(&jiff::Zoned::now())
    }

    /// Returns the name under which a step's object exists, or would.
    pub(super) fn name_of(&self, key: &str) -> String {
        self.search().name_of(key)
    }

    /// Returns what is needed to look for what is left of the stack.
    pub(super) fn search(&self) -> Search<'_> {
        Search { loaded: &self.loaded, facts: &self.facts, aws: &self.aws, env: &self.env, stack: &self.stack }
    }

    /// Begins a new look of a view that is asked for again and again.
    pub(super) fn look_anew(&self) {
        self.aws.reads.set_mode(Mode::Status);
        self.aws.reads.renew();
    }

    /// Looks at every step.
    pub(super) async fn look(&self) -> Report<Status> {
        glance(&self.stack.graph, &self.env).await;
        walk(&self.stack.graph, Direction::Forward, &self.env, async |n: &dyn Node| n.observe(&self.env).await).await
    }

    /// Returns what is known about durations before the first look.
    pub(super) fn times(&self) -> Times {
        Times {
            traffic_at: self.traffic_at(),
            forecast: Some(Forecast::new(&self.stack.graph, Direction::Forward)),
            scale: self.env.pace.scale,
            multi_az: self.loaded.config.database.multi_az,
            cache_nodes: self.loaded.config.cache.nodes,
            cache_engine: self.loaded.config.cache.engine,
            ..Times::default()
        }
    }

    /// Returns the state of each step, and how long it usually takes in this account or on AWS.
    pub(super) fn progress(&self, seen: &Report<Status>) -> Vec<Step> {
        let usually = |key: &Key| {
            let node = self.stack.graph.get(key.as_str());
            node.map_or(Duration::ZERO, |n| self.env.expected(key, n.typical()).create)
        };
        let step = |(key, visit): &(Key, Visit<Status>)| Step {
            key: key.clone(),
            state: step_state(visit),
            usually: usually(key),
        };
        seen.0.iter().map(step).collect()
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

fn step_state(visit: &Visit<Status>) -> StepState {
    match visit {
        Visit::Done(Status { phase: Some(Phase::Ready), .. }) => StepState::Ready,
        Visit::Done(Status { phase: Some(Phase::Busy(_)), .. }) => StepState::Busy,
        Visit::Done(_) => StepState::Missing,
        // A step that cannot be seen must not hold up the forecast.
        _ => StepState::Ready,
    }
}
