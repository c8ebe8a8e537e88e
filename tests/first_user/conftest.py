"""gameday as a person or a script types it: by name, in a folder of its own, against the sandbox."""

import json
import os
import pathlib
import shlex
import subprocess
import sys

import boto3
import pytest

BINARY = os.environ["GAMEDAY_BINARY"]
URL, KEY = os.environ["GAMEDAY_SANDBOX_URL"], os.environ["GAMEDAY_SANDBOX_KEY"]
ROOT = pathlib.Path(__file__).parents[2]
# A name that has to be quoted.
FILE = "my stack.toml"


# As much of the AWS CLI as the examples use, with the same settings from the environment.
AWS = f"""\
#!{sys.executable}
import sys
import boto3
service, operation = sys.argv[1:3]
print(getattr(boto3.client(service), operation.replace("-", "_"))())
"""


class Said:
    def __init__(self, line, done):
        self.line, self.code = line, done.returncode
        self.out, self.err = done.stdout, done.stderr

    def ends(self, *codes):
        assert self.code in codes, f"{self.line}: exit code {self.code}\n{self.out}\n{self.err}"
        return self

    @property
    def text(self):
        return self.out + self.err

    @property
    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def json_text(self):
        return json.loads(self.out)

    @property
    def json(self):
        [one] = self.lines
        return one


class World:
    def __init__(self, folder):
        self.folder = folder
        programs = folder / "bin"
        programs.mkdir()
        (programs / "gameday").symlink_to(BINARY)
        theirs = ("AWS_", "GAMEDAY_CONFIG", "GAMEDAY_PRICES", "GAMEDAY_TOKEN")
        aws = programs / "aws"
        aws.write_text(AWS)
        aws.chmod(0o755)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(theirs)}
        self.env = {**kept, "PATH": f"{programs}:{kept['PATH']}", "AWS_EC2_METADATA_DISABLED": "true"}
        self.work = folder / "work"
        self.work.mkdir()

    def shell(self, line, **more):
        """A line as it is typed."""
        done = subprocess.run(
            ["bash", "-c", line], cwd=self.work, env={**self.env, **more}, text=True, capture_output=True, stdin=subprocess.DEVNULL
        )
        return Said(line, done)

    def run(self, *args):
        return self.shell(shlex.join(["gameday", "-c", FILE, "--sandbox", *args]))

    def client(self, service):
        return boto3.client(
            service, endpoint_url=URL, region_name="us-east-1", aws_access_key_id=KEY, aws_secret_access_key="x"
        )

    def listener(self):
        elb = self.client("elbv2")
        [balancer] = elb.describe_load_balancers()["LoadBalancers"]
        return elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"][0]["ListenerArn"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("first"))
