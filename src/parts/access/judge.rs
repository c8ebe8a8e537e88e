//! The evaluation of security groups and network ACLs: which connections they allow.
use crate::{
    config::Cidr,
    diagnose::{Draft, View, names},
    shell::{Ours, command},
    snapshot::{AclEntry, GroupRule, Part, SecurityGroup},
};
use std::net::Ipv4Addr;

/// One side of a connection: its security groups and the ranges of its addresses.
#[derive(Clone, Default)]
pub(crate) struct Peer {
    pub groups: Vec<String>,
    pub nets: Vec<Cidr>,
    /// The id of a prefix list, instead of ranges.
    pub list: Option<String>,
}

/// An address from a range for documentation, as a sample of the internet.
const SAMPLE_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

impl<'a> View<'a> {
    /// Returns the security group that is the step of this name.
    pub(crate) fn group(&self, name: &str) -> Option<&'a SecurityGroup> {
        let key = format!("security-group/{name}");
        self.s.security_groups.iter().find(|g| g.step.as_deref() == Some(&key))
    }

    /// Returns the id of the security group that is the step of this name.
    ///
    /// If the group was not seen, the id is empty and matches nothing.
    pub(crate) fn group_id(&self, name: &str) -> &'a str {
        self.group(name).map_or("", |g| &g.id)
    }

    /// Returns the rules of these groups, ingress or egress as `of` selects.
    fn rules(&self, ids: &[String], of: impl Fn(&'a SecurityGroup) -> &'a Vec<GroupRule>) -> Vec<&'a GroupRule> {
        self.s.security_groups.iter().filter(|g| ids.contains(&g.id)).flat_map(of).collect()
    }

    /// True if the groups `ids` let `from` in on this TCP port.
    ///
    /// If the addresses of `from` could not be seen, the answer is true, since nothing proves the opposite.
    pub(crate) fn lets_in(&self, ids: &[String], port: u16, from: &Peer) -> bool {
        self.is_unseen(from) || self.passes(&self.rules(ids, |g| &g.ingress), port, from)
    }

    /// True if the groups `ids` let connections out to `to` on this TCP port.
    ///
    /// If the addresses of `to` could not be seen, the answer is true, as for `lets_in`.
    pub(crate) fn lets_out(&self, ids: &[String], port: u16, to: &Peer) -> bool {
        self.is_unseen(to) || self.passes(&self.rules(ids, |g| &g.egress), port, to)
    }

    /// True if the addresses of the peer could not be seen.
    fn is_unseen(&self, peer: &Peer) -> bool {
        peer.nets.is_empty() && peer.list.is_none() && !self.s.saw(Part::Subnets)
    }

    /// True if these rules allow TCP connections of the peer on this port.
    fn passes(&self, rules: &[&GroupRule], port: u16, peer: &Peer) -> bool {
        let port = i32::from(port);
        let on_port = |r: &&&GroupRule| {
            (r.protocol == "-1" || r.protocol == "tcp" || r.protocol == "6")
                && r.ports.is_none_or(|(from, to)| (from..=to).contains(&port) || from == -1)
        };
        let rules: Vec<&&GroupRule> = rules.iter().filter(on_port).collect();
        if rules.iter().any(|r| peer.groups.contains(&r.peer) || peer.list.as_ref() == Some(&r.peer)) {
            return true;
        }
        let mut open: Vec<Cidr> = rules.iter().filter_map(|r| r.peer.parse().ok()).collect();
        let mut unread = false;
        for id in rules.iter().map(|r| &r.peer).filter(|p| p.starts_with("pl-")) {
            match self.s.prefix_lists.iter().find(|l| l.id == *id) {
                Some(list) => open.extend(list.cidrs.iter().filter_map(|c| c.parse::<Cidr>().ok())),
                None => unread = true,
            }
        }
        let nets = match peer.list.as_ref().and_then(|id| self.s.prefix_lists.iter().find(|l| l.id == *id)) {
            Some(list) => list.cidrs.iter().filter_map(|c| c.parse().ok()).collect(),
            // The content of the list is unknown, so only a rule for every address is sure to include it.
            None if peer.list.is_some() => vec![Cidr::default()],
            None => peer.nets.clone(),
        };
        // A list that could not be read may contain any range, but hardly all addresses.
        let may_be_listed = |n: &Cidr| unread && n.prefix_len() > 0;
        !nets.is_empty() && nets.iter().all(|n| may_be_listed(n) || open.iter().any(|o| o.contains(n)))
    }

    /// True if the groups `ids` let connections out to every address on this TCP port.
    pub(crate) fn lets_out_to_all(&self, ids: &[String], port: u16) -> bool {
        self.lets_out(ids, port, &anywhere())
    }

    /// True if security groups were seen.
    pub(crate) fn saw_groups(&self) -> bool {
        self.s.saw(Part::SecurityGroups) && !self.s.security_groups.is_empty()
    }

    /// Returns the ranges of these subnets.
    fn cidrs(&self, subnets: impl IntoIterator<Item = &'a str>) -> Vec<Cidr> {
        let mut all: Vec<Cidr> = subnets.into_iter().filter_map(|id| self.subnet(id)?.cidr.parse().ok()).collect();
        all.sort();
        all.dedup();
        all
    }

    /// Returns the balancer as a peer: its security groups and the ranges of its subnets.
    pub(crate) fn balancer(&self) -> Peer {
        let Some(b) = &self.s.balancer else { return Peer::default() };
        Peer { groups: b.groups.clone(), nets: self.cidrs(b.zones.iter().map(|z| z.subnet.as_str())), list: None }
    }

    /// Returns the name of the step that is the instances' security group.
    pub(crate) fn instances_group(&self) -> &'a str {
        &self.s.expected.own.security_group
    }

    /// Returns the instances as a peer, with the security group that they should carry.
    ///
    /// An instance without that group is a finding of its own. The groups that the instances carry count only if that
    /// group was not seen.
    pub(crate) fn app(&self) -> Peer {
        let alive = self.alive();
        let subnets: Vec<&str> = if alive.is_empty() {
            self.s.auto_scaling_group.iter().flat_map(|g| &g.subnets).map(String::as_str).collect()
        } else {
            alive.iter().map(|i| i.subnet.as_str()).collect()
        };
        let mut groups: Vec<String> = match self.group(self.instances_group()) {
            Some(ours) => vec![ours.id.clone()],
            None => alive.iter().flat_map(|i| i.groups.clone()).collect(),
        };
        groups.sort();
        groups.dedup();
        Peer { groups, nets: self.cidrs(subnets), list: None }
    }

    /// Returns the network ACL that stops connections from this address to these subnets on this port.
    pub(crate) fn acl_stops(&self, subnets: &[&str], from: Ipv4Addr, port: u16) -> Option<AclStop> {
        self.acl_on_the_way(subnets, from, port, true)
    }

    /// Returns the network ACL that stops connections from these subnets to the internet on this port.
    pub(crate) fn acl_stops_out(&self, subnets: &[&str], port: u16) -> Option<AclStop> {
        self.acl_on_the_way(subnets, SAMPLE_ADDRESS, port, false)
    }

    /// Returns the first network ACL of these subnets that stops the requests or their answers.
    fn acl_on_the_way(&self, subnets: &[&str], other: Ipv4Addr, port: u16, inbound: bool) -> Option<AclStop> {
        // Requests use the port. Answers use one of the high ports that clients open.
        let high = 40_000;
        for acl in &self.s.acls {
            let hit: Vec<&str> = subnets.iter().copied().filter(|s| acl.subnets.iter().any(|a| a == s)).collect();
            if hit.is_empty() {
                continue;
            }
            let (there, back) = if inbound { ((false, port), (true, high)) } else { ((true, port), (false, high)) };
            for (egress, port) in [there, back] {
                let first = acl.entries.iter().find(|e| e.egress == egress && covers(e, other, port));
                if first.is_none_or(|e| !e.allow) {
                    let number = first.map(|e| e.number).filter(|n| *n < 32_767);
                    return Some(AclStop { acl: acl.id.clone(), subnets: names(&hit), egress, port, number });
                }
            }
        }
        None
    }

    /// Returns an address that should reach the balancer, from the sources that the stack file allows.
    pub(crate) fn visitor(&self) -> Ipv4Addr {
        let of_list = |id: &String| self.s.prefix_lists.iter().find(|l| l.id == *id)?.cidrs.first()?.parse().ok();
        let first = self.s.expected.http.iter().find_map(|c| c.parse::<Cidr>().ok().or_else(|| of_list(c)));
        first.filter(|c| !c.contains(&SAMPLE_ADDRESS)).map_or(SAMPLE_ADDRESS, |c| c.addr())
    }
}

/// The place where a network ACL stops a connection.
pub(crate) struct AclStop {
    pub acl: String,
    /// The ids of the subnets, for a message.
    pub subnets: String,
    pub egress: bool,
    pub port: u16,
    /// The number of the entry that denies the connection. `None`: no entry allows it.
    pub number: Option<i32>,
}

impl AclStop {
    /// Returns the finding. `what` names the connections that the ACL stops.
    pub(crate) fn finding(&self, view: &View<'_>, rule: &'static str, what: &str) -> Draft {
        let (way, flag) = if self.egress { ("outbound", Ours("--egress")) } else { ("inbound", Ours("--ingress")) };
        let said = match self.number {
            Some(n) => format!("entry {n} denies {way} TCP {}", self.port),
            None => format!("no entry allows {way} TCP {}", self.port),
        };
        let acl = &self.acl;
        let command = match self.number {
            Some(n) => {
                command!("aws ec2 delete-network-acl-entry --network-acl-id {} --rule-number {} {}", acl, n, flag)
            }
            None => command!(
                "aws ec2 create-network-acl-entry --network-acl-id {} --rule-number 90 {} --protocol=-1 --cidr-block \
                 0.0.0.0/0 --rule-action allow",
                acl,
                flag
            ),
        };
        let (cause, evidence) = (format!("network ACL {acl} stops {what}"), format!("{said} ({})", self.subnets));
        Draft::new(rule, cause, evidence, view.network_fix(command))
    }
}

/// Returns a peer with every IPv4 address.
pub(crate) fn anywhere() -> Peer {
    Peer { nets: vec![Cidr::default()], ..Peer::default() }
}

/// Returns a source of the stack file as a peer: a range or a prefix list.
pub(crate) fn net(source: &str) -> Peer {
    let list = source.starts_with("pl-").then(|| source.to_owned());
    Peer { nets: source.parse().into_iter().collect(), list, ..Peer::default() }
}

/// True if the entry applies to TCP connections with this address on this port.
fn covers(e: &AclEntry, other: Ipv4Addr, port: u16) -> bool {
    let cidr: Option<Cidr> = e.cidr.parse().ok();
    matches!(e.protocol.as_str(), "-1" | "6" | "tcp")
        && cidr.is_some_and(|c| c.contains(&other))
        && e.ports.is_none_or(|(from, to)| e.protocol == "-1" || (from..=to).contains(&i32::from(port)))
}

/// Returns the evidence that a security group is gone.
pub(crate) fn no_group(view: &View<'_>, name: &str) -> String {
    format!("no group carries the tag {}=security-group/{name}", view.s.whose.keys.step())
}
