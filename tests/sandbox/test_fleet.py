"""Auto Scaling groups, policies, refreshes."""

import time

import pytest


@pytest.fixture
def stack(aws):
    """(vpc, subnets, group, template, target group): a service behind a balancer, not launched yet."""
    vpc, subnets, _ = aws.network()
    group = aws.group(vpc)
    target_group = aws.target_group(vpc)
    aws.listen(aws.balancer(subnets, [group])["LoadBalancerArn"], target_group)
    return vpc, subnets, group, aws.template([group]), target_group


def _zones(fleet):
    return sorted(i["AvailabilityZone"] for i in fleet["Instances"])


def test_spreads_over_zones_with_all_of_the_template(aws, stack):
    _, subnets, group, template, _ = stack
    aws.iam.create_instance_profile(InstanceProfileName="app")
    aws.ec2.create_launch_template_version(
        LaunchTemplateId=template,
        SourceVersion="1",
        LaunchTemplateData={"IamInstanceProfile": {"Name": "app"}, "MetadataOptions": {"HttpTokens": "required"}},
    )
    tags = [
        {"Key": "Name", "Value": "app", "PropagateAtLaunch": True},
        {"Key": "own", "Value": "x", "PropagateAtLaunch": False},
    ]
    aws.fleet(subnets, template, LaunchTemplate={"LaunchTemplateId": template, "Version": "2"}, Tags=tags)
    fleet = aws.fleet_now()
    assert _zones(fleet) == ["us-east-1a", "us-east-1b"]
    assert {i["LifecycleState"] for i in fleet["Instances"]} == {"InService"}
    ids = [i["InstanceId"] for i in fleet["Instances"]]
    instance = aws.ec2.describe_instances(InstanceIds=ids[:1])["Reservations"][0]["Instances"][0]
    assert [g["GroupId"] for g in instance["SecurityGroups"]] == [group]
    assert instance["IamInstanceProfile"]["Arn"].endswith("instance-profile/app")
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    found = {t["Key"]: t["Value"] for t in instance["Tags"]}
    assert found["Name"] == "app" and found["aws:autoscaling:groupName"] == "app" and "own" not in found


def test_life_of_a_member(aws, stack):
    _, subnets, _, template, target_group = stack
    aws.pace("real")
    aws.fleet(subnets, template, TargetGroupARNs=[target_group])
    states = lambda: {i["LifecycleState"] for i in aws.fleet_now()["Instances"]}
    assert states() == {"Pending"} and aws.health(target_group) == {}
    aws.advance(44)
    assert states() == {"InService"} and set(aws.health(target_group).values()) == {"initial"}
    aws.advance(51)
    assert set(aws.health(target_group).values()) == {"healthy"}
    activity = aws.autoscaling.describe_scaling_activities(AutoScalingGroupName="app")["Activities"][0]
    assert activity["StatusCode"] == "Successful" and "Launching a new EC2 instance: i-" in activity["Description"]


def test_a_member_says_what_a_boot_says(aws, stack):
    _, subnets, _, template, _ = stack
    aws.logs.create_log_group(logGroupName="/gameday/shop/boot")
    aws.pace("real")
    tags = [{"Key": "gameday:stack", "Value": "shop", "PropagateAtLaunch": True}]
    aws.fleet(subnets, template, Tags=tags)
    one = aws.fleet_now()["Instances"][0]["InstanceId"]

    def said():
        events = aws.logs.filter_log_events(logGroupName="/gameday/shop/boot", logStreamNamePrefix=one)["events"]
        lines = [e["message"] for e in events]
        assert aws.ec2.get_console_output(InstanceId=one)["Output"].splitlines() == lines
        assert all(abs(e["timestamp"] / 1000 - time.time()) < 600 for e in events)
        return lines

    assert said() == []
    aws.advance(44)
    assert "stand-in" in said()[0] and one in said()[1] and len(said()) == 2
    aws.advance(40)
    assert "the service answers" in said()[-1] and len(said()) == 8
    aws.ec2.terminate_instances(InstanceIds=[one])
    assert len(said()) == 8


def test_dead_member_is_replaced_and_deregistered(aws, stack):
    _, subnets, _, template, target_group = stack
    aws.fleet(subnets, template, TargetGroupARNs=[target_group])
    dead = aws.fleet_now()["Instances"][0]["InstanceId"]
    aws.ec2.terminate_instances(InstanceIds=[dead])
    alive = {i["InstanceId"] for i in aws.fleet_now()["Instances"]}
    assert len(alive) == 2 and dead not in alive
    assert aws.health(target_group) == dict.fromkeys(alive, "healthy")
    assert _zones(aws.fleet_now()) == ["us-east-1a", "us-east-1b"]


@pytest.mark.parametrize("kind, replaced", [("ELB", True), ("EC2", False)])
def test_sick_member_is_replaced_when_the_group_heeds_the_balancer(aws, stack, kind, replaced):
    _, subnets, _, template, target_group = stack
    aws.fleet(subnets, template, TargetGroupARNs=[target_group], HealthCheckType=kind, HealthCheckGracePeriod=180)
    aws.pace("real")
    sick = aws.fleet_now()["Instances"][0]["InstanceId"]
    aws.control("POST", "unhealthy", {"targets": [sick]})
    aws.advance(100)
    assert aws.health(target_group)[sick] == "unhealthy" and len(aws.fleet_now()["Instances"]) == 2, (
        "in its grace period"
    )
    for _ in range(12):
        aws.advance(60)
    assert (sick not in {i["InstanceId"] for i in aws.fleet_now()["Instances"]}) == replaced
    assert len(aws.fleet_now()["Instances"]) == 2


def test_suspended_processes_are_respected(aws, stack):
    _, subnets, _, template, _ = stack
    aws.fleet(subnets, template)
    aws.autoscaling.suspend_processes(AutoScalingGroupName="app", ScalingProcesses=["ReplaceUnhealthy", "Launch"])
    dead = aws.fleet_now()["Instances"][0]["InstanceId"]
    aws.ec2.terminate_instances(InstanceIds=[dead])
    fleet = aws.fleet_now()
    assert {i["InstanceId"]: i["HealthStatus"] for i in fleet["Instances"]}[dead] == "Unhealthy"
    assert {p["ProcessName"] for p in fleet["SuspendedProcesses"]} == {"ReplaceUnhealthy", "Launch"}
    aws.autoscaling.resume_processes(AutoScalingGroupName="app")
    assert dead not in {i["InstanceId"] for i in aws.fleet_now()["Instances"]}
    assert len(aws.fleet_now()["Instances"]) == 2


def test_desired_capacity_is_obeyed(aws, stack):
    _, subnets, _, template, target_group = stack
    aws.fleet(subnets, template, TargetGroupARNs=[target_group])
    aws.autoscaling.set_desired_capacity(AutoScalingGroupName="app", DesiredCapacity=4)
    assert _zones(aws.fleet_now()) == ["us-east-1a"] * 2 + ["us-east-1b"] * 2
    aws.autoscaling.update_auto_scaling_group(AutoScalingGroupName="app", MaxSize=1)
    assert len(aws.fleet_now()["Instances"]) == 1 and aws.fleet_now()["DesiredCapacity"] == 1
    assert len([s for s in aws.health(target_group).values() if s == "healthy"]) == 1
    with aws.refuses("ValidationError"):
        aws.autoscaling.set_desired_capacity(AutoScalingGroupName="app", DesiredCapacity=2)


def test_scale_in_drains_before_it_terminates(aws, stack):
    _, subnets, _, template, target_group = stack
    aws.fleet(subnets, template, TargetGroupARNs=[target_group])
    aws.elbv2.modify_target_group_attributes(
        TargetGroupArn=target_group, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "120"}]
    )
    aws.pace("real")
    aws.autoscaling.set_desired_capacity(AutoScalingGroupName="app", DesiredCapacity=1)
    assert sorted(i["LifecycleState"] for i in aws.fleet_now()["Instances"]) == ["InService", "Terminating"]
    assert sorted(aws.health(target_group).values()) == ["draining", "healthy"]
    aws.advance(121)
    aws.advance(31)
    assert len(aws.fleet_now()["Instances"]) == 1 and list(aws.health(target_group).values()) == ["healthy"]


def test_target_group_attached_later(aws, stack):
    _, subnets, _, template, target_group = stack
    aws.fleet(subnets, template)
    aws.autoscaling.attach_load_balancer_target_groups(AutoScalingGroupName="app", TargetGroupARNs=[target_group])
    assert set(aws.health(target_group).values()) == {"healthy"} and len(aws.health(target_group)) == 2
    assert aws.fleet_now()["TargetGroupARNs"] == [target_group]


def test_mixed_instances_launch(aws, stack):
    _, subnets, _, template, _ = stack
    policy = {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateId": template, "Version": "1"},
            "Overrides": [{"InstanceType": "t3a.micro"}, {"InstanceType": "t2.micro"}],
        },
        "InstancesDistribution": {"OnDemandBaseCapacity": 1, "OnDemandPercentageAboveBaseCapacity": 0},
    }
    aws.fleet(subnets, template, MixedInstancesPolicy=policy, DesiredCapacity=3)
    fleet = aws.fleet_now()
    assert [i["InstanceType"] for i in fleet["Instances"]] == ["t3a.micro"] * 3
    ids = [i["InstanceId"] for i in fleet["Instances"]]
    found = [i for r in aws.ec2.describe_instances(InstanceIds=ids)["Reservations"] for i in r["Instances"]]
    assert sorted(str(i.get("InstanceLifecycle")) for i in found) == ["None", "spot", "spot"]
    assert fleet["MixedInstancesPolicy"]["InstancesDistribution"]["OnDemandBaseCapacity"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"MinSize": 3, "MaxSize": 2},
        {"DesiredCapacity": 9},
        {"VPCZoneIdentifier": "subnet-0123456789abcdef0"},
        {"TargetGroupARNs": ["arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/x/0123456789abcdef"]},
        {"LaunchTemplate": {"LaunchTemplateName": "none", "Version": "1"}},
    ],
)
def test_bad_groups_are_refused(aws, stack, change):
    _, subnets, _, template, _ = stack
    with aws.refuses("ValidationError"):
        params = {
            "VPCZoneIdentifier": ",".join(subnets),
            "LaunchTemplate": {"LaunchTemplateId": template},
            "MinSize": 1,
            "MaxSize": 2,
        }
        aws.autoscaling.create_auto_scaling_group(AutoScalingGroupName="app", **{**params, **change})


def test_existing_name(aws, stack):
    _, subnets, _, template, _ = stack
    aws.fleet(subnets, template)
    with aws.refuses("AlreadyExists"):
        aws.fleet(subnets, template)


def test_delete_needs_force_and_takes_time(aws, stack):
    _, subnets, _, template, _ = stack
    aws.fleet(subnets, template)
    with aws.refuses("ResourceInUse"):
        aws.autoscaling.delete_auto_scaling_group(AutoScalingGroupName="app")
    aws.pace("real")
    aws.autoscaling.delete_auto_scaling_group(AutoScalingGroupName="app", ForceDelete=True)
    assert aws.fleet_now()["Status"] == "Delete in progress"
    with aws.refuses("AlreadyExists"):
        aws.fleet(subnets, template)
    aws.advance(61)
    assert aws.fleet_now() is None


def test_emptied_group_needs_no_force(aws, stack):
    _, subnets, _, template, _ = stack
    aws.fleet(subnets, template)
    aws.autoscaling.update_auto_scaling_group(AutoScalingGroupName="app", MinSize=0, MaxSize=0, DesiredCapacity=0)
    assert aws.fleet_now()["Instances"] == []
    aws.autoscaling.delete_auto_scaling_group(AutoScalingGroupName="app")
    assert aws.fleet_now() is None


def test_new_profile_is_not_seen_at_once(aws, stack):
    _, subnets, _, template, _ = stack
    aws.pace("real")
    aws.iam.create_instance_profile(InstanceProfileName="app")
    aws.ec2.create_launch_template_version(
        LaunchTemplateId=template, SourceVersion="1", LaunchTemplateData={"IamInstanceProfile": {"Name": "app"}}
    )
    with aws.refuses("ValidationError") as caught:
        aws.fleet(subnets, template, LaunchTemplate={"LaunchTemplateId": template, "Version": "2"})
    assert "Value (app) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name" in str(
        caught.value
    )
    aws.advance(16)
    aws.fleet(subnets, template, LaunchTemplate={"LaunchTemplateId": template, "Version": "2"})


def _track(aws, kind, label=None, name="track", **more):
    spec = {"PredefinedMetricType": kind, **({"ResourceLabel": label} if label else {})}
    return aws.autoscaling.put_scaling_policy(
        AutoScalingGroupName="app",
        PolicyName=name,
        PolicyType="TargetTrackingScaling",
        TargetTrackingConfiguration={"PredefinedMetricSpecification": spec, "TargetValue": 50.0, **more},
    )


def test_target_tracking_makes_alarms_and_takes_them_along(aws, stack):
    _, subnets, _, template, target_group = stack
    aws.fleet(subnets, template, TargetGroupARNs=[target_group])
    balancer = aws.elbv2.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    label = f"{balancer.partition('loadbalancer/')[2]}/{target_group.rpartition(':')[2]}"
    made = _track(aws, "ALBRequestCountPerTarget", label)
    assert ":scalingPolicy:" in made["PolicyARN"] and len(made["Alarms"]) == 2
    names = lambda: {a["AlarmName"] for a in aws.cloudwatch.describe_alarms()["MetricAlarms"]}
    assert names() == {a["AlarmName"] for a in made["Alarms"]}
    assert all(n.startswith("TargetTracking-app-Alarm") for n in names())
    again = _track(aws, "ALBRequestCountPerTarget", label, DisableScaleIn=True)
    assert again["PolicyARN"] == made["PolicyARN"] and len(names()) == 1
    aws.autoscaling.delete_policy(AutoScalingGroupName="app", PolicyName="track")
    assert names() == set() and aws.autoscaling.describe_policies()["ScalingPolicies"] == []
    _track(aws, "ASGAverageCPUUtilization")
    aws.autoscaling.delete_auto_scaling_group(AutoScalingGroupName="app", ForceDelete=True)
    assert names() == set()


def test_resource_label_is_checked(aws, stack):
    _, subnets, _, template, _ = stack
    aws.fleet(subnets, template)
    with aws.refuses("ValidationError"):
        _track(aws, "ALBRequestCountPerTarget", "app/app/0123456789abcdef/targetgroup/app/0123456789abcdef")
    with aws.refuses("ValidationError"):
        _track(aws, "ALBRequestCountPerTarget")


def _refresh(aws):
    return aws.autoscaling.describe_instance_refreshes(AutoScalingGroupName="app")["InstanceRefreshes"][0]


def _second_version(aws, template, **data):
    aws.ec2.create_launch_template_version(
        LaunchTemplateId=template, SourceVersion="1", LaunchTemplateData=data or {"InstanceType": "t3.small"}
    )
    return {"LaunchTemplate": {"LaunchTemplateId": template, "Version": "2"}}


@pytest.mark.parametrize(
    "preferences", [{"MinHealthyPercentage": 50}, {"MinHealthyPercentage": 100, "MaxHealthyPercentage": 150}]
)
def test_refresh_replaces_all_and_keeps_its_promise(aws, stack, preferences):
    _, subnets, _, template, _ = stack
    aws.fleet(subnets, template)
    old = {i["InstanceId"] for i in aws.fleet_now()["Instances"]}
    aws.pace("real")
    aws.autoscaling.start_instance_refresh(
        AutoScalingGroupName="app",
        Preferences={**preferences, "InstanceWarmup": 10},
        DesiredConfiguration=_second_version(aws, template),
    )
    with aws.refuses("InstanceRefreshInProgress"):
        aws.autoscaling.start_instance_refresh(AutoScalingGroupName="app")
    # As long as it is open the group's own template stays; its sizes may change.
    with aws.refuses("ValidationError"):
        aws.autoscaling.update_auto_scaling_group(
            AutoScalingGroupName="app", LaunchTemplate={"LaunchTemplateId": template, "Version": "1"}
        )
    aws.autoscaling.update_auto_scaling_group(AutoScalingGroupName="app", MaxSize=5)
    least, seen = 9, set()
    for _ in range(60):
        fleet, refresh = aws.fleet_now(), _refresh(aws)
        least = min(least, sum(1 for i in fleet["Instances"] if i["LifecycleState"] == "InService"))
        seen.add(refresh["Status"])
        if refresh["Status"] == "Successful":
            break
        aws.advance(5)
    assert seen == {"Pending", "InProgress", "Successful"} and least >= 2 * preferences["MinHealthyPercentage"] // 100
    aws.advance(400)
    fleet = aws.fleet_now()
    assert len(fleet["Instances"]) == 2 and not old & {i["InstanceId"] for i in fleet["Instances"]}
    assert {i["InstanceType"] for i in fleet["Instances"]} == {"t3.small"}
    assert fleet["LaunchTemplate"]["Version"] == "2" and refresh["PercentageComplete"] == 100


def test_refresh_is_cancelled(aws, stack):
    _, subnets, _, template, _ = stack
    aws.fleet(subnets, template)
    with aws.refuses("ActiveInstanceRefreshNotFound"):
        aws.autoscaling.cancel_instance_refresh(AutoScalingGroupName="app")
    aws.pace("real")
    aws.autoscaling.start_instance_refresh(AutoScalingGroupName="app")
    aws.advance(6)
    aws.autoscaling.cancel_instance_refresh(AutoScalingGroupName="app")
    assert _refresh(aws)["Status"] == "Cancelling"
    aws.advance(11)
    assert _refresh(aws)["Status"] == "Cancelled"


def test_refresh_rolls_back(aws, stack):
    _, subnets, _, template, _ = stack
    aws.fleet(subnets, template)
    aws.pace("real")
    aws.autoscaling.start_instance_refresh(
        AutoScalingGroupName="app",
        Preferences={"MinHealthyPercentage": 50, "InstanceWarmup": 0},
        DesiredConfiguration=_second_version(aws, template),
    )
    aws.advance(60)
    aws.autoscaling.rollback_instance_refresh(AutoScalingGroupName="app")
    assert _refresh(aws)["Status"] == "RollbackInProgress"
    for _ in range(30):
        aws.advance(30)
    assert _refresh(aws)["Status"] == "RollbackSuccessful"
    fleet = aws.fleet_now()
    assert fleet["LaunchTemplate"]["Version"] == "1" and {i["InstanceType"] for i in fleet["Instances"]} == {"t3.micro"}


def test_refresh_preferences_are_checked(aws, stack):
    _, subnets, _, template, _ = stack
    aws.fleet(subnets, template)
    with aws.refuses("ValidationError"):
        aws.autoscaling.start_instance_refresh(AutoScalingGroupName="app", Preferences={"AutoRollback": True})
    with aws.refuses("ValidationError"):
        preferences = {"MinHealthyPercentage": 50, "MaxHealthyPercentage": 200}
        aws.autoscaling.start_instance_refresh(AutoScalingGroupName="app", Preferences=preferences)


def test_tags_and_filters(aws, stack):
    _, subnets, _, template, _ = stack
    aws.fleet(subnets, template, Tags=[{"Key": "gameday:stack", "Value": "s", "PropagateAtLaunch": True}])
    tag = {
        "ResourceId": "app",
        "ResourceType": "auto-scaling-group",
        "Key": "k",
        "Value": "v",
        "PropagateAtLaunch": False,
    }
    aws.autoscaling.create_or_update_tags(Tags=[tag])
    found = aws.autoscaling.describe_tags(Filters=[{"Name": "key", "Values": ["k"]}])["Tags"]
    assert found == [tag]
    by_tag = [{"Name": "tag:gameday:stack", "Values": ["s"]}]
    assert len(aws.autoscaling.describe_auto_scaling_groups(Filters=by_tag)["AutoScalingGroups"]) == 1
    aws.autoscaling.delete_tags(Tags=[{k: tag[k] for k in ("ResourceId", "ResourceType", "Key")}])
    assert [t["Key"] for t in aws.fleet_now()["Tags"]] == ["gameday:stack"]


def test_a_stopped_member_is_replaced(aws, stack):
    _, subnets, _, template, _ = stack
    aws.fleet(subnets, template)
    stopped = aws.fleet_now()["Instances"][0]["InstanceId"]
    aws.ec2.stop_instances(InstanceIds=[stopped])
    aws.advance(400)
    now = aws.fleet_now()["Instances"]
    assert len(now) == 2 and stopped not in {i["InstanceId"] for i in now}
    assert {i["LifecycleState"] for i in now} == {"InService"}


def test_one_type_twice_in_the_overrides(aws):
    vpc, subnets, _ = aws.network()
    template = aws.template([aws.group(vpc)])
    policy = lambda *types: {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateId": template, "Version": "1"},
            "Overrides": [{"InstanceType": t} for t in types],
        }
    }
    with aws.refuses("ValidationError") as caught:
        aws.fleet(subnets, template, MixedInstancesPolicy=policy("t3.micro", "t3a.micro", "t3a.micro"))
    assert "same instance type override more than once" in str(caught.value)
    aws.fleet(subnets, template, MixedInstancesPolicy=policy("t3.micro", "t3a.micro"))
    with aws.refuses("ValidationError"):
        aws.autoscaling.update_auto_scaling_group(
            AutoScalingGroupName="app", MixedInstancesPolicy=policy("t3.micro", "t3.micro")
        )


def test_tag_keys_where_the_metadata_shows_them(aws):
    """Blanks and slashes are fine in a tag, but not where instances see theirs: by the template, or by the account."""
    vpc, subnets, _ = aws.network()
    tags = lambda key: [{"Key": key, "Value": "x", "PropagateAtLaunch": True}]
    shown = aws.template([aws.group(vpc)], name="shown", MetadataOptions={"InstanceMetadataTags": "enabled"})
    usual = aws.template([aws.group(vpc, "usual")], name="usual")
    hidden = aws.template([aws.group(vpc, "off")], name="off", MetadataOptions={"InstanceMetadataTags": "disabled"})
    started = lambda name: len((aws.fleet_now(name) or {}).get("Instances", []))
    activities = lambda name: aws.autoscaling.describe_scaling_activities(AutoScalingGroupName=name)["Activities"]

    aws.fleet(subnets, shown, name="a", Tags=tags("cost center"))
    assert started("a") == 0 and "'cost center' is not a valid tag key" in activities("a")[0]["StatusMessage"]
    aws.fleet(subnets, usual, name="b", Tags=tags("app/owner"))
    aws.fleet(subnets, shown, name="c", Tags=tags("gameday:stack"))
    assert (started("b"), started("c")) == (2, 2)

    aws.ec2.modify_instance_metadata_defaults(InstanceMetadataTags="enabled")
    assert aws.ec2.get_instance_metadata_defaults()["AccountLevel"]["InstanceMetadataTags"] == "enabled"
    aws.fleet(subnets, usual, name="d", Tags=tags("app/owner"))
    aws.fleet(subnets, hidden, name="e", Tags=tags("app/owner"))
    assert (started("d"), started("e")) == (0, 2)
    for key in ("_index", "..", "größe"):
        asked = [{"ResourceType": "instance", "Tags": [{"Key": key, "Value": "x"}]}]
        with aws.refuses("InvalidParameterValue"):
            aws.ec2.run_instances(ImageId="ami-0d27e0fb3bac4d724", MinCount=1, MaxCount=1, TagSpecifications=asked)
    one = aws.fleet_now("c")["Instances"][0]["InstanceId"]
    with aws.refuses("InvalidParameterValue"):
        aws.ec2.create_tags(Resources=[one], Tags=[{"Key": "a b", "Value": "x"}])
    aws.ec2.create_tags(Resources=[subnets[0]], Tags=[{"Key": "a b", "Value": "x"}])
    aws.ec2.modify_instance_metadata_defaults(InstanceMetadataTags="no-preference")
    aws.fleet(subnets, usual, name="f", Tags=tags("app/owner"))
    assert started("f") == 2
