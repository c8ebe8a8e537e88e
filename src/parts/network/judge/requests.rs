//! The findings about the way of requests to the balancer: from the internet, or from the VPC to an internal one.
use crate::{
    diagnose::{Draft, Drafts, Fix, View, names},
    parts::network::judge::broken_way,
    shell::command,
    snapshot::{Balancer, Part},
};

/// Judges the routes, VPC Block Public Access and the network ACLs of the balancer's subnets.
pub(crate) fn of_balancer(view: &View<'_>, b: &Balancer, hop: &mut Drafts) {
    let s = view.s;
    let subnets: Vec<&str> = b.zones.iter().map(|z| z.subnet.as_str()).collect();
    if !s.expected.internal && s.saw(Part::RouteTables) && !s.route_tables.is_empty() {
        let mut said: Vec<String> = vec![];
        for subnet in &subnets {
            let Some((table, way)) = view.way_out(subnet) else { continue };
            if said.contains(&table.id) {
                continue;
            }
            if let Some(draft) = broken_way(view, &table.id, &way, subnet) {
                said.push(table.id.clone());
                hop.push(draft);
            }
        }
    }
    hop.extend(public_access(view, &subnets).filter(|_| !s.expected.internal));
    if let Some(stop) = view.acl_stops(&subnets, view.visitor(), s.expected.listener_port) {
        hop.push(stop.finding(view, "acl-balancer", "requests to the balancer, or its answers"));
    }
}

/// Returns the finding for the balancer's subnets that VPC Block Public Access blocks.
fn public_access(view: &View<'_>, subnets: &[&str]) -> Option<Draft> {
    let seen = || subnets.iter().filter_map(|id| view.subnet(id));
    let blocked: Vec<&str> = seen().filter(|s| s.blocked.is_some()).map(|s| s.id.as_str()).collect();
    let mode = seen().find_map(|s| s.blocked.as_deref())?;
    let vpc = view.vpc().unwrap_or("VPC");
    let exclude = command!(
        "aws ec2 create-vpc-block-public-access-exclusion --vpc-id {} --internet-gateway-exclusion-mode \
         allow-bidirectional",
        vpc
    );
    let off = "aws ec2 modify-vpc-block-public-access-options --internet-gateway-block-mode off";
    let fix: Fix = match view.s.public_access.clone() {
        Some(p) if p.by_policy && !p.exclusions => (
            "aws ec2 describe-vpc-block-public-access-options",
            "a policy of the organization sets it and allows no exclusion: ask its administrator",
        )
            .into(),
        Some(p) if !p.exclusions => off.into(),
        Some(p) if p.by_policy => (exclude, "exempts this VPC; the organization sets the mode itself").into(),
        _ => (exclude, "exempts this VPC; it takes some minutes").into(),
    };
    let all = blocked.len() == subnets.len();
    Some(
        Draft::new(
            "public-access-blocked",
            "VPC Block Public Access blocks requests from the internet to the balancer",
            format!(
                "{} in mode {mode}: {}",
                if all { "all its subnets" } else { "some of its subnets" },
                names(&blocked)
            ),
            fix,
        )
        .weak_if(!all && view.good_answer().is_some()),
    )
}
