//! A VPC with DNS hostnames, which the names of RDS and EFS need.
use super::{guardduty, holders, prelude::*, route_table, vpc_endpoint};
use crate::{
    said,
    shell::{Ours, command},
};
use aws_sdk_ec2::types::{
    AttributeBooleanValue, ResourceType, Subnet, Vpc as AwsVpc, VpcAttributeName, VpcEndpoint, VpcPeeringConnection,
    VpcPeeringConnectionVpcInfo, VpnGateway,
};

/// The wanted VPC.
pub struct Vpc {
    pub aws: Aws,
    /// The IPv4 range.
    pub cidr: String,
    /// An existing VPC to use, instead of ours.
    pub existing: Option<String>,
}

/// The managed fields of a VPC.
#[derive(Serialize)]
pub struct Spec {
    cidr: String,
    dns_support: bool,
    dns_hostnames: bool,
}

/// The values of a VPC that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub id: String,
    pub cidr: String,
}

impl Resource for Vpc {
    const KIND: &'static str = "vpc";
    const FIXED: &'static [&'static str] = &["cidr"];
    const CARRIES_ALL: bool = true;
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
        "ec2:DescribeVpnGateways",
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
                match find_ours(cx, &all, |v| v.tags(), |v| v.vpc_id())? {
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
        // The VPC was deleted since it was listed.
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
            .send()
            .await
            .during("CreateVpc")?;
        // A new VPC has DNS support, but no hostnames, and the create call has no parameter for it.
        let id = expect_id(made.vpc().and_then(|v| v.vpc_id()), "CreateVpc")?;
        cx.note_created(id);
        self.set(id, false, want.dns_hostnames).await.map_err(half_made)
    }

    async fn update(&self, _: &Cx<'_>, _: &Spec, found: &Found<Self>, diff: &Diff) -> Result<()> {
        self.set(&found.id, diff.touches("dns_support"), diff.touches("dns_hostnames")).await
    }

    async fn delete(&self, cx: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        let gone = self.aws.ec2.delete_vpc().vpc_id(&found.id).send().await.or_gone("DeleteVpc");
        if gone.as_ref().is_err_and(|e| e.class() == Some(Class::InUse)) {
            // The holders name what cannot be listed or deleted.
            let _ = guardduty::clear(&self.aws, &cx.env.stack, &found.id).await;
        }
        gone
    }

    async fn delete_twin(&self, _: &Cx<'_>, id: &str) -> Result<()> {
        self.aws.ec2.delete_vpc().vpc_id(id).send().await.or_gone("DeleteVpc")
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        tag_ec2(&self.aws, &found.id, tags).await
    }

    /// Returns everything else in the VPC, which is deleted last.
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
        // One page of each is enough to name a holder.
        let (subnets, groups) = (subnets.during("DescribeSubnets")?, groups.during("DescribeSecurityGroups")?);
        let (tables, gateways) = (tables.during("DescribeRouteTables")?, gateways.during("DescribeInternetGateways")?);
        let (nats, endpoints) = (nats.during("DescribeNatGateways")?, endpoints.during("DescribeVpcEndpoints")?);
        let stays = |what: String| Holder { what, passes: false };
        let delete = |noun: &str, id: Option<&str>, call: &'static str| {
            let id = id.unwrap_or_default();
            format!("{noun} {id}: `{}`", command!("aws ec2 {} {}", Ours(call), id))
        };
        let mut holders: Vec<Holder> = subnets
            .subnets()
            .iter()
            .map(|s| stays(delete("subnet", s.subnet_id(), "delete-subnet --subnet-id")))
            .collect();
        for group in groups.security_groups().iter().filter(|g| g.group_name() != Some("default")) {
            let (id, name) = (group.group_id().unwrap_or_default(), group.group_name().unwrap_or_default());
            holders.push(Holder {
                what: format!(
                    "security group {id} ({}): `{}`",
                    said::words(name),
                    command!("aws ec2 delete-security-group --group-id {}", id)
                ),
                passes: guardduty::is_being_removed(group, endpoints.vpc_endpoints()),
            });
        }
        let tables = tables.route_tables().iter().filter(|t| route_table::main_association(t).is_none());
        holders.extend(
            tables.map(|t| stays(delete("route table", t.route_table_id(), "delete-route-table --route-table-id"))),
        );
        holders.extend(gateways.internet_gateways().iter().map(|g| {
            let id = g.internet_gateway_id().unwrap_or_default();
            let vpc = &found.id;
            let command = command!("aws ec2 detach-internet-gateway --internet-gateway-id {} --vpc-id {}", id, vpc);
            stays(format!("internet gateway {id}: `{command}`"))
        }));
        let acls = acls.during("DescribeNetworkAcls")?;
        let acls = acls.network_acls().iter().filter(|a| a.is_default() != Some(true));
        holders.extend(
            acls.map(|a| stays(delete("network ACL", a.network_acl_id(), "delete-network-acl --network-acl-id"))),
        );
        let gone = |state: Option<&str>| matches!(state, Some("deleted" | "failed"));
        for nat in nats.nat_gateways().iter().filter(|n| !gone(n.state().map(|s| s.as_str()))) {
            let passes = nat.state().is_some_and(|s| s.as_str() == "deleting");
            holders.push(holders::nat_holder(nat.nat_gateway_id().unwrap_or_default(), passes));
        }
        let stands = |e: &&VpcEndpoint| vpc_endpoint::state(e) != "deleted";
        holders.extend(endpoints.vpc_endpoints().iter().filter(stands).map(holders::endpoint_holder));
        for side in ["requester", "accepter"] {
            let filter = ec2_filter(&format!("{side}-vpc-info.vpc-id"), &found.id);
            let call = ec2.describe_vpc_peering_connections().filters(filter).send().await;
            let found = call.during("DescribeVpcPeeringConnections")?;
            holders.extend(found.vpc_peering_connections().iter().filter_map(peering).map(stays));
        }
        // Objects that cannot be listed are not named.
        let call = ec2.describe_vpn_gateways().filters(ec2_filter("attachment.vpc-id", &found.id)).send().await;
        let call = call.during("DescribeVpnGateways").ok().and_then(|a| a.vpn_gateways).unwrap_or_default();
        let attached =
            |g: &&VpnGateway| g.vpc_attachments().iter().any(|a| a.state().is_none_or(|s| s.as_str() == "attached"));
        holders.extend(call.iter().filter(attached).map(|g| {
            let (id, vpc) = (g.vpn_gateway_id().unwrap_or_default(), &found.id);
            let command = command!("aws ec2 detach-vpn-gateway --vpn-gateway-id {} --vpc-id {}", id, vpc);
            stays(format!("VPN gateway {id}: `{command}`"))
        }));
        let interfaces = holders::interfaces(&self.aws, "vpc-id", &found.id).await?;
        for holder in holders::interface_owners(&self.aws, &cx.env.stack, &interfaces).await? {
            if holders.iter().all(|h| h.what != holder.what) {
                holders.push(holder);
            }
        }
        Ok(holders)
    }
}

/// Describes an active peering connection with the other side's VPC and account.
fn peering(p: &VpcPeeringConnection) -> Option<String> {
    let state = p.status().and_then(|s| s.code()).map(|c| c.as_str()).unwrap_or_default();
    let sides = [p.requester_vpc_info(), p.accepter_vpc_info()];
    let side = |s: &VpcPeeringConnectionVpcInfo| {
        format!("{} of account {}", s.vpc_id().unwrap_or_default(), s.owner_id().unwrap_or_default())
    };
    let who = sides.into_iter().flatten().map(side).collect::<Vec<_>>().join(" and ");
    let id = p.vpc_peering_connection_id().unwrap_or_default();
    matches!(state, "active" | "pending-acceptance" | "provisioning" | "initiating-request").then(|| {
        format!(
            "peering connection {id} ({who}): `{}`",
            command!("aws ec2 delete-vpc-peering-connection --vpc-peering-connection-id {}", id)
        )
    })
}

impl Vpc {
    /// Finds the VPC that contains subnets of the stack.
    ///
    /// A name alone is no proof, since others can have used the same one.
    async fn without_tags(&self, cx: &Cx<'_>) -> Result<Option<AwsVpc>> {
        let subnets = ec2_list!(self.aws, cx, subnets);
        let is_ours = |s: &&Subnet| {
            let tags = tags::ec2::from(s.tags());
            tags.get(cx.env.keys.step()).is_some_and(|step| cx.has_made(step, s.subnet_id().unwrap_or_default()))
        };
        let Some(home) = subnets.iter().filter(is_ours).find_map(|s| s.vpc_id()) else { return Ok(None) };
        let there = ec2_where!(self.aws, "vpc-id", home, describe_vpcs, "DescribeVpcs", AwsVpc);
        untagged(cx, &there, |v| v.tags(), |v| v.vpc_id(), |_| true)
    }

    /// Turns on DNS attributes, one per call. Support goes first, since hostnames depend on it.
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
