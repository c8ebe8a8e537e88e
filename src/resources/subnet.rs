//! A subnet in one zone. Instances in a public subnet get a public address.
use super::{guardduty, holders, prelude::*, vpc::Vpc};
use aws_sdk_ec2::types::{AttributeBooleanValue, ResourceType, Subnet as AwsSubnet};

/// The wanted subnet.
pub struct Subnet {
    pub aws: Aws,
    pub vpc: Ref<Vpc>,
    pub cidr: String,
    /// The zone, such as `eu-west-1a`.
    pub zone: String,
    pub public: bool,
    /// An existing subnet of the VPC to use instead.
    pub existing: Option<String>,
}

/// The managed fields of a subnet.
#[derive(Serialize)]
pub struct Spec {
    vpc: Known<String>,
    cidr: String,
    zone: String,
    public_addresses: bool,
}

/// The values of a subnet that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub id: String,
    pub zone: String,
    pub cidr: String,
}

impl Resource for Subnet {
    const KIND: &'static str = "subnet";
    const FIXED: &'static [&'static str] = &["vpc", "cidr", "zone"];
    const PATIENCE: Duration = Duration::from_secs(120);
    const ACTIONS: &'static [&'static str] = &[
        "ec2:CreateSubnet",
        "ec2:CreateTags",
        "ec2:DeleteSubnet",
        "ec2:DescribeSubnets",
        "ec2:ModifySubnetAttribute",
        holders::ACTIONS[0],
        holders::ACTIONS[1],
        holders::ACTIONS[2],
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec {
            vpc: inputs.read(&self.vpc, |v| v.id.clone()),
            cidr: self.cidr.clone(),
            zone: self.zone.clone(),
            public_addresses: self.public,
        }
    }
    fn typical(&self) -> Typical {
        Typical::secs(1, 1, 1)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let subnet = match &self.existing {
            Some(id) => self.in_vpc(cx).await?.into_iter().find(|s| s.subnet_id() == Some(id)),
            None => {
                let all = ec2_list!(self.aws, cx, subnets);
                match find_ours(cx, &all, |s| s.tags(), |s| s.subnet_id())? {
                    // A range is unique within a VPC.
                    None => {
                        let (all, cidr) = (self.in_vpc(cx).await?, Some(self.cidr.as_str()));
                        untagged(cx, &all, |s| s.tags(), |s| s.subnet_id(), |s| s.cidr_block() == cidr)?
                    }
                    ours => ours,
                }
            }
        };
        let Some(subnet) = subnet else { return Ok(None) };
        let text = |s: Option<&str>| s.unwrap_or_default().to_owned();
        let (id, cidr) = (text(subnet.subnet_id()), text(subnet.cidr_block()));
        let zone = text(subnet.availability_zone());
        Ok(Some(Found {
            spec: Spec {
                vpc: Known::Now(text(subnet.vpc_id())),
                cidr: cidr.clone(),
                zone: zone.clone(),
                public_addresses: subnet.map_public_ip_on_launch().unwrap_or_default(),
            },
            output: Some(Output { id: id.clone(), zone, cidr }),
            phase: match subnet.state().map(|s| s.as_str()) {
                Some("available") => Phase::Ready,
                Some(word) if word.starts_with("failed") => Phase::Broken(word.into()),
                other => Phase::Busy(other.unwrap_or("pending").into()),
            },
            tags: tags::ec2::from(subnet.tags()),
            id,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        let made = self
            .aws
            .ec2
            .create_subnet()
            .vpc_id(want.vpc.get()?)
            .cidr_block(&want.cidr)
            .availability_zone(&want.zone)
            .tag_specifications(tags::on_create(ResourceType::Subnet, &cx.tags()))
            .send()
            .await
            .during("CreateSubnet")?;
        // A new subnet assigns no addresses, and the create call has no parameter for it.
        let id = expect_id(made.subnet().and_then(|s| s.subnet_id()), "CreateSubnet")?;
        cx.note_created(id);
        if want.public_addresses { self.set_public(id, true).await.map_err(half_made) } else { Ok(()) }
    }

    async fn update(&self, _: &Cx<'_>, want: &Spec, found: &Found<Self>, _: &Diff) -> Result<()> {
        self.set_public(&found.id, want.public_addresses).await
    }

    async fn delete(&self, cx: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        let gone = self.aws.ec2.delete_subnet().subnet_id(&found.id).send().await.or_gone("DeleteSubnet");
        if let (Err(e), Known::Now(vpc)) = (&gone, &found.spec.vpc)
            && e.class() == Some(Class::InUse)
        {
            // The holders name what cannot be listed or deleted.
            let _ = guardduty::clear(&self.aws, &cx.env.stack, vpc).await;
        }
        gone
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        tag_ec2(&self.aws, &found.id, tags).await
    }

    async fn holders(&self, cx: &Cx<'_>, found: &Found<Self>) -> Result<Vec<Holder>> {
        let all = holders::interfaces(&self.aws, "subnet-id", &found.id).await?;
        holders::interface_owners(&self.aws, &cx.env.stack, &all).await
    }
}

impl Subnet {
    async fn set_public(&self, id: &str, public: bool) -> Result<()> {
        let value = AttributeBooleanValue::builder().value(public).build();
        let call = self.aws.ec2.modify_subnet_attribute().subnet_id(id).map_public_ip_on_launch(value);
        call.send().await.during("ModifySubnetAttribute").map(drop)
    }

    /// Returns all subnets of the VPC, from one call for all existing subnets in use.
    async fn in_vpc(&self, cx: &Cx<'_>) -> Result<Vec<AwsSubnet>> {
        let Some(vpc) = cx.read(&self.vpc, |v| v.id.clone()).now() else { return Ok(vec![]) };
        let call = async || {
            let pages = self.aws.ec2.describe_subnets().filters(ec2_filter("vpc-id", &vpc)).into_paginator();
            pages.items().send().try_collect().await.during("DescribeSubnets")
        };
        Ok((*self.aws.reads.get(format!("subnets of {vpc}"), call).await?).clone())
    }
}
