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


def test_nat_gateway_keeps_what_it_uses(aws):
    aws.pace("real")
    vpc, subnets, gateway = aws.network()
    address = aws.ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = aws.ec2.create_nat_gateway(SubnetId=subnets[0], AllocationId=address)["NatGateway"]["NatGatewayId"]
    table = aws.ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    aws.advance(116)
    aws.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)

    def route():
        routes = aws.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
        return next(r for r in routes if r["DestinationCidrBlock"] == "0.0.0.0/0")

    assert (route()["NatGatewayId"], route()["State"]) == (nat, "active")
    eni = aws.ec2.describe_network_interfaces(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["NetworkInterfaces"][0]
    assert eni["Description"] == f"Interface for NAT Gateway {nat}"
    with aws.refuses("DependencyViolation"):
        aws.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    association = aws.ec2.describe_addresses(AllocationIds=[address])["Addresses"][0]["AssociationId"]
    with aws.refuses("AuthFailure"):
        aws.ec2.disassociate_address(AssociationId=association)
    with aws.refuses("Resource.AlreadyAssociated"):
        aws.ec2.create_nat_gateway(SubnetId=subnets[1], AllocationId=address)
    # Deleted twice is deleted once; the route that led there leads nowhere.
    aws.ec2.delete_nat_gateway(NatGatewayId=nat)
    aws.ec2.delete_nat_gateway(NatGatewayId=nat)
    assert route()["State"] == "blackhole"
    aws.advance(62)
    assert aws.ec2.describe_network_interfaces(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["NetworkInterfaces"] == []
    aws.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    with aws.refuses("NatGatewayNotFound"):
        aws.ec2.delete_nat_gateway(NatGatewayId="nat-0123456789abcdef0")


def test_nat_gateway_without_a_way_out_fails_later_and_says_why(aws):
    aws.pace("real")
    vpc, subnets, gateway = aws.network()
    aws.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    address = aws.ec2.allocate_address(Domain="vpc")["AllocationId"]
    made = aws.ec2.create_nat_gateway(SubnetId=subnets[0], AllocationId=address)["NatGateway"]
    assert made["State"] == "pending"
    aws.advance(30)
    found = aws.ec2.describe_nat_gateways(NatGatewayIds=[made["NatGatewayId"]])["NatGateways"][0]
    assert (found["State"], found["FailureCode"]) == ("failed", "Gateway.NotAttached")
    aws.ec2.release_address(AllocationId=address)


def test_interface_endpoint_stands_in_its_subnets_with_its_groups(aws):
    aws.pace("real")
    vpc, subnets, _ = aws.network()
    aws.ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    group = aws.group(vpc)
    asked = {
        "VpcId": vpc,
        "VpcEndpointType": "Interface",
        "ServiceName": "com.amazonaws.us-east-1.ssm",
        "SubnetIds": subnets[:1],
        "SecurityGroupIds": [group],
        "PrivateDnsEnabled": True,
    }
    made = aws.ec2.create_vpc_endpoint(**asked)["VpcEndpoint"]
    name = made["VpcEndpointId"]
    assert made["State"] == "pending"
    aws.advance(61)

    def found():
        return aws.ec2.describe_vpc_endpoints(VpcEndpointIds=[name])["VpcEndpoints"][0]

    def held():
        enis = aws.ec2.describe_network_interfaces(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["NetworkInterfaces"]
        return [(e["SubnetId"], [g["GroupId"] for g in e["Groups"]], e["Description"]) for e in enis]

    assert (found()["State"], found()["PrivateDnsEnabled"]) == ("available", True)
    assert held() == [(subnets[0], [group], f"VPC Endpoint Interface {name}")]
    # A second one of that name is one too many.
    with aws.refuses("InvalidParameter"):
        aws.ec2.create_vpc_endpoint(**asked)
    other = aws.group(vpc, "other")
    aws.ec2.modify_vpc_endpoint(
        VpcEndpointId=name, AddSubnetIds=subnets[1:2], AddSecurityGroupIds=[other], RemoveSecurityGroupIds=[group]
    )
    assert sorted(held()) == sorted((s, [other], f"VPC Endpoint Interface {name}") for s in subnets[:2])
    aws.ec2.modify_vpc_endpoint(VpcEndpointId=name, PrivateDnsEnabled=False)
    assert found()["PrivateDnsEnabled"] is False
    for refused in (
        lambda: aws.ec2.delete_subnet(SubnetId=subnets[0]),
        lambda: aws.ec2.delete_security_group(GroupId=other),
    ):
        with aws.refuses("DependencyViolation"):
            refused()
    aws.ec2.delete_vpc_endpoints(VpcEndpointIds=[name])
    assert found()["State"] == "deleting"
    aws.advance(61)
    assert held() == []
    aws.ec2.delete_security_group(GroupId=other)
    aws.ec2.delete_subnet(SubnetId=subnets[0])


def test_private_names_need_both_attributes_and_a_zone_one_subnet(aws):
    vpc, subnets, _ = aws.network()
    asked = {"VpcId": vpc, "VpcEndpointType": "Interface", "ServiceName": "com.amazonaws.us-east-1.logs"}
    aws.ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": False})
    with aws.refuses("InvalidParameter"):
        aws.ec2.create_vpc_endpoint(**asked, SubnetIds=subnets[:1], PrivateDnsEnabled=True)
    aws.ec2.create_vpc_endpoint(**asked, SubnetIds=subnets[:1], PrivateDnsEnabled=False)
    zone = aws.ec2.describe_subnets(SubnetIds=subnets[:1])["Subnets"][0]["AvailabilityZone"]
    twin = aws.ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.200.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
    with aws.refuses("DuplicateSubnetsInSameZone"):
        aws.ec2.create_vpc_endpoint(**asked, SubnetIds=[subnets[0], twin], PrivateDnsEnabled=False)


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


# What comes with a VPC.


def defaults(aws, vpc):
    """Its network ACL, its group, its main table and its DHCP options."""
    here = [{"Name": "vpc-id", "Values": [vpc]}]
    acl = next(a for a in aws.ec2.describe_network_acls(Filters=here)["NetworkAcls"] if a["IsDefault"])
    groups = aws.ec2.describe_security_groups(Filters=here)["SecurityGroups"]
    tables = aws.ec2.describe_route_tables(Filters=here)["RouteTables"]
    main = next(t for t in tables if any(a["Main"] for a in t["Associations"]))
    options = aws.ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["DhcpOptionsId"]
    return acl, next(g for g in groups if g["GroupName"] == "default"), main, options


def test_what_comes_with_a_vpc_is_as_aws_makes_it(aws):
    vpc, subnets, _ = aws.network()
    acl, group, main, options = defaults(aws, vpc)
    shown = sorted((e["Egress"], e["RuleNumber"], e["RuleAction"], e["Protocol"], e["CidrBlock"]) for e in acl["Entries"])
    assert shown == [(way, n, action, "-1", "0.0.0.0/0") for way in (False, True)
                     for n, action in ((100, "allow"), (32767, "deny"))]
    assert sorted(a["SubnetId"] for a in acl["Associations"]) == sorted(subnets)
    assert [p["UserIdGroupPairs"][0]["GroupId"] for p in group["IpPermissions"]] == [group["GroupId"]]
    assert [p["IpRanges"] for p in group["IpPermissionsEgress"]] == [[{"CidrIp": "0.0.0.0/0"}]]
    assert [r["GatewayId"] for r in main["Routes"]] == ["local"]
    told = {c["Key"]: [v["Value"] for v in c["Values"]]
            for c in aws.ec2.describe_dhcp_options(DhcpOptionsIds=[options])["DhcpOptions"][0]["DhcpConfigurations"]}
    assert told == {"domain-name": ["ec2.internal"], "domain-name-servers": ["AmazonProvidedDNS"]}
    # The region's, for every VPC and from the start.
    assert {v["DhcpOptionsId"] for v in aws.ec2.describe_vpcs()["Vpcs"]} == {options}


def test_what_comes_with_a_vpc_goes_with_it_and_not_before(aws):
    vpc = aws.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    acl, group, main, options = defaults(aws, vpc)
    with aws.refuses("InvalidParameterValue"):
        aws.ec2.delete_network_acl(NetworkAclId=acl["NetworkAclId"])
    with aws.refuses("CannotDelete"):
        aws.ec2.delete_security_group(GroupId=group["GroupId"])
    with aws.refuses("DependencyViolation"):
        aws.ec2.delete_route_table(RouteTableId=main["RouteTableId"])
    with aws.refuses("InvalidParameterValue"):
        aws.ec2.disassociate_route_table(AssociationId=main["Associations"][0]["RouteTableAssociationId"])
    with aws.refuses("DependencyViolation"):
        aws.ec2.delete_dhcp_options(DhcpOptionsId=options)
    aws.ec2.delete_vpc(VpcId=vpc)
    assert all(a["VpcId"] != vpc for a in aws.ec2.describe_network_acls()["NetworkAcls"])
    assert all(t["VpcId"] != vpc for t in aws.ec2.describe_route_tables()["RouteTables"])
    assert aws.ec2.describe_dhcp_options(DhcpOptionsIds=[options])["DhcpOptions"], "they are the region's"


def test_a_vpc_with_an_acl_or_a_table_of_somebodys_stays(aws):
    vpc = aws.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    acl = aws.ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    with aws.refuses("DependencyViolation"):
        aws.ec2.delete_vpc(VpcId=vpc)
    aws.ec2.delete_network_acl(NetworkAclId=acl)
    table = aws.ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    with aws.refuses("DependencyViolation"):
        aws.ec2.delete_vpc(VpcId=vpc)
    # As the main one it goes with the VPC; the one that was it can be deleted now.
    _, _, main, _ = defaults(aws, vpc)
    association = main["Associations"][0]["RouteTableAssociationId"]
    aws.ec2.replace_route_table_association(AssociationId=association, RouteTableId=table)
    assert defaults(aws, vpc)[2]["RouteTableId"] == table
    aws.ec2.delete_route_table(RouteTableId=main["RouteTableId"])
    aws.ec2.delete_vpc(VpcId=vpc)


def test_entries_of_an_acl_are_there_once_and_the_last_is_awss(aws):
    vpc, _, _ = aws.network()
    acl = defaults(aws, vpc)[0]["NetworkAclId"]
    rule = {"NetworkAclId": acl, "Protocol": "-1", "CidrBlock": "0.0.0.0/0", "Egress": False}
    aws.ec2.create_network_acl_entry(**rule, RuleNumber=90, RuleAction="deny")
    with aws.refuses("NetworkAclEntryAlreadyExists"):
        aws.ec2.create_network_acl_entry(**rule, RuleNumber=90, RuleAction="allow")
    aws.ec2.replace_network_acl_entry(**rule, RuleNumber=90, RuleAction="allow")
    aws.ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=90, Egress=False)
    for absent in (aws.ec2.delete_network_acl_entry, lambda **k: aws.ec2.replace_network_acl_entry(**{**rule, **k}, RuleAction="deny")):
        with aws.refuses("InvalidNetworkAclEntry.NotFound"):
            absent(NetworkAclId=acl, RuleNumber=90, Egress=False)
    with aws.refuses("InvalidParameterValue"):
        aws.ec2.replace_network_acl_entry(**rule, RuleNumber=32767, RuleAction="allow")


def test_a_subnet_follows_one_acl(aws):
    vpc, subnets, _ = aws.network()
    other = aws.ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    association = next(a for a in defaults(aws, vpc)[0]["Associations"] if a["SubnetId"] == subnets[0])
    aws.ec2.replace_network_acl_association(AssociationId=association["NetworkAclAssociationId"], NetworkAclId=other)
    assert [a["SubnetId"] for a in defaults(aws, vpc)[0]["Associations"]] == subnets[1:]
    with aws.refuses("InvalidAssociationID.NotFound"):
        aws.ec2.replace_network_acl_association(AssociationId=association["NetworkAclAssociationId"], NetworkAclId=other)
    with aws.refuses("DependencyViolation"):
        aws.ec2.delete_network_acl(NetworkAclId=other)
    aws.ec2.delete_subnet(SubnetId=subnets[0])
    aws.ec2.delete_network_acl(NetworkAclId=other)


def test_dhcp_options_are_kept_while_a_vpc_uses_them(aws):
    one, other = (aws.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"] for _ in range(2))
    tag = [{"ResourceType": "dhcp-options", "Tags": [{"Key": "gameday:stack", "Value": "x"}]}]
    servers = [{"Key": "domain-name-servers", "Values": ["10.0.0.9"]}]
    made = aws.ec2.create_dhcp_options(DhcpConfigurations=servers, TagSpecifications=tag)["DhcpOptions"]
    assert made["Tags"] == tag[0]["Tags"]
    for vpc in (one, other):
        aws.ec2.associate_dhcp_options(VpcId=vpc, DhcpOptionsId=made["DhcpOptionsId"])
    listed = aws.tagging.get_resources(TagFilters=[{"Key": "gameday:stack"}])["ResourceTagMappingList"]
    assert [r["ResourceARN"].split("/")[1] for r in listed] == [made["DhcpOptionsId"]]
    aws.ec2.associate_dhcp_options(VpcId=other, DhcpOptionsId="default")
    assert defaults(aws, other)[3] == "default"
    with aws.refuses("DependencyViolation"):
        aws.ec2.delete_dhcp_options(DhcpOptionsId=made["DhcpOptionsId"])
    aws.ec2.delete_vpc(VpcId=one)
    aws.ec2.delete_dhcp_options(DhcpOptionsId=made["DhcpOptionsId"])
    with aws.refuses("InvalidDhcpOptionID.NotFound"):
        aws.ec2.delete_dhcp_options(DhcpOptionsId=made["DhcpOptionsId"])
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
