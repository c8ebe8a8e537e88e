//! The look at network access: security groups, prefix lists, network ACLs and endpoints.
use crate::{
    aws::{error::AwsResult, listing},
    snapshot::{Look, Part, Whose, listed, read::step},
};
use aws_sdk_ec2::types as ec2;
use futures::{FutureExt as _, future::join_all};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A VPC endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    pub id: String,
    /// The name of the service: `com.amazonaws.us-east-1.ssm`.
    pub service: String,
    /// True for an interface endpoint, which is in subnets. Others are in route tables.
    pub interface: bool,
    pub state: String,
    /// True if the service's own DNS name points at the endpoint within the VPC.
    pub private_dns: bool,
    pub subnets: Vec<String>,
    pub groups: Vec<String>,
    pub step: Option<String>,
}

/// A network ACL.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Acl {
    pub id: String,
    pub default: bool,
    pub subnets: Vec<String>,
    /// The entries, ingress first, then by number.
    pub entries: Vec<AclEntry>,
    pub step: Option<String>,
}

/// An entry of a network ACL.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AclEntry {
    pub number: i32,
    pub egress: bool,
    pub allow: bool,
    /// `-1` is every protocol, `6` is TCP.
    pub protocol: String,
    pub cidr: String,
    /// The first and the last port. `None`: all ports.
    pub ports: Option<(i32, i32)>,
}

/// A security group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecurityGroup {
    pub id: String,
    pub name: String,
    /// The key of the step that the group is, from its tag.
    pub step: Option<String>,
    pub ingress: Vec<GroupRule>,
    pub egress: Vec<GroupRule>,
}

/// A managed prefix list that a rule of a security group names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PrefixList {
    pub id: String,
    pub cidrs: Vec<String>,
}

/// A rule of a security group, for one peer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupRule {
    /// `tcp`, `udp`, `icmp`, or `-1` for every protocol.
    pub protocol: String,
    /// The first and the last port. `None`: all ports.
    pub ports: Option<(i32, i32)>,
    /// A CIDR, the id of a security group, or the id of a prefix list.
    pub peer: String,
}

/// Reads the security groups, network ACLs and endpoints of the VPC.
pub(crate) async fn follow(look: &Look<'_>) {
    let Some(vpc) = &look.vpc() else { return };
    let (acls, (), endpoints) = futures::join!(
        listed!(look, Acls, network_acls, "DescribeNetworkAcls", vpc, acl).boxed_local(),
        security_groups(look, vpc).boxed_local(),
        endpoints(look, vpc).boxed_local(),
    );
    look.keep(|s| {
        s.acls = acls;
        s.endpoints = endpoints;
    });
}

/// Reads the security groups, and the prefix lists that they name.
async fn security_groups(look: &Look<'_>, vpc: &str) {
    let groups = listed!(look, SecurityGroups, security_groups, "DescribeSecurityGroups", vpc, security_group).await;
    let lists = prefix_lists(look, &groups).await;
    look.keep(|s| {
        s.security_groups = groups;
        s.prefix_lists = lists;
    });
}

/// Returns the prefix lists that the rules of the stack's groups name.
///
/// Usually there are none. A list that cannot be read is left out.
async fn prefix_lists(look: &Look<'_>, groups: &[SecurityGroup]) -> Vec<PrefixList> {
    let rules = groups.iter().filter(|g| g.step.is_some()).flat_map(|g| g.ingress.iter().chain(&g.egress));
    let ids: BTreeSet<&String> = rules.map(|r| &r.peer).filter(|peer| peer.starts_with("pl-")).collect();
    let read = ids.into_iter().map(async |id: &String| {
        let call = look.aws.ec2.get_managed_prefix_list_entries().prefix_list_id(id).into_paginator();
        let all: Vec<_> = call.items().send().try_collect().await.during("GetManagedPrefixListEntries").ok()?;
        Some(PrefixList { id: id.clone(), cidrs: all.into_iter().filter_map(|e| e.cidr).collect() })
    });
    join_all(read).await.into_iter().flatten().collect()
}

/// Returns the endpoints, which only instances without public addresses need.
async fn endpoints(look: &Look<'_>, vpc: &str) -> Vec<Endpoint> {
    if !look.expected.private_instances {
        return vec![];
    }
    listed!(look, Endpoints, vpc_endpoints, "DescribeVpcEndpoints", vpc, endpoint).await
}

fn endpoint(e: ec2::VpcEndpoint, whose: &Whose) -> Endpoint {
    Endpoint {
        step: step(e.tags(), whose),
        interface: e.vpc_endpoint_type().is_some_and(|t| t.as_str() == "Interface"),
        // AWS writes the state in upper or in lower case.
        state: e.state().map_or("pending".into(), |s| s.as_str().to_ascii_lowercase()),
        id: e.vpc_endpoint_id.unwrap_or_default(),
        service: e.service_name.unwrap_or_default(),
        private_dns: e.private_dns_enabled.unwrap_or_default(),
        subnets: e.subnet_ids.unwrap_or_default(),
        groups: e.groups.unwrap_or_default().into_iter().filter_map(|g| g.group_id).collect(),
    }
}

fn acl(a: ec2::NetworkAcl, whose: &Whose) -> Acl {
    let entries = a.entries.unwrap_or_default().into_iter().map(|e| AclEntry {
        number: e.rule_number.unwrap_or_default(),
        egress: e.egress.unwrap_or_default(),
        allow: e.rule_action.is_some_and(|a| a.as_str() == "allow"),
        protocol: e.protocol.unwrap_or_default(),
        cidr: e.cidr_block.or(e.ipv6_cidr_block).unwrap_or_default(),
        ports: e.port_range.and_then(|p| Some((p.from?, p.to?))),
    });
    let mut entries: Vec<AclEntry> = entries.collect();
    entries.sort_by_key(|e| (e.egress, e.number));
    Acl {
        step: step(a.tags.as_deref().unwrap_or_default(), whose),
        id: a.network_acl_id.unwrap_or_default(),
        default: a.is_default.unwrap_or_default(),
        subnets: a.associations.unwrap_or_default().into_iter().filter_map(|a| a.subnet_id).collect(),
        entries,
    }
}

fn security_group(g: ec2::SecurityGroup, whose: &Whose) -> SecurityGroup {
    SecurityGroup {
        step: step(g.tags(), whose),
        id: g.group_id.unwrap_or_default(),
        name: g.group_name.unwrap_or_default(),
        ingress: permissions(g.ip_permissions),
        egress: permissions(g.ip_permissions_egress),
    }
}

/// Returns one rule for each peer of these permissions.
fn permissions(all: Option<Vec<ec2::IpPermission>>) -> Vec<GroupRule> {
    let mut rules = vec![];
    for p in all.unwrap_or_default() {
        let protocol = p.ip_protocol.unwrap_or_default();
        let ports = p.from_port.zip(p.to_port).filter(|_| protocol != "-1");
        let v4 = p.ip_ranges.unwrap_or_default().into_iter().filter_map(|r| r.cidr_ip);
        let v6 = p.ipv6_ranges.unwrap_or_default().into_iter().filter_map(|r| r.cidr_ipv6);
        let groups = p.user_id_group_pairs.unwrap_or_default().into_iter().filter_map(|g| g.group_id);
        let lists = p.prefix_list_ids.unwrap_or_default().into_iter().filter_map(|l| l.prefix_list_id);
        let peers = v4.chain(v6).chain(groups).chain(lists);
        rules.extend(peers.map(|peer| GroupRule { protocol: protocol.clone(), ports, peer }));
    }
    rules
}
