"""`gameday serve` as a process, the sandbox behind it, a second pair of hands in the same account, and a stand-in for
the service that it asks from outside."""

import base64
import contextlib
import datetime
import http.client
import http.server
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request

import harness
import pytest

BEGAN = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=83)
STACK = f"""\
name = "billing"
traffic_at = "{BEGAN:%Y-%m-%dT%H:%M:%SZ}"

[service.api]
source = "https://bucket.s3.amazonaws.com/server"
"""


def until(what, look, timeout=90):
    """What `look` gives, once it is something."""
    end = time.monotonic() + timeout
    while not (found := look()):
        assert time.monotonic() < end, f"it never came: {what}"
        time.sleep(0.1)
    return found


def basic(text):
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


class Answer:
    def __init__(self, answer):
        self.status, self.headers, self.body = answer.status, answer.headers, answer.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def message(self):
        assert self.headers["Content-Type"] == "application/json", self.body
        assert list(self.json) == ["message"], self.body
        return self.json["message"]


class Server:
    """One process of `gameday serve`."""

    def __init__(self, world, args, env, files=None):
        self.err = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [*([] if files is None else ["prlimit", f"--nofile={files}:{files}"]), *world.line("-o", "json", "serve", *args)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.err,
            env=world.environment(env),
        )
        first = self.process.stdout.readline()
        assert first, f"it ended: {self.said()}"
        self.first = json.loads(first)
        self.url = self.first["url"].rstrip("/")
        self.host = urllib.parse.urlparse(self.url).netloc

    def said(self):
        return os.pread(self.err.fileno(), 1 << 20, 0).decode()

    def ask(self, method, path, headers=None, body=None, host=None):
        connection = http.client.HTTPConnection(self.host, timeout=60)
        headers = dict(headers or {})
        if isinstance(body, dict):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        connection.putrequest(method, path, skip_host=True)
        if host != "":
            connection.putheader("Host", host or self.host)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(body.encode() if body is not None else None)
        with contextlib.closing(connection):
            return Answer(connection.getresponse())

    def end(self, how=signal.SIGINT):
        self.process.send_signal(how)
        code = self.process.wait(30)
        return code, self.process.stdout.read().decode() + self.said()


class Service(http.server.BaseHTTPRequestHandler):
    """What the balancer would pass requests to."""

    status = 200

    def do_GET(self):
        self.send_response(type(self).status)
        self.end_headers()

    def log_message(self, *_):
        pass


class World(harness.World):
    def run(self, *args, code=0, **env):
        return super().run(*args, **env).ends(code)

    @contextlib.contextmanager
    def serve(self, *args, files=None, **env):
        args = args if "--listen" in args else ("--listen", "127.0.0.1:0", *args)
        server = Server(self, args, env, files)
        try:
            yield server
        finally:
            if server.process.poll() is None:
                server.process.kill()
            server.process.wait()

    def behind(self, balancer="billing-main"):
        """Who is behind it, by the account's own word."""
        [found] = self.elbv2.describe_load_balancers(Names=[balancer])["LoadBalancers"]
        groups = self.elbv2.describe_target_groups(LoadBalancerArn=found["LoadBalancerArn"])["TargetGroups"]
        all_health = [self.elbv2.describe_target_health(TargetGroupArn=g["TargetGroupArn"]) for g in groups]
        return sorted(
            t["Target"]["Id"]
            for health in all_health
            for t in health["TargetHealthDescriptions"]
            if t["TargetHealth"]["State"] != "draining"
        )


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """A stack that stands. Each test leaves it as it was."""
    world = World(tmp_path_factory.mktemp("world"), STACK)
    world.run("up", "--yes")
    return world


@pytest.fixture
def service():
    Service.status = 200
    # On the balancer's own port where that is allowed, so that the request path has nothing to say against it.
    pid, port = os.getpid(), 80 if os.getuid() == 0 else 0
    server = http.server.ThreadingHTTPServer((f"127.83.{pid // 250 % 250}.{pid % 250 + 1}", port), Service)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Service, "http://{}:{}/".format(*server.server_address)
    server.shutdown()
    server.server_close()
