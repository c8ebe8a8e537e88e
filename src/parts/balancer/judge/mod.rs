//! The findings about the balancer: its state, its scheme, its zones, its security groups and its network.
mod block;
pub(crate) mod listener;

use crate::{
    diagnose::{Draft, Drafts, FREE_ADDRESSES, Hop, HopName, UP, View, names},
    parts::{
        access::judge::{net, no_group},
        network,
    },
    resources::sorted,
    snapshot::{Balancer, Part},
};

/// Returns the hop of the balancer.
pub(crate) fn hop(view: &View<'_>) -> Hop {
    let s = view.s;
    let mut hop = Draft::hop();
    network::judge::missing(view, &mut hop);
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
    let replace = ("gameday up --replace load-balancer/main", "AWS cannot change it; the address changes");
    match (b.scheme.as_str(), s.expected.internal) {
        ("internal", false) => hop.push(Draft::new(
            "balancer-internal",
            "the balancer is internal: its addresses are private",
            format!("scheme of {} is internal", b.name),
            replace,
        )),
        ("internet-facing", true) => hop.push(
            Draft::new(
                "balancer-public",
                "the balancer has public addresses, and the stack file asks for an internal one",
                format!("scheme of {} is {}", b.name, b.scheme),
                replace,
            )
            .weak(),
        ),
        _ => {}
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
    network::judge::of_balancer(view, b, &mut hop);
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
    let evidence =
        format!("{} {}, {}, {}", b.name, b.state, b.scheme, names(sorted(b.zones.iter().map(|z| &z.zone).collect())));
    hop.done(HopName::Balancer, s.saw(Part::Balancer), evidence)
}

/// Adds the finding for the balancer's state.
fn state(b: &Balancer, hop: &mut Drafts) {
    let why = b.reason.clone().unwrap_or_else(|| format!("state of {} is {}", b.name, b.state));
    match b.state.as_str() {
        "provisioning" => hop.push(
            Draft::new(
                "balancer-provisioning",
                "AWS is still creating the balancer",
                why,
                ("gameday up", "waits for it: 2 to 3 minutes in all"),
            )
            .waiting(),
        ),
        "failed" => hop.push(Draft::new(
            "balancer-failed",
            "AWS could not create the balancer",
            why,
            "gameday up --replace load-balancer/main",
        )),
        "active_impaired" => hop.push(
            Draft::new("balancer-impaired", "the balancer works, but lacks resources to grow", why, "gameday up")
                .weak(),
        ),
        _ => {}
    }
}

/// Adds the findings about the balancer's security groups.
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
                    "it carries {}, not {ours}: requests are blocked here, or the instances' group does not allow them",
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
