//! A network that is there already: which of its subnets to use.
use super::{standing::name_in_account, zones::offering};
use crate::{
    aws::{Aws, error::AwsResult, listing},
    config::Config,
    error::{Class, Error, Result},
};
use aws_sdk_ec2::types::Filter;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
pub struct Network {
    pub vpc: String,
    pub cidr: String,
    /// One subnet a zone with a route to the internet.
    pub public: Vec<Subnet>,
    /// One subnet a zone for data: without a route to the internet where there is such a one.
    pub private: Vec<Subnet>,
    /// One subnet a zone for the instances: with `instances = "private"` such without public addresses.
    pub instances: Vec<Subnet>,
    /// Why nothing can be built in it. What stands there is looked at and torn down all the same.
    pub unfit: Option<Error>,
}

#[derive(Clone, Debug)]
pub struct Subnet {
    pub id: String,
    pub zone: String,
    pub cidr: String,
}

/// An existing VPC with all its subnets.
pub(super) struct Existing {
    vpc: String,
    cidr: String,
    /// And whether their routes reach the internet.
    subnets: Vec<(Subnet, bool)>,
}

/// The VPC of this id; `default` is the account's default one.
pub(super) async fn existing(aws: &Aws, wanted: &str) -> Result<Existing> {
    let by = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
    let call = match wanted {
        "default" => aws.ec2.describe_vpcs().filters(by("is-default", "true")),
        id => aws.ec2.describe_vpcs().vpc_ids(id),
    };
    let vpc = call.send().await.or_absent("DescribeVpcs")?.and_then(|p| p.vpcs?.into_iter().next());
    let Some(vpc) = vpc else {
        let what = if wanted == "default" { "a default VPC".to_owned() } else { format!("VPC {wanted}") };
        return Err(Error::other(
            format!("{what} does not exist in {}", aws.region),
            "name another one under [network], or set mode = \"create\"",
        ));
    };
    let id = vpc.vpc_id.unwrap_or_default();
    let (subnets, tables) = futures::try_join!(
        async {
            let pages = aws.ec2.describe_subnets().filters(by("vpc-id", &id)).into_paginator().items().send();
            pages.try_collect().await.during("DescribeSubnets")
        },
        async {
            let pages = aws.ec2.describe_route_tables().filters(by("vpc-id", &id)).into_paginator().items().send();
            pages.try_collect().await.during("DescribeRouteTables")
        },
    )?;
    let reaches_internet = |table: &aws_sdk_ec2::types::RouteTable| {
        table.routes().iter().any(|r| {
            r.destination_cidr_block() == Some("0.0.0.0/0") && r.gateway_id().is_some_and(|g| g.starts_with("igw-"))
        })
    };
    let is_public = |subnet: &str| {
        let explicit = tables.iter().find(|t| t.associations().iter().any(|a| a.subnet_id() == Some(subnet)));
        let main = || tables.iter().find(|t| t.associations().iter().any(|a| a.main() == Some(true)));
        explicit.or_else(main).is_some_and(reaches_internet)
    };
    let subnets = subnets.into_iter().map(|s: aws_sdk_ec2::types::Subnet| {
        let text = |s: Option<String>| s.unwrap_or_default();
        let subnet = Subnet { id: text(s.subnet_id), zone: text(s.availability_zone), cidr: text(s.cidr_block) };
        let public = is_public(&subnet.id);
        (subnet, public)
    });
    Ok(Existing { vpc: id, cidr: vpc.cidr_block.unwrap_or_default(), subnets: subnets.collect() })
}

impl Existing {
    /// The first two zones that have a public subnet and offer the instance type.
    pub(super) async fn zones_to_build_in(&self, aws: &Aws, config: &Config) -> Result<Vec<String>> {
        let fits = match offering(aws, config).await {
            // Where that may not be asked, any will have to do.
            Err(e) if e.class() == Some(Class::Denied) => None,
            other => Some(other?),
        };
        let fits = |zone: &String| fits.as_ref().is_none_or(|f| f.contains(zone));
        let public: BTreeSet<String> = self.subnets.iter().filter(|(_, p)| *p).map(|(s, _)| s.zone.clone()).collect();
        Ok(public.into_iter().filter(fits).take(2).collect())
    }

    /// One subnet a zone of each side.
    pub(super) async fn network(self, aws: &Aws, config: &Config, zones: &[String]) -> Result<Network> {
        let one_a_zone = |zones: &[String], is_public: &dyn Fn(&Subnet, bool) -> bool| {
            let (mut public, mut private) = (BTreeMap::new(), BTreeMap::new());
            for (s, reaches) in self.subnets.iter().filter(|(s, _)| zones.contains(&s.zone)) {
                let side = if is_public(s, *reaches) { &mut public } else { &mut private };
                side.entry(s.zone.clone()).or_insert_with(|| s.clone());
            }
            // The default VPC has public subnets only; data then goes there, shut off by its security groups.
            for (zone, subnet) in &public {
                private.entry(zone.clone()).or_insert_with(|| subnet.clone());
            }
            (public, private)
        };
        let (vpc, cidr) = (self.vpc.clone(), self.cidr.clone());
        // In the order of the zones: what is in one goes by that.
        let all = |zones: &[String], mut side: BTreeMap<String, Subnet>| -> Vec<Subnet> {
            zones.iter().filter_map(|zone| side.remove(zone)).collect()
        };
        let (public, private) = one_a_zone(zones, &|_, reaches| reaches);
        if zones.len() >= 2 && public.len() >= zones.len() && private.len() >= zones.len() {
            let public = all(zones, public);
            let (instances, private) = (public.clone(), all(zones, private));
            return Ok(Network { vpc, cidr, public, private, instances, unfit: None });
        }
        let unfit = Error::other(
            format!(
                "VPC {vpc} has no public subnet in at least two zones ({} wanted)",
                if zones.is_empty() { "any".to_owned() } else { zones.join(", ") },
            ),
            "a public subnet has a route to an internet gateway: add one, choose other zones, \
             or set mode = \"create\" under [network]",
        );
        // A route that is gone takes no subnet from what stands there: theirs, else any.
        let used = in_use(aws, config).await;
        let every: BTreeSet<&String> = self.subnets.iter().map(|(s, _)| &s.zone).collect();
        let theirs: BTreeSet<&String> =
            self.subnets.iter().filter(|(s, _)| used.contains(&s.id)).map(|(s, _)| &s.zone).collect();
        let zones: Vec<String> = match (config.zones.is_empty(), theirs.is_empty()) {
            (false, _) => config.zones.clone(),
            (true, false) => theirs.into_iter().cloned().collect(),
            (true, true) => every.into_iter().take(2).cloned().collect(),
        };
        let (mut public, private) = one_a_zone(&zones, &|s, _| used.contains(&s.id));
        for (zone, subnet) in &private {
            public.entry(zone.clone()).or_insert_with(|| subnet.clone());
        }
        let public = all(&zones, public);
        let (instances, private) = (public.clone(), all(&zones, private));
        Ok(Network { vpc, cidr, public, private, instances, unfit: Some(unfit) })
    }
}

/// The subnets of the stack's balancer and fleet, as far as they can be seen.
async fn in_use(aws: &Aws, config: &Config) -> BTreeSet<String> {
    let balancer = name_in_account(aws, config, "load-balancer/main").await;
    let fleet = name_in_account(aws, config, &format!("auto-scaling-group/{}", config.slot())).await;
    let (balancer, fleet) = futures::join!(listing::balancer(aws, &balancer), listing::auto_scaling_group(aws, &fleet));
    let (balancer, fleet) = (balancer.ok().flatten(), fleet.ok().flatten());
    let balancers = balancer.iter().flat_map(|b| b.availability_zones()).filter_map(|z| z.subnet_id());
    let fleets = fleet.iter().filter_map(|g| g.vpc_zone_identifier()).flat_map(|ids| ids.split(','));
    balancers.chain(fleets).map(Into::into).collect()
}
