//! The network as far as it decides who reaches whom.
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Vpc {
    pub id: String,
    pub cidr: String,
    /// What instances are told by DHCP, by AWS's words for it; `None`: it was not seen.
    pub options: Option<BTreeMap<String, Vec<String>>>,
    /// A set of DHCP options of the region that names Amazon's DNS server.
    pub usual_options: Option<String>,
    /// Whether Amazon's DNS server answers; `None`: it was not seen.
    pub dns_support: Option<bool>,
    /// Whether instances and file systems get names; `None`: it was not seen.
    pub dns_hostnames: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Subnet {
    pub id: String,
    pub zone: String,
    pub cidr: String,
    pub free_addresses: i32,
    /// Whether an instance launched in it gets a public address.
    pub public_ip: bool,
    /// How VPC Block Public Access stops it, where it does: `block-bidirectional`, `block-ingress`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<String>,
    /// Which step of the stack it is.
    pub step: Option<String>,
}

/// Who sets VPC Block Public Access, and whether VPCs may be let through.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PublicAccess {
    /// An organization's policy sets it, not the account.
    pub by_policy: bool,
    pub exclusions: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteTable {
    pub id: String,
    pub main: bool,
    pub subnets: Vec<String>,
    pub routes: Vec<Route>,
    pub step: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Route {
    /// A CIDR or a prefix list.
    pub to: String,
    /// `local`, `igw-…`, `nat-…`, `vpce-…`
    pub via: String,
    /// `active` or `blackhole`
    pub state: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InternetGateway {
    pub id: String,
    /// The VPC it is attached to.
    pub vpc: Option<String>,
    pub step: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NatGateway {
    pub id: String,
    /// The one it stands in.
    pub subnet: String,
    /// One that is deleted is listed for an hour.
    pub state: String,
    /// Why it failed, in AWS's words.
    pub reason: Option<String>,
    pub step: Option<String>,
}

/// A VPC endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    pub id: String,
    /// `com.amazonaws.us-east-1.ssm`
    pub service: String,
    /// In subnets, not in route tables.
    pub interface: bool,
    pub state: String,
    /// Whether the service's own name leads to it within the VPC.
    pub private_dns: bool,
    pub subnets: Vec<String>,
    pub groups: Vec<String>,
    pub step: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Acl {
    pub id: String,
    pub default: bool,
    pub subnets: Vec<String>,
    /// By number.
    pub entries: Vec<AclEntry>,
    pub step: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AclEntry {
    pub number: i32,
    pub egress: bool,
    pub allow: bool,
    /// `-1` is every protocol, `6` is TCP.
    pub protocol: String,
    pub cidr: String,
    /// First and last port; none is all of them.
    pub ports: Option<(i32, i32)>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecurityGroup {
    pub id: String,
    pub name: String,
    /// Which step of the stack it is.
    pub step: Option<String>,
    pub ingress: Vec<GroupRule>,
    pub egress: Vec<GroupRule>,
}

/// Ranges under one name, as rules of security groups name them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PrefixList {
    pub id: String,
    pub cidrs: Vec<String>,
}

/// One permission for one peer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupRule {
    /// `tcp`, `udp`, `icmp`, or `-1` for every one.
    pub protocol: String,
    /// First and last port; none is all of them.
    pub ports: Option<(i32, i32)>,
    /// A CIDR, a group's id or a prefix list's.
    pub peer: String,
}
