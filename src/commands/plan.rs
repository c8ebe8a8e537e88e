//! `gameday plan`: what `up` would change. Exit code 0 nothing, 2 changes, 1 error.
use super::{DONE, Failure, Outcome, Session, changes, cost, failed};
use crate::{
    cli::{Global, Plan},
    engine::{Change, Direction, Forecast, Key, Node, Progress, Report, walk},
    error::Error,
    output::{Printer, plan, style::*},
    stack::remains::Remains,
};
use std::{collections::BTreeMap, time::Duration};

/// A launch, a boot and two health checks; the end of the requests under way, and of the old instances (aws-facts 11).
const HANDOVER: Duration = Duration::from_secs(43 + 60 + 20 + 15 + 60);

pub async fn run(global: &Global, out: Printer, args: Plan) -> Outcome {
    let prices = cost::prices(&args.prices, &out)?;
    let mut session = Session::open_to_look(global, out, &args.consent).await?;
    session.narrow(&args.groups);
    let (report, remains) = preview(&mut session, args.groups.is_empty()).await?;
    let mut view = plan::Plan::new(&session.env.stack, &session.facts, &report);
    view.handover = handover(&session, &remains);
    view.cost = args.groups.is_empty().then(|| cost::planned(&session, &prices));
    view.egress = if args.groups.is_empty() { cost::ways_out(&session, &prices) } else { vec![] };
    plan::show(&out, &view, &report, forecast(&session, &report).0, true);
    session.say_calls();
    Ok(match (report.all_done(), view.is_empty()) {
        (false, _) => failed(),
        (true, true) => DONE,
        (true, false) => changes(),
    })
}

/// What would be done to each step, without doing it; and, for the whole stack, what remains from an earlier file.
pub(super) async fn preview(session: &mut Session, whole: bool) -> Result<(Report<Change>, Remains), Failure> {
    session.facts.fit()?;
    let seen = session.look().await;
    let env = &session.env;
    let mut report =
        walk(&session.stack.graph, Direction::Forward, env, async |n: &dyn Node| n.preview(env).await).await;
    same_network(&report)?;
    let remains = if whole { session.remains(&seen).await? } else { Remains::default() };
    report.0.extend(remains.changes());
    for (key, e) in remains.unseen.iter().filter(|_| !session.out.json()) {
        session.out.note(format!("{WARN}{key} is not in the stack file; whether it stands is not known{RESET}: {e}"));
    }
    for (key, (id, host)) in remains.spared.iter().filter(|_| !session.out.json()) {
        session.out.note(format!(
            "{WARN}{key} stays{RESET}: {id} is the stack's, and {host} may lead to it; if it does not, delete {id} by hand"
        ));
    }
    if report.done().any(|(_, change)| !change.is_none()) {
        session.remember().await;
    }
    Ok((report, remains))
}

/// Nothing of a stack can move to another VPC: that is said once, instead of by every step in its own words.
fn same_network(report: &Report<Change>) -> Result<(), Failure> {
    let moved = report.done().filter(|(k, _)| k.kind() == "security-group").find_map(|(_, c)| match c {
        Change::Refuse { diff, .. } => diff.0.iter().find(|f| f.path == "vpc"),
        _ => None,
    });
    let Some(vpc) = moved.and_then(|f| f.found.as_ref()?.as_str()) else { return Ok(()) };
    Err(Failure::Error(Error::other(
        format!("the stack stands in {vpc}: another network cannot be put under it"),
        "put [network] back as it was; or `gameday teardown` with that first (the data are lost), then `gameday up` with \
         the new one",
    )))
}

/// Who takes over from whom, if a fleet remains from before the service got another name or port.
pub(super) fn handover(session: &Session, remains: &Remains) -> Option<plan::Handover> {
    let from = remains.fleets();
    (!from.is_empty()).then(|| plan::Handover {
        from,
        to: session.expected().names.auto_scaling_group,
        targets: session.loaded.config.service().1.desired,
        usually: session.env.pace.of(HANDOVER).as_secs_f64(),
    })
}

/// How long the changes usually take in this world, and each step's own time (on AWS).
pub(super) fn forecast(session: &Session, report: &Report<Change>) -> (Duration, BTreeMap<Key, Duration>) {
    let expected: BTreeMap<Key, Duration> = report
        .done()
        .filter_map(|(key, change)| {
            let t = session.env.expect(key, session.stack.graph.get(key.as_str())?.typical());
            let d = match change {
                Change::None | Change::Refuse { .. } => return None,
                Change::Create { .. } => t.create,
                Change::Delete { .. } => t.delete,
                Change::Update { .. } => t.update,
                Change::Replace { .. } => t.delete + t.create,
            };
            Some((key.clone(), d))
        })
        .collect();
    let ahead = expected.iter().map(|(k, d)| (k.clone(), Progress::Ahead(session.env.pace.of(*d)))).collect();
    let total = Forecast::new(&session.stack.graph, Direction::Forward).longest_path(&ahead).0;
    (total, expected)
}
