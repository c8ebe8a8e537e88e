"""ElastiCache."""

import pytest


@pytest.fixture
def groups(aws):
    """(security group, subnets) with a subnet group `app`."""
    vpc, subnets, _ = aws.network(3)
    tags = [{"Key": "gameday:stack", "Value": "s"}]
    aws.elasticache.create_cache_subnet_group(
        CacheSubnetGroupName="app", CacheSubnetGroupDescription="app", SubnetIds=subnets[:2], Tags=tags
    )
    return aws.group(vpc), subnets


def _settings(group, **more):
    return {
        "ReplicationGroupId": "app",
        "ReplicationGroupDescription": "app",
        "Engine": "valkey",
        "EngineVersion": "8.2",
        "CacheNodeType": "cache.t3.micro",
        "NumCacheClusters": 2,
        "AutomaticFailoverEnabled": True,
        "MultiAZEnabled": True,
        "CacheSubnetGroupName": "app",
        "SecurityGroupIds": [group],
        "TransitEncryptionEnabled": False,
        **more,
    }


def _group(aws):
    return aws.elasticache.describe_replication_groups(ReplicationGroupId="app")["ReplicationGroups"][0]


def test_life(aws, groups):
    aws.pace("real")
    made = aws.elasticache.create_replication_group(**_settings(groups[0]))["ReplicationGroup"]
    assert (
        made["Status"] == "creating" and "NodeGroups" not in made and made["MemberClusters"] == ["app-001", "app-002"]
    )
    with aws.refuses("InvalidReplicationGroupState"):
        aws.elasticache.delete_replication_group(ReplicationGroupId="app")
    aws.advance(401)
    found = _group(aws)
    assert found["Status"] == "available" and (found["AutomaticFailover"], found["MultiAZ"]) == ("enabled", "enabled")
    node_group = found["NodeGroups"][0]
    assert node_group["PrimaryEndpoint"]["Address"].endswith(".ng.0001.use1.cache.amazonaws.com")
    assert node_group["ReaderEndpoint"]["Address"].startswith("app-ro.")
    assert sorted(m["CurrentRole"] for m in node_group["NodeGroupMembers"]) == ["primary", "replica"]
    assert len({m["PreferredAvailabilityZone"] for m in node_group["NodeGroupMembers"]}) == 2
    aws.elasticache.delete_replication_group(ReplicationGroupId="app")
    assert _group(aws)["Status"] == "deleting"
    aws.advance(301)
    with aws.refuses("ReplicationGroupNotFoundFault"):
        _group(aws)
    assert aws.elasticache.describe_cache_clusters()["CacheClusters"] == []


def test_members_are_described(aws, groups):
    aws.elasticache.create_replication_group(**_settings(groups[0], CacheParameterGroupName="default.valkey8"))
    nodes = aws.elasticache.describe_cache_clusters(ShowCacheNodeInfo=True)["CacheClusters"]
    assert [n["CacheClusterId"] for n in nodes] == ["app-001", "app-002"]
    assert nodes[0]["SecurityGroups"] == [{"SecurityGroupId": groups[0], "Status": "active"}]
    assert nodes[0]["CacheParameterGroup"]["CacheParameterGroupName"] == "default.valkey8"
    assert nodes[0]["CacheSubnetGroupName"] == "app" and nodes[0]["EngineVersion"].startswith("8.2")
    assert nodes[0]["CacheNodes"][0]["Endpoint"]["Port"] == 6379
    with aws.refuses("InvalidCacheClusterState"):
        aws.elasticache.delete_cache_cluster(CacheClusterId="app-001")


@pytest.mark.parametrize(
    "change, code",
    [
        ({"NumCacheClusters": 1}, "InvalidParameterCombination"),
        ({"AutomaticFailoverEnabled": False}, "InvalidParameterCombination"),
        ({"CacheNodeType": "cache.x9.micro"}, "InvalidParameterValue"),
        ({"EngineVersion": "6.6"}, "InvalidParameterValue"),
        ({"CacheParameterGroupName": "default.redis7"}, "InvalidParameterCombination"),
        ({"CacheParameterGroupName": "none"}, "CacheParameterGroupNotFound"),
        ({"CacheSubnetGroupName": "none"}, "CacheSubnetGroupNotFoundFault"),
        ({"AuthToken": "0123456789abcdef"}, "InvalidParameterCombination"),
        ({"PreferredCacheClusterAZs": ["us-east-1a"]}, "InvalidParameterCombination"),
        ({"SecurityGroupIds": ["sg-0123456789abcdef0"]}, "InvalidParameterValue"),
    ],
)
def test_bad_requests(aws, groups, change, code):
    with aws.refuses(code):
        aws.elasticache.create_replication_group(**_settings(groups[0], **change))


def test_existing_name(aws, groups):
    aws.elasticache.create_replication_group(**_settings(groups[0]))
    with aws.refuses("ReplicationGroupAlreadyExists"):
        aws.elasticache.create_replication_group(**_settings(groups[0]))


def test_replicas_come_and_go(aws, groups):
    single = {"NumCacheClusters": 1, "AutomaticFailoverEnabled": False, "MultiAZEnabled": False}
    aws.elasticache.create_replication_group(**_settings(groups[0], **single))
    aws.pace("real")
    aws.elasticache.increase_replica_count(ReplicationGroupId="app", NewReplicaCount=1, ApplyImmediately=True)
    assert _group(aws)["Status"] == "modifying"
    aws.advance(331)
    assert _group(aws)["MemberClusters"] == ["app-001", "app-002"]
    # AWS chose the primary's zone; told another one, it can take over.
    multi = {"AutomaticFailoverEnabled": True, "MultiAZEnabled": True, "ApplyImmediately": True}
    with aws.refuses("InvalidParameterCombination"):
        aws.elasticache.modify_replication_group(ReplicationGroupId="app", **multi)
    aws.elasticache.decrease_replica_count(ReplicationGroupId="app", NewReplicaCount=0, ApplyImmediately=True)
    aws.advance(121)
    shard = {"NodeGroupId": "0001", "NewReplicaCount": 1, "PreferredAvailabilityZones": ["us-east-1a"]}
    with aws.refuses("InvalidParameterCombination"):
        aws.elasticache.increase_replica_count(
            ReplicationGroupId="app", ReplicaConfiguration=[shard], ApplyImmediately=True
        )
    seats = _group(aws)["NodeGroups"][0]["NodeGroupMembers"]
    here = seats[0]["PreferredAvailabilityZone"]
    other = "us-east-1b" if here == "us-east-1a" else "us-east-1a"
    shard["PreferredAvailabilityZones"] = [here, other]
    aws.elasticache.increase_replica_count(
        ReplicationGroupId="app", ReplicaConfiguration=[shard], ApplyImmediately=True
    )
    aws.advance(331)
    seats = _group(aws)["NodeGroups"][0]["NodeGroupMembers"]
    assert [s["PreferredAvailabilityZone"] for s in seats] == [here, other]
    aws.elasticache.modify_replication_group(
        ReplicationGroupId="app", AutomaticFailoverEnabled=True, MultiAZEnabled=True, ApplyImmediately=True
    )
    aws.advance(121)
    assert _group(aws)["MultiAZ"] == "enabled"
    with aws.refuses("InvalidParameterCombination"):
        aws.elasticache.decrease_replica_count(ReplicationGroupId="app", NewReplicaCount=0, ApplyImmediately=True)
    aws.elasticache.modify_replication_group(
        ReplicationGroupId="app", AutomaticFailoverEnabled=False, MultiAZEnabled=False, ApplyImmediately=True
    )
    aws.advance(121)
    aws.elasticache.decrease_replica_count(ReplicationGroupId="app", NewReplicaCount=0, ApplyImmediately=True)
    aws.advance(121)
    assert _group(aws)["MemberClusters"] == ["app-001"]


def test_modify(aws, groups):
    aws.elasticache.create_replication_group(**_settings(groups[0], EngineVersion="8.0"))
    other = aws.group(aws.ec2.describe_security_groups(GroupIds=[groups[0]])["SecurityGroups"][0]["VpcId"], "other")
    aws.elasticache.modify_replication_group(
        ReplicationGroupId="app",
        CacheNodeType="cache.t3.small",
        EngineVersion="8.2",
        SecurityGroupIds=[other],
        ApplyImmediately=True,
    )
    node = aws.elasticache.describe_cache_clusters(CacheClusterId="app-001")["CacheClusters"][0]
    assert node["CacheNodeType"] == _group(aws)["CacheNodeType"] == "cache.t3.small"
    assert node["EngineVersion"].startswith("8.2") and node["SecurityGroups"][0]["SecurityGroupId"] == other
    aws.ec2.delete_security_group(GroupId=groups[0])
    with aws.refuses("InvalidParameterValue"):
        aws.elasticache.modify_replication_group(ReplicationGroupId="app", EngineVersion="7.2", ApplyImmediately=True)


def test_failover(aws, groups):
    aws.elasticache.create_replication_group(**_settings(groups[0]))
    roles = lambda: {m["CacheClusterId"]: m["CurrentRole"] for m in _group(aws)["NodeGroups"][0]["NodeGroupMembers"]}
    assert roles()["app-001"] == "primary"
    aws.elasticache.test_failover(ReplicationGroupId="app", NodeGroupId="0001")
    assert roles()["app-002"] == "primary"


def test_subnet_groups(aws, groups):
    group, subnets = groups
    with aws.refuses("CacheSubnetGroupAlreadyExists"):
        aws.elasticache.create_cache_subnet_group(
            CacheSubnetGroupName="app", CacheSubnetGroupDescription="x", SubnetIds=subnets
        )
    with aws.refuses("InvalidParameterValue"):
        aws.elasticache.create_cache_subnet_group(
            CacheSubnetGroupName="x", CacheSubnetGroupDescription="x", SubnetIds=["subnet-0123456789abcdef0"]
        )
    aws.elasticache.modify_cache_subnet_group(CacheSubnetGroupName="app", SubnetIds=subnets)
    found = aws.elasticache.describe_cache_subnet_groups(CacheSubnetGroupName="app")["CacheSubnetGroups"][0]
    assert len(found["Subnets"]) == 3
    aws.elasticache.create_replication_group(**_settings(group))
    with aws.refuses("CacheSubnetGroupInUse"):
        aws.elasticache.delete_cache_subnet_group(CacheSubnetGroupName="app")
    with aws.refuses("SubnetInUse"):
        aws.elasticache.modify_cache_subnet_group(CacheSubnetGroupName="app", SubnetIds=subnets[2:])
    with aws.refuses("DependencyViolation"):
        aws.ec2.delete_security_group(GroupId=group)
    aws.elasticache.delete_replication_group(ReplicationGroupId="app")
    aws.elasticache.delete_cache_subnet_group(CacheSubnetGroupName="app")
    with aws.refuses("CacheSubnetGroupNotFoundFault"):
        aws.elasticache.describe_cache_subnet_groups(CacheSubnetGroupName="app")


def _cluster(group, **more):
    return {
        "CacheClusterId": "mem",
        "Engine": "memcached",
        "EngineVersion": "1.6.22",
        "CacheNodeType": "cache.t3.micro",
        "NumCacheNodes": 2,
        "AZMode": "cross-az",
        "PreferredAvailabilityZones": ["us-east-1a", "us-east-1b"],
        "CacheSubnetGroupName": "app",
        "SecurityGroupIds": [group],
        **more,
    }


def _mem(aws, nodes=True):
    found = aws.elasticache.describe_cache_clusters(CacheClusterId="mem", ShowCacheNodeInfo=nodes)
    return found["CacheClusters"][0]


def test_life_of_memcached(aws, groups):
    aws.pace("real")
    aws.elasticache.create_cache_cluster(**_cluster(groups[0]))
    made = _mem(aws)
    assert made["CacheClusterStatus"] == "creating" and "ConfigurationEndpoint" not in made
    with aws.refuses("InvalidCacheClusterState"):
        aws.elasticache.delete_cache_cluster(CacheClusterId="mem")
    aws.advance(331)
    found = _mem(aws)
    assert found["NumCacheNodes"] == 2 and found["PreferredAvailabilityZone"] == "Multiple"
    assert found["ConfigurationEndpoint"]["Port"] == 11211
    assert found["ConfigurationEndpoint"]["Address"].endswith(".cfg.use1.cache.amazonaws.com")
    assert [n["CacheNodeId"] for n in found["CacheNodes"]] == ["0001", "0002"]
    assert [n["CustomerAvailabilityZone"] for n in found["CacheNodes"]] == ["us-east-1a", "us-east-1b"]
    parts = [n["Endpoint"]["Address"].split(".") for n in found["CacheNodes"]]
    assert [(p[0], p[2]) for p in parts] == [("mem", "0001"), ("mem", "0002")]
    # The addresses of the nodes are told only if asked for.
    assert "CacheNodes" not in _mem(aws, nodes=False)
    # Each node holds the group and its subnet.
    enis = aws.ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [groups[0]]}])
    assert len({e["SubnetId"] for e in enis["NetworkInterfaces"]}) == 2
    aws.elasticache.delete_cache_cluster(CacheClusterId="mem")
    assert _mem(aws)["CacheClusterStatus"] == "deleting"
    with aws.refuses("CacheSubnetGroupInUse"):
        aws.elasticache.delete_cache_subnet_group(CacheSubnetGroupName="app")
    aws.advance(301)
    with aws.refuses("CacheClusterNotFound"):
        _mem(aws)
    aws.ec2.delete_security_group(GroupId=groups[0])


@pytest.mark.parametrize(
    "change, code",
    [
        ({"NumCacheNodes": 41}, "NodeQuotaForClusterExceeded"),
        ({"NumCacheNodes": 1, "PreferredAvailabilityZones": ["us-east-1a"]}, "InvalidParameterCombination"),
        ({"PreferredAvailabilityZones": ["us-east-1a"]}, "InvalidParameterCombination"),
        ({"AZMode": "single-az"}, "InvalidParameterCombination"),
        ({"PreferredAvailabilityZones": ["us-east-1a", "us-east-1a"]}, "InvalidParameterCombination"),
        ({"SnapshotRetentionLimit": 1}, "InvalidParameterCombination"),
        ({"EngineVersion": "1.6.99"}, "InvalidParameterValue"),
        ({"EngineVersion": "1.6.6", "TransitEncryptionEnabled": True}, "InvalidParameterCombination"),
        ({"EngineVersion": "1.5.10", "CacheNodeType": "cache.t4g.micro"}, "InvalidParameterValue"),
        ({"CacheParameterGroupName": "default.memcached1.5"}, "InvalidParameterCombination"),
        ({"CacheClusterId": "9mem"}, "InvalidParameterValue"),
        ({"SecurityGroupIds": ["sg-0123456789abcdef0"]}, "InvalidParameterValue"),
    ],
)
def test_bad_requests_of_memcached(aws, groups, change, code):
    with aws.refuses(code):
        aws.elasticache.create_cache_cluster(**_cluster(groups[0], **change))


def test_memcached_is_in_one_zone_unless_told_otherwise(aws, groups):
    asked = _cluster(groups[0])
    del asked["AZMode"], asked["PreferredAvailabilityZones"]
    aws.elasticache.create_cache_cluster(**asked)
    assert len({n["CustomerAvailabilityZone"] for n in _mem(aws)["CacheNodes"]}) == 1
    with aws.refuses("CacheClusterAlreadyExists"):
        aws.elasticache.create_cache_cluster(**asked)


def test_memcached_has_no_snapshots(aws, groups):
    aws.elasticache.create_cache_cluster(**_cluster(groups[0]))
    _mem(aws)
    with aws.refuses("SnapshotFeatureNotSupportedFault"):
        aws.elasticache.delete_cache_cluster(CacheClusterId="mem", FinalSnapshotIdentifier="last")
    with aws.refuses("InvalidParameterCombination"):
        aws.elasticache.modify_cache_cluster(CacheClusterId="mem", SnapshotRetentionLimit=1)


def test_nodes_of_memcached_come_and_go(aws, groups):
    one = {"NumCacheNodes": 1, "AZMode": "single-az", "PreferredAvailabilityZones": ["us-east-1b"]}
    aws.elasticache.create_cache_cluster(**_cluster(groups[0], **one))
    first = _mem(aws)["CacheNodes"]
    aws.pace("real")
    change = lambda **more: aws.elasticache.modify_cache_cluster(CacheClusterId="mem", **more)
    change(NumCacheNodes=2)
    assert _mem(aws)["CacheClusterStatus"] == "available", "it waits for the maintenance window"
    with aws.refuses("InvalidParameterCombination"):
        change(NumCacheNodes=2, NewAvailabilityZones=["us-east-1a", "us-east-1b"], ApplyImmediately=True)
    with aws.refuses("InvalidParameterCombination"):
        change(NumCacheNodes=2, AZMode="cross-az", NewAvailabilityZones=["us-east-1b"], ApplyImmediately=True)
    change(NumCacheNodes=2, AZMode="cross-az", NewAvailabilityZones=["us-east-1a"], ApplyImmediately=True)
    busy = _mem(aws)
    assert busy["CacheClusterStatus"] == "modifying" and busy["PendingModifiedValues"]["NumCacheNodes"] == 2
    with aws.refuses("InvalidCacheClusterState"):
        change(CacheNodeType="cache.t3.small", ApplyImmediately=True)
    aws.advance(331)
    two = _mem(aws)["CacheNodes"]
    assert [n["CustomerAvailabilityZone"] for n in two] == ["us-east-1b", "us-east-1a"]
    assert two[0]["Endpoint"] == first[0]["Endpoint"], "the first node keeps its address"
    with aws.refuses("InvalidParameterCombination"):
        change(AZMode="single-az", NumCacheNodes=3, ApplyImmediately=True)
    with aws.refuses("InvalidParameterCombination"):
        change(NumCacheNodes=1, ApplyImmediately=True)
    with aws.refuses("InvalidParameterValue"):
        change(NumCacheNodes=1, CacheNodeIdsToRemove=["0007"], ApplyImmediately=True)
    change(NumCacheNodes=1, CacheNodeIdsToRemove=["0002"], ApplyImmediately=True)
    aws.advance(301)
    assert [n["CacheNodeId"] for n in _mem(aws)["CacheNodes"]] == ["0001"]
    enis = aws.ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [groups[0]]}])
    assert len(enis["NetworkInterfaces"]) == 1
    said = aws.elasticache.describe_events(SourceIdentifier="mem", SourceType="cache-cluster")["Events"]
    told = {e["Message"] for e in said}
    assert {"Cache cluster created", "Removed cache node 0002"} <= told, told


def test_memcached_is_modified(aws, groups):
    aws.elasticache.create_cache_cluster(**_cluster(groups[0], EngineVersion="1.5.16"))
    other = aws.group(aws.ec2.describe_security_groups(GroupIds=[groups[0]])["SecurityGroups"][0]["VpcId"], "other")
    change = lambda **more: aws.elasticache.modify_cache_cluster(
        CacheClusterId="mem", ApplyImmediately=True, **more
    )
    change(EngineVersion="1.6.22", CacheNodeType="cache.t3.small", SecurityGroupIds=[other])
    found = _mem(aws)
    assert (found["EngineVersion"], found["CacheNodeType"]) == ("1.6.22", "cache.t3.small")
    assert found["CacheParameterGroup"]["CacheParameterGroupName"] == "default.memcached1.6"
    assert found["SecurityGroups"][0]["SecurityGroupId"] == other
    aws.ec2.delete_security_group(GroupId=groups[0])
    with aws.refuses("InvalidParameterValue"):
        change(EngineVersion="1.6.17")


def test_memcached_is_found_by_its_tags(aws, groups):
    aws.elasticache.create_cache_cluster(**_cluster(groups[0], Tags=[{"Key": "gameday:stack", "Value": "m"}]))
    filters = [{"Key": "gameday:stack", "Values": ["m"]}]
    found = aws.tagging.get_resources(TagFilters=filters, ResourceTypeFilters=["elasticache"])
    assert [r["ResourceARN"].split(":")[-2:] for r in found["ResourceTagMappingList"]] == [["cluster", "mem"]]


def test_tags(aws, groups):
    made = aws.elasticache.create_replication_group(**_settings(groups[0], Tags=[{"Key": "a", "Value": "1"}]))
    arn = made["ReplicationGroup"]["ARN"]
    aws.elasticache.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "b", "Value": "2"}])
    aws.elasticache.remove_tags_from_resource(ResourceName=arn, TagKeys=["a"])
    assert aws.elasticache.list_tags_for_resource(ResourceName=arn)["TagList"] == [{"Key": "b", "Value": "2"}]
    with aws.refuses("ReplicationGroupNotFoundFault"):
        aws.elasticache.list_tags_for_resource(ResourceName=arn.replace(":app", ":none"))


def test_versions(aws):
    found = aws.elasticache.describe_cache_engine_versions(Engine="valkey", DefaultOnly=True)["CacheEngineVersions"]
    assert [(v["EngineVersion"], v["CacheParameterGroupFamily"]) for v in found] == [("8.2", "valkey8")]
    found = aws.elasticache.describe_cache_parameter_groups(CacheParameterGroupName="default.redis7")
    assert found["CacheParameterGroups"][0]["CacheParameterGroupFamily"] == "redis7"
