//! The network ACL that AWS creates with a VPC.
//!
//! It keeps AWS's defaults: it allows everything, and all subnets of the stack use it.
use super::{prelude::*, subnet::Subnet, vpc::Vpc, vpc_default};
use aws_sdk_ec2::types::{NetworkAcl, NetworkAclEntry, RuleAction};
use std::{cell::Cell, fmt};

/// The default network ACL of the stack's VPC.
pub struct DefaultNetworkAcl {
    aws: Aws,
    vpc: Ref<Vpc>,
    /// Subnets of the stack that use the ACL. Other subnets are not touched.
    subnets: Vec<Ref<Subnet>>,
    /// True after a delete: the object disappears with the VPC.
    dropped: Cell<bool>,
}

impl DefaultNetworkAcl {
    pub fn new(aws: Aws, vpc: Ref<Vpc>, subnets: Vec<Ref<Subnet>>) -> Self {
        Self { aws, vpc, subnets, dropped: Cell::new(false) }
    }
}

/// The managed fields of the default network ACL.
#[derive(Serialize)]
pub struct Spec {
    entries: Vec<Entry>,
    subnets: Known<Vec<String>>,
}

/// The output, which is empty because no other step refers to the object.
#[derive(Clone, Serialize)]
pub struct Output {}

/// One rule, wanted or found. The lowest number wins.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    egress: bool,
    number: i32,
    allow: bool,
    /// `-1` for all protocols and ports.
    protocol: String,
    ports: Option<(i32, i32)>,
    peer: String,
}

/// The number of the entry that allows everything.
const ALL: i32 = 100;
/// Entries from this number on belong to AWS: they deny everything else and cannot be changed.
const LAST: i32 = 32_767;

impl Resource for DefaultNetworkAcl {
    const KIND: &'static str = "default-network-acl";
    const OF_PARENT: bool = true;
    const PATIENCE: Duration = Duration::from_secs(120);
    const ACTIONS: &'static [&'static str] = &[
        "ec2:CreateNetworkAclEntry",
        "ec2:CreateTags",
        "ec2:DeleteNetworkAclEntry",
        "ec2:DescribeNetworkAcls",
        "ec2:ReplaceNetworkAclAssociation",
        "ec2:ReplaceNetworkAclEntry",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        // The VPC is needed even if no subnet uses the ACL.
        let _ = inputs.read(&self.vpc, |_| ());
        Spec {
            entries: [false, true].map(Entry::all).to_vec(),
            subnets: inputs.read_all(&self.subnets, |s| s.id.clone()).map(sorted),
        }
    }
    fn typical(&self) -> Typical {
        Typical::secs(1, 1, 0)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        if self.dropped.get() {
            return Ok(None);
        }
        let all = self.all_in_vpc(cx).await?;
        let Some(acl) = all.into_iter().find(|a| a.is_default() == Some(true)) else { return Ok(None) };
        let ours: Vec<String> = self.subnets.iter().filter_map(|s| cx.read(s, |s| s.id.clone()).now()).collect();
        let follow = acl.associations().iter().filter_map(|a| a.subnet_id.clone()).filter(|s| ours.contains(s));
        Ok(Some(Found {
            spec: Spec {
                entries: sorted(acl.entries().iter().filter_map(entry).collect()),
                subnets: Known::Now(sorted(follow.collect())),
            },
            output: Some(Output {}),
            phase: Phase::Ready,
            tags: vpc_default::tags_of(cx, acl.tags()),
            id: acl.network_acl_id.unwrap_or_default(),
        }))
    }

    async fn create(&self, _: &Cx<'_>, _: &Spec) -> Result<()> {
        self.dropped.set(false);
        Err(vpc_default::not_visible_yet("DescribeNetworkAcls", "default network ACL"))
    }

    async fn update(&self, cx: &Cx<'_>, want: &Spec, found: &Found<Self>, diff: &Diff) -> Result<()> {
        if diff.touches("entries") {
            self.set_entries(&found.id, &found.spec.entries, &want.entries).await?;
        }
        if diff.touches("subnets") { self.attach_subnets(cx, &found.id, want.subnets.get()?).await } else { Ok(()) }
    }

    async fn delete(&self, _: &Cx<'_>, _: &Found<Self>) -> Result<()> {
        self.dropped.set(true);
        Ok(())
    }

    async fn tag(&self, cx: &Cx<'_>, found: &Found<Self>, _: &Tags) -> Result<()> {
        vpc_default::tag(&self.aws, cx, &found.id).await
    }
}

impl DefaultNetworkAcl {
    /// Returns all network ACLs of the VPC, from the listing that all steps share.
    async fn all_in_vpc(&self, cx: &Cx<'_>) -> Result<Vec<NetworkAcl>> {
        let Some(vpc) = cx.read(&self.vpc, |v| v.id.clone()).now() else { return Ok(vec![]) };
        let all = listing::network_acls(&self.aws).await?;
        Ok(all.iter().filter(|a| a.vpc_id() == Some(&vpc)).cloned().collect())
    }

    async fn set_entries(&self, acl: &str, have: &[Entry], want: &[Entry]) -> Result<()> {
        let ec2 = &self.aws.ec2;
        let at = |e: &Entry, all: &[Entry]| all.iter().find(|h| (h.egress, h.number) == (e.egress, e.number)).cloned();
        for wanted in want.iter().filter(|w| !have.contains(w)) {
            // The two builders have the same shape. The wanted entries cover all protocols and addresses.
            if at(wanted, have).is_some() {
                let call = ec2.replace_network_acl_entry().network_acl_id(acl).egress(wanted.egress);
                let call = call.rule_number(wanted.number).rule_action(RuleAction::Allow);
                let call = call.protocol(&wanted.protocol).cidr_block(&wanted.peer);
                call.send().await.during("ReplaceNetworkAclEntry").map_err(look_again)?;
            } else {
                let call = ec2.create_network_acl_entry().network_acl_id(acl).egress(wanted.egress);
                let call = call.rule_number(wanted.number).rule_action(RuleAction::Allow);
                let call = call.protocol(&wanted.protocol).cidr_block(&wanted.peer);
                call.send().await.during("CreateNetworkAclEntry").map_err(look_again)?;
            }
        }
        // Wanted entries are added before others are removed.
        for extra in have.iter().filter(|h| at(h, want).is_none()) {
            let call = ec2.delete_network_acl_entry().network_acl_id(acl);
            let call = call.egress(extra.egress).rule_number(extra.number);
            call.send().await.or_gone("DeleteNetworkAclEntry")?;
        }
        Ok(())
    }

    /// Makes the subnets use this ACL instead of their current one. A subnet always has exactly one.
    async fn attach_subnets(&self, cx: &Cx<'_>, acl: &str, subnets: &[String]) -> Result<()> {
        let all = self.all_in_vpc(cx).await?;
        let others = all.iter().filter(|a| a.network_acl_id() != Some(acl)).flat_map(|a| a.associations());
        let astray = others.filter(|a| a.subnet_id().is_some_and(|id| subnets.iter().any(|s| s == id)));
        for association in astray.filter_map(|a| a.network_acl_association_id()) {
            let call = self.aws.ec2.replace_network_acl_association().network_acl_id(acl);
            let call = call.association_id(association).send().await;
            call.during("ReplaceNetworkAclAssociation").map_err(look_again)?;
        }
        Ok(())
    }
}

impl Entry {
    /// Returns the entry that allows everything in this direction.
    fn all(egress: bool) -> Self {
        let peer = "0.0.0.0/0".into();
        Self { egress, number: ALL, allow: true, protocol: "-1".into(), ports: None, peer }
    }
}

/// Reads an entry that a user can have created.
///
/// AWS's final entries are left out, and so is the entry that AWS adds when the VPC gets an IPv6 range.
fn entry(e: &NetworkAclEntry) -> Option<Entry> {
    let number = e.rule_number().unwrap_or_default();
    let all = e.protocol() == Some("-1");
    let (allow, v6) = (e.rule_action() == Some(&RuleAction::Allow), e.ipv6_cidr_block());
    if number >= LAST || number == ALL + 1 && all && allow && v6 == Some("::/0") {
        return None;
    }
    let ports = e.port_range().and_then(|p| Some((p.from()?, p.to()?))).filter(|_| !all);
    Some(Entry {
        egress: e.egress().unwrap_or_default(),
        number,
        allow,
        protocol: e.protocol().unwrap_or_default().into(),
        ports,
        peer: e.cidr_block().or(v6).unwrap_or_default().into(),
    })
}

/// Writes an entry such as `in 90: deny tcp 80 from 0.0.0.0/0`.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (way, word) = if self.egress { ("out", "to") } else { ("in", "from") };
        let protocol = match self.protocol.as_str() {
            "-1" => "all",
            "1" => "icmp",
            "6" => "tcp",
            "17" => "udp",
            other => other,
        };
        write!(f, "{way} {}: {} {protocol}", self.number, if self.allow { "allow" } else { "deny" })?;
        match self.ports {
            Some((from, to)) if from == to => write!(f, " {from}")?,
            Some((from, to)) => write!(f, " {from}-{to}")?,
            None => {}
        }
        write!(f, " {word} {}", self.peer)
    }
}

impl Serialize for Entry {
    fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
