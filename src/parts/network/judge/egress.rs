//! The findings about the ways out of instances without public addresses: a NAT gateway, or endpoints of the AWS
//! services that they need.
use super::{Way, broken_way};
use crate::{
    diagnose::{Draft, Drafts, Fix, UP, View, names},
    parts::access::HTTPS,
    shell::{self, Ours, command},
    snapshot::{AutoScalingGroup, Endpoint, Part, RouteTable, ZoneSubnet},
};

/// The consequence, for the cause of a finding.
const LOST: &str = "packages, the binary and AWS's own services cannot be reached";

/// Judges the ways out of the Auto Scaling group's subnets, each way once.
pub(super) fn ways_out(view: &View<'_>, g: &AutoScalingGroup, hop: &mut Drafts) {
    let mut ways: Vec<(Way, Vec<&RouteTable>)> = vec![];
    for id in &g.subnets {
        let Some((table, way)) = view.way_out(id) else { continue };
        match ways.iter_mut().find(|(w, _)| *w == way) {
            Some((_, tables)) if tables.iter().any(|t| t.id == table.id) => {}
            Some((_, tables)) => tables.push(table),
            None => ways.push((way, vec![table])),
        }
    }
    for (way, tables) in &ways {
        let drafts = match way {
            Way::Through(via) | Way::Blackhole { via } if via.starts_with("nat-") => {
                Vec::from_iter(nat(view, tables, via))
            }
            // The network behind a transit gateway or a firewall cannot be seen.
            Way::Through(_) => vec![],
            Way::Blackhole { via } if !via.starts_with("igw-") => vec![black_hole(view, tables, via)],
            Way::None => match &view.s.expected.services {
                Some(services) => endpoints(view, g, tables, services),
                None => vec![no_route(view, tables)],
            },
            Way::Internet | Way::Detached { .. } | Way::Blackhole { .. } => vec![in_public_subnets(tables)],
        };
        hop.extend(drafts.into_iter().map(|d| d.weak_if(view.serves())));
    }
}

/// Returns the ids of the route tables: `rtb-0a, rtb-0b`.
fn ids(tables: &[&RouteTable]) -> String {
    names(tables.iter().map(|t| &t.id))
}

fn in_public_subnets(tables: &[&RouteTable]) -> Draft {
    Draft::new(
        "fleet-subnets-public",
        "the Auto Scaling group launches instances without public addresses into public subnets: they cannot reach the internet",
        format!(
            "the route for 0.0.0.0/0 in {} points at an internet gateway, which serves public addresses only",
            ids(tables)
        ),
        UP,
    )
}

fn no_route(view: &View<'_>, tables: &[&RouteTable]) -> Draft {
    Draft::new(
        "nat-route-missing",
        format!("the instances' subnets have no route to a NAT gateway: {LOST}"),
        format!("no route for 0.0.0.0/0 in {}", ids(tables)),
        reroute(view, tables, "create-route"),
    )
}

fn black_hole(view: &View<'_>, tables: &[&RouteTable], via: &str) -> Draft {
    Draft::new(
        "route-blackhole",
        format!("the default route of the instances' subnets is a black hole: {LOST}"),
        format!("the route for 0.0.0.0/0 in {} points at {via}, which is gone or detached", ids(tables)),
        reroute(view, tables, "replace-route"),
    )
}

/// Returns the repair that points the default routes at another NAT gateway.
///
/// In the stack's own network, gameday recreates its NAT gateway. In a network that the stack only uses, another one
/// may exist.
fn reroute(view: &View<'_>, tables: &[&RouteTable], call: &'static str) -> Fix {
    let other = view.s.nat_gateways.iter().find(|n| n.state == "available");
    view.network_fix(match other {
        Some(nat) => {
            let route = |t: &&RouteTable| {
                command!(
                    "aws ec2 {} --route-table-id {} --destination-cidr-block 0.0.0.0/0 --nat-gateway-id {}",
                    Ours(call),
                    t.id,
                    nat.id
                )
            };
            Fix::from(shell::all(tables.iter().map(route)))
        }
        None => Fix::from((
            command!("aws ec2 describe-nat-gateways --filter Name=vpc-id,Values={}", view.vpc().unwrap_or("VPC")),
            format!(
                "none is available: create one in a public subnet, then add a route for 0.0.0.0/0 in {} to it",
                ids(tables)
            ),
        )),
    })
}

/// Judges the NAT gateway that the default routes point at.
fn nat(view: &View<'_>, tables: &[&RouteTable], via: &str) -> Option<Draft> {
    let s = view.s;
    if !s.saw(Part::NatGateways) {
        return None;
    }
    let nat = s.nat_gateways.iter().find(|n| n.id == via);
    let state = nat.map_or("gone", |n| n.state.as_str());
    let reason = nat.and_then(|n| n.reason.as_ref()).map_or(String::new(), |r| format!(" ({r})"));
    let evidence = format!("the route for 0.0.0.0/0 in {} points at {via}, which is {state}{reason}", ids(tables));
    match (state, nat) {
        ("available", Some(nat)) => {
            // A NAT gateway uses the default route of its own subnet.
            let (own, way) = view.way_out(&nat.subnet)?;
            let draft = broken_way(view, &own.id, &way, &nat.subnet)?;
            // If the balancer's subnets use the same table, their finding is nearer to the cause.
            let same = |z: &ZoneSubnet| view.table(&z.subnet).is_some_and(|t| t.id == own.id);
            let told = s.balancer.iter().flat_map(|b| &b.zones).any(same);
            let cause = format!("the NAT gateway {via} cannot reach the internet itself: {LOST}");
            Some(Draft::new("nat-gateway-shut", cause, draft.evidence, draft.fix).symptom_if(told))
        }
        ("pending", _) => Some(
            Draft::new(
                "nat-gateway-pending",
                format!("the NAT gateway {via} is being created"),
                evidence,
                ("gameday status --watch", "it takes about two minutes"),
            )
            .waiting(),
        ),
        ("failed", _) => Some(Draft::new(
            "nat-gateway-failed",
            format!("AWS could not create the NAT gateway {via}: {LOST}"),
            evidence,
            reroute(view, tables, "replace-route"),
        )),
        _ => Some(Draft::new(
            "nat-gateway-gone",
            format!("the NAT gateway of the instances is gone: {LOST}"),
            evidence,
            reroute(view, tables, "replace-route"),
        )),
    }
}

/// Judges the endpoints.
///
/// Without a route to the internet, each AWS service needs one.
fn endpoints(view: &View<'_>, g: &AutoScalingGroup, tables: &[&RouteTable], services: &[String]) -> Vec<Draft> {
    let s = view.s;
    if !s.saw(Part::Endpoints) {
        return vec![];
    }
    let mut drafts = vec![];
    let points_at_s3 = |t: &&RouteTable| t.routes.iter().any(|r| r.to.starts_with("pl-") && r.via.starts_with("vpce-"));
    let without: Vec<&RouteTable> = tables.iter().copied().filter(|t| !points_at_s3(t)).collect();
    if !without.is_empty() && interface_to(&s.endpoints, "s3").is_none() {
        let (region, vpc) = (&s.whose.region, view.vpc().unwrap_or("VPC"));
        let all: Vec<&str> = without.iter().map(|t| t.id.as_str()).collect();
        drafts.push(Draft::new(
            "endpoint-s3-missing",
            "S3 has no endpoint, and there is no route to the internet: packages and the binary cannot be fetched",
            format!("{} has no route to a gateway endpoint of S3", ids(&without)),
            view.network_fix(command!(
                "aws ec2 create-vpc-endpoint --vpc-id {} --service-name {} --route-table-ids {}",
                vpc,
                format!("com.amazonaws.{region}.s3"),
                all
            )),
        ));
    }
    drafts.extend(services.iter().filter_map(|service| endpoint(view, g, service)));
    drafts
}

/// Returns the interface endpoint of a service.
fn interface_to<'e>(all: &'e [Endpoint], service: &str) -> Option<&'e Endpoint> {
    let end = format!(".{service}");
    let fits =
        |e: &&Endpoint| e.interface && e.service.ends_with(&end) && !matches!(e.state.as_str(), "deleting" | "deleted");
    // If there are several, prefer one that works.
    let all: Vec<&Endpoint> = all.iter().filter(fits).collect();
    all.iter().find(|e| e.state == "available" && e.private_dns).or(all.first()).copied()
}

/// Returns the finding for the endpoint of one service.
fn endpoint(view: &View<'_>, g: &AutoScalingGroup, service: &str) -> Option<Draft> {
    let s = view.s;
    let (what, grave) = match service {
        "ssm" => ("instances cannot read their passwords", true),
        "logs" => ("their logs do not arrive", false),
        "monitoring" | "ec2" => ("their memory and disks are not measured", false),
        "ecr.api" | "ecr.dkr" => ("the image cannot be pulled", true),
        _ => ("instances cannot be reached through Session Manager", false),
    };
    let (region, vpc) = (&s.whose.region, view.vpc().unwrap_or("the VPC"));
    let Some(e) = interface_to(&s.endpoints, service) else {
        let make = command!(
            "aws ec2 create-vpc-endpoint --vpc-endpoint-type Interface --vpc-id {} --service-name {} --subnet-ids {}",
            vpc,
            format!("com.amazonaws.{region}.{service}"),
            g.subnets
        );
        let note = format!(
            "with a security group that allows TCP {HTTPS} from the instances, unless the VPC's default one does"
        );
        return Some(
            Draft::new(
                "endpoint-missing",
                format!("{service} has no endpoint, and there is no route to the internet: {what}"),
                format!("{vpc} has no interface endpoint of com.amazonaws.{region}.{service}"),
                view.network_fix((make, note)),
            )
            .weak_if(!grave),
        );
    };
    let id = &e.id;
    let draft = match e.state.to_ascii_lowercase().as_str() {
        "pending" | "pendingacceptance" => Draft::new(
            "endpoint-pending",
            format!("the endpoint of {service} is being created"),
            format!("{id} is {}", e.state),
            ("gameday status --watch", "it takes about a minute"),
        )
        .waiting(),
        "available" if !e.private_dns => Draft::new(
            "endpoint-name",
            format!("the name of {service} does not point at its endpoint: {what}"),
            format!("private DNS of {id} is off"),
            view.network_fix(command!("aws ec2 modify-vpc-endpoint --vpc-endpoint-id {} --private-dns-enabled", id)),
        ),
        "available" if view.saw_groups() && !view.lets_in(&e.groups, HTTPS, &view.app()) => {
            let (group, app) =
                (e.groups.first().map_or("its group", String::as_str), view.group_id(view.instances_group()));
            Draft::new(
                "endpoint-shut",
                format!("the endpoint of {service} does not let the instances in: {what}"),
                format!("{} of {id} has no rule for TCP {HTTPS} from {app}", names(&e.groups)),
                view.network_fix(command!(
                    "aws ec2 authorize-security-group-ingress --group-id {} --protocol tcp --port {} --source-group {}",
                    group,
                    i32::from(HTTPS),
                    app
                )),
            )
        }
        "available" => return None,
        _ => Draft::new(
            "endpoint-broken",
            format!("the endpoint of {service} does not work: {what}"),
            format!("{id} is {}", e.state),
            view.network_fix(command!("aws ec2 describe-vpc-endpoints --vpc-endpoint-ids {}", id)),
        ),
    };
    Some(draft.weak_if(!grave))
}

#[cfg(test)]
mod tests {
    use crate::{
        config::Origin,
        diagnose::{Severity, why},
        snapshot::{Endpoint, Gap, GroupRule, NatGateway, Part, Route, RouteTable, SecurityGroup, Snapshot, Subnet},
    };

    /// Returns a stack that serves, with its instances in private subnets.
    fn private() -> Snapshot {
        let text = include_str!("../../../../tests/fixtures/why/unbroken.json");
        let mut s = Snapshot::from_json(text).unwrap();
        s.expected.private_instances = true;
        for (zone, n) in [("a", 3), ("b", 4)] {
            s.subnets.push(Subnet {
                id: format!("subnet-0{zone}3"),
                zone: format!("us-east-1{zone}"),
                cidr: format!("10.0.{n}.0/24"),
                free_addresses: 240,
                step: Some(format!("subnet/app-{zone}")),
                ..Subnet::default()
            });
            s.route_tables.push(RouteTable {
                id: format!("rtb-0app{zone}"),
                subnets: vec![format!("subnet-0{zone}3")],
                routes: vec![
                    Route { to: "10.0.0.0/16".into(), via: "local".into(), state: "active".into() },
                    Route { to: "pl-63a5400a".into(), via: "vpce-0s3".into(), state: "active".into() },
                    Route { to: "0.0.0.0/0".into(), via: "nat-0a".into(), state: "active".into() },
                ],
                step: Some(format!("route-table/app-{zone}")),
                ..RouteTable::default()
            });
        }
        s.nat_gateways = vec![NatGateway {
            id: "nat-0a".into(),
            subnet: "subnet-0a1".into(),
            state: "available".into(),
            ..NatGateway::default()
        }];
        let subnets = vec!["subnet-0a3".to_owned(), "subnet-0b3".to_owned()];
        s.acls[0].subnets.extend(subnets.clone());
        for (i, subnet) in s.instances.iter_mut().zip(&subnets) {
            (i.subnet, i.public_ip) = (subnet.clone(), None);
        }
        s.auto_scaling_group.as_mut().unwrap().subnets = subnets;
        s
    }

    /// Returns the same stack with endpoints instead of a way to the internet.
    fn by_endpoints() -> Snapshot {
        let mut s = private();
        s.nat_gateways.clear();
        for table in s.route_tables.iter_mut().filter(|t| t.id.starts_with("rtb-0app")) {
            table.routes.retain(|r| r.to != "0.0.0.0/0");
        }
        s.security_groups.push(SecurityGroup {
            id: "sg-0endpoints".into(),
            name: "billing-endpoints".into(),
            step: Some("security-group/endpoints".into()),
            ingress: vec![GroupRule { protocol: "tcp".into(), ports: Some((443, 443)), peer: "sg-0app".into() }],
            egress: vec![],
        });
        let services = ["ssm", "logs", "monitoring", "ec2"];
        s.expected.services = Some(services.map(String::from).into());
        s.endpoints = services
            .iter()
            .map(|service| Endpoint {
                id: format!("vpce-0{service}"),
                service: format!("com.amazonaws.us-east-1.{service}"),
                interface: true,
                state: "available".into(),
                private_dns: true,
                groups: vec!["sg-0endpoints".into()],
                ..Endpoint::default()
            })
            .collect();
        s
    }

    fn down(mut s: Snapshot) -> Snapshot {
        for t in &mut s.targets {
            (t.state, t.reason) = ("unhealthy".into(), Some("Target.Timeout".into()));
        }
        for a in &mut s.probe.answers {
            a.status = Some(504);
        }
        s
    }

    fn tables(s: &mut Snapshot) -> impl Iterator<Item = &mut RouteTable> {
        s.route_tables.iter_mut().filter(|t| t.id.starts_with("rtb-0app"))
    }

    #[test]
    fn private_instances_that_reach_out_have_nothing_to_say() {
        for s in [private(), by_endpoints()] {
            assert_eq!(why(&s), vec![]);
        }
        // By a firewall or a transit gateway.
        let mut other = private();
        tables(&mut other).for_each(|t| t.routes[2].via = "tgw-0hub".into());
        assert_eq!(why(&other), vec![]);
    }

    #[test]
    fn a_way_out_that_is_broken_is_named() {
        type Row = (&'static str, fn() -> Snapshot, fn(&mut Snapshot), &'static str, &'static str);
        let rows: &[Row] = &[
            ("deleted", private, |s| s.nat_gateways[0].state = "deleted".into(), "nat-gateway-gone", "gameday up"),
            ("gone for more than an hour", private, |s| s.nat_gateways.clear(), "nat-gateway-gone", "gameday up"),
            (
                "a black hole",
                private,
                |s| {
                    s.nat_gateways.clear();
                    tables(s).for_each(|t| t.routes[2].state = "blackhole".into());
                },
                "nat-gateway-gone",
                "gameday up",
            ),
            (
                "failed",
                private,
                |s| {
                    s.nat_gateways[0].state = "failed".into();
                    s.nat_gateways[0].reason = Some("InsufficientFreeAddressesInSubnet".into());
                },
                "nat-gateway-failed",
                "gameday up",
            ),
            (
                "made",
                private,
                |s| s.nat_gateways[0].state = "pending".into(),
                "nat-gateway-pending",
                "gameday status --watch",
            ),
            (
                "no route",
                private,
                |s| {
                    tables(s).for_each(|t| {
                        t.routes.pop();
                    })
                },
                "nat-route-missing",
                "gameday up",
            ),
            (
                "in a subnet without a way",
                private,
                |s| s.nat_gateways[0].subnet = "subnet-0a2".into(),
                "nat-gateway-shut",
                "gameday up",
            ),
            (
                "no internet gateway",
                private,
                |s| {
                    s.internet_gateways[0].vpc = None;
                },
                "gateway-detached",
                "gameday up",
            ),
            (
                "public subnets",
                private,
                |s| {
                    s.auto_scaling_group.as_mut().unwrap().subnets = vec!["subnet-0a1".into(), "subnet-0b1".into()];
                },
                "fleet-subnets-public",
                "gameday up",
            ),
            (
                "a route to a deleted firewall",
                private,
                |s| {
                    tables(s)
                        .for_each(|t| (t.routes[2].via, t.routes[2].state) = ("eni-0gone".into(), "blackhole".into()));
                },
                "route-blackhole",
                "gameday up",
            ),
            (
                "theirs, deleted",
                private,
                |s| {
                    s.expected.network = Origin::Use;
                    s.nat_gateways[0].state = "deleted".into();
                    s.nat_gateways.push(NatGateway {
                        id: "nat-0b".into(),
                        state: "available".into(),
                        ..NatGateway::default()
                    });
                },
                "nat-gateway-gone",
                "aws ec2 replace-route --route-table-id rtb-0appa --destination-cidr-block 0.0.0.0/0 --nat-gateway-id nat-0b && aws ec2 replace-route --route-table-id rtb-0appb --destination-cidr-block 0.0.0.0/0 --nat-gateway-id nat-0b",
            ),
            (
                "theirs, deleted, without another",
                private,
                |s| {
                    s.expected.network = Origin::Use;
                    s.nat_gateways.clear();
                },
                "nat-gateway-gone",
                "aws ec2 describe-nat-gateways --filter Name=vpc-id,Values=vpc-0main",
            ),
            (
                "no endpoint of SSM",
                by_endpoints,
                |s| s.endpoints.retain(|e| e.id != "vpce-0ssm"),
                "endpoint-missing",
                "gameday up",
            ),
            (
                "its endpoint is going",
                by_endpoints,
                |s| s.endpoints[0].state = "deleting".into(),
                "endpoint-missing",
                "gameday up",
            ),
            (
                "its endpoint was refused",
                by_endpoints,
                |s| s.endpoints[0].state = "rejected".into(),
                "endpoint-broken",
                "gameday up",
            ),
            (
                "its endpoint is made",
                by_endpoints,
                |s| s.endpoints[0].state = "pending".into(),
                "endpoint-pending",
                "gameday status --watch",
            ),
            (
                "its name leads elsewhere",
                by_endpoints,
                |s| s.endpoints[0].private_dns = false,
                "endpoint-name",
                "gameday up",
            ),
            (
                "its group is shut",
                by_endpoints,
                |s| s.security_groups.last_mut().unwrap().ingress.clear(),
                "endpoint-shut",
                "gameday up",
            ),
            (
                "another group",
                by_endpoints,
                |s| s.endpoints[0].groups = vec!["sg-0default".into()],
                "endpoint-shut",
                "gameday up",
            ),
            (
                "no route to S3",
                by_endpoints,
                |s| {
                    tables(s).for_each(|t| {
                        t.routes.pop();
                    })
                },
                "endpoint-s3-missing",
                "gameday up",
            ),
            (
                "theirs without private DNS",
                by_endpoints,
                |s| {
                    s.expected.network = Origin::Use;
                    s.endpoints[0].private_dns = false;
                },
                "endpoint-name",
                "aws ec2 modify-vpc-endpoint --vpc-endpoint-id vpce-0ssm --private-dns-enabled",
            ),
            (
                "theirs, shut",
                by_endpoints,
                |s| {
                    s.expected.network = Origin::Use;
                    s.security_groups.last_mut().unwrap().ingress.clear();
                },
                "endpoint-shut",
                "aws ec2 authorize-security-group-ingress --group-id sg-0endpoints --protocol tcp --port 443 --source-group sg-0app",
            ),
        ];
        let mut wrong = vec![];
        for (name, stack, break_it, rule, command) in rows {
            let mut s = down(stack());
            break_it(&mut s);
            let first = why(&s).into_iter().next();
            let told = first.as_ref().map(|f| (f.rule, f.command.as_str()));
            if told != Some((*rule, *command)) {
                wrong.push(format!("{name}: wanted {rule} and {command}, got {first:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn while_requests_are_served_it_is_weak() {
        let mut s = private();
        s.nat_gateways.clear();
        let found = why(&s);
        assert_eq!(
            (found.len(), found[0].rule, found[0].severity),
            (1, "nat-gateway-gone", Severity::Weak),
            "{found:?}"
        );
        let mut logs = by_endpoints();
        logs.endpoints.retain(|e| e.id != "vpce-0logs");
        let found = why(&logs);
        assert_eq!((found[0].rule, found[0].severity), ("endpoint-missing", Severity::Weak), "{found:?}");
        // An endpoint that only logs and metrics need does not stop the service.
        let found = why(&down(logs));
        assert!(found.iter().all(|f| f.rule != "endpoint-missing" || f.severity == Severity::Weak), "{found:?}");
    }

    #[test]
    fn what_was_not_seen_is_not_missed() {
        let unseen = |mut s: Snapshot, part| {
            let e = crate::error::Error::other("not authorized", "");
            (s.nat_gateways, s.endpoints) = (vec![], vec![]);
            s.gaps = vec![Gap::new(part, "Describe", &e)];
            why(&s).into_iter().map(|f| f.rule).collect::<Vec<_>>()
        };
        let none: Vec<&str> = vec![];
        assert_eq!(unseen(private(), Part::NatGateways), none);
        assert_eq!(unseen(by_endpoints(), Part::Endpoints), none);
    }
}
