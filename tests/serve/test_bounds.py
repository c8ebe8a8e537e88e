"""What somebody who may do nothing can do to the server: hold connections, guess the token, have it ask AWS."""

import asyncio
import contextlib
import http.client
import json
import os
import resource
import socket
import threading
import time

import pytest
from conftest import basic, until

TOKEN = "correct-horse-battery"
RIGHT = basic(f"anybody:{TOKEN}")
OURS = "/elb/billing-main"
HALF = b"GET /status HTTP/1.1\r\nHost: loc"


@pytest.fixture(scope="module", autouse=True)
def files():
    """Room for many connections of our own."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8192), most))


@pytest.fixture(scope="module")
def server(world):
    with world.serve(GAMEDAY_TOKEN=TOKEN) as server:
        until("the first picture", lambda: server.ask("GET", "/status").status == 200)
        yield server


def connect(server, text, of="127.0.0.1"):
    host, port = server.host.split(":")
    line = socket.create_connection((host, int(port)), timeout=30, source_address=(of, 0))
    line.sendall(text)
    line.setblocking(False)
    return line


def held(server):
    """The other ends of the connections that the server's process has open, by their ports."""
    # One of ours may have the server's port at another address of its own.
    own = f"0100007F:{int(server.host.split(':')[1]):04X}"
    rows = [row.split() for row in open("/proc/net/tcp").readlines()[1:]]
    # Without an inode it is the kernel's alone; 0A listens.
    return {int(r[2].split(":")[1], 16) for r in rows if r[1] == own and r[9] != "0" and r[3] != "0A"}


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def test_half_requests_stop_neither_answers_nor_the_watch(world):
    with world.serve(files=256) as server, contextlib.ExitStack() as lines:
        first = until("the first picture", lambda: (a := server.ask("GET", "/status")).status == 200 and a).json["at"]
        half = []
        for n in range(1000):
            half.append(lines.enter_context(contextlib.closing(connect(server, HALF, f"127.0.{n % 5}.1"))))
            if n % 100 == 50:
                assert server.ask("GET", "/status").status == 200, n
                assert descriptors(server) < 200, "some are left for AWS"
        assert server.ask("GET", OURS).status == 200
        # It looks at the account meanwhile, and nothing was missing for that.
        told = until("the next look", lambda: (t := server.ask("GET", "/status").json)["at"] > first and t)
        assert "Too many open files" not in json.dumps(told) + server.said()
        ports = {line.getsockname()[1] for line in half}
        until("they are closed", lambda: not ports & held(server), 60)


@pytest.mark.parametrize("how", ["a header by the byte", "no byte at all", "a body that does not come", "an answer that is not read"])
def test_who_dawdles_is_let_go(server, how):
    begun = {
        "a header by the byte": b"GET /status HTTP/1.1\r\n",
        "no byte at all": b"",
        "a body that does not come": f"POST {OURS} HTTP/1.1\r\nHost: {server.host}\r\nAuthorization: {RIGHT['Authorization']}\r\n"
        "Content-Type: application/json\r\nContent-Length: 40\r\n\r\n{".encode(),
        "an answer that is not read": f"GET / HTTP/1.1\r\nHost: {server.host}\r\n\r\n".encode() * 200,
    }[how]
    with contextlib.closing(connect(server, begun)) as line:
        port = line.getsockname()[1]
        until("it is taken", lambda: port in held(server))

        def gone():
            with contextlib.suppress(OSError):
                if how == "a header by the byte":
                    line.send(b"X")
            return port not in held(server)

        until("it is let go", gone, 60)


def test_many_who_ask_at_once_are_all_answered(server):
    answers = []

    def viewer():
        for _ in range(10):
            answers.append(server.ask("GET", "/status").status)

    viewers = [threading.Thread(target=viewer) for _ in range(100)]
    for v in viewers:
        v.start()
    for v in viewers:
        v.join()
    assert answers == [200] * 1000


def test_busy_connections_of_one_address_shut_nobody_out(server):
    """Each asks again and again, so that none is ever idle for long; without the token."""
    host, port = server.host.split(":")
    ask = f"GET /healthcheck HTTP/1.1\r\nHost: {server.host}\r\n\r\n".encode()
    done = threading.Event()

    async def busy():
        while not done.is_set():
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection(host, int(port), local_addr=("127.0.0.1", 0))
                with contextlib.closing(writer):
                    while not done.is_set():
                        writer.write(ask)
                        await reader.readuntil(b"\r\n\r\n")
                        await asyncio.sleep(0.2)

    async def crowd():
        await asyncio.gather(*[busy() for _ in range(280)])

    attack = threading.Thread(target=lambda: asyncio.run(crowd()))
    attack.start()
    try:
        until("there is no room", lambda: len(held(server)) > 200)
        for n in range(5):
            with contextlib.closing(connect(server, ask, "127.0.0.9")) as line:
                line.settimeout(60)
                assert line.recv(1024).startswith(b"HTTP/1.1 200"), n
    finally:
        done.set()
        attack.join()


def asked_for_balancers(world, ask):
    """How often AWS was asked for balancers while `ask` went on, and how often the watch's own looks explain."""
    world.control("DELETE", "calls")
    begun = time.monotonic()
    ask()
    took = time.monotonic() - begun
    counts = world.control("GET", "calls")["counts"]["by_operation"]
    return counts.get("elbv2:DescribeLoadBalancers", 0), 3 * (took / 5 + 2), took


@pytest.mark.parametrize("header", [
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://evil.example"},
    {"Referer": "http://evil.example/page"},
])
def test_a_page_of_another_site_makes_no_aws_call(world, server, header):
    def ask():
        for n in range(150):
            for method in ("GET", "HEAD"):
                assert server.ask(method, f"/elb/x{n}", header).status == 403
        assert server.ask("GET", OURS, header).status == 403

    made, own, _ = asked_for_balancers(world, ask)
    assert made <= own, made
    # A link may lead here.
    assert server.ask("GET", "/", {**header, "Sec-Fetch-Mode": "navigate"}).status == 200


def test_names_that_are_none_are_asked_for_once(world, server):
    def ask():
        for n in range(300):
            answer = server.ask("GET", f"/elb/x{n}")
            assert answer.status == 404 and "billing-main" in answer.message

    made, own, took = asked_for_balancers(world, ask)
    assert made <= own + took / 5 + 1, (made, took)
    world.control("POST", "faults", {"deny": ["elbv2:DescribeLoadBalancers"]})
    try:
        # What was read before is told for five seconds.
        until("it is refused", lambda: server.ask("GET", "/elb/y").status != 404)
        made, own, took = asked_for_balancers(world, lambda: [server.ask("GET", f"/elb/y{n}") for n in range(300)])
    finally:
        world.control("DELETE", "faults")
    assert made <= own + took / 5 + 1, (made, took)


def test_guesses_are_slow(server):
    def ask(token, of):
        connection = http.client.HTTPConnection(server.host, timeout=60, source_address=(of, 0))
        with contextlib.closing(connection):
            connection.request("DELETE", OURS, json.dumps({"instanceId": "web-1"}),
                               {**basic(f"x:{token}"), "Content-Type": "application/json"})
            return connection.getresponse()

    said = [ask(f"guess-{n}", "127.9.9.9") for n in range(60)]
    assert {401, 429} == {a.status for a in said} and [a.status for a in said[:20]] == [401] * 20
    assert sum(a.status == 401 for a in said) < 40
    late = next(a for a in said if a.status == 429)
    assert 1 <= int(late.headers["Retry-After"]) <= 4
    # Whoever is elsewhere is not held up: 400 is for the instance's id.
    assert ask(TOKEN, "127.9.9.8").status == 400


def test_tokens_that_others_know_or_can_guess(world, tmp_path):
    file = tmp_path / "token"

    def refused(*args, **env):
        begun = time.monotonic()
        said = world.run("serve", "--listen", "0.0.0.0:0", *args, code=2, **env).err
        assert time.monotonic() - begun < 60 and "s3cret" not in said
        return said

    for short in ("s", "s3cret", "s3cret-of-15-ch"):
        assert "fewer than 16 characters" in refused(GAMEDAY_TOKEN=short)
        file.write_text(short)
        file.chmod(0o600)
        assert "fewer than 16 characters" in refused("--token-file", str(file))
        # On loopback only those of this machine could guess.
        with world.serve("--token-file", str(file)) as server:
            assert "fewer than 16 characters" in server.said() and server.first["token"] is True
    file.write_text("s3cret-of-16-char")
    for mode in (0o666, 0o620, 0o602):
        file.chmod(mode)
        assert "can be written by others" in refused("--token-file", str(file))
    file.chmod(0o644)
    with world.serve("--listen", "0.0.0.0:0", "--token-file", str(file)) as server:
        assert "can read the token" in server.said()
    file.chmod(0o600)
    with world.serve("--listen", "0.0.0.0:0", "--token-file", str(file)) as server:
        assert "token" not in server.said().lower().replace("token-file", "")
    if os.getuid() == 0:
        os.chown(file, 12345, -1)
        assert "belongs to another user" in refused("--token-file", str(file))
        os.chown(file, 0, -1)
    assert "holds more than 4 KiB" in refused("--token-file", "/dev/zero")
    (tmp_path / "large").write_text("x" * 5000)
    assert "holds more than 4 KiB" in refused("--token-file", str(tmp_path / "large"))
    os.mkfifo(tmp_path / "pipe")
    assert "there is no token" in refused("--token-file", str(tmp_path / "pipe"))


