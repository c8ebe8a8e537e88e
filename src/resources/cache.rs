//! An ElastiCache replication group: a primary node and replicas behind one address.
//!
//! A single node is a replication group too, so that replicas can be added later.
use super::prelude::*;
use super::{
    cache_subnet_group::CacheSubnetGroup,
    security_group::SecurityGroup,
    version::{is_of, numbers},
};
use crate::config::CacheEngine;
use aws_sdk_elasticache::types::{
    AutomaticFailoverStatus, CacheCluster, ClusterMode, ConfigureShard, MultiAzStatus, NodeGroupMember,
    ReplicationGroup, TransitEncryptionMode,
};

/// The wanted cache.
pub struct Cache {
    pub aws: Aws,
    /// Host and port of an existing cache to use instead.
    pub existing: Option<(String, u16)>,
    /// `valkey` or `redis`.
    pub engine: String,
    pub version: String,
    pub class: String,
    /// True if a new cache is encrypted at rest.
    pub encrypted: bool,
    /// The number of nodes. With two or more, a replica takes over when the primary fails.
    pub nodes: i32,
    /// Zones for the nodes. AWS chooses if there are fewer zones than nodes.
    pub zones: Vec<String>,
    pub subnet_group: Option<Ref<CacheSubnetGroup>>,
    pub groups: Vec<Ref<SecurityGroup>>,
}

/// The managed fields of a cache.
#[derive(Serialize)]
pub struct Spec {
    engine: String,
    version: String,
    class: String,
    /// Cannot be changed and does not justify a replacement, so an existing cache shows the wanted value.
    encrypted: bool,
    nodes: i32,
    failover: bool,
    /// True if the cache accepts TLS only. The service speaks plain Redis.
    tls: bool,
    subnet_group: Option<Known<String>>,
    groups: Known<Vec<String>>,
}

/// The values of a cache that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub host: String,
    pub port: u16,
    /// Empty for an existing cache.
    pub id: String,
    /// The ids of its nodes, as metrics name them.
    pub members: Vec<String>,
}

impl Resource for Cache {
    const KIND: &'static str = "cache";
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
        "elasticache:DescribeReplicationGroups",
        "elasticache:DescribeCacheClusters",
        "elasticache:ListTagsForResource",
        "elasticache:CreateReplicationGroup",
        "elasticache:ModifyReplicationGroup",
        "elasticache:IncreaseReplicaCount",
        "elasticache:DecreaseReplicaCount",
        "elasticache:DeleteReplicationGroup",
        "elasticache:AddTagsToResource",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec {
            engine: self.engine.clone(),
            version: self.version.clone(),
            class: self.class.clone(),
            encrypted: self.encrypted,
            nodes: self.nodes,
            failover: self.nodes > 1,
            tls: false,
            subnet_group: self.subnet_group.as_ref().map(|g| inputs.read(g, |o| o.name.clone())),
            groups: inputs.read_all(&self.groups, |o| o.id.clone()).map(sorted),
        }
    }
    fn given(&self) -> Option<Output> {
        let (host, port) = self.existing.clone()?;
        Some(Output { host, port, id: String::new(), members: vec![] })
    }
    /// Names the version if it would go down, which AWS refuses.
    fn one_way(&self, found: &Spec, want: &Spec) -> &'static [&'static str] {
        if numbers(&want.version) < numbers(&found.version) { &["version"] } else { &[] }
    }
    fn typical(&self) -> Typical {
        Typical::secs(400, 400, 300)
    }

    fn aliases(output: &Output) -> Vec<String> {
        vec![output.host.clone(), output.id.clone()]
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
        let Some(group) = listing::cache(&self.aws, &cx.name()).await? else { return Ok(None) };
        let arn = group.arn().unwrap_or_default();
        let tags = async {
            match tags::of_elasticache(&self.aws, cx, arn).await {
                Ok(Some(tags)) => Ok(tags),
                // AWS shows tags only while the group is available (`InvalidReplicationGroupState`, or "not present or
                // not available"). Before that the description names the owner, and AWS lets nobody change or delete
                // the group.
                Ok(None) => Ok(described(cx, &group)),
                Err(e) if e.class() == Some(Class::WrongState) => Ok(described(cx, &group)),
                Err(e) => Err(e),
            }
        };
        let (tags, nodes) = futures::try_join!(tags, listing::cache_nodes(&self.aws))?;
        Ok(Some(self.found(&group, &nodes, tags)))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        let placed = self.zones.len() >= want.nodes.max(0) as usize;
        let zones = placed.then(|| self.zones.iter().take(want.nodes.max(0) as usize).cloned().collect());
        self.aws
            .elasticache
            .create_replication_group()
            .replication_group_id(cx.name())
            .replication_group_description(description(cx))
            .engine(&want.engine)
            .engine_version(&want.version)
            .auto_minor_version_upgrade(false)
            .cache_node_type(&want.class)
            .cache_parameter_group_name(default_parameters(&want.engine, &want.version))
            .num_cache_clusters(want.nodes)
            .automatic_failover_enabled(want.failover)
            .multi_az_enabled(want.failover)
            .cluster_mode(ClusterMode::Disabled)
            .set_preferred_cache_cluster_azs(zones)
            .set_cache_subnet_group_name(value(&want.subnet_group)?)
            .set_security_group_ids(Some(want.groups.get()?.clone()))
            // Valkey requires this parameter; the clients speak plain RESP [AWS 2.2].
            .transit_encryption_enabled(want.tls)
            .at_rest_encryption_enabled(want.encrypted)
            // T2 nodes cannot make snapshots.
            .snapshot_retention_limit(0)
            .set_tags(Some(tags::elasticache::to(&cx.tags())))
            .send()
            .await
            .during("CreateReplicationGroup")?;
        Ok(())
    }

    /// Changes the nodes first, then everything else.
    ///
    /// Failover needs a second node, and the last two nodes cannot be separated while failover is on. AWS accepts each
    /// call only after the one before has finished.
    async fn update(&self, cx: &Cx<'_>, want: &Spec, found: &Found<Self>, diff: &Diff) -> Result<()> {
        let (cache, id, have) = (&self.aws.elasticache, &found.id, &found.spec);
        if want.nodes < have.nodes && have.failover && !want.failover {
            let call = cache.modify_replication_group().replication_group_id(id).apply_immediately(true);
            let call = call.automatic_failover_enabled(false).multi_az_enabled(false);
            call.send().await.during("ModifyReplicationGroup")?;
            return Err(more_later("ModifyReplicationGroup", "the replica is removed when failover is off"));
        }
        if want.nodes < have.nodes {
            let call = cache.decrease_replica_count().replication_group_id(id).apply_immediately(true);
            call.new_replica_count(want.nodes - 1).send().await.during("DecreaseReplicaCount")?;
        } else if want.nodes > have.nodes {
            let call = cache.increase_replica_count().replication_group_id(id).apply_immediately(true);
            let group = listing::cache(&self.aws, &cx.name()).await?;
            // AWS may put the new node into the zone of the primary, and then refuses failover.
            let call = match group.and_then(|g| self.places(&g, want.nodes)) {
                Some(zones) => call.replica_configuration(
                    ConfigureShard::builder()
                        .node_group_id("0001")
                        .new_replica_count(want.nodes - 1)
                        .set_preferred_availability_zones(Some(zones))
                        .build(),
                ),
                None => call.new_replica_count(want.nodes - 1),
            };
            call.send().await.during("IncreaseReplicaCount")?;
        }
        if diff.only(&["nodes", "tags"]) {
            return Ok(());
        }
        if diff.touches("nodes") {
            return Err(more_later(
                "ModifyReplicationGroup",
                "the other changes follow when the number of nodes is right",
            ));
        }
        let on = |field: &str| diff.touches(field);
        let groups = if on("groups") { Some(want.groups.get()?.clone()) } else { None };
        // A new major version needs the parameter group of its own family.
        let parameters = default_parameters(&want.engine, &want.version);
        let other_family = on("version") && default_parameters(&have.engine, &have.version) != parameters;
        cache
            .modify_replication_group()
            .replication_group_id(id)
            .apply_immediately(true)
            .set_engine_version(on("version").then(|| want.version.clone()))
            .set_cache_parameter_group_name(other_family.then_some(parameters))
            .set_cache_node_type(on("class").then(|| want.class.clone()))
            .set_automatic_failover_enabled(on("failover").then_some(want.failover))
            .set_multi_az_enabled(on("failover").then_some(want.failover))
            .set_security_group_ids(groups)
            .send()
            .await
            .during("ModifyReplicationGroup")?;
        Ok(())
    }

    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        let call = self.aws.elasticache.delete_replication_group().replication_group_id(&found.id);
        call.retain_primary_cluster(false).send().await.or_gone("DeleteReplicationGroup")
    }

    async fn tag(&self, cx: &Cx<'_>, _: &Found<Self>, tags: &Tags) -> Result<()> {
        let Some(group) = listing::cache(&self.aws, &cx.name()).await? else { return Ok(()) };
        tags::put_elasticache(&self.aws, expect_id(group.arn(), "DescribeReplicationGroups")?, tags).await
    }
}

impl Cache {
    /// Returns the zone of each node, the primary's first, and the least used zones for nodes still to come.
    fn places(&self, group: &ReplicationGroup, nodes: i32) -> Option<Vec<String>> {
        let members = group.node_groups().first()?.node_group_members();
        let zone = |m: &NodeGroupMember| m.preferred_availability_zone().map(str::to_owned);
        let (first, rest): (Vec<_>, Vec<_>) = members.iter().partition(|m| m.current_role() == Some("primary"));
        let mut zones = first.into_iter().chain(rest).map(zone).collect::<Option<Vec<_>>>()?;
        while (zones.len() as i32) < nodes {
            let next = self.zones.iter().min_by_key(|z| zones.iter().filter(|used| used == z).count())?;
            zones.push(next.clone());
        }
        Some(zones)
    }

    /// Reads AWS's answer into the spec's terms.
    ///
    /// The group does not show version, subnets and security groups, so they are read from its nodes.
    fn found(&self, group: &ReplicationGroup, nodes: &[CacheCluster], tags: Tags) -> Found<Self> {
        let id = group.replication_group_id().unwrap_or_default();
        let status = group.status().unwrap_or("creating");
        let node = nodes.iter().find(|n| n.replication_group_id() == Some(id));
        let text = |s: Option<&str>| s.unwrap_or_default().to_owned();
        let version = text(node.and_then(|n| n.engine_version()));
        let endpoint = group.node_groups().first().and_then(|g| g.primary_endpoint());
        let members = sorted(group.member_clusters().to_vec());
        let failover = matches!(
            group.automatic_failover(),
            Some(AutomaticFailoverStatus::Enabled | AutomaticFailoverStatus::Enabling)
        );
        let groups = node.map(|n| n.security_groups()).unwrap_or_default();
        Found {
            id: id.into(),
            spec: Spec {
                engine: group.engine().or(node.and_then(|n| n.engine())).unwrap_or_default().into(),
                version: if is_of(&version, &self.version) { self.version.clone() } else { version },
                class: text(group.cache_node_type()),
                encrypted: self.encrypted,
                nodes: members.len() as i32,
                failover: failover && group.multi_az() == Some(&MultiAzStatus::Enabled),
                tls: wants_tls(group),
                subnet_group: self
                    .subnet_group
                    .is_some()
                    .then(|| Known::Now(text(node.and_then(|n| n.cache_subnet_group_name())))),
                groups: Known::Now(sorted(
                    groups.iter().filter_map(|g| g.security_group_id().map(Into::into)).collect(),
                )),
            },
            output: endpoint.and_then(|e| {
                let port = e.port().and_then(|p| p.try_into().ok()).unwrap_or(CacheEngine::Redis.port());
                Some(Output { host: e.address()?.into(), port, id: id.into(), members })
            }),
            phase: match status {
                "available" | "snapshotting" => Phase::Ready,
                "deleting" => Phase::Deleting,
                "create-failed" => Phase::Broken(status.into()),
                other => Phase::Busy(other.into()),
            },
            tags,
        }
    }
}

/// True if the cache refuses plain Redis; with `preferred` it accepts both.
pub(crate) fn wants_tls(group: &ReplicationGroup) -> bool {
    group.transit_encryption_enabled() == Some(true)
        && group.transit_encryption_mode() != Some(&TransitEncryptionMode::Preferred)
}

/// Returns the tags, as far as the description proves them.
fn described(cx: &Cx<'_>, group: &ReplicationGroup) -> Tags {
    if group.description() == Some(&description(cx)) { cx.inherited() } else { Tags::new() }
}

fn description(cx: &Cx<'_>) -> String {
    format!("{} of stack {}", cx.key, cx.env.stack)
}

/// Returns AWS's default parameter group of a family.
fn default_parameters(engine: &str, version: &str) -> String {
    let major = version.split('.').next().unwrap_or_default();
    match (engine, major) {
        ("redis", "6") => "default.redis6.x".into(),
        ("redis", "4" | "5") => format!("default.redis{major}.0"),
        _ => format!("default.{engine}{major}"),
    }
}
