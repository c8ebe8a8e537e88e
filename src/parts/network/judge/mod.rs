//! The findings about the network, for the hops that depend on it: the balancer and the instances.
mod dns;
mod egress;
mod requests;
mod ways_out;

pub(crate) use dns::findings as name_servers;
pub(crate) use requests::of_balancer;
pub(crate) use ways_out::of_fleet;

use crate::{
    config::Origin,
    diagnose::{self, Draft, Drafts, Fix, UP, View, adopt},
    shell::command,
    snapshot::{Part, RouteTable, Subnet},
};

/// The target of a subnet's default route.
#[derive(Debug, PartialEq)]
pub(crate) enum Way {
    /// An attached internet gateway.
    Internet,
    /// Another target, by its id: a NAT gateway, a transit gateway.
    Through(String),
    /// A target that does not exist or is detached.
    Blackhole { via: String },
    /// An internet gateway that is not attached to the VPC.
    Detached { via: String },
    /// There is no default route.
    None,
}

impl<'a> View<'a> {
    /// Returns the subnet with this id.
    pub(crate) fn subnet(&self, id: &str) -> Option<&'a Subnet> {
        self.s.subnets.iter().find(|s| s.id == id)
    }

    /// Returns the route table of a subnet: its own, or the main one.
    pub(crate) fn table(&self, subnet: &str) -> Option<&'a RouteTable> {
        let own = self.s.route_tables.iter().find(|t| t.subnets.iter().any(|s| s == subnet));
        own.or_else(|| self.s.route_tables.iter().find(|t| t.main))
    }

    /// Returns the route table of a subnet and the target of its default route.
    pub(crate) fn way_out(&self, subnet: &str) -> Option<(&'a RouteTable, Way)> {
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

    /// Returns the repair of the network: `gameday up` if the network is the stack's own, otherwise this command.
    pub(crate) fn network_fix(&self, other: impl Into<Fix>) -> Fix {
        if self.s.expected.network == Origin::Use { other.into() } else { UP.into() }
    }
}

/// Adds findings for missing objects of a network that is the stack's own.
pub(crate) fn missing(view: &View<'_>, hop: &mut Drafts) {
    let s = view.s;
    if s.vpc.is_none() && s.saw(Part::Vpc) && s.expected.vpc.is_none() {
        let no_tag = format!("no VPC carries the tag {}={}", s.whose.keys.stack(), s.whose.stack);
        // The VPC of the balancer is the stack's, if it contains subnets of the stack.
        let home = view.vpc().filter(|_| s.subnets.iter().any(|n| n.step.is_some()));
        hop.push(match (home, s.expected.step("vpc")) {
            (Some(id), Some(key)) => Draft::new(
                "vpc-untagged",
                format!("the stack's VPC {id} has lost its tags: gameday does not touch it"),
                format!("{no_tag}; the stack's subnets are in {id}"),
                adopt(key, id),
            )
            .weak_if(view.serves()),
            _ => Draft::new("vpc-missing", "the stack has no VPC", no_tag, UP),
        });
    }
    subnets_missing(view, hop);
}

/// Adds a finding for the stack's subnets that are gone.
fn subnets_missing(view: &View<'_>, hop: &mut Drafts) {
    let s = view.s;
    if s.expected.network == Origin::Use || s.vpc.is_none() || !s.saw(Part::Subnets) {
        return;
    }
    let there = |key: &&String| s.subnets.iter().any(|n| n.step.as_ref() == Some(*key));
    let wanted: Vec<&String> = s.expected.steps.iter().filter(|k| k.starts_with("subnet/")).collect();
    let gone: Vec<&String> = wanted.iter().copied().filter(|k| !there(k)).collect();
    if !gone.is_empty() {
        hop.push(
            Draft::new(
                "subnet-missing",
                format!("{} of {} subnets are gone", gone.len(), wanted.len()),
                diagnose::names(gone),
                UP,
            )
            .weak_if(view.serves()),
        );
    }
}

/// Returns the finding for a public subnet whose default route does not reach the internet.
pub(crate) fn broken_way(view: &View<'_>, table: &str, way: &Way, subnet: &str) -> Option<Draft> {
    let vpc = view.vpc().unwrap_or("the VPC");
    let gateway = view.s.internet_gateways.iter().find(|g| g.vpc.as_deref() == Some(vpc));
    let route = |to: &str| {
        view.network_fix(command!(
            "aws ec2 create-route --route-table-id {} --destination-cidr-block 0.0.0.0/0 --gateway-id {}",
            table,
            to
        ))
    };
    let attach = |id: &str| {
        view.network_fix(command!("aws ec2 attach-internet-gateway --internet-gateway-id {} --vpc-id {}", id, vpc))
    };
    let make = || {
        let note = format!("then attach it to {vpc}, and add a route for 0.0.0.0/0 in {table} to it");
        view.network_fix(("aws ec2 create-internet-gateway", note))
    };
    let saw_gateways = view.s.saw(Part::InternetGateways);
    let lost = "requests from the internet get no answer, and instances cannot reach the internet";
    Some(match way {
        Way::Internet => return None,
        Way::Detached { via } => Draft::new(
            "gateway-detached",
            format!("the internet gateway {via} is not attached to {vpc}"),
            format!("the route for 0.0.0.0/0 in {table} points at it: {lost}"),
            attach(via),
        ),
        Way::Blackhole { via } if via.starts_with("igw-") && gateway.is_none() && saw_gateways => Draft::new(
            "gateway-missing",
            format!("{vpc} has no internet gateway"),
            format!("the route for 0.0.0.0/0 in {table} points at {via}, which is gone: {lost}"),
            make(),
        ),
        Way::Blackhole { via } => Draft::new(
            "route-blackhole",
            format!("the default route of {table} is a black hole"),
            format!("the route for 0.0.0.0/0 points at {via}, which is gone or detached ({subnet})"),
            gateway.map_or_else(make, |g| route(&g.id)),
        ),
        Way::None if gateway.is_none() && saw_gateways => Draft::new(
            "gateway-missing",
            format!("{vpc} has no internet gateway"),
            format!("{table} of {subnet} has no route for 0.0.0.0/0: {lost}"),
            make(),
        ),
        Way::None => Draft::new(
            "route-missing",
            format!("the route table {table} has no route to the internet"),
            format!("no route for 0.0.0.0/0 in the table of {subnet}: {lost}"),
            gateway.map_or_else(make, |g| route(&g.id)),
        ),
        Way::Through(via) => Draft::new(
            "route-not-public",
            format!("the default route of {table} does not point at an internet gateway"),
            format!("the route for 0.0.0.0/0 points at {via}: {subnet} has to be public"),
            gateway.map_or_else(make, |g| route(&g.id)),
        ),
    })
}
