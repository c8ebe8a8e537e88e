"""ElastiCache: subnet groups, parameter groups, tags and the catalogue; moto lacks deletes and most of the rest."""

import re

from .ec2_instances import ec2_backends
from .faults import FAULTS
from .rules import Refusal, instead, on_reset, page, partition

# [AWS 2.1]
VERSIONS = {
    "redis": ["4.0.10", "5.0.6", "6.0", "6.2", "7.0", "7.1"],
    "valkey": ["7.2", "8.0", "8.1", "8.2", "9.0", "9.1"],
    "memcached": ["1.4.34", "1.5.10", "1.5.16", "1.6.6", "1.6.12", "1.6.17", "1.6.22"],  # [AWS 2.4]
}
DEFAULT = {"redis": "7.1", "valkey": "8.2", "memcached": "1.6.22"}
TYPES = re.compile(
    r"cache\.(t2\.(micro|small|medium)|(t3|t4g)\.(micro|small|medium)|(m5|m6g|m7g|r5|r6g|r7g)\.\d*x?large)"
)

SUBNET_GROUPS, PARAMETER_GROUPS, TAGS = {}, {}, {}


@on_reset
def forget():
    for table in (SUBNET_GROUPS, PARAMETER_GROUPS, TAGS):
        table.clear()


def arn_of(call, kind, name):
    return f"arn:{partition(call.region)}:elasticache:{call.region}:{call.account}:{kind}:{name}"


def invalid(message):
    return Refusal("InvalidParameterValue", message)


def family(engine, version):
    first = version.split(".")[0]
    if engine == "redis":
        return {"4": "redis4.0", "5": "redis5.0", "6": "redis6.x"}.get(first, f"redis{first}")
    return f"{engine}{first}" if engine == "valkey" else "memcached" + ".".join(version.split(".")[:2])


def version_for(engine, asked):
    """Return the version for a request ("7" and "7.x" mean the newest 7)."""
    if not asked:
        return DEFAULT[engine]
    matching = [v for v in VERSIONS[engine] if v == asked or v.startswith(asked.removesuffix("x").rstrip(".") + ".")]
    if not matching:
        raise invalid(f"No Cache Engine Version found for Engine: {engine}, EngineVersion: {asked}")
    return matching[-1]


@instead("elasticache", "DescribeCacheEngineVersions")
def engine_versions(call):
    found = [
        {
            "Engine": engine,
            "EngineVersion": version,
            "CacheParameterGroupFamily": family(engine, version),
            "CacheEngineDescription": {"redis": "Redis OSS", "valkey": "Valkey", "memcached": "memcached"}[engine],
            "CacheEngineVersionDescription": f"{engine} version {version}",
        }
        for engine, versions in VERSIONS.items()
        for version in versions
        if call.get("Engine") in (None, engine)
        and (not call.get("EngineVersion") or version.startswith(call.get("EngineVersion")))
        and call.get("CacheParameterGroupFamily") in (None, family(engine, version))
        and (not call.get("DefaultOnly") or version == DEFAULT[engine])
    ]
    shown, marker = page(call, found, "MaxRecords", "Marker")
    return {"CacheEngineVersions": shown, "Marker": marker}


# Subnet groups


def _subnets(call, ids):
    ec2 = ec2_backends[call.account][call.region]
    known = {s.id: s for zone in ec2.subnets.values() for s in zone.values()}
    if not ids:
        raise invalid("The parameter SubnetIds must be provided and must not be blank.")
    missing = [i for i in ids if i not in known or FAULTS.is_fresh(call, i)]
    if missing:
        # github.com/wallix/awless/issues/175: the same words as RDS.
        raise invalid(f"Some input subnets in :[{', '.join(missing)}] are invalid.")
    found = [known[i] for i in ids]
    if len({s.vpc_id for s in found}) > 1:
        raise Refusal("InvalidSubnet", "All subnets must be in the same VPC")
    return found


def subnet_group(call, name):
    group = SUBNET_GROUPS.get((call.region, (name or "").lower()))
    if group is None:
        raise Refusal("CacheSubnetGroupNotFoundFault", f"Cache Subnet Group {name} does not exist.")
    return group


def _described(group):
    return {
        "CacheSubnetGroupName": group["name"],
        "CacheSubnetGroupDescription": group["description"],
        "VpcId": group["subnets"][0].vpc_id,
        "Subnets": [
            {
                "SubnetIdentifier": s.id,
                "SubnetAvailabilityZone": {"Name": s.availability_zone},
                "SupportedNetworkTypes": ["ipv4"],
            }
            for s in group["subnets"]
        ],
        "ARN": group["arn"],
        "SupportedNetworkTypes": ["ipv4"],
    }


@instead("elasticache", "CreateCacheSubnetGroup")
def create_subnet_group(call):
    name = (call.get("CacheSubnetGroupName") or "").lower()  # model: stored as a lowercase string
    if (call.region, name) in SUBNET_GROUPS:
        raise Refusal("CacheSubnetGroupAlreadyExists", f"Cache subnet group {name} already exists.")
    group = {
        "name": name,
        "description": call.get("CacheSubnetGroupDescription"),
        "subnets": _subnets(call, call.get("SubnetIds")),
        "arn": arn_of(call, "subnetgroup", name),
    }
    SUBNET_GROUPS[(call.region, name)] = group
    tag(group["arn"], call.get("Tags"))
    return {"CacheSubnetGroup": _described(group)}


@instead("elasticache", "ModifyCacheSubnetGroup")
def modify_subnet_group(call):
    from . import interfaces
    from .elasticache import nodes_using

    group = subnet_group(call, call.get("CacheSubnetGroupName"))
    if call.get("SubnetIds"):
        wanted = _subnets(call, call.get("SubnetIds"))
        used = {eni.subnet.id for node in nodes_using(group) for eni in interfaces.held(node.arn)}
        lost = used - {s.id for s in wanted}
        if lost:
            # model ModifyCacheSubnetGroup: SubnetInUse.
            raise Refusal("SubnetInUse", f"The subnet {min(lost)} is in use.")
        group["subnets"] = wanted
    group["description"] = call.get("CacheSubnetGroupDescription") or group["description"]
    return {"CacheSubnetGroup": _described(group)}


@instead("elasticache", "DeleteCacheSubnetGroup")
def delete_subnet_group(call):
    from .elasticache import nodes_using

    group = subnet_group(call, call.get("CacheSubnetGroupName"))
    if nodes_using(group):
        # model: CacheSubnetGroupInUse [AWS 2.3]: until the group of nodes is gone.
        raise Refusal(
            "CacheSubnetGroupInUse", f"Cache subnet group {group['name']} is currently in use by a cache cluster."
        )
    del SUBNET_GROUPS[(call.region, group["name"])]
    TAGS.pop(group["arn"], None)
    return {}


@instead("elasticache", "DescribeCacheSubnetGroups")
def describe_subnet_groups(call):
    name = call.get("CacheSubnetGroupName")
    groups = [subnet_group(call, name)] if name else [g for (r, _), g in SUBNET_GROUPS.items() if r == call.region]
    shown, marker = page(call, groups, "MaxRecords", "Marker")
    return {"CacheSubnetGroups": [_described(g) for g in shown], "Marker": marker}


# Parameter groups: AWS's defaults, and one's own.


def _families():
    names = {family(e, v) for e, versions in VERSIONS.items() for v in versions}
    return sorted(names)


def parameter_group(call, name):
    own = PARAMETER_GROUPS.get((call.region, name))
    if own:
        return own
    base = (name or "").removesuffix(".cluster.on").removeprefix("default.")
    if (name or "").startswith("default.") and base in _families():
        return {"name": name, "family": base, "description": f"Default parameter group for {base}", "set": {}}
    raise Refusal("CacheParameterGroupNotFound", f"CacheParameterGroup {name} not found.", 404)


def _described_parameters(call, group):
    return {
        "CacheParameterGroupName": group["name"],
        "CacheParameterGroupFamily": group["family"],
        "Description": group["description"],
        "IsGlobal": False,
        "ARN": arn_of(call, "parametergroup", group["name"]),
    }


@instead("elasticache", "CreateCacheParameterGroup")
def create_parameter_group(call):
    name = (call.get("CacheParameterGroupName") or "").lower()
    if (call.region, name) in PARAMETER_GROUPS:
        raise Refusal("CacheParameterGroupAlreadyExists", f"Parameter group {name} already exists")
    if call.get("CacheParameterGroupFamily") not in _families():
        raise invalid(
            f"CacheParameterGroupFamily {call.get('CacheParameterGroupFamily')} is not a valid parameter group family."
        )
    group = {
        "name": name,
        "family": call.get("CacheParameterGroupFamily"),
        "description": call.get("Description"),
        "set": {},
    }
    PARAMETER_GROUPS[(call.region, name)] = group
    tag(arn_of(call, "parametergroup", name), call.get("Tags"))
    return {"CacheParameterGroup": _described_parameters(call, group)}


@instead("elasticache", "DescribeCacheParameterGroups")
def describe_parameter_groups(call):
    name = call.get("CacheParameterGroupName")
    groups = [parameter_group(call, f"default.{f}") for f in _families()]
    groups += [g for (region, _), g in PARAMETER_GROUPS.items() if region == call.region]
    groups = [parameter_group(call, name)] if name else groups
    shown, marker = page(call, groups, "MaxRecords", "Marker")
    return {"CacheParameterGroups": [_described_parameters(call, g) for g in shown], "Marker": marker}


@instead("elasticache", "ModifyCacheParameterGroup")
def modify_parameter_group(call):
    group = parameter_group(call, call.get("CacheParameterGroupName"))
    if group["name"].startswith("default."):
        raise invalid("Default parameter groups cannot be modified.")
    for pair in call.get("ParameterNameValues") or []:
        group["set"][pair["ParameterName"]] = pair.get("ParameterValue")
    return {"CacheParameterGroupName": group["name"]}


@instead("elasticache", "DescribeCacheParameters")
def describe_parameters(call):
    group = parameter_group(call, call.get("CacheParameterGroupName"))
    if call.get("Source") not in (None, "user"):
        return {"Parameters": []}
    found = [
        {
            "ParameterName": n,
            "ParameterValue": v,
            "Source": "user",
            "DataType": "string",
            "IsModifiable": True,
            "ChangeType": "immediate",
        }
        for n, v in group["set"].items()
    ]
    return {"Parameters": found}


@instead("elasticache", "DeleteCacheParameterGroup")
def delete_parameter_group(call):
    from .elasticache import NODES

    group = parameter_group(call, call.get("CacheParameterGroupName"))
    if group["name"].startswith("default.") or any(n.parameters == group["name"] for n in NODES.values()):
        # model: InvalidCacheParameterGroupState.
        raise Refusal(
            "InvalidCacheParameterGroupState", f"The parameter group {group['name']} is in use or a default one."
        )
    del PARAMETER_GROUPS[(call.region, group["name"])]
    return {}


# Tags


def tag(arn, tags):
    TAGS.setdefault(arn, {}).update({t["Key"]: t.get("Value") or "" for t in tags or []})


def _tags(arn):
    return {"TagList": [{"Key": k, "Value": v} for k, v in TAGS.get(arn, {}).items()]}


def _known(call):
    arn = call.get("ResourceName") or ""
    if arn not in TAGS:
        kind = arn.split(":")[5] if arn.count(":") >= 6 else ""
        codes = {"replicationgroup": "ReplicationGroupNotFoundFault", "subnetgroup": "CacheSubnetGroupNotFoundFault"}
        raise Refusal(codes.get(kind, "CacheClusterNotFound"), f"{arn} is either not present or not available.", 404)
    return arn


@instead("elasticache", "AddTagsToResource")
def add_tags(call):
    tag(_known(call), call.get("Tags"))
    return _tags(call.get("ResourceName"))


@instead("elasticache", "RemoveTagsFromResource")
def remove_tags(call):
    for key in call.get("TagKeys") or []:
        TAGS[_known(call)].pop(key, None)
    return _tags(call.get("ResourceName"))


@instead("elasticache", "ListTagsForResource")
def list_tags(call):
    return _tags(_known(call))
