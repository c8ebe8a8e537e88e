//! A network that is there already: which of its subnets to use.
use super::{
    standing::name_in_account,
    subnets::{Candidate, Flaw, Home, InUse, Lack, Needs, Role, Way, any_home, home},
    unseen,
    zones::{Zones, is_of_region, suited},
};
use crate::{
    aws::{Aws, listing, tags},
    config::{Config, Mode},
    error::{Error, Result},
    resources::token,
    shell::command,
};
use aws_sdk_ec2::types::{InternetGateway, Route, RouteTable, Subnet as AwsSubnet, Vpc};
use futures::future::join_all;
use std::{collections::BTreeSet, rc::Rc};

#[derive(Clone, Debug)]
pub struct Network {
    pub vpc: String,
    /// All its IPv4 ranges.
    pub cidrs: Vec<String>,
    /// One subnet a zone with a route to the internet.
    pub public: Vec<Subnet>,
    /// One subnet a zone for the instances: the public one, where they have public addresses.
    pub instances: Vec<Subnet>,
    /// One subnet a zone for data: without a route to the internet where there is such a one.
    pub private: Vec<Subnet>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    pub id: String,
    pub zone: String,
    pub cidr: String,
}

/// What is seen of a VPC.
struct Existing {
    vpc: String,
    cidrs: Vec<String>,
    subnets: Vec<Candidate>,
    /// An internet gateway that is attached.
    gateway: Option<String>,
    /// One of the account's that is attached nowhere.
    spare: Option<String>,
    /// What could not be looked at, though it decides.
    unseen: Option<Error>,
}

/// The network to use with the zones to build in.
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
            // A route that is gone takes no subnet from what stands there: theirs, else any.
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
    for (zone, mode) in there.blocked(&homes) {
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

/// The VPC of this id; `default` is the account's default one.
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
        // Its id is given, or the default subnets know it.
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
    // Where routes may not be looked at, what is given public addresses is taken for public.
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

/// Its IPv4 ranges, the first one first.
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

/// The routes of one VPC.
struct Routes<'a> {
    vpc: &'a str,
    tables: Vec<&'a RouteTable>,
    /// All of the account; `None`: they could not be looked at.
    gateways: Option<&'a Vec<InternetGateway>>,
}

impl Routes<'_> {
    /// The table that a subnet follows, and where its default route leads.
    fn of(&self, subnet: &Subnet) -> (String, Way) {
        let follows = |t: &&&RouteTable| t.associations().iter().any(|a| a.subnet_id() == Some(&subnet.id));
        let main = |t: &&&RouteTable| t.associations().iter().any(|a| a.main() == Some(true));
        let Some(table) = self.tables.iter().find(follows).or_else(|| self.tables.iter().find(main)) else {
            return (String::new(), Way::None);
        };
        (table.route_table_id().unwrap_or_default().to_owned(), self.way(table, subnet))
    }

    fn way(&self, table: &RouteTable, subnet: &Subnet) -> Way {
        let to = |cidr: &str| table.routes().iter().find(|r| r.destination_cidr_block() == Some(cidr));
        // Both halves of the internet are as good as all of it, and win over it.
        let halves = to("0.0.0.0/1").zip(to("128.0.0.0/1")).map(|(low, high)| if is_gone(low) { low } else { high });
        let Some(route) = halves.or_else(|| to("0.0.0.0/0")) else {
            let endpoint = table.routes().iter().any(|r| {
                r.destination_prefix_list_id().is_some() && r.gateway_id().is_some_and(|g| g.starts_with("vpce-"))
            });
            return if endpoint { Way::Endpoint } else { Way::None };
        };
        let via = leads_to(route);
        if via.starts_with("igw-") {
            return match self.attached(&via) {
                Some(false) if self.exists(&via) => Way::Detached(via),
                Some(false) => Way::Blackhole(via),
                _ if is_gone(route) => Way::Blackhole(via),
                _ => Way::Internet,
            };
        }
        if is_gone(route) {
            Way::Blackhole(via)
        } else if via.starts_with("vpce-") && self.comes_back(&via, subnet) {
            Way::Internet
        } else if via.starts_with("pcx-") || via.starts_with("eigw-") {
            Way::DeadEnd(via)
        } else {
            Way::Through(via)
        }
    }

    /// Whether what comes from the internet for this subnet goes through that firewall's endpoint too: then the subnet is
    /// a public one behind it.
    fn comes_back(&self, endpoint: &str, subnet: &Subnet) -> bool {
        let of_gateway =
            |t: &&&RouteTable| t.associations().iter().filter_map(|a| a.gateway_id()).any(|g| g.starts_with("igw-"));
        let to_subnet = |r: &&Route| r.destination_cidr_block() == Some(&subnet.cidr);
        let edge = self.tables.iter().filter(of_gateway).flat_map(|t| t.routes());
        edge.filter(to_subnet).any(|r| leads_to(r) == endpoint)
    }

    fn attached(&self, id: &str) -> Option<bool> {
        let gateway = self.gateways?.iter().find(|g| g.internet_gateway_id() == Some(id));
        Some(gateway.is_some_and(|g| g.attachments().iter().any(|a| a.vpc_id() == Some(self.vpc))))
    }

    fn exists(&self, id: &str) -> bool {
        self.gateways.is_some_and(|all| all.iter().any(|g| g.internet_gateway_id() == Some(id)))
    }
}

fn is_gone(route: &Route) -> bool {
    route.state().is_some_and(|s| s.as_str() == "blackhole")
}

fn leads_to(route: &Route) -> String {
    let all = [
        route.gateway_id(),
        route.nat_gateway_id(),
        route.transit_gateway_id(),
        route.vpc_peering_connection_id(),
        route.network_interface_id(),
        route.instance_id(),
        route.egress_only_internet_gateway_id(),
        route.local_gateway_id(),
        route.carrier_gateway_id(),
        route.core_network_arn(),
    ];
    all.into_iter().flatten().find(|v| !v.is_empty()).unwrap_or("somewhere else").into()
}

impl Existing {
    /// The zones that are named; else those that the stack is in; else the first two in which all of it can live.
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
            // A subnet of a Local Zone says so itself.
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

    /// Where the stack's balancer and fleet are.
    fn zones_of(&self, used: &InUse) -> Vec<String> {
        let stands = |c: &&Candidate| used.balancer.contains(&c.subnet.id) || used.fleet.contains(&c.subnet.id);
        let zones: BTreeSet<String> = self.subnets.iter().filter(stands).map(|c| c.subnet.zone.clone()).collect();
        zones.into_iter().collect()
    }

    /// Where VPC Block Public Access stops a balancer that may stand there already.
    fn blocked(&self, homes: &[Home]) -> Vec<(String, String)> {
        let mode = |home: &Home| {
            let seen = self.subnets.iter().find(|c| c.subnet == home.public)?;
            Some((home.public.zone.clone(), seen.blocked.clone()?))
        };
        homes.iter().filter_map(mode).collect()
    }

    /// Why nothing can be built here: the subnets that were looked at, each with its reason, and the way out.
    fn lacks(&self, config: &Config, wanted: &[String], lacks: &[(String, Lack)]) -> Error {
        let role = lacks.iter().map(|(_, (role, _))| *role).min_by_key(|role| *role as u8).unwrap_or(Role::Balancer);
        let of_role = lacks.iter().filter(|(_, (r, _))| *r == role);
        let flaws: Vec<(&String, &String, &Flaw)> =
            of_role.flat_map(|(zone, (_, all))| all.iter().map(move |(id, flaw)| (zone, id, flaw))).collect();
        let mut said: Vec<String> =
            flaws.iter().take(SAID).map(|(zone, id, flaw)| format!("{id} in {zone}: {flaw}")).collect();
        if flaws.len() > SAID {
            said.push(format!("and {} more", flaws.len() - SAID));
        }
        // A named zone without any subnet.
        let empty = wanted.iter().filter(|z| self.subnets.iter().all(|c| c.subnet.zone != **z));
        said.extend(empty.map(|zone| format!("{zone} has no subnet")));
        let (vpc, zones) = (&self.vpc, if wanted.is_empty() { "any".to_owned() } else { wanted.join(", ") });
        let said = if said.is_empty() { String::new() } else { format!(": {}", said.join("; ")) };
        let what = format!("VPC {vpc} has no {} in at least two zones ({zones} wanted){said}", role.wanted());
        let way_out = flaws.iter().find_map(|(_, id, flaw)| self.way_out(config, id, flaw));
        Error::other(what, way_out.unwrap_or_else(|| OTHERWISE.into()))
    }

    /// What mends the first of the flaws that can be mended.
    fn way_out(&self, config: &Config, id: &str, flaw: &Flaw) -> Option<String> {
        let vpc = &self.vpc;
        let table = self.subnets.iter().find(|c| c.subnet.id == id).map_or("", |c| c.table.as_str());
        let attach =
            |id: &str| command!("aws ec2 attach-internet-gateway --internet-gateway-id {} --vpc-id {}", id, vpc);
        let lead = |to: &str| {
            command!(
                "aws ec2 replace-route --route-table-id {} --destination-cidr-block 0.0.0.0/0 --gateway-id {}",
                table,
                to
            )
        };
        Some(match flaw {
            Flaw::Leads(Way::Detached(via)) => {
                format!("`{}`; {OTHERWISE}", attach(via))
            }
            Flaw::Leads(Way::Blackhole(via)) if via.starts_with("igw-") => match (&self.gateway, &self.spare) {
                (Some(gateway), _) => format!("`{}`; {OTHERWISE}", lead(gateway)),
                (None, Some(spare)) => format!("`{}`, then `{}`; {OTHERWISE}", attach(spare), lead(spare)),
                (None, None) => format!(
                    "`aws ec2 create-internet-gateway`, attach it to {vpc} (`aws ec2 attach-internet-gateway`), then \
                     `{} igw-…`; {OTHERWISE}",
                    lead("igw-").trim_end_matches(" igw-")
                ),
            },
            Flaw::Leads(Way::Blackhole(via)) => {
                format!("lead 0.0.0.0/0 of {table} to something that exists instead of {via}; {OTHERWISE}")
            }
            Flaw::Leads(_) if config.has_private_instances() => format!(
                "instances without public addresses need a route to a NAT gateway, a transit gateway, a VPN or a \
                 firewall: add one, or set instances = \"public\"; {OTHERWISE}"
            ),
            Flaw::Leads(_) => return None,
            Flaw::Blocked(_) => format!(
                "`{}` lets this VPC through; {OTHERWISE}",
                command!(
                    "aws ec2 create-vpc-block-public-access-exclusion --vpc-id {} --internet-gateway-exclusion-mode \
                     allow-bidirectional",
                    vpc
                )
            ),
            Flaw::Full { .. } | Flaw::Small(_) => {
                format!("free addresses there, make larger subnets, or lower `max` under [service.NAME]; {OTHERWISE}")
            }
            Flaw::State(_) | Flaw::Ipv6Only | Flaw::Outpost | Flaw::Elsewhere => return None,
        })
    }
}

/// How many subnets an error names.
const SAID: usize = 6;

const OTHERWISE: &str = "a public subnet has a route to an internet gateway: add one, choose other zones, \
                         or set mode = \"create\" under [network]";

/// The subnets of the stack's balancer, fleet, database, cache and files, as far as they can be seen.
async fn in_use(aws: &Aws, config: &Config) -> InUse {
    let balancer = name_in_account(aws, config, "load-balancer/main").await;
    let fleets = config.services().map(|service| service.key("auto-scaling-group"));
    let fleets = join_all(fleets.map(async |key| {
        let name = name_in_account(aws, config, &key).await;
        listing::auto_scaling_group(aws, &name).await.ok().flatten()
    }));
    let (balancer, fleets, database, cache, files) = futures::join!(
        listing::balancer(aws, &balancer),
        fleets,
        database_subnets(aws, config),
        cache_subnets(aws, config),
        mount_subnets(aws, config),
    );
    let balancer = balancer.ok().flatten();
    let balancers = balancer.iter().flat_map(|b| b.availability_zones()).filter_map(|z| z.subnet_id());
    let fleets = fleets.iter().flatten().filter_map(|g| g.vpc_zone_identifier()).flat_map(|ids| ids.split(','));
    // In this order: what cannot move counts before what can.
    let data = [database, cache, files].into_iter().filter_map(Result::ok).find(|ids| !ids.is_empty());
    InUse {
        balancer: balancers.map(Into::into).collect(),
        fleet: fleets.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect(),
        data: data.unwrap_or_default(),
    }
}

async fn database_subnets(aws: &Aws, config: &Config) -> Result<BTreeSet<String>> {
    if config.database.mode != Mode::Create {
        return Ok(BTreeSet::new());
    }
    let name = name_in_account(aws, config, "db-subnet-group/main").await;
    let all = listing::databases(aws).await?;
    let shown =
        all.iter().filter_map(|d| d.db_subnet_group()).find(|g| g.db_subnet_group_name() == Some(&name)).cloned();
    let group = match shown {
        None => listing::db_subnet_group(aws, &name).await?,
        shown => shown,
    };
    Ok(group.iter().flat_map(|g| g.subnets()).filter_map(|s| s.subnet_identifier.clone()).collect())
}

async fn cache_subnets(aws: &Aws, config: &Config) -> Result<BTreeSet<String>> {
    if config.cache.mode != Mode::Create {
        return Ok(BTreeSet::new());
    }
    let name = name_in_account(aws, config, "cache-subnet-group/main").await;
    let group = listing::cache_subnet_group(aws, &name).await?;
    Ok(group.iter().flat_map(|g| g.subnets()).filter_map(|s| s.subnet_identifier.clone()).collect())
}

async fn mount_subnets(aws: &Aws, config: &Config) -> Result<BTreeSet<String>> {
    if config.files.mode != Mode::Create {
        return Ok(BTreeSet::new());
    }
    let all = listing::file_systems(aws).await?;
    let token = token(&[&config.name, "file-system/main"]);
    let ours = all
        .iter()
        .find(|f| tags::efs::from(f.tags()).get(aws.keys.stack()) == Some(&config.name) || f.creation_token() == token);
    let Some(ours) = ours else { return Ok(BTreeSet::new()) };
    let targets = listing::mount_targets(aws, ours.file_system_id()).await?;
    Ok(targets.iter().map(|t| t.subnet_id().to_owned()).collect())
}
