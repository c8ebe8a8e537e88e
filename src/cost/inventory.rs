//! What is really there, and billed: a dozen reads at the same moment.
use super::{Item, Thing};
use crate::{
    aws::{Aws, error::AwsResult, listing, tags},
    config::{Config, Group, Mode, Origin, Switch},
    error::Result,
};
use aws_sdk_ec2::types::{Filter, NetworkInterface};
use futures::future::try_join_all;
use jiff::Timestamp;
use std::time::Duration;

/// What of a stack is running and billed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    pub instances: Vec<Instance>,
    /// Kind and GB.
    pub disks: Vec<(String, i32)>,
    pub database: Option<Database>,
    pub cache: Option<Cache>,
    pub balancers: usize,
    pub public_addresses: usize,
    pub nat_gateways: usize,
    /// Interface endpoints of ours, each counted once a zone.
    pub endpoints: usize,
    pub file_bytes: i64,
    pub alarms: usize,
    pub dashboards: usize,
    /// What could not be looked at and is not counted, and why.
    pub left_out: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    pub kind: String,
    pub spot: bool,
    pub age: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Database {
    pub class: String,
    pub multi_az: bool,
    pub storage_kind: String,
    pub storage_gb: i32,
    pub version: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Cache {
    pub engine: String,
    pub class: String,
    pub nodes: usize,
}

impl Inventory {
    pub fn is_empty(&self) -> bool {
        *self == Self { left_out: self.left_out.clone(), ..Self::default() }
    }

    /// As things to pay for.
    pub fn items(&self) -> Vec<Item> {
        let mut items = vec![];
        for i in &self.instances {
            let thing = Thing::Instance { kind: i.kind.clone(), spot: i.spot };
            items.push(Item { age: i.age, ..Item::new(Group::Fleet, thing, 1) });
        }
        let mut add = |group, thing, quantity: f64| items.push(Item::new(group, thing, quantity));
        for (kind, gb) in &self.disks {
            add(Group::Fleet, Thing::Disk { kind: kind.clone() }, f64::from(*gb));
        }
        add(Group::Network, Thing::PublicAddress, self.public_addresses as f64);
        add(Group::Network, Thing::NatGateway, self.nat_gateways as f64);
        add(Group::Network, Thing::InterfaceEndpoint, self.endpoints as f64);
        add(Group::Balancer, Thing::Balancer, self.balancers as f64);
        add(Group::Balancer, Thing::CapacityUnit, self.balancers as f64);
        if let Some(d) = &self.database {
            let (class, multi_az) = (d.class.clone(), d.multi_az);
            add(Group::Database, Thing::Database { class: class.clone(), multi_az }, 1.0);
            let storage = Thing::Storage { kind: d.storage_kind.clone(), multi_az };
            add(Group::Database, storage, f64::from(d.storage_gb));
            if d.version == "8.0" || d.version.starts_with("8.0.") {
                add(Group::Database, Thing::ExtendedSupport { class, multi_az }, 1.0);
            }
        }
        if let Some(c) = &self.cache {
            let node = Thing::CacheNode { engine: c.engine.clone(), class: c.class.clone() };
            add(Group::Cache, node, c.nodes as f64);
        }
        // An empty file system reports a few kilobytes, which cost nothing.
        if self.file_bytes >= 1_000_000 {
            add(Group::Files, Thing::Files, self.file_bytes as f64 / 1e9);
        }
        add(Group::Monitoring, Thing::Alarm, self.alarms as f64);
        add(Group::Monitoring, Thing::Dashboard, self.dashboards as f64);
        items
    }
}

fn by(name: &str, values: &[&str]) -> Filter {
    Filter::builder().name(name).set_values(Some(values.iter().map(|v| (*v).to_owned()).collect())).build()
}

/// Looks at everything that is billed; `alarms` are the names of the stack's own.
pub async fn gather(aws: &Aws, config: &Config, alarms: Vec<String>) -> Result<Inventory> {
    let fleets: Vec<String> =
        config.services().map(|service| config.name_of(&service.key("auto-scaling-group"))).collect();
    let fleets = &fleets;
    let balancer = config.name_of("load-balancer/main");
    let ((instances, disks), database, cache, balancers, network, endpoints, file_bytes, alarms, dashboards) = futures::try_join!(
        async {
            let all = instances(aws, fleets).await?;
            let disks = disks(aws, all.iter().filter_map(|i| i.instance_id())).await?;
            Ok((all.iter().map(Instance::of).collect(), disks))
        },
        database(aws, config),
        cache(aws, config),
        async {
            let answer = aws.elb.describe_load_balancers().names(&balancer).send().await;
            let found = answer.or_absent("DescribeLoadBalancers")?;
            Ok(found.and_then(|a| a.load_balancers).unwrap_or_default().len())
        },
        network(aws, config, fleets, &balancer),
        endpoints(aws, config),
        file_bytes(aws, config),
        // Cents: no reason to tell nothing of the rest.
        async { Ok(self::alarms(aws, alarms, fleets).await) },
        async { Ok(dashboards(aws, config).await) },
    )?;
    let mut left_out = vec![];
    let mut count = |what: &str, found: Result<usize>| {
        found.unwrap_or_else(|e| {
            left_out.push(format!("{what} are not counted: {e}"));
            0
        })
    };
    let (alarms, dashboards) = (count("alarms", alarms), count("dashboards", dashboards));
    let (public_addresses, nat_gateways) = network;
    Ok(Inventory {
        instances,
        disks,
        database,
        cache,
        balancers,
        public_addresses,
        nat_gateways,
        endpoints,
        file_bytes,
        alarms,
        dashboards,
        left_out,
    })
}

/// The instances of these groups that are billed.
async fn instances(aws: &Aws, fleets: &[String]) -> Result<Vec<aws_sdk_ec2::types::Instance>> {
    let pages = aws
        .ec2
        .describe_instances()
        .filters(by(&format!("tag:{}", tags::GROUP_TAG), &fleets.iter().map(String::as_str).collect::<Vec<_>>()))
        .filters(by("instance-state-name", &["pending", "running"]))
        .into_paginator()
        .items()
        .send();
    let all: Vec<aws_sdk_ec2::types::Reservation> = pages.try_collect().await.during("DescribeInstances")?;
    Ok(all.into_iter().flat_map(|r| r.instances.unwrap_or_default()).collect())
}

impl Instance {
    fn of(i: &aws_sdk_ec2::types::Instance) -> Self {
        let launched = i.launch_time().and_then(|t| Timestamp::from_second(t.secs()).ok());
        Self {
            kind: i.instance_type().map(|t| t.as_str().to_owned()).unwrap_or_default(),
            spot: i.instance_lifecycle().is_some_and(|l| l.as_str() == "spot"),
            age: launched.and_then(|t| Timestamp::now().duration_since(t).try_into().ok()).unwrap_or_default(),
        }
    }
}

async fn disks(aws: &Aws, instances: impl Iterator<Item = &str>) -> Result<Vec<(String, i32)>> {
    let instances: Vec<&str> = instances.collect();
    let mut disks = vec![];
    // AWS takes two hundred values in a filter.
    for some in instances.chunks(200) {
        let pages =
            aws.ec2.describe_volumes().filters(by("attachment.instance-id", some)).into_paginator().items().send();
        let all: Vec<aws_sdk_ec2::types::Volume> = pages.try_collect().await.during("DescribeVolumes")?;
        let kind = |v: &aws_sdk_ec2::types::Volume| v.volume_type().map(|t| t.as_str().to_owned());
        disks.extend(all.iter().map(|v| (kind(v).unwrap_or_default(), v.size().unwrap_or_default())));
    }
    Ok(disks)
}

async fn database(aws: &Aws, config: &Config) -> Result<Option<Database>> {
    if config.database.mode != Mode::Create {
        return Ok(None);
    }
    let id = config.name_of("database/main");
    let answer = aws.rds.describe_db_instances().db_instance_identifier(id).send().await;
    let found = answer.or_absent("DescribeDBInstances")?.and_then(|a| a.db_instances?.into_iter().next());
    Ok(found.map(|d| Database {
        class: d.db_instance_class.unwrap_or_default(),
        multi_az: d.multi_az.unwrap_or_default(),
        storage_kind: d.storage_type.unwrap_or_default(),
        storage_gb: d.allocated_storage.unwrap_or_default(),
        version: d.engine_version.unwrap_or_default(),
    }))
}

async fn cache(aws: &Aws, config: &Config) -> Result<Option<Cache>> {
    if config.cache.mode != Mode::Create {
        return Ok(None);
    }
    let id = config.name_of("cache/main");
    let answer = aws.elasticache.describe_replication_groups().replication_group_id(id).send().await;
    let found = answer.or_absent("DescribeReplicationGroups")?.and_then(|a| a.replication_groups?.into_iter().next());
    Ok(found.map(|g| Cache {
        engine: g.engine.clone().unwrap_or_else(|| config.cache.engine.to_string()),
        class: g.cache_node_type.clone().unwrap_or_default(),
        nodes: g.member_clusters().len(),
    }))
}

/// Public addresses and NAT gateways. In a network of others only those that we cause.
async fn network(aws: &Aws, config: &Config, fleets: &[String], balancer: &str) -> Result<(usize, usize)> {
    let interfaces = async |filter: Filter| -> Result<Vec<NetworkInterface>> {
        let pages = aws.ec2.describe_network_interfaces().filters(filter).into_paginator().items().send();
        pages.try_collect().await.during("DescribeNetworkInterfaces")
    };
    let public = |all: &[NetworkInterface]| {
        all.iter().filter(|i| i.association().is_some_and(|a| a.public_ip().is_some())).count()
    };
    if config.network.mode == Origin::Use {
        // AWS calls a balancer's interfaces so; an instance's are found through the instance.
        let of_balancer = by("description", &[&format!("ELB app/{balancer}/*")]);
        let (balancer, instances) = futures::try_join!(interfaces(of_balancer), instances(aws, fleets))?;
        let addressed = instances.iter().filter(|i| i.public_ip_address().is_some()).count();
        return Ok((public(&balancer) + addressed, 0));
    }
    let answer = aws.ec2.describe_vpcs().filters(tags::filter(aws.keys.stack(), &config.name)).send().await;
    let vpcs = answer.during("DescribeVpcs")?.vpcs.unwrap_or_default();
    let ids: Vec<&str> = vpcs.iter().filter_map(|v| v.vpc_id()).collect();
    if ids.is_empty() {
        return Ok((0, 0));
    }
    let (all, gateways) = futures::try_join!(interfaces(by("vpc-id", &ids)), async {
        let pages = aws
            .ec2
            .describe_nat_gateways()
            .filter(by("vpc-id", &ids))
            .filter(by("state", &["pending", "available"]))
            .into_paginator()
            .items()
            .send();
        let all: Vec<aws_sdk_ec2::types::NatGateway> = pages.try_collect().await.during("DescribeNatGateways")?;
        Ok(all.len())
    })?;
    Ok((public(&all), gateways))
}

/// Those that instances without public addresses need; nobody else has any.
async fn endpoints(aws: &Aws, config: &Config) -> Result<usize> {
    if !config.has_private_instances() {
        return Ok(0);
    }
    let all = listing::vpc_endpoints(aws).await?;
    let ours = all.iter().filter(|e| tags::ec2::from(e.tags()).get(aws.keys.stack()) == Some(&config.name));
    let interfaces = ours.filter(|e| e.vpc_endpoint_type().is_some_and(|t| t.as_str() == "Interface"));
    let billed = interfaces.filter(|e| e.state().is_none_or(|s| !s.as_str().to_lowercase().starts_with("delet")));
    Ok(billed.map(|e| e.subnet_ids().len()).sum())
}

async fn file_bytes(aws: &Aws, config: &Config) -> Result<i64> {
    if config.files.mode != Mode::Create {
        return Ok(0);
    }
    let pages = aws.efs.describe_file_systems().into_paginator().items().send();
    let all: Vec<aws_sdk_efs::types::FileSystemDescription> =
        pages.try_collect().await.during("DescribeFileSystems")?;
    let ours = all.iter().filter(|f| f.tags().iter().any(|t| t.key() == aws.keys.stack() && t.value() == config.name));
    Ok(ours.filter_map(|f| f.size_in_bytes()).map(|s| s.value()).sum())
}

/// The stack's own alarms, and those that target tracking has made for its groups.
async fn alarms(aws: &Aws, own: Vec<String>, fleets: &[String]) -> Result<usize> {
    let ours = async {
        let mut count = 0;
        // AWS takes a hundred names at a time.
        for names in own.chunks(100) {
            let call = aws.cloudwatch.describe_alarms().set_alarm_names(Some(names.to_vec())).send().await;
            count += call.during("DescribeAlarms")?.metric_alarms.unwrap_or_default().len();
        }
        Ok(count)
    };
    let tracking = try_join_all(fleets.iter().map(async |fleet| {
        let prefix = format!("TargetTracking-{fleet}-");
        let call = aws.cloudwatch.describe_alarms().alarm_name_prefix(prefix).send().await;
        Ok(call.during("DescribeAlarms")?.metric_alarms.unwrap_or_default().len())
    }));
    let (ours, tracking) = futures::try_join!(ours, tracking)?;
    Ok(ours + tracking.into_iter().sum::<usize>())
}

async fn dashboards(aws: &Aws, config: &Config) -> Result<usize> {
    if config.monitoring.mode == Switch::Off || !config.monitoring.dashboard {
        return Ok(0);
    }
    let answer = aws.cloudwatch.get_dashboard().dashboard_name(config.name_of("dashboard/main")).send().await;
    Ok(usize::from(answer.or_absent("GetDashboard")?.is_some()))
}
