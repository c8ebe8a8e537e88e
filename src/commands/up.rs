//! `gameday up`, and one verb per group: builds or repairs, and ends when the service answers.
mod wait;

use super::{DONE, Outcome, Session, cost, failed, interrupted, plan};
use crate::{
    aws::listing,
    cli::{Global, UpArgs},
    config::Group,
    cost::Prices,
    engine::{Change, Direction, Key, Node, Report, Visit, handover, walk},
    error::Error,
    output::{self, Printer, line::Event, progress::Course, style::*},
    shell::{self, command},
};
use plan::Preview;
use std::{
    collections::BTreeMap,
    process::ExitCode,
    time::{Duration, Instant},
};

/// Runs `gameday up`.
pub async fn run(global: &Global, out: Printer, args: UpArgs) -> Outcome {
    let prices = cost::prices(&args.prices, &out)?;
    let mut session = Session::open_to_look(global, out, &args.change.consent).await?;
    session.narrow(&args.groups);
    if session.loaded.config.passwords_in_user_data() && !out.json() {
        out.note(format!(
            "{WARN}warning{RESET}: without an instance profile the database passwords are in the user data, where \
             everybody who is allowed to describe launch templates can read them"
        ));
    }
    let whole_stack = args.groups.is_empty();
    let began = Instant::now();
    let changed = match session.holding(async |session| change(session, &args, &prices).await).await? {
        Ended::Done { changed } => changed,
        Ended::Early(code) => return Ok(code),
    };
    if whole_stack || args.groups.contains(&Group::Database) {
        say_reboot(&session).await;
    }
    if !whole_stack && !args.groups.contains(&Group::Fleet) {
        return Ok(DONE);
    }
    wait::until_serving(&mut session, &args, began, changed).await
}

/// How a change of the stack ended.
enum Ended {
    /// Everything is as described.
    Done { changed: bool },
    /// The verb ends here. The reason has been reported.
    Early(ExitCode),
}

/// Shows what would change, asks, and changes it.
async fn change(session: &mut Session, args: &UpArgs, prices: &Prices) -> Result<Ended, super::Failure> {
    let whole_stack = args.groups.is_empty();
    let mut has_lease = false;
    let preview = loop {
        let preview = plan::preview(session, whole_stack).await?;
        let view = preview.view(session, prices);
        output::plan::show(&session.out, &view, &preview.report, preview.usually, false);
        // Nothing is built beside what may be the stack's, or on it.
        if let Some(code) = unproven(session, &preview.report) {
            return Ok(Ended::Early(code));
        }
        if view.is_empty() || has_lease {
            break preview;
        }
        if !args.change.yes && !output::agree(&session.out, &format!("Go ahead in {}? [y/N] ", session.place())) {
            return Ok(Ended::Early(failed()));
        }
        has_lease = true;
        if !session.lease("up", args.change.lease).await? {
            break preview;
        }
        // A teammate may meanwhile have made some of these changes, or undone others.
        *session = session.reopen().await?;
        session.narrow(&args.groups);
    };
    if !preview.view(session, prices).is_empty() {
        return build(session, &preview, prices, whole_stack).await;
    }
    if !args.change.consent.adopt.is_empty() {
        session.record_adopted().await;
    }
    // A run that was killed after its last change has left its lease.
    if !has_lease && args.change.lease.steal {
        session.lease("up", args.change.lease).await?;
    }
    session.release().await;
    session.say_calls();
    Ok(Ended::Done { changed: false })
}

/// Makes the changes of the preview, and reports how that ended.
async fn build(
    session: &Session,
    preview: &Preview,
    prices: &Prices,
    whole_stack: bool,
) -> Result<Ended, super::Failure> {
    let (view, out) = (preview.view(session, prices), &session.out);
    session.building();
    let comes = |change: &Change| matches!(change, Change::Create { .. } | Change::Replace { .. });
    session.record_begin(preview.report.done().filter(|(_, c)| comes(c)).map(|(key, _)| key)).await?;
    let (graph, env) = (&session.stack.graph, &session.env);
    session.view.begin(Course {
        graph,
        direction: Direction::Forward,
        expected: preview.expected.clone(),
        comes: view.changes.iter().filter(|c| c.change.word() == "create").map(|c| c.key.clone()).collect(),
        under_way: session.under_way(preview.busy.iter()),
        boot: preview.boot(session),
        deadline: session.traffic_at(),
        scale: env.pace.scale,
    });
    let build = async {
        let mut report = walk(graph, Direction::Forward, env, async |n: &dyn Node| n.reconcile(env).await).await;
        plan::do_without(graph, &mut report);
        // Objects that are no longer wanted are deleted last, since others may refer to them until then.
        if report.all_done() && !preview.remains.is_empty() {
            let deleted = preview.remains.remove(env).await;
            report.0.extend(deleted.0.into_iter().map(|(k, v)| (k, as_change(v))));
        }
        if report.all_done() && whole_stack {
            handover::finish(graph, env, &mut report).await;
        }
        report
    };
    let report = session.drive(build).await;
    let took = session.view.elapsed();
    session.view.end();
    session.record_end(report.done().map(|(key, _)| key)).await;
    session.learn().await;
    session.release().await;
    session.say_calls();
    let ended = ended_badly(out, &report);
    if ended.is_none() && !out.json() {
        out.note(format!("{GOOD}built{RESET}: {}", made(&view, &report, took)));
        if handover::is_unfinished(env) {
            let all = out.typed("gameday up");
            out.note(format!("some steps keep what older objects still need, until the whole stack is built: `{all}`"));
        }
    }
    if is_moved(&report)
        && let Some(balancer) = session.stack.balancer.output()
    {
        output::plan::moved(out, &format!("http://{}", balancer.dns_name));
    }
    Ok(ended.map_or(Ended::Done { changed: true }, Ended::Early))
}

/// Returns what was made, counted as in the plan, since some changes come with what another step has made.
fn made(view: &output::plan::Plan<'_>, report: &Report<Change>, took: Duration) -> String {
    let planned = |key: &Key| view.changes.iter().find(|c| c.key == key).map(|c| c.change.word());
    let is_made = |(key, c): &(&Key, &Change)| !c.is_none() || planned(key) == Some("create");
    let made = report.done().filter(is_made).count();
    let spared = report.done().filter(|(key, c)| c.is_none() && planned(key) == Some("update")).count();
    let spared = if spared > 0 { format!(", {spared} not needed after all") } else { String::new() };
    format!("{}{spared} in {}", count(made, "change"), clock(took))
}

/// An object to take over, as an option of a command.
struct Adopt(String);

impl shell::Word for Adopt {
    fn typed(&self) -> Option<String> {
        Some(format!("--adopt {}", shell::Word::typed(&self.0)?))
    }
}

/// Refuses to go on if objects in the place of the stack's own carry its tags without proof.
///
/// The message names the objects, and the command that takes them over.
fn unproven(session: &Session, report: &Report<Change>) -> Option<ExitCode> {
    let out = &session.out;
    let in_place = report.failed().filter_map(|(_, e)| match e {
        Error::Unproven { key, id, .. } => Some((key.to_string(), id.clone())),
        _ => None,
    });
    let in_place: BTreeMap<String, String> = in_place.collect();
    if in_place.is_empty() {
        return not_there(session, report);
    }
    let what = match in_place.len() {
        1 => "an object is in the place of the stack's own, and only its tags say that it is".to_owned(),
        n => format!("{n} objects are in the place of the stack's own, and only their tags say that they are"),
    };
    // The command has the objects that were named before, those in a step's place, and single claims to another place.
    let claims = session.env.ownership.claims();
    let is_alone = |key: &Key| claims.iter().filter(|(k, _)| k == key).count() == 1;
    let claims = claims.iter().filter(|(key, _)| is_alone(key)).map(|(key, id)| (key.to_string(), id.clone()));
    let given = session.loaded.config.given.adopt.clone();
    let all: BTreeMap<String, String> = claims.chain(given).chain(in_place).collect();
    let options: Vec<Adopt> = all.iter().map(|(key, id)| Adopt(format!("{key}={id}"))).collect();
    let take = out.typed(&command!("gameday up {}", options));
    out.error(
        &format!("nothing was changed: {what}"),
        Some(&format!("look at what the errors above name; if all of that is the stack's: `{take}`")),
    );
    Some(failed())
}

/// Refuses to go on if `--adopt` names an object that is not in the place of the step.
fn not_there(session: &Session, report: &Report<Change>) -> Option<ExitCode> {
    let was_seen = |key: &str| report.done().any(|(seen, _)| seen.as_str() == key);
    let mut given = session.loaded.config.given.adopt.iter();
    let (key, id) = given.find(|(key, _)| was_seen(key) && !session.env.ownership.has_found(key))?;
    let plan = session.out.typed("gameday plan");
    session.out.error(
        &format!("nothing was changed: --adopt {key}={id}: there is no such object that could be {key}"),
        Some(&format!("`{plan}` shows by id what is in the place of {key}; if nothing does, leave --adopt out")),
    );
    Some(failed())
}

/// Warns that some parameters take effect only after a reboot. The user chooses its time.
async fn say_reboot(session: &Session) {
    let key = Key::new("database", "main");
    let Some(node) = session.stack.graph.get(key.as_str()).filter(|n| !n.is_used()) else { return };
    let name = session.name_of(node.key().as_str());
    // A look that the account denies is reported elsewhere.
    let Ok(Some(found)) = listing::database(&session.aws, &name).await else { return };
    if !found.db_parameter_groups().iter().any(|g| g.parameter_apply_status() == Some("pending-reboot")) {
        return;
    }
    let region = session.aws.region.as_str();
    let command = command!("aws rds reboot-db-instance --db-instance-identifier {} --region {}", name, region);
    match session.out.json() {
        true => session.out.event(Event::PendingReboot { key: &key, command: &command }),
        false => session.out.note(format!(
            "{WARN}warning{RESET}: parameters of {name} are not in force until it reboots, which takes it away for a \
             minute or two: `{command}`"
        )),
    }
}

/// True if an existing stack got a new balancer, and with it a new address.
///
/// A stack existed if its fleet did, since a fleet is never created before the first balancer.
fn is_moved(report: &Report<Change>) -> bool {
    let new = |c: &Change| matches!(c, Change::Create { .. } | Change::Replace { .. });
    let is_new = |kind: &str| report.done().find(|(k, _)| k.kind() == kind).map(|(_, c)| new(c));
    is_new("load-balancer") == Some(true) && is_new("auto-scaling-group") == Some(false)
}

fn as_change(v: Visit<bool>) -> Visit<Change> {
    match v {
        Visit::Done(_) => Visit::Done(Change::Delete { id: String::new() }),
        Visit::Failed(e) => Visit::Failed(e),
        Visit::Skipped(k) => Visit::Skipped(k),
        Visit::NotStarted => Visit::NotStarted,
    }
}

/// Reports what failed, what was skipped because of it, and what to type next.
fn ended_badly(out: &Printer, report: &Report<Change>) -> Option<ExitCode> {
    if report.all_done() {
        return None;
    }
    let stand = report.done().count();
    if report.interrupted() {
        out.error(
            &format!("stopped: {stand} of {} are done", count(report.0.len(), "step")),
            Some("run the same command again: it resumes where it stopped"),
        );
        return Some(interrupted());
    }
    let failures = report.failed().count();
    let skipped = report.0.len() - stand - failures;
    let skipped = if skipped > 0 { format!(", {skipped} skipped because of that") } else { String::new() };
    let what =
        format!("{} failed{skipped}; {stand} of {} are done", count(failures, "step"), count(report.0.len(), "step"));
    out.error(&what, Some("fix what the errors above name, then run the same command again: it resumes there"));
    Some(failed())
}
