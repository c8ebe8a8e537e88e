//! An existing network: which of its subnets the stack uses.
use super::{
    in_use::in_use,
    routes::Routes,
    subnets::{Candidate, Flaw, Home, InUse, Lack, Needs, Way, any_home, home},
    unseen,
    zones::{Zones, is_of_region, suited},
};
use crate::{
    aws::{Aws, listing},
    config::Config,
    error::{Error, Result},
    shell::command,
};
use aws_sdk_ec2::types::{InternetGateway, RouteTable, Subnet as AwsSubnet, Vpc};
use std::{collections::BTreeSet, rc::Rc};

/// The existing network that a stack uses.
#[derive(Clone, Debug)]
pub struct Network {
    /// The id of the VPC.
    pub vpc: String,
    /// All IPv4 ranges of the VPC.
    pub cidrs: Vec<String>,
    /// One subnet per zone with a route to the internet. Of an internal balancer with private instances: theirs.
    pub public: Vec<Subnet>,
    /// One subnet per zone for the instances: the public one if they have public addresses.
    pub instances: Vec<Subnet>,
    /// One subnet per zone for data, without a route to the internet if there is such a subnet.
    pub private: Vec<Subnet>,
}

/// A subnet of an existing network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    pub id: String,
    pub zone: String,
    pub cidr: String,
}

/// A VPC as it was seen.
pub(super) struct Existing {
    pub vpc: String,
    pub cidrs: Vec<String>,
    pub subnets: Vec<Candidate>,
    /// The internet gateway that is attached to the VPC.
    pub gateway: Option<String>,
    /// An internet gateway of the account that is attached to no VPC.
    pub spare: Option<String>,
    /// Why the subnets could not be seen, if so.
    pub unseen: Option<Error>,
}

/// Returns the network to use and the zones to build in.
pub(super) async fn used(aws: &Aws, config: &Config) -> Result<(Network, Zones)> {
    let wanted = config.network.vpc.as_deref().unwrap_or("default");
    let (there, used) = futures::join!(existing(aws, wanted), in_use(aws, config));
    let there = there?;
    let mut zones = there.zones(aws, config, &used).await?;
    let homes = |zones: &[String]| -> Result<Vec<Home>, (String, Lack)> {
        let needs = Needs::of(config, zones.len());
        let one = |zone: &String| home(&there.subnets, zone, needs, &used).map_err(|lack| (zone.clone(), lack));
        zones.iter().map(one).collect()
    };
    let chosen = match (zones.unfit.take(), homes(&zones.names)) {
        (None, Ok(homes)) => Ok(homes),
        (Some(unfit), _) => Err(unfit),
        (None, Err((zone, lack))) => Err(there.lacks(config, &zones.names, &[(zone, lack)])),
    };
    let homes = match chosen {
        Ok(homes) => homes,
        Err(unfit) => {
            // A missing route takes no subnet away from existing objects: their zones are kept, else any are taken.
            zones.unfit = Some(there.unseen.clone().unwrap_or(unfit));
            let theirs = there.zones_of(&used);
            let every = there.subnets.iter().map(|c| &c.subnet.zone).collect::<BTreeSet<_>>();
            let fallback = match (config.zones.is_empty(), theirs.is_empty()) {
                (false, _) => config.zones.clone(),
                (true, false) => theirs,
                (true, true) => every.into_iter().take(2).cloned().collect(),
            };
            let needs = Needs::of(config, fallback.len());
            let homes: Vec<Home> =
                fallback.iter().filter_map(|zone| any_home(&there.subnets, zone, needs, &used)).collect();
            zones.names = homes.iter().map(|h| h.public.zone.clone()).collect();
            homes
        }
    };
    let blocked = if config.has_internal_balancer() { vec![] } else { there.blocked(&homes) };
    for (zone, mode) in blocked {
        zones.words.push(format!(
            "VPC Block Public Access ({mode}) stops requests to the load balancer in {zone}: `gameday why` says what lifts it"
        ));
    }
    let side = |of: fn(&Home) -> &Subnet| homes.iter().map(|h| of(h).clone()).collect();
    let network = Network {
        public: side(|h| &h.public),
        instances: side(|h| &h.instances),
        private: side(|h| &h.private),
        vpc: there.vpc,
        cidrs: there.cidrs,
    };
    Ok((network, zones))
}

/// Looks at the VPC with this id; `default` is the account's default one.
async fn existing(aws: &Aws, wanted: &str) -> Result<Existing> {
    let (vpcs, subnets, tables, gateways) = futures::join!(
        listing::vpcs(aws),
        listing::subnets(aws),
        listing::route_tables(aws),
        listing::internet_gateways(aws)
    );
    let is_wanted = |v: &&Vpc| match wanted {
        "default" => v.is_default() == Some(true),
        id => v.vpc_id() == Some(id),
    };
    let mut blind = None;
    let subnets = match subnets {
        Err(e) if unseen(&e) => {
            blind = Some(e);
            Rc::default()
        }
        other => other?,
    };
    let (vpc, cidrs) = match vpcs {
        // The VPC's id is given, or the default subnets name it.
        Err(e) if unseen(&e) => {
            let default = || subnets.iter().find(|s| s.default_for_az() == Some(true))?.vpc_id().map(str::to_owned);
            let id = if wanted == "default" { default() } else { Some(wanted.to_owned()) };
            (id.ok_or(e)?, vec![])
        }
        other => match other?.iter().find(is_wanted) {
            Some(vpc) => (vpc.vpc_id().unwrap_or_default().to_owned(), ranges(vpc)),
            None => return Err(missing(aws, wanted)),
        },
    };
    // If the account hides its routes, a subnet that assigns public addresses counts as public.
    let tables = match tables {
        Err(e) if unseen(&e) => None,
        other => Some(other?),
    };
    let gateways = match gateways {
        Err(e) if unseen(&e) => None,
        other => Some(other?),
    };
    let here: Vec<&RouteTable> = tables.iter().flat_map(|t| t.iter()).filter(|t| t.vpc_id() == Some(&vpc)).collect();
    let routes = tables.is_some().then_some(Routes { vpc: &vpc, tables: here, gateways: gateways.as_deref() });
    let of_vpc = subnets.iter().filter(|s| s.vpc_id() == Some(&vpc));
    let candidates = of_vpc.map(|s| candidate(s, routes.as_ref(), &aws.region)).collect();
    let attached = |g: &&InternetGateway| g.attachments().iter().any(|a| a.vpc_id() == Some(&vpc));
    let all = || gateways.iter().flat_map(|g| g.iter());
    let id = |g: &InternetGateway| g.internet_gateway_id().map(str::to_owned);
    Ok(Existing {
        cidrs,
        subnets: candidates,
        gateway: all().find(attached).and_then(id),
        spare: all().find(|g| g.attachments().is_empty()).and_then(id),
        unseen: blind,
        vpc,
    })
}

fn missing(aws: &Aws, wanted: &str) -> Error {
    let region = &aws.region;
    let other = "name another one under [network], or set mode = \"create\"";
    match wanted {
        "default" => Error::other(
            format!("a default VPC does not exist in {region}"),
            format!("`{}` makes one again; or {other}", command!("aws ec2 create-default-vpc --region {}", region)),
        ),
        id => Error::other(format!("VPC {id} does not exist in {region}"), other),
    }
}

/// Returns the IPv4 ranges of a VPC, the first one first.
fn ranges(vpc: &Vpc) -> Vec<String> {
    let first = vpc.cidr_block();
    let more = vpc.cidr_block_association_set().iter().filter(|a| {
        let state = a.cidr_block_state().and_then(|s| s.state()).map(|s| s.as_str());
        !matches!(state, Some("disassociating" | "disassociated" | "failed" | "failing"))
    });
    let mut all: Vec<String> = vec![];
    for cidr in first.into_iter().chain(more.filter_map(|a| a.cidr_block())) {
        if all.iter().all(|c| c != cidr) {
            all.push(cidr.into());
        }
    }
    all
}

fn candidate(s: &AwsSubnet, routes: Option<&Routes<'_>>, region: &str) -> Candidate {
    let text = |s: Option<&str>| s.unwrap_or_default().to_owned();
    let subnet = Subnet { id: text(s.subnet_id()), zone: text(s.availability_zone()), cidr: text(s.cidr_block()) };
    let (table, way) = match routes {
        Some(routes) => routes.of(&subnet),
        None if s.map_public_ip_on_launch() == Some(true) => (String::new(), Way::Internet),
        None => (String::new(), Way::Through("a route that could not be looked at".into())),
    };
    let state = s.state().map_or("available", |s| s.as_str());
    let flaw = if state != "available" {
        Some(Flaw::State(state.into()))
    } else if s.ipv6_native() == Some(true) || subnet.cidr.is_empty() {
        Some(Flaw::Ipv6Only)
    } else if s.outpost_arn().is_some_and(|arn| !arn.is_empty()) {
        Some(Flaw::Outpost)
    } else if !is_of_region(&subnet.zone, region) {
        Some(Flaw::Elsewhere)
    } else {
        None
    };
    let blocked = s.block_public_access_states().and_then(|b| b.internet_gateway_block_mode()).map(|m| m.as_str());
    Candidate {
        subnet,
        table,
        way,
        free: s.available_ip_address_count().unwrap_or_default().try_into().unwrap_or_default(),
        flaw,
        blocked: blocked.filter(|mode| *mode != "off").map(Into::into),
    }
}

impl Existing {
    /// Returns the zones that the stack file names, else those that the stack is in, else the first two with room for
    /// all of it.
    async fn zones(&self, aws: &Aws, config: &Config, used: &InUse) -> Result<Zones> {
        if !config.zones.is_empty() {
            return Ok(Zones { names: config.zones.clone(), ..Zones::default() });
        }
        let standing = self.zones_of(used);
        if standing.len() >= 2 {
            return Ok(Zones { names: standing, ..Zones::default() });
        }
        let suited = suited(aws, config).await?;
        let mut zones = Zones { words: suited.words.clone(), ..Zones::default() };
        let every: BTreeSet<&String> = self.subnets.iter().map(|c| &c.subnet.zone).collect();
        let mut lacks = vec![];
        let mut fit = standing.clone();
        for zone in every {
            // A subnet in a Local Zone has a flaw of its own.
            if is_of_region(zone, &aws.region) && !suited.names.contains(zone) {
                lacks.push((zone.clone(), None));
                continue;
            }
            match home(&self.subnets, zone, Needs::of(config, 2), used) {
                Ok(_) if !fit.contains(zone) => fit.push(zone.clone()),
                Ok(_) => {}
                Err(lack) => lacks.push((zone.clone(), Some(lack))),
            }
        }
        fit.truncate(2);
        if fit.len() < 2 {
            let said: Vec<String> = lacks
                .iter()
                .filter(|(_, lack)| lack.is_none())
                .filter_map(|(zone, _)| suited.others.iter().find(|(z, _)| z == zone))
                .map(|(zone, what)| format!("; {zone} does not offer {what}"))
                .collect();
            let lacks: Vec<(String, Lack)> = lacks.iter().filter_map(|(z, l)| Some((z.clone(), l.clone()?))).collect();
            let mut unfit = self.lacks(config, &[], &lacks);
            if let Error::Other { what, .. } = &mut unfit {
                *what += &said.concat();
            }
            zones.unfit = Some(unfit);
        }
        fit.sort();
        zones.names = fit;
        Ok(zones)
    }

    /// Returns the zones of the stack's balancer and fleet.
    fn zones_of(&self, used: &InUse) -> Vec<String> {
        let stands = |c: &&Candidate| used.balancer.contains(&c.subnet.id) || used.fleet.contains(&c.subnet.id);
        let zones: BTreeSet<String> = self.subnets.iter().filter(stands).map(|c| c.subnet.zone.clone()).collect();
        zones.into_iter().collect()
    }

    /// Returns the zones in which VPC Block Public Access stops the balancer, with its mode there.
    fn blocked(&self, homes: &[Home]) -> Vec<(String, String)> {
        let mode = |home: &Home| {
            let seen = self.subnets.iter().find(|c| c.subnet == home.public)?;
            Some((home.public.zone.clone(), seen.blocked.clone()?))
        };
        homes.iter().filter_map(mode).collect()
    }
}
