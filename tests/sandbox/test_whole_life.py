"""The whole stack: built in order, taken down in the wrong order (refused), then in the right one; nothing left."""

import json


def build(aws):
    ec2, made = aws.ec2, {}
    vpc, subnets, made["gateway"] = aws.network()
    made["vpc"], made["subnets"] = vpc, subnets
    data = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{10 + n}.0/24", AvailabilityZone=f"us-east-1{'ab'[n]}")["Subnet"][
            "SubnetId"
        ]
        for n in range(2)
    ]
    made["data"] = data
    made["table"] = table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=made["gateway"])
    made["associations"] = [ec2.associate_route_table(RouteTableId=table, SubnetId=s)["AssociationId"] for s in subnets]
    for subnet in subnets:
        ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
    endpoint = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3", RouteTableIds=[table])
    made["endpoint"] = endpoint["VpcEndpoint"]["VpcEndpointId"]
    groups = made["groups"] = {n: aws.group(vpc, n) for n in ("alb", "app", "db", "cache", "files")}

    def allow(group, port, source):
        peer = (
            {"UserIdGroupPairs": [{"GroupId": source}]}
            if source.startswith("sg-")
            else {"IpRanges": [{"CidrIp": source}]}
        )
        ec2.authorize_security_group_ingress(
            GroupId=group, IpPermissions=[{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **peer}]
        )

    allow(groups["alb"], 80, "0.0.0.0/0")
    allow(groups["app"], 80, groups["alb"])
    for name, port in (("db", 3306), ("cache", 6379), ("files", 2049)):
        allow(groups[name], port, groups["app"])

    aws.rds.create_db_subnet_group(DBSubnetGroupName="app", DBSubnetGroupDescription="app", SubnetIds=data)
    aws.rds.create_db_parameter_group(DBParameterGroupName="app", DBParameterGroupFamily="mysql8.4", Description="app")
    aws.rds.create_db_instance(
        **{
            "DBInstanceIdentifier": "app",
            "Engine": "mysql",
            "EngineVersion": "8.4",
            "DBInstanceClass": "db.t3.micro",
            "MultiAZ": True,
        },
        **{
            "AllocatedStorage": 20,
            "MasterUsername": "gdadmin",
            "MasterUserPassword": "correct0horse",
            "DBSubnetGroupName": "app",
        },
        **{"VpcSecurityGroupIds": [groups["db"]], "DBParameterGroupName": "app", "BackupRetentionPeriod": 0},
    )
    aws.elasticache.create_cache_subnet_group(
        CacheSubnetGroupName="app", CacheSubnetGroupDescription="app", SubnetIds=data
    )
    aws.elasticache.create_replication_group(
        **{
            "ReplicationGroupId": "app",
            "ReplicationGroupDescription": "app",
            "Engine": "valkey",
            "CacheNodeType": "cache.t3.micro",
        },
        **{
            "NumCacheClusters": 2,
            "AutomaticFailoverEnabled": True,
            "MultiAZEnabled": True,
            "CacheSubnetGroupName": "app",
        },
        **{"SecurityGroupIds": [groups["cache"]], "TransitEncryptionEnabled": False},
    )
    made["files"] = aws.efs.create_file_system(CreationToken="app")["FileSystemId"]
    made["targets"] = [
        aws.efs.create_mount_target(FileSystemId=made["files"], SubnetId=s, SecurityGroups=[groups["files"]])[
            "MountTargetId"
        ]
        for s in data
    ]
    aws.efs.create_access_point(FileSystemId=made["files"], ClientToken="app")

    aws.iam.create_role(RoleName="app", AssumeRolePolicyDocument="{}")
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": "*"}],
    }
    aws.iam.put_role_policy(RoleName="app", PolicyName="app", PolicyDocument=json.dumps(policy))
    aws.iam.create_instance_profile(InstanceProfileName="app")
    aws.iam.add_role_to_instance_profile(InstanceProfileName="app", RoleName="app")
    aws.ssm.put_parameter(Name="/app/password", Value="secret", Type="SecureString")
    aws.logs.create_log_group(logGroupName="/app")

    made["target_group"] = aws.target_group(vpc)
    made["balancer"] = aws.balancer(subnets, [groups["alb"]])["LoadBalancerArn"]
    made["listener"] = aws.listen(made["balancer"], made["target_group"])
    made["template"] = aws.template([groups["app"]], IamInstanceProfile={"Name": "app"}, UserData="IyEvYmluL3NoCg==")
    aws.fleet(
        subnets,
        made["template"],
        TargetGroupARNs=[made["target_group"]],
        HealthCheckType="ELB",
        HealthCheckGracePeriod=180,
    )
    tracked = {
        "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
        "TargetValue": 50.0,
    }
    aws.autoscaling.put_scaling_policy(
        AutoScalingGroupName="app",
        PolicyName="cpu",
        PolicyType="TargetTrackingScaling",
        TargetTrackingConfiguration=tracked,
    )
    aws.cloudwatch.put_metric_alarm(
        **{
            "AlarmName": "app",
            "Namespace": "AWS/RDS",
            "MetricName": "CPUUtilization",
            "Statistic": "Average",
            "Period": 60,
        },
        **{"EvaluationPeriods": 3, "Threshold": 80.0, "ComparisonOperator": "GreaterThanThreshold"},
    )
    aws.cloudwatch.put_dashboard(DashboardName="app", DashboardBody='{"widgets": []}')
    return made


def test_whole_life(aws):
    made = build(aws)
    ec2, groups = aws.ec2, made["groups"]
    assert set(aws.health(made["target_group"]).values()) == {"healthy"}

    # The wrong order.
    for code, wrong in (
        ("DependencyViolation", lambda: ec2.delete_vpc(VpcId=made["vpc"])),
        (
            "DependencyViolation",
            lambda: ec2.detach_internet_gateway(InternetGatewayId=made["gateway"], VpcId=made["vpc"]),
        ),
        *(
            ("DependencyViolation", lambda s=s: ec2.delete_subnet(SubnetId=s))
            for s in [*made["subnets"], *made["data"]]
        ),
        *(("DependencyViolation", lambda g=g: ec2.delete_security_group(GroupId=g)) for g in groups.values()),
        ("DependencyViolation", lambda: ec2.delete_route_table(RouteTableId=made["table"])),
        ("InvalidDBSubnetGroupStateFault", lambda: aws.rds.delete_db_subnet_group(DBSubnetGroupName="app")),
        ("InvalidDBParameterGroupState", lambda: aws.rds.delete_db_parameter_group(DBParameterGroupName="app")),
        ("CacheSubnetGroupInUse", lambda: aws.elasticache.delete_cache_subnet_group(CacheSubnetGroupName="app")),
        ("FileSystemInUse", lambda: aws.efs.delete_file_system(FileSystemId=made["files"])),
        ("ResourceInUse", lambda: aws.elbv2.delete_target_group(TargetGroupArn=made["target_group"])),
        ("ResourceInUse", lambda: aws.autoscaling.delete_auto_scaling_group(AutoScalingGroupName="app")),
        ("DeleteConflict", lambda: aws.iam.delete_role(RoleName="app")),
        ("DeleteConflict", lambda: aws.iam.delete_instance_profile(InstanceProfileName="app")),
    ):
        with aws.refuses(code):
            wrong()

    # The right one.
    aws.cloudwatch.delete_alarms(AlarmNames=["app"])
    aws.cloudwatch.delete_dashboards(DashboardNames=["app"])
    aws.autoscaling.delete_auto_scaling_group(AutoScalingGroupName="app", ForceDelete=True)
    aws.elbv2.delete_load_balancer(LoadBalancerArn=made["balancer"])
    aws.elbv2.delete_target_group(TargetGroupArn=made["target_group"])
    ec2.delete_launch_template(LaunchTemplateId=made["template"])
    aws.rds.delete_db_instance(DBInstanceIdentifier="app", SkipFinalSnapshot=True)
    aws.elasticache.delete_replication_group(ReplicationGroupId="app")
    for target in made["targets"]:
        aws.efs.delete_mount_target(MountTargetId=target)
    aws.efs.delete_file_system(FileSystemId=made["files"])
    aws.rds.delete_db_subnet_group(DBSubnetGroupName="app")
    aws.rds.delete_db_parameter_group(DBParameterGroupName="app")
    aws.elasticache.delete_cache_subnet_group(CacheSubnetGroupName="app")
    for name in ("files", "cache", "db", "app", "alb"):
        ec2.delete_security_group(GroupId=groups[name])
    ec2.delete_vpc_endpoints(VpcEndpointIds=[made["endpoint"]])
    for association in made["associations"]:
        ec2.disassociate_route_table(AssociationId=association)
    ec2.delete_route_table(RouteTableId=made["table"])
    for subnet in [*made["subnets"], *made["data"]]:
        ec2.delete_subnet(SubnetId=subnet)
    ec2.detach_internet_gateway(InternetGatewayId=made["gateway"], VpcId=made["vpc"])
    ec2.delete_internet_gateway(InternetGatewayId=made["gateway"])
    ec2.delete_vpc(VpcId=made["vpc"])
    aws.iam.remove_role_from_instance_profile(InstanceProfileName="app", RoleName="app")
    aws.iam.delete_instance_profile(InstanceProfileName="app")
    aws.iam.delete_role_policy(RoleName="app", PolicyName="app")
    aws.iam.delete_role(RoleName="app")
    aws.ssm.delete_parameter(Name="/app/password")
    aws.logs.delete_log_group(logGroupName="/app")

    # Nothing left but what every account has.
    assert [v["IsDefault"] for v in ec2.describe_vpcs()["Vpcs"]] == [True]
    default = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    for answer, key in (
        (ec2.describe_subnets(), "Subnets"),
        (ec2.describe_security_groups(), "SecurityGroups"),
        (ec2.describe_route_tables(), "RouteTables"),
    ):
        assert {item["VpcId"] for item in answer[key]} == {default}, key
    left = {
        "interfaces": ec2.describe_network_interfaces()["NetworkInterfaces"],
        "endpoints": ec2.describe_vpc_endpoints()["VpcEndpoints"],
        "templates": ec2.describe_launch_templates()["LaunchTemplates"],
        "groups": aws.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"],
        "alarms": aws.cloudwatch.describe_alarms()["MetricAlarms"],
        "balancers": aws.elbv2.describe_load_balancers()["LoadBalancers"],
        "target groups": aws.elbv2.describe_target_groups()["TargetGroups"],
        "databases": aws.rds.describe_db_instances()["DBInstances"],
        "caches": aws.elasticache.describe_cache_clusters()["CacheClusters"],
        "file systems": aws.efs.describe_file_systems()["FileSystems"],
        "roles": [r for r in aws.iam.list_roles()["Roles"] if not r["Path"].startswith("/aws-service-role/")],
        "volumes": ec2.describe_volumes()["Volumes"],
    }
    assert left == {key: [] for key in left}
    running = [
        i
        for r in ec2.describe_instances()["Reservations"]
        for i in r["Instances"]
        if i["State"]["Name"] != "terminated"
    ]
    assert running == []


def test_twice_in_a_row(aws):
    """The account is as good as new after a life, names and tokens included."""
    test_whole_life(aws)
    test_whole_life(aws)
