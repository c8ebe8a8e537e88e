"""One sandbox for the whole run; an empty account, no delays and no faults for each test.

Every answer is checked against the AWS API model that botocore ships: members that the model requires are there,
error codes are ones that the operation knows.
"""

import contextlib
import json
import pathlib
import subprocess
import sys
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

PLUGIN = pathlib.Path(__file__).resolve().parents[2] / "src" / "sandbox" / "plugin"

# Codes that AWS gives and the model does not list for the operation (AWS's "common errors" and EC2's own).
UNLISTED = {
    "acm": {"ValidationException"},
    "autoscaling": {"ValidationError"},
    # github.com/hashicorp/terraform-provider-aws/issues/26245: of a certificate that is not issued.
    "elbv2": {"ValidationError", "UnsupportedCertificate"},
    "rds": {"InvalidParameterValue", "InvalidParameterCombination"},
    "elasticache": {"InvalidParameterValue", "InvalidParameterCombination", "CacheClusterAlreadyExists"},
    "cloudwatch": {"ValidationError"},
}
COMMON = {
    "AccessDenied",
    "AccessDeniedException",
    "Throttling",
    "ThrottlingException",
    "InternalFailure",
    "NotImplemented",
}


def _check(parsed, model, **_):
    status = parsed["ResponseMetadata"]["HTTPStatusCode"]
    if status >= 300:
        code, listed = parsed["Error"]["Code"], {s.error_code for s in model.error_shapes}
        service = model.service_model.service_name
        if listed and code not in COMMON | UNLISTED.get(service, set()):
            assert code in listed, f"{model.name} does not know the error {code}"
    elif model.output_shape is not None:
        _complete(parsed, model.output_shape, model.name)


def _complete(value, shape, where):
    if shape.type_name == "structure" and isinstance(value, dict):
        for name in shape.required_members:
            assert name in value, f"{where} lacks {name}"
        for name, member in shape.members.items():
            if name in value:
                _complete(value[name], member, f"{where}.{name}")
    elif shape.type_name == "list" and isinstance(value, list):
        for item in value:
            _complete(item, shape.member, where)


class Aws:
    NAMES = {"tagging": "resourcegroupstaggingapi", "quotas": "service-quotas"}

    def __init__(self, url, key):
        self.url, self.key, self.clients = url, key, {}

    def __getattr__(self, name):
        if name not in self.clients:
            client = boto3.client(
                self.NAMES.get(name, name),
                endpoint_url=self.url,
                region_name="us-east-1",
                aws_access_key_id=self.key,
                aws_secret_access_key="sandbox",
                config=Config(retries={"total_max_attempts": 1}, ignore_configured_endpoint_urls=True),
            )
            client.meta.events.register("after-call", _check)
            self.clients[name] = client
        return self.clients[name]

    def control(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{self.url}/_gameday/{path}", method=method, data=data)
        request.add_header("Authorization", f"Bearer {self.key}")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def advance(self, seconds):
        self.control("POST", f"advance?seconds={seconds}")

    def pace(self, pace):
        self.control("POST", f"pace?pace={pace}")

    @contextlib.contextmanager
    def refuses(self, *codes):
        with pytest.raises(ClientError) as caught:
            yield caught
        assert caught.value.response["Error"]["Code"] in codes, caught.value

    # What most tests start with.

    def network(self, zones=2):
        vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            self.ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"us-east-1{'abc'[n]}")[
                "Subnet"
            ]["SubnetId"]
            for n in range(zones)
        ]
        gateway = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        return vpc, subnets, gateway

    def group(self, vpc, name="app"):
        return self.ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]

    def template(self, groups, name="app", **data):
        data = {"ImageId": "ami-0d27e0fb3bac4d724", "InstanceType": "t3.micro", "SecurityGroupIds": groups, **data}
        return self.ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)["LaunchTemplate"][
            "LaunchTemplateId"
        ]

    def fleet(self, subnets, template, name="app", **more):
        settings = {"MinSize": 1, "MaxSize": 4, "DesiredCapacity": 2, **more}
        self.autoscaling.create_auto_scaling_group(
            AutoScalingGroupName=name,
            VPCZoneIdentifier=",".join(subnets),
            **{"LaunchTemplate": {"LaunchTemplateId": template, "Version": "1"}, **settings}
            if "MixedInstancesPolicy" not in settings
            else settings,
        )

    def fleet_now(self, name="app"):
        groups = self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        return groups[0] if groups else None

    def target_group(self, vpc, name="app"):
        made = self.elbv2.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=vpc)
        return made["TargetGroups"][0]["TargetGroupArn"]

    def balancer(self, subnets, groups, name="app"):
        return self.elbv2.create_load_balancer(Name=name, Subnets=subnets, SecurityGroups=groups)["LoadBalancers"][0]

    def listen(self, balancer, target_group, port=80):
        action = [{"Type": "forward", "TargetGroupArn": target_group}]
        made = self.elbv2.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=port, DefaultActions=action)
        return made["Listeners"][0]["ListenerArn"]

    def health(self, target_group):
        found = self.elbv2.describe_target_health(TargetGroupArn=target_group)["TargetHealthDescriptions"]
        return {t["Target"]["Id"]: t["TargetHealth"]["State"] for t in found}


@pytest.fixture(scope="session")
def sandbox():
    process = subprocess.Popen([sys.executable, str(PLUGIN), "--port", "0"], stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    assert "sandbox ready on http://127.0.0.1:" in line, line
    yield Aws(line.split()[3], line.split("AWS_ACCESS_KEY_ID=")[1].strip())
    process.terminate()
    assert process.wait(10) == 0


@pytest.fixture
def aws(sandbox):
    sandbox.pace("instant")
    sandbox.control("POST", "reset")
    sandbox.control("DELETE", "calls")
    return sandbox
