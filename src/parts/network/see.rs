//! The look at the network: the VPC, its subnets, and the ways out of it.
use crate::{
    aws::{
        listing,
        public_access::{self, Options},
        tags, words,
    },
    config::Origin,
    engine::Record,
    record,
    resources::dhcp_options,
    snapshot::{Look, Part, Whose, listed, read::step},
};
use aws_sdk_ec2::types as ec2;
use futures::FutureExt as _;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The VPC with its DNS settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Vpc {
    pub id: String,
    pub cidr: String,
    /// The DHCP options that instances receive, by AWS's names. `None`: not seen.
    pub options: Option<BTreeMap<String, Vec<String>>>,
    /// The id of a set of DHCP options in the region that names Amazon's DNS server.
    pub usual_options: Option<String>,
    /// True if Amazon's DNS server answers (`enableDnsSupport`). `None`: not seen.
    pub dns_support: Option<bool>,
    /// True if instances and file systems get DNS names (`enableDnsHostnames`). `None`: not seen.
    pub dns_hostnames: Option<bool>,
}

/// A subnet of the VPC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Subnet {
    pub id: String,
    pub zone: String,
    pub cidr: String,
    pub free_addresses: i32,
    /// True if an instance launched in it gets a public address.
    pub public_ip: bool,
    /// The mode in which VPC Block Public Access blocks the subnet: `block-bidirectional` or `block-ingress`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<String>,
    /// The key of the step that the subnet is, from its tag.
    pub step: Option<String>,
}

/// The settings of VPC Block Public Access that limit a repair.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PublicAccess {
    /// True if a policy of the organization sets the mode, not the account.
    pub by_policy: bool,
    /// True if exclusions for single VPCs are allowed.
    pub exclusions: bool,
}

/// A route table of the VPC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteTable {
    pub id: String,
    pub main: bool,
    /// The subnets with an explicit association.
    pub subnets: Vec<String>,
    pub routes: Vec<Route>,
    pub step: Option<String>,
}

/// A route of a route table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Route {
    /// The destination: a CIDR or a prefix list.
    pub to: String,
    /// The target: `local`, `igw-…`, `nat-…`, `vpce-…`
    pub via: String,
    /// `active` or `blackhole`
    pub state: String,
}

/// An internet gateway of the account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InternetGateway {
    pub id: String,
    /// The VPC to which the gateway is attached.
    pub vpc: Option<String>,
    pub step: Option<String>,
}

/// A NAT gateway of the VPC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NatGateway {
    pub id: String,
    /// The id of its subnet.
    pub subnet: String,
    /// The state. AWS lists a deleted gateway for an hour.
    pub state: String,
    /// The reason for a failure, in AWS's words.
    pub reason: Option<String>,
    pub step: Option<String>,
}

/// Finds the VPC and the internet gateways.
pub(crate) async fn find(look: &Look<'_>) {
    let (vpc, gateways) = futures::join!(find_vpc(look).boxed_local(), find_gateways(look).boxed_local());
    look.keep(|s| {
        s.vpc = vpc;
        s.internet_gateways = gateways;
    });
}

/// Reads the objects in the VPC.
pub(crate) async fn follow(look: &Look<'_>) {
    let vpc = look.vpc();
    // A detached gateway has no VPC, so only its tags show that it belongs to the stack.
    look.keep(|s| s.internet_gateways.retain(|g| g.step.is_some() || g.vpc.is_some() && g.vpc == vpc));
    let Some(vpc) = &vpc else { return };
    let ((), (), tables, nat) = futures::join!(
        dns(look).boxed_local(),
        subnets(look, vpc).boxed_local(),
        listed!(look, RouteTables, route_tables, "DescribeRouteTables", vpc, route_table).boxed_local(),
        nat_gateways(look, vpc).boxed_local(),
    );
    look.keep(|s| {
        s.route_tables = tables;
        s.nat_gateways = nat;
    });
}

async fn find_vpc(look: &Look<'_>) -> Option<Vpc> {
    let sets =
        look.ask(Part::DhcpOptions, "DescribeDhcpOptions", async { listing::dhcp_options(look.aws).await.map(Some) });
    let found = look.ask(Part::Vpc, "DescribeVpcs", async {
        let all = listing::vpcs(look.aws).await?;
        let record = record(look).await;
        let is_this = |v: &&ec2::Vpc| match (&look.expected.vpc, look.expected.network) {
            (Some(id), Origin::Use) => v.vpc_id() == Some(id),
            _ => tags::ec2::from(v.tags()).get(look.whose.keys.stack()) == Some(&look.whose.stack),
        };
        // A tag is only a claim. Of several VPCs with the tag, the one that the stack has created is chosen.
        let is_made = |v: &&ec2::Vpc| {
            let step = tags::ec2::from(v.tags()).remove(look.whose.keys.step()).unwrap_or_default();
            record.as_ref().is_some_and(|r| r.may_have_made(&step, v.vpc_id().unwrap_or_default()))
        };
        let claim: Vec<_> = all.iter().filter(is_this).collect();
        Ok(claim.iter().copied().find(is_made).or(claim.first().copied()).cloned())
    });
    let (found, sets) = futures::join!(found, sets);
    found.map(|v| vpc(v, sets.as_deref().map(Vec::as_slice), &look.aws.region))
}

/// Returns the record of the objects that the stack has created, or `None` if it cannot be read.
async fn record(look: &Look<'_>) -> Option<Record> {
    record::seen(look.aws, &look.whose.stack).await
}

/// Returns all internet gateways of the account.
///
/// A detached gateway cannot be found by its VPC, and an account has only a few.
async fn find_gateways(look: &Look<'_>) -> Vec<InternetGateway> {
    look.ask(Part::InternetGateways, "DescribeInternetGateways", async {
        let all = listing::internet_gateways(look.aws).await?;
        let record = record(look).await;
        let seen = |g: &ec2::InternetGateway| {
            let mut gateway = gateway(g.clone(), look.whose);
            // A tag is only a claim: the record has to confirm the step.
            let is_made = |step: &String| record.as_ref().is_none_or(|r| r.may_have_made(step, &gateway.id));
            gateway.step = gateway.step.take().filter(is_made);
            gateway
        };
        Ok(all.iter().map(seen).collect())
    })
    .await
}

/// Reads the attributes `enableDnsSupport` and `enableDnsHostnames` of the VPC.
async fn dns(look: &Look<'_>) {
    let Some(vpc) = look.seen(|s| Some(s.vpc.as_ref()?.id.clone())) else { return };
    let (support, hostnames) = look
        .ask(Part::VpcAttributes, "DescribeVpcAttribute", async {
            futures::try_join!(
                listing::vpc_attribute(look.aws, &vpc, ec2::VpcAttributeName::EnableDnsSupport),
                listing::vpc_attribute(look.aws, &vpc, ec2::VpcAttributeName::EnableDnsHostnames),
            )
        })
        .await;
    look.keep(|s| s.vpc.iter_mut().for_each(|v| (v.dns_support, v.dns_hostnames) = (support, hostnames)));
}

/// Reads the subnets.
///
/// If VPC Block Public Access blocks one of them, its settings are read too.
async fn subnets(look: &Look<'_>, vpc: &str) {
    let subnets = listed!(look, Subnets, subnets, "DescribeSubnets", vpc, subnet).await;
    let blocked = subnets.iter().any(|s| s.blocked.is_some());
    look.keep(|s| s.subnets = subnets);
    if blocked {
        let options = public_access::options(look.aws).await;
        let access = options.map(|Options { by_policy, exclusions, .. }| PublicAccess { by_policy, exclusions });
        look.keep(|s| s.public_access = access);
    }
}

/// Returns the NAT gateways, which only instances without public addresses need.
async fn nat_gateways(look: &Look<'_>, vpc: &str) -> Vec<NatGateway> {
    if !look.expected.private_instances {
        return vec![];
    }
    listed!(look, NatGateways, nat_gateways, "DescribeNatGateways", vpc, nat_gateway).await
}

fn subnet(s: ec2::Subnet, whose: &Whose) -> Subnet {
    Subnet {
        step: step(s.tags(), whose),
        id: s.subnet_id.unwrap_or_default(),
        zone: s.availability_zone.unwrap_or_default(),
        cidr: s.cidr_block.unwrap_or_default(),
        free_addresses: s.available_ip_address_count.unwrap_or_default(),
        public_ip: s.map_public_ip_on_launch.unwrap_or_default(),
        blocked: s
            .block_public_access_states
            .and_then(|b| b.internet_gateway_block_mode)
            .map(|mode| mode.as_str().to_owned())
            .filter(|mode| mode != "off"),
    }
}

fn gateway(g: ec2::InternetGateway, whose: &Whose) -> InternetGateway {
    InternetGateway {
        step: step(g.tags(), whose),
        vpc: g.attachments.unwrap_or_default().into_iter().find_map(|a| a.vpc_id),
        id: g.internet_gateway_id.unwrap_or_default(),
    }
}

/// Returns a VPC with its DHCP options.
///
/// `sets` are all DHCP options of the region, or `None` if they were not seen.
fn vpc(v: ec2::Vpc, sets: Option<&[ec2::DhcpOptions]>, region: &str) -> Vpc {
    let of_vpc = |s: &&ec2::DhcpOptions| s.dhcp_options_id().is_some() && s.dhcp_options_id == v.dhcp_options_id;
    let usual =
        |s: &&ec2::DhcpOptions| s.tags().is_empty() && dhcp_options::options_of(s) == dhcp_options::usual(region);
    Vpc {
        // A VPC can be without DHCP options: then DHCP gives instances no options.
        options: sets.map(|sets| sets.iter().find(of_vpc).map(dhcp_options::options_of).unwrap_or_default()),
        usual_options: sets.and_then(|sets| sets.iter().find(usual)?.dhcp_options_id.clone()),
        id: v.vpc_id.unwrap_or_default(),
        cidr: v.cidr_block.unwrap_or_default(),
        ..Vpc::default()
    }
}

fn nat_gateway(n: ec2::NatGateway, whose: &Whose) -> NatGateway {
    let reason: Vec<String> = [n.failure_code.clone(), n.failure_message.clone()].into_iter().flatten().collect();
    NatGateway {
        step: step(n.tags(), whose),
        state: n.state().map_or("pending", |s| s.as_str()).into(),
        id: n.nat_gateway_id.unwrap_or_default(),
        subnet: n.subnet_id.unwrap_or_default(),
        reason: Some(reason.join(": ")).filter(|r| !r.is_empty()),
    }
}

fn route_table(t: ec2::RouteTable, whose: &Whose) -> RouteTable {
    let step = step(t.tags(), whose);
    let associations = t.associations.unwrap_or_default();
    let routes = t.routes.unwrap_or_default().into_iter().map(|r| Route {
        to: words::ec2::destination(&r).into(),
        via: words::ec2::route_target(&r).unwrap_or_default().into(),
        state: r.state.map_or("active".into(), |s| s.as_str().into()),
    });
    RouteTable {
        id: t.route_table_id.unwrap_or_default(),
        main: associations.iter().any(|a| a.main() == Some(true)),
        routes: routes.collect(),
        subnets: associations.into_iter().filter_map(|a| a.subnet_id).collect(),
        step,
    }
}
