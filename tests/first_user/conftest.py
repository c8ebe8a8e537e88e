"""gameday as a person or a script types it: by name, in a folder of its own, against the sandbox."""

import os
import pathlib
import shlex
import subprocess
import sys

import harness
import pytest
from harness import BINARY

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


class World(harness.World):
    def __init__(self, folder):
        self.folder, self.clients = folder, {}
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
            ["bash", "-c", line], cwd=self.work, env={**self.env, **more}, capture_output=True, stdin=subprocess.DEVNULL
        )
        return harness.Said.of(line, done)

    def run(self, *args):
        return self.shell(shlex.join(["gameday", "-c", FILE, "--sandbox", *args]))

    def listener(self):
        elb = self.client("elbv2")
        [balancer] = elb.describe_load_balancers()["LoadBalancers"]
        return elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"][0]["ListenerArn"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("first"))
