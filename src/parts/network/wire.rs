//! The steps of the network: a VPC of the stack's own, or handles of an existing one.
use crate::{
    config::{Cidr, Config, Egress, Instances, Subnets},
    engine::{Key, Ref, Resource},
    facts::{self, Facts},
    parts::Builder,
    resources::{
        default_network_acl::DefaultNetworkAcl,
        default_security_group::DefaultSecurityGroup,
        dhcp_options::DhcpOptions,
        elastic_ip::ElasticIp,
        internet_gateway::InternetGateway,
        main_route_table::MainRouteTable,
        nat_gateway::NatGateway,
        route_table::{Gateway, RouteTable},
        subnet::Subnet,
        vpc::Vpc,
        vpc_endpoint::VpcEndpoint,
    },
};

/// The handles that other parts refer to.
pub(crate) struct Network {
    pub vpc: Ref<Vpc>,
    pub public: Vec<Ref<Subnet>>,
    pub private: Vec<Ref<Subnet>>,
    /// The subnets of the instances: the public ones, or private ones of their own.
    pub app: Vec<Ref<Subnet>>,
    /// The steps by which the public subnets reach the internet.
    pub reachable: Vec<Key>,
    /// The steps by which the instances reach the internet or AWS's services.
    pub way_out: Vec<Key>,
    /// True if the instances need an endpoint for each service of AWS.
    pub has_endpoints: bool,
}

/// Wires the network that the stack file describes.
pub(crate) fn wire(b: &mut Builder<'_>) -> Network {
    match &b.facts.network {
        Some(existing) => used(b, existing),
        None => ours(b),
    }
}

/// Wires an existing network that the stack only uses.
fn used(b: &mut Builder<'_>, existing: &facts::Network) -> Network {
    let cidr = existing.cidrs.first().cloned().unwrap_or_default();
    let vpc = b.add_used("main", Vpc { aws: b.aws(), cidr, existing: Some(existing.vpc.clone()) });
    let config = b.config;
    let mut side = |side: &str, subnets: &[facts::Subnet]| -> Vec<Ref<Subnet>> {
        let one = |s: &facts::Subnet| {
            let subnet = Subnet {
                aws: b.aws(),
                vpc: vpc.clone(),
                cidr: s.cidr.clone(),
                zone: s.zone.clone(),
                public: side == "public",
                existing: Some(s.id.clone()),
            };
            let name = s.zone.strip_prefix(b.facts.region.as_str()).filter(|z| !z.is_empty()).unwrap_or(&s.zone);
            b.add_used(&format!("{side}-{name}"), subnet)
        };
        subnets.iter().map(one).collect()
    };
    let (public, private) = (side("public", &existing.public), side("private", &existing.private));
    let app = if config.has_private_instances() { side("app", &existing.instances) } else { public.clone() };
    Network { vpc, public, private, app, reachable: vec![], way_out: vec![], has_endpoints: false }
}

/// Wires a network of the stack's own.
fn ours(b: &mut Builder<'_>) -> Network {
    let (config, facts, egress) = (b.config, b.facts, b.egress);
    let vpc = b.add("main", Vpc { aws: b.aws(), cidr: config.network.cidr.clone(), existing: None });
    let gateway = b.add("main", InternetGateway { aws: b.aws(), vpc: vpc.clone() });
    let cut = ranges(config, facts, egress.len() > 1);
    let mut side = |side: &str, cidrs: &[Cidr]| -> Vec<Ref<Subnet>> {
        let one = |(cidr, zone): (&Cidr, &String)| {
            let subnet = Subnet {
                aws: b.aws(),
                vpc: vpc.clone(),
                cidr: cidr.to_string(),
                zone: zone.clone(),
                public: side == "public",
                existing: None,
            };
            let name = zone.strip_prefix(facts.region.as_str()).filter(|z| !z.is_empty()).unwrap_or(zone);
            b.add(&format!("{side}-{name}"), subnet)
        };
        cidrs.iter().zip(&facts.zones).map(one).collect()
    };
    let (public, private, app) = (side("public", &cut.public), side("private", &cut.private), side("app", &cut.app));
    let aws = b.aws();
    let table = |gateway, subnets: &[Ref<Subnet>]| RouteTable {
        aws: aws.clone(),
        vpc: vpc.clone(),
        gateway,
        subnets: subnets.to_vec(),
    };
    let routes = b.add("public", table(Some(Gateway::Internet(gateway)), &public));
    let closed = b.add("private", table(None, &private));
    let reachable = vec![routes.key().clone()];

    // Private instances have one route table per zone. It points at the zone's own NAT gateway, or at the only one.
    let mut nats: Vec<Ref<NatGateway>> = vec![];
    let many = if egress.contains(&Egress::NatPerZone) {
        app.len()
    } else {
        usize::from(egress.contains(&Egress::Nat)).min(app.len())
    };
    for (subnet, zone) in public.iter().zip(&facts.zones).take(many) {
        let name = b.short(zone);
        let of = Key::new(NatGateway::KIND, name);
        let address = b.add(&format!("nat-{name}"), ElasticIp { aws: b.aws(), gateway: of });
        // Creating a NAT gateway fails unless its own subnet has a route to the internet.
        let nat = NatGateway { aws: b.aws(), subnet: subnet.clone(), address };
        nats.push(b.add_after(name, nat, &[routes.key()]));
    }
    let mut tables = vec![routes];
    for (i, (subnet, zone)) in app.iter().zip(&facts.zones).enumerate() {
        let gateway = nats.get(i).or(nats.first()).cloned().map(Gateway::Nat);
        let table = table(gateway, std::slice::from_ref(subnet));
        tables.push(b.add(&format!("app-{}", b.short(zone)), table));
    }
    let way_out: Vec<Key> = tables.iter().map(|t| t.key().clone()).collect();

    // These objects come with a VPC. If somebody has made one of the stack's route tables the main one, it cannot be
    // deleted before `MainRouteTable` has put that right.
    let ours: Vec<&Key> = tables.iter().chain([&closed]).map(|t| t.key()).collect();
    b.add_after("main", MainRouteTable::new(b.aws(), vpc.clone()), &ours);
    let subnets = public.iter().chain(&private).chain(&app).cloned().collect();
    b.add("main", DefaultNetworkAcl::new(b.aws(), vpc.clone(), subnets));
    b.add("main", DefaultSecurityGroup::new(b.aws(), vpc.clone()));
    b.add("main", DhcpOptions::new(b.aws(), vpc.clone()));

    // S3 holds the binary and Amazon Linux's packages. Traffic through the gateway endpoint is free.
    let service = format!("com.amazonaws.{}.s3", facts.region);
    let s3 = b.add("s3", VpcEndpoint { aws: b.aws(), vpc: vpc.clone(), service, route_tables: tables });
    let has_endpoints = !app.is_empty() && egress.contains(&Egress::Endpoints);
    let way_out = way_out.into_iter().chain(has_endpoints.then(|| s3.key().clone())).collect();
    let app = if app.is_empty() { public.clone() } else { app };
    Network { vpc, public, private, app, reachable, way_out, has_endpoints }
}

/// Returns the ranges of the subnets.
///
/// With `only_looked_for`, the graph only serves to find objects of earlier stack files. The ranges need not fit into
/// the VPC then.
fn ranges(config: &Config, facts: &Facts, only_looked_for: bool) -> Subnets {
    let cut = |config: &Config| config.subnets_beside(&facts.zones, &facts.ranges);
    let none = Subnets { public: vec![], private: vec![], app: vec![] };
    match cut(config) {
        Ok(ranges) => ranges,
        Err(_) if only_looked_for => {
            let mut public = config.clone();
            public.network.instances = Instances::Public;
            // No subnet has this range, so nothing is found by it.
            Subnets { app: vec![Cidr::default(); facts.zones.len()], ..cut(&public).unwrap_or(none) }
        }
        Err(_) => none,
    }
}
