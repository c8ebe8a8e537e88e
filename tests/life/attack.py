"""What somebody who holds a stack's policy can try on every object in the account: each call that changes or deletes a
kind of object, with the object's name or id. What comes of it: the error's code, or none."""

import json

from botocore.config import Config
from botocore.exceptions import ClientError
from dump import Clients, dump

# By this name the emulator tells this client from all others.
NAME = "attacker"


def tried(stack, ours):
    """[call, code] of all calls on what is the stack's, or on what is not."""
    found = dump(Clients())
    config = Config(user_agent_extra=NAME, retries={"max_attempts": 1, "mode": "standard"}, parameter_validation=False)
    c = Clients(config=config)

    def of(kind):
        """The ids of a kind, one of each sort of tags: the emulator makes many."""
        for id, thing in sorted(found[kind].items()):
            tags = thing.get("tags", {})
            if (tags.get("gameday:stack") == stack) == ours and not id.startswith("default"):
                yield id, thing

    answers = []

    def call(what, client, operation, **params):
        try:
            getattr(client, operation)(**params)
            code = None
        except ClientError as e:
            code = e.response["Error"]["Code"]
        answers.append((f"{operation} {what}", code))

    stolen = [{"Key": "gameday:stack", "Value": stack}]
    rule = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2, rds, cache, efs, elb, asg, iam = c.ec2, c.rds, c.cache, c.efs, c.elb, c.asg, c.iam

    # First what changes, then what deletes, so that there is something to change.
    for kind in ("vpcs", "subnets", "internet_gateways", "route_tables", "security_groups", "vpc_endpoints",
                 "launch_templates", "instances", "network_acls"):
        for id, _ in of(kind):
            call(id, ec2, "create_tags", Resources=[id], Tags=stolen)
    for id, _ in of("vpcs"):
        call(id, ec2, "modify_vpc_attribute", VpcId=id, EnableDnsSupport={"Value": True})
    for id, _ in of("subnets"):
        call(id, ec2, "modify_subnet_attribute", SubnetId=id, MapPublicIpOnLaunch={"Value": True})
    for id, _ in of("route_tables"):
        where = {"RouteTableId": id, "DestinationCidrBlock": "198.51.100.0/24"}
        call(id, ec2, "create_route", **where, GatewayId="igw-0123456789abcdef0")
        call(id, ec2, "delete_route", **where)
    for id, _ in of("security_groups"):
        call(id, ec2, "authorize_security_group_ingress", GroupId=id, IpPermissions=rule)
        call(id, ec2, "revoke_security_group_ingress", GroupId=id, IpPermissions=rule)
    for id, _ in of("network_acls"):
        entry = {"RuleNumber": 1, "Egress": False, "NetworkAclId": id}
        call(id, ec2, "create_network_acl_entry", **entry, Protocol="-1", RuleAction="deny", CidrBlock="0.0.0.0/0")
        call(id, ec2, "delete_network_acl_entry", **entry)
    for id, thing in of("launch_templates"):
        data = {"ImageId": "ami-0ee0ee0ee0ee0ee0e"}
        call(id, ec2, "create_launch_template_version", LaunchTemplateId=id, LaunchTemplateData=data)
        name = thing["LaunchTemplateName"]
        call(name, ec2, "modify_launch_template", LaunchTemplateName=name, DefaultVersion="1")
    for id, thing in of("db_instances"):
        call(id, rds, "add_tags_to_resource", ResourceName=thing["DBInstanceArn"], Tags=stolen)
        call(id, rds, "modify_db_instance", DBInstanceIdentifier=id, DeletionProtection=False)
    for id, thing in of("db_subnet_groups"):
        call(id, rds, "add_tags_to_resource", ResourceName=thing["DBSubnetGroupArn"], Tags=stolen)
    for id, _ in of("db_parameter_groups"):
        call(id, rds, "reset_db_parameter_group", DBParameterGroupName=id, ResetAllParameters=True)
    for id, thing in of("replication_groups"):
        call(id, cache, "add_tags_to_resource", ResourceName=thing["ARN"], Tags=stolen)
        call(id, cache, "modify_replication_group", ReplicationGroupId=id, ApplyImmediately=True)
    for id, thing in of("cache_clusters"):
        if "ReplicationGroupId" not in thing:
            call(id, cache, "add_tags_to_resource", ResourceName=thing["ARN"], Tags=stolen)
            call(id, cache, "modify_cache_cluster", CacheClusterId=id, ApplyImmediately=True)
    for id, _ in of("file_systems"):
        call(id, efs, "tag_resource", ResourceId=id, Tags=stolen)
        call(id, efs, "update_file_system", FileSystemId=id, ThroughputMode="elastic")
    for arn, _ in of("load_balancers"):
        call(arn, elb, "add_tags", ResourceArns=[arn], Tags=stolen)
        off = [{"Key": "deletion_protection.enabled", "Value": "false"}]
        call(arn, elb, "modify_load_balancer_attributes", LoadBalancerArn=arn, Attributes=off)
    for arn, _ in of("target_groups"):
        target = [{"Id": "i-0123456789abcdef0"}]
        call(arn, elb, "modify_target_group", TargetGroupArn=arn, HealthCheckPath="/")
        call(arn, elb, "register_targets", TargetGroupArn=arn, Targets=target)
        call(arn, elb, "deregister_targets", TargetGroupArn=arn, Targets=target)
    for name, group in of("auto_scaling_groups"):
        call(name, asg, "update_auto_scaling_group", AutoScalingGroupName=name, MaxSize=group["MaxSize"])
        tag = {"ResourceId": name, "ResourceType": "auto-scaling-group", "PropagateAtLaunch": False}
        call(name, asg, "create_or_update_tags", Tags=[tag | stolen[0]])
        for instance in group["Instances"][:1]:
            call(name, asg, "terminate_instance_in_auto_scaling_group", InstanceId=instance["InstanceId"],
                 ShouldDecrementDesiredCapacity=False)
    for name, role in of("roles"):
        call(name, iam, "tag_role", RoleName=name, Tags=stolen)
        allow = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
        call(name, iam, "put_role_policy", RoleName=name, PolicyName="gameday", PolicyDocument=allow)
        call(name, iam, "update_assume_role_policy", RoleName=name, PolicyDocument=json.dumps(role["trust"]))
    for name, profile in of("instance_profiles"):
        if profile["roles"]:
            data = {"ImageId": "ami-0ee0ee0ee0ee0ee0e", "IamInstanceProfile": {"Name": name}}
            call(name, ec2, "create_launch_template", LaunchTemplateName=f"with-{name}", LaunchTemplateData=data)

    for arn, _ in of("listeners"):
        call(arn, elb, "delete_listener", ListenerArn=arn)
    for arn, _ in of("load_balancers"):
        call(arn, elb, "delete_load_balancer", LoadBalancerArn=arn)
    for name, _ in of("auto_scaling_groups"):
        call(name, asg, "delete_auto_scaling_group", AutoScalingGroupName=name, ForceDelete=True)
    for arn, _ in of("target_groups"):
        call(arn, elb, "delete_target_group", TargetGroupArn=arn)
    for id, _ in of("launch_templates"):
        call(id, ec2, "delete_launch_template", LaunchTemplateId=id)
    for id, _ in of("db_instances"):
        call(id, rds, "delete_db_instance", DBInstanceIdentifier=id, SkipFinalSnapshot=True)
    for id, _ in of("db_subnet_groups"):
        call(id, rds, "delete_db_subnet_group", DBSubnetGroupName=id)
    for id, _ in of("replication_groups"):
        call(id, cache, "delete_replication_group", ReplicationGroupId=id)
    for id, thing in of("cache_clusters"):
        if "ReplicationGroupId" not in thing:
            call(id, cache, "delete_cache_cluster", CacheClusterId=id)
    for id, _ in of("cache_subnet_groups"):
        call(id, cache, "delete_cache_subnet_group", CacheSubnetGroupName=id)
    systems = dict(of("file_systems"))
    for id, target in found["mount_targets"].items():
        if target["FileSystemId"] in systems:
            call(id, efs, "delete_mount_target", MountTargetId=id)
    for id, _ in of("access_points"):
        call(id, efs, "delete_access_point", AccessPointId=id)
    for id in systems:
        call(id, efs, "delete_file_system", FileSystemId=id)
    for id, _ in of("vpc_endpoints"):
        call(id, ec2, "delete_vpc_endpoints", VpcEndpointIds=[id])
    for id, _ in of("security_groups"):
        call(id, ec2, "delete_security_group", GroupId=id)
    for id, gateway in of("internet_gateways"):
        for vpc in gateway["Attachments"]:
            call(id, ec2, "detach_internet_gateway", InternetGatewayId=id, VpcId=vpc["VpcId"])
        call(id, ec2, "delete_internet_gateway", InternetGatewayId=id)
    for id, _ in of("route_tables"):
        call(id, ec2, "delete_route_table", RouteTableId=id)
    for id, _ in of("subnets"):
        call(id, ec2, "delete_subnet", SubnetId=id)
    for id, _ in of("vpcs"):
        call(id, ec2, "delete_vpc", VpcId=id)
    for name, profile in of("instance_profiles"):
        for role in profile["roles"]:
            call(name, iam, "remove_role_from_instance_profile", InstanceProfileName=name, RoleName=role)
        call(name, iam, "delete_instance_profile", InstanceProfileName=name)
    for name, _ in of("roles"):
        call(name, iam, "delete_role", RoleName=name)
    for name, _ in of("parameters"):
        # All under this path is the stack's, by whomever it was put there.
        if ours or not name.startswith(f"/gameday/{stack}/"):
            call(name, c.ssm, "get_parameter", Name=name, WithDecryption=True)
            call(name, c.ssm, "delete_parameter", Name=name)
    for name, _ in of("log_groups"):
        call(name, c.logs, "filter_log_events", logGroupName=name)
        call(name, c.logs, "delete_log_group", logGroupName=name)
    for name, _ in of("alarms"):
        call(name, c.cw, "delete_alarms", AlarmNames=[name])
    for name, _ in of("dashboards"):
        call(name, c.cw, "delete_dashboards", DashboardNames=[name])
    return answers
