"""Images of one's own: created from an instance, launched, deregistered."""


def _tags(of):
    return {tag["Key"]: tag["Value"] for tag in of.get("Tags", [])}


def _spec(kind, **tags):
    return {"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def _instance(aws):
    _, subnets, _ = aws.network()
    image = aws.ssm.get_parameter(Name="/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64")
    made = aws.ec2.run_instances(
        ImageId=image["Parameter"]["Value"], MinCount=1, MaxCount=1, InstanceType="t3.micro", SubnetId=subnets[0]
    )
    return made["Instances"][0]["InstanceId"]


def _image(aws, image):
    return aws.ec2.describe_images(ImageIds=[image])["Images"][0]


def test_an_image_is_pending_and_then_available_and_its_snapshot_has_tags_of_its_own(aws):
    instance = _instance(aws)
    aws.ec2.describe_instances(InstanceIds=[instance])
    specs = [_spec("image", stack="one"), _spec("snapshot", stack="two")]
    image = aws.ec2.create_image(InstanceId=instance, Name="baked-1", NoReboot=True, TagSpecifications=specs)["ImageId"]
    with aws.refuses("InvalidAMIName.Duplicate"):
        aws.ec2.create_image(InstanceId=instance, Name="baked-1")
    there = _image(aws, image)
    assert (there["State"], there["RootDeviceType"], _tags(there)) == ("available", "ebs", {"stack": "one"})
    snapshot = there["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    kept = aws.ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]
    assert _tags(kept) == {"stack": "two"}
    with aws.refuses("InvalidSnapshot.InUse"):
        aws.ec2.delete_snapshot(SnapshotId=snapshot)


def test_a_deregistered_image_is_launched_no_more_and_leaves_its_snapshot(aws):
    instance = _instance(aws)
    aws.ec2.describe_instances(InstanceIds=[instance])
    image = aws.ec2.create_image(InstanceId=instance, Name="baked-1")["ImageId"]
    snapshot = _image(aws, image)["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    launch = {"ImageId": image, "MinCount": 1, "MaxCount": 1, "InstanceType": "t3.micro"}
    aws.ec2.run_instances(**launch)
    aws.ec2.deregister_image(ImageId=image)
    for call in (
        lambda: aws.ec2.run_instances(**launch),
        lambda: aws.ec2.describe_images(ImageIds=[image]),
    ):
        with aws.refuses("InvalidAMIID.NotFound"):
            call()
    assert aws.ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"]
    aws.ec2.delete_snapshot(SnapshotId=snapshot)


def test_a_fleet_says_that_its_image_is_gone(aws):
    instance = _instance(aws)
    aws.ec2.describe_instances(InstanceIds=[instance])
    vpc, subnets, _ = aws.network()
    image = aws.ec2.create_image(InstanceId=instance, Name="baked-1")["ImageId"]
    aws.ec2.describe_images(ImageIds=[image])
    aws.fleet(subnets, aws.template([aws.group(vpc)], ImageId=image), DesiredCapacity=1)
    assert len(aws.fleet_now()["Instances"]) == 1
    aws.ec2.deregister_image(ImageId=image)
    aws.autoscaling.set_desired_capacity(AutoScalingGroupName="app", DesiredCapacity=2)
    aws.fleet_now()
    activities = aws.autoscaling.describe_scaling_activities(AutoScalingGroupName="app")["Activities"]
    assert activities[0]["StatusCode"] == "Failed" and image in activities[0]["StatusMessage"], activities[0]


def test_the_snapshot_goes_with_its_image_if_that_is_asked_for(aws):
    instance = _instance(aws)
    aws.ec2.describe_instances(InstanceIds=[instance])
    image = aws.ec2.create_image(InstanceId=instance, Name="baked-1")["ImageId"]
    snapshot = _image(aws, image)["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    answer = aws.ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)
    assert answer["DeleteSnapshotResults"] == [{"SnapshotId": snapshot, "ReturnCode": "success"}]
    with aws.refuses("InvalidSnapshot.NotFound"):
        aws.ec2.describe_snapshots(SnapshotIds=[snapshot])


def _baking(aws, script, behaviour="stop"):
    _, subnets, _ = aws.network()
    image = aws.ssm.get_parameter(Name="/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64")
    made = aws.ec2.run_instances(
        ImageId=image["Parameter"]["Value"],
        MinCount=1,
        MaxCount=1,
        InstanceType="t3.micro",
        SubnetId=subnets[0],
        InstanceInitiatedShutdownBehavior=behaviour,
        UserData=script,
    )
    return made["Instances"][0]["InstanceId"]


def _seen(aws, instance):
    there = aws.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    return there["State"]["Name"], there.get("StateReason", {}).get("Code")


SCRIPT = "#!/bin/bash\nprintf 'gameday: baked\\r\\n' >/dev/console\npoweroff\n"


def test_an_instance_that_bakes_switches_itself_off_on_the_clock(aws):
    aws.pace("fast")
    instance = _baking(aws, SCRIPT)
    for _ in range(3):
        aws.advance(50)
        aws.ec2.describe_instances()
    assert _seen(aws, instance) == ("stopped", "Client.InstanceInitiatedShutdown")
    console = aws.ec2.get_console_output(InstanceId=instance)["Output"]
    assert "packages  done after 30 s" in console and console.rstrip().endswith("gameday: baked"), console
    assert aws.ec2.create_image(InstanceId=instance, Name="baked-1")["ImageId"]


def test_it_is_terminated_if_it_was_launched_so_and_runs_on_without_a_package(aws):
    ends, fails = _baking(aws, SCRIPT, "terminate"), _baking(aws, SCRIPT + "# no-such-package\n")
    for _ in range(3):
        aws.ec2.describe_instances()
    assert _seen(aws, ends) == ("terminated", "Client.InstanceInitiatedShutdown")
    assert _seen(aws, fails)[0] == "running"
    assert "failed: could not install no-such-package" in aws.ec2.get_console_output(InstanceId=fails)["Output"]


def test_an_instance_that_somebody_stops_has_another_reason(aws):
    instance = _baking(aws, "#!/bin/bash\n")
    aws.ec2.describe_instances()
    aws.ec2.stop_instances(InstanceIds=[instance])
    assert _seen(aws, instance) == ("stopped", "Client.UserInitiatedShutdown")
