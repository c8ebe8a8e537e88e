//! `gameday plan`: shows what `up` would change. The exit code is 0 for nothing, 2 for changes, 1 for an error.
use super::{DONE, Failure, Outcome, Session, changes, cost, failed};
use crate::{
    cli::{Global, PlanArgs},
    cost::Prices,
    engine::{
        Change, Class, Direction, Field, Forecast, Graph, Key, Node, Phase, Progress, Report, Status, Visit, walk,
    },
    error::Error,
    facts,
    leftovers::Remains,
    live::BOOT,
    output::{Printer, complaint::Complaint, plan, style::*},
    parts::cdn::bill::saving,
    resources::role::SESSIONS_POLICY,
};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// The usual time of a hand-over [AWS 11].
///
/// A launch, a boot, two health checks, the end of requests under way, and the end of the old instances.
const HANDOVER: Duration = Duration::from_secs(43 + 60 + 20 + 15 + 60);

/// Runs `gameday plan`.
pub async fn run(global: &Global, out: Printer, args: PlanArgs) -> Outcome {
    let prices = cost::prices(&args.prices, &out)?;
    let mut session = Session::open_to_look(global, out, &args.consent).await?;
    session.narrow(&args.groups);
    let preview = preview(&mut session, args.groups.is_empty()).await?;
    let view = preview.view(&session, &prices);
    plan::show(&out, &view, &preview.report, preview.usually, true);
    session.say_calls();
    Ok(match (preview.report.all_done(), view.is_empty()) {
        (false, _) => failed(),
        (true, true) => DONE,
        (true, false) => changes(),
    })
}

/// The plan of `up`, with everything that a view of it needs.
pub(super) struct Preview {
    /// True for the whole stack, false for some groups of it.
    whole: bool,
    /// The change of each step.
    pub report: Report<Change>,
    /// For the whole stack: what remains from an earlier file.
    pub remains: Remains,
    /// The steps that the account denies and the service can do without.
    pub without: Vec<plan::Trouble>,
    /// The steps that AWS has been making since an earlier run.
    pub busy: Vec<Key>,
    /// How long it usually takes in this world until all changes are made and the service answers.
    pub usually: Duration,
    /// The time that each change usually takes on AWS.
    pub expected: BTreeMap<Key, Duration>,
}

impl Preview {
    /// Returns what `plan` and `up` show.
    pub(super) fn view<'a>(&'a self, session: &'a Session, prices: &Prices) -> plan::Plan<'a> {
        let (config, usually) = (&session.loaded.config, session.env.pace.of(HANDOVER));
        plan::Plan {
            without: self.without.clone(),
            busy: self.busy.iter().collect(),
            handover: plan::Handover::find(config, &session.facts, self.remains.fleets(), usually),
            refresh: plan::Refresh::find(config, &self.report, usually),
            cost: self.whole.then(|| cost::planned(session, prices)),
            egress: if self.whole { cost::ways_out(session, prices) } else { vec![] },
            cdn: saving(config, prices).filter(|_| self.whole),
            ..plan::Plan::new(&session.loaded, &session.facts, &self.report)
        }
    }

    /// Returns how long the instances of a new fleet usually boot in this world until they are healthy.
    pub(super) fn boot(&self, session: &Session) -> Duration {
        let is_new = |(key, change): (&Key, &Change)| {
            key.kind() == "auto-scaling-group" && matches!(change, Change::Create { .. })
        };
        if self.report.done().any(is_new) { session.env.pace.of(BOOT) } else { Duration::ZERO }
    }

    /// Fills in `usually` and `expected`. Of the steps that AWS is making already (`busy`), the rest counts.
    fn forecast(self, session: &Session) -> Self {
        let typical = |key: &Key| Some(session.env.expected(key, session.stack.graph.get(key.as_str())?.typical()));
        let changes = self.report.done().filter_map(|(key, change)| {
            let t = typical(key)?;
            let d = match change {
                Change::None | Change::Refuse { .. } => return None,
                Change::Create { .. } => t.create,
                Change::Delete { .. } => t.delete,
                Change::Update { .. } => t.update,
                Change::Replace { .. } => t.delete + t.create,
            };
            Some((key.clone(), d))
        });
        let expected: BTreeMap<Key, Duration> =
            changes.chain(self.busy.iter().filter_map(|key| Some((key.clone(), typical(key)?.create)))).collect();
        let under_way = session.under_way(self.busy.iter());
        let ahead = expected.iter().map(|(key, d)| {
            let usually = session.env.pace.of(*d);
            let progress = match under_way.get(key) {
                Some(since) => Progress::Running { since: *since, usually },
                None => Progress::Pending(usually),
            };
            (key.clone(), progress)
        });
        let total = Forecast::new(&session.stack.graph, Direction::Forward).longest_path(&ahead.collect()).0;
        Self { usually: total + self.boot(session), expected, ..self }
    }
}

/// Plans the change of each step without making it. Remarks are printed.
pub(super) async fn preview(session: &mut Session, whole: bool) -> Result<Preview, Failure> {
    session.reread().await?;
    let fit = session.facts.fit(&session.aws, &session.loaded.config);
    let (words, seen) = futures::join!(fit, session.look());
    for word in words?.iter().filter(|_| !session.out.json()) {
        session.out.note(format!("{WARN}{word}{RESET}"));
    }
    let env = &session.env;
    let mut report =
        walk(&session.stack.graph, Direction::Forward, env, async |n: &dyn Node| n.preview(env).await).await;
    for (key, id) in env.ownership.claims().iter().filter(|_| !session.out.json()) {
        session.out.note(format!("{WARN}{}{RESET}", facts::claim(key.as_str(), id, &env.stack)));
    }
    let without = do_without(&session.stack.graph, &mut report);
    same_network(&report)?;
    same_prefix(&report)?;
    let remains = if whole { session.search().remains(&seen).await? } else { Remains::default() };
    report.0.extend(remains.changes());
    if !session.out.json() {
        say_remains(&session.out, &remains);
    }
    for note in kept_by(&report).into_iter().chain(moved_keys(&report)).filter(|_| !session.out.json()) {
        session.out.note(note);
    }
    let stays = |key: &Key| report.done().any(|(k, change)| k == key && change.is_none());
    let is_busy = |s: &Status| matches!(s.phase, Some(Phase::Busy(_)));
    let busy: Vec<Key> = seen.done().filter(|(key, s)| is_busy(s) && stays(key)).map(|(key, _)| key.clone()).collect();
    if !busy.is_empty() || report.done().any(|(_, change)| !change.is_none()) {
        session.remember().await;
    }
    let (usually, expected) = (Duration::ZERO, BTreeMap::new());
    Ok(Preview { whole, report, remains, without, busy, usually, expected }.forecast(session))
}

/// Prints what of an earlier stack file is not known, or stays.
fn say_remains(out: &Printer, remains: &Remains) {
    for (key, e) in &remains.unseen {
        out.note(format!("{WARN}{key} is not in the stack file; whether it exists is not known{RESET}: {e}"));
    }
    if let Some(e) = &remains.blind {
        out.note(format!("{WARN}whether a fleet from before the service was renamed exists is not known{RESET}: {e}"));
    }
    if let Some(e) = &remains.unwired {
        out.note(format!("{WARN}whether objects of an earlier stack file exist is not known{RESET}: {e}"));
    }
    for (key, (id, host)) in &remains.spared {
        out.note(format!(
            "{WARN}{key} stays{RESET}: {id} is the stack's, and {host} may point at it; if it does not, delete \
             {id} by hand"
        ));
    }
}

/// Removes from a report the failures of steps that the account denies and the service can do without.
///
/// Returns what was removed.
pub(super) fn do_without(graph: &Graph, report: &mut Report<Change>) -> Vec<plan::Trouble> {
    let mut without = vec![];
    for (key, visit) in &mut report.0 {
        let extra = graph.get(key.as_str()).and_then(Node::extra);
        if let (Some(help), Visit::Failed(e)) = (extra, &*visit)
            && e.class() == Some(Class::Denied)
        {
            let complaint = Complaint { help: Some(help.into()), ..e.into() };
            without.push(plan::Trouble { key: key.clone(), complaint });
            *visit = Visit::Done(Change::None);
        }
    }
    without
}

/// Returns remarks on what an organisation has put on the role and `up` would take off.
///
/// Each names the keys of the stack file that keep it.
fn kept_by(report: &Report<Change>) -> Vec<String> {
    let roles = report.done().filter(|(key, _)| key.kind() == "role");
    let fields = roles.filter_map(|(key, change)| Some((key, change.diff()?))).flat_map(|(key, diff)| {
        let of = move |field: &'static str| diff.0.iter().find(|f| f.path == field).map(|f| (key, f));
        [of("attached"), of("boundary")].into_iter().flatten()
    });
    let all = |value: &Option<Value>| -> Vec<String> {
        match value {
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).map(Into::into).collect(),
            Some(Value::String(one)) => vec![one.clone()],
            _ => vec![],
        }
    };
    let note = |(key, field): (&Key, &Field)| {
        let wanted = all(&field.want);
        let too_much = all(&field.found).into_iter().filter(|arn| !wanted.contains(arn)).collect::<Vec<_>>();
        let how = |arn: String| match field.path.as_str() {
            "boundary" if wanted.is_empty() => format!("permissions_boundary = {arn:?}"),
            "boundary" => String::new(),
            _ if arn.ends_with(SESSIONS_POLICY) => "ssm = true".into(),
            _ => format!("policies = [{arn:?}]"),
        };
        let how: Vec<String> = too_much.into_iter().map(how).filter(|how| !how.is_empty()).collect();
        (!how.is_empty()).then(|| {
            format!(
                "{WARN}{key} has what the stack file does not say{RESET}; to keep it, under [iam]: {}",
                how.join(", ")
            )
        })
    };
    fields.filter_map(note).collect()
}

/// Returns a remark if memcached gets another number of nodes, since its clients choose the node of a key by that number.
fn moved_keys(report: &Report<Change>) -> Option<String> {
    let (key, diff) = report.done().find_map(|(key, change)| {
        let Change::Update { diff } = change else { return None };
        (key.kind() == "cache-cluster").then_some((key, diff))
    })?;
    let field = diff.0.iter().find(|field| field.path == "nodes")?;
    let count = |value: &Option<Value>| value.as_ref().and_then(Value::as_u64);
    let (now, next) = (count(&field.found)?, count(&field.want)?);
    let lost = match (now, next) {
        (1, 2) | (2, 1) => "about half of the cached answers are",
        _ => "many cached answers, with some clients nearly all, are",
    };
    Some(format!(
        "{WARN}{key} changes from {now} to {next} nodes: keys move to other nodes{RESET}; {lost} computed again, and services \
         with {{{{ cache.nodes }}}} in their configuration get new instances"
    ))
}

/// Fails if the stack would have to move to another VPC, with one error instead of one for every step.
fn same_network(report: &Report<Change>) -> Result<(), Failure> {
    let moved = report.done().filter(|(k, _)| k.kind() == "security-group").find_map(|(_, c)| match c {
        Change::Refuse { diff, .. } => diff.0.iter().find(|f| f.path == "vpc"),
        _ => None,
    });
    let Some(vpc) = moved.and_then(|f| f.found.as_ref()?.as_str()) else { return Ok(()) };
    Err(Failure::Error(Error::other(
        format!("the stack is in {vpc}: it cannot move to another network"),
        "put [network] back as it was; or `gameday teardown` with that first (the data is lost), then `gameday up` \
         with the new one",
    )))
}

/// Fails if the stack exists under another tag prefix, so that it is not built a second time beside itself.
fn same_prefix(report: &Report<Change>) -> Result<(), Failure> {
    let other = report.failed().map(|(_, e)| e).find(|e| matches!(e, Error::OtherPrefix { .. }));
    other.map_or(Ok(()), |e| Err(Failure::Error(e.clone())))
}
