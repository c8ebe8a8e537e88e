//! The look at the cache.
use crate::{
    aws::listing,
    config::{CacheEngine, Mode},
    resources::{cache::wants_tls, sorted},
    snapshot::{
        Look, Part,
        read::{port, some},
    },
};
use aws_sdk_elasticache::types as elasticache;
use serde::{Deserialize, Serialize};

/// An ElastiCache replication group or cache cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cache {
    pub id: String,
    pub status: String,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub class: String,
    pub tls: bool,
    pub members: Vec<CacheMember>,
    pub groups: Vec<String>,
    /// True for a cluster of memcached, which CloudWatch measures as a whole.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_cluster: bool,
}

impl Cache {
    /// Returns the names under which CloudWatch measures the cache.
    pub fn measured(&self) -> Vec<String> {
        if self.is_cluster { vec![self.id.clone()] } else { self.members.iter().map(|m| m.id.clone()).collect() }
    }
}

/// A node of the cache.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CacheMember {
    pub id: String,
    pub zone: Option<String>,
    /// `primary` or `replica`, if AWS returns it.
    pub role: Option<String>,
    pub status: Option<String>,
}

/// Finds the stack's own cache by its name.
///
/// Of a replication group the members are read too, because only they show the security groups.
pub(crate) async fn find(look: &Look<'_>) {
    if look.expected.cache != Mode::Create {
        return;
    }
    let name = &look.expected.names.cache;
    if look.expected.cache_engine == CacheEngine::Memcached {
        let found = look.ask(Part::Cache, "DescribeCacheClusters", listing::cache_cluster(look.aws, name)).await;
        return look.keep(|s| s.cache = found.map(cluster));
    }
    let (group, members) = futures::join!(
        look.ask(Part::Cache, "DescribeReplicationGroups", listing::cache(look.aws, name)),
        look.ask(Part::CacheNodes, "DescribeCacheClusters", listing::cache_nodes(look.aws)),
    );
    look.keep(|s| s.cache = group.map(|g| cache(g, &members)));
}

fn cache(g: elasticache::ReplicationGroup, clusters: &[elasticache::CacheCluster]) -> Cache {
    let tls = wants_tls(&g);
    let id = g.replication_group_id.unwrap_or_default();
    let of_group = |c: &&elasticache::CacheCluster| c.replication_group_id() == Some(&id);
    let clusters: Vec<_> = clusters.iter().filter(of_group).collect();
    let node_groups = g.node_groups.unwrap_or_default();
    let endpoint = node_groups.first().and_then(|n| n.primary_endpoint.clone()).or(g.configuration_endpoint);
    let seats: Vec<_> = node_groups.into_iter().flat_map(|n| n.node_group_members.unwrap_or_default()).collect();
    let members = g.member_clusters.unwrap_or_default().into_iter().map(|id| {
        let seat = seats.iter().find(|s| s.cache_cluster_id() == Some(&id));
        let cluster = clusters.iter().find(|c| c.cache_cluster_id() == Some(&id));
        CacheMember {
            zone: seat
                .and_then(|s| s.preferred_availability_zone.clone())
                .or_else(|| cluster?.preferred_availability_zone.clone()),
            role: seat.and_then(|s| s.current_role.clone()),
            status: cluster.and_then(|c| c.cache_cluster_status.clone()),
            id,
        }
    });
    let mut groups: Vec<String> =
        clusters.iter().flat_map(|c| c.security_groups()).filter_map(|s| s.security_group_id.clone()).collect();
    groups.sort();
    groups.dedup();
    Cache {
        status: g.status.unwrap_or_default(),
        port: endpoint.as_ref().and_then(|e| e.port).map(|p| port(Some(p))),
        host: some(endpoint.and_then(|e| e.address)),
        class: g.cache_node_type.unwrap_or_default(),
        tls,
        members: members.collect(),
        groups,
        is_cluster: false,
        id,
    }
}

fn cluster(c: elasticache::CacheCluster) -> Cache {
    let groups = c.security_groups().iter().filter_map(|s| s.security_group_id.clone());
    let member = |n: &elasticache::CacheNode| CacheMember {
        id: n.cache_node_id.clone().unwrap_or_default(),
        zone: n.customer_availability_zone.clone(),
        role: None,
        status: n.cache_node_status.clone(),
    };
    Cache {
        groups: sorted(groups.collect()),
        members: c.cache_nodes().iter().map(member).collect(),
        tls: c.transit_encryption_enabled == Some(true),
        port: c.configuration_endpoint.as_ref().and_then(|e| e.port).map(|p| port(Some(p))),
        host: some(c.configuration_endpoint.and_then(|e| e.address)),
        status: c.cache_cluster_status.unwrap_or_default(),
        class: c.cache_node_type.unwrap_or_default(),
        is_cluster: true,
        id: c.cache_cluster_id.unwrap_or_default(),
    }
}
