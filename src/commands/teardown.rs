//! `gameday teardown`: deletes all objects of the stack, and lists what is left.
use super::{DONE, Failure, Outcome, Session, failed, interrupted};
use crate::{
    bake::Baked,
    cli::{Global, TeardownArgs},
    config::{Group, Kind},
    engine::{Direction, Key, Node, Report, Status, Visit, is_id, walk},
    error::{Error, Help as _},
    history::History,
    lease::TEARDOWN,
    leftovers::{LastLook, Leftover, Remains, database_snapshot::DATABASE},
    output::{
        self, Printer,
        progress::Course,
        style::{self, *},
        teardown::Certificate,
    },
    shell::command,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
    time::Duration,
};

/// Runs `gameday teardown`.
pub async fn run(global: &Global, out: Printer, args: TeardownArgs) -> Outcome {
    if args.yes {
        return Err(no_yes(global, &out));
    }
    let mut session = Session::open_to_delete(global, out, &args.delete).await?;
    let database = session.stack.graph.get(DATABASE).filter(|n| !n.is_used());
    if args.final_snapshot && database.is_none() {
        let help = "leave --final-snapshot away: nothing else can be kept in a snapshot";
        return Err(Error::other("the stack has no database of its own", help).into());
    }
    session.env.final_snapshot.set_wanted(args.final_snapshot);
    session.holding(async |session| teardown(session, &args).await).await
}

/// Shows what exists, asks for the stack's name, deletes, and reports what is left.
async fn teardown(session: &mut Session, args: &TeardownArgs) -> Outcome {
    let mut has_lease = false;
    let (seen, remains, baked) = loop {
        session.reread().await?;
        // What later steps read has to be known before the first is deleted.
        let seen = session.look().await;
        let remains = session.search().remains(&seen).await?;
        let baked = session.search().baked(&seen, &remains).await?;
        let images = baked.list();
        let there = all(&seen, &remains, &images);
        all_there(session, &args.delete, &there)?;
        if !session.env.ownership.has_record() && !there.is_empty() && !session.out.json() {
            session.say_that_tags_decide();
        }
        if has_lease {
            list(session, &there);
            break (seen, remains, baked);
        }
        if !there.is_empty()
            && let Err(code) = consent(session, args, &there)
        {
            return Ok(code);
        }
        has_lease = true;
        if !session.lease(TEARDOWN, args.lease).await? {
            break (seen, remains, baked);
        }
        // What a teammate has made meanwhile is deleted as well.
        *session = session.reopen().await?;
    };
    let report = delete(session, &seen, &remains, &baked).await;
    forget(session, &report).await;
    session.release().await;
    let left = not_deleted(&report);
    let last = match report.interrupted() {
        true => LastLook { left, ..LastLook::default() },
        false => session.search().last_look(&seen, &report, &remains, left).await?,
    };
    let certificate = certificate(session, &report, &remains, last);
    output::teardown::show(&session.out, &certificate);
    Ok(match (report.interrupted(), certificate.clean) {
        (true, _) => interrupted(),
        (false, true) => DONE,
        (false, false) => failed(),
    })
}

/// Deletes all steps, what remains from an earlier file, and baked images.
async fn delete(session: &Session, seen: &Report<Status>, remains: &Remains, baked: &Baked) -> Report<bool> {
    let (graph, env) = (&session.stack.graph, &session.env);
    session.building();
    let typical = |key: &Key| Some((key.clone(), graph.get(key.as_str())?.typical().delete));
    session.view.begin(Course {
        graph,
        direction: Direction::Reverse,
        expected: all(seen, remains, &[]).into_iter().filter_map(|(key, _)| typical(key)).collect(),
        comes: BTreeSet::new(),
        under_way: BTreeMap::new(),
        boot: Duration::ZERO,
        deadline: None,
        scale: env.pace.scale,
    });
    let tear = async {
        let instances = baked.remove_instances(&session.aws, env).await;
        let remove = walk(graph, Direction::Reverse, env, async |n: &dyn Node| n.remove(env).await);
        // Objects of an earlier file can hold objects of this one, and the reverse, so both are deleted at once.
        let images = baked.remove_images(&session.aws, env);
        let (mut report, rest, images) = futures::join!(remove, remains.remove(env), images);
        report.0.extend(rest.0.into_iter().chain(instances.0).chain(images.0));
        report
    };
    let report = session.drive(tear).await;
    session.view.end();
    report
}

/// Deletes the notes of a stack that is gone.
async fn forget(session: &Session, report: &Report<bool>) {
    let stack = &session.env.stack;
    if !report.interrupted() {
        // The durations of a deleted stack are not worth keeping. A note that stays is found by its tag.
        _ = History::forget(&session.aws, stack).await;
    }
    match report.all_done() {
        true => {
            _ = session.facts.set_up.forget(&session.aws, stack).await;
            session.forget_record().await
        }
        false => session.record_end(report.done().map(|(key, _)| key)).await,
    }
}

fn certificate<'a>(
    session: &'a Session,
    report: &'a Report<bool>,
    remains: &'a Remains,
    last: LastLook,
) -> Certificate<'a> {
    let graph = &session.stack.graph;
    let is_used = |key: &Key| graph.get(key.as_str()).is_some_and(|n| n.is_used());
    let keys = |wanted: bool| -> Vec<&Key> {
        report.done().filter(move |(_, d)| **d == wanted).map(|(k, _)| k).filter(|k| !is_used(k)).collect()
    };
    Certificate {
        stack: &session.env.stack,
        tag: session.env.keys.stack(),
        deleted: keys(true),
        absent: keys(false),
        denied: remains.denied().collect(),
        kept: graph.nodes().filter(|n| n.is_used()).map(|n| n.key()).collect(),
        clean: last.left.is_empty() && report.all_done(),
        listed: last.listed,
        left: last.left,
        alike: last.alike,
        snapshots: last.snapshots,
    }
}

/// Returns all objects of the stack that exist, with their ids.
fn all<'a>(seen: &'a Report<Status>, remains: &'a Remains, baked: &'a [(Key, String)]) -> Vec<(&'a Key, &'a str)> {
    let mut there: Vec<(&Key, &str)> = seen
        .done()
        .filter(|(_, s)| s.phase.is_some() && !s.used)
        .map(|(k, s)| (k, s.id.as_deref().unwrap_or_default()))
        .chain(remains.found.iter().map(|(k, id)| (k, id.as_str())))
        .chain(baked.iter().map(|(k, id)| (k, id.as_str())))
        .collect();
    there.sort_by_key(|(key, _)| group(key));
    there
}

/// Returns the group of an object. Images and the instances that they are made from are no steps.
fn group(key: &Key) -> Group {
    Kind::by_word(key.kind()).map_or(Group::Launch, |kind| kind.group)
}

/// Returns the refusal of `--yes`. A habit from `up`, whose objects can be created again, must not cost a database.
fn no_yes(global: &Global, out: &Printer) -> Failure {
    let name = super::session::load(global, out).map_or_else(|_| "NAME".into(), |loaded| loaded.config.name);
    let in_script = format!("`{}`", command!("gameday teardown --confirm {}", name));
    let help = format!("`gameday teardown` asks for the name; in a script: {in_script}");
    Failure::usage("usage", "teardown does not take --yes: nothing was deleted", help)
}

/// Returns which data are lost irrecoverably, in words: `database/main (billing-main): the data in it`.
fn lost(session: &Session, there: &[(&Key, &str)]) -> Vec<String> {
    let data = |(key, id): &(&Key, &str)| {
        let what = session.stack.graph.get(key.as_str())?.data()?;
        let kept = key.as_str() == DATABASE && session.env.final_snapshot.is_wanted();
        (!kept).then(|| format!("{key} ({}): {what}", style::short_id(id)))
    };
    there.iter().filter_map(data).collect()
}

/// Fails if a given id is not among the objects to delete, since nobody knows what it was meant to do.
fn all_there(session: &Session, given: &[String], there: &[(&Key, &str)]) -> Result<(), Failure> {
    let Some(id) = given.iter().find(|given| !there.iter().any(|(_, id)| is_id(given, id))) else { return Ok(()) };
    let claims = session.env.ownership.claims();
    let claims = claims.iter().map(|(key, claim)| (key.as_str(), claim));
    let mut claims = claims.chain(session.facts.claims.iter().map(|(step, name)| (step.as_str(), name)));
    if let Some((key, _)) = claims.find(|(_, claim)| is_id(id, claim)) {
        let what = format!(
            "--delete {id}: it only carries the tags of {key}, and the stack's own object exists: nothing was deleted"
        );
        let help = "`gameday teardown` without it first; what is left then is named with what deletes it";
        return Err(Error::other(what, help).into());
    }
    let help = "only what carries the stack's tags as one of its steps can be deleted with it: \
                `gameday teardown` lists it by id";
    Err(Error::other(format!("--delete {id}: there is no such object of the stack, nothing was deleted"), help).into())
}

/// Prints what is deleted, by id.
fn list(session: &Session, there: &[(&Key, &str)]) {
    let out = &session.out;
    if out.json() {
        return;
    }
    let mut last = None;
    for (key, id) in there {
        if last.replace(group(key)) != Some(group(key)) {
            out.note(format!("{TITLE}{}{RESET}", group(key)));
        }
        out.note(format!("  {BAD}- {key}{RESET} {DIM}{}{RESET}", style::short_id(id)));
    }
}

/// Asks for consent, unless `--confirm` gives it.
///
/// A deletion takes more than a `y`: the stack's name.
fn consent(session: &Session, args: &TeardownArgs, there: &[(&Key, &str)]) -> Result<(), ExitCode> {
    let (out, stack) = (&session.out, &session.env.stack);
    let in_script = out.typed(&command!("gameday teardown --confirm {}", stack));
    match &args.confirm {
        Some(name) if name == stack => {
            list(session, there);
            return Ok(());
        }
        Some(name) => {
            let help = format!("the name to give is the stack's: `{in_script}`");
            out.error(&format!("nothing was deleted: the stack is `{stack}`, not `{name}`"), Some(&help));
            return Err(failed());
        }
        None => {}
    }
    if !out.interactive {
        let help = format!("without a terminal the name is given: `{in_script}`");
        out.error("nothing was deleted: there is no terminal to ask on", Some(&help));
        return Err(failed());
    }
    list(session, there);
    let lost = lost(session, there);
    if !lost.is_empty() {
        out.note(format!("{BAD}Lost permanently:{RESET} {}", lost.join("; ")));
    }
    let snapshot = &session.env.final_snapshot;
    if snapshot.is_wanted() {
        out.note(format!("Kept: the data of {DATABASE}, in the snapshot {}", snapshot.name));
    } else if there.iter().any(|(key, _)| key.as_str() == DATABASE) {
        out.note(format!("{DIM}--final-snapshot keeps the data of {DATABASE} in a snapshot{RESET}"));
    }
    let question =
        format!("Type {TITLE}{stack}{RESET} to delete {} in {}: ", count(there.len(), "object"), session.place());
    let typed = output::ask(&question).unwrap_or_default();
    if typed.trim() == stack {
        return Ok(());
    }
    out.note(match typed.trim() {
        "" => "nothing was deleted".to_owned(),
        typed => format!("nothing was deleted: you typed \"{typed}\", the stack is \"{stack}\""),
    });
    Err(failed())
}

fn not_deleted(report: &Report<bool>) -> Vec<Leftover> {
    report
        .0
        .iter()
        .filter_map(|(key, visit)| {
            let why = match visit {
                Visit::Failed(e) => match e.help() {
                    Some(help) => format!("{e}; {help}"),
                    None => e.to_string(),
                },
                Visit::Skipped(because) => format!("not tried, because of {because}"),
                Visit::NotStarted => "not tried".into(),
                Visit::Done(_) => return None,
            };
            let is_decided =
                |e: &Error| matches!(e, Error::Unproven { .. } | Error::Unlike { .. } | Error::Protected { .. });
            let passes = !matches!(visit, Visit::Failed(e) if is_decided(e));
            Some(Leftover { what: key.to_string(), why, command: None, passes })
        })
        .collect()
}
