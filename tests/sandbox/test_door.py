"""Who is let in: attacks by raw requests, as another user of the machine or a page would make them."""

import hashlib
import hmac
import http.server
import json
import pathlib
import re
import socket
import subprocess
import sys
import threading
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from conftest import PLUGIN

SECRET = "hunter2-of-the-database"
SERVED = ("ec2", "ssm", "efs", "elbv2", "rds", "elasticache", "iam", "sts", "autoscaling", "cloudwatch", "logs")
LOOKS = {
    "ec2": "describe_vpcs",
    "ssm": "describe_parameters",
    "efs": "describe_file_systems",
    "elbv2": "describe_load_balancers",
    "rds": "describe_db_instances",
    "elasticache": "describe_cache_clusters",
    "iam": "list_roles",
    "sts": "get_caller_identity",
    "autoscaling": "describe_auto_scaling_groups",
    "cloudwatch": "describe_alarms",
    "logs": "describe_log_groups",
}


class Answer:
    def __init__(self, raw):
        head, _, self.body = raw.partition(b"\r\n\r\n")
        self.head = head.decode("latin-1").lower()
        self.status = int(head.split()[1]) if head else 0

    @property
    def text(self):
        return self.body.decode(errors="replace")


class Attacker:
    """Who can reach the port, and sends what he likes."""

    def __init__(self, aws):
        self.aws, self.port = aws, int(aws.url.rpartition(":")[2])
        self.mine = {"Host": f"127.0.0.1:{self.port}", "Authorization": f"Bearer {aws.key}"}

    def raw(self, data):
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as to:
            to.sendall(data)
            got = b""
            while more := to.recv(65536):
                got += more
        return Answer(got)

    def ask(self, line, *headers, body=b""):
        head = [f"{line} HTTP/1.1", *headers]
        if body:
            head.append(f"Content-Length: {len(body)}")
        return self.raw("\r\n".join([*head, "", ""]).encode("latin-1") + body)

    def as_user(self, line, *headers, without=(), body=b""):
        """With all that the user's tools send, but for some."""
        mine = [f"{k}: {v}" for k, v in self.mine.items() if k not in without]
        return self.ask(line, *mine, *headers, body=body)

    def client(self, service, key=None):
        return boto3.client(
            service,
            endpoint_url=self.aws.url,
            region_name="us-east-1",
            aws_access_key_id=key or self.aws.key,
            aws_secret_access_key="any",
            config=Config(retries={"total_max_attempts": 1}, ignore_configured_endpoint_urls=True),
        )


def signed(key, service, region="us-east-1"):
    scope = f"{key}/20261130/{region}/{service}/aws4_request"
    return f"Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"


@pytest.fixture
def attacker(aws):
    """And that nothing came of what he tried: neither calls, nor another pace, nor an empty account."""
    aws.ssm.put_parameter(Name="/prod/master", Value=SECRET, Type="SecureString")
    aws.control("DELETE", "calls")
    yield Attacker(aws)
    assert aws.control("GET", "calls")["calls"] == []
    assert aws.control("GET", "health")["pace"] == "instant"
    assert aws.ssm.get_parameter(Name="/prod/master", WithDecryption=True)["Parameter"]["Value"] == SECRET


HOSTS = [
    *("evil.example", "evil.example:{port}", "localhost.evil.example:{port}", "127.0.0.1.evil.example:{port}"),
    *("0.0.0.0:{port}", "2130706433:{port}", "0x7f.1:{port}", "127.1:{port}", "127.0.0.2:{port}", "localhost.:{port}"),
    *("127.0.0.1", "127.0.0.1:1", "127.0.0.1:0{port}", "localhost", "[::ffff:127.0.0.1]:{port}", "moto_api", ""),
    *("127.0.0.1:{port}@evil.example", "evil.example@127.0.0.1:{port}", "127.0.0.1:{port}/", "127.0.0.1:{port},evil"),
]


@pytest.mark.parametrize("host", HOSTS)
def test_another_name_for_this_machine_is_refused(attacker, host):
    line = f"Host: {host.format(port=attacker.port)}"
    for path in ("/_gameday/health", "/", f"/_gameday/proof/{'a' * 64}"):
        answer = attacker.as_user(f"GET {path}", line, without=["Host"])
        assert answer.status in (400, 403) and "pid" not in answer.text, answer.text


def test_no_host_two_hosts_and_a_host_in_the_line_are_refused(attacker):
    assert attacker.as_user("GET /_gameday/health", without=["Host"]).status == 403
    assert attacker.as_user("GET /_gameday/health", "Host: evil.example").status == 403
    assert attacker.as_user("GET http://evil.example/_gameday/health").status == 403
    assert attacker.as_user(f"GET http://evil.example:{attacker.port}/_gameday/health").status == 403
    for good in (f"127.0.0.1:{attacker.port}", f"LOCALHOST:{attacker.port}"):
        assert attacker.as_user("GET /_gameday/health", f"Host: {good}", without=["Host"]).status == 200, good


BROWSERS = [
    *("Origin: http://evil.example", "Origin: null", "Origin:", "Origin: http://127.0.0.1:{port}", "origin: file://"),
    *(f"Sec-Fetch-Site: {site}" for site in ("cross-site", "same-site", "same-origin", "Cross-Site", "none, none")),
]


@pytest.mark.parametrize("header", BROWSERS)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PUT", "HEAD"])
def test_a_browser_is_refused_though_it_had_the_key(attacker, header, method):
    answer = attacker.as_user(f"{method} /_gameday/reset", header.format(port=attacker.port))
    assert answer.status == 403 and "access-control" not in answer.head, answer.head


def test_no_answer_lets_another_site_read_it(aws):
    # moto sends these with everything.
    request = urllib.request.Request(f"{aws.url}/?Action=DescribeVpcs&Version=2016-11-15")
    name, _, value = signed(aws.key, "ec2").partition(": ")
    request.add_header(name, value)
    with urllib.request.urlopen(request) as answer:
        names = {n.lower() for n in answer.headers}
    assert "cross-origin-resource-policy" in names and not any(n.startswith("access-control") for n in names)


def keys(key):
    return [
        *("", "sandbox", "SANDBOX", key[:-1], key + "0", key.lower(), key[:-1] + "\xe9", key + "\x00", f" {key} x"),
        *("' or ''='", "AKIAIOSFODNN7EXAMPLE", f"{key},{key}", f"x/{key}"),
    ]


def test_without_the_key_nothing_is_told_and_nothing_done(attacker, aws):
    host = f"Host: 127.0.0.1:{attacker.port}"
    body = b'{"Name": "/prod/master", "WithDecryption": true}'
    target = ("X-Amz-Target: AmazonSSM.GetParameter", "Content-Type: application/x-amz-json-1.1")
    for key in keys(aws.key):
        for way in (f"Bearer {key}", f"Basic {key}", f"bearer{aws.key}"):
            for line in ("GET /_gameday/calls", "GET /_gameday/health", "POST /_gameday/reset", "POST /moto-api/reset"):
                answer = attacker.ask(line, host, f"Authorization: {way}")
                assert answer.status in (400, 403) and "pid" not in answer.text, (way, answer.text)
        answer = attacker.ask("POST /", host, signed(key, "ssm"), *target, body=body)
        assert answer.status in (400, 403) and SECRET not in answer.text, key
    nowhere = (f"Proxy-Authorization: Bearer {aws.key}", f"Authorisation: Bearer {aws.key}", f"Cookie: key={aws.key}")
    for header in nowhere:
        assert attacker.ask("POST /_gameday/reset", host, header).status == 403
    assert attacker.ask(f"POST /_gameday/reset?key={aws.key}", host).status == 403
    # What needs no signature of AWS's needs ours.
    form = "Content-Type: application/x-www-form-urlencoded"
    answer = attacker.ask("POST /", host, form, body=b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15")
    assert answer.status == 403
    for path in ("/ssm_us-east-1/x", "/us-east-1_abc/.well-known/jwks.json", "/bucket/key", "/latest/meta-data/"):
        assert attacker.ask(f"GET {path}", host).status == 403, path


@pytest.mark.parametrize("service", SERVED)
def test_who_lacks_the_key_is_told_the_way_in_by_the_own_sdk(attacker, service):
    for key in ("sandbox", "testing"):
        with pytest.raises(ClientError) as caught:
            getattr(attacker.client(service, key), LOOKS[service])()
        error = caught.value.response
        assert error["ResponseMetadata"]["HTTPStatusCode"] == 403
        assert error["Error"]["Code"] in ("AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException")
        assert "env $(gameday sandbox env)" in error["Error"]["Message"]


def test_a_body_is_not_waited_for_before_the_key_is_seen(attacker):
    head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{attacker.port}\r\nContent-Length: 1000000000\r\n\r\n"
    assert attacker.raw(head.encode()).status == 403
    chunked = f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{attacker.port}\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert attacker.raw(chunked.encode()).status == 403


def test_a_request_within_a_refused_one_is_not_carried_out(attacker):
    host = f"Host: 127.0.0.1:{attacker.port}"
    inner = f"POST /_gameday/reset HTTP/1.1\r\n{host}\r\nAuthorization: Bearer {attacker.aws.key}\r\n\r\n".encode()
    # Whoever could send this has no key to put in it; the reset would show all the same.
    answer = attacker.ask("POST /", host, "Origin: http://evil.example", body=inner)
    assert answer.status == 403 and answer.body.count(b"HTTP/1.1") == 0


PATHS = [
    *(
        "/moto-api",
        "/moto-api/",
        "/moto-api/reset",
        "/moto-api/reset-auth",
        "/moto-api/seed?a=1",
        "/moto-api/data.json",
    ),
    *("/moto-api/config", "/moto-api/state-manager/set-transition", "/moto-api/recorder/start-recording"),
    *("/moto-api/recorder/upload-recording", "/moto-api/recorder/replay-recording", "//moto-api/reset"),
    *("/%6doto-api/reset", "/%2fmoto-api/reset", "/./moto-api/reset", "/x/../moto-api/reset", "/MOTO-API/reset"),
    *("/latest/meta-data/iam/security-credentials/x", "/latest/dynamic/instance-identity/document", "/favicon.ico"),
    *("/bucket/key", "/service/GraniteServiceVersion20100801/operation/../../../moto-api/reset", "/2018-10-31/layers"),
]


@pytest.mark.parametrize("path", PATHS)
def test_motos_own_doors_are_closed_to_the_user_too(attacker, aws, path):
    wants = [
        *(signed(aws.key, s) for s in ("ssm", "ec2", "elasticfilesystem", "monitoring", "s3", "lambda")),
        f"Authorization: Bearer {aws.key}",
    ]
    for method in ("GET", "POST", "PUT", "DELETE"):
        for header in wants:
            answer = attacker.as_user(
                f"{method} {path}",
                header,
                "X-Amz-Target: AmazonSSM.GetParameter",
                body=b"{}",
                without=["Authorization"],
            )
            assert answer.status in (403, 501), (method, header, answer.text)
    assert not pathlib.Path("moto_recording").exists()


@pytest.mark.parametrize("service", ["s3", "lambda", "batch", "dynamodb", "sqs", "events", "ecs", "cloudformation"])
def test_what_no_stack_uses_is_not_there(attacker, service):
    look = {
        "s3": lambda c: c.list_buckets(),
        "lambda": lambda c: c.list_functions(),
        "batch": lambda c: c.describe_job_queues(),
        "dynamodb": lambda c: c.list_tables(),
        "sqs": lambda c: c.list_queues(),
        "events": lambda c: c.list_rules(),
        "ecs": lambda c: c.list_clusters(),
        "cloudformation": lambda c: c.list_stacks(),
    }[service]
    with pytest.raises(ClientError) as caught:
        look(attacker.client(service))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501, caught.value


def test_a_subscription_sends_no_request_to_this_machine(attacker):
    asked = []

    class Victim(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Victim)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sns = attacker.client("sns")
    topic = "arn:aws:sns:us-east-1:123456789012:t"
    url = f"http://127.0.0.1:{server.server_port}/admin"
    for call in (
        lambda: sns.create_topic(Name="t"),
        lambda: sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=url),
        lambda: sns.publish(TopicArn=topic, Message="x"),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == "NotImplemented"
    server.shutdown()
    assert asked == []


def test_a_signed_address_comes_in_with_the_key_only(aws):
    good = aws.sts.generate_presigned_url("get_caller_identity")
    with urllib.request.urlopen(good) as answer:
        assert b"123456789012" in answer.read()
    attacker = Attacker(aws)
    path = good.removeprefix(aws.url).replace(aws.key, "SANDBOX" + "0" * 32)
    assert attacker.ask(f"GET {path}", f"Host: 127.0.0.1:{attacker.port}").status == 403
    # One key in the address does not help another in the header.
    path = good.removeprefix(aws.url)
    host = f"Host: 127.0.0.1:{attacker.port}"
    assert attacker.ask(f"GET {path}", host, signed("x", "sts")).status == 403
    assert attacker.ask(f"GET {path}", host, "Sec-Fetch-Site: cross-site").status == 403


def test_keys_that_the_account_gave_out_come_in_until_it_is_emptied(aws):
    given = aws.sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/app", RoleSessionName="me")["Credentials"]
    as_role = Attacker(aws).client("sts", given["AccessKeyId"])
    assert as_role.get_caller_identity()["Arn"].endswith("assumed-role/app/me")
    aws.control("POST", "reset")
    with pytest.raises(ClientError):
        as_role.get_caller_identity()


def test_the_account_is_the_same_whatever_the_key(aws):
    assert aws.sts.get_caller_identity()["Account"] == "123456789012"
    assert aws.key not in json.dumps(aws.sts.get_caller_identity(), default=str)


def start(*args):
    process = subprocess.Popen(
        [sys.executable, str(PLUGIN), "--until-eof", *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    return process, process.stdout.readline()


def test_the_key_is_new_at_each_start_and_the_file_with_it_the_users_alone(tmp_path):
    seen, ready = set(), tmp_path / "ready.json"
    for _ in range(2):
        process, line = start("--ready-file", str(ready))
        left = json.loads(ready.read_text())
        assert ready.stat().st_mode & 0o777 == 0o600
        # The log of a sandbox is shown and sent around: the key is not in it.
        assert left["key"] not in line and left["secret"] not in line
        assert re.fullmatch("SANDBOX[0-9A-F]{32}", left["key"]) and len(left["secret"]) == 64
        seen |= {left["key"], left["secret"]}

        def ask(what, port=left["port"]):
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/_gameday/proof/{what}").read().decode()

        nonce = "5" * 64
        expected = hmac.new(left["secret"].encode(), f"{nonce} {left['port']}".encode(), hashlib.sha256).hexdigest()
        assert ask(nonce) == expected
        for wrong in ("", "5", "5" * 63, "g" * 64, "5" * 64 + "/..", "5" * 65):
            with pytest.raises(urllib.error.HTTPError):
                ask(wrong)
        process.stdin.close()
        process.wait(10)
        ready.unlink()
    assert len(seen) == 4


def test_the_file_is_not_written_through_a_link(tmp_path):
    theirs, ready = tmp_path / "theirs", tmp_path / "ready.json"
    theirs.write_text("precious")
    (tmp_path / "ready.json.new").symlink_to(theirs)
    process, line = start("--ready-file", str(ready))
    process.stdin.close()
    assert process.wait(30) != 0 and line == "" and theirs.read_text() == "precious"
