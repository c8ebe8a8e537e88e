"""Load balancers, target groups, target health."""

import pytest


def test_provisioning_then_active(aws):
    aws.pace("real")
    vpc, subnets, _ = aws.network()
    made = aws.balancer(subnets, [aws.group(vpc)])
    assert made["State"]["Code"] == "provisioning" and made["DNSName"].endswith(".us-east-1.elb.amazonaws.com")
    state = lambda: aws.elbv2.describe_load_balancers(Names=["app"])["LoadBalancers"][0]["State"]["Code"]
    assert state() == "provisioning"
    aws.advance(166)
    assert state() == "active"


def test_the_same_name(aws):
    vpc, subnets, _ = aws.network(3)
    group = aws.group(vpc)
    made = aws.balancer(subnets[:2], [group])
    assert aws.balancer(subnets[:2], [group])["LoadBalancerArn"] == made["LoadBalancerArn"]
    with aws.refuses("DuplicateLoadBalancerName"):
        aws.balancer(subnets[1:], [group])
    target_group = aws.target_group(vpc)
    assert aws.target_group(vpc) == target_group
    with aws.refuses("DuplicateTargetGroupName"):
        aws.elbv2.create_target_group(Name="app", Protocol="HTTP", Port=81, VpcId=vpc)


def test_two_zones(aws):
    vpc, subnets, _ = aws.network()
    twin = aws.ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.9.0/24", AvailabilityZone="us-east-1a")["Subnet"][
        "SubnetId"
    ]
    with aws.refuses("ValidationError"):
        aws.balancer(subnets[:1], [aws.group(vpc)])
    with aws.refuses("InvalidConfigurationRequest"):
        aws.elbv2.create_load_balancer(Name="app", Subnets=[subnets[0], twin])


def test_needs_a_gateway(aws):
    vpc, subnets, gateway = aws.network()
    aws.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    with aws.refuses("InvalidSubnet"):
        aws.balancer(subnets, [aws.group(vpc)])


def test_one_listener_a_port(aws):
    vpc, subnets, _ = aws.network()
    balancer, target_group = aws.balancer(subnets, [aws.group(vpc)])["LoadBalancerArn"], aws.target_group(vpc)
    aws.listen(balancer, target_group)
    with aws.refuses("DuplicateListener"):
        aws.listen(balancer, target_group)


def test_target_group_knows_its_balancers(aws):
    vpc, subnets, _ = aws.network()
    balancer, target_group = aws.balancer(subnets, [aws.group(vpc)])["LoadBalancerArn"], aws.target_group(vpc)
    of = lambda: aws.elbv2.describe_target_groups(TargetGroupArns=[target_group])["TargetGroups"][0]["LoadBalancerArns"]
    assert of() == []
    listener = aws.listen(balancer, target_group)
    assert of() == [balancer]
    with aws.refuses("ResourceInUse"):
        aws.elbv2.delete_target_group(TargetGroupArn=target_group)
    aws.elbv2.delete_listener(ListenerArn=listener)
    assert of() == []
    aws.elbv2.delete_target_group(TargetGroupArn=target_group)


def test_a_balancer_knows_the_groups_of_a_changed_listener(aws):
    vpc, subnets, _ = aws.network()
    balancer, old = aws.balancer(subnets, [aws.group(vpc)])["LoadBalancerArn"], aws.target_group(vpc)
    new = aws.elbv2.create_target_group(Name="new", Protocol="HTTP", Port=8080, VpcId=vpc)["TargetGroups"][0]
    listener = aws.listen(balancer, old)
    to = [{"Type": "forward", "TargetGroupArn": new["TargetGroupArn"]}]
    aws.elbv2.modify_listener(ListenerArn=listener, DefaultActions=to)
    groups = aws.elbv2.describe_target_groups(LoadBalancerArn=balancer)["TargetGroups"]
    assert [g["TargetGroupName"] for g in groups] == ["new"]


def test_deletion_protection(aws):
    vpc, subnets, _ = aws.network()
    balancer = aws.balancer(subnets, [aws.group(vpc)])["LoadBalancerArn"]

    def protect(value):
        attributes = [{"Key": "deletion_protection.enabled", "Value": value}]
        aws.elbv2.modify_load_balancer_attributes(LoadBalancerArn=balancer, Attributes=attributes)

    protect("true")
    with aws.refuses("OperationNotPermitted"):
        aws.elbv2.delete_load_balancer(LoadBalancerArn=balancer)
    protect("false")
    aws.elbv2.delete_load_balancer(LoadBalancerArn=balancer)
    aws.elbv2.delete_load_balancer(LoadBalancerArn=balancer)


def test_its_interfaces_linger(aws):
    aws.pace("real")
    vpc, subnets, _ = aws.network()
    group = aws.group(vpc)
    balancer = aws.balancer(subnets, [group])["LoadBalancerArn"]
    aws.elbv2.delete_load_balancer(LoadBalancerArn=balancer)
    assert aws.elbv2.describe_load_balancers()["LoadBalancers"] == []
    holders = aws.ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [group]}])[
        "NetworkInterfaces"
    ]
    assert {h["Description"].split("/")[0] for h in holders} == {"ELB app"} and len(holders) == 2
    with aws.refuses("DependencyViolation"):
        aws.ec2.delete_security_group(GroupId=group)
    aws.advance(46)
    aws.ec2.delete_security_group(GroupId=group)
    aws.ec2.delete_subnet(SubnetId=subnets[0])


def test_attributes_are_those_of_aws(aws):
    vpc, subnets, _ = aws.network()
    balancer = aws.balancer(subnets, [aws.group(vpc)])["LoadBalancerArn"]
    found = aws.elbv2.describe_load_balancer_attributes(LoadBalancerArn=balancer)["Attributes"]
    found = {a["Key"]: a["Value"] for a in found}
    assert found["idle_timeout.timeout_seconds"] == "60" and found["load_balancing.cross_zone.enabled"] == "true"


def test_slow_start_and_least_outstanding_requests(aws):
    vpc, _, _ = aws.network()
    attributes = [
        {"Key": "load_balancing.algorithm.type", "Value": "least_outstanding_requests"},
        {"Key": "slow_start.duration_seconds", "Value": "30"},
    ]
    with aws.refuses("InvalidConfigurationRequest"):
        aws.elbv2.modify_target_group_attributes(TargetGroupArn=aws.target_group(vpc), Attributes=attributes)


@pytest.fixture
def target(aws):
    """(target group, instance): registered behind a balancer."""
    vpc, subnets, _ = aws.network()
    group, target_group = aws.group(vpc), aws.target_group(vpc)
    run = aws.ec2.run_instances(ImageId="ami-0d27e0fb3bac4d724", MinCount=1, MaxCount=1, SubnetId=subnets[0])
    instance = run["Instances"][0]["InstanceId"]
    aws.listen(aws.balancer(subnets, [group])["LoadBalancerArn"], target_group)
    aws.elbv2.register_targets(TargetGroupArn=target_group, Targets=[{"Id": instance}])
    return target_group, instance


def test_health_follows_the_instance(aws, target):
    target_group, instance = target
    assert aws.health(target_group) == {instance: "healthy"}
    aws.ec2.stop_instances(InstanceIds=[instance])
    assert aws.health(target_group) == {instance: "unused"}
    aws.ec2.start_instances(InstanceIds=[instance])
    assert aws.health(target_group) == {instance: "healthy"}
    aws.ec2.terminate_instances(InstanceIds=[instance])
    assert aws.health(target_group) == {instance: "unused"}


def test_unhealthy_on_demand(aws, target):
    target_group, instance = target
    aws.control("POST", "unhealthy", {"targets": [instance]})
    assert aws.health(target_group) == {instance: "unhealthy"}
    aws.control("POST", "unhealthy", {"targets": []})
    assert aws.health(target_group) == {instance: "healthy"}


def test_draining(aws, target):
    target_group, instance = target
    aws.pace("real")
    aws.elbv2.deregister_targets(TargetGroupArn=target_group, Targets=[{"Id": instance}])
    assert aws.health(target_group) == {instance: "draining"}
    aws.advance(301)
    assert aws.health(target_group) == {}


def test_unused_without_a_listener(aws):
    vpc, subnets, _ = aws.network()
    target_group = aws.target_group(vpc)
    run = aws.ec2.run_instances(ImageId="ami-0d27e0fb3bac4d724", MinCount=1, MaxCount=1, SubnetId=subnets[0])
    instance = run["Instances"][0]["InstanceId"]
    aws.elbv2.register_targets(TargetGroupArn=target_group, Targets=[{"Id": instance}])
    assert aws.health(target_group) == {instance: "unused"}


def test_a_rule_takes_five_values_and_five_wildcards(aws):
    vpc, subnets, _ = aws.network()
    target = aws.target_group(vpc)
    listener = aws.listen(aws.balancer(subnets, [aws.group(vpc)])["LoadBalancerArn"], target)
    numbers = iter(range(1, 100))

    def rule(*values, more=()):
        made = aws.elbv2.create_rule(
            ListenerArn=listener,
            Priority=next(numbers),
            Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": list(values)}}, *more],
            Actions=[{"Type": "forward", "TargetGroupArn": target}],
        )
        return made["Rules"][0]["RuleArn"]

    host = {"Field": "host-header", "HostHeaderConfig": {"Values": ["*.example.com"]}}
    for values, more, what in (
        ([f"/{n}" for n in range(6)], (), "condition values"),
        (["/a/*/*/*", "/b/*/*/*"], (), "condition wildcards"),
        (["/a/?????x?"], (), "condition wildcards"),
        (["/*/*/*/*/*"], (host,), "condition wildcards"),  # all conditions together
        (["/a", "/b", "/c", "/d", "/e"], (host,), "condition values"),
    ):
        with aws.refuses("ValidationError") as caught:
            rule(*values, more=more)
        assert what in str(caught.value), caught.value
    made = rule("/a/*", "/b/*", "/c/*", "/d/*", "/e/*")
    with aws.refuses("ValidationError"):
        aws.elbv2.modify_rule(RuleArn=made, Conditions=[{"Field": "path-pattern", "Values": ["/" + "*/" * 6]}])
    with aws.refuses("ValidationError"):
        rule("/" + "x" * 128)
    rule("/" + "x" * 127)
