"""The control endpoints, the faults, the process."""

import contextlib
import subprocess
import sys
import threading
import urllib.error

import botocore.exceptions
import pytest
from conftest import PLUGIN


def test_health_and_pace(aws):
    health = aws.control("GET", "health")
    assert health["status"] == "ok" and health["pace"] == "instant" and health["version"]
    aws.pace("fast")
    assert aws.control("GET", "health")["pace"] == "fast"
    with pytest.raises(urllib.error.HTTPError):
        aws.pace("warp")


def test_pace_can_change_while_things_are_made(aws):
    aws.pace("real")
    aws.efs.create_file_system(CreationToken="a")
    state = lambda: aws.efs.describe_file_systems()["FileSystems"][0]["LifeCycleState"]
    assert state() == "creating"
    aws.pace("instant")
    assert state() == "available"


def test_calls_are_counted(aws):
    aws.ec2.describe_vpcs()
    aws.ec2.create_vpc(CidrBlock="10.0.0.0/16")
    with aws.refuses("DBInstanceNotFound"):
        aws.rds.describe_db_instances(DBInstanceIdentifier="none")
    report = aws.control("GET", "calls")
    assert [(c["service"], c["operation"], c["mutating"], c["error"]) for c in report["calls"]] == [
        ("ec2", "DescribeVpcs", False, None),
        ("ec2", "CreateVpc", True, None),
        ("rds", "DescribeDBInstances", False, "DBInstanceNotFound"),
    ]
    assert report["counts"]["all"] == 3 and report["counts"]["mutating"] == 1 and report["counts"]["failed"] == 1
    aws.control("DELETE", "calls")
    assert aws.control("GET", "calls")["calls"] == []


def test_calls_tell_what_rights_depend_on_and_no_secrets(aws):
    aws.ssm.put_parameter(Name="/a/b", Value="secret", Type="SecureString")
    aws.ec2.create_launch_template(
        LaunchTemplateName="web", LaunchTemplateData={"InstanceType": "t3.micro", "IamInstanceProfile": {"Name": "lab"}}
    )
    assert [c["named"] for c in aws.control("GET", "calls")["calls"]] == [
        {"Name": "/a/b"},
        {"LaunchTemplateData.IamInstanceProfile.Name": "lab"},
    ]


def test_reset_empties_the_account(aws):
    vpc, subnets, _ = aws.network()
    aws.fleet(subnets, aws.template([aws.group(vpc)]))
    aws.control("POST", "reset")
    assert aws.fleet_now() is None and aws.ec2.describe_launch_templates()["LaunchTemplates"] == []
    assert [v["IsDefault"] for v in aws.ec2.describe_vpcs()["Vpcs"]] == [True]


def test_a_slow_call_goes_on_with_the_rule_and_never_reaches_the_next_account(aws):
    def slowly(cidr):
        def call():
            with contextlib.suppress(botocore.exceptions.BotoCoreError):
                aws.ec2.create_vpc(CidrBlock=cidr)

        thread = threading.Thread(target=call)
        thread.start()
        while not aws.control("GET", "faults")["done"]["slow"]:
            assert thread.is_alive(), "it is slow"
        return thread

    made = lambda: [v["CidrBlock"] for v in aws.ec2.describe_vpcs()["Vpcs"] if not v["IsDefault"]]
    aws.control("POST", "faults", {"delay": 60, "only": "ec2:CreateVpc"})
    thread = slowly("10.1.0.0/16")
    aws.control("DELETE", "faults")
    thread.join(10)
    assert not thread.is_alive() and made() == ["10.1.0.0/16"]
    aws.control("POST", "faults", {"delay": 60, "only": "ec2:CreateVpc"})
    thread = slowly("10.2.0.0/16")
    aws.control("POST", "reset")
    thread.join(10)
    assert not thread.is_alive() and made() == []


def test_denials_in_each_protocol(aws):
    aws.control(
        "POST",
        "faults",
        {"deny": ["ec2:CreateVpc", "elasticache:*", "efs:Describe*", "ssm:GetParameter", "cloudwatch:*"]},
    )
    for code, call in (
        ("UnauthorizedOperation", lambda: aws.ec2.create_vpc(CidrBlock="10.0.0.0/16")),
        ("AccessDenied", lambda: aws.elasticache.describe_replication_groups()),
        ("AccessDeniedException", lambda: aws.efs.describe_file_systems()),
        ("AccessDeniedException", lambda: aws.ssm.get_parameter(Name="a")),
        ("AccessDenied", lambda: aws.cloudwatch.describe_alarms()),
    ):
        with aws.refuses(code):
            call()
    aws.ec2.describe_vpcs()


def test_throttling_and_errors(aws):
    aws.control("POST", "faults", {"throttle": 1.0, "only": "^(ec2|rds|efs):"})
    with aws.refuses("RequestLimitExceeded"):
        aws.ec2.describe_vpcs()
    with aws.refuses("Throttling"):
        aws.rds.describe_db_instances()
    with aws.refuses("ThrottlingException"):
        aws.efs.describe_file_systems()
    aws.elasticache.describe_replication_groups()
    aws.control("POST", "faults", {"error500": 1.0, "max_faults": 1})
    with aws.refuses("InternalError"):
        aws.ec2.describe_vpcs()
    aws.ec2.describe_vpcs()


def test_a_lost_answer_and_a_dropped_request(aws):
    count = lambda: len(aws.ec2.describe_vpcs()["Vpcs"])
    before = count()
    aws.control("POST", "faults", {"lost_answer": 1.0, "only": "CreateVpc$"})
    with pytest.raises(botocore.exceptions.HTTPClientError):
        aws.ec2.create_vpc(CidrBlock="10.0.0.0/16")
    assert count() == before + 1, "the effect is there"
    aws.control("POST", "faults", {"drop": 1.0, "only": "CreateVpc$"})
    with pytest.raises(botocore.exceptions.HTTPClientError):
        aws.ec2.create_vpc(CidrBlock="10.0.0.0/16")
    assert count() == before + 1, "no effect"
    assert aws.control("GET", "faults")["done"]["drop"] == 1


def test_faults_come_from_a_seed(aws):
    def run():
        aws.control("POST", "faults", {"seed": 7, "throttle": 0.5})
        seen = ""
        for _ in range(20):
            try:
                aws.ec2.describe_vpcs()
                seen += "."
            except botocore.exceptions.ClientError:
                seen += "x"
        return seen

    first = run()
    assert first == run() and "x" in first and "." in first


def test_after_n_calls(aws):
    aws.control("POST", "faults", {"throttle": 1.0, "after_n_calls": 2})
    aws.ec2.describe_vpcs()
    aws.ec2.describe_vpcs()
    with aws.refuses("RequestLimitExceeded"):
        aws.ec2.describe_vpcs()


def test_fresh_objects_are_hidden(aws):
    aws.control("POST", "faults", {"hide_fresh_seconds": 30})
    vpc = aws.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    assert vpc not in {v["VpcId"] for v in aws.ec2.describe_vpcs()["Vpcs"]}
    with aws.refuses("InvalidVpcID.NotFound"):
        aws.ec2.describe_vpcs(VpcIds=[vpc])
    aws.advance(31)
    assert aws.ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]


def test_unknown_faults_are_refused(aws):
    with pytest.raises(urllib.error.HTTPError):
        aws.control("POST", "faults", {"trottle": 1.0})


def test_what_nobody_made_is_said_plainly(aws):
    with aws.refuses("NotImplemented") as caught:
        aws.elasticache.create_replication_group(
            ReplicationGroupId="a", ReplicationGroupDescription="a", CacheNodeType="cache.t3.micro", NumNodeGroups=2
        )
    assert "the sandbox cannot" in str(caught.value)


def test_loopback_only():
    run = subprocess.run([sys.executable, str(PLUGIN), "--host", "0.0.0.0"], capture_output=True, text=True)
    assert run.returncode == 2 and "loopback only" in run.stderr
