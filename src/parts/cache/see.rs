//! The look at the cache.
use crate::{
    aws::listing,
    config::Mode,
    resources::cache::wants_tls,
    snapshot::{
        Look, Part,
        read::{port, some},
    },
};
use aws_sdk_elasticache::types as elasticache;
use serde::{Deserialize, Serialize};

/// An ElastiCache replication group.
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
}

/// A node of the replication group.
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
/// The members are read too, because only they show the security groups.
pub(crate) async fn find(look: &Look<'_>) {
    if look.expected.cache != Mode::Create {
        return;
    }
    let (group, members) = futures::join!(
        look.ask(Part::Cache, "DescribeReplicationGroups", listing::cache(look.aws, &look.expected.names.cache)),
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
        id,
    }
}
