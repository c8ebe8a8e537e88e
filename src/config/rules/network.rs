//! The VPC and its subnets.
use super::{Rules, is_id};
use crate::check::Issue;
use crate::derived::{Cidr, overlap};
use crate::place::{Place, at};
use crate::{Origin, Run};

pub(super) fn check(rules: &mut Rules<'_>) {
    let network = &rules.config.network;
    if let Some(vpc) = &network.vpc
        && vpc != "default"
        && !is_id(vpc, "vpc-")
    {
        rules.found.error(
            "vpc_id",
            at("network.vpc"),
            format!("{vpc:?} is not the id of a VPC"),
            "ids look like vpc-0123456789abcdef0",
            "copy the id from the VPC console (not its name), or write \"default\"",
        );
    }
    if network.mode == Origin::Create {
        ranges(rules);
    }
}

fn ranges(rules: &mut Rules<'_>) {
    let network = &rules.config.network;
    let vpc = cidr(rules, at("network.cidr"), &network.cidr);
    if let Some(vpc) = vpc {
        if !(16..=24).contains(&vpc.prefix_len()) {
            let large = vpc.prefix_len() < 16;
            rules.found.error(
                "vpc_size",
                at("network.cidr"),
                format!("the VPC's range is too {}", if large { "large" } else { "small" }),
                if large { "AWS allows /16 at most" } else { "public and private subnets for two zones need a /24" },
                if large {
                    format!("write \"{}/16\"", vpc.network())
                } else {
                    "give at least a /24, better a /16: \"10.0.0.0/16\"".into()
                },
            );
            return;
        }
        if !vpc.addr().is_private() {
            rules.found.warn(
                "vpc_public_range",
                at("network.cidr"),
                format!("{vpc} is not a private range"),
                "the real addresses of this range on the internet become unreachable",
                "use a range within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
            );
        }
    }
    if let Some(vpc) = vpc {
        beside_docker(rules, vpc);
    }
    let public = subnets(rules, at("network.public"), &network.public, vpc);
    let private = subnets(rules, at("network.private"), &network.private, vpc);
    let app = subnets(rules, at("network.app"), &network.app, vpc);
    let all: Vec<_> = public.into_iter().chain(private).chain(app).collect();
    for (i, (place, range)) in all.iter().enumerate() {
        if let Some((other_place, other)) = all[..i].iter().find(|(_, other)| overlap(range, other)) {
            let same = if range == other { "it is the same range".into() } else { format!("overlaps {other}") };
            rules.found.push(
                Issue::error(
                    "subnets_overlap",
                    place.clone(),
                    match range == other {
                        true => format!("two subnets have the range {range}"),
                        false => format!("two subnets share addresses: {range} and {other}"),
                    },
                    same,
                    match free(vpc, range.prefix_len(), &all) {
                        Some(free) => format!("{free} is free"),
                        None => "leave the ranges of the subnets out, and gameday cuts them from `cidr`".into(),
                    },
                )
                .with(other_place.clone(), "this one"),
            );
        }
    }
    room(rules, vpc, all.is_empty());
}

/// Warns about Docker's range. The shipped boot script moves it if needed; the user's own script has to do the same.
fn beside_docker(rules: &mut Rules<'_>, vpc: Cidr) {
    let docker: Cidr = "172.17.0.0/16".parse().unwrap_or_default();
    let own_script = rules.config.service.values().any(|s| s.run == Run::Container && s.user_data.is_some());
    if own_script && overlap(&vpc, &docker) {
        rules.found.warn(
            "docker_range",
            at("network.cidr"),
            format!("{vpc} is also Docker's range"),
            "containers' traffic to it never leaves the machine, and `user_data` is your own script",
            "use another range, \"10.0.0.0/16\", or start Docker with another one in the script: \"bip\" in \
             /etc/docker/daemon.json",
        );
    }
}

/// Returns the number of zones for the ranges. Without names gameday chooses two.
fn zone_count(rules: &Rules<'_>) -> usize {
    if rules.config.zones.is_empty() { 2 } else { rules.config.zones.len() }
}

fn subnets(rules: &mut Rules<'_>, place: Place, list: &[String], vpc: Option<Cidr>) -> Vec<(Place, Cidr)> {
    let zones = zone_count(rules);
    // A single zone has its own rule.
    if !list.is_empty() && list.len() != zones && rules.config.zones.len() != 1 {
        let issue = Issue::error(
            "subnets_per_zone",
            place.clone(),
            format!("{} range{} for {zones} zones", list.len(), if list.len() == 1 { "" } else { "s" }),
            "one range per zone, in the order of `zones`",
            if rules.config.zones.is_empty() {
                "give two ranges (without `zones` gameday chooses two zones), or list the zones, or leave this out"
            } else {
                "give one range per zone, or leave this out, and gameday cuts them from `cidr`"
            },
        );
        rules.found.push(issue.with(at("zones"), format!("{zones} zones")));
    }
    let mut good = Vec::new();
    for (i, text) in list.iter().enumerate() {
        let here = place.item(i);
        let Some(range) = cidr(rules, here.clone(), text) else { continue };
        if range.prefix_len() > 27 {
            rules.found.error(
                "subnet_size",
                here.clone(),
                format!("{range} is too small for a subnet of this stack"),
                "a load balancer needs a /27 with 8 free addresses, or it cannot grow",
                "give at least a /27, better a /24",
            );
        }
        if let Some(vpc) = vpc
            && !vpc.contains(&range)
        {
            let issue = Issue::error(
                "subnet_outside",
                here,
                format!("{range} is not within the VPC's range"),
                format!("outside {vpc}"),
                match free(Some(vpc), range.prefix_len().max(vpc.prefix_len()), &good) {
                    Some(free) => format!("take a part of {vpc}, such as {free}"),
                    None => format!("take a part of {vpc}"),
                },
            );
            rules.found.push(issue.with(at("network.cidr"), "the VPC"));
            continue;
        }
        good.push((here, range));
    }
    good
}

/// Checks that the VPC has room for the ranges that gameday cuts.
fn room(rules: &mut Rules<'_>, vpc: Option<Cidr>, nothing_given: bool) {
    let zones = zone_count(rules);
    if vpc.is_none() || zones > 6 {
        return;
    }
    if let Err(no_room) = rules.config.subnets(zones) {
        let fix = if nothing_given {
            "give a /22 or larger, or fewer zones"
        } else {
            "give the ranges of all subnets, or a larger `cidr`"
        };
        let what = format!("the VPC's range has no room for the subnets of {zones} zones");
        let issue = Issue::error("vpc_room", at("network.cidr"), what, no_room.to_string(), fix);
        rules.found.push(issue.with(at("zones"), format!("{zones} zones")));
    }
}

/// Returns the first range of this size that overlaps no other one.
fn free(vpc: Option<Cidr>, prefix: u8, taken: &[(Place, Cidr)]) -> Option<Cidr> {
    vpc?.subnets(prefix).ok()?.take(4096).find(|range| taken.iter().all(|(_, other)| !overlap(range, other)))
}

/// Returns a range in its canonical form. Anything else is reported.
pub(super) fn cidr(rules: &mut Rules<'_>, place: Place, text: &str) -> Option<Cidr> {
    let (why, fix) = match text.parse::<Cidr>() {
        Ok(range) if range == range.trunc() => return Some(range),
        Ok(range) => {
            rules.found.error(
                "cidr_host_bits",
                place,
                format!("{text} is an address within a range, not the range itself"),
                format!("the bits behind /{} have to be zero", range.prefix_len()),
                format!("write \"{}\"", range.trunc()),
            );
            return None;
        }
        Err(_) if text.parse::<std::net::Ipv4Addr>().is_ok() => (
            "the size of the range is missing",
            format!("a single address is \"{text}/32\", its network for example \"{text}/24\""),
        ),
        Err(_) if text.contains(':') => {
            ("this is IPv6; the stack supports IPv4 only", "give an IPv4 range: \"10.0.0.0/16\"".to_owned())
        }
        Err(_) if text == "*" || text == "any" || text == "all" => {
            ("not an address range", "to allow everybody, write \"0.0.0.0/0\"".to_owned())
        }
        Err(_) => ("it has to be four numbers up to 255, then / and 0 to 32", "for example \"10.0.0.0/16\"".to_owned()),
    };
    rules.found.error("cidr_form", place, format!("{text:?} is not an address range"), why, fix);
    None
}
