"""An account in which others work: objects that look like those of our stack, under near names, under equal names
where AWS allows it, with no tags, other tags, or half of ours."""

from names import group_of, log_path, name_of, own


# Near misses of {"gameday:stack": STACK, "gameday:step": …}; none of them is ours.
def not_ours(stack, step):
    return [
        {},
        {"gameday:stack": f"{stack}2", "gameday:step": step},
        {"gameday:stack": stack.upper(), "gameday:step": step},
        {"gameday:step": step},
        {"stack": stack, "Gameday:Stack": stack, "step": step},
    ]


def pairs(tags):
    return [{"Key": k, "Value": v} for k, v in tags.items()]


def spec(kind, tags):
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": pairs(tags)}]} if tags else {}


def make(c, elsewhere, stack, service):
    made, app = 0, group_of(service)
    vpcs = []
    # The same VPC, five times over, tagged in five ways that are not ours.
    for i, tags in enumerate(not_ours(stack, "vpc/main")):
        named = {"Name": f"{stack}-main"}
        vpc = c.ec2.create_vpc(CidrBlock="10.0.0.0/16", **spec("vpc", named | tags))["Vpc"]["VpcId"]
        vpcs.append(vpc)
        made += 1
    for vpc, n in zip(vpcs, range(5)):
        def tags(step, name, n=n):
            return not_ours(stack, step)[n] | {"Name": name}

        subnets = []
        for zone, cidr, side in [("a", "10.0.0.0/24", "public"), ("b", "10.0.1.0/24", "public"),
                                 ("a", "10.0.128.0/24", "private"), ("b", "10.0.129.0/24", "private")]:
            label = spec("subnet", tags(f"subnet/{side}-{zone}", f"{stack}-{side}-{zone}"))
            where = {"VpcId": vpc, "CidrBlock": cidr, "AvailabilityZone": f"{c.region}{zone}"}
            subnets.append(c.ec2.create_subnet(**where, **label)["Subnet"]["SubnetId"])
        label = spec("internet-gateway", tags("internet-gateway/main", f"{stack}-main"))
        gateway = c.ec2.create_internet_gateway(**label)["InternetGateway"]["InternetGatewayId"]
        c.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        label = spec("route-table", tags("route-table/public", f"{stack}-public"))
        table = c.ec2.create_route_table(VpcId=vpc, **label)["RouteTable"]["RouteTableId"]
        c.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        c.ec2.associate_route_table(RouteTableId=table, SubnetId=subnets[0])
        label = spec("vpc-endpoint", tags("vpc-endpoint/s3", f"{stack}-s3"))
        c.ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=f"com.amazonaws.{c.region}.s3", RouteTableIds=[table], **label)
        groups = {}
        for name in ("alb", app, "db", "cache", "files"):
            label = spec("security-group", tags(f"security-group/{name}", f"{stack}-{name}"))
            made_group = c.ec2.create_security_group(GroupName=f"{stack}-{name}", Description=name, VpcId=vpc, **label)
            groups[name] = made_group["GroupId"]
        rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": groups["alb"]}]}
        c.ec2.authorize_security_group_ingress(GroupId=groups[app], IpPermissions=[rule])
        made += 14
        if n == 1:
            made += with_a_stack(c, stack, service, vpc, subnets, groups, lambda step, n=n: not_ours(stack, step)[n])
    # The very tags of ours, in another region: a stack of the same name that somebody else runs.
    label = {"gameday:stack": stack, "gameday:step": "vpc/main", "Name": f"{stack}-main"}
    elsewhere.ec2.create_vpc(CidrBlock="10.0.0.0/16", **spec("vpc", label))
    c.ec2.create_key_pair(KeyName="ops")
    return made + 2


def with_a_stack(c, stack, service, vpc, subnets, groups, tags):
    """The rest of a stack of a colleague, under names that begin or end like ours."""
    public, private = subnets[:2], subnets[2:]
    near = f"{stack}-main2"
    c.rds.create_db_subnet_group(DBSubnetGroupName=near, DBSubnetGroupDescription="x", SubnetIds=private,
                                 Tags=pairs(tags("db-subnet-group/main")))
    c.rds.create_db_parameter_group(DBParameterGroupName=near, DBParameterGroupFamily="mysql8.4", Description="x",
                                    Tags=pairs(tags("db-parameter-group/main")))
    c.rds.create_db_instance(DBInstanceIdentifier=near, DBInstanceClass="db.t3.micro", Engine="mysql",
                             AllocatedStorage=20, MasterUsername="gdadmin", MasterUserPassword="foreign-secret-1",
                             DBSubnetGroupName=near, VpcSecurityGroupIds=[groups["db"]], PubliclyAccessible=False,
                             Tags=pairs(tags("database/main")))
    c.cache.create_cache_subnet_group(CacheSubnetGroupName=near, CacheSubnetGroupDescription="x", SubnetIds=private,
                                      Tags=pairs(tags("cache-subnet-group/main")))
    c.cache.create_replication_group(ReplicationGroupId=near, ReplicationGroupDescription="x", Engine="redis",
                                     CacheNodeType="cache.t3.micro", NumCacheClusters=1, CacheSubnetGroupName=near,
                                     SecurityGroupIds=[groups["cache"]], Tags=pairs(tags("cache/main")))
    c.cache.create_cache_cluster(CacheClusterId=near, Engine="memcached", CacheNodeType="cache.t3.micro", NumCacheNodes=1,
                                 CacheSubnetGroupName=near, SecurityGroupIds=[groups["cache"]],
                                 Tags=pairs(tags("cache-cluster/main")))
    # EFS has no names: a file system with our Name is an equal one.
    system = c.efs.create_file_system(CreationToken="somebody-else", ThroughputMode="elastic",
                                      Tags=pairs(tags("file-system/main") | {"Name": f"{stack}-main"}))["FileSystemId"]
    for subnet in private:
        c.efs.create_mount_target(FileSystemId=system, SubnetId=subnet, SecurityGroups=[groups["files"]])
    c.efs.create_access_point(ClientToken="somebody-else", FileSystemId=system,
                              Tags=pairs(tags(f"access-point/{service}") | {"Name": f"{stack}-{service}"}))
    trust = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},' \
            '"Action":"sts:AssumeRole"}]}'
    role = name_of(own("role", service=service), stack) + "2"
    c.iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust, Tags=pairs(tags(own("role", service=service))))
    allow = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}'
    c.iam.put_role_policy(RoleName=role, PolicyName="gameday", PolicyDocument=allow)
    c.iam.create_instance_profile(InstanceProfileName=role, Tags=pairs(tags(own("instance-profile", service=service))))
    c.iam.add_role_to_instance_profile(InstanceProfileName=role, RoleName=role)
    for name in (f"/gameday/{stack}2/db-master-password", f"/gameday/{stack}/db-master-password2", f"/{stack}/lease"):
        c.ssm.put_parameter(Name=name, Value="foreign-secret-2", Type="SecureString",
                            Tags=pairs(tags("parameter/db-master-password")))
    for name in (log_path("app", f"{stack}2", service), log_path("app2", stack, service), f"/gameday/{stack}"):
        c.logs.create_log_group(logGroupName=name, tags=tags(own("log-group", "app", service)))
        c.logs.put_retention_policy(logGroupName=name, retentionInDays=3)
    data = {"ImageId": "ami-0d27e0fb3bac4d724", "InstanceType": "t3.micro"}
    c.ec2.create_launch_template(LaunchTemplateName=f"{stack}-{service}2", LaunchTemplateData=data,
                                 **spec("launch-template", tags(f"launch-template/{service}")))
    target = c.elb.create_target_group(Name=f"{stack}-{service}2", Protocol="HTTP", Port=80, VpcId=vpc,
                                       Tags=pairs(tags(f"target-group/{service}")))["TargetGroups"][0]["TargetGroupArn"]
    balancer = c.elb.create_load_balancer(Name=near, Subnets=public, SecurityGroups=[groups["alb"]],
                                          Tags=pairs(tags("load-balancer/main")))["LoadBalancers"][0]["LoadBalancerArn"]
    c.elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, Tags=pairs(tags("listener/http")),
                          DefaultActions=[{"Type": "forward", "TargetGroupArn": target}])
    c.asg.create_auto_scaling_group(
        AutoScalingGroupName=f"{stack}-{service}2", MinSize=1, MaxSize=1, DesiredCapacity=1,
        LaunchTemplate={"LaunchTemplateName": f"{stack}-{service}2", "Version": "1"},
        VPCZoneIdentifier=",".join(public), TargetGroupARNs=[target],
        Tags=[t | {"PropagateAtLaunch": True} for t in pairs(tags(f"auto-scaling-group/{service}"))],
    )
    domain = c.elb.describe_load_balancers(LoadBalancerArns=[balancer])["LoadBalancers"][0]["DNSName"]
    http = {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"}
    behavior = {
        "TargetOriginId": "x", "ViewerProtocolPolicy": "allow-all", "MinTTL": 0,
        "ForwardedValues": {"QueryString": False, "Cookies": {"Forward": "none"}},
    }
    for n, label in enumerate(({}, tags("distribution/main"))):
        config = {
            "CallerReference": f"somebody-else-{n}", "Enabled": True, "DefaultCacheBehavior": behavior,
            "Comment": f"distribution/main of stack {stack}2 in us-east-1",
            "Origins": {"Quantity": 1, "Items": [{"Id": "x", "DomainName": domain, "CustomOriginConfig": http}]},
        }
        both = {"DistributionConfig": config, "Tags": {"Items": pairs(label)}}
        c.edge.create_distribution_with_tags(DistributionConfigWithTags=both)
    for name in (f"{stack}-elb-5xx2", f"{stack}2-elb-5xx", f"x{stack}-elb-5xx"):
        c.cw.put_metric_alarm(AlarmName=name, Namespace="AWS/ApplicationELB", MetricName="HTTPCode_ELB_5XX_Count",
                              Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=1.0,
                              ComparisonOperator="GreaterThanOrEqualToThreshold", Tags=pairs(tags("alarm/elb-5xx")))
    for name in (f"{stack}-main-us-east-12", f"{stack}-main-eu-west-1"):
        c.cw.put_dashboard(DashboardName=name, DashboardBody='{"widgets":[]}')
    return 32
