"""Teardown deletes ours, names what a stranger holds, and finishes when that is gone."""

import json

from conftest import differences, some
from test_drift import group, subnet, targets, vpc


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
        SubnetId=subnet(w, "public-a"), SecurityGroupIds=[group(w, "app")],
    )["Instances"][0]["InstanceId"]
    w.note_secrets()
    found = certificate(w, 1)
    left = {x["what"]: x["why"] for x in found["left"]}
    assert stranger in json.dumps(left), left
    assert {"security-group/app", "subnet/public-a"} <= set(left), left
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
        {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [{"GroupId": group(w, "app")}]}])
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
