"""ElastiCache replication groups and their nodes, our own: moto's have one member that nobody can describe.

Cluster mode is disabled throughout (one node group), which is what our stacks use.
"""

import re
from datetime import UTC, datetime

from . import interfaces
from .clock import CLOCK
from .ec2_instances import ec2_backends
from .elasticache_groups import (
    TAGS,
    TYPES,
    VERSIONS,
    arn_of,
    family,
    invalid,
    parameter_group,
    subnet_group,
    tag,
    version_for,
)
from .rules import NUMBERS, Refusal, instead, on_reset, page

# Seconds from [AWS 11].
CREATE, DELETE, MODIFY, NODE_CREATE, NODE_DELETE = 400, 300, 120, 330, 120

GROUPS, NODES = {}, {}


@on_reset
def forget():
    GROUPS.clear()
    NODES.clear()


def clash(message):
    return Refusal("InvalidParameterCombination", message)


def nodes_using(group):
    return [n for n in NODES.values() if n.subnet_group is group]


def truth(value):
    return str(value).lower() == "true"


class Node:
    """One cache cluster: a member of a replication group, or one by itself."""

    def __init__(self, call, name, settings, subnet, group=None):
        self.region, self.account, self.name, self.group = call.region, call.account, name, group
        self.arn = arn_of(call, "cluster", name)
        self.settings, self.status, self.subnet = settings, "creating", subnet
        self.subnet_group, self.parameters = settings["subnet_group"], settings["parameters"]
        self.role, self.created = "replica", datetime.fromtimestamp(CLOCK.seen(), UTC)
        if subnet is not None:
            interfaces.hold(
                self.arn,
                self.region,
                self.account,
                subnet.id,
                settings["groups"],
                f"ElastiCache {name}",
                "amazon-elasticache",
            )
        NODES[(self.region, name)] = self

    def address(self):
        return f"{self.name}.{self.settings['suffix']}.0001.{short(self.region)}.cache.amazonaws.com"

    def remove(self):
        interfaces.HELD.get(self.arn) and interfaces.release(self.arn)
        NODES.pop((self.region, self.name), None)
        TAGS.pop(self.arn, None)


def short(region):
    """Return AWS's short name of a region in cache endpoints: us-east-1 is use1."""
    continent, side, number = region.split("-")[0], region.split("-")[1:-1], region.split("-")[-1]
    return continent + "".join(s[0] for s in side) + number


class Group:
    def __init__(self, call, name, settings):
        self.region, self.account, self.name, self.settings = call.region, call.account, name, settings
        self.arn, self.status, self.pending = arn_of(call, "replicationgroup", name), "creating", {}
        self.created = datetime.fromtimestamp(CLOCK.seen(), UTC)
        self.members, self.ready = [], False

    def node_names(self):
        """Yield the next free node name: id-001, id-002..."""
        taken = {m.name for m in self.members}
        return (f"{self.name}-{n:03}" for n in range(1, 100) if f"{self.name}-{n:03}" not in taken)


def find(call):
    group = GROUPS.get((call.region, (call.get("ReplicationGroupId") or "").lower()))
    if group is None:
        raise Refusal(
            "ReplicationGroupNotFoundFault", f"ReplicationGroup {call.get('ReplicationGroupId')} not found.", 404
        )
    return group


def known_groups(call):
    """Return the security groups of a call, all of which have to exist."""
    ec2 = ec2_backends[call.account][call.region]
    for sg in call.get("SecurityGroupIds") or []:
        if ec2.get_security_group_from_id(sg) is None:
            raise invalid(f"Some security groups are not valid: {sg}")
    return list(call.get("SecurityGroupIds") or [])


def settings_of(call, engine, version):
    """Check and return the settings of nodes."""
    if not TYPES.fullmatch(call.get("CacheNodeType") or ""):
        raise invalid(f"The parameter CacheNodeType is invalid: {call.get('CacheNodeType')}")
    groups = known_groups(call)
    chosen = subnet_group(call, call.get("CacheSubnetGroupName")) if call.get("CacheSubnetGroupName") else None
    name = call.get("CacheParameterGroupName") or f"default.{family(engine, version)}"
    if parameter_group(call, name)["family"] != family(engine, version):
        raise clash(
            f"Expected a parameter group of family {family(engine, version)} but found one of family {parameter_group(call, name)['family']}"
        )
    if chosen and not groups:
        ec2 = ec2_backends[call.account][call.region]
        groups = [ec2.get_default_security_group(chosen["subnets"][0].vpc_id).id]
    return {
        "engine": engine,
        "version": version,
        "type": call.get("CacheNodeType"),
        "groups": groups,
        "subnet_group": chosen,
        "parameters": name,
        "port": int(call.get("Port") or (11211 if engine == "memcached" else 6379)),
        "suffix": NUMBERS.letters(6),
        "retention": int(call.get("SnapshotRetentionLimit") or 0),
        "window": call.get("SnapshotWindow") or "05:00-06:00",
        "maintenance": call.get("PreferredMaintenanceWindow") or "sun:23:00-mon:01:30",
        "minor": truth(call.get("AutoMinorVersionUpgrade", True)),
        "tls": truth(call.get("TransitEncryptionEnabled", False)),
        "tls_mode": call.get("TransitEncryptionMode"),
        # [AWS 2.2]: encrypted at rest is true for Valkey and false for Redis by default.
        "at_rest": truth(call.get("AtRestEncryptionEnabled", engine == "valkey")),
        "auth": bool(call.get("AuthToken")),
        "topic": call.get("NotificationTopicArn"),
    }


def places(settings, count, zones=None, have=()):
    """Return a subnet for each of `count` nodes: in the requested zones, or spread over the subnet group's."""
    chosen = settings["subnet_group"]
    if chosen is None:
        return [None] * count
    subnets = chosen["subnets"]
    if zones:
        by_zone = {s.availability_zone: s for s in subnets}
        missing = [z for z in zones if z not in by_zone]
        if missing:
            raise clash(f"The cache subnet group has no subnet in the availability zone {missing[0]}")
        return [by_zone[z] for z in zones]
    used = {
        s.availability_zone: sum(1 for n in have if n.subnet and n.subnet.availability_zone == s.availability_zone)
        for s in subnets
    }
    found = []
    for _ in range(count):
        place = min(subnets, key=lambda s: used[s.availability_zone])
        used[place.availability_zone] += 1
        found.append(place)
    return found


def _check_failover(failover, multi, nodes):
    # model CreateReplicationGroup: NumCacheClusters must be > 1 with failover; Multi-AZ needs failover.
    if failover and nodes < 2:
        raise clash("Replication group with automatic failover enabled must have at least 2 cache clusters.")
    if multi and not failover:
        raise clash("Must enable automatic failover if Multi-AZ is enabled.")


@instead("elasticache", "CreateReplicationGroup")
def create(call):
    name = (call.get("ReplicationGroupId") or "").lower()
    if not re.fullmatch(r"(?!.*--)[a-z][a-z0-9-]{0,39}(?<!-)", name):
        raise invalid(f"The parameter ReplicationGroupId is not a valid identifier: {name}")
    if (call.region, name) in GROUPS:
        raise Refusal("ReplicationGroupAlreadyExists", f"Replication group with specified name already exists: {name}")
    engine = (call.get("Engine") or "redis").lower()
    if engine not in ("redis", "valkey"):
        raise invalid(f"Invalid engine for a replication group: {engine}")
    if int(call.get("NumNodeGroups") or 1) > 1 or call.get("ClusterMode") == "enabled":
        raise NotImplementedError("cluster mode")
    settings = settings_of(call, engine, version_for(engine, call.get("EngineVersion")))
    count = int(call.get("NumCacheClusters") or int(call.get("ReplicasPerNodeGroup") or 0) + 1)
    if not 1 <= count <= 6:
        raise invalid("NumCacheClusters must be between 1 and 6.")
    settings["failover"], settings["multi"] = (
        truth(call.get("AutomaticFailoverEnabled", False)),
        truth(call.get("MultiAZEnabled", False)),
    )
    _check_failover(settings["failover"], settings["multi"], count)
    if call.get("AuthToken") and not settings["tls"]:
        raise clash("The AUTH token is only supported when encryption-in-transit is enabled")
    if settings["retention"] and settings["type"].startswith("cache.t2."):
        raise invalid("Snapshots are not supported on cache.t2 nodes.")  # [AWS 2.1]
    zones = call.get("PreferredCacheClusterAZs")
    if zones and len(zones) != count:
        raise clash("The number of PreferredCacheClusterAZs must equal NumCacheClusters.")
    chosen = places(settings, count, zones)
    if settings["multi"] and len({s.availability_zone for s in chosen if s}) < 2:
        raise clash("Multi-AZ needs nodes in at least two availability zones.")
    settings["description"] = call.get("ReplicationGroupDescription")
    group = Group(call, name, settings)
    GROUPS[(call.region, name)] = group
    tag(group.arn, call.get("Tags"))
    for place in chosen:
        node = Node(call, next(group.node_names()), settings, place, group)
        tag(node.arn, call.get("Tags"))
        group.members.append(node)
    group.members[0].role = "primary"

    def ready():
        if group.status == "creating":
            group.status, group.ready = "available", True
            for node in group.members:
                node.status = "available"

    CLOCK.after(CREATE, ready)
    return {"ReplicationGroup": described(group)}


def described(group):
    s = group.settings
    endpoint = lambda address: {"Address": address, "Port": s["port"]}
    tail = f"{s['suffix']}.ng.0001.{short(group.region)}.cache.amazonaws.com"
    shown = {
        "ReplicationGroupId": group.name,
        "Description": s["description"],
        "GlobalReplicationGroupInfo": {},
        "Status": group.status,
        "PendingModifiedValues": group.pending,
        "MemberClusters": [m.name for m in group.members],
        "AutomaticFailover": "enabled" if s["failover"] else "disabled",
        "MultiAZ": "enabled" if s["multi"] else "disabled",
        "SnapshotRetentionLimit": s["retention"],
        "SnapshotWindow": s["window"],
        "ClusterEnabled": False,
        "ClusterMode": "disabled",
        "CacheNodeType": s["type"],
        "AuthTokenEnabled": s["auth"],
        "TransitEncryptionEnabled": s["tls"],
        "AtRestEncryptionEnabled": s["at_rest"],
        "ARN": group.arn,
        "LogDeliveryConfigurations": [],
        "ReplicationGroupCreateTime": group.created,
        "DataTiering": "disabled",
        "AutoMinorVersionUpgrade": s["minor"],
        "NetworkType": "ipv4",
        "IpDiscovery": "ipv4",
        "Engine": s["engine"],
    }
    if s["tls"]:
        shown["TransitEncryptionMode"] = s["tls_mode"] or "required"
    # AWS shows endpoints once the group has been available.
    if group.ready:
        shown["NodeGroups"] = [
            {
                "NodeGroupId": "0001",
                "Status": group.status,
                "PrimaryEndpoint": endpoint(f"{group.name}.{tail}"),
                "ReaderEndpoint": endpoint(f"{group.name}-ro.{tail}"),
                "NodeGroupMembers": [
                    {
                        "CacheClusterId": m.name,
                        "CacheNodeId": "0001",
                        "ReadEndpoint": endpoint(m.address()),
                        "PreferredAvailabilityZone": m.subnet.availability_zone if m.subnet else f"{group.region}a",
                        "CurrentRole": m.role,
                    }
                    for m in group.members
                ],
            }
        ]
    return shown


@instead("elasticache", "DescribeReplicationGroups")
def describe(call):
    groups = [find(call)] if call.get("ReplicationGroupId") else [g for (r, _), g in GROUPS.items() if r == call.region]
    shown, marker = page(call, groups, "MaxRecords", "Marker")
    return {"ReplicationGroups": [described(g) for g in shown], "Marker": marker}


def _available(group):
    # model InvalidReplicationGroupStateFault, code InvalidReplicationGroupState.
    if group.status != "available":
        raise Refusal(
            "InvalidReplicationGroupState",
            f"Replication group must be in available state; {group.name} is {group.status}.",
        )


def _busy(group, seconds, then):
    group.status = "modifying"
    for node in group.members:
        if node.status == "available":
            node.status = "modifying"

    def done():
        if group.status != "modifying":
            return
        then()
        group.status, group.pending = "available", {}
        for node in group.members:
            node.status = "available"

    CLOCK.after(seconds, done)


@instead("elasticache", "ModifyReplicationGroup")
def modify(call):
    group = find(call)
    _available(group)
    s, changes = group.settings, {}
    if call.get("AutomaticFailoverEnabled") is not None:
        changes["failover"] = truth(call.get("AutomaticFailoverEnabled"))
    if call.get("MultiAZEnabled") is not None:
        changes["multi"] = truth(call.get("MultiAZEnabled"))
    _check_failover(changes.get("failover", s["failover"]), changes.get("multi", s["multi"]), len(group.members))
    if changes.get("multi") and len({m.subnet.availability_zone for m in group.members if m.subnet}) == 1:
        raise clash("Multi-AZ needs nodes in at least two availability zones.")
    if call.get("CacheNodeType"):
        if not TYPES.fullmatch(call.get("CacheNodeType")):
            raise invalid(f"The parameter CacheNodeType is invalid: {call.get('CacheNodeType')}")
        changes["type"] = call.get("CacheNodeType")
    engine = (call.get("Engine") or s["engine"]).lower()
    if call.get("EngineVersion") or engine != s["engine"]:
        version = version_for(engine, call.get("EngineVersion"))
        if engine == s["engine"] and VERSIONS[engine].index(version) < VERSIONS[engine].index(s["version"]):
            # model ModifyReplicationGroup.EngineVersion: "you cannot downgrade to an earlier engine version".
            raise invalid(f"Cannot downgrade from {s['version']} to {version}")
        changes["engine"], changes["version"] = engine, version
        if family(engine, version) != family(s["engine"], s["version"]) and not call.get("CacheParameterGroupName"):
            changes["parameters"] = f"default.{family(engine, version)}"
    if call.get("CacheParameterGroupName"):
        chosen = parameter_group(call, call.get("CacheParameterGroupName"))
        if chosen["family"] != family(engine, changes.get("version", s["version"])):
            raise clash(f"The parameter group {chosen['name']} has the family {chosen['family']}")
        changes["parameters"] = call.get("CacheParameterGroupName")
    groups = known_groups(call)
    # Descriptions, groups and windows need no work on the nodes.
    names = {"ReplicationGroupDescription": "description", "SnapshotRetentionLimit": "retention", "SnapshotWindow": "window",
             "PreferredMaintenanceWindow": "maintenance", "AutoMinorVersionUpgrade": "minor"}  # fmt: skip
    for name, key in names.items():
        if call.get(name) is not None:
            s[key] = call.get(name)
    if call.get("SecurityGroupIds"):
        s["groups"] = groups
        for node in group.members:
            interfaces.regroup(node.arn, s["groups"])
    if call.get("TransitEncryptionEnabled") is not None and truth(call.get("TransitEncryptionEnabled")) != s["tls"]:
        changes["tls"], changes["tls_mode"] = (
            truth(call.get("TransitEncryptionEnabled")),
            call.get("TransitEncryptionMode"),
        )
    elif call.get("TransitEncryptionMode"):
        changes["tls_mode"] = call.get("TransitEncryptionMode")
    changes = {k: v for k, v in changes.items() if s.get(k) != v}

    def apply():
        s.update(changes)
        for node in group.members:
            node.parameters = s["parameters"]

    if changes and truth(call.get("ApplyImmediately", False)):
        if "failover" in changes:
            group.pending = {"AutomaticFailoverStatus": "enabled" if changes["failover"] else "disabled"}
        _busy(group, MODIFY, apply)
    elif changes:
        # model ApplyImmediately: otherwise at the next maintenance window, which never comes here.
        group.waiting = changes
    return {"ReplicationGroup": described(group)}


@instead("elasticache", "IncreaseReplicaCount", "DecreaseReplicaCount")
def replicas(call):
    group = find(call)
    _available(group)
    if not truth(call.get("ApplyImmediately")):
        # model: "ApplyImmediately=False is not currently supported".
        raise invalid("ApplyImmediately=False is not currently supported for this operation.")
    wanted, now = call.get("NewReplicaCount"), len(group.members) - 1
    if wanted is None and call.get("ReplicaConfiguration"):
        wanted = call.get("ReplicaConfiguration")[0].get("NewReplicaCount")
    if wanted is None and call.get("ReplicasToRemove"):
        wanted = now - len(call.get("ReplicasToRemove"))
    wanted = int(wanted)
    if call.operation == "IncreaseReplicaCount":
        if not now < wanted <= 5:
            raise (
                Refusal("NoOperationFault", f"The replica count is {now}.")
                if wanted == now
                else invalid(f"Invalid NewReplicaCount {wanted}")
            )
        settings = group.settings
        zones = (call.get("ReplicaConfiguration") or [{}])[0].get("PreferredAvailabilityZones")
        if zones and len(zones) != wanted + 1:
            # model ConfigureShard: "must equal the value of NewReplicaCount plus 1 to account for the primary node".
            raise clash("The number of PreferredAvailabilityZones must equal NewReplicaCount plus 1.")
        # Without them "ElastiCache selects the availability zone": perhaps the primary's.
        where = zones[now + 1 :] if zones else [m.subnet.availability_zone for m in group.members if m.subnet][:1]
        for place in places(settings, wanted - now, where * (wanted - now if not zones else 1), have=group.members):
            node = Node(call, next(group.node_names()), settings, place, group)
            tag(node.arn, [{"Key": k, "Value": v} for k, v in TAGS.get(group.arn, {}).items()])
            group.members.append(node)
        _busy(group, NODE_CREATE, lambda: None)
    else:
        if not 0 <= wanted < now:
            raise (
                Refusal("NoOperationFault", f"The replica count is {now}.")
                if wanted == now
                else invalid(f"Invalid NewReplicaCount {wanted}")
            )
        _check_failover(group.settings["failover"], group.settings["multi"], wanted + 1)
        named = call.get("ReplicasToRemove") or []
        spare = [m for m in group.members if m.role == "replica"]
        leaving = [m for m in spare if m.name in named] or spare[-(now - wanted) :]

        def gone():
            for node in leaving:
                node.remove()
                group.members.remove(node)

        for node in leaving:
            node.status = "deleting"
        _busy(group, NODE_DELETE, gone)
    return {"ReplicationGroup": described(group)}


@instead("elasticache", "TestFailover")
def failover(call):
    group = find(call)
    _available(group)
    if not group.settings["failover"]:
        raise clash("Automatic failover is not enabled.")

    def swap():
        old = next(m for m in group.members if m.role == "primary")
        new = next(m for m in group.members if m.role == "replica")
        old.role, new.role = "replica", "primary"

    _busy(group, 60, swap)
    return {"ReplicationGroup": described(group)}


@instead("elasticache", "DeleteReplicationGroup")
def delete(call):
    group = find(call)
    if group.status != "available" and group.status != "create-failed":
        raise Refusal(
            "InvalidReplicationGroupState",
            f"Replication group {group.name} has status {group.status} which is not valid for deletion.",
        )
    group.status, group.ready = "deleting", False
    for node in group.members:
        node.status = "deleting"

    def gone():
        for node in group.members:
            node.remove()
        GROUPS.pop((group.region, group.name), None)
        TAGS.pop(group.arn, None)

    CLOCK.after(DELETE, gone)
    return {"ReplicationGroup": described(group)}
