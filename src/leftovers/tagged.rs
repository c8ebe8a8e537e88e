//! Objects of any kind that still carry the stack's tag after a teardown.
use super::{
    Leftover, Search,
    database_snapshot::{DATABASE, is_final},
};
use crate::{
    aws::{
        Aws,
        error::AwsResult,
        note::{self, Note},
        tags,
    },
    config::Kind,
    engine::{Class, Report, Status},
    error::Result,
    lease, said,
    shell::command,
};
use aws_sdk_ec2::types::Filter;
use aws_sdk_rds::types::DbSnapshot;
use std::time::Duration;

/// The objects that carry the stack's tag.
#[derive(Default)]
pub(super) struct Tagged {
    /// All but the final snapshots.
    pub left: Vec<Leftover>,
    /// The final snapshots of the database.
    pub snapshots: Vec<Leftover>,
}

/// Lists what still carries the stack's tag.
///
/// The tagging API lags, so it is asked a few times. An object is not counted if its step has reported it already
/// or has seen it go, or if its own service says that it is gone.
pub(super) async fn look(search: Search<'_>, seen: &Report<Status>, report: &Report<bool>) -> Result<Tagged> {
    let (aws, stack) = (search.aws, &search.env.stack);
    // The notes of a stack stay as long as any of its objects does.
    let notes = format!(":parameter/gameday/{stack}/");
    let is_note = |arn: &str| !report.all_done() && arn.contains(&notes);
    let known: Vec<&str> = report.0.iter().map(|(k, _)| k.as_str()).collect();
    let id_of = |step: &str| seen.done().find(|(k, _)| k.as_str() == step).and_then(|(_, s)| s.id.as_deref());
    // An object that claims to be a step under another name is not the one that the teardown deleted.
    let claims = search.env.ownership.claims();
    let is_claim =
        |arn: &str, step: &str| claims.iter().any(|(key, id)| key.as_str() == step && arn.ends_with(id.as_str()));
    let is_it = |arn: &str, step: &str| match (Kind::name_of_step(step, arn), id_of(step)) {
        (Some(name), _) => name == search.name_of(step) && !is_claim(arn, step),
        (None, Some(id)) if has_its_id(arn) => arn.ends_with(id),
        (None, None) if is_looked_at(arn) => false,
        _ => !is_claim(arn, step),
    };
    for round in 0.. {
        let all = tags::now_of_stack_everywhere(aws, stack).await?;
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
            let database = search.name_of(DATABASE);
            let kept = of_database(aws, &database, &left).await?;
            let leftover = |(arn, step): (String, Option<String>)| {
                let step = step.map(|step| if known.contains(&&*step) { Step::Known(step) } else { Step::Other(step) });
                leftover(arn, step, &aws.region, &kept)
            };
            let (finals, left): (Vec<_>, Vec<_>) = left.into_iter().partition(|(arn, _)| is_final(arn, &database));
            let of_teardown = |l: Leftover| Leftover { why: "the final snapshot of a teardown".into(), ..l };
            let snapshots = finals.into_iter().map(leftover).map(of_teardown).collect();
            return Ok(Tagged { left: left.into_iter().map(leftover).collect(), snapshots });
        }
        tokio::time::sleep(search.env.pace.of(Duration::from_secs(5))).await;
    }
    unreachable!("the last round returns")
}

/// True if the ARN of such an object ends with the id that its step knows.
fn has_its_id(arn: &str) -> bool {
    is_looked_at(arn) || [":parameter/", ":log-group:", ":distribution/"].iter().any(|sort| arn.contains(sort))
}

/// True if the object's own service is asked whether it exists ([`gone`]).
fn is_looked_at(arn: &str) -> bool {
    [":file-system/", ":access-point/"].iter().any(|sort| arn.contains(sort))
}

/// The step that an object's tag names.
enum Step {
    /// A step that this teardown has looked at.
    Known(String),
    Other(String),
}

/// Returns the report on an object. `kept` are the snapshots that RDS says were made of the stack's database.
fn leftover(arn: String, step: Option<Step>, region: &str, kept: &[String]) -> Leftover {
    let of_ours = kept.contains(&arn);
    match by_hand(&arn, region, of_ours) {
        Some((why, command)) => Leftover { what: arn, why, command, passes: false },
        None => Leftover { why: why(step, &arn), what: arn, command: None, passes: false },
    }
}

/// Returns why a snapshot or backup is left, and what deletes it.
///
/// Both carry the tags of what they were made of and outlive it. Nothing holds them, and their makers may want them.
/// The command is given only if something other than a tag says of what they were made.
fn by_hand(arn: &str, region: &str, of_ours: bool) -> Option<(String, Option<String>)> {
    let mut parts = arn.splitn(6, ':').skip(2);
    let (service, id) = (parts.next()?, parts.nth(2)?);
    let look = |what: &str, command: String| {
        let why = format!("carries the stack's tag, as {what}: it stays; `{command}` shows what it was made of");
        Some((why, None))
    };
    match (service, id.split_once([':', '/'])?) {
        ("rds", ("snapshot", name)) if name.starts_with("rds:") => {
            Some(("an automated snapshot, which AWS deletes itself".into(), None))
        }
        // AWS Backup keeps its own in a vault, and RDS refuses to delete them.
        ("rds", ("snapshot", name)) if name.starts_with("awsbackup:") && of_ours => Some((
            "a recovery point of AWS Backup (`aws backup list-backup-vaults` names its VAULT)".into(),
            Some(command!(
                "aws backup delete-recovery-point --backup-vault-name VAULT --recovery-point-arn {} --region {}",
                arn,
                region
            )),
        )),
        ("rds", ("snapshot", name)) if of_ours => Some((
            "a snapshot of the database that somebody made".into(),
            Some(command!("aws rds delete-db-snapshot --db-snapshot-identifier {} --region {}", name, region)),
        )),
        ("rds", ("snapshot", name)) => look(
            "a snapshot of another database than the stack's",
            command!("aws rds describe-db-snapshots --db-snapshot-identifier {} --region {}", name, region),
        ),
        ("elasticache", ("snapshot", name)) => look(
            "a snapshot of a cache",
            command!("aws elasticache describe-snapshots --snapshot-name {} --region {}", name, region),
        ),
        ("ec2", ("snapshot", id)) => look(
            "a snapshot of a volume",
            command!("aws ec2 describe-snapshots --snapshot-ids {} --region {}", id, region),
        ),
        ("ec2", ("image", id)) => {
            look("an image", command!("aws ec2 describe-images --image-ids {} --region {}", id, region))
        }
        ("backup", ("recovery-point", _)) => look(
            "a recovery point of AWS Backup",
            command!(
                "aws backup describe-recovery-point --backup-vault-name VAULT --recovery-point-arn {} --region {}",
                arn,
                region
            ),
        ),
        _ => None,
    }
}

fn why(step: Option<Step>, arn: &str) -> String {
    match step {
        // An object of this sort is known by the end of its ARN alone, and this one has another.
        Some(Step::Known(step)) if has_its_id(arn) => {
            format!(
                "carries the stack's tags as {step}, under a name that is not the step's: it is not the stack's, and \
                 stays"
            )
        }
        Some(Step::Known(step)) => {
            // A balancer and a target group are known by their ARN, the others by their name or id.
            let id = match arn.contains(":elasticloadbalancing:") {
                true => arn,
                false => Kind::name_of_step(&step, arn).or(arn.rsplit('/').next()).unwrap_or(arn),
            };
            format!(
                "carries the stack's tags as {step}, and nothing else says that it is: it stays. If it is the stack's, \
                 `{}` deletes it",
                command!("gameday teardown --delete {}", id)
            )
        }
        Some(Step::Other(step)) => {
            format!(
                "carries the stack's tags as {}, which is not a step of the stack file: it stays",
                said::words(&step)
            )
        }
        None => "carries the stack's tag, but is not a step of it".into(),
    }
}

/// Returns those of these ARNs whose objects are gone, or go by themselves, although the tagging API lists them.
///
/// The API lists some for over twenty minutes (aws-cli issue 4173). These objects belong to steps without being steps.
async fn gone(aws: &Aws, stack: &str, left: &[(String, Option<String>)]) -> Result<Vec<String>> {
    let of = |part: &str| -> Vec<(&str, String)> {
        left.iter().filter_map(|(arn, _)| Some((arn.as_str(), arn.split_once(part)?.1.to_owned()))).collect()
    };
    let ids = |of: &[(&str, String)]| Some(of.iter().map(|(_, id)| id.clone()).collect::<Vec<_>>());
    let mut gone: Vec<String> = vec![];
    let mut without = |there: &[String], of: Vec<(&str, String)>| {
        gone.extend(of.into_iter().filter(|(_, id)| !there.contains(id)).map(|(arn, _)| arn.to_owned()));
    };
    // A filter is used because a missing id would fail the call for all.
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
    let images = of(":image/");
    if !images.is_empty() {
        let filter = Filter::builder().name("image-id").set_values(ids(&images)).build();
        let call = aws.ec2.describe_images().filters(filter).owners("self").include_disabled(true).send().await;
        if let Some(all) = unless_denied(call.during("DescribeImages"))? {
            let there = all.images().iter().filter_map(|i| i.image_id().map(Into::into));
            without(&there.collect::<Vec<String>>(), images);
        }
    }
    let of_volumes: Vec<_> = of(":snapshot/").into_iter().filter(|(arn, _)| arn.contains(":ec2:")).collect();
    if !of_volumes.is_empty() {
        let filter = Filter::builder().name("snapshot-id").set_values(ids(&of_volumes)).build();
        let pages = aws.ec2.describe_snapshots().filters(filter).owner_ids("self").into_paginator().items().send();
        if let Some(all) = unless_denied(pages.try_collect().await.during("DescribeSnapshots"))? {
            let there = all.iter().filter_map(|s| s.snapshot_id().map(Into::into));
            without(&there.collect::<Vec<String>>(), of_volumes);
        }
    }
    // The stack's own notes.
    for (arn, name) in of(&format!(":parameter/gameday/{stack}/")) {
        let note = unless_denied(note::read(aws, stack, &name).await)?;
        // A lease that somebody took over meanwhile ends with that run.
        let goes = |n: Note| name == note::LEASE && lease::is_renewed_by_other(&n);
        if note.is_some_and(|note| note.is_none_or(goes)) {
            gone.push(arn.to_owned());
        }
    }
    for (arn, id) in of(":file-system/") {
        let call = aws.efs.describe_file_systems().file_system_id(id).send().await;
        if unless_denied(call.or_absent("DescribeFileSystems"))?.is_some_and(|there| there.is_none()) {
            gone.push(arn.to_owned());
        }
    }
    for (arn, id) in of(":access-point/") {
        let call = aws.efs.describe_access_points().access_point_id(id).send().await;
        if unless_denied(call.or_absent("DescribeAccessPoints"))?.is_some_and(|there| there.is_none()) {
            gone.push(arn.to_owned());
        }
    }
    // The automated snapshots of a database go with it; the others when somebody deletes them.
    for (arn, name) in snapshots(left) {
        let Some(there) = snapshot(aws, name).await? else { continue };
        if there.iter().all(|s| s.status() == Some("deleting")) {
            gone.push(arn.to_owned());
        }
    }
    Ok(gone)
}

/// Returns those of these ARNs that are snapshots which RDS made of this database.
async fn of_database(aws: &Aws, database: &str, left: &[(String, Option<String>)]) -> Result<Vec<String>> {
    let mut all = vec![];
    for (arn, name) in snapshots(left) {
        let there = snapshot(aws, name).await?.unwrap_or_default();
        if there.iter().any(|s| s.db_instance_identifier() == Some(database)) {
            all.push(arn.to_owned());
        }
    }
    Ok(all)
}

/// Returns the snapshots of databases among these ARNs, and their names.
fn snapshots(left: &[(String, Option<String>)]) -> impl Iterator<Item = (&str, &str)> {
    let rds = left.iter().filter(|(arn, _)| arn.split(':').nth(2) == Some("rds"));
    rds.filter_map(|(arn, _)| Some((arn.as_str(), arn.split_once(":snapshot:")?.1)))
}

/// Looks at a snapshot; `None` if the account does not let us look.
async fn snapshot(aws: &Aws, name: &str) -> Result<Option<Vec<DbSnapshot>>> {
    let call = aws.rds.describe_db_snapshots().db_snapshot_identifier(name).send().await;
    let there = unless_denied(call.or_absent("DescribeDBSnapshots"))?;
    Ok(there.map(|answer| answer.and_then(|a| a.db_snapshots).unwrap_or_default()))
}

/// Returns `None` if the account does not let us look, so that the object counts as existing.
fn unless_denied<T>(answer: Result<T>) -> Result<Option<T>> {
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
        let command = |arn: &str| by_hand(arn, "eu-west-1", true).and_then(|(_, command)| command);
        let rds = "arn:aws:rds:eu-west-1:123456789012:snapshot:before-lunch";
        let deletes = "aws rds delete-db-snapshot --db-snapshot-identifier before-lunch --region eu-west-1";
        assert_eq!(command(rds).as_deref(), Some(deletes));
        let backup = "arn:aws:rds:eu-west-1:123456789012:snapshot:awsbackup:job-1";
        assert!(command(backup).unwrap().contains(&format!("--recovery-point-arn {backup}")));
        // Only a tag says of what these were made.
        let theirs = by_hand(rds, "eu-west-1", false).unwrap();
        assert!(theirs.1.is_none() && theirs.0.contains("`aws rds describe-db-snapshots"), "{}", theirs.0);
        for (arn, shows) in [
            (
                "arn:aws:elasticache:eu-west-1:123456789012:snapshot:warm",
                "elasticache describe-snapshots --snapshot-name warm",
            ),
            ("arn:aws:ec2:eu-west-1::snapshot/snap-0a", "ec2 describe-snapshots --snapshot-ids snap-0a"),
            ("arn:aws:ec2:eu-west-1::image/ami-0a", "ec2 describe-images --image-ids ami-0a"),
        ] {
            let (why, command) = by_hand(arn, "eu-west-1", false).unwrap();
            assert!(command.is_none() && why.contains(&format!("`aws {shows} --region eu-west-1`")), "{why}");
        }
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
