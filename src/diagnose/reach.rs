//! Who reaches whom: security groups, routes and network ACLs, as AWS weighs them.
use super::{Draft, Fix, UP, names};
use crate::{
    config::{Cidr, Origin},
    shell::{Ours, command},
    snapshot::{
        AclEntry, Answer, Beacon, GroupRule, Instance, Member, Part, RouteTable, SecurityGroup, Snapshot, Subnet,
        Target,
    },
};
use std::net::Ipv4Addr;

/// A snapshot with the questions one has about it.
pub(super) struct View<'a> {
    pub s: &'a Snapshot,
}

/// One side of a connection: its security groups and where its addresses are.
#[derive(Clone, Default)]
pub(super) struct Peer {
    pub groups: Vec<String>,
    pub nets: Vec<Cidr>,
    /// A prefix list, by id.
    pub list: Option<String>,
}

/// What the default route of a subnet is good for.
#[derive(Debug, PartialEq)]
pub(super) enum Way {
    /// To an internet gateway that is attached.
    Internet,
    /// Through something else: a NAT gateway, a transit gateway.
    Through(String),
    Blackhole {
        via: String,
    },
    /// To an internet gateway that is not attached to the VPC.
    Detached {
        via: String,
    },
    None,
}

/// An address nobody has, for "anywhere".
const SOMEBODY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

impl<'a> View<'a> {
    pub fn new(s: &'a Snapshot) -> Self {
        Self { s }
    }

    /// These words when this part was seen; else that it was not.
    pub fn absent(&self, part: Part, words: impl Into<String>) -> String {
        if self.s.saw(part) { words.into() } else { "could not be looked at".into() }
    }

    /// The VPC, by who knows it.
    pub fn vpc(&self) -> Option<&'a str> {
        let own = self.s.vpc.as_ref().map(|v| &v.id);
        let of_balancer = || self.s.balancer.as_ref().map(|b| &b.vpc);
        let of_targets = || self.s.target_group.as_ref().map(|t| &t.vpc);
        own.or_else(of_balancer).or_else(of_targets).map(String::as_str)
    }

    /// The security group that is this step of the stack.
    pub fn group(&self, name: &str) -> Option<&'a SecurityGroup> {
        let key = format!("security-group/{name}");
        self.s.security_groups.iter().find(|g| g.step.as_deref() == Some(&key))
    }

    /// The id of that group, also when it is not seen: an empty text, which matches nothing.
    pub fn group_id(&self, name: &str) -> &'a str {
        self.group(name).map_or("", |g| &g.id)
    }

    fn rules(&self, ids: &[String], of: impl Fn(&'a SecurityGroup) -> &'a Vec<GroupRule>) -> Vec<&'a GroupRule> {
        self.s.security_groups.iter().filter(|g| ids.contains(&g.id)).flat_map(of).collect()
    }

    /// Whether those who carry these groups may be reached on this TCP port by that side. Where its addresses could not
    /// be seen nobody can say that they may not.
    pub fn lets_in(&self, ids: &[String], port: u16, from: &Peer) -> bool {
        self.hides(from) || self.passes(&self.rules(ids, |g| &g.ingress), port, from)
    }

    /// Whether those who carry these groups may reach that side on this TCP port; as for `lets_in`.
    pub fn lets_out(&self, ids: &[String], port: u16, to: &Peer) -> bool {
        self.hides(to) || self.passes(&self.rules(ids, |g| &g.egress), port, to)
    }

    fn hides(&self, peer: &Peer) -> bool {
        peer.nets.is_empty() && peer.list.is_none() && !self.s.saw(Part::Subnets)
    }

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
            // Nobody knows what is in it: only who lets everybody through does so with it.
            None if peer.list.is_some() => vec![Cidr::default()],
            None => peer.nets.clone(),
        };
        // A list that could not be read may hold any range, but hardly all of them.
        let held = |n: &Cidr| unread && n.prefix_len() > 0;
        !nets.is_empty() && nets.iter().all(|n| held(n) || open.iter().any(|o| o.contains(n)))
    }

    pub fn lets_out_to_all(&self, ids: &[String], port: u16) -> bool {
        self.lets_out(ids, port, &anywhere())
    }

    /// Whether groups are there to be judged.
    pub fn saw_groups(&self) -> bool {
        self.s.saw(Part::SecurityGroups) && !self.s.security_groups.is_empty()
    }

    pub fn subnet(&self, id: &str) -> Option<&'a Subnet> {
        self.s.subnets.iter().find(|s| s.id == id)
    }

    fn cidrs(&self, subnets: impl IntoIterator<Item = &'a str>) -> Vec<Cidr> {
        let mut all: Vec<Cidr> = subnets.into_iter().filter_map(|id| self.subnet(id)?.cidr.parse().ok()).collect();
        all.sort();
        all.dedup();
        all
    }

    /// The balancer, as the instances' groups see it.
    pub fn balancer(&self) -> Peer {
        let Some(b) = &self.s.balancer else { return Peer::default() };
        Peer { groups: b.groups.clone(), nets: self.cidrs(b.zones.iter().map(|z| z.subnet.as_str())), list: None }
    }

    /// The name of the step that is the instances' security group.
    pub fn instances_group(&self) -> &'a str {
        &self.s.expected.own.security_group
    }

    /// The instances that are meant to serve, with the group they should carry: that one does not is said of itself.
    pub fn app(&self) -> Peer {
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

    /// Instances that run or are about to.
    pub fn alive(&self) -> Vec<&'a Instance> {
        self.s.instances.iter().filter(|i| matches!(i.state.as_str(), "pending" | "running")).collect()
    }

    pub fn instance(&self, id: &str) -> Option<&'a Instance> {
        self.s.instances.iter().find(|i| i.id == id)
    }

    /// Members of the Auto Scaling group that are not on their way out.
    pub fn members(&self) -> Vec<&'a Member> {
        let all = self.s.auto_scaling_group.iter().flat_map(|g| &g.members);
        all.filter(|m| !m.lifecycle.starts_with("Terminat")).collect()
    }

    /// Targets that are wanted: not on their way out.
    pub fn targets(&self) -> Vec<&'a Target> {
        self.s.targets.iter().filter(|t| t.state != "draining").collect()
    }

    /// How many targets there are, or should be where that is more.
    pub fn targets_expected(&self) -> usize {
        let wanted = self.s.auto_scaling_group.as_ref().map_or(self.s.expected.desired, |g| g.desired);
        self.targets().len().max(wanted.try_into().unwrap_or_default())
    }

    pub fn healthy(&self) -> usize {
        self.s.targets.iter().filter(|t| t.state == "healthy").count()
    }

    /// Whether requests find a healthy target now. Where the targets' health could not be seen, nothing is said to be lost
    /// unless the answers from outside say so.
    pub fn serves(&self) -> bool {
        if self.s.saw_targets() {
            return self.healthy() > 0;
        }
        self.s.probe.answers.is_empty() || self.good_answer().is_some()
    }

    pub fn good_answer(&self) -> Option<&'a Answer> {
        self.s.probe.answers.iter().find(|a| a.good())
    }

    /// What booting instances say, one of each.
    pub fn beacons(&self) -> Vec<&'a Beacon> {
        let mut seen: Vec<&Beacon> = vec![];
        for beacon in self.s.probe.answers.iter().filter_map(|a| a.beacon.as_ref()) {
            if beacon.instance.is_none() || seen.iter().all(|b| b.instance != beacon.instance) {
                seen.push(beacon);
            }
        }
        seen
    }

    pub fn table(&self, subnet: &str) -> Option<&'a RouteTable> {
        let own = self.s.route_tables.iter().find(|t| t.subnets.iter().any(|s| s == subnet));
        own.or_else(|| self.s.route_tables.iter().find(|t| t.main))
    }

    pub fn way_out(&self, subnet: &str) -> Option<(&'a RouteTable, Way)> {
        let table = self.table(subnet)?;
        let Some(route) = table.routes.iter().find(|r| r.to == "0.0.0.0/0") else { return Some((table, Way::None)) };
        let via = route.via.clone();
        let way = if via.starts_with("igw-") {
            let gateway = self.s.internet_gateways.iter().find(|g| g.id == via);
            let attached = gateway.is_some_and(|g| g.vpc.is_some() && g.vpc.as_deref() == self.vpc());
            match (gateway, attached, route.state.as_str()) {
                _ if !self.s.saw(Part::InternetGateways) && route.state != "blackhole" => Way::Internet,
                (Some(_), false, _) => Way::Detached { via },
                (None, _, _) | (_, _, "blackhole") => Way::Blackhole { via },
                _ => Way::Internet,
            }
        } else if route.state == "blackhole" {
            Way::Blackhole { via }
        } else {
            Way::Through(via)
        };
        Some((table, way))
    }

    /// Which subnets' network ACL stops this: a connection between them and that address, on this port.
    pub fn acl_stops(&self, subnets: &[&str], from: Ipv4Addr, port: u16) -> Option<AclStop> {
        self.acl_on_the_way(subnets, from, port, true)
    }

    /// Which subnets' network ACL stops this: a connection from them to somewhere on the internet, on this port.
    pub fn acl_stops_out(&self, subnets: &[&str], port: u16) -> Option<AclStop> {
        self.acl_on_the_way(subnets, SOMEBODY, port, false)
    }

    fn acl_on_the_way(&self, subnets: &[&str], other: Ipv4Addr, port: u16, inbound: bool) -> Option<AclStop> {
        // Requests on the port, answers on one of the high ports that clients use.
        let high = 40_000;
        for acl in &self.s.acls {
            let hit: Vec<&str> = subnets.iter().copied().filter(|s| acl.subnets.iter().any(|a| a == s)).collect();
            if hit.is_empty() {
                continue;
            }
            let (there, back) = if inbound { ((false, port), (true, high)) } else { ((true, port), (false, high)) };
            for (egress, port) in [there, back] {
                let first = acl.entries.iter().find(|e| e.egress == egress && takes(e, other, port));
                if first.is_none_or(|e| !e.allow) {
                    let number = first.map(|e| e.number).filter(|n| *n < 32_767);
                    return Some(AclStop { acl: acl.id.clone(), subnets: names(&hit), egress, port, number });
                }
            }
        }
        None
    }

    /// An address that should get through to the balancer.
    pub fn visitor(&self) -> Ipv4Addr {
        let of_list = |id: &String| self.s.prefix_lists.iter().find(|l| l.id == *id)?.cidrs.first()?.parse().ok();
        let first = self.s.expected.http.iter().find_map(|c| c.parse::<Cidr>().ok().or_else(|| of_list(c)));
        first.filter(|c| !c.contains(&SOMEBODY)).map_or(SOMEBODY, |c| c.addr())
    }

    /// What repairs the network: gameday where it is ours, this command where it is not.
    pub fn network_fix(&self, other: impl Into<Fix>) -> Fix {
        if self.s.expected.network == Origin::Use { other.into() } else { UP.into() }
    }
}

/// Where a network ACL stops a connection.
pub(super) struct AclStop {
    pub acl: String,
    pub subnets: String,
    pub egress: bool,
    pub port: u16,
    /// The entry that denies it; without one nothing allows it.
    pub number: Option<i32>,
}

impl AclStop {
    pub fn finding(&self, view: &View<'_>, rule: &'static str, what: &str) -> Draft {
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

pub(super) fn anywhere() -> Peer {
    Peer { nets: vec![Cidr::default()], ..Peer::default() }
}

/// A source as the stack file has it: a range, or a prefix list.
pub(super) fn net(source: &str) -> Peer {
    let list = source.starts_with("pl-").then(|| source.to_owned());
    Peer { nets: source.parse().into_iter().collect(), list, ..Peer::default() }
}

fn takes(e: &AclEntry, other: Ipv4Addr, port: u16) -> bool {
    let cidr: Option<Cidr> = e.cidr.parse().ok();
    matches!(e.protocol.as_str(), "-1" | "6" | "tcp")
        && cidr.is_some_and(|c| c.contains(&other))
        && e.ports.is_none_or(|(from, to)| e.protocol == "-1" || (from..=to).contains(&i32::from(port)))
}
