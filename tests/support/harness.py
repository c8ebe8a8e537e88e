"""The real binary, the sandbox behind it, and a second pair of hands (boto3) in the same account.

What tests/support/mod.rs and tests/world/tools/ are for the suites in Rust, with the same names. A suite adds what it alone
needs in its conftest.py.
"""

import json
import os
import subprocess
import urllib.request

import boto3
from botocore.config import Config

BINARY = os.environ["GAMEDAY_BINARY"]
URL, KEY = os.environ["GAMEDAY_SANDBOX_URL"], os.environ["GAMEDAY_SANDBOX_KEY"]

STACK = """\
name = "billing"

[service.api]
source = "https://bucket.s3.amazonaws.com/server"
"""


class Said:
    """What one command said and did."""

    def __init__(self, line, code, out, err):
        self.line, self.code, self.out, self.err = line, code, out, err

    @classmethod
    def of(cls, line, done):
        return cls(line, done.returncode, done.stdout.decode(), done.stderr.decode())

    def ends(self, *codes):
        assert self.code in codes, f"exit code {self.code} of {self.line}\n{self.text[-6000:]}"
        return self

    @property
    def text(self):
        return self.out + self.err

    @property
    def lines(self):
        """Its lines, each of them JSON."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def json(self):
        """Its one JSON object."""
        [one] = self.lines
        return one


class World:
    """An account in the sandbox, and a stack file."""

    def __init__(self, folder, stack=STACK):
        self.folder, self.file, self.clients = folder, folder / "gameday.toml", {}
        self.file.write_text(stack)

    def environment(self, more):
        return {**os.environ, **more}

    def line(self, *args, sandbox=True):
        """The words of a command on the stack file."""
        return [BINARY, *(["--sandbox"] if sandbox else []), "-c", str(self.file), *args]

    def run(self, *args, sandbox=True, timeout=300, **env):
        """Runs gameday to its end."""
        done = subprocess.run(
            self.line(*args, sandbox=sandbox),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            env=self.environment(env),
        )
        return Said.of(f"gameday {' '.join(args)}", done)

    def __getattr__(self, name):
        """A client of a service, by boto3's name."""
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self.clients:
            self.clients[name] = self.client({"tagging": "resourcegroupstaggingapi"}.get(name, name))
        return self.clients[name]

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=URL,
            region_name="us-east-1",
            aws_access_key_id=KEY,
            aws_secret_access_key="sandbox",
            config=Config(retries={"total_max_attempts": 1}, ignore_configured_endpoint_urls=True),
        )

    def control(self, method, what, body=None):
        """The sandbox's own endpoints; see its control.py."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(
            f"{URL}/_gameday/{what}", method=method, data=data, headers={"Authorization": f"Bearer {KEY}"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
