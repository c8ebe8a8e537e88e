//! A CloudWatch log group.
//!
//! It is created before anything logs, because a group created by the agent keeps its lines without limit.
use super::prelude::*;
use aws_sdk_cloudwatchlogs::types::LogGroup as AwsLogGroup;

/// The wanted log group.
pub struct LogGroup {
    pub aws: Aws,
    /// The full name, such as `/gameday/STACK/app`.
    pub path: String,
    /// Days for which lines are kept. AWS accepts 1, 3, 5, 7, 14, 30 and some more.
    pub days: i32,
}

/// The managed fields of a log group.
#[derive(Serialize)]
pub struct Spec {
    name: String,
    /// `None` keeps lines without limit.
    days: Option<i32>,
}

/// The values of a log group that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub name: String,
    /// The ARN without the suffix `:*` for streams.
    pub arn: String,
}

impl Resource for LogGroup {
    const KIND: &'static str = "log-group";
    const ACTIONS: &'static [&'static str] = &[
        "logs:DescribeLogGroups",
        "logs:ListTagsForResource",
        "logs:CreateLogGroup",
        "logs:PutRetentionPolicy",
        "logs:DeleteLogGroup",
        "logs:TagResource",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, _: &Inputs) -> Spec {
        Spec { name: self.path.clone(), days: Some(self.days) }
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let Some(group) = self.look().await? else { return Ok(None) };
        let arn = arn(&group);
        let Some(tags) = self.tags(cx, &arn).await? else { return Ok(None) };
        Ok(Some(Found {
            id: self.path.clone(),
            // Fewer days would delete older lines.
            spec: Spec { name: self.path.clone(), days: group.retention_in_days().map(|days| days.min(self.days)) },
            output: Some(Output { name: self.path.clone(), arn }),
            phase: Phase::Ready,
            tags,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        let call = self.aws.logs.create_log_group().log_group_name(&want.name);
        let tags = cx.tags().into_iter().collect();
        call.set_tags(Some(tags)).send().await.during("CreateLogGroup")?;
        cx.note_created(&want.name);
        self.retain(want).await
    }

    async fn update(&self, _: &Cx<'_>, want: &Spec, _: &Found<Self>, _: &Diff) -> Result<()> {
        self.retain(want).await
    }

    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        self.aws.logs.delete_log_group().log_group_name(&found.id).send().await.or_gone("DeleteLogGroup")
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        let Some(output) = &found.output else { return Ok(()) };
        let tags = tags.clone().into_iter().collect();
        let call = self.aws.logs.tag_resource().resource_arn(&output.arn).set_tags(Some(tags));
        call.send().await.during("TagResource").map(drop)
    }
}

impl LogGroup {
    /// Finds the group by the stack's folder, `/gameday/STACK/`, so that one call shows all groups of the stack.
    async fn look(&self) -> Result<Option<AwsLogGroup>> {
        let end = self.path.match_indices('/').nth(2).map_or(self.path.len(), |(at, _)| at + 1);
        let folder = &self.path[..end];
        let all: std::rc::Rc<Vec<AwsLogGroup>> = self
            .aws
            .reads
            .get(format!("log groups {folder}"), async || {
                let call = self.aws.logs.describe_log_groups().log_group_name_prefix(folder);
                call.into_paginator().items().send().try_collect().await.during("DescribeLogGroups")
            })
            .await?;
        Ok(all.iter().find(|g| g.log_group_name() == Some(&self.path)).cloned())
    }

    /// Returns the tags, `None` if the group is gone.
    async fn tags(&self, cx: &Cx<'_>, arn: &str) -> Result<Option<Tags>> {
        if let Some(tags) = tags::at_a_look(&self.aws, cx, arn).await? {
            return Ok(Some(tags));
        }
        let call = async || {
            let call = self.aws.logs.list_tags_for_resource().resource_arn(arn);
            call.send().await.or_absent("ListTagsForResource")
        };
        let answer = self.aws.reads.get(format!("tags of {arn}"), call).await?;
        let tags = answer.as_ref().as_ref().map(|a| a.tags().cloned().unwrap_or_default());
        Ok(tags.map(|t| t.into_iter().collect()))
    }

    async fn retain(&self, want: &Spec) -> Result<()> {
        let Some(days) = want.days else { return Ok(()) };
        let call = self.aws.logs.put_retention_policy().log_group_name(&want.name).retention_in_days(days);
        call.send().await.during("PutRetentionPolicy").map(drop)
    }
}

/// Returns the ARN without `:*`. AWS shows two forms, and tags need this one.
fn arn(group: &AwsLogGroup) -> String {
    let arn = group.log_group_arn().or(group.arn()).unwrap_or_default();
    arn.strip_suffix(":*").unwrap_or(arn).into()
}
