//! The balancer: is it there, is it public, do its groups and its network let requests in and on?
use super::{
    Draft, Drafts, FREE_ADDRESSES, Fix, Hop, HopName, UP, View, adopt, names, no_group,
    reach::{Way, net},
    sorted,
};
use crate::{
    config::Origin,
    shell::command,
    snapshot::{Balancer, Part},
};

pub(super) fn hop(view: &View<'_>) -> Hop {
    let s = view.s;
    let mut hop = Draft::hop();
    if s.vpc.is_none() && s.saw(Part::Vpc) && s.expected.vpc.is_none() {
        let no_tag = format!("no VPC carries the tag {}={}", s.whose.keys.stack(), s.whose.stack);
        // Where the balancer is, and subnets of ours are, it is.
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
    subnets_missing(view, &mut hop);
    let Some(b) = &s.balancer else {
        let name = &s.expected.names.balancer;
        if s.saw(Part::Balancer) {
            hop.push(Draft::new(
                "balancer-missing",
                format!("there is no load balancer {name}"),
                format!("no load balancer has this name in {}", s.whose.region),
                (UP, "the new balancer has a new address: register it with the event"),
            ));
        }
        return hop.done(
            HopName::Balancer,
            s.saw(Part::Balancer),
            view.absent(Part::Balancer, format!("no load balancer {name}")),
        );
    };
    state(b, &mut hop);
    if b.scheme == "internal" {
        hop.push(Draft::new(
            "balancer-internal",
            "the balancer is internal: its addresses are private",
            format!("scheme of {} is internal", b.name),
            ("gameday up --replace load-balancer/main", "AWS cannot change it; the address changes"),
        ));
    }
    let off: Vec<&String> = s.expected.zones.iter().filter(|z| b.zones.iter().all(|bz| bz.zone != **z)).collect();
    if !off.is_empty() {
        let on = names(b.zones.iter().map(|z| &z.zone));
        hop.push(
            Draft::new(
                "balancer-zone-missing",
                format!("the balancer does not serve {}", names(&off)),
                format!("it has subnets in {on}; targets in another zone get no request"),
                UP,
            )
            .weak_if(view.serves()),
        );
    }
    if view.saw_groups() {
        groups(view, b, &mut hop);
    }
    network(view, b, &mut hop);
    let full: Vec<&str> = b
        .zones
        .iter()
        .filter_map(|z| view.subnet(&z.subnet))
        .filter(|s| s.free_addresses < 8)
        .map(|s| s.id.as_str())
        .collect();
    if !full.is_empty() {
        hop.push(
            Draft::new(
                "subnet-full",
                "a subnet of the balancer has fewer than 8 free addresses: it cannot grow, and answers 503 under load",
                names(full),
                view.network_fix((FREE_ADDRESSES, "free addresses there, or give the balancer larger subnets")),
            )
            .weak(),
        );
    }
    let evidence = format!("{} {}, {}, {}", b.name, b.state, b.scheme, names(sorted(b.zones.iter().map(|z| &z.zone))));
    hop.done(HopName::Balancer, s.saw(Part::Balancer), evidence)
}

fn state(b: &Balancer, hop: &mut Drafts) {
    let why = b.reason.clone().unwrap_or_else(|| format!("state of {} is {}", b.name, b.state));
    match b.state.as_str() {
        "provisioning" => hop.push(
            Draft::new(
                "balancer-provisioning",
                "AWS is still making the balancer",
                why,
                ("gameday up", "waits for it: 2 to 3 minutes in all"),
            )
            .waiting(),
        ),
        "failed" => hop.push(Draft::new(
            "balancer-failed",
            "AWS could not make the balancer",
            why,
            "gameday up --replace load-balancer/main",
        )),
        "active_impaired" => hop.push(
            Draft::new("balancer-impaired", "the balancer routes, but lacks resources to grow", why, "gameday up")
                .weak(),
        ),
        _ => {}
    }
}

/// Subnets of ours that are gone.
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
                names(gone),
                UP,
            )
            .weak_if(view.serves()),
        );
    }
}

fn groups(view: &View<'_>, b: &Balancer, hop: &mut Drafts) {
    let s = view.s;
    let port = s.expected.listener_port;
    let ours = view.group_id("alb");
    let shut: Vec<&String> = s.expected.http.iter().filter(|c| !view.lets_in(&b.groups, port, &net(c))).collect();
    if ours.is_empty() {
        hop.push(
            Draft::new("balancer-group-missing", "the balancer's security group is gone", no_group(view, "alb"), UP)
                .weak_if(shut.is_empty()),
        );
    } else if !b.groups.iter().any(|g| g == ours) {
        hop.push(
            Draft::new(
                "balancer-group-wrong",
                "the balancer does not carry its security group",
                format!(
                    "it carries {}, not {ours}: requests are stopped here, or the instances do not know the sender",
                    names(&b.groups)
                ),
                UP,
            )
            .weak_if(shut.is_empty() && view.lets_in(&view.app().groups, s.expected.port, &view.balancer())),
        );
    } else if !shut.is_empty() {
        hop.push(Draft::new(
            "balancer-ingress-missing",
            format!("the balancer's security group does not allow requests from {}", names(&shut)),
            format!(
                "{} has no ingress rule for TCP {port} from there: requests get no answer at all",
                names(&b.groups)
            ),
            UP,
        ));
    }
    let to_nobody = view.app().groups.is_empty() && view.app().nets.is_empty();
    if !view.lets_out(&b.groups, s.expected.port, &view.app()) && !to_nobody {
        hop.push(
            Draft::new(
                "balancer-egress-missing",
                "the balancer's security group lets nothing out to the instances",
                format!(
                    "{} has no egress rule for TCP {} to them: requests time out with 504",
                    names(&b.groups),
                    s.expected.port
                ),
                UP,
            )
            .symptom_if(!b.groups.iter().any(|g| g == ours)),
        );
    }
}

fn network(view: &View<'_>, b: &Balancer, hop: &mut Drafts) {
    let s = view.s;
    let subnets: Vec<&str> = b.zones.iter().map(|z| z.subnet.as_str()).collect();
    if s.saw(Part::RouteTables) && !s.route_tables.is_empty() {
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
    hop.extend(public_access(view, &subnets));
    if let Some(stop) = view.acl_stops(&subnets, view.visitor(), s.expected.listener_port) {
        hop.push(stop.finding(view, "acl-balancer", "requests to the balancer, or its answers"));
    }
}

/// Subnets of the balancer that VPC Block Public Access shuts off from the internet.
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
            "a policy of the organization sets it and allows no exclusion: ask who administers it",
        )
            .into(),
        Some(p) if !p.exclusions => off.into(),
        Some(p) if p.by_policy => (exclude, "lets this VPC through; the mode itself is set by the organization").into(),
        _ => (exclude, "lets this VPC through; some minutes pass until it does").into(),
    };
    let all = blocked.len() == subnets.len();
    Some(
        Draft::new(
            "public-access-blocked",
            "VPC Block Public Access keeps requests from the internet from the balancer",
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

/// A default route that leads nowhere, for a subnet that has to be public.
pub(super) fn broken_way(view: &View<'_>, table: &str, way: &Way, subnet: &str) -> Option<Draft> {
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
        let note = format!("then attach it to {vpc}, and lead 0.0.0.0/0 of {table} there");
        view.network_fix(("aws ec2 create-internet-gateway", note))
    };
    let saw_gateways = view.s.saw(Part::InternetGateways);
    let lost = "nothing from the internet is answered, and instances reach nothing";
    Some(match way {
        Way::Internet => return None,
        Way::Detached { via } => Draft::new(
            "gateway-detached",
            format!("the internet gateway {via} is not attached to {vpc}"),
            format!("{table} leads 0.0.0.0/0 to it: {lost}"),
            attach(via),
        ),
        Way::Blackhole { via } if via.starts_with("igw-") && gateway.is_none() && saw_gateways => Draft::new(
            "gateway-missing",
            format!("{vpc} has no internet gateway"),
            format!("{table} leads 0.0.0.0/0 to {via}, which is gone: {lost}"),
            make(),
        ),
        Way::Blackhole { via } => Draft::new(
            "route-blackhole",
            format!("the default route of {table} is a black hole"),
            format!("0.0.0.0/0 leads to {via}, which is gone or detached ({subnet})"),
            gateway.map_or_else(make, |g| route(&g.id)),
        ),
        Way::None if gateway.is_none() && saw_gateways => Draft::new(
            "gateway-missing",
            format!("{vpc} has no internet gateway"),
            format!("and {table} of {subnet} has no route for 0.0.0.0/0: {lost}"),
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
            format!("the route table {table} does not lead to an internet gateway"),
            format!("0.0.0.0/0 leads to {via}: {subnet} has to be public"),
            gateway.map_or_else(make, |g| route(&g.id)),
        ),
    })
}
