//! The security group that AWS creates with a VPC.
//!
//! It has no rules, so that an instance launched without a group reaches nothing.
use super::{
    prelude::*,
    security_group_rules::{self, Line},
    vpc::Vpc,
    vpc_default,
};
use aws_sdk_ec2::types::SecurityGroup as AwsGroup;
use std::cell::Cell;

/// The default security group of the stack's VPC.
pub struct DefaultSecurityGroup {
    aws: Aws,
    vpc: Ref<Vpc>,
    /// True after a delete: the object disappears with the VPC.
    dropped: Cell<bool>,
}

impl DefaultSecurityGroup {
    pub fn new(aws: Aws, vpc: Ref<Vpc>) -> Self {
        Self { aws, vpc, dropped: Cell::new(false) }
    }
}

/// The managed fields of the default security group.
#[derive(Serialize)]
pub struct Spec {
    /// Always empty, inbound and outbound.
    rules: Vec<Line>,
}

/// The output, which is empty because no other step refers to the object.
#[derive(Clone, Serialize)]
pub struct Output {}

impl Resource for DefaultSecurityGroup {
    const KIND: &'static str = "default-security-group";
    const OF_PARENT: bool = true;
    const PATIENCE: Duration = Duration::from_secs(120);
    const ACTIONS: &'static [&'static str] = &[
        "ec2:CreateTags",
        "ec2:DescribeSecurityGroupRules",
        "ec2:DescribeSecurityGroups",
        "ec2:RevokeSecurityGroupEgress",
        "ec2:RevokeSecurityGroupIngress",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        let _ = inputs.read(&self.vpc, |_| ());
        Spec { rules: vec![] }
    }
    fn typical(&self) -> Typical {
        Typical::secs(1, 1, 0)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let Some(vpc) = cx.read(&self.vpc, |v| v.id.clone()).now().filter(|_| !self.dropped.get()) else {
            return Ok(None);
        };
        let all = listing::security_groups(&self.aws).await?;
        // AWS reserves this name.
        let is_it = |g: &&AwsGroup| g.vpc_id() == Some(&vpc) && g.group_name() == Some("default");
        let Some(group) = all.iter().find(is_it) else { return Ok(None) };
        Ok(Some(Found {
            spec: Spec { rules: sorted(security_group_rules::shown(group)) },
            output: Some(Output {}),
            phase: Phase::Ready,
            tags: vpc_default::tags_of(cx, group.tags()),
            id: group.group_id().unwrap_or_default().into(),
        }))
    }

    async fn create(&self, _: &Cx<'_>, _: &Spec) -> Result<()> {
        self.dropped.set(false);
        Err(vpc_default::not_visible_yet("DescribeSecurityGroups", "default security group"))
    }

    async fn update(&self, _: &Cx<'_>, _: &Spec, found: &Found<Self>, _: &Diff) -> Result<()> {
        security_group_rules::revoke_all(&self.aws, &found.id).await
    }

    async fn delete(&self, _: &Cx<'_>, _: &Found<Self>) -> Result<()> {
        self.dropped.set(true);
        Ok(())
    }

    async fn tag(&self, cx: &Cx<'_>, found: &Found<Self>, _: &Tags) -> Result<()> {
        vpc_default::tag(&self.aws, cx, &found.id).await
    }
}
