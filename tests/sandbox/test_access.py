"""IAM, parameters, tags, quotas."""

import json

import boto3
import pytest

TAGS = [{"Key": "gameday:stack", "Value": "s"}]


def test_a_parameters_arn_shows_in_the_list(aws):
    aws.ssm.put_parameter(Name="/a/b", Value="v", Type="SecureString")
    [listed] = aws.ssm.describe_parameters(ParameterFilters=[{"Key": "Name", "Values": ["/a/b"]}])["Parameters"]
    assert listed["ARN"] == aws.ssm.get_parameter(Name="/a/b")["Parameter"]["ARN"]


def test_delete_conflicts(aws):
    aws.iam.create_role(RoleName="app", AssumeRolePolicyDocument="{}")
    aws.iam.create_instance_profile(InstanceProfileName="app")
    aws.iam.add_role_to_instance_profile(InstanceProfileName="app", RoleName="app")
    policy = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]}
    )
    aws.iam.put_role_policy(RoleName="app", PolicyName="own", PolicyDocument=policy)
    aws.iam.attach_role_policy(RoleName="app", PolicyArn="arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy")
    with aws.refuses("DeleteConflict"):
        aws.iam.delete_instance_profile(InstanceProfileName="app")
    for undo in (
        lambda: aws.iam.remove_role_from_instance_profile(InstanceProfileName="app", RoleName="app"),
        lambda: aws.iam.detach_role_policy(
            RoleName="app", PolicyArn="arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy"
        ),
        lambda: aws.iam.delete_role_policy(RoleName="app", PolicyName="own"),
    ):
        with aws.refuses("DeleteConflict"):
            aws.iam.delete_role(RoleName="app")
        undo()
    aws.iam.delete_role(RoleName="app")
    aws.iam.delete_instance_profile(InstanceProfileName="app")


def test_one_role_in_a_profile(aws):
    aws.iam.create_instance_profile(InstanceProfileName="app")
    for name in "ab":
        aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
    aws.iam.add_role_to_instance_profile(InstanceProfileName="app", RoleName="a")
    with aws.refuses("LimitExceeded"):
        aws.iam.add_role_to_instance_profile(InstanceProfileName="app", RoleName="b")


def test_managed_policies(aws):
    aws.iam.create_role(RoleName="app", AssumeRolePolicyDocument="{}")
    arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
    aws.iam.attach_role_policy(RoleName="app", PolicyArn=arn)
    assert aws.iam.list_attached_role_policies(RoleName="app")["AttachedPolicies"][0]["PolicyArn"] == arn
    with aws.refuses("NoSuchEntity"):
        aws.iam.attach_role_policy(RoleName="app", PolicyArn="arn:aws:iam::aws:policy/NoSuchPolicy")


def test_simulator_follows_what_is_denied(aws):
    def decisions():
        asked = {
            "PolicySourceArn": "arn:aws:iam::123456789012:role/app",
            "ActionNames": ["rds:CreateDBInstance", "ec2:CreateVpc"],
        }
        return [r["EvalDecision"] for r in aws.iam.simulate_principal_policy(**asked)["EvaluationResults"]]

    assert decisions() == ["allowed", "allowed"]
    aws.control("POST", "faults", {"deny": ["rds:Create*"]})
    assert decisions() == ["implicitDeny", "allowed"]


def test_service_linked_role_is_taken(aws):
    aws.iam.create_service_linked_role(AWSServiceName="autoscaling.amazonaws.com")
    with aws.refuses("InvalidInput"):
        aws.iam.create_service_linked_role(AWSServiceName="autoscaling.amazonaws.com")


@pytest.mark.parametrize("chip", ["x86_64", "arm64"])
def test_images(aws, chip):
    name = f"/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{chip}"
    image = aws.ssm.get_parameter(Name=name)["Parameter"]["Value"]
    assert aws.ec2.describe_images(ImageIds=[image])["Images"][0]["Architecture"] == chip


def test_an_image_of_ones_own_is_there(aws):
    """An id that nobody registered is an image of the user's account; among known ones moto answers."""
    (own,) = aws.ec2.describe_images(ImageIds=["ami-0123456789abcdef0"])["Images"]
    assert (own["ImageId"], own["State"], own["Architecture"]) == ("ami-0123456789abcdef0", "available", "x86_64")
    with aws.refuses("InvalidAMIID.Malformed"):
        aws.ec2.describe_images(ImageIds=["image-1"])


def test_everything_tagged_is_found_by_tag(aws):
    spec = lambda kind: [{"ResourceType": kind, "Tags": TAGS}]
    vpc = aws.ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=spec("vpc"))["Vpc"]["VpcId"]
    subnets = [
        aws.ec2.create_subnet(
            VpcId=vpc,
            CidrBlock=f"10.0.{n}.0/24",
            AvailabilityZone=f"us-east-1{'ab'[n]}",
            TagSpecifications=spec("subnet"),
        )["Subnet"]["SubnetId"]
        for n in range(2)
    ]
    gateway = aws.ec2.create_internet_gateway(TagSpecifications=spec("internet-gateway"))["InternetGateway"][
        "InternetGatewayId"
    ]
    aws.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = aws.ec2.create_route_table(VpcId=vpc, TagSpecifications=spec("route-table"))["RouteTable"]["RouteTableId"]
    service = "com.amazonaws.us-east-1.s3"
    aws.ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName=service, RouteTableIds=[table], TagSpecifications=spec("vpc-endpoint")
    )
    group = aws.ec2.create_security_group(
        GroupName="a", Description="a", VpcId=vpc, TagSpecifications=spec("security-group")
    )["GroupId"]
    aws.ec2.create_launch_template(
        LaunchTemplateName="a", LaunchTemplateData={"ImageId": "ami-1"}, TagSpecifications=spec("launch-template")
    )
    aws.rds.create_db_subnet_group(DBSubnetGroupName="a", DBSubnetGroupDescription="a", SubnetIds=subnets, Tags=TAGS)
    aws.rds.create_db_parameter_group(
        DBParameterGroupName="a", DBParameterGroupFamily="mysql8.4", Description="a", Tags=TAGS
    )
    aws.rds.create_db_instance(
        **{
            "DBInstanceIdentifier": "a",
            "Engine": "mysql",
            "DBInstanceClass": "db.t3.micro",
            "AllocatedStorage": 20,
            "Tags": TAGS,
        },
        **{"MasterUsername": "gdadmin", "MasterUserPassword": "correct0horse", "DBSubnetGroupName": "a"},
    )
    aws.elasticache.create_cache_subnet_group(
        CacheSubnetGroupName="a", CacheSubnetGroupDescription="a", SubnetIds=subnets, Tags=TAGS
    )
    aws.elasticache.create_replication_group(
        **{
            "ReplicationGroupId": "a",
            "ReplicationGroupDescription": "a",
            "CacheNodeType": "cache.t3.micro",
            "CacheSubnetGroupName": "a",
            "Tags": TAGS,
        }
    )
    aws.efs.create_file_system(CreationToken="a", Tags=TAGS)
    balancer = aws.elbv2.create_load_balancer(Name="a", Subnets=subnets, SecurityGroups=[group], Tags=TAGS)[
        "LoadBalancers"
    ][0]
    target_group = aws.elbv2.create_target_group(Name="a", Protocol="HTTP", Port=80, VpcId=vpc, Tags=TAGS)[
        "TargetGroups"
    ][0]
    action = [{"Type": "forward", "TargetGroupArn": target_group["TargetGroupArn"]}]
    aws.elbv2.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=action, Tags=TAGS
    )
    aws.logs.create_log_group(logGroupName="/a", tags={"gameday:stack": "s"})
    aws.ssm.put_parameter(Name="/a/b", Value="v", Type="SecureString", Tags=TAGS)
    alarm = {"MetricName": "m", "Namespace": "n", "EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold"}
    aws.cloudwatch.put_metric_alarm(AlarmName="a", Threshold=1.0, Period=60, Statistic="Sum", Tags=TAGS, **alarm)
    aws.cloudwatch.put_dashboard(DashboardName="a", DashboardBody="{}", Tags=TAGS)
    aws.iam.create_role(RoleName="a", AssumeRolePolicyDocument="{}", Tags=TAGS)

    def found(**more):
        asked = {"TagFilters": [{"Key": "gameday:stack", "Values": ["s"]}], **more}
        pages = aws.tagging.get_paginator("get_resources").paginate(PaginationConfig={"PageSize": 6}, **asked)
        return [r["ResourceARN"] for p in pages for r in p["ResourceTagMappingList"]]

    kinds = sorted({":".join([a.split(":")[2], a.split(":", 5)[5].replace(":", "/").split("/")[0]]) for a in found()})
    assert kinds == [
        *(
            "cloudwatch:alarm",
            "cloudwatch:dashboard",
            "ec2:internet-gateway",
            "ec2:launch-template",
            "ec2:route-table",
            "ec2:security-group",
            "ec2:subnet",
        ),
        *(
            "ec2:vpc",
            "ec2:vpc-endpoint",
            "elasticache:cluster",
            "elasticache:replicationgroup",
            "elasticache:subnetgroup",
        ),
        *("elasticfilesystem:file-system", "elasticloadbalancing:listener", "elasticloadbalancing:loadbalancer"),
        *("elasticloadbalancing:targetgroup", "logs:log-group", "rds:db", "rds:pg", "rds:subgrp", "ssm:parameter"),
    ]
    assert len(found()) == len(set(found()))
    assert len(found(ResourceTypeFilters=["elasticache:replicationgroup"])) == 1
    aws.rds.delete_db_instance(DBInstanceIdentifier="a", SkipFinalSnapshot=True)
    assert found(ResourceTypeFilters=["rds:db"]) == []


def test_quotas(aws):
    assert aws.quotas.get_service_quota(ServiceCode="vpc", QuotaCode="L-F678F1CE")["Quota"]["Value"] == 5
    assert len(aws.quotas.list_service_quotas(ServiceCode="ec2")["Quotas"]) == 2
    with aws.refuses("NoSuchResourceException"):
        aws.quotas.get_service_quota(ServiceCode="vpc", QuotaCode="L-0")


def test_tag_keys_of_iam_are_compared_without_case(aws):
    pair = [{"Key": "Name", "Value": "a"}, {"Key": "name", "Value": "b"}]
    with aws.refuses("InvalidInput") as caught:
        aws.iam.create_role(RoleName="app", AssumeRolePolicyDocument="{}", Tags=pair)
    assert "case insensitive" in str(caught.value)
    with aws.refuses("InvalidInput"):
        aws.iam.create_instance_profile(InstanceProfileName="app", Tags=pair)
    aws.iam.create_role(RoleName="app", AssumeRolePolicyDocument="{}", Tags=pair[:1])
    aws.iam.create_instance_profile(InstanceProfileName="app", Tags=pair[:1])
    with aws.refuses("InvalidInput"):
        aws.iam.tag_role(RoleName="app", Tags=pair)
    with aws.refuses("InvalidInput"):
        aws.iam.tag_instance_profile(InstanceProfileName="app", Tags=pair)
    # One after the other: the second takes the first one's place (github.com/aws/aws-cdk/issues/26253).
    aws.iam.tag_role(RoleName="app", Tags=pair[1:])
    aws.iam.tag_instance_profile(InstanceProfileName="app", Tags=pair[1:])
    assert [t["Value"] for t in aws.iam.list_role_tags(RoleName="app")["Tags"]] == ["b"]
    profile = aws.iam.get_instance_profile(InstanceProfileName="app")["InstanceProfile"]
    assert [t["Value"] for t in profile["Tags"]] == ["b"]


def test_china_calls_ec2_by_another_name(aws):
    def trust(service):
        statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    china = boto3.client(
        "iam",
        endpoint_url=aws.url,
        region_name="cn-north-1",
        aws_access_key_id=aws.key,
        aws_secret_access_key="sandbox",
    )
    with aws.refuses("MalformedPolicyDocument"):
        china.create_role(RoleName="app", AssumeRolePolicyDocument=trust("ec2.amazonaws.com"))
    china.create_role(RoleName="app", AssumeRolePolicyDocument=trust("ec2.amazonaws.com.cn"))
    aws.iam.create_role(RoleName="app", AssumeRolePolicyDocument=trust("ec2.amazonaws.com"))
