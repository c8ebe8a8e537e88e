"""Cache clusters of memcached: several nodes, each by itself, and an endpoint that tells which ones [AWS 2.4].

`elasticache_nodes` answers the calls; it asks here for what only memcached has.
"""

from . import interfaces
from .clock import CLOCK
from .elasticache import NODE_CREATE, NODE_DELETE, Node, clash, places, settings_of, short, truth
from .elasticache_events import tell
from .elasticache_groups import TYPES, VERSIONS, family, invalid, parameter_group, tag, version_for
from .rules import Refusal

# model CreateCacheCluster.NumCacheNodes: "this value must be between 1 and 40".
MOST = 40
TLS_FROM = "1.6.12"


class Cell:
    """One node of a cluster."""

    def __init__(self, number, subnet, status, at):
        self.id, self.subnet, self.status, self.at = f"{number:04}", subnet, status, at


class Cluster(Node):
    """A cluster of memcached. Its interfaces are those of its nodes, in their order."""

    def __init__(self, call, name, settings, subnets):
        super().__init__(call, name, settings, subnets[0])
        self.cells = [Cell(n, subnet, "creating", self.created) for n, subnet in enumerate(subnets, 1)]
        for cell in self.cells[1:]:
            self.plug(cell)
        self.pending = {}

    def plug(self, cell):
        if cell.subnet is not None:
            interfaces.hold(
                self.arn, self.region, self.account, cell.subnet.id, self.settings["groups"],
                f"ElastiCache {self.name}", "amazon-elasticache",
            )  # fmt: skip

    def zone(self, cell):
        return cell.subnet.availability_zone if cell.subnet else f"{self.region}a"

    def zones(self):
        return {self.zone(cell) for cell in self.cells}

    def endpoint(self, part):
        address = f"{self.name}.{self.settings['suffix']}.{part}.{short(self.region)}.cache.amazonaws.com"
        return {"Address": address, "Port": self.settings["port"]}

    def told(self, message):
        tell(self.region, "cache-cluster", self.name, message)


def _count(call, least=1):
    count = int(call.get("NumCacheNodes") or least)
    if count < 1:
        raise invalid("NumCacheNodes must be at least 1.")
    if count > MOST:
        raise Refusal("NodeQuotaForClusterExceeded", f"You may have at most {MOST} nodes per cluster.")
    return count


def _check_zones(mode, count, zones, have=()):
    """Check the mode of a cluster that has nodes in the zones `have`, and gets nodes in `zones`, if those are given."""
    if mode not in (None, "single-az", "cross-az"):
        raise invalid(f"Invalid AZMode: {mode}")
    if mode == "cross-az" and count < 2:
        raise clash("AZMode cross-az needs at least 2 cache nodes.")
    if zones and len(zones) != count - len(have):
        raise clash("The number of availability zones must equal the number of new cache nodes.")
    several = len({*(zones or []), *have}) > 1
    if mode == "single-az" and several:
        # model: "You cannot specify single-az if the Memcached cluster already has cache nodes in different zones".
        raise clash("AZMode single-az does not allow cache nodes in several availability zones.")
    if mode == "cross-az" and zones and not several:
        raise clash("AZMode cross-az needs cache nodes in several availability zones.")


def create(call, name):
    for snapshot in ("SnapshotArns", "SnapshotName", "SnapshotRetentionLimit"):
        if call.get(snapshot):
            raise clash(f"{snapshot} is not supported for memcached.")
    if call.get("AuthToken"):
        raise clash("AuthToken is not supported for memcached.")
    version = version_for("memcached", call.get("EngineVersion"))
    versions = VERSIONS["memcached"]
    if truth(call.get("TransitEncryptionEnabled")) and versions.index(version) < versions.index(TLS_FROM):
        raise clash(f"Encryption in transit is not supported for memcached {version}.")
    settings = settings_of(call, "memcached", version)
    settings["at_rest"] = False
    if settings["type"].startswith("cache.t4g.") and versions.index(version) < versions.index("1.5.16"):
        raise invalid(f"The node type {settings['type']} needs memcached 1.5.16 or newer.")
    count, mode, zones = _count(call), call.get("AZMode"), call.get("PreferredAvailabilityZones")
    _check_zones(mode, count, zones)
    if call.get("PreferredAvailabilityZone"):
        zones = [call.get("PreferredAvailabilityZone")] * count
    chosen = places(settings, count, zones)
    if mode != "cross-az" and not zones:
        # model AZMode: without it, and without zones, ElastiCache assumes single-az.
        chosen = [chosen[0]] * count
    cluster = Cluster(call, name, settings, chosen)
    tag(cluster.arn, call.get("Tags"))

    def ready():
        if cluster.status == "creating":
            cluster.status = "available"
            for cell in cluster.cells:
                cell.status = "available"
                cluster.told(f"Added cache node {cell.id} in availability zone {cluster.zone(cell)}")
            cluster.told("Cache cluster created")

    CLOCK.after(NODE_CREATE, ready)
    return cluster


def _new_nodes(call, cluster, count):
    """Return the nodes that a call adds."""
    more, zones = count - len(cluster.cells), call.get("NewAvailabilityZones")
    _check_zones(call.get("AZMode"), count, zones, [cluster.zone(cell) for cell in cluster.cells])
    if not zones and call.get("AZMode") != "cross-az":
        zones = [cluster.zone(cluster.cells[0])] * more if cluster.subnet_group else None
    subnets = places(cluster.settings, more, zones, have=cluster.cells)
    taken, now = {cell.id for cell in cluster.cells}, cluster.created
    free = (n for n in range(1, MOST + 1) if f"{n:04}" not in taken)
    return [Cell(next(free), subnet, "creating", now) for subnet in subnets]


def _leaving_nodes(call, cluster, count):
    """Return the nodes that a call removes."""
    ids = call.get("CacheNodeIdsToRemove") or []
    if len(ids) != len(cluster.cells) - count:
        # model: it "must match the difference".
        raise clash("CacheNodeIdsToRemove must name as many cache nodes as are to be removed.")
    leaving = [cell for cell in cluster.cells if cell.id in ids]
    if len(leaving) != len(ids):
        raise invalid(f"Some cache nodes do not exist: {', '.join(ids)}")
    return leaving


def _settings_changed(call, cluster):
    settings, changes = cluster.settings, {}
    if call.get("CacheNodeType"):
        if not TYPES.fullmatch(call.get("CacheNodeType")):
            raise invalid(f"The parameter CacheNodeType is invalid: {call.get('CacheNodeType')}")
        changes["type"] = call.get("CacheNodeType")
    if call.get("EngineVersion"):
        version = version_for("memcached", call.get("EngineVersion"))
        versions = VERSIONS["memcached"]
        if versions.index(version) < versions.index(settings["version"]):
            # model ModifyCacheCluster.EngineVersion: "you cannot downgrade to an earlier engine version".
            raise invalid(f"Cannot downgrade from {settings['version']} to {version}")
        changes["version"] = version
    version = changes.get("version", settings["version"])
    if call.get("CacheParameterGroupName"):
        changes["parameters"] = call.get("CacheParameterGroupName")
        found = parameter_group(call, changes["parameters"])["family"]
        if found != family("memcached", version):
            raise clash(f"The parameter group {changes['parameters']} has the family {found}")
    elif family("memcached", version) != family("memcached", settings["version"]):
        changes["parameters"] = f"default.{family('memcached', version)}"
    return {key: value for key, value in changes.items() if settings[key] != value}


def modify(call, cluster):
    """Change nodes or settings. Without ApplyImmediately both wait for a maintenance window, which never comes here."""
    if call.get("SnapshotRetentionLimit"):
        raise clash("SnapshotRetentionLimit is not supported for memcached.")
    count = _count(call, len(cluster.cells))
    new = _new_nodes(call, cluster, count) if count > len(cluster.cells) else []
    leaving = _leaving_nodes(call, cluster, count) if count < len(cluster.cells) else []
    if call.get("CacheNodeIdsToRemove") and not leaving:
        raise clash("CacheNodeIdsToRemove needs a NumCacheNodes below the number of cache nodes.")
    changes, before = _settings_changed(call, cluster), len(cluster.cells)
    if not (new or leaving or changes) or not truth(call.get("ApplyImmediately", False)):
        return
    cluster.status = "modifying"
    if new or leaving:
        cluster.pending = {"NumCacheNodes": count, "CacheNodeIdsToRemove": [cell.id for cell in leaving]}
    for cell in leaving:
        cell.status = "deleting"

    def done():
        if cluster.status != "modifying":
            return
        # The interfaces keep the order of the nodes, of which the last ones go first.
        cluster.cells = [cell for cell in cluster.cells if cell not in leaving]
        interfaces.release(cluster.arn, keep=len(cluster.cells))
        for cell in leaving:
            cluster.told(f"Removed cache node {cell.id}")
        for cell in new:
            cluster.plug(cell)
            cell.status = "available"
            cluster.cells.append(cell)
            cluster.told(f"Added cache node {cell.id} in availability zone {cluster.zone(cell)}")
        if new or leaving:
            cluster.told(f"Finished modifying number of nodes from {before} to {count}")
        cluster.settings.update(changes)
        cluster.parameters = cluster.settings["parameters"]
        cluster.status, cluster.pending = "available", {}

    CLOCK.after(NODE_DELETE if leaving else NODE_CREATE, done)


def described(cluster, nodes):
    """Return what a description of memcached has beside that of a single node."""
    zones = cluster.zones()
    shown = {
        "NumCacheNodes": len(cluster.cells),
        "PreferredAvailabilityZone": "Multiple" if len(zones) > 1 else min(zones),
        "PendingModifiedValues": cluster.pending,
    }
    if cluster.status != "creating":
        # AWS shows the endpoints once the cluster has been available.
        shown["ConfigurationEndpoint"] = cluster.endpoint("cfg")
    if nodes and cluster.status != "creating":
        shown["CacheNodes"] = [
            {
                "CacheNodeId": cell.id,
                "CacheNodeStatus": cell.status,
                "CacheNodeCreateTime": cell.at,
                "Endpoint": cluster.endpoint(cell.id),
                "ParameterGroupStatus": "in-sync",
                "CustomerAvailabilityZone": cluster.zone(cell),
            }
            for cell in cluster.cells
        ]
    return shown
