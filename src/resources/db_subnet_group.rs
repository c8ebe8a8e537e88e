//! The subnets into which RDS can put the database.
//!
//! They span at least two zones, even for a database in one.
use super::prelude::*;
use super::{database, subnet::Subnet};
use aws_sdk_rds::types::DbSubnetGroup as AwsGroup;

/// The wanted DB subnet group.
pub struct DbSubnetGroup {
    pub aws: Aws,
    pub subnets: Vec<Ref<Subnet>>,
}

/// The managed fields of a DB subnet group.
#[derive(Serialize)]
pub struct Spec {
    subnets: Known<Vec<String>>,
}

/// The values of a DB subnet group that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub name: String,
}

impl Resource for DbSubnetGroup {
    const KIND: &'static str = "db-subnet-group";
    // RDS looks at the network with the caller's permissions.
    const ACTIONS: &'static [&'static str] = &[
        "ec2:DescribeAccountAttributes",
        "ec2:DescribeAvailabilityZones",
        "ec2:DescribeInternetGateways",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcAttribute",
        "ec2:DescribeVpcs",
        "rds:DescribeDBSubnetGroups",
        "rds:DescribeDBInstances",
        "rds:ListTagsForResource",
        "rds:CreateDBSubnetGroup",
        "rds:ModifyDBSubnetGroup",
        "rds:DeleteDBSubnetGroup",
        "rds:AddTagsToResource",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec { subnets: inputs.read_all(&self.subnets, |o| o.id.clone()).map(sorted) }
    }
    fn typical(&self) -> Typical {
        Typical::secs(2, 2, 2)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let name = cx.name();
        let (group, arn) = match self.in_use(&name).await? {
            Some(seen) => seen,
            None => {
                let Some(group) = listing::db_subnet_group(&self.aws, &name).await? else { return Ok(None) };
                let arn = group.db_subnet_group_arn().unwrap_or_default().to_owned();
                (group, arn)
            }
        };
        let Some(tags) = tags::of_rds(&self.aws, cx, &arn).await? else { return Ok(None) };
        let subnets = group.subnets().iter().filter_map(|s| s.subnet_identifier().map(Into::into));
        Ok(Some(Found {
            spec: Spec { subnets: Known::Now(sorted(subnets.collect())) },
            output: Some(Output { name: name.clone() }),
            phase: match group.subnet_group_status() {
                Some("Complete") => Phase::Ready,
                other => Phase::Busy(other.unwrap_or("creating").into()),
            },
            tags,
            id: name,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        self.aws
            .rds
            .create_db_subnet_group()
            .db_subnet_group_name(cx.name())
            .db_subnet_group_description(format!("{} of stack {}", cx.key, cx.env.stack))
            .set_subnet_ids(Some(want.subnets.get()?.clone()))
            .set_tags(Some(tags::rds::to(&cx.tags())))
            .send()
            .await
            .during("CreateDBSubnetGroup")?;
        Ok(())
    }

    async fn update(&self, _: &Cx<'_>, want: &Spec, found: &Found<Self>, _: &Diff) -> Result<()> {
        let call = self.aws.rds.modify_db_subnet_group().db_subnet_group_name(&found.id);
        let call = call.set_subnet_ids(Some(want.subnets.get()?.clone()));
        call.send().await.during("ModifyDBSubnetGroup").map(drop)
    }

    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        let call = self.aws.rds.delete_db_subnet_group().db_subnet_group_name(&found.id);
        call.send().await.or_gone("DeleteDBSubnetGroup")
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        let Some(group) = listing::db_subnet_group(&self.aws, &found.id).await? else { return Ok(()) };
        tags::put_rds(&self.aws, expect_id(group.db_subnet_group_arn(), "DescribeDBSubnetGroups")?, tags).await
    }

    async fn holders(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<Vec<Holder>> {
        database::holders(&self.aws, |db| {
            db.db_subnet_group().and_then(|g| g.db_subnet_group_name()) == Some(&found.id)
        })
        .await
    }
}

impl DbSubnetGroup {
    /// Returns the group as its database shows it, with its ARN, which the database leaves out.
    ///
    /// Only for a look: the listing of databases costs no extra call.
    async fn in_use(&self, name: &str) -> Result<Option<(AwsGroup, String)>> {
        if !self.aws.reads.is_look() {
            return Ok(None);
        }
        let all = listing::databases(&self.aws).await?;
        Ok(all.iter().find_map(|db| {
            let group = db.db_subnet_group().filter(|g| g.db_subnet_group_name() == Some(name))?;
            let (account, _) = db.db_instance_arn()?.split_once(":db:")?;
            Some((group.clone(), format!("{account}:subgrp:{name}")))
        }))
    }
}
