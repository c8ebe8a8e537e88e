"""EFS."""

import pytest


@pytest.fixture
def system(aws):
    """(file system, security group, subnets)."""
    vpc, subnets, _ = aws.network()
    made = aws.efs.create_file_system(CreationToken="app", Tags=[{"Key": "Name", "Value": "app"}])
    return made["FileSystemId"], aws.group(vpc), subnets


def _state(aws, name):
    return aws.efs.describe_file_systems(FileSystemId=name)["FileSystems"][0]["LifeCycleState"]


def _targets(aws, name):
    return aws.efs.describe_mount_targets(FileSystemId=name)["MountTargets"]


def test_life(aws):
    aws.pace("real")
    _, subnets, _ = aws.network()
    made = aws.efs.create_file_system(CreationToken="app")
    name = made["FileSystemId"]
    assert made["LifeCycleState"] == "creating"
    for early in (
        lambda: aws.efs.create_mount_target(FileSystemId=name, SubnetId=subnets[0]),
        lambda: aws.efs.create_access_point(FileSystemId=name, ClientToken="a"),
    ):
        with aws.refuses("IncorrectFileSystemLifeCycleState"):
            early()
    aws.advance(6)
    assert _state(aws, name) == "available"
    target = aws.efs.create_mount_target(FileSystemId=name, SubnetId=subnets[0])
    assert target["LifeCycleState"] == "creating" and target["IpAddress"].startswith("10.0.0.")
    aws.advance(86)
    assert _targets(aws, name)[0]["LifeCycleState"] == "available"
    aws.efs.delete_mount_target(MountTargetId=target["MountTargetId"])
    assert _targets(aws, name)[0]["LifeCycleState"] == "deleting"
    with aws.refuses("FileSystemInUse"):
        aws.efs.delete_file_system(FileSystemId=name)
    aws.advance(41)
    assert _targets(aws, name) == []
    aws.efs.delete_file_system(FileSystemId=name)
    assert _state(aws, name) == "deleting"
    aws.advance(7)
    with aws.refuses("FileSystemNotFound"):
        _state(aws, name)
    assert aws.efs.create_file_system(CreationToken="app")["FileSystemId"] != name, "the token is free again"


def test_the_same_token_names_the_file_system(aws, system):
    with aws.refuses("FileSystemAlreadyExists") as caught:
        aws.efs.create_file_system(CreationToken="app")
    assert caught.value.response["FileSystemId"] == system[0]
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409


def test_mount_targets(aws, system):
    name, group, subnets = system
    for subnet in subnets:
        aws.efs.create_mount_target(FileSystemId=name, SubnetId=subnet, SecurityGroups=[group])
    with aws.refuses("MountTargetConflict"):
        aws.efs.create_mount_target(FileSystemId=name, SubnetId=subnets[0])
    with aws.refuses("DependencyViolation"):
        aws.ec2.delete_security_group(GroupId=group)
    with aws.refuses("DependencyViolation"):
        aws.ec2.delete_subnet(SubnetId=subnets[0])
    targets = _targets(aws, name)
    assert len({t["AvailabilityZoneName"] for t in targets}) == 2 and len({t["IpAddress"] for t in targets}) == 2
    found = aws.efs.describe_mount_target_security_groups(MountTargetId=targets[0]["MountTargetId"])
    assert found["SecurityGroups"] == [group]
    for target in targets:
        aws.efs.delete_mount_target(MountTargetId=target["MountTargetId"])
    aws.ec2.delete_security_group(GroupId=group)
    aws.ec2.delete_subnet(SubnetId=subnets[0])


def test_groups_of_a_mount_target_change(aws, system):
    name, group, subnets = system
    target = aws.efs.create_mount_target(FileSystemId=name, SubnetId=subnets[0], SecurityGroups=[group])[
        "MountTargetId"
    ]
    vpc = aws.ec2.describe_subnets(SubnetIds=subnets[:1])["Subnets"][0]["VpcId"]
    other = aws.group(vpc, "other")
    aws.efs.modify_mount_target_security_groups(MountTargetId=target, SecurityGroups=[other])
    aws.ec2.delete_security_group(GroupId=group)
    with aws.refuses("DependencyViolation"):
        aws.ec2.delete_security_group(GroupId=other)


def test_update(aws, system):
    made = aws.efs.update_file_system(FileSystemId=system[0], ThroughputMode="elastic")
    assert made["ThroughputMode"] == "elastic" and made["FileSystemId"] == system[0]
    assert aws.efs.describe_file_systems()["FileSystems"][0]["ThroughputMode"] == "elastic"
    with aws.refuses("BadRequest"):
        aws.efs.update_file_system(FileSystemId=system[0], ThroughputMode="provisioned")


def test_backup_policy(aws, system):
    policy = lambda: aws.efs.describe_backup_policy(FileSystemId=system[0])["BackupPolicy"]["Status"]
    assert policy() == "DISABLED"
    aws.efs.put_backup_policy(FileSystemId=system[0], BackupPolicy={"Status": "ENABLED"})
    assert policy() == "ENABLED"


def test_access_points(aws, system):
    root = {"Path": "/app", "CreationInfo": {"OwnerUid": 1, "OwnerGid": 1, "Permissions": "0755"}}
    tags = [{"Key": "Name", "Value": "app"}]
    made = aws.efs.create_access_point(
        FileSystemId=system[0], ClientToken="a", RootDirectory=root, PosixUser={"Uid": 1, "Gid": 1}, Tags=tags
    )
    with aws.refuses("AccessPointAlreadyExists") as caught:
        aws.efs.create_access_point(FileSystemId=system[0], ClientToken="a")
    assert caught.value.response["AccessPointId"] == made["AccessPointId"]
    found = aws.efs.describe_access_points(FileSystemId=system[0])["AccessPoints"][0]
    assert found["RootDirectory"] == root and found["Tags"] == tags
    aws.efs.delete_access_point(AccessPointId=made["AccessPointId"])
    with aws.refuses("AccessPointNotFound"):
        aws.efs.delete_access_point(AccessPointId=made["AccessPointId"])


def test_tags_named_in_the_query_go_and_the_call_is_counted(aws):
    tags = [{"Key": key, "Value": "v"} for key in "abc"]
    system = aws.efs.create_file_system(CreationToken="t", Tags=tags)["FileSystemId"]
    aws.efs.untag_resource(ResourceId=system, TagKeys=["a", "b"])
    assert aws.efs.list_tags_for_resource(ResourceId=system)["Tags"] == tags[2:]
    assert "UntagResource" in [c["operation"] for c in aws.control("GET", "calls")["calls"]]
