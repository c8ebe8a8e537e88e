//! A security group.
//!
//! Its rules are a separate step, since groups refer to each other.
use super::{holders, prelude::*, vpc::Vpc};
use aws_sdk_ec2::types::{ResourceType, SecurityGroup as AwsGroup};

/// The wanted security group.
pub struct SecurityGroup {
    pub aws: Aws,
    pub vpc: Ref<Vpc>,
    /// A text for people: letters, digits and ` ._-:/()#,@[]+=&;{}!$*` only [AWS 4.5].
    pub description: String,
}

/// The managed fields of a security group.
#[derive(Serialize)]
pub struct Spec {
    vpc: Known<String>,
    description: String,
}

/// The values of a security group that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub id: String,
}

impl Resource for SecurityGroup {
    const KIND: &'static str = "security-group";
    const FIXED: &'static [&'static str] = &["vpc"];
    const PATIENCE: Duration = Duration::from_secs(120);
    const ACTIONS: &'static [&'static str] = &[
        "ec2:CreateSecurityGroup",
        "ec2:CreateTags",
        "ec2:DeleteSecurityGroup",
        "ec2:DescribeSecurityGroups",
        holders::ACTIONS[0],
        holders::ACTIONS[1],
        holders::ACTIONS[2],
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec { vpc: inputs.read(&self.vpc, |v| v.id.clone()), description: self.description.clone() }
    }
    fn typical(&self) -> Typical {
        Typical::secs(2, 1, 1)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let all = ec2_list!(self.aws, cx, security_groups);
        let ours = find_ours(cx, &all, |g| g.tags(), |g| g.group_id())?;
        let group = match ours {
            None => self.namesake(cx).await?,
            ours => ours,
        };
        let Some(group) = group else { return Ok(None) };
        let id = group.group_id().unwrap_or_default().to_owned();
        Ok(Some(Found {
            spec: Spec {
                vpc: Known::Now(group.vpc_id().unwrap_or_default().into()),
                // The description cannot be changed and has no effect, so a new wording must not cause a new group.
                description: self.description.clone(),
            },
            output: Some(Output { id: id.clone() }),
            phase: Phase::Ready,
            tags: tags::ec2::from(group.tags()),
            id,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        let made = self
            .aws
            .ec2
            .create_security_group()
            .group_name(cx.name())
            .description(&want.description)
            .vpc_id(want.vpc.get()?)
            .tag_specifications(tags::on_create(ResourceType::SecurityGroup, &cx.tags()))
            .send()
            .await
            .during("CreateSecurityGroup")?;
        cx.note_created(expect_id(made.group_id(), "CreateSecurityGroup")?);
        Ok(())
    }

    async fn update(&self, _: &Cx<'_>, _: &Spec, _: &Found<Self>, _: &Diff) -> Result<()> {
        Ok(())
    }

    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        let call = self.aws.ec2.delete_security_group().group_id(&found.id);
        call.send().await.or_gone("DeleteSecurityGroup")
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        tag_ec2(&self.aws, &found.id, tags).await
    }

    async fn holders(&self, cx: &Cx<'_>, found: &Found<Self>) -> Result<Vec<Holder>> {
        let all = holders::interfaces(&self.aws, "group-id", &found.id).await?;
        let mut holders = holders::interface_owners(&self.aws, &cx.env.stack, &all).await?;
        // Rules of other groups can refer to this group. AWS has one filter per direction.
        for filter in ["ip-permission.group-id", "egress.ip-permission.group-id"] {
            for other in self.groups(&[(filter, &found.id)]).await? {
                let id = other.group_id().unwrap_or_default();
                // Groups of the stack lose their rules in steps of their own.
                let passes = tags::ec2::from(other.tags()).get(cx.env.keys.stack()) == Some(&cx.env.stack);
                let what = format!("a rule of {id} ({})", other.group_name().unwrap_or_default());
                if id != found.id && holders.iter().all(|h| h.what != what) {
                    holders.push(Holder { what, passes });
                }
            }
        }
        Ok(holders)
    }
}

impl SecurityGroup {
    /// Finds a group of this name in the VPC.
    ///
    /// Names are unique there, so the stack's group cannot exist next to it.
    async fn namesake(&self, cx: &Cx<'_>) -> Result<Option<AwsGroup>> {
        let Some(vpc) = cx.read(&self.vpc, |v| v.id.clone()).now() else { return Ok(None) };
        Ok(self.groups(&[("vpc-id", &vpc), ("group-name", &cx.name())]).await?.into_iter().next())
    }

    async fn groups(&self, filters: &[(&str, &str)]) -> Result<Vec<AwsGroup>> {
        let filters = filters.iter().map(|(name, value)| ec2_filter(name, value)).collect();
        let pages = self.aws.ec2.describe_security_groups().set_filters(Some(filters)).into_paginator();
        pages.items().send().try_collect().await.during("DescribeSecurityGroups")
    }
}
