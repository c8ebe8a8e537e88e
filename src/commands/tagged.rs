//! What in the region still carries the stack's tag after a teardown, of whatever kind.
use super::Session;
use crate::{
    aws::{Aws, error::AwsResult, note, tags},
    engine::{Class, Report},
    error::Result,
    output::teardown::Leftover,
    shell::command,
};
use aws_sdk_ec2::types::Filter;
use std::time::Duration;

/// The tagging API lags behind: it is asked a few times, and what a step has been seen to be rid of, or has just reported
/// itself, is not counted again, nor what its own service says is gone.
pub async fn look(session: &Session, report: &Report<bool>) -> Result<Vec<Leftover>> {
    let (aws, stack) = (&session.aws, &session.env.stack);
    // What is noted of a stack stays as long as something of it does.
    let notes = format!(":parameter/gameday/{stack}/");
    let is_note = |arn: &str| !report.all_done() && arn.contains(&notes);
    let known: Vec<&str> = report.0.iter().map(|(k, _)| k.as_str()).collect();
    let name_of =
        |step: &str| session.env.names.get(step).cloned().unwrap_or_else(|| session.loaded.config.name_of(step));
    // What says that it is a step, under another name, is not the one that the step was rid of.
    let claims = session.env.proofs.borrow().claims.clone();
    let is_claim =
        |arn: &str, step: &str| claims.iter().any(|(key, id)| key.as_str() == step && arn.ends_with(id.as_str()));
    let is_it =
        |arn: &str, step: &str| tags::name_in(arn).is_none_or(|name| name == name_of(step)) && !is_claim(arn, step);
    for round in 0.. {
        let all = tags::now_of_stack(aws, stack).await?;
        let mut left: Vec<_> = all.into_iter().map(|(arn, mut tags)| (arn, tags.remove(aws.keys.step()))).collect();
        // A snapshot carries its database's tags and outlives it.
        left.retain(|(arn, step)| {
            if step.is_none() && is_note(arn) {
                return false;
            }
            arn.contains(":snapshot:") || !step.as_deref().is_some_and(|s| known.contains(&s) && is_it(arn, s))
        });
        let gone = gone(aws, stack, &left).await?;
        left.retain(|(arn, _)| !gone.contains(arn));
        if left.is_empty() || round == 3 {
            return Ok(left.into_iter().map(|(what, step)| leftover(what, step, &aws.region)).collect());
        }
        tokio::time::sleep(session.env.pace.of(Duration::from_secs(5))).await;
    }
    unreachable!("the last round returns")
}

fn leftover(arn: String, step: Option<String>, region: &str) -> Leftover {
    match by_hand(&arn, region) {
        Some((why, command)) => Leftover { what: arn, why: why.into(), command: Some(command), passes: false },
        None => Leftover {
            why: why(step, tags::name_in(&arn).or(arn.rsplit('/').next()).unwrap_or(&arn)),
            what: arn,
            command: None,
            passes: false,
        },
    }
}

const IN_A_VAULT: &str = "a recovery point of AWS Backup (`aws backup list-backup-vaults` names its VAULT)";

/// Snapshots and backups carry the tags of what they were made of. They outlive it, nothing holds them, and whoever made
/// them may want them: why one is left, and what deletes it.
fn by_hand(arn: &str, region: &str) -> Option<(&'static str, String)> {
    let mut parts = arn.splitn(6, ':').skip(2);
    let (service, id) = (parts.next()?, parts.nth(2)?);
    let aws = |command: String| format!("aws {command} --region {region}");
    Some(match (service, id.split_once([':', '/'])?) {
        // The automated ones go with their database; nobody else can delete them.
        ("rds", ("snapshot", name)) if name.starts_with("rds:") => return None,
        // AWS Backup keeps its own in a vault, and RDS refuses to delete them.
        ("rds", ("snapshot", name)) if name.starts_with("awsbackup:") => (
            IN_A_VAULT,
            aws(format!("backup delete-recovery-point --backup-vault-name VAULT --recovery-point-arn {arn}")),
        ),
        ("rds", ("snapshot", name)) => (
            "a snapshot of the database that somebody made",
            aws(format!("rds delete-db-snapshot --db-snapshot-identifier {name}")),
        ),
        ("elasticache", ("snapshot", name)) => (
            "a snapshot of the cache that somebody made",
            aws(format!("elasticache delete-snapshot --snapshot-name {name}")),
        ),
        ("ec2", ("snapshot", id)) => {
            ("a snapshot of a volume that somebody made", aws(format!("ec2 delete-snapshot --snapshot-id {id}")))
        }
        ("ec2", ("image", id)) => {
            ("an image of an instance that somebody made", aws(format!("ec2 deregister-image --image-id {id}")))
        }
        ("backup", ("recovery-point", _)) => (
            IN_A_VAULT,
            aws(format!("backup delete-recovery-point --backup-vault-name VAULT --recovery-point-arn {arn}")),
        ),
        _ => return None,
    })
}

fn why(step: Option<String>, id: &str) -> String {
    match step {
        Some(s) => format!(
            "carries the stack's tags as {s}, and nothing else says that it is: it stays. If it is the stack's, \
             `{}` deletes it",
            command!("gameday teardown --delete {}", id)
        ),
        None => "carries the stack's tag, but is no step of it".into(),
    }
}

/// Those of these ARNs that are gone, or are going without anything to do, though they are listed, some for over twenty
/// minutes (aws-cli issue 4173): what hung on the steps and is no step itself.
async fn gone(aws: &Aws, stack: &str, left: &[(String, Option<String>)]) -> Result<Vec<String>> {
    let of = |part: &str| -> Vec<(&str, String)> {
        left.iter().filter_map(|(arn, _)| Some((arn.as_str(), arn.split_once(part)?.1.to_owned()))).collect()
    };
    let ids = |of: &[(&str, String)]| Some(of.iter().map(|(_, id)| id.clone()).collect::<Vec<_>>());
    let mut gone: Vec<String> = vec![];
    let mut without = |there: &[String], of: Vec<(&str, String)>| {
        gone.extend(of.into_iter().filter(|(_, id)| !there.contains(id)).map(|(arn, _)| arn.to_owned()));
    };
    // By filter: asked by id, one that is gone fails the call for all.
    let instances = of(":instance/");
    if !instances.is_empty() {
        let filter = Filter::builder().name("instance-id").set_values(ids(&instances)).build();
        let states = ["pending", "running", "stopping", "stopped"].map(String::from).to_vec();
        let living = Filter::builder().name("instance-state-name").set_values(Some(states)).build();
        let pages = aws.ec2.describe_instances().filters(filter).filters(living).into_paginator().items().send();
        let all: Vec<_> = pages.try_collect().await.during("DescribeInstances")?;
        let living = all.iter().flat_map(|r| r.instances()).filter_map(|i| i.instance_id().map(Into::into));
        without(&living.collect::<Vec<String>>(), instances);
    }
    let volumes = of(":volume/");
    if !volumes.is_empty() {
        let filter = Filter::builder().name("volume-id").set_values(ids(&volumes)).build();
        let pages = aws.ec2.describe_volumes().filters(filter).into_paginator().items().send();
        let all: Vec<_> = pages.try_collect().await.during("DescribeVolumes")?;
        let there = all.iter().filter_map(|v| v.volume_id().map(Into::into));
        without(&there.collect::<Vec<String>>(), volumes);
    }
    // The stack's own notes.
    for (arn, name) in of(&format!(":parameter/gameday/{stack}/")) {
        if allowed(note::read(aws, stack, &name).await)?.is_some_and(|n| n.is_none()) {
            gone.push(arn.to_owned());
        }
    }
    // The automated snapshots of a database go with it; the others when somebody deletes them.
    for (arn, name) in of(":snapshot:").into_iter().filter(|(arn, _)| arn.split(':').nth(2) == Some("rds")) {
        let call = aws.rds.describe_db_snapshots().db_snapshot_identifier(name).send().await;
        let Some(there) = allowed(call.or_absent("DescribeDBSnapshots"))? else { continue };
        let there = there.and_then(|a| a.db_snapshots).unwrap_or_default();
        if there.iter().all(|s| s.status() == Some("deleting")) {
            gone.push(arn.to_owned());
        }
    }
    Ok(gone)
}

/// `None`: the account does not let us look, so it counts as there.
fn allowed<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Err(e) if e.class() == Some(Class::Denied) => Ok(None),
        other => other.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_holds_is_left_with_what_deletes_it() {
        let command = |arn: &str| by_hand(arn, "eu-west-1").map(|(_, command)| command);
        for (arn, deletes) in [
            (
                "arn:aws:rds:eu-west-1:123456789012:snapshot:before-lunch",
                "rds delete-db-snapshot --db-snapshot-identifier before-lunch",
            ),
            (
                "arn:aws:elasticache:eu-west-1:123456789012:snapshot:warm",
                "elasticache delete-snapshot --snapshot-name warm",
            ),
            ("arn:aws:ec2:eu-west-1::snapshot/snap-0a", "ec2 delete-snapshot --snapshot-id snap-0a"),
            ("arn:aws:ec2:eu-west-1::image/ami-0a", "ec2 deregister-image --image-id ami-0a"),
        ] {
            assert_eq!(command(arn), Some(format!("aws {deletes} --region eu-west-1")));
        }
        let backup = "arn:aws:rds:eu-west-1:123456789012:snapshot:awsbackup:job-1";
        assert!(command(backup).unwrap().contains(&format!("--recovery-point-arn {backup}")));
        for held in [
            "arn:aws:rds:eu-west-1:123456789012:snapshot:rds:billing-main-2026-11-21-06-10",
            "arn:aws:rds:eu-west-1:123456789012:db:billing-main",
            "arn:aws:ec2:eu-west-1:123456789012:vpc/vpc-0a",
            "security-group/app",
        ] {
            assert_eq!(command(held), None, "{held}");
        }
    }
}
