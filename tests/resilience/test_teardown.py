"""Teardown deletes ours, names what a stranger holds, and finishes when that is gone."""

import json

import pytest
from conftest import STACK, differences, some
from names import group_of, own
from test_drift import balancer, group, protect, subnet, targets, vpc


def certificate(world, code):
    run = world.teardown("-o", "json", code=code)
    found = run.json
    assert found["event"] == "certificate" and found["clean"] == (code == 0)
    return found


def test_a_strangers_instance_in_our_group(built):
    w = built
    image = w.ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    stranger = w.ec2.run_instances(
        ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1,
        SubnetId=subnet(w, "public-a"), SecurityGroupIds=[group(w, group_of())],
    )["Instances"][0]["InstanceId"]
    w.note_secrets()
    found = certificate(w, 1)
    left = {x["what"]: x["why"] for x in found["left"]}
    assert stranger in json.dumps(left), left
    assert {own("security-group"), "subnet/public-a"} <= set(left), left
    assert "database/main" in found["deleted"] and "load-balancer/main" in found["deleted"]
    states = w.ec2.describe_instances(InstanceIds=[stranger])["Reservations"][0]["Instances"][0]["State"]["Name"]
    assert states in ("pending", "running"), "not ours to end"
    w.ec2.terminate_instances(InstanceIds=[stranger])
    certificate(w, 0)
    assert differences(w.inventory(), w.empty) == []


def test_what_the_account_remembers_of_the_stack_goes_with_it(built):
    w = built
    w.ssm.put_parameter(Name="/gameday/billing/durations", Value='{"database/main": 400}', Type="String", Overwrite=True)
    w.note_secrets()
    certificate(w, 0)
    assert w.ssm.get_parameters_by_path(Path="/gameday", Recursive=True)["Parameters"] == []


def test_a_strangers_group_that_refers_to_ours(built):
    w = built
    theirs = w.ec2.create_security_group(GroupName="theirs", Description="theirs", VpcId=vpc(w))["GroupId"]
    w.ec2.authorize_security_group_ingress(GroupId=theirs, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [{"GroupId": group(w, group_of())}]}])
    w.note_secrets()
    left = certificate(w, 1)["left"]
    assert theirs in json.dumps(left), left
    w.ec2.delete_security_group(GroupId=theirs)
    certificate(w, 0)
    assert differences(w.inventory(), w.empty) == []


def test_a_manual_listener_goes_with_its_balancer(built):
    w = built
    arn = w.elbv2.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    forward = [{"Type": "forward", "TargetGroupArn": targets(w)}]
    w.elbv2.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=8080, DefaultActions=forward)
    w.note_secrets()
    certificate(w, 0)
    assert differences(w.inventory(), w.empty) == []


def test_a_protected_balancer_goes_when_it_is_named(built):
    w = built
    protect(w)
    w.note_secrets()
    arn = w.elbv2.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    left = {entry["what"]: entry["why"] for entry in certificate(w, 1)["left"]}
    assert "is protected from deletion" in left["load-balancer/main"] and f"--delete {arn}" in left["load-balancer/main"], left
    run = w.teardown("-o", "json", "--delete", arn)
    assert "load-balancer/main" in json.loads(run.out.splitlines()[-1])["deleted"], run.text
    assert differences(w.inventory(), w.empty) == []


def test_half_built_stacks(world):
    operations = ["CreateDBInstance", "CreateReplicationGroup", "CreateLoadBalancer", "CreateFileSystem",
                  "CreateLaunchTemplate", "CreateInternetGateway"]
    for operation in some(operations, 2):
        world.reset()
        world.faults(refuse=[{"on": f"*:{operation}", "code": "AccessDenied", "status": 403, "times": -1}])
        world.up(code=1)
        world.note_secrets()
        found = certificate(world, 0)
        assert found["deleted"] and found["absent"]
        assert differences(world.inventory(), world.empty) == [], operation


def test_a_peering_connection_and_a_manual_listener(built):
    w = built
    home = w.ec2.create_vpc(CidrBlock="10.88.0.0/16")["Vpc"]["VpcId"]
    peering = w.ec2.create_vpc_peering_connection(VpcId=home, PeerVpcId=vpc(w))["VpcPeeringConnection"]
    peering = peering["VpcPeeringConnectionId"]
    w.ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering)
    forward = [{"Type": "forward", "TargetGroupArn": targets(w)}]
    w.elbv2.create_listener(LoadBalancerArn=balancer(w), Protocol="HTTP", Port=8080, DefaultActions=forward)
    w.note_secrets()
    left = {x["what"]: x["why"] for x in certificate(w, 1)["left"]}
    assert set(left) == {"vpc/main"} and peering in left["vpc/main"] and home in left["vpc/main"], left
    w.ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=peering)
    certificate(w, 0)
    w.ec2.delete_vpc(VpcId=home)
    assert differences(w.inventory(), w.empty) == []


def test_what_lost_its_tags_is_left_and_said(built):
    w = built
    home, keys = vpc(w), [{"Key": "gameday:stack"}, {"Key": "gameday:step"}]
    w.ec2.delete_tags(Resources=[home], Tags=keys)
    w.note_secrets()
    left = {x["what"]: x["why"] for x in certificate(w, 1)["left"]}
    assert "vpc/main" in left[home] and "account 123456789012" in left[home] and "--adopt" in left[home], left
    # When nothing of ours stands any more it can be anybody's: a Name is no proof. It is said all the same.
    alike = {x["what"]: x["why"] for x in certificate(w, 0)["alike"]}
    assert "vpc/main" in alike[home], alike
    w.ec2.create_tags(Resources=[home], Tags=[{"Key": "gameday:stack", "Value": "billing"},
                                              {"Key": "gameday:step", "Value": "vpc/main"}])
    # Nor are tags one, which anybody may put there: it goes when it is named.
    left = {x["what"].split("/")[-1]: x["why"] for x in certificate(w, 1)["left"]}
    assert f"--delete {home}" in left[home], left
    w.teardown("--delete", home)
    assert differences(w.inventory(), w.empty) == []


def test_what_is_gone_and_still_listed_is_not_left(built):
    w = built
    w.note_secrets()
    volume = w.ec2.create_volume(AvailabilityZone="us-east-1a", Size=8, TagSpecifications=[
        {"ResourceType": "volume", "Tags": [{"Key": "gameday:stack", "Value": "billing"}]}])["VolumeId"]
    w.faults(list_gone=True)
    assert [x["what"].split("/")[-1] for x in certificate(w, 1)["left"]] == [volume]
    w.ec2.delete_volume(VolumeId=volume)
    said = certificate(w, 0)
    assert said["left"] == [] and said["listed"] and w.faults_done()["gone"], (said, w.faults_done())
    # And what is only listed is not taken for standing.
    assert {word for word, _ in w.plan().values()} == {"create"}
    w.no_faults()
    assert differences(w.inventory(), w.empty) == []


@pytest.mark.parametrize("names", ["", '[names]\n"role/instance" = "apdev-role"\n"instance-profile/instance" = "apdev-role"\n'])
def test_another_region_is_another_world(world, names):
    w = world
    w.edit(STACK + names)
    w.up()
    w.note_secrets()
    before = w.inventory()
    # IAM is global: under a prescribed name it is the other region's that stands there.
    w.run("--region", "eu-west-1", "teardown", "--confirm", "billing").ends(0)
    assert differences(w.inventory(), before) == []
    assert w.plan() == {}


def test_without_the_right_to_list_the_certificate_says_so(built):
    w = built
    w.note_secrets()
    w.faults(deny=["resourcegroupstaggingapi:*"])
    run = w.run("teardown", "--confirm", "billing").ends(0)
    assert "the account does not let us list" in run.text, run.text
    w.no_faults()
    assert differences(w.inventory(), w.empty) == []


def test_a_database_without_tags_is_left_and_said(built):
    w = built
    arn = w.rds.describe_db_instances()["DBInstances"][0]["DBInstanceArn"]
    w.rds.remove_tags_from_resource(ResourceName=arn, TagKeys=["gameday:stack", "gameday:step"])
    w.note_secrets()
    left = {x["what"]: x["why"] for x in certificate(w, 1)["left"]}
    assert "database/main" in left["billing-main"], left
    w.rds.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "gameday:stack", "Value": "billing"},
                                                       {"Key": "gameday:step", "Value": "database/main"}])
    certificate(w, 0)
    assert differences(w.inventory(), w.empty) == []
