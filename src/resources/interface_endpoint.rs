//! An interface endpoint: an AWS service that is reached inside the VPC, under its public name.
use super::vpc_endpoint::{self, FULL_ACCESS, existing, is_going, policy, without};
use super::{prelude::*, security_group::SecurityGroup, subnet::Subnet, vpc::Vpc};
use aws_sdk_ec2::types::{ResourceType, VpcEndpoint as AwsEndpoint, VpcEndpointType};

/// The wanted interface endpoint.
pub struct InterfaceEndpoint {
    pub aws: Aws,
    pub vpc: Ref<Vpc>,
    /// `com.amazonaws.eu-west-1.ssm`.
    pub service: String,
    /// One subnet per zone.
    pub subnets: Vec<Ref<Subnet>>,
    pub groups: Vec<Ref<SecurityGroup>>,
}

/// The managed fields of an interface endpoint.
#[derive(Serialize)]
pub struct Spec {
    vpc: Known<String>,
    service: String,
    subnets: Known<Vec<String>>,
    groups: Known<Vec<String>>,
    /// True if the service's public name resolves to the endpoint. The instances know no other name.
    private_dns: bool,
    /// AWS's default policy, as for a gateway endpoint.
    policy: String,
}

/// The values of an interface endpoint that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub id: String,
}

impl Resource for InterfaceEndpoint {
    const KIND: &'static str = "interface-endpoint";
    const FIXED: &'static [&'static str] = &["vpc", "service"];
    const DISPOSABLE: bool = true;
    const PATIENCE: Duration = Duration::from_secs(600);
    const ACTIONS: &'static [&'static str] = &[
        "ec2:CreateTags",
        "ec2:CreateVpcEndpoint",
        "ec2:DeleteVpcEndpoints",
        "ec2:DescribeVpcEndpoints",
        "ec2:ModifyVpcEndpoint",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec {
            vpc: inputs.read(&self.vpc, |v| v.id.clone()),
            service: self.service.clone(),
            subnets: inputs.read_all(&self.subnets, |s| s.id.clone()).map(sorted),
            groups: inputs.read_all(&self.groups, |g| g.id.clone()).map(sorted),
            private_dns: true,
            policy: FULL_ACCESS.into(),
        }
    }
    fn typical(&self) -> Typical {
        Typical::secs(60, 30, 60)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let all = existing(cx, ec2_list!(self.aws, cx, vpc_endpoints));
        let endpoint = match find_ours(cx, &all, |e| e.tags(), |e| e.vpc_endpoint_id())? {
            None => self.without_tags(cx).await?,
            ours => ours,
        };
        let Some(endpoint) = endpoint else { return Ok(None) };
        let id = endpoint.vpc_endpoint_id().unwrap_or_default().to_owned();
        let groups = endpoint.groups().iter().filter_map(|g| g.group_id().map(Into::into));
        Ok(Some(Found {
            spec: Spec {
                vpc: Known::Now(endpoint.vpc_id().unwrap_or_default().into()),
                service: endpoint.service_name().unwrap_or_default().into(),
                subnets: Known::Now(sorted(endpoint.subnet_ids().to_vec())),
                groups: Known::Now(sorted(groups.collect())),
                private_dns: endpoint.private_dns_enabled().unwrap_or_default(),
                policy: policy(&endpoint),
            },
            output: Some(Output { id: id.clone() }),
            phase: vpc_endpoint::phase(&endpoint),
            tags: tags::ec2::from(endpoint.tags()),
            id,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        let made = self
            .aws
            .ec2
            .create_vpc_endpoint()
            .vpc_endpoint_type(VpcEndpointType::Interface)
            .vpc_id(want.vpc.get()?)
            .service_name(&want.service)
            .set_subnet_ids(Some(want.subnets.get()?.clone()))
            .set_security_group_ids(Some(want.groups.get()?.clone()))
            .private_dns_enabled(want.private_dns)
            .tag_specifications(tags::on_create(ResourceType::VpcEndpoint, &cx.tags()))
            .send()
            .await
            .during("CreateVpcEndpoint")?;
        cx.note_created(expect_id(made.vpc_endpoint().and_then(|e| e.vpc_endpoint_id()), "CreateVpcEndpoint")?);
        Ok(())
    }

    async fn update(&self, _: &Cx<'_>, want: &Spec, found: &Found<Self>, diff: &Diff) -> Result<()> {
        let (subnets, in_subnets) = (want.subnets.get()?, found.spec.subnets.get()?);
        let (groups, in_groups) = (want.groups.get()?, found.spec.groups.get()?);
        self.aws
            .ec2
            .modify_vpc_endpoint()
            .vpc_endpoint_id(&found.id)
            .set_add_subnet_ids(without(subnets, in_subnets))
            .set_remove_subnet_ids(without(in_subnets, subnets))
            .set_add_security_group_ids(without(groups, in_groups))
            .set_remove_security_group_ids(without(in_groups, groups))
            .set_private_dns_enabled(diff.touches("private_dns").then_some(want.private_dns))
            .set_reset_policy(diff.touches("policy").then_some(true))
            .send()
            .await
            .during("ModifyVpcEndpoint")
            .map(drop)
    }

    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        vpc_endpoint::delete(&self.aws, &found.id).await
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        tag_ec2(&self.aws, &found.id, tags).await
    }
}

impl InterfaceEndpoint {
    /// Finds the endpoint to which the VPC resolves the service's public name. At most one exists.
    async fn without_tags(&self, cx: &Cx<'_>) -> Result<Option<AwsEndpoint>> {
        let Some(vpc) = cx.read(&self.vpc, |v| v.id.clone()).now() else { return Ok(None) };
        let there = ec2_where!(self.aws, "vpc-id", &vpc, describe_vpc_endpoints, "DescribeVpcEndpoints", AwsEndpoint);
        let is_this = |e: &AwsEndpoint| {
            e.service_name() == Some(self.service.as_str())
                && e.vpc_endpoint_type() == Some(&VpcEndpointType::Interface)
                && !is_going(e)
        };
        untagged(cx, &there, |e| e.tags(), |e| e.vpc_endpoint_id(), is_this)
    }
}
