//! The findings about the instances' subnets: the ways out, and the network ACLs between the balancer and them.
use super::{Way, broken_way, egress};
use crate::{
    diagnose::{Draft, Drafts, UP, View, names, replace},
    parts::access::HTTPS,
    shell,
    snapshot::{AutoScalingGroup, Part},
};

/// Judges the subnets that the Auto Scaling group launches into.
pub(crate) fn of_fleet(view: &View<'_>, g: &AutoScalingGroup, hop: &mut Drafts) {
    let s = view.s;
    if !s.saw(Part::Subnets) || s.subnets.is_empty() {
        return;
    }
    let gone: Vec<&String> = g.subnets.iter().filter(|id| view.subnet(id).is_none()).collect();
    if !gone.is_empty() {
        hop.push(
            Draft::new(
                "fleet-subnet-gone",
                "the Auto Scaling group launches into subnets that do not exist in the VPC",
                names(&gone),
                UP,
            )
            .weak_if(gone.len() < g.subnets.len()),
        );
    }
    let off: Vec<&String> = s
        .expected
        .zones
        .iter()
        .filter(|z| !g.subnets.iter().filter_map(|id| view.subnet(id)).any(|n| n.zone == **z))
        .collect();
    if !off.is_empty() && gone.is_empty() {
        hop.push(
            Draft::new(
                "fleet-zone-missing",
                format!("the Auto Scaling group does not launch in {}", names(&off)),
                format!("its subnets: {}", names(&g.subnets)),
                UP,
            )
            .weak(),
        );
    }
    if !s.saw(Part::RouteTables) || s.route_tables.is_empty() {
        return;
    }
    if s.expected.private_instances {
        egress::ways_out(view, g, hop);
    } else {
        public_ways_out(view, g, hop);
    }
    let subnets: Vec<&str> = g.subnets.iter().map(String::as_str).collect();
    // An entry that also stops requests is already a finding at the balancer's hop.
    if view.acl_stops(&subnets, view.visitor(), s.expected.listener_port).is_none()
        && let Some(stop) = view.acl_stops_out(&subnets, HTTPS)
    {
        let draft = stop.finding(view, "acl-outbound", "requests of the instances to the internet, or the answers");
        hop.push(draft.weak_if(view.serves()));
    }
    let of_balancer_acls = s.balancer.iter().flat_map(|b| &b.zones).map(|z| z.subnet.as_str()).collect::<Vec<_>>();
    if subnets.iter().any(|id| !of_balancer_acls.contains(id)) {
        let inside = view.balancer().nets.first().map(|n| n.addr());
        if let Some(stop) = inside.and_then(|from| view.acl_stops(&subnets, from, s.expected.port)) {
            hop.push(stop.finding(
                view,
                "acl-instances",
                "requests from the balancer to the instances, or their answers",
            ));
        }
    }
}

/// Judges the ways out of instances with public addresses.
fn public_ways_out(view: &View<'_>, g: &AutoScalingGroup, hop: &mut Drafts) {
    let s = view.s;
    let of_balancer = |id: &str| s.balancer.iter().flat_map(|b| &b.zones).any(|z| z.subnet == id);
    let mut told: Vec<&str> = vec![];
    for id in g.subnets.iter().filter(|id| !of_balancer(id)) {
        let Some((table, way)) = view.way_out(id) else { continue };
        // For outgoing connections a NAT gateway is as good as an internet gateway.
        if told.contains(&table.id.as_str()) || matches!(way, Way::Through(_)) {
            continue;
        }
        if let Some(draft) = broken_way(view, &table.id, &way, id) {
            told.push(&table.id);
            let step = view.subnet(id).and_then(|n| n.step.as_deref()).unwrap_or_default();
            if step.starts_with("subnet/private") {
                hop.push(
                    Draft::new(
                        "fleet-subnets-private",
                        "the Auto Scaling group launches into subnets for data, which have no route to the internet",
                        format!("{id} is {step}: packages and the binary cannot be fetched there"),
                        UP,
                    )
                    .weak_if(view.serves()),
                );
            } else {
                hop.push(draft.weak_if(view.serves()));
            }
        }
    }
    let hidden: Vec<&str> = view
        .alive()
        .iter()
        .filter(|i| {
            i.state == "running" && i.public_ip.is_none() && matches!(view.way_out(&i.subnet), Some((_, Way::Internet)))
        })
        .map(|i| i.id.as_str())
        .collect();
    if !hidden.is_empty() {
        hop.push(
            Draft::new(
                "instance-no-address",
                "instances without a public address cannot use the internet gateway: they cannot reach the internet",
                names(&hidden),
                (
                    shell::all(["gameday network".to_owned(), replace(&hidden)]),
                    "the group launches new ones instead, which get an address",
                ),
            )
            .weak_if(view.serves()),
        );
    }
}
