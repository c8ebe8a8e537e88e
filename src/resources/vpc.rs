//! A VPC with DNS hostnames, which RDS and EFS names need.
use super::{holders, prelude::*};
use aws_sdk_ec2::types::{
    AttributeBooleanValue, ResourceType, RouteTable, Vpc as AwsVpc, VpcAttributeName, VpcPeeringConnection,
    VpcPeeringConnectionVpcInfo,
};

pub struct Vpc {
    pub aws: Aws,
    /// Its IPv4 range.
    pub cidr: String,
    /// An existing VPC to use, instead of ours.
    pub existing: Option<String>,
}

#[derive(Serialize)]
pub struct Spec {
    cidr: String,
    dns_support: bool,
    dns_hostnames: bool,
}

#[derive(Clone, Serialize)]
pub struct Output {
    pub id: String,
    pub cidr: String,
}

impl Resource for Vpc {
    const KIND: &'static str = "vpc";
    const FIXED: &'static [&'static str] = &["cidr"];
    const TWINS: bool = true;
    const PATIENCE: Duration = Duration::from_secs(120);
    const ACTIONS: &'static [&'static str] = &[
        "ec2:CreateTags",
        "ec2:CreateVpc",
        "ec2:DeleteVpc",
        "ec2:DescribeInternetGateways",
        "ec2:DescribeNatGateways",
        "ec2:DescribeNetworkAcls",
        "ec2:DescribeRouteTables",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcAttribute",
        "ec2:DescribeVpcEndpoints",
        "ec2:DescribeVpcPeeringConnections",
        "ec2:DescribeVpcs",
        "ec2:ModifyVpcAttribute",
        holders::ACTIONS[0],
        holders::ACTIONS[1],
        holders::ACTIONS[2],
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, _: &Inputs) -> Spec {
        Spec { cidr: self.cidr.clone(), dns_support: true, dns_hostnames: true }
    }
    fn typical(&self) -> Typical {
        Typical::secs(2, 1, 1)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let ours = match &self.existing {
            Some(id) => {
                let all = self
                    .aws
                    .reads
                    .get(format!("vpc {id}"), async || {
                        let call = self.aws.ec2.describe_vpcs().vpc_ids(id).send().await;
                        Ok(call.or_absent("DescribeVpcs")?.and_then(|p| p.vpcs).unwrap_or_default())
                    })
                    .await?;
                all.first().cloned()
            }
            None => {
                let all = ec2_list!(self.aws, cx, vpcs);
                match one_of_ours(cx, &all, |v| v.tags(), |v| v.vpc_id())? {
                    None => self.without_tags(cx).await?,
                    ours => ours,
                }
            }
        };
        let Some(vpc) = ours else { return Ok(None) };
        let id = vpc.vpc_id().unwrap_or_default().to_owned();
        let (support, hostnames) = futures::try_join!(
            listing::vpc_attribute(&self.aws, &id, VpcAttributeName::EnableDnsSupport),
            listing::vpc_attribute(&self.aws, &id, VpcAttributeName::EnableDnsHostnames),
        )?;
        // Gone since it was listed.
        let (Some(support), Some(hostnames)) = (support, hostnames) else { return Ok(None) };
        let cidr = vpc.cidr_block().unwrap_or_default().to_owned();
        Ok(Some(Found {
            spec: Spec { cidr: cidr.clone(), dns_support: support, dns_hostnames: hostnames },
            output: Some(Output { id: id.clone(), cidr }),
            phase: match vpc.state().map(|s| s.as_str()) {
                Some("available") => Phase::Ready,
                other => Phase::Busy(other.unwrap_or("pending").into()),
            },
            tags: tags::ec2::from(vpc.tags()),
            id,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        let made = self
            .aws
            .ec2
            .create_vpc()
            .cidr_block(&want.cidr)
            .tag_specifications(tags::on_create(ResourceType::Vpc, &cx.tags()))
            .customize()
            .config_override(ec2_once(&self.aws))
            .send()
            .await
            .during("CreateVpc")?;
        // DNS support is on in a new VPC; hostnames are not, and the create call cannot say so.
        let id = made.vpc().and_then(|v| v.vpc_id()).unwrap_or_default();
        self.set(id, false, want.dns_hostnames).await.map_err(half_made)
    }

    async fn update(&self, _: &Cx<'_>, _: &Spec, found: &Found<Self>, diff: &Diff) -> Result<()> {
        self.set(&found.id, diff.touches("dns_support"), diff.touches("dns_hostnames")).await
    }

    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        self.aws.ec2.delete_vpc().vpc_id(&found.id).send().await.or_gone("DeleteVpc")
    }

    async fn delete_twin(&self, _: &Cx<'_>, id: &str) -> Result<()> {
        self.aws.ec2.delete_vpc().vpc_id(id).send().await.or_gone("DeleteVpc")
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        tag_ec2(&self.aws, &found.id, tags).await
    }

    /// Whatever else stands in it: a VPC goes last.
    async fn holders(&self, cx: &Cx<'_>, found: &Found<Self>) -> Result<Vec<Holder>> {
        let ec2 = &self.aws.ec2;
        let here = || ec2_filter("vpc-id", &found.id);
        let attached = ec2_filter("attachment.vpc-id", &found.id);
        let (subnets, groups, tables, acls, gateways, nats, endpoints) = futures::join!(
            ec2.describe_subnets().filters(here()).send(),
            ec2.describe_security_groups().filters(here()).send(),
            ec2.describe_route_tables().filters(here()).send(),
            ec2.describe_network_acls().filters(here()).send(),
            ec2.describe_internet_gateways().filters(attached).send(),
            ec2.describe_nat_gateways().filter(here()).send(),
            ec2.describe_vpc_endpoints().filters(here()).send(),
        );
        // One page of each is enough to say what holds it.
        let mut stay: Vec<Option<String>> = vec![];
        let mut go: Vec<Option<String>> = vec![];
        stay.extend(subnets.during("DescribeSubnets")?.subnets().iter().map(|s| s.subnet_id.clone()));
        let groups = groups.during("DescribeSecurityGroups")?;
        let groups = groups.security_groups().iter().filter(|g| g.group_name() != Some("default"));
        stay.extend(groups.map(|g| g.group_id.clone()));
        let tables = tables.during("DescribeRouteTables")?;
        let is_main = |t: &&RouteTable| t.associations().iter().any(|a| a.main() == Some(true));
        stay.extend(tables.route_tables().iter().filter(|t| !is_main(t)).map(|t| t.route_table_id.clone()));
        let acls = acls.during("DescribeNetworkAcls")?;
        let acls = acls.network_acls().iter().filter(|a| a.is_default() != Some(true));
        stay.extend(acls.map(|a| a.network_acl_id.clone()));
        let gateways = gateways.during("DescribeInternetGateways")?;
        stay.extend(gateways.internet_gateways().iter().map(|g| g.internet_gateway_id.clone()));
        for nat in nats.during("DescribeNatGateways")?.nat_gateways() {
            match nat.state().map(|s| s.as_str()) {
                Some("deleted" | "failed") => {}
                Some("deleting") => go.push(nat.nat_gateway_id.clone()),
                _ => stay.push(nat.nat_gateway_id.clone()),
            }
        }
        for endpoint in endpoints.during("DescribeVpcEndpoints")?.vpc_endpoints() {
            match endpoint.state().map(|s| s.as_str().to_ascii_lowercase()).as_deref() {
                Some("deleted") => {}
                Some("deleting") => go.push(endpoint.vpc_endpoint_id.clone()),
                _ => stay.push(endpoint.vpc_endpoint_id.clone()),
            }
        }
        for side in ["requester", "accepter"] {
            let filter = ec2_filter(&format!("{side}-vpc-info.vpc-id"), &found.id);
            let call = ec2.describe_vpc_peering_connections().filters(filter).send().await;
            stay.extend(
                call.during("DescribeVpcPeeringConnections")?.vpc_peering_connections().iter().filter_map(peering),
            );
        }
        let interfaces = holders::interfaces(&self.aws, "vpc-id", &found.id).await?;
        let mut holders = holders::of_interfaces(&self.aws, &cx.env.stack, &interfaces).await?;
        let holder = |passes| move |what: String| Holder { what, passes };
        holders.extend(stay.into_iter().flatten().map(holder(false)));
        holders.extend(go.into_iter().flatten().map(holder(true)));
        Ok(holders)
    }
}

/// A peering connection that stands, with the other side's VPC and account.
fn peering(p: &VpcPeeringConnection) -> Option<Option<String>> {
    let state = p.status().and_then(|s| s.code()).map(|c| c.as_str()).unwrap_or_default();
    let sides = [p.requester_vpc_info(), p.accepter_vpc_info()];
    let side = |s: &VpcPeeringConnectionVpcInfo| {
        format!("{} of account {}", s.vpc_id().unwrap_or_default(), s.owner_id().unwrap_or_default())
    };
    let who = sides.into_iter().flatten().map(side).collect::<Vec<_>>().join(" and ");
    let id = p.vpc_peering_connection_id().unwrap_or_default();
    matches!(state, "active" | "pending-acceptance" | "provisioning" | "initiating-request")
        .then(|| Some(format!("peering connection {id} ({who}): delete it")))
}

impl Vpc {
    /// The one with subnets of ours in it. A name alone says nothing: others may have given theirs the same.
    async fn without_tags(&self, cx: &Cx<'_>) -> Result<Option<AwsVpc>> {
        let subnets = ec2_list!(self.aws, cx, subnets);
        let Some(home) = subnets.iter().find_map(|s| s.vpc_id()) else { return Ok(None) };
        let there = ec2_where!(self.aws, "vpc-id", home, describe_vpcs, "DescribeVpcs", AwsVpc);
        stripped(cx, &there, |v| v.tags(), |v| v.vpc_id(), |_| true)
    }

    /// Turns on what is asked for: one attribute a call, and support before hostnames, which depend on it.
    async fn set(&self, id: &str, support: bool, hostnames: bool) -> Result<()> {
        let yes = || AttributeBooleanValue::builder().value(true).build();
        let call = || self.aws.ec2.modify_vpc_attribute().vpc_id(id);
        if support {
            call().enable_dns_support(yes()).send().await.during("ModifyVpcAttribute")?;
        }
        if hostnames {
            call().enable_dns_hostnames(yes()).send().await.during("ModifyVpcAttribute")?;
        }
        Ok(())
    }
}
