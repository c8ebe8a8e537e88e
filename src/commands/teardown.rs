//! `gameday teardown`: deletes all that is the stack's, and lists what is left.
use super::{DONE, Outcome, Session, failed, interrupted, untagged};
use crate::{
    aws::{Aws, error::AwsResult},
    cli::{Consent, Global, Teardown},
    engine::{Class, Direction, Key, Node, Report, STACK_TAG, STEP_TAG, Visit, walk},
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
    let (mut left, mut alike) = (not_deleted(&report), vec![]);
    let (denied, unseen) = remains.unseen.iter().partition::<Vec<_>, _>(|(_, e)| e.class() == Some(Class::Denied));
    if !report.interrupted() {
        left.extend(still_tagged(&session, &report).await?);
        let known: BTreeSet<String> = left.iter().map(|l| l.what.clone()).collect();
        let untagged = untagged::look(&session, &seen).await?;
        left.extend(untagged.left.into_iter().filter(|l| !known.contains(&l.what)));
        alike = untagged.alike;
        left.extend(
            unseen
                .into_iter()
                .map(|(key, e)| Leftover { what: key.to_string(), why: format!("could not be looked for: {e}") }),
        );
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
        "This deletes {} in account {account}. Type the stack's name to go ahead: ",
        count(there.len(), "object")
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
            Some(Leftover { what: key.to_string(), why })
        })
        .collect()
}

/// Whatever in this region still carries the stack's tag, of whatever kind. The tagging API lags behind: it is asked a
/// few times, and what a step has been seen to be rid of, or has just reported itself, is not counted again.
async fn still_tagged(session: &Session, report: &Report<bool>) -> Result<Vec<Leftover>> {
    let known: Vec<&str> = report.0.iter().map(|(k, _)| k.as_str()).collect();
    for round in 0.. {
        let mut left = tagged(&session.aws, &session.env.stack).await?;
        // A snapshot carries its database's tags and outlives it.
        left.retain(|(arn, step)| arn.contains(":snapshot:") || !step.as_deref().is_some_and(|s| known.contains(&s)));
        let dying = dying_instances(&session.aws, &left).await?;
        left.retain(|(arn, _)| !dying.iter().any(|id| arn.ends_with(id.as_str())));
        if left.is_empty() || round == 3 {
            return Ok(left.into_iter().map(|(what, step)| Leftover { what, why: why(step) }).collect());
        }
        tokio::time::sleep(session.env.pace.of(Duration::from_secs(5))).await;
    }
    unreachable!("the last round returns")
}

fn why(step: Option<String>) -> String {
    match step {
        Some(s) => format!("carries the stack's tag as {s}, which is not in the stack file"),
        None => "carries the stack's tag, but is no step of it".into(),
    }
}

/// ARN and step of all that carries the stack's tag.
async fn tagged(aws: &Aws, stack: &str) -> Result<Vec<(String, Option<String>)>> {
    let filter = aws_sdk_resourcegroupstagging::types::TagFilter::builder().key(STACK_TAG).values(stack).build();
    let call = aws.tagging.get_resources().tag_filters(filter);
    let all: Vec<_> = call.into_paginator().items().send().try_collect().await.during("GetResources")?;
    let step = |r: &aws_sdk_resourcegroupstagging::types::ResourceTagMapping| {
        r.tags().iter().find(|t| t.key() == STEP_TAG).map(|t| t.value().to_owned())
    };
    Ok(all.into_iter().map(|r| (r.resource_arn.clone().unwrap_or_default(), step(&r))).collect())
}

/// Instances among these that are gone, or are going without anything to do: they show for an hour after.
async fn dying_instances(aws: &Aws, left: &[(String, Option<String>)]) -> Result<Vec<String>> {
    let ids: Vec<String> =
        left.iter().filter_map(|(arn, _)| Some(arn.split_once(":instance/")?.1.to_owned())).collect();
    if ids.is_empty() {
        return Ok(vec![]);
    }
    let filter = aws_sdk_ec2::types::Filter::builder().name("instance-id").set_values(Some(ids.clone())).build();
    let call = aws.ec2.describe_instances().filters(filter);
    let all: Vec<_> = call.into_paginator().items().send().try_collect().await.during("DescribeInstances")?;
    let lives = |id: &String| {
        all.iter().flat_map(|r| r.instances()).any(|i| {
            i.instance_id() == Some(id)
                && !matches!(i.state().and_then(|s| s.name()).map(|n| n.as_str()), Some("terminated" | "shutting-down"))
        })
    };
    Ok(ids.into_iter().filter(|id| !lives(id)).collect())
}
