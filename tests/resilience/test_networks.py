"""Networks of others: only subnets in which the stack can live are taken, and what AWS would refuse is said before
anything is built. And what others have put into ours: who it is, and what removes it."""

import json

import pytest
from conftest import STACK, differences
from names import group_of
from test_drift import group, subnet, vpc


def their_network(w, cidr="10.77.0.0/16", zones="ab", size=24):
    """A VPC with a public and a private subnet in each of two zones: its id, its gateway, its main route table."""
    ec2 = w.ec2
    home = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=home)
    table = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [home]}])["RouteTables"][0]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    closed = ec2.create_route_table(VpcId=home)["RouteTable"]["RouteTableId"]
    a, b = cidr.split(".")[:2]
    for i, zone in enumerate(zones):
        add_subnet(w, home, f"{a}.{b}.{i}.0/{size}", zone)
        private = add_subnet(w, home, f"{a}.{b}.{100 + i}.0/{size}", zone)
        ec2.associate_route_table(RouteTableId=closed, SubnetId=private)
    return home, gateway, table


def add_subnet(w, home, cidr, zone):
    found = w.ec2.create_subnet(VpcId=home, CidrBlock=cidr, AvailabilityZone=f"us-east-1{zone}")
    return found["Subnet"]["SubnetId"]


def use(w, home, head="", more=""):
    w.edit(head + STACK + f'[network]\nmode = "use"\nvpc = "{home}"\n' + more)


def refused(w, *words):
    """Both verbs say it, with a way out, and nothing is built."""
    w.changes_made()
    for verb in (["plan"], ["up", "--yes"]):
        run = w.run(*verb).ends(1)
        for word in words:
            assert word in run.text, run.text
        assert "help:" in run.text, run.text
    assert w.changes_made() == {}


def test_a_gateway_that_is_gone_is_said_before_anything_is_built(world):
    w = world
    home, gateway, table = their_network(w)
    use(w, home)
    w.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=home)
    refused(w, f"{gateway}, which is not attached", f"ec2 attach-internet-gateway --internet-gateway-id {gateway}")
    w.ec2.delete_internet_gateway(InternetGatewayId=gateway)
    refused(w, f"{gateway}, which is gone", "aws --region us-east-1 ec2 create-internet-gateway", table)
    other = w.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    w.ec2.attach_internet_gateway(InternetGatewayId=other, VpcId=home)
    refused(w, f"--route-table-id {table} --destination-cidr-block 0.0.0.0/0 --gateway-id {other}")
    w.run("status", "--no-probe").ends(1)
    assert w.teardown("-o", "json").json["clean"]


def test_what_stands_is_still_looked_at_when_the_gateway_goes(world):
    w = world
    home, gateway, _ = their_network(w)
    use(w, home)
    w.up()
    w.faults(refuse=[{"on": "ec2:DescribeInternetGateways", "code": "UnauthorizedOperation", "status": 403, "times": -1}])
    assert w.plan() == {}, "gateways that may not be seen are taken to be there"
    w.no_faults()
    w.faults(deny=["ec2:DescribeRouteTables"])
    assert w.run("status", "-o", "json", "--no-probe").json["verdict"]
    w.no_faults()
    # What is attached cannot be detached while balancers have addresses; a route can go.
    table = w.ec2.describe_route_tables(Filters=[{"Name": "route.gateway-id", "Values": [gateway]}])["RouteTables"][0]
    w.ec2.delete_route(RouteTableId=table["RouteTableId"], DestinationCidrBlock="0.0.0.0/0")
    refused(w, "it has no default route")
    why = w.run("why", "--no-probe").ends(1).text
    assert "aws --region us-east-1 ec2 create-route" in why, why
    w.note_secrets()
    assert w.teardown("-o", "json").json["clean"]


def test_subnets_with_room_are_taken_and_kept(world):
    w = world
    home, _, _ = their_network(w, size=28)
    use(w, home)
    refused(w, "no public subnet in at least two zones", "a /28 is too small for a load balancer")
    roomy = {add_subnet(w, home, f"10.77.{10 + i}.0/24", zone) for i, zone in enumerate("ab")}
    w.up()
    balancer = w.elbv2.describe_load_balancers()["LoadBalancers"][0]
    assert {z["SubnetId"] for z in balancer["AvailabilityZones"]} == roomy
    # Larger ones, in these zones and before them: what stands stays.
    for i, zone in enumerate("ab"):
        add_subnet(w, home, f"10.77.{32 + 8 * i}.0/21", zone)
    assert w.plan() == {}
    # And however full they get.
    for i in range(200):
        w.ec2.create_network_interface(SubnetId=min(roomy), Description=f"theirs {i}")
    assert w.plan() == {}
    w.note_secrets()
    w.teardown()


def test_full_subnets_say_so(world):
    w = world
    home, _, _ = their_network(w, size=27)
    for eni in range(20):
        first = w.ec2.describe_subnets(Filters=[{"Name": "cidr-block", "Values": ["10.77.0.0/27"]}])["Subnets"][0]
        w.ec2.create_network_interface(SubnetId=first["SubnetId"], Description=f"theirs {eni}")
    use(w, home)
    refused(w, f"{first['SubnetId']} in us-east-1a: 7 free addresses, 10 needed", "lower `max`")


def test_named_zones_have_to_offer_the_types(world):
    w = world
    w.edit('zones = ["us-east-1a", "us-east-1e"]\n' + STACK)
    refused(w, "t3.micro is not offered in us-east-1e", 'zones = ["us-east-1a", "us-east-1b"]')
    # One that cannot be had at all, and one among several.
    kind = STACK + 'instance_type = "{}"\n'
    w.edit(kind.format("trn1n.32xlarge"))
    refused(w, "trn1n.32xlarge is offered in fewer than two zones of us-east-1")
    w.edit(kind.format("trn1.2xlarge"))
    made = {c["key"] for c in w.run("plan", "-o", "json").ends(2).json["changes"]}
    assert {"subnet/public-c", "subnet/public-f"} <= made, made
    w.edit('zones = ["us-east-1a", "us-east-1e"]\n' + kind.format("t2.micro"))
    assert w.plan(), "t2.micro is offered there"
    w.edit(STACK + '[service.api.spot]\ntypes = ["t3a.micro", "p3dn.24xlarge"]\n')
    refused(w, "p3dn.24xlarge is not offered in us-east-1a, us-east-1b", "spot.types")
    zones = 'zones = ["us-east-1a", "us-east-1e"]\n'
    w.edit(zones + STACK + '[service.api.spot]\ntypes = ["t3a.micro", "t2.micro"]\n')
    assert "t3.micro is not offered in us-east-1e" in w.run("plan").ends(2).text
    w.edit(STACK + '[database]\nclass = "db.r6i.large"\n')
    refused(w, "db.r6i.large is offered in fewer than two zones of us-east-1", "class")
    w.edit(zones.replace("1e", "1b") + STACK + '[database]\nclass = "db.r6i.large"\n')
    refused(w, "db.r6i.large is not offered in us-east-1a, us-east-1b", "class")
    # In a network of others.
    home, _, _ = their_network(w, zones="ae")
    use(w, home)
    refused(w, "us-east-1e does not offer t3.micro")
    add_subnet(w, home, "10.77.9.0/24", "c")
    assert w.plan()


@pytest.mark.parametrize("denied", [
    ["ec2:DescribeInstanceTypeOfferings"], ["rds:DescribeOrderableDBInstanceOptions"], ["ec2:DescribeAvailabilityZones"],
    ["ec2:DescribeInstanceTypeOfferings", "rds:DescribeOrderableDBInstanceOptions", "ec2:DescribeAvailabilityZones"],
])
def test_what_only_makes_a_choice_better_is_optional(world, denied):
    w = world
    home, _, _ = their_network(w)
    for text in (STACK, 'zones = ["us-east-1a", "us-east-1b"]\n' + STACK):
        w.edit(text)
        w.faults(deny=denied)
        run = w.run("plan").ends(2)
        assert "region us-east-1: 57 to create" in run.text, run.text
        asked = denied != ["ec2:DescribeAvailabilityZones"] or text == STACK
        assert ("is not known" in run.text) == asked, run.text
        w.no_faults()
    use(w, home)
    w.faults(deny=denied + ["ec2:DescribeVpcBlockPublicAccessOptions"])
    assert w.plan()
    w.no_faults()


def test_public_access_that_is_blocked(world):
    w = world
    home, _, _ = their_network(w)
    w.ec2.modify_vpc_block_public_access_options(InternetGatewayBlockMode="block-bidirectional")
    use(w, home)
    refused(w, "VPC Block Public Access", f"create-vpc-block-public-access-exclusion --vpc-id {home}")
    made = w.ec2.create_vpc_block_public_access_exclusion(
        VpcId=home, InternetGatewayExclusionMode="allow-egress")["VpcBlockPublicAccessExclusion"]
    refused(w, "VPC Block Public Access")
    w.ec2.delete_vpc_block_public_access_exclusion(ExclusionId=made["ExclusionId"])
    w.ec2.create_vpc_block_public_access_exclusion(VpcId=home, InternetGatewayExclusionMode="allow-bidirectional")
    run = w.run("plan").ends(2)
    assert "Block Public Access" not in run.text
    # A VPC that is still to be made cannot be let through yet.
    w.edit(STACK)
    run = w.run("plan").ends(2)
    assert "VPC Block Public Access is on in us-east-1" in run.text and "--sandbox network`" in run.text, run.text
    w.faults(deny=["ec2:DescribeVpcBlockPublicAccessOptions"])
    assert "Block Public Access" not in w.run("plan").ends(2).text
    w.no_faults()
    w.ec2.modify_vpc_block_public_access_options(InternetGatewayBlockMode="off")


@pytest.mark.parametrize("mode", ["block-bidirectional", "block-ingress"])
def test_public_access_is_blocked_later(built, mode):
    w = built
    w.ec2.modify_vpc_block_public_access_options(InternetGatewayBlockMode=mode)
    found = [f for f in w.run("why", "-o", "json", "--no-probe").ends(1).json["services"][0]["findings"]]
    first = found[0]
    assert first["rule"] == "public-access-blocked" and mode in first["evidence"], found
    assert first["command"].startswith(f"env $(gameday sandbox env) aws --region us-east-1 ec2 create-vpc-block-public-access-exclusion --vpc-id {vpc(w)}"), first
    assert w.plan() == {}
    w.ec2.create_vpc_block_public_access_exclusion(VpcId=vpc(w), InternetGatewayExclusionMode="allow-bidirectional")
    w.run("why", "--no-probe").ends(0)


def test_a_default_vpc_that_was_deleted(world):
    w = world
    home = w.ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    for s in w.ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [home]}])["Subnets"]:
        w.ec2.delete_subnet(SubnetId=s["SubnetId"])
    w.ec2.delete_vpc(VpcId=home)
    use(w, "default")
    refused(w, "a default VPC does not exist in us-east-1", "aws ec2 create-default-vpc --region us-east-1")


# Prefix lists


def prefix_list(w, name, entries=1, family="IPv4", cidr="203.0.113.0/24"):
    made = w.ec2.create_managed_prefix_list(
        PrefixListName=name, MaxEntries=entries, AddressFamily=family, Entries=[{"Cidr": cidr}])
    return made["PrefixList"]["PrefixListId"]


def access(w, *http, ssh=""):
    text = STACK + f"[access]\nhttp = {json.dumps(list(http))}\n"
    w.edit(text + (f'ssh = ["{ssh}"]\nkey_pair = "team"\n' if ssh else ""))


def rules(w, name):
    found = w.ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group(w, name)]}])
    return [r for r in found["SecurityGroupRules"] if not r["IsEgress"]]


def test_a_prefix_list_is_a_source(world):
    w = world
    w.ec2.create_key_pair(KeyName="team")
    office, judges = prefix_list(w, "office"), prefix_list(w, "judges")
    access(w, judges, "198.51.100.0/24", ssh=office)
    w.up()
    assert {r.get("PrefixListId") or r.get("CidrIpv4") for r in rules(w, "alb")} == {judges, "198.51.100.0/24"}
    assert [r["PrefixListId"] for r in rules(w, group_of()) if r["FromPort"] == 22] == [office]
    assert w.plan() == {}
    w.run("why", "--no-probe").ends(0)
    # Somebody takes it away, and opens another one.
    ours = next(r for r in rules(w, "alb") if r.get("PrefixListId"))
    w.ec2.revoke_security_group_ingress(GroupId=group(w, "alb"), SecurityGroupRuleIds=[ours["SecurityGroupRuleId"]])
    w.ec2.authorize_security_group_ingress(GroupId=group(w, "alb"), IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "PrefixListIds": [{"PrefixListId": office}]}])
    assert w.plan() == {"security-group-rules/alb": ("update", ["rules"])}
    w.up()
    assert {r.get("PrefixListId") or r.get("CidrIpv4") for r in rules(w, "alb")} == {judges, "198.51.100.0/24"}
    assert w.plan() == {}


def test_why_knows_what_a_prefix_list_lets_in(world):
    w = world
    access(w, "203.0.113.0/25")
    w.up()
    whole = prefix_list(w, "whole")
    theirs = next(r for r in rules(w, "alb"))
    w.ec2.revoke_security_group_ingress(GroupId=group(w, "alb"), SecurityGroupRuleIds=[theirs["SecurityGroupRuleId"]])
    found = w.run("why", "-o", "json", "--no-probe").ends(1).json["services"][0]["findings"]
    assert "balancer-ingress-missing" in [f["rule"] for f in found], found
    w.ec2.authorize_security_group_ingress(GroupId=group(w, "alb"), IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "PrefixListIds": [{"PrefixListId": whole}]}])
    w.run("why", "--no-probe").ends(0)
    w.faults(deny=["ec2:GetManagedPrefixListEntries"])
    w.run("why", "--no-probe").ends(0)


def test_prefix_lists_are_looked_up_before_anything_is_built(world):
    w = world
    access(w, "pl-0123456789abcdef0")
    refused(w, "there is no prefix list pl-0123456789abcdef0", "aws ec2 describe-managed-prefix-lists --region us-east-1")
    six = prefix_list(w, "six", family="IPv6", cidr="2001:db8::/32")
    access(w, six)
    refused(w, f"prefix list {six} holds IPv6 ranges")
    large = prefix_list(w, "large", entries=70)
    access(w, large)
    assert "counts as 70 rules" in w.run("plan").ends(2).text
    w.faults(deny=["ec2:DescribeManagedPrefixLists"])
    assert "whether the prefix lists exist is not known" in w.run("plan").ends(2).text
    w.no_faults()
    access(w, "com.amazonaws.us-east-1.s3")
    w.up()
    assert rules(w, "alb")[0]["PrefixListId"].startswith("pl-")
    assert w.plan() == {}


# What others put into a VPC of ours


def guardduty(w, marked=True):
    """What AWS puts into a VPC when an instance starts: endpoint and group."""
    home, tags = vpc(w), [{"Key": "GuardDutyManaged", "Value": "true"}] if marked else []
    kind = [{"ResourceType": "security-group", "Tags": tags}] if marked else []
    made = w.ec2.create_security_group(GroupName=f"GuardDutyManagedSecurityGroup-{home}", Description="GuardDuty",
                                       VpcId=home, TagSpecifications=kind)["GroupId"]
    kind = [{"ResourceType": "vpc-endpoint", "Tags": tags}] if marked else []
    endpoint = w.ec2.create_vpc_endpoint(
        VpcEndpointType="Interface", VpcId=home, ServiceName="com.amazonaws.us-east-1.guardduty-data",
        SubnetIds=[subnet(w, "public-a"), subnet(w, "public-b")], SecurityGroupIds=[made], TagSpecifications=kind)
    return endpoint["VpcEndpoint"]["VpcEndpointId"], made


def left(w, code=1):
    w.note_secrets()
    found = w.teardown("-o", "json", code=code).json
    assert found["clean"] == (code == 0)
    return {x["what"]: x["why"] for x in found["left"]}


def test_what_guardduty_made_goes_with_the_vpc(built):
    w = built
    guardduty(w)
    assert left(w, code=0) == {}
    assert differences(w.inventory(), w.empty) == []


def test_what_only_looks_like_guardduty_s_is_named(built):
    w = built
    endpoint, made = guardduty(w, marked=False)
    why = json.dumps(left(w))
    assert f"aws --region us-east-1 ec2 delete-vpc-endpoints --vpc-endpoint-ids {endpoint}" in why, why
    w.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    w.control("POST", "advance?seconds=60")
    why = json.dumps(left(w))
    assert f"aws --region us-east-1 ec2 delete-security-group --group-id {made}" in why, why
    w.ec2.delete_security_group(GroupId=made)
    assert left(w, code=0) == {}


def test_guardduty_stays_for_somebody_else_s_instance(built):
    w = built
    endpoint, _ = guardduty(w)
    image = w.ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    theirs = w.ec2.run_instances(ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1,
                                 SubnetId=subnet(w, "public-a"))["Instances"][0]["InstanceId"]
    why = json.dumps(left(w))
    assert theirs in why and endpoint in why, why
    assert w.ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"][0]["State"] == "available"
    w.ec2.terminate_instances(InstanceIds=[theirs])
    assert left(w, code=0) == {}
    assert differences(w.inventory(), w.empty) == []


@pytest.mark.parametrize("description,command", [
    ("AWS Lambda VPC ENI-score-0f3c5e2a-1b2c-4d5e-8f90-123456789abc", "aws --region us-east-1 lambda delete-function --function-name score"),
    ("Network interface for DBProxy pool", "aws --region us-east-1 rds delete-db-proxy --db-proxy-name pool"),
    ("Network Interface for Transit Gateway Attachment tgw-attach-0a1b2c3d", "delete-transit-gateway-vpc-attachment"),
    ("AWS created network interface for directory d-90670a1b2c", "aws --region us-east-1 ds delete-directory --directory-id d-90670a1b2c"),
    ("made by hand", "aws --region us-east-1 ec2 delete-network-interface"),
])
def test_what_holds_a_subnet_is_named_at_once(built, description, command):
    w = built
    made = w.ec2.create_network_interface(SubnetId=subnet(w, "public-a"), Description=description)
    found = left(w)
    assert command in found["subnet/public-a"], found
    w.ec2.delete_network_interface(NetworkInterfaceId=made["NetworkInterface"]["NetworkInterfaceId"])
    assert left(w, code=0) == {}


def test_a_nat_gateway_and_an_endpoint_of_somebody_else(built):
    w = built
    address = w.ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = w.ec2.create_nat_gateway(SubnetId=subnet(w, "public-a"), AllocationId=address)["NatGateway"]["NatGatewayId"]
    endpoint = w.ec2.create_vpc_endpoint(
        VpcEndpointType="Interface", VpcId=vpc(w), ServiceName="com.amazonaws.us-east-1.ssm",
        SubnetIds=[subnet(w, "public-b")])["VpcEndpoint"]["VpcEndpointId"]
    found = left(w)
    assert f"aws --region us-east-1 ec2 delete-nat-gateway --nat-gateway-id {nat}" in found["subnet/public-a"], found
    assert f"aws --region us-east-1 ec2 delete-vpc-endpoints --vpc-endpoint-ids {endpoint}" in found["subnet/public-b"], found
    w.ec2.delete_nat_gateway(NatGatewayId=nat)
    w.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    # Both are on their way out by now: that is waited for.
    assert left(w, code=0) == {}
    w.ec2.release_address(AllocationId=address)


def test_instances_without_public_addresses(world):
    w = world
    home, _, _ = their_network(w)
    closed = w.ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [home]}])["RouteTables"]
    closed = next(t for t in closed if not any(a["Main"] for a in t["Associations"]))
    private = {a["SubnetId"] for a in closed["Associations"]}
    use(w, home, more='instances = "private"\n')
    refused(w, "no subnet with a way out for instances without public addresses", "need a route to a NAT gateway")
    public = add_subnet(w, home, "10.77.200.0/24", "a")
    address = w.ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = w.ec2.create_nat_gateway(SubnetId=public, AllocationId=address)["NatGateway"]["NatGatewayId"]
    w.ec2.create_route(RouteTableId=closed["RouteTableId"], DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    w.up()
    fleet = w.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"][0]
    assert set(fleet["VPCZoneIdentifier"].split(",")) == private
    balancer = w.elbv2.describe_load_balancers()["LoadBalancers"][0]
    assert not {z["SubnetId"] for z in balancer["AvailabilityZones"]} & private
    for r in w.ec2.describe_instances()["Reservations"]:
        assert not any(i.get("PublicIpAddress") for i in r["Instances"])
    assert w.plan() == {}
    w.run("why", "--no-probe").ends(0)
    w.note_secrets()
    assert w.teardown("-o", "json").json["clean"]
    # An internal balancer is beside the instances, and no subnet has to be public.
    main = next(t for t in w.ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [home]}])["RouteTables"]
                if any(a["Main"] for a in t["Associations"]))
    w.ec2.delete_route(RouteTableId=main["RouteTableId"], DestinationCidrBlock="0.0.0.0/0")
    use(w, home, more='instances = "private"\n[balancer]\nscheme = "internal"\n')
    w.up()
    balancer = w.elbv2.describe_load_balancers()["LoadBalancers"][0]
    assert {z["SubnetId"] for z in balancer["AvailabilityZones"]} == private
    assert w.plan() == {}
    w.run("why", "--no-probe").ends(0)
    w.note_secrets()
    assert w.teardown("-o", "json").json["clean"]
