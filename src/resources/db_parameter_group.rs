//! An RDS parameter group: settings that differ from the defaults of the engine's family.
use super::prelude::*;
use crate::config::DatabaseEngine;
use aws_sdk_rds::types::{ApplyMethod, DbParameterGroup as AwsGroup, Parameter};
use std::collections::BTreeMap;

/// The wanted DB parameter group.
pub struct DbParameterGroup {
    pub aws: Aws,
    /// The family, such as `mysql8.4` or `postgres17`.
    pub family: String,
    pub parameters: BTreeMap<String, String>,
}

/// The managed fields of a DB parameter group.
#[derive(Serialize)]
pub struct Spec {
    family: String,
    parameters: BTreeMap<String, String>,
}

/// The values of a DB parameter group that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub name: String,
}

/// AWS accepts no more parameters in one call.
const AT_ONCE: usize = 20;

impl Resource for DbParameterGroup {
    const KIND: &'static str = "db-parameter-group";
    const FIXED: &'static [&'static str] = &["family"];
    const ACTIONS: &'static [&'static str] = &[
        "rds:DescribeDBParameterGroups",
        "rds:DescribeDBParameters",
        "rds:DescribeDBInstances",
        "rds:ListTagsForResource",
        "rds:CreateDBParameterGroup",
        "rds:ModifyDBParameterGroup",
        "rds:ResetDBParameterGroup",
        "rds:DeleteDBParameterGroup",
        "rds:AddTagsToResource",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, _: &Inputs) -> Spec {
        Spec { family: self.family.clone(), parameters: self.parameters.clone() }
    }
    fn typical(&self) -> Typical {
        Typical::secs(2, 2, 2)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let name = cx.name();
        let (group, set) = futures::try_join!(self.family_and_arn(&name), self.parameters(&name, true))?;
        let (Some((family, arn)), Some(set)) = (group, set) else { return Ok(None) };
        let Some(tags) = tags::of_rds(&self.aws, cx, &arn).await? else { return Ok(None) };
        Ok(Some(Found {
            spec: Spec {
                family,
                parameters: set
                    .iter()
                    .filter_map(|p| Some((p.parameter_name()?.into(), p.parameter_value()?.into())))
                    .collect(),
            },
            output: Some(Output { name: name.clone() }),
            phase: Phase::Ready,
            tags,
            id: name,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        self.aws
            .rds
            .create_db_parameter_group()
            .db_parameter_group_name(cx.name())
            .db_parameter_group_family(&want.family)
            .description(format!("{} of stack {}", cx.key, cx.env.stack))
            .set_tags(Some(tags::rds::to(&cx.tags())))
            .send()
            .await
            .during("CreateDBParameterGroup")?;
        cx.note_created(&cx.name());
        // No database uses the group yet, so this method suits static and dynamic parameters [AWS 1.5].
        let all = want.parameters.iter();
        let all = all.map(|(k, v)| parameter(k, Some(v), ApplyMethod::PendingReboot)).collect();
        self.put(&cx.name(), all).await
    }

    async fn update(&self, _: &Cx<'_>, want: &Spec, found: &Found<Self>, _: &Diff) -> Result<()> {
        // A dynamic parameter applies at once. A static one waits for the next reboot, which the user decides.
        let known = self.parameters(&found.id, false).await?.unwrap_or_default();
        let how = |name: &str| {
            let dynamic = known.iter().any(|p| p.parameter_name() == Some(name) && p.apply_type() == Some("dynamic"));
            if dynamic { ApplyMethod::Immediate } else { ApplyMethod::PendingReboot }
        };
        let (have, want) = (&found.spec.parameters, &want.parameters);
        let put = want.iter().filter(|&(k, v)| have.get(k) != Some(v));
        let reset = have.keys().filter(|&k| !want.contains_key(k));
        self.put(&found.id, put.map(|(k, v)| parameter(k, Some(v), how(k))).collect()).await?;
        self.reset(&found.id, reset.map(|k| parameter(k, None, how(k))).collect()).await
    }

    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        let call = self.aws.rds.delete_db_parameter_group().db_parameter_group_name(&found.id);
        call.send().await.or_gone("DeleteDBParameterGroup")
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        let Some(group) = self.look(&found.id).await? else { return Ok(()) };
        tags::put_rds(&self.aws, expect_id(group.db_parameter_group_arn(), "DescribeDBParameterGroups")?, tags).await
    }

    async fn holders(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<Vec<Holder>> {
        super::database::holders(&self.aws, |db| {
            db.db_parameter_groups().iter().any(|g| g.db_parameter_group_name() == Some(&found.id))
        })
        .await
    }
}

impl DbParameterGroup {
    /// Returns family and ARN, for a look from a database that uses the group.
    ///
    /// The listing of databases costs no extra call. The family follows from the version of the database.
    async fn family_and_arn(&self, name: &str) -> Result<Option<(String, String)>> {
        if self.aws.reads.is_look() {
            let all = listing::databases(&self.aws).await?;
            let seen = all.iter().find_map(|db| {
                db.db_parameter_groups().iter().find(|g| g.db_parameter_group_name() == Some(name))?;
                let (account, _) = db.db_instance_arn()?.split_once(":db:")?;
                let family = DatabaseEngine::by_word(db.engine()?)?.family(db.engine_version()?);
                Some((family, format!("{account}:pg:{name}")))
            });
            if seen.is_some() {
                return Ok(seen);
            }
        }
        let group = self.look(name).await?;
        let text = |s: Option<&str>| s.unwrap_or_default().to_owned();
        Ok(group.map(|g| (text(g.db_parameter_group_family()), text(g.db_parameter_group_arn()))))
    }

    async fn look(&self, name: &str) -> Result<Option<AwsGroup>> {
        let call = async || {
            let call = self.aws.rds.describe_db_parameter_groups().db_parameter_group_name(name);
            call.send().await.or_absent("DescribeDBParameterGroups")
        };
        let answer = self.aws.reads.get(format!("db parameter group {name}"), call).await?;
        Ok(answer.as_ref().as_ref().and_then(|a| a.db_parameter_groups().first().cloned()))
    }

    /// Returns the parameters set by hand, which includes gameday's, or all parameters of the family.
    ///
    /// `None` if the group is gone.
    async fn parameters(&self, name: &str, set: bool) -> Result<Option<Vec<Parameter>>> {
        let source = set.then(|| "user".to_owned());
        let answer = self
            .aws
            .reads
            .get(format!("parameters of {name}, set: {set}"), async || {
                let call = self.aws.rds.describe_db_parameters().db_parameter_group_name(name).set_source(source);
                let all: Result<Vec<_>, _> = call.into_paginator().items().send().try_collect().await;
                all.or_absent("DescribeDBParameters")
            })
            .await?;
        Ok(answer.as_ref().clone())
    }

    async fn put(&self, name: &str, all: Vec<Parameter>) -> Result<()> {
        for some in all.chunks(AT_ONCE) {
            let call = self.aws.rds.modify_db_parameter_group().db_parameter_group_name(name);
            call.set_parameters(Some(some.to_vec())).send().await.during("ModifyDBParameterGroup")?;
        }
        Ok(())
    }

    async fn reset(&self, name: &str, all: Vec<Parameter>) -> Result<()> {
        for some in all.chunks(AT_ONCE) {
            let call = self.aws.rds.reset_db_parameter_group().db_parameter_group_name(name);
            call.set_parameters(Some(some.to_vec())).send().await.during("ResetDBParameterGroup")?;
        }
        Ok(())
    }
}

fn parameter(name: &str, value: Option<&String>, how: ApplyMethod) -> Parameter {
    Parameter::builder().parameter_name(name).set_parameter_value(value.cloned()).apply_method(how).build()
}
