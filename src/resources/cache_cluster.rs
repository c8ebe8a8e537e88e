//! An ElastiCache cache cluster: nodes of memcached, which know nothing of each other.
//!
//! The clients decide which node has a key, so each needs the same list of nodes.
use super::prelude::*;
use super::{
    cache_subnet_group::CacheSubnetGroup,
    security_group::SecurityGroup,
    version::{is_of, numbers},
};
use crate::config::CacheEngine;
use aws_sdk_elasticache::types::{AzMode, CacheCluster as Described, CacheNode};

/// The word of AWS for the engine.
const ENGINE: &str = "memcached";

/// The wanted cache cluster.
pub struct CacheCluster {
    pub aws: Aws,
    /// Host and port of an existing cache to use instead.
    pub existing: Option<(String, u16)>,
    pub version: String,
    pub class: String,
    /// The number of nodes. Two or more are in different zones.
    pub nodes: i32,
    /// Zones for the nodes. AWS chooses if there are fewer zones than nodes.
    pub zones: Vec<String>,
    pub subnet_group: Option<Ref<CacheSubnetGroup>>,
    pub groups: Vec<Ref<SecurityGroup>>,
}

/// The managed fields of a cache cluster.
#[derive(Serialize)]
pub struct Spec {
    engine: String,
    version: String,
    class: String,
    nodes: i32,
    /// True if the cache accepts TLS only. The service speaks plain memcached.
    tls: bool,
    subnet_group: Option<Known<String>>,
    groups: Known<Vec<String>>,
}

/// The values of a cache cluster that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    /// The address of the first node, which stays when nodes come and go.
    pub host: String,
    pub port: u16,
    /// The address of each node, in the order of their ids.
    pub nodes: Vec<String>,
    /// The address at which clients with auto discovery learn the nodes. Empty for an existing cache.
    pub discovery: String,
    /// Empty for an existing cache.
    pub id: String,
}

impl Resource for CacheCluster {
    const KIND: &'static str = "cache-cluster";
    const LOSES: Option<&'static str> = Some("the cached data");
    const FIXED: &'static [&'static str] = &["engine", "subnet_group", "tls"];
    const PATIENCE: Duration = Duration::from_secs(40 * 60);
    // ElastiCache creates the nodes' interfaces with the caller's permissions.
    const ACTIONS: &'static [&'static str] = &[
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcs",
        "elasticache:DescribeCacheClusters",
        "elasticache:ListTagsForResource",
        "elasticache:CreateCacheCluster",
        "elasticache:ModifyCacheCluster",
        "elasticache:DeleteCacheCluster",
        "elasticache:AddTagsToResource",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec {
            engine: ENGINE.into(),
            version: self.version.clone(),
            class: self.class.clone(),
            nodes: self.nodes,
            tls: false,
            subnet_group: self.subnet_group.as_ref().map(|g| inputs.read(g, |o| o.name.clone())),
            groups: inputs.read_all(&self.groups, |o| o.id.clone()).map(sorted),
        }
    }
    fn given(&self) -> Option<Output> {
        let (host, port) = self.existing.clone()?;
        Some(Output { nodes: vec![host.clone()], host, port, discovery: String::new(), id: String::new() })
    }
    /// Names the version if it would go down, which AWS refuses.
    fn one_way(&self, found: &Spec, want: &Spec) -> &'static [&'static str] {
        if numbers(&want.version) < numbers(&found.version) { &["version"] } else { &[] }
    }
    /// Returns the durations of one node of Redis, since nobody has logged those of memcached [AWS 11].
    fn typical(&self) -> Typical {
        Typical::secs(330, 300, 200)
    }

    fn aliases(output: &Output) -> Vec<String> {
        [vec![output.discovery.clone(), output.id.clone()], output.nodes.clone()].concat()
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        if let Some(output) = self.given() {
            return Ok(Some(Found {
                id: output.host.clone(),
                spec: self.spec(&Inputs::default()),
                output: Some(output),
                phase: Phase::Ready,
                tags: Tags::new(),
            }));
        }
        let Some(cluster) = listing::cache_cluster(&self.aws, &cx.name()).await? else { return Ok(None) };
        let tags = match tags::of_elasticache(&self.aws, cx, cluster.arn().unwrap_or_default()).await {
            Ok(Some(tags)) => tags,
            // AWS shows tags only while the cluster is available, and nothing else names the owner. Until then AWS lets
            // nobody change or delete the cluster.
            Ok(None) => cx.inherited(),
            Err(e) if e.class() == Some(Class::WrongState) => cx.inherited(),
            Err(e) => return Err(e),
        };
        Ok(Some(self.found(&cluster, tags)))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        let count = want.nodes.max(0) as usize;
        let zones = (self.zones.len() >= count).then(|| self.zones[..count].to_vec());
        self.aws
            .elasticache
            .create_cache_cluster()
            .cache_cluster_id(cx.name())
            .engine(&want.engine)
            .engine_version(&want.version)
            .auto_minor_version_upgrade(false)
            .cache_node_type(&want.class)
            .cache_parameter_group_name(default_parameters(&want.version))
            .num_cache_nodes(want.nodes)
            .az_mode(az_mode(want.nodes))
            .set_preferred_availability_zones(zones)
            .set_cache_subnet_group_name(value(&want.subnet_group)?)
            .set_security_group_ids(Some(want.groups.get()?.clone()))
            .port(CacheEngine::Memcached.port().into())
            .transit_encryption_enabled(want.tls)
            .set_tags(Some(tags::elasticache::to(&cx.tags())))
            .send()
            .await
            .during("CreateCacheCluster")?;
        Ok(())
    }

    /// Changes the nodes first, then everything else: AWS accepts the next call only after one has finished.
    async fn update(&self, cx: &Cx<'_>, want: &Spec, found: &Found<Self>, diff: &Diff) -> Result<()> {
        let call = self.aws.elasticache.modify_cache_cluster().cache_cluster_id(&found.id).apply_immediately(true);
        if diff.touches("nodes") {
            let Some(cluster) = listing::cache_cluster(&self.aws, &cx.name()).await? else { return Ok(()) };
            let nodes = by_id(&cluster);
            let call = call.num_cache_nodes(want.nodes);
            let call = match want.nodes > found.spec.nodes {
                true => call.az_mode(az_mode(want.nodes)).set_new_availability_zones(self.places(&nodes, want.nodes)),
                false => call.set_cache_node_ids_to_remove(Some(last(&nodes, want.nodes))),
            };
            call.send().await.during("ModifyCacheCluster")?;
            if diff.only(&["nodes", "tags"]) {
                return Ok(());
            }
            return Err(more_later("ModifyCacheCluster", "the other changes follow when the number of nodes is right"));
        }
        let on = |field: &str| diff.touches(field);
        let groups = if on("groups") { Some(want.groups.get()?.clone()) } else { None };
        // A new minor version needs the parameter group of its own family.
        let parameters = default_parameters(&want.version);
        let other_family = on("version") && default_parameters(&found.spec.version) != parameters;
        call.set_engine_version(on("version").then(|| want.version.clone()))
            .set_cache_parameter_group_name(other_family.then_some(parameters))
            .set_cache_node_type(on("class").then(|| want.class.clone()))
            .set_security_group_ids(groups)
            .send()
            .await
            .during("ModifyCacheCluster")?;
        Ok(())
    }

    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        let call = self.aws.elasticache.delete_cache_cluster().cache_cluster_id(&found.id);
        call.send().await.or_gone("DeleteCacheCluster")
    }

    async fn tag(&self, cx: &Cx<'_>, _: &Found<Self>, tags: &Tags) -> Result<()> {
        let Some(cluster) = listing::cache_cluster(&self.aws, &cx.name()).await? else { return Ok(()) };
        tags::put_elasticache(&self.aws, expect_id(cluster.arn(), "DescribeCacheClusters")?, tags).await
    }
}

impl CacheCluster {
    /// Returns the zones for nodes still to come: those with the fewest nodes.
    fn places(&self, nodes: &[&CacheNode], count: i32) -> Option<Vec<String>> {
        let mut used: Vec<&str> = nodes.iter().filter_map(|n| n.customer_availability_zone()).collect();
        let mut new = vec![];
        for _ in nodes.len()..count.max(0) as usize {
            let next = self.zones.iter().min_by_key(|zone| used.iter().filter(|u| *u == zone).count())?;
            used.push(next);
            new.push(next.clone());
        }
        Some(new)
    }

    /// Reads AWS's answer into the spec's terms.
    fn found(&self, cluster: &Described, tags: Tags) -> Found<Self> {
        let id = cluster.cache_cluster_id().unwrap_or_default();
        let status = cluster.cache_cluster_status().unwrap_or("creating");
        let text = |s: Option<&str>| s.unwrap_or_default().to_owned();
        let version = text(cluster.engine_version());
        let subnet_group = || Known::Now(text(cluster.cache_subnet_group_name()));
        let groups = cluster.security_groups().iter().filter_map(|g| g.security_group_id().map(Into::into));
        Found {
            id: id.into(),
            spec: Spec {
                engine: text(cluster.engine()),
                version: if is_of(&version, &self.version) { self.version.clone() } else { version },
                class: text(cluster.cache_node_type()),
                nodes: cluster.num_cache_nodes().unwrap_or_default(),
                tls: cluster.transit_encryption_enabled() == Some(true),
                subnet_group: self.subnet_group.is_some().then(subnet_group),
                groups: Known::Now(sorted(groups.collect())),
            },
            output: output(cluster),
            phase: match status {
                "available" | "snapshotting" => Phase::Ready,
                "deleting" | "deleted" => Phase::Deleting,
                "create-failed" | "incompatible-network" | "restore-failed" => Phase::Broken(status.into()),
                other => Phase::Busy(other.into()),
            },
            tags,
        }
    }
}

/// Returns the addresses, once AWS shows that of every node.
fn output(cluster: &Described) -> Option<Output> {
    let discovery = cluster.configuration_endpoint()?;
    let nodes = by_id(cluster);
    let nodes = nodes.iter().map(|n| Some(n.endpoint()?.address()?.to_owned())).collect::<Option<Vec<_>>>()?;
    Some(Output {
        host: nodes.first()?.clone(),
        port: discovery.port().and_then(|p| p.try_into().ok()).unwrap_or(CacheEngine::Memcached.port()),
        nodes,
        discovery: discovery.address()?.into(),
        id: cluster.cache_cluster_id()?.into(),
    })
}

/// Returns the nodes in the order of their ids: 0001, 0002.
fn by_id(cluster: &Described) -> Vec<&CacheNode> {
    let mut nodes: Vec<&CacheNode> = cluster.cache_nodes().iter().collect();
    nodes.sort_by_key(|n| n.cache_node_id());
    nodes
}

/// Returns the ids of the nodes after the first ones, of which this many stay.
fn last(nodes: &[&CacheNode], stay: i32) -> Vec<String> {
    nodes.iter().skip(stay.max(0) as usize).filter_map(|n| n.cache_node_id().map(Into::into)).collect()
}

/// Returns how the nodes are placed: AWS accepts several zones only for several nodes [AWS 2.4].
fn az_mode(nodes: i32) -> AzMode {
    if nodes > 1 { AzMode::CrossAz } else { AzMode::SingleAz }
}

/// Returns AWS's default parameter group of a version's family.
fn default_parameters(version: &str) -> String {
    let family: Vec<&str> = version.split('.').take(2).collect();
    format!("default.memcached{}", family.join("."))
}
