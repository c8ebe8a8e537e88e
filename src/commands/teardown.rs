//! `gameday teardown`: deletes all that is the stack's, and lists what is left.
use super::{DONE, Outcome, Session, failed, interrupted, tagged, untagged};
use crate::{
    cli::{Consent, Global, Teardown},
    engine::{Class, Direction, Key, Node, Report, Visit, walk},
    error::Result,
    history::History,
    output::{
        self, Printer,
        style::*,
        teardown::{Certificate, Leftover},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
    time::Duration,
};

pub async fn run(global: &Global, out: Printer, args: Teardown) -> Outcome {
    let session = Session::open_to_look(global, out, &Consent::default()).await?;
    let graph = &session.stack.graph;
    let env = &session.env;
    // What later steps read has to be known before the first is deleted.
    let seen = session.look().await;
    let remains = session.remains(&seen).await?;
    let there: Vec<(&Key, &str)> = seen
        .done()
        .filter(|(_, s)| s.phase.is_some() && !s.used)
        .map(|(k, s)| (k, s.id.as_deref().unwrap_or_default()))
        .chain(remains.found.iter().map(|(k, id)| (k, id.as_str())))
        .collect();
    if !there.is_empty()
        && let Err(code) = consent(&session, &args, &there)
    {
        return Ok(code);
    }
    let lease = session.lease("teardown", args.lease).await?;
    session.building();
    let expected: BTreeMap<Key, Duration> =
        there.iter().filter_map(|(key, _)| Some(((*key).clone(), graph.get(key.as_str())?.typical().delete))).collect();
    session.view.begin(graph, Direction::Reverse, expected, None, env.pace.scale);
    let tear = async {
        let remove = walk(graph, Direction::Reverse, env, async |n: &dyn Node| n.remove(env).await);
        // What remains from an earlier file can hold what is in this one, and the other way round: both at once.
        let (mut report, rest) = futures::join!(remove, remains.remove(env));
        report.0.extend(rest.0);
        report
    };
    let report = session.drive(&lease, tear).await;
    session.view.end();
    if !report.interrupted() {
        // Of what is being taken down nothing is worth remembering; what could not be forgotten is found by its tag below.
        _ = History::forget(&session.aws, &env.stack).await;
    }
    lease.release(&env.stack).await;
    let (mut left, mut alike, mut listed) = (not_deleted(&report), vec![], false);
    let (denied, unseen) = remains.unseen.iter().partition::<Vec<_>, _>(|(_, e)| e.class() == Some(Class::Denied));
    if !report.interrupted() {
        let tagged = match tagged::look(&session, &report).await {
            Err(e) if e.class() == Some(Class::Denied) => None,
            other => Some(other?),
        };
        listed = tagged.is_some();
        left.extend(tagged.unwrap_or_default());
        let known: BTreeSet<String> = left.iter().map(|l| l.what.clone()).collect();
        let untagged = untagged::look(&session, &seen).await?;
        left.extend(untagged.left.into_iter().filter(|l| !known.contains(&l.what)));
        alike = untagged.alike;
        left.extend(unseen.into_iter().map(|(key, e)| Leftover {
            what: key.to_string(),
            why: format!("could not be looked for: {e}"),
            command: None,
        }));
    }
    let keys = |wanted: bool| -> Vec<&Key> {
        report.done().filter(move |(_, d)| **d == wanted).map(|(k, _)| k).filter(|k| !is_used(&session, k)).collect()
    };
    let certificate = Certificate {
        at: jiff::Timestamp::now().to_string(),
        event: "certificate",
        stack: &env.stack,
        deleted: keys(true),
        absent: keys(false),
        denied: denied.into_iter().map(|(key, _)| key).collect(),
        kept: graph.nodes().filter(|n| n.is_used()).map(|n| n.key()).collect(),
        clean: left.is_empty() && report.all_done(),
        listed,
        left,
        alike,
    };
    output::teardown::show(&out, &certificate);
    Ok(match (report.interrupted(), certificate.clean) {
        (true, _) => interrupted(),
        (false, true) => DONE,
        (false, false) => failed(),
    })
}

fn is_used(session: &Session, key: &Key) -> bool {
    session.stack.graph.get(key.as_str()).is_some_and(|n| n.is_used())
}

/// Deletion wants more than a `y`: the stack's name, typed, or given with --confirm.
fn consent(session: &Session, args: &Teardown, there: &[(&Key, &str)]) -> Result<(), ExitCode> {
    let (out, stack) = (&session.out, &session.env.stack);
    match &args.confirm {
        Some(name) if name == stack => return Ok(()),
        Some(name) => {
            out.error(&format!("nothing was deleted: this stack is `{stack}`, not `{name}`"), None);
            return Err(failed());
        }
        None if args.yes => return Ok(()),
        None => {}
    }
    if !out.interactive {
        out.error(
            "nothing was deleted: there is no terminal to ask on",
            Some(&format!("say --confirm {stack} to go ahead without asking")),
        );
        return Err(failed());
    }
    for (key, id) in there {
        out.note(format!("  {BAD}- {key}{RESET} {DIM}{id}{RESET}"));
    }
    let account = &session.facts.account;
    let question = format!(
        "This deletes {} in account {account}, {}. Type the stack's name to go ahead: ",
        count(there.len(), "object"),
        session.facts.region,
    );
    if output::ask(&question).is_some_and(|a| a.trim() == stack) {
        return Ok(());
    }
    out.note("nothing was deleted");
    Err(failed())
}

fn not_deleted(report: &Report<bool>) -> Vec<Leftover> {
    report
        .0
        .iter()
        .filter_map(|(key, visit)| {
            let why = match visit {
                Visit::Failed(e) => e.to_string(),
                Visit::Skipped(because) => format!("not tried, because of {because}"),
                Visit::NotStarted => "not tried".into(),
                Visit::Done(_) => return None,
            };
            Some(Leftover { what: key.to_string(), why, command: None })
        })
        .collect()
}
