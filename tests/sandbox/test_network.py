"""VPC, subnets, gateways, endpoints, security groups."""


def test_vpc_is_pending_first(aws):
    aws.pace("real")
    vpc = aws.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]
    assert vpc["State"] == "pending"
    aws.advance(3)
    assert aws.ec2.describe_vpcs(VpcIds=[vpc["VpcId"]])["Vpcs"][0]["State"] == "available"


def test_vpc_with_children_stays(aws):
    vpc, subnets, gateway = aws.network()
    group = aws.group(vpc)
    for undo in (
        lambda: [aws.ec2.delete_subnet(SubnetId=s) for s in subnets],
        lambda: aws.ec2.delete_security_group(GroupId=group),
        lambda: aws.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc),
    ):
        with aws.refuses("DependencyViolation"):
            aws.ec2.delete_vpc(VpcId=vpc)
        undo()
    aws.ec2.delete_vpc(VpcId=vpc)


def test_subnet_with_an_interface_stays(aws):
    _, subnets, _ = aws.network()
    eni = aws.ec2.create_network_interface(SubnetId=subnets[0])["NetworkInterface"]["NetworkInterfaceId"]
    with aws.refuses("DependencyViolation"):
        aws.ec2.delete_subnet(SubnetId=subnets[0])
    aws.ec2.delete_network_interface(NetworkInterfaceId=eni)
    aws.ec2.delete_subnet(SubnetId=subnets[0])


def test_gateway_stays_while_public_addresses_are_mapped(aws):
    vpc, subnets, gateway = aws.network()
    balancer = aws.balancer(subnets, [aws.group(vpc)])["LoadBalancerArn"]
    with aws.refuses("DependencyViolation"):
        aws.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    aws.elbv2.delete_load_balancer(LoadBalancerArn=balancer)
    aws.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)


def test_gateway_endpoint_lives_and_dies(aws):
    aws.pace("real")
    vpc, _, _ = aws.network()
    table = aws.ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    made = aws.ec2.create_vpc_endpoint(VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3", RouteTableIds=[table])[
        "VpcEndpoint"
    ]
    assert made["State"] == "pending"
    aws.advance(9)
    found = aws.ec2.describe_vpc_endpoints(VpcEndpointIds=[made["VpcEndpointId"]])["VpcEndpoints"][0]
    assert found["State"] == "available"
    assert aws.ec2.delete_vpc_endpoints(VpcEndpointIds=[made["VpcEndpointId"]])["Unsuccessful"] == []
    assert aws.ec2.describe_vpc_endpoints()["VpcEndpoints"][0]["State"] == "deleting"
    aws.advance(9)
    assert aws.ec2.describe_vpc_endpoints()["VpcEndpoints"] == []
    routes = aws.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
    assert [r.get("GatewayId") for r in routes] == ["local"]


def test_unknown_endpoint_is_reported_not_crashed(aws):
    failed = aws.ec2.delete_vpc_endpoints(VpcEndpointIds=["vpce-0123456789abcdef0"])["Unsuccessful"]
    assert failed[0]["Error"]["Code"] == "InvalidVpcEndpoint.NotFound"


def test_nat_gateway_takes_its_time(aws):
    aws.pace("real")
    _, subnets, _ = aws.network()
    address = aws.ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = aws.ec2.create_nat_gateway(SubnetId=subnets[0], AllocationId=address)["NatGateway"]

    def state():
        return aws.ec2.describe_nat_gateways(NatGatewayIds=[nat["NatGatewayId"]])["NatGateways"][0]["State"]

    assert nat["State"] == "pending"
    aws.advance(116)
    assert state() == "available"
    aws.ec2.delete_nat_gateway(NatGatewayId=nat["NatGatewayId"])
    assert state() == "deleting"
    with aws.refuses("InvalidIPAddress.InUse"):
        aws.ec2.release_address(AllocationId=address)
    with aws.refuses("DependencyViolation"):
        aws.ec2.delete_subnet(SubnetId=subnets[0])
    aws.advance(62)
    assert state() == "deleted"
    aws.ec2.release_address(AllocationId=address)
    aws.ec2.delete_subnet(SubnetId=subnets[0])


def _from(group, **more):
    return [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": group, **more}]}]


def test_duplicate_group_rule_is_refused(aws):
    vpc, _, _ = aws.network()
    app, alb = aws.group(vpc), aws.group(vpc, "alb")
    aws.ec2.authorize_security_group_ingress(GroupId=app, IpPermissions=_from(alb, Description="one"))
    with aws.refuses("InvalidPermission.Duplicate"):
        aws.ec2.authorize_security_group_ingress(GroupId=app, IpPermissions=_from(alb, Description="two"))


def test_one_duplicate_fails_the_whole_call(aws):
    vpc, _, _ = aws.network()
    app = aws.group(vpc)
    rules = [{"IpProtocol": "tcp", "FromPort": p, "ToPort": p, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]} for p in (80, 81)]
    aws.ec2.authorize_security_group_egress(GroupId=app, IpPermissions=rules[1:])
    with aws.refuses("InvalidPermission.Duplicate"):
        aws.ec2.authorize_security_group_egress(GroupId=app, IpPermissions=rules)
    found = aws.ec2.describe_security_groups(GroupIds=[app])["SecurityGroups"][0]["IpPermissionsEgress"]
    assert sorted(r.get("FromPort", 0) for r in found) == [0, 81]


def test_rules_are_revoked_with_or_without_description_and_by_id(aws):
    vpc, _, _ = aws.network()
    app, alb = aws.group(vpc), aws.group(vpc, "alb")
    aws.ec2.authorize_security_group_ingress(GroupId=app, IpPermissions=_from(alb, Description="one"))
    aws.ec2.revoke_security_group_ingress(GroupId=app, IpPermissions=_from(alb))
    made = aws.ec2.authorize_security_group_ingress(GroupId=app, IpPermissions=_from(alb, Description="one"))
    rule = made["SecurityGroupRules"][0]
    assert rule["Description"] == "one"
    aws.ec2.revoke_security_group_ingress(GroupId=app, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
    assert aws.ec2.describe_security_groups(GroupIds=[app])["SecurityGroups"][0]["IpPermissions"] == []


def test_referenced_group_stays(aws):
    vpc, _, _ = aws.network()
    app, alb = aws.group(vpc), aws.group(vpc, "alb")
    aws.ec2.authorize_security_group_ingress(GroupId=app, IpPermissions=_from(alb))
    with aws.refuses("DependencyViolation"):
        aws.ec2.delete_security_group(GroupId=alb)
    aws.ec2.delete_security_group(GroupId=app)
    aws.ec2.delete_security_group(GroupId=alb)


def test_default_group_stays(aws):
    vpc, _, _ = aws.network()
    default = aws.ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"][0]
    with aws.refuses("CannotDelete"):
        aws.ec2.delete_security_group(GroupId=default["GroupId"])


def test_group_of_an_instance_stays_until_it_is_terminated(aws):
    aws.pace("real")
    vpc, subnets, _ = aws.network()
    group = aws.group(vpc)
    run = aws.ec2.run_instances(
        ImageId="ami-0d27e0fb3bac4d724",
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        SubnetId=subnets[0],
        SecurityGroupIds=[group],
    )
    assert run["Instances"][0]["State"]["Name"] == "pending"
    name = run["Instances"][0]["InstanceId"]

    def state():
        return aws.ec2.describe_instances(InstanceIds=[name])["Reservations"][0]["Instances"][0]["State"]["Name"]

    aws.advance(44)
    assert state() == "running"
    aws.ec2.terminate_instances(InstanceIds=[name])
    assert state() == "shutting-down"
    with aws.refuses("DependencyViolation"):
        aws.ec2.delete_security_group(GroupId=group)
    aws.advance(31)
    assert state() == "terminated"
    aws.ec2.delete_security_group(GroupId=group)


def test_pages(aws):
    vpc, _, _ = aws.network()
    for n in range(7):
        aws.group(vpc, f"g{n}")
    pages = aws.ec2.get_paginator("describe_security_groups").paginate(PaginationConfig={"PageSize": 5})
    seen = [g["GroupId"] for p in pages for g in p["SecurityGroups"]]
    assert len(seen) == len(set(seen)) == 7 + 2


def test_dry_run(aws):
    before = len(aws.ec2.describe_vpcs()["Vpcs"])
    with aws.refuses("DryRunOperation"):
        aws.ec2.create_vpc(CidrBlock="10.0.0.0/16", DryRun=True)
    assert len(aws.ec2.describe_vpcs()["Vpcs"]) == before


def test_one_rule_twice_in_a_call_is_refused(aws):
    group = aws.group(aws.network()[0])
    rule = lambda *ranges: {
        "IpProtocol": "tcp",
        "FromPort": 80,
        "ToPort": 80,
        "IpRanges": [{"CidrIp": r, "Description": f"the {n}."} for n, r in enumerate(ranges)],
    }
    for permissions in (
        [rule("10.0.0.0/8", "10.0.0.0/8")],
        [rule("0.0.0.0/0"), rule("0.0.0.0/0")],
        [rule("10.0.0.0/8", "10.1.2.3/8")],  # EC2 drops the bits beyond the prefix
    ):
        with aws.refuses("InvalidParameterValue") as caught:
            aws.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permissions)
        assert "must not appear multiple times" in str(caught.value)
    aws.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule("10.0.0.0/8", "10.0.0.0/9")])


def test_subnets_and_groups_that_others_do_not_see_yet(aws):
    aws.pace("real")
    vpc, subnets, _ = aws.network()
    group = aws.group(vpc)
    aws.control("POST", "faults", {"hide_fresh_seconds": 30, "only": "rds|elasticache|elbv2"})
    three = (
        lambda: aws.rds.create_db_subnet_group(DBSubnetGroupName="a", DBSubnetGroupDescription="a", SubnetIds=subnets),
        lambda: aws.elasticache.create_cache_subnet_group(
            CacheSubnetGroupName="a", CacheSubnetGroupDescription="a", SubnetIds=subnets
        ),
        lambda: aws.balancer(subnets, [group]),
    )
    for make, code in zip(three, ("InvalidParameterValue", "InvalidParameterValue", "SubnetNotFound")):
        with aws.refuses(code):
            make()
    assert aws.control("GET", "faults")["done"]["hidden"] >= 3
    aws.advance(31)
    other = aws.group(vpc, "other")
    with aws.refuses("InvalidSecurityGroup"):
        aws.balancer(subnets, [other])
    for make in three:
        make()
