"""The API as a script uses it: what it answers, what it refuses and how, who may, and what it costs in AWS calls."""

import json
import signal
import socket
import subprocess
import threading
import time

import pytest
from conftest import basic, until
from harness import BINARY

TOKEN = "correct-horse"
RIGHT = basic(f"anybody:{TOKEN}")
OURS = "/elb/billing-main"


@pytest.fixture(scope="module")
def server(world):
    with world.serve(GAMEDAY_TOKEN=TOKEN) as server:
        yield server


@pytest.fixture(scope="module")
def spare(world):
    """An instance of the stack's VPC that is nobody's."""
    [vpc] = [v for v in world.ec2.describe_vpcs()["Vpcs"] if not v["IsDefault"]]
    subnets = world.ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["Subnets"]
    return launch(world, subnets[0]["SubnetId"])


def launch(world, subnet):
    image = world.ec2.describe_images()["Images"][0]["ImageId"]
    made = world.ec2.run_instances(ImageId=image, InstanceType="t2.micro", MinCount=1, MaxCount=1, SubnetId=subnet)
    at = made["Instances"][0]["InstanceId"]

    def state():
        [reservation] = world.ec2.describe_instances(InstanceIds=[at])["Reservations"]
        return reservation["Instances"][0]["State"]["Name"] == "running"

    until(f"{at} runs", state)
    return at


def ids(message):
    return sorted(m["instanceId"] for m in message)


def test_it_runs_and_says_so_without_a_call(world, server):
    until("the first picture", lambda: server.ask("GET", "/status").status == 200)
    assert server.first["event"] == "listening" and server.first["token"] is True
    answer = server.ask("GET", "/healthcheck")
    assert (answer.status, answer.message) == (200, "ok")
    for path in ("/", "/status", "/healthcheck"):
        answer = server.ask("HEAD", path)
        assert (answer.status, answer.body) == (200, b"")


def test_status_keeps_the_contract_of_status_and_of_watch(world, server):
    answer = server.ask("GET", "/status")
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/json"
    told = answer.json
    once = world.run("status", "-o", "json").json
    assert set(once) <= set(told), set(once) - set(told)
    assert (told["stack"], told["serving"], told["endpoint"]) == ("billing", True, once["endpoint"])
    assert sorted((s["key"], s["phase"]) for s in told["steps"]) == sorted((s["key"], s["phase"]) for s in once["steps"])
    watch = subprocess.Popen(
        [BINARY, "--sandbox", "-c", world.file, "-o", "json", "status", "--watch"], stdout=subprocess.PIPE
    )
    round_ = json.loads(watch.stdout.readline())
    watch.kill()
    watch.wait()
    assert set(round_) <= set(told) and told["event"] == "round", set(round_) - set(told)
    assert ids({"instanceId": i["id"]} for i in told["instances"] if i["health"] == "healthy") == world.behind()
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_page_runs_nothing_but_itself(server):
    answer = server.ask("GET", "/")
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/html")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and policy.count("'sha256-") == 2
    assert "frame-ancestors 'none'" in policy and answer.headers["X-Content-Type-Options"] == "nosniff"
    assert b"http://" not in answer.body.replace(b"http://www.w3.org/2000/svg", b"") and b"https://" not in answer.body


def test_the_machines_behind_a_balancer(world, server):
    answer = server.ask("GET", OURS)
    assert answer.status == 200 and ids(answer.message) == world.behind()
    for machine in answer.message:
        assert list(machine) == ["instanceId", "instanceType", "launchDate"]
        [reservation] = world.ec2.describe_instances(InstanceIds=[machine["instanceId"]])["Reservations"]
        [real] = reservation["Instances"]
        assert machine["instanceType"] == real["InstanceType"]
        assert machine["launchDate"] == real["LaunchTime"].strftime("%Y-%m-%dT%H:%M:%SZ")


def test_one_is_attached_and_detached(world, server, spare):
    before = world.behind()
    assert spare not in before
    answer = server.ask("POST", OURS, RIGHT, {"instanceId": spare})
    assert (answer.status, answer.message["instanceId"], answer.message["instanceType"]) == (201, spare, "t2.micro")
    assert world.behind() == sorted([*before, spare])
    # What was listed a moment ago is not what is told now.
    assert spare in ids(server.ask("GET", OURS).message)

    answer = server.ask("POST", OURS, RIGHT, {"instanceId": spare})
    assert answer.status == 409 and "already" in answer.message

    answer = server.ask("DELETE", OURS, RIGHT, {"instanceId": spare})
    assert (answer.status, answer.message["instanceId"]) == (200, spare)
    assert world.behind() == before and spare not in ids(server.ask("GET", OURS).message)
    answer = server.ask("DELETE", OURS, RIGHT, {"instanceId": spare})
    assert answer.status == 409 and "not behind" in answer.message
    until("the event", lambda: any(spare in e["text"] for e in server.ask("GET", "/status").json["events"]))


def test_the_same_on_the_command_line(world, spare):
    before = world.behind()
    assert world.run("targets", "attach", spare).out == f"attached {spare} to billing-main\n"
    assert world.behind() == sorted([*before, spare])
    table = world.run("targets", "list").out
    assert table.splitlines()[0].split() == ["instance", "type", "launched", "zone", "health"]
    assert all(at in table for at in world.behind())
    named = world.run("targets", "list", "billing-main", "-o", "json").json
    assert ids(named["message"]) == world.behind()
    assert "already" in world.run("targets", "attach", spare, code=1).err
    gone = world.run("-o", "json", "targets", "detach", spare, "--balancer", "billing-main").json
    assert gone["message"]["instanceId"] == spare and world.behind() == before
    assert "--sandbox targets list" in world.run("targets", "detach", spare, code=1).err
    wrong = world.run("targets", "list", "biling-main", code=1).err
    assert "there is no load balancer biling-main" in wrong and "did you mean billing-main" in wrong
    # Of an Auto Scaling group: what follows is said.
    said = world.run("targets", "detach", before[0]).err
    assert "Auto Scaling group billing-api" in said and f" --sandbox targets attach {before[0]}`" in said
    world.run("targets", "attach", before[0])
    assert world.behind() == before


def test_what_is_unknown_or_in_the_wrong_state(world, server, spare):
    def refused(method, path, instance, status, *words):
        answer = server.ask(method, path, RIGHT, {"instanceId": instance})
        assert answer.status == status, (answer.status, answer.body)
        assert all(w in answer.message for w in words), answer.message

    before = world.behind()
    answer = server.ask("GET", "/elb/nobody")
    assert answer.status == 404 and "no load balancer nobody" in answer.message and "billing-main" in answer.message
    # Longer than any name, and with what no name has.
    for name in ("x" * 200, "a%2Fb", "%00", "%F0%9F%8E%AF"):
        assert server.ask("GET", f"/elb/{name}").status in (400, 404), name
    for method in ("POST", "DELETE"):
        refused(method, "/elb/nobody", spare, 404, "no load balancer nobody")
        refused(method, OURS, "i-0123456789abcdef0", 400, "no instance i-0123456789abcdef0")
        refused(method, OURS, "web-1", 400, "web-1", "i-0123456789abcdef0")
        refused(method, OURS, "", 400)

    [elsewhere] = world.ec2.describe_subnets(Filters=[
        {"Name": "default-for-az", "Values": ["true"]}, {"Name": "availability-zone", "Values": ["us-east-1a"]}
    ])["Subnets"]
    foreign = launch(world, elsewhere["SubnetId"])
    refused("POST", OURS, foreign, 409, elsewhere["VpcId"], "own VPC")
    world.ec2.stop_instances(InstanceIds=[spare])
    until("it is stopped", lambda: server_state(world, spare) == "stopped")
    refused("POST", OURS, spare, 409, "stopped", "running")
    world.ec2.start_instances(InstanceIds=[spare])
    until("it runs", lambda: server_state(world, spare) == "running")
    world.ec2.terminate_instances(InstanceIds=[foreign])

    # A balancer that sends requests nowhere, and one that sends them to two groups: which is meant is not guessed.
    subnets = [s["SubnetId"] for s in world.ec2.describe_subnets(Filters=[
        {"Name": "default-for-az", "Values": ["true"]}])["Subnets"]][:2]
    elb = world.elbv2
    arn = elb.create_load_balancer(Name="other", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    # What balancers there are is asked every five seconds, whatever names are asked for.
    assert until("it is known", lambda: (a := server.ask("GET", "/elb/other")).status == 200 and a).message == []
    refused("POST", "/elb/other", spare, 409, "no target group")
    groups = [
        elb.create_target_group(Name=n, Protocol="HTTP", Port=80, VpcId=elsewhere["VpcId"])["TargetGroups"][0]
        for n in ("one", "two")
    ]
    for port, group in zip((80, 81), groups, strict=True):
        to = [{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}]
        elb.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=port, DefaultActions=to)
    refused("POST", "/elb/other", spare, 409, "several target groups", "one", "two")
    elb.delete_load_balancer(LoadBalancerArn=arn)
    for group in groups:
        elb.delete_target_group(TargetGroupArn=group["TargetGroupArn"])
    assert world.behind() == before


def server_state(world, at):
    [reservation] = world.ec2.describe_instances(InstanceIds=[at])["Reservations"]
    return reservation["Instances"][0]["State"]["Name"]


def test_bodies_methods_and_paths_that_are_wrong(world, server, spare):
    kind = {"Content-Type": "application/json"}
    for body in ("", "{", "[]", '"i-1"', "{}", '{"instanceId": 7}', '{"instance": "i-1"}',
                 '{"instanceId": "i-0123456789abcdef0", "port": 80}', "\x00\x01"):
        for method in ("POST", "DELETE"):
            answer = server.ask(method, OURS, {**RIGHT, **kind}, body)
            assert answer.status == 400 and "instanceId" in answer.message, (body, answer.status, answer.body)
    for headers in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}):
        answer = server.ask("POST", OURS, {**RIGHT, **headers}, json.dumps({"instanceId": spare}).replace(" ", ""))
        assert answer.status == 415 and "application/json" in answer.message, headers
    answer = server.ask("POST", OURS, {**RIGHT, **kind}, '{"instanceId": "' + "i" * 10_000 + '"}')
    assert answer.status == 413 and answer.message
    for method, path in [("POST", "/"), ("PUT", OURS), ("PATCH", OURS), ("DELETE", "/status"), ("OPTIONS", OURS),
                         ("POST", "/healthcheck")]:
        answer = server.ask(method, path, RIGHT)
        assert answer.status == 405 and answer.message and "GET" in answer.headers["Allow"], (method, path)
    for path in ("/nothing", "/elb", "/elb/", "/elb/a/b", "/status/", "/../etc/passwd"):
        answer = server.ask("GET", path)
        assert answer.status == 404 and "/elb/NAME" in answer.message, path


def test_who_may(world, server, spare):
    change = {"instanceId": spare}
    before = world.behind()
    wrong = [None, basic("anybody:wrong"), basic(f"{TOKEN}:"), basic(TOKEN), basic("anybody:" + TOKEN + "x"),
             {"Authorization": "Basic"}, {"Authorization": "Basic !!!"}, {"Authorization": f"Bearer {TOKEN}"}]
    for headers in wrong:
        for method in ("POST", "DELETE"):
            answer = server.ask(method, OURS, headers, change)
            assert answer.status == 401, (headers, answer.status)
            assert answer.headers["WWW-Authenticate"].startswith('Basic realm="gameday"') and answer.message
        for path in ("/", "/status", OURS, "/healthcheck"):
            assert server.ask("GET", path, headers).status == 200, "on loopback everybody may look"
    # A page of another site, by its own name or in somebody's browser.
    for host in ("evil.example", "evil.example:80", f"localhost.evil.example:{server.host.split(':')[1]}", "10.0.0.1"):
        for path in ("/", "/status", OURS, "/healthcheck"):
            answer = server.ask("GET", path, RIGHT, host=host)
            assert answer.status == 403 and "localhost" in answer.message, host
    assert server.ask("GET", "/status", host="").status in (400, 403)
    for host in ("localhost", "LOCALHOST:1234", "127.0.0.1", "[::1]:9"):
        assert server.ask("GET", "/healthcheck", host=host).status == 200, host
    others = [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"},
              {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}]
    for origin in others:
        answer = server.ask("POST", OURS, {**RIGHT, **origin}, change)
        assert answer.status == 403 and "another site" in answer.message, origin
    assert world.behind() == before
    own = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
    assert server.ask("POST", OURS, {**RIGHT, **own}, change).status == 201
    assert server.ask("DELETE", OURS, {**RIGHT, **own}, change).status == 200


def test_without_a_token_nothing_can_be_changed(world, spare):
    with world.serve() as server:
        assert server.first["token"] is False
        assert server.ask("GET", OURS).status == 200
        for method in ("POST", "DELETE"):
            answer = server.ask(method, OURS, RIGHT, {"instanceId": spare})
            assert answer.status == 403 and "GAMEDAY_TOKEN" in answer.message
        assert spare not in world.behind()


def test_others_reach_it_only_with_the_token(world, tmp_path):
    refused = world.run("serve", "--listen", "0.0.0.0:0", code=2)
    assert "there is no token" in refused.err and "GAMEDAY_TOKEN" in refused.err and refused.out == ""
    for empty in ("", " \n"):
        world.run("serve", "--listen", "0.0.0.0:0", code=2, GAMEDAY_TOKEN=empty)
    missing = world.run("serve", "--token-file", str(tmp_path / "none"), code=2).err
    assert "cannot read the token" in missing
    file = tmp_path / "token"
    file.write_text("\n")
    assert "there is no token in" in world.run("serve", "--token-file", str(file), code=2).err

    file.write_text("team:s3cret-word\n")
    with world.serve("--listen", "0.0.0.0:0", "--token-file", str(file)) as server:
        both, password = basic("team:s3cret-word"), basic("other:s3cret-word")
        assert server.ask("GET", "/healthcheck", host="bigscreen.lan").message == "ok"
        for path in ("/", "/status", OURS, "/nothing"):
            for headers in (None, password):
                answer = server.ask("GET", path, headers)
                assert answer.status == 401 and "WWW-Authenticate" in answer.headers, path
        for path in ("/", OURS):
            assert server.ask("GET", path, both, host="bigscreen.lan").status == 200
        code, said = server.end()
        assert code == 0 and "s3cret" not in said and "s3cret" not in json.dumps(server.first)


def test_what_the_account_refuses_is_passed_on(world, server, spare):
    world.control("POST", "faults", {"deny": ["elbv2:RegisterTargets"]})
    try:
        answer = server.ask("POST", OURS, RIGHT, {"instanceId": spare})
        assert answer.status == 403 and "RegisterTargets" in answer.message and "gameday policy" in answer.message
    finally:
        world.control("DELETE", "faults")
    assert spare not in world.behind()


def test_many_who_look_cost_no_more_than_one(world, server):
    server.ask("GET", OURS)
    world.control("DELETE", "calls")
    begun, answers = time.monotonic(), []

    def viewer():
        for _ in range(25):
            answers.append(server.ask("GET", "/status").status)
            answers.append(server.ask("GET", OURS).status)

    viewers = [threading.Thread(target=viewer) for _ in range(12)]
    for v in viewers:
        v.start()
    for v in viewers:
        v.join()
    took = time.monotonic() - begun
    assert answers == [200] * 600
    counts = world.control("GET", "calls")["counts"]["by_operation"]
    # A list is looked up at most every five seconds, by one call of each kind; the rest is the watch's own.
    lists = counts.get("elbv2:DescribeTargetGroups", 0)
    looks = counts.get("cloudwatch:DescribeAlarms", 0)
    assert lists <= took / 5 + 2 + 2 * looks + 2, (counts, took)
    assert sum(counts.values()) <= 4 * (took / 5 + 2) + 100 * (took / 20 + 1), (counts, took)


def test_the_printed_policy_covers_every_call(world, server, spare):
    world.control("DELETE", "calls")
    for verb in ("attach", "detach"):
        world.run("targets", verb, spare)
    world.run("targets", "list")
    prefix = {"elbv2": "elasticloadbalancing", "efs": "elasticfilesystem", "resourcegroupstaggingapi": "tag"}
    made = {
        f"{prefix.get(s, s)}:{o}"
        for s, o in (c.split(":") for c in world.control("GET", "calls")["counts"]["by_operation"])
    }
    assert {"elasticloadbalancing:RegisterTargets", "elasticloadbalancing:DeregisterTargets"} <= made
    policies = world.run("policy", "-o", "json").json["policies"]
    allowed = {a for p in policies for s in p["document"]["Statement"]
               for a in (s["Action"] if isinstance(s["Action"], list) else [s["Action"]])}
    assert made <= allowed, made - allowed


def test_a_port_that_is_taken_is_said(world):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = world.run("serve", "--listen", f"127.0.0.1:{taken.getsockname()[1]}", code=1).err
    assert "cannot listen on 127.0.0.1" in said and "--listen 127.0.0.1:0" in said


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_it_is_told(world, how):
    with world.serve() as server:
        # Somebody who keeps the line open holds nothing up.
        with socket.create_connection(server.host.split(":")) as line:
            line.sendall(f"GET /healthcheck HTTP/1.1\r\nHost: {server.host}\r\n\r\n".encode())
            assert line.recv(100).startswith(b"HTTP/1.1 200")
            code, said = server.end(how)
        assert code == 0 and "panicked" not in said
        with pytest.raises(OSError):
            server.ask("GET", "/healthcheck")
