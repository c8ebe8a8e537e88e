"""ElastiCache nodes, which the API calls cache clusters: members of a replication group, or single ones."""

import re

from . import elasticache_clusters as clusters
from . import interfaces
from .clock import CLOCK
from .elasticache import NODE_CREATE, NODE_DELETE, NODES, Node, known_groups, places, settings_of, truth
from .elasticache_events import tell
from .elasticache_groups import VERSIONS, invalid, tag, version_for
from .rules import Refusal, instead, page


def node_of(call):
    node = NODES.get((call.region, (call.get("CacheClusterId") or "").lower()))
    if node is None:
        raise Refusal("CacheClusterNotFound", f"CacheCluster not found: {call.get('CacheClusterId')}", 404)
    return node


def described_node(node, nodes=False):
    s = node.settings
    zone = node.subnet.availability_zone if node.subnet else f"{node.region}a"
    shown = {
        "CacheClusterId": node.name,
        "CacheNodeType": s["type"],
        "Engine": s["engine"],
        # AWS shows the patch level of the engine for its own versions.
        "EngineVersion": s["version"] if s["version"].count(".") > 1 else f"{s['version']}.0",
        "CacheClusterStatus": node.status,
        "NumCacheNodes": 1,
        "PreferredAvailabilityZone": zone,
        "CacheClusterCreateTime": node.created,
        "PreferredMaintenanceWindow": s["maintenance"],
        "PendingModifiedValues": {},
        "CacheSecurityGroups": [],
        "CacheParameterGroup": {
            "CacheParameterGroupName": node.parameters,
            "ParameterApplyStatus": "in-sync",
            "CacheNodeIdsToReboot": [],
        },
        "AutoMinorVersionUpgrade": s["minor"],
        "SecurityGroups": [{"SecurityGroupId": g, "Status": "active"} for g in s["groups"]],
        "SnapshotRetentionLimit": s["retention"],
        "SnapshotWindow": s["window"],
        "AuthTokenEnabled": s["auth"],
        "TransitEncryptionEnabled": s["tls"],
        "AtRestEncryptionEnabled": s["at_rest"],
        "ARN": node.arn,
        "ReplicationGroupLogDeliveryEnabled": False,
        "LogDeliveryConfigurations": [],
        "NetworkType": "ipv4",
        "IpDiscovery": "ipv4",
    }
    if node.subnet_group:
        shown["CacheSubnetGroupName"] = node.subnet_group["name"]
    if node.group:
        shown["ReplicationGroupId"] = node.group.name
    if isinstance(node, clusters.Cluster):
        return shown | clusters.described(node, nodes)
    if nodes and node.status != "creating":
        shown["CacheNodes"] = [
            {
                "CacheNodeId": "0001",
                "CacheNodeStatus": node.status,
                "CacheNodeCreateTime": node.created,
                "Endpoint": {"Address": node.address(), "Port": s["port"]},
                "ParameterGroupStatus": "in-sync",
                "CustomerAvailabilityZone": zone,
            }
        ]
    return shown


@instead("elasticache", "DescribeCacheClusters")
def describe_nodes(call):
    nodes = [node_of(call)] if call.get("CacheClusterId") else [n for (r, _), n in NODES.items() if r == call.region]
    if truth(call.get("ShowCacheClustersNotInReplicationGroups", False)):
        nodes = [n for n in nodes if not n.group]
    shown, marker = page(call, nodes, "MaxRecords", "Marker")
    info = truth(call.get("ShowCacheNodeInfo", False))
    return {"CacheClusters": [described_node(n, info) for n in shown], "Marker": marker}


@instead("elasticache", "CreateCacheCluster")
def create_node(call):
    name = (call.get("CacheClusterId") or "").lower()
    if (call.region, name) in NODES:
        raise Refusal("CacheClusterAlreadyExists", f"Cache cluster with specified name already exists: {name}")
    engine = (call.get("Engine") or "redis").lower()
    if engine not in VERSIONS:
        raise invalid(f"Invalid engine: {engine}")
    if not re.fullmatch(r"(?!.*--)[a-z][a-z0-9-]{0,49}(?<!-)", name):
        raise invalid(f"The parameter CacheClusterIdentifier is not a valid identifier: {name}")
    if engine == "memcached":
        return {"CacheCluster": described_node(clusters.create(call, name))}
    if int(call.get("NumCacheNodes") or 1) != 1:
        raise invalid("NumCacheNodes must be 1 for this engine.")
    settings = settings_of(call, engine, version_for(engine, call.get("EngineVersion")))
    zone = call.get("PreferredAvailabilityZone")
    node = Node(call, name, settings, places(settings, 1, [zone] if zone else None)[0])
    tag(node.arn, call.get("Tags"))

    def ready():
        if node.status == "creating":
            node.status = "available"

    CLOCK.after(NODE_CREATE, ready)
    return {"CacheCluster": described_node(node)}


@instead("elasticache", "ModifyCacheCluster", "RebootCacheCluster")
def modify_node(call):
    node = node_of(call)
    if node.status != "available":
        raise Refusal("InvalidCacheClusterState", f"Cache cluster {node.name} is not in available state.")
    if call.get("SecurityGroupIds"):
        node.settings["groups"] = known_groups(call)
        interfaces.regroup(node.arn, node.settings["groups"])
    if isinstance(node, clusters.Cluster) and call.operation == "ModifyCacheCluster":
        clusters.modify(call, node)
        return {"CacheCluster": described_node(node)}
    if call.get("CacheNodeType") and truth(call.get("ApplyImmediately", False)):
        node.settings["type"] = call.get("CacheNodeType")
    return {"CacheCluster": described_node(node)}


@instead("elasticache", "DeleteCacheCluster")
def delete_node(call):
    node = node_of(call)
    if node.group:
        # [AWS 2.3]: refused for members of a replication group.
        raise Refusal(
            "InvalidCacheClusterState",
            f"Cluster {node.name} is serving as a member of replication group {node.group.name}",
        )
    if isinstance(node, clusters.Cluster) and call.get("FinalSnapshotIdentifier"):
        # model DeleteCacheCluster: memcached has no snapshots.
        raise Refusal("SnapshotFeatureNotSupportedFault", "Snapshots are not supported for memcached.")
    if node.status != "available":
        raise Refusal("InvalidCacheClusterState", f"Cache cluster {node.name} is not in available state.")
    node.status = "deleting"

    def gone():
        node.remove()
        tell(node.region, "cache-cluster", node.name, "Cache cluster deleted")

    CLOCK.after(NODE_DELETE, gone)
    return {"CacheCluster": described_node(node)}
