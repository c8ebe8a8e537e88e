//! The wiring: a stack file and the facts of an account become a graph of steps. Pure; reads top to bottom like
//! the architecture.
mod boot;
pub mod remains;
mod watch;

pub use boot::endpoint_services;

use crate::{
    aws::Aws,
    config::{Cidr, Config, Egress, Instances, Loaded, Mode, Origin, Run, Subnets, Switch},
    engine::{Graph, Key, Ref, Resource},
    facts::Facts,
    resources::{
        access_point::AccessPoint,
        auto_scaling_group::{AutoScalingGroup, SpotMix},
        cache::Cache,
        cache_subnet_group::CacheSubnetGroup,
        database::Database,
        db_parameter_group::DbParameterGroup,
        db_subnet_group::DbSubnetGroup,
        default_network_acl::DefaultNetworkAcl,
        default_security_group::DefaultSecurityGroup,
        dhcp_options::DhcpOptions,
        elastic_ip::ElasticIp,
        file_system::FileSystem,
        instance_profile::InstanceProfile,
        interface_endpoint::InterfaceEndpoint,
        internet_gateway::InternetGateway,
        launch_template::LaunchTemplate,
        listener::Listener,
        listener_rule::ListenerRule,
        load_balancer::{ActiveLoadBalancer, LoadBalancer},
        log_group::LogGroup,
        main_route_table::MainRouteTable,
        mount_target::MountTarget,
        nat_gateway::NatGateway,
        parameter::Parameter,
        role::{Master, Role},
        route_table::{Gateway, RouteTable},
        scaling_policy::{Metric, ScalingPolicy},
        security_group::SecurityGroup,
        security_group_rules::{Peer, Rule, SecurityGroupRules},
        subnet::Subnet,
        target_group::TargetGroup,
        vpc::Vpc,
        vpc_endpoint::VpcEndpoint,
    },
    userdata,
};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

/// A stack, ready to be walked.
pub struct Stack {
    pub graph: Graph,
    pub service: String,
    pub balancer: Ref<LoadBalancer>,
    pub target: Ref<TargetGroup>,
    /// The master password, where the role may read it until the database is set up.
    pub master: Option<Master>,
    /// What an instance is told at boot, with texts in parentheses for what does not exist yet.
    pub boot: Rc<boot::Recipe>,
}

const MYSQL: u16 = 3306;
const REDIS: u16 = 6379;
const NFS: u16 = 2049;
const HTTPS: u16 = 443;
const ANYWHERE: &str = "0.0.0.0/0";

/// Wires the stack. Fails only for what the stack file's own rules could not see: a template that does not render.
pub fn wire(loaded: &Loaded, facts: &Facts, aws: &Aws) -> userdata::Result<Stack> {
    wire_with(loaded, facts, aws, &[loaded.config.network.egress])
}

/// The same with several ways out for private instances, as no stack file can describe them.
fn wire_with(loaded: &Loaded, facts: &Facts, aws: &Aws, egress: &[Egress]) -> userdata::Result<Stack> {
    let config = &loaded.config;
    let (name, service) = config.service();
    let slot = &config.slot();
    // An older fleet goes on serving until this one does: what it needs stays until then.
    let handover = !facts.older.is_empty();
    let mut g = Graph::default();
    let aws = || aws.clone();

    // Network: ours, or one that is there already.
    let net = network(&mut g, config, facts, &aws, egress);

    // Security groups first, their rules after: the rules refer to each other's groups.
    let group = |g: &mut Graph, name: &str, description: &str| {
        g.add(name, SecurityGroup { aws: aws(), vpc: net.vpc.clone(), description: description.into() })
    };
    let alb_group = group(&mut g, "alb", "load balancer");
    let app_group = group(&mut g, "app", "instances of the service");
    let db_group = (config.database.mode == Mode::Create).then(|| group(&mut g, "db", "database"));
    let cache_group = (config.cache.mode == Mode::Create).then(|| group(&mut g, "cache", "cache"));
    let files_group = (config.files.mode == Mode::Create).then(|| group(&mut g, "files", "file system"));

    let tcp = |port, peer, why: &str| Rule { protocol: "tcp", port, peer, why: why.into() };
    let to = |group: &Ref<SecurityGroup>| Peer::Group(group.clone());
    let net_of = |cidr: &str| Peer::Cidr(cidr.into());
    let rules = |g: &mut Graph, name: &str, group: &Ref<SecurityGroup>, ingress, egress| {
        let rules = SecurityGroupRules { aws: aws(), group: group.clone(), ingress, egress, spared: None };
        g.add(name, rules).key().clone()
    };
    // Between the balancer and the instances: on whatever port the older ones listen.
    let sparing =
        |g: &mut Graph, name: &str, group: &Ref<SecurityGroup>, peer: &Ref<SecurityGroup>, ingress, egress| {
            let spared = handover.then(|| peer.clone());
            g.add(name, SecurityGroupRules { aws: aws(), group: group.clone(), ingress, egress, spared }).key().clone()
        };
    let from_app = |port, what: &str| vec![tcp(port, to(&app_group), what)];

    // The services of AWS that instances without a way to the internet need, each by an endpoint in their subnets.
    let mut way_out = net.way_out.clone();
    if net.has_endpoints {
        let every = egress.len() > 1;
        let services = boot::services(config).into_iter().filter(|(_, needed)| *needed || every);
        let services: Vec<&str> = services.map(|(service, _)| service).collect();
        if !services.is_empty() {
            let endpoints = group(&mut g, "endpoints", "endpoints of AWS services");
            way_out.push(rules(&mut g, "endpoints", &endpoints, from_app(HTTPS, "from the instances"), vec![]));
            for service in services {
                let endpoint = InterfaceEndpoint {
                    aws: aws(),
                    vpc: net.vpc.clone(),
                    service: format!("com.amazonaws.{}.{service}", facts.region),
                    subnets: net.app.clone(),
                    groups: vec![endpoints.clone()],
                };
                way_out.push(g.add(service, endpoint).key().clone());
            }
        }
    }

    let mut app_in = vec![tcp(service.port, to(&alb_group), "requests from the load balancer")];
    app_in.extend(facts.sources(&config.access.ssh).iter().map(|c| tcp(22, net_of(c), "SSH")));
    // Packages, the binary and AWS's own endpoints.
    let mut app_out = vec![tcp(80, net_of(ANYWHERE), "packages"), tcp(443, net_of(ANYWHERE), "AWS and downloads")];
    for (group, used, port, what) in [
        (&db_group, config.database.endpoint().map(|(_, p)| p), MYSQL, "database"),
        (&cache_group, config.cache.endpoint().map(|(_, p)| p), REDIS, "cache"),
        (&files_group, (config.files.mode == Mode::Use).then_some(NFS), NFS, "file system"),
    ] {
        match (group, used) {
            (Some(group), _) => app_out.push(tcp(port, to(group), what)),
            // The file system is in this VPC; a used database or cache may be anywhere.
            (None, Some(NFS)) => app_out.extend(facts.cidrs(config).iter().map(|c| tcp(NFS, net_of(c), what))),
            (None, Some(port)) if port != 80 && port != 443 => app_out.push(tcp(port, net_of(ANYWHERE), what)),
            (None, _) => {}
        }
    }
    let http = facts.sources(&config.access.http).iter().map(|c| tcp(80, net_of(c), "requests")).collect();
    let to_app = vec![tcp(service.port, to(&app_group), "requests to the instances")];
    let alb_rules = sparing(&mut g, "alb", &alb_group, &app_group, http, to_app);
    let app_rules = sparing(&mut g, "app", &app_group, &alb_group, app_in, app_out);
    let mut data_rules = vec![];
    for (name, group, port) in [("db", &db_group, MYSQL), ("cache", &cache_group, REDIS), ("files", &files_group, NFS)]
    {
        if let Some(group) = group {
            data_rules.push(rules(&mut g, name, group, from_app(port, "from the instances"), vec![]));
        }
    }

    // Secrets: two passwords, generated once, kept where every teammate and every instance can read them.
    let passwords = (config.database.mode != Mode::Off).then(|| passwords(&mut g, config, &aws));

    // Database.
    let database = match config.database.mode {
        Mode::Off => None,
        mode => {
            let d = &config.database;
            let ours = mode == Mode::Create;
            let subnet_group = ours.then(|| g.add("main", DbSubnetGroup { aws: aws(), subnets: net.private.clone() }));
            let parameter_group = ours.then(|| {
                g.add(
                    "main",
                    DbParameterGroup {
                        aws: aws(),
                        family: format!("mysql{}", major(&d.version)),
                        parameters: d.known_parameters(),
                    },
                )
            });
            let resource = Database {
                aws: aws(),
                existing: d.endpoint().filter(|_| !ours),
                version: d.version.clone(),
                extended_support: d.extended_support(),
                class: d.class.clone(),
                storage_gb: d.storage_gb as i32,
                encrypted: d.encrypted,
                multi_az: d.multi_az,
                backup_days: d.backup_days as i32,
                deletion_protection: d.deletion_protection,
                database: d.database.clone(),
                master_user: d.master_user.clone(),
                subnet_group,
                parameter_group,
                groups: db_group.iter().cloned().collect(),
                master_password: passwords.as_ref().and_then(|p| p.master.clone()).filter(|_| ours),
            };
            Some(if ours { g.add("main", resource) } else { g.add_used("main", resource) })
        }
    };

    // Cache.
    let cache = match config.cache.mode {
        Mode::Off => None,
        mode => {
            let c = &config.cache;
            let ours = mode == Mode::Create;
            let subnet_group =
                ours.then(|| g.add("main", CacheSubnetGroup { aws: aws(), subnets: net.private.clone() }));
            let resource = Cache {
                aws: aws(),
                existing: c.endpoint().filter(|_| !ours),
                engine: c.engine.to_string(),
                version: c.engine_version().into(),
                class: c.class.clone(),
                encrypted: c.encrypted,
                nodes: c.nodes as i32,
                zones: facts.zones.clone(),
                subnet_group,
                groups: cache_group.iter().cloned().collect(),
            };
            Some(if ours { g.add("main", resource) } else { g.add_used("main", resource) })
        }
    };

    // Files: one mount target a zone.
    let files = match config.files.mode {
        Mode::Off => None,
        mode => {
            let ours = mode == Mode::Create;
            let resource = FileSystem {
                aws: aws(),
                existing: config.files.file_system.clone().filter(|_| !ours),
                throughput: config.files.throughput.to_string(),
                encrypted: config.files.encrypted,
            };
            let system = if ours { g.add("main", resource) } else { g.add_used("main", resource) };
            let targets = net
                .private
                .iter()
                .zip(&facts.zones)
                .map(|(subnet, zone)| {
                    let target = MountTarget {
                        aws: aws(),
                        file_system: system.clone(),
                        subnet: subnet.clone(),
                        groups: files_group.iter().cloned().collect(),
                        zone: zone.clone(),
                        existing: !ours,
                    };
                    let name = short(zone, facts);
                    if ours { g.add(name, target) } else { g.add_used(name, target) }
                })
                .collect::<Vec<_>>();
            let access_point = ours.then(|| {
                // The uid and gid the boot script gives the service's user.
                // Its path cannot be changed, so another service gets another one.
                g.add(
                    name,
                    AccessPoint {
                        aws: aws(),
                        file_system: system.clone(),
                        uid: userdata::SERVICE_UID,
                        gid: userdata::SERVICE_UID,
                        path: format!("/{name}"),
                    },
                )
            });
            Some(boot::Files { system, targets, access_point })
        }
    };

    // Logs, before the agent on an instance makes groups of its own without an end date.
    let logs = (config.monitoring.mode == Switch::Create && config.iam.mode != Mode::Off).then(|| {
        let days = config.monitoring.log_days as i32;
        ["app", "boot"]
            .map(|n| g.add(n, LogGroup { aws: aws(), path: format!("/gameday/{}/{n}", config.name), days }))
            .to_vec()
    });

    // A script of the user's own may want the master password at any time; the shipped one until the database is set up.
    let ours = config.iam.mode == Mode::Create && service.user_data.is_none();
    let master = match passwords.as_ref().map(|p| (&p.master, &p.app)) {
        Some((Some(parameter), Some(app))) if ours => Some(Master {
            parameter: parameter.clone(),
            app: app.clone(),
            what: boot::sets_up(loaded)?,
            done: Rc::new(RefCell::new(facts.set_up.done())),
            unseen: facts.set_up.unseen,
            has: Cell::new(None),
        }),
        _ => None,
    };
    let is_master = |p: &Ref<Parameter>| master.as_ref().is_some_and(|m| m.parameter.key() == p.key());

    // What the instances may do.
    let profile = match config.iam.mode {
        Mode::Off => None,
        Mode::Use => {
            let existing = config.iam.instance_profile.clone();
            Some(g.add_used("instance", InstanceProfile { aws: aws(), role: None, existing, path: String::new() }))
        }
        Mode::Create => {
            let role = g.add(
                "instance",
                Role {
                    aws: aws(),
                    parameters: passwords.iter().flat_map(|p| p.all()).filter(|p| !is_master(p)).collect(),
                    master: master.clone(),
                    log_groups: logs.clone().unwrap_or_default(),
                    objects: boot::readable_objects(config),
                    repositories: boot::repository(config).into_iter().collect(),
                    keys: config.iam.kms_keys.clone(),
                    keys_via: boot::keys_via(config),
                    sessions: config.iam.ssm,
                    policies: config.iam.policies.clone(),
                    boundary: config.iam.permissions_boundary.clone(),
                    path: config.iam.path.clone(),
                    profile: config.name_of("instance-profile/instance"),
                },
            );
            Some(g.add(
                "instance",
                InstanceProfile { aws: aws(), role: Some(role), existing: None, path: config.iam.path.clone() },
            ))
        }
    };

    // Launch template.
    let recipe = Rc::new(boot::Recipe::new(
        loaded,
        boot::ranges(config, facts),
        database.clone(),
        cache.clone(),
        files,
        passwords,
        logs,
        profile.clone(),
    )?);
    let template = {
        let recipe = recipe.clone();
        let named = |what: &str| config.names.get(&format!("{what}/{name}")).cloned();
        let instance_name = || named("instance").unwrap_or_else(|| format!("{}-{name}", config.name));
        g.add(
            name,
            LaunchTemplate {
                aws: aws(),
                image: facts.image.clone(),
                instance_type: service.instance_type.clone(),
                other_types: service.spot.iter().flat_map(|s| s.types.clone()).collect(),
                key_pair: config.access.key_pair.clone(),
                groups: vec![app_group.clone()],
                public_address: match (config.has_private_instances(), &facts.network) {
                    (true, _) => Some(false),
                    (false, Some(_)) => Some(true),
                    // Our own subnets give each one.
                    (false, None) => None,
                },
                profile,
                user_data: Box::new(move |inputs| recipe.user_data(inputs)),
                volume_name: named("volume").unwrap_or_else(instance_name),
                instance_name: instance_name(),
                // A container is one hop further from the metadata service, and out of its reach unless it is meant to be.
                hop_limit: if service.run == Run::Container && config.has_metadata() { 2 } else { 1 },
            },
        )
    };

    // Load balancer. Its ARN is enough for all that refers to it; that it is active is a step of its own.
    // AWS refuses an internet-facing one in a VPC without an internet gateway.
    let reachable: Vec<&Key> = net.reachable.iter().collect();
    let balancer = g.add_after(
        "main",
        LoadBalancer { aws: aws(), subnets: net.public.clone(), groups: vec![alb_group.clone()], idle_timeout: 60 },
        &reachable,
    );
    g.add_after("main", ActiveLoadBalancer::new(aws(), balancer.clone()), &[&alb_rules]);
    let target = g.add(
        slot,
        TargetGroup {
            aws: aws(),
            vpc: net.vpc.clone(),
            port: service.port,
            health_path: service.health_path.clone(),
            health_codes: service.health_codes.clone(),
            health_interval: service.health_interval,
        },
    );

    // Fleet. An instance that boots before its rules stand cannot reach anything.
    let after: Vec<&Key> = way_out.iter().chain([&app_rules]).chain(&data_rules).collect();
    let fleet = g.add_after(
        slot,
        AutoScalingGroup {
            aws: aws(),
            template,
            subnets: net.app.clone(),
            targets: vec![target.clone()],
            min: service.min as i32,
            desired: service.desired as i32,
            max: service.max as i32,
            grace: service.grace_seconds as i32,
            warmup: service.warmup_seconds as i32,
            spot: service.spot.as_ref().map(|s| SpotMix {
                base: s.on_demand_base as i32,
                percent: s.on_demand_percent as i32,
                types: s.types.clone(),
            }),
            instance_type: service.instance_type.clone(),
        },
        &after,
    );

    // Where requests go. While an older fleet serves, that changes when the new one is there and healthy; the fleet
    // itself never waits for this, or neither would end.
    let after: Vec<&Key> = if handover { vec![fleet.key(), &alb_rules] } else { vec![] };
    let enough = service.desired as i32;
    // With routes, what matches none is answered with 404 by the balancer itself.
    let default = service.routes.is_empty().then(|| target.clone());
    let listener = Listener { aws: aws(), balancer: balancer.clone(), target: default, port: 80, enough };
    let listener = g.add_after("http", listener, &after);
    let mut routed = vec![listener.key().clone()];
    for (i, paths) in service.rules().into_iter().enumerate() {
        let rule = ListenerRule {
            aws: aws(),
            listener: listener.clone(),
            target: target.clone(),
            paths,
            priority: 100 + i as i32,
            enough,
        };
        routed.push(g.add(&format!("{name}-{}", i + 1), rule).key().clone());
    }
    // A resource label is refused until the target group is attached to a balancer: by its listener or a rule.
    if let Some(per_minute) = service.scale.requests_per_target {
        let metric = Metric::RequestsPerTarget { per_minute, balancer: balancer.clone(), target: target.clone() };
        let policy = ScalingPolicy { aws: aws(), group: fleet.clone(), metric };
        g.add_after(&format!("{slot}-requests"), policy, &routed.iter().collect::<Vec<_>>());
    }
    if let Some(percent) = service.scale.cpu {
        let policy = ScalingPolicy { aws: aws(), group: fleet.clone(), metric: Metric::Cpu { percent } };
        g.add(&format!("{slot}-cpu"), policy);
    }

    // Monitoring.
    if config.monitoring.mode == Switch::Create {
        let seen = watch::Seen {
            balancer: balancer.clone(),
            target: target.clone(),
            fleet,
            database: database.filter(|_| config.database.mode == Mode::Create),
            cache: cache.filter(|_| config.cache.mode == Mode::Create),
            routed: if handover { routed } else { vec![] },
        };
        watch::wire(&mut g, config, &aws, &seen, facts);
    }

    Ok(Stack { graph: g, service: name.into(), balancer, target, master, boot: recipe })
}

/// The parts of the network that others refer to.
struct Net {
    vpc: Ref<Vpc>,
    public: Vec<Ref<Subnet>>,
    private: Vec<Ref<Subnet>>,
    /// Where the instances are: the public subnets, or private ones of their own.
    app: Vec<Ref<Subnet>>,
    /// What makes the public subnets reach the internet.
    reachable: Vec<Key>,
    /// What makes the instances reach out.
    way_out: Vec<Key>,
    /// Whether they need an endpoint for each service of AWS.
    has_endpoints: bool,
}

fn network(g: &mut Graph, config: &Config, facts: &Facts, aws: &dyn Fn() -> Aws, egress: &[Egress]) -> Net {
    if let Some(used) = &facts.network {
        let vpc = g.add_used(
            "main",
            Vpc { aws: aws(), cidr: used.cidrs.first().cloned().unwrap_or_default(), existing: Some(used.vpc.clone()) },
        );
        let mut side = |side: &str, subnets: &[crate::facts::Subnet]| -> Vec<Ref<Subnet>> {
            subnets
                .iter()
                .map(|s| {
                    g.add_used(
                        &format!("{side}-{}", short(&s.zone, facts)),
                        Subnet {
                            aws: aws(),
                            vpc: vpc.clone(),
                            cidr: s.cidr.clone(),
                            zone: s.zone.clone(),
                            public: side == "public",
                            existing: Some(s.id.clone()),
                        },
                    )
                })
                .collect()
        };
        let (public, private) = (side("public", &used.public), side("private", &used.private));
        let app = if config.has_private_instances() { side("app", &used.instances) } else { public.clone() };
        return Net { vpc, public, private, app, reachable: vec![], way_out: vec![], has_endpoints: false };
    }
    let vpc = g.add("main", Vpc { aws: aws(), cidr: config.network.cidr.clone(), existing: None });
    let gateway = g.add("main", InternetGateway { aws: aws(), vpc: vpc.clone() });
    let cut = ranges(config, facts, egress.len() > 1);
    let mut side = |side: &str, cidrs: &[Cidr]| -> Vec<Ref<Subnet>> {
        cidrs
            .iter()
            .zip(&facts.zones)
            .map(|(cidr, zone)| {
                g.add(
                    &format!("{side}-{}", short(zone, facts)),
                    Subnet {
                        aws: aws(),
                        vpc: vpc.clone(),
                        cidr: cidr.to_string(),
                        zone: zone.clone(),
                        public: side == "public",
                        existing: None,
                    },
                )
            })
            .collect()
    };
    let (public, private, app) = (side("public", &cut.public), side("private", &cut.private), side("app", &cut.app));
    let table = |gateway, subnets: &[Ref<Subnet>]| RouteTable {
        aws: aws(),
        vpc: vpc.clone(),
        gateway,
        subnets: subnets.to_vec(),
    };
    let routes = g.add("public", table(Some(Gateway::Internet(gateway)), &public));
    let closed = g.add("private", table(None, &private));
    let reachable = vec![routes.key().clone()];
    // Private instances: a table a zone, which leads to the zone's own NAT gateway, or to the one there is.
    let mut nats: Vec<Ref<NatGateway>> = vec![];
    let many = if egress.contains(&Egress::NatPerZone) {
        app.len()
    } else {
        usize::from(egress.contains(&Egress::Nat)).min(app.len())
    };
    for (subnet, zone) in public.iter().zip(&facts.zones).take(many) {
        let name = short(zone, facts);
        let address = g.add(&format!("nat-{name}"), ElasticIp { aws: aws(), of: Key::new(NatGateway::KIND, name) });
        // A gateway that is made before its own subnet leads out fails.
        let nat = NatGateway { aws: aws(), subnet: subnet.clone(), address };
        nats.push(g.add_after(name, nat, &[routes.key()]));
    }
    let mut tables = vec![routes];
    for (i, (subnet, zone)) in app.iter().zip(&facts.zones).enumerate() {
        let gateway = nats.get(i).or(nats.first()).cloned().map(Gateway::Nat);
        let table = table(gateway, std::slice::from_ref(subnet));
        tables.push(g.add(&format!("app-{}", short(zone, facts)), table));
    }
    let way_out: Vec<Key> = tables.iter().map(|t| t.key().clone()).collect();
    // What comes with a VPC. A table of ours that somebody made the main one cannot be deleted before that is put right.
    let ours: Vec<&Key> = tables.iter().chain([&closed]).map(|t| t.key()).collect();
    g.add_after("main", MainRouteTable::new(aws(), vpc.clone()), &ours);
    let subnets = public.iter().chain(&private).chain(&app).cloned().collect();
    g.add("main", DefaultNetworkAcl::new(aws(), vpc.clone(), subnets));
    g.add("main", DefaultSecurityGroup::new(aws(), vpc.clone()));
    g.add("main", DhcpOptions::new(aws(), vpc.clone()));
    // S3 holds the binary and Amazon Linux's packages; through the endpoint they cost nothing.
    let s3 = g.add(
        "s3",
        VpcEndpoint {
            aws: aws(),
            vpc: vpc.clone(),
            service: format!("com.amazonaws.{}.s3", facts.region),
            route_tables: tables.clone(),
        },
    );
    let has_endpoints = !app.is_empty() && egress.contains(&Egress::Endpoints);
    let way_out = way_out.into_iter().chain(has_endpoints.then(|| s3.key().clone())).collect();
    let app = if app.is_empty() { public.clone() } else { app };
    Net { vpc, public, private, app, reachable, way_out, has_endpoints }
}

/// The ranges of the subnets. Where all that was ever there is only looked for, it need not fit into the VPC.
fn ranges(config: &Config, facts: &Facts, only_looked_for: bool) -> Subnets {
    let cut = |config: &Config| config.subnets_beside(&facts.zones, &facts.ranges);
    let none = Subnets { public: vec![], private: vec![], app: vec![] };
    match cut(config) {
        Ok(ranges) => ranges,
        Err(_) if only_looked_for => {
            let mut public = config.clone();
            public.network.instances = Instances::Public;
            // No subnet has this range: what is looked for by it is not found.
            Subnets { app: vec![Cidr::default(); facts.zones.len()], ..cut(&public).unwrap_or(none) }
        }
        Err(_) => none,
    }
}

/// The passwords of the database.
pub(crate) struct Passwords {
    pub master: Option<Ref<Parameter>>,
    pub app: Option<Ref<Parameter>>,
}
impl Passwords {
    fn all(&self) -> impl Iterator<Item = Ref<Parameter>> {
        self.master.iter().chain(&self.app).cloned()
    }
}

fn passwords(g: &mut Graph, config: &Config, aws: &dyn Fn() -> Aws) -> Passwords {
    // Without a profile the instances cannot fetch them: then they stand in the user data.
    let reveal = config.iam.mode == Mode::Off;
    let mut one = |name: &str, used: &Option<String>| match (config.secrets.mode, used) {
        (Origin::Create, _) => {
            let path = format!("/gameday/{}/{name}", config.name);
            Some(g.add(name, Parameter { aws: aws(), path, existing: false, reveal }))
        }
        (Origin::Use, Some(path)) => {
            Some(g.add_used(name, Parameter { aws: aws(), path: path.clone(), existing: true, reveal }))
        }
        (Origin::Use, None) => None,
    };
    let master = one("db-master-password", &config.secrets.master_password);
    Passwords { master, app: one("db-app-password", &config.secrets.app_password) }
}

/// `a` of `us-east-1a`.
fn short<'a>(zone: &'a str, facts: &Facts) -> &'a str {
    zone.strip_prefix(facts.region.as_str()).filter(|s| !s.is_empty()).unwrap_or(zone)
}

/// `8.4` of `8.4.6`.
fn major(version: &str) -> String {
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}
