"""Several copies of a service on one machine, behind HAProxy: as processes, and as containers.

The containers are real: Debian's Docker runs them inside the machine, with networks, published ports and volumes of its
own. Only where its packages and its image come from is a stand-in: `dnf`, and a web server as the registry.
"""
import gzip
import hashlib
import io
import json
import os
import signal
import tarfile
import threading
import time
from collections import Counter

from world import HOST, SCRATCH, Machine, get, say, until

ALL = {"1", "2", "3"}


class Load:
    """Nine clients that ask one question after the other, none of them twice, and count the answers."""

    def __init__(self, machine):
        self.machine, self.codes, self.going = machine, [], True
        self.threads = [threading.Thread(target=self.client, args=(i,)) for i in range(9)]
        for thread in self.threads:
            thread.start()

    def client(self, number):
        count = 0
        while self.going:
            count += 1
            self.codes.append(get(self.machine.address, f"/calc?input=load-{number}-{count}", timeout=60)[0])

    def stop(self):
        self.going = False
        for thread in self.threads:
            thread.join()
        return self.codes


def seen_by_proxy(machine):
    """What the proxy knows of the copies: status, seconds since it changed, and the result of the last check."""
    try:
        text = machine.inside("curl", "-s", "-m", "3", "--unix-socket", "/run/gameday-proxy/stats", "http://proxy/stats;csv", check=False)
    except (OSError, IndexError):
        return {}
    rows = [line.split(",") for line in text.splitlines()]
    ours = [row for row in rows if row[0] == "copies" and row[1].startswith("copy-")]
    return {row[1].removeprefix("copy-"): (row[17], int(row[23] or 0), row[36]) for row in ours}


def up(machine):
    """The copies that the proxy sends requests to."""
    return {copy for copy, (status, *_) in seen_by_proxy(machine).items() if status == "UP"}


def told(machine):
    """What the proxy says of the copies to who asks the service for its health."""
    return {name.lower(): value for name, value in get(machine.address)[1].items()}.get("x-gameday-copies")


def main_pid(machine, copy):
    return machine.inside("systemctl", "show", "-p", "MainPID", "--value", f"gameday-billing@{copy}")


def container_pid(machine, copy):
    """The process of the service itself, as the machine sees it."""
    return machine.inside("docker", "inspect", "--format", "{{.State.Pid}}", f"gameday-billing-{copy}", check=False)


def replaced_under_load(machine, process):
    """One copy is killed and one hangs: both come back, and no request is lost."""
    load = Load(machine)
    until("the load runs", 60, lambda: len(load.codes) >= 20)
    for copy, word, kill in ((1, "killed", "-KILL"), (2, "frozen", "-STOP")):
        before = process(machine, copy)
        machine.inside("kill", kill, before)
        at = time.monotonic()
        until(f"the {word} copy is back", 90, lambda c=copy, b=before: process(machine, c) not in (b, "0", "") and up(machine) == ALL)
        say(f"{machine.name}: {word}, and back after {time.monotonic() - at:.1f} s; {len(load.codes)} requests so far, {Counter(load.codes)}")
    seen = len(load.codes)
    until("the load goes on", 60, lambda: len(load.codes) >= seen + 20)
    codes = load.stop()
    say(f"{machine.name}: {len(codes)} requests while one was killed and one was frozen: {Counter(codes)}")
    assert set(codes) == {200}, Counter(codes)
    assert "copy 2 is down for" in machine.inside("cat", "/var/log/gameday-boot.log")
    asked = [int(machine.inside("grep", "-c", "load-", f"/var/log/gameday/copy-{copy}/app_log", check=False)) for copy in sorted(ALL)]
    say(f"{machine.name}: the copies wrote {asked} lines about the load")
    assert min(asked) > 0 and sum(asked) >= len(codes), (asked, len(codes))


def logs_are_told_apart(machine):
    agent = json.loads(machine.inside("cat", "/opt/gameday/etc/agent.json"))
    streams = {entry["log_stream_name"]: entry["file_path"] for entry in agent["logs"]["logs_collected"]["files"]["collect_list"]}
    for copy in ALL:
        assert streams[f"{{instance_id}}/copy-{copy}"] == f"/var/log/gameday/copy-{copy}/app_log", streams
    machine.inside("logrotate", "--debug", "/etc/logrotate.d/gameday")


def one_is_enough(machine):
    """One copy that is well is enough; without any, nobody answers for them."""
    machine.inside("systemctl", "stop", "gameday-billing@1", "gameday-billing@2")
    until("two are out", 30, lambda: up(machine) == {"3"})
    # A copy whose check has failed once is neither up nor down.
    until("the proxy says so", 30, lambda: told(machine) == "1=down 2=down 3=up")
    assert [get(machine.address)[0] for _ in range(8)] == [200] * 8
    machine.inside("systemctl", "stop", "gameday-billing@3")
    until("nobody answers", 30, lambda: get(machine.address)[0] == 0)
    machine.inside("systemctl", "start", "gameday-billing@1", "gameday-billing@2", "gameday-billing@3")
    until("all answer", 30, lambda: up(machine) == ALL and get(machine.address)[0] == 200)
    until("the proxy says so", 30, lambda: told(machine) == "1=up 2=up 3=up")


def again_and_after_a_reboot(machine, process):
    """A second run of the user data, every stage by hand, a reboot."""
    pids = [process(machine, copy) for copy in sorted(ALL)]
    runs = machine.inside("cat", "/var/log/gameday-boot.log").count("the service runs already")
    machine.inside("bash", "/var/lib/cloud/instance/scripts/part-001")
    until("second run", 30, lambda: machine.inside("cat", "/var/log/gameday-boot.log").count("the service runs already") > runs)
    for stage in ("packages", "files", "secrets", "fetch", "config", "database", "cache", "agent"):
        machine.inside("/opt/gameday/boot", "stage", stage)
    assert pids == [process(machine, copy) for copy in sorted(ALL)], "the copies notice nothing"
    leader = machine.process.pid
    machine.inside("systemctl", "reboot", check=False)
    until("it goes down", 30, lambda: machine.process.pid != leader)
    until("all serve again", 90, lambda: get(machine.address)[0] == 200 and up(machine) == ALL)
    say(f"{machine.name}: a second run changes nothing, and a reboot brings all of them back")


def copies(world):
    """Three copies behind HAProxy: each with files of its own, none missed when it dies or hangs."""
    machine = Machine(world, "copies", "copies").boot()
    machine.serving(120)
    for copy in (1, 2, 3):
        folder = f"/opt/gameday/copies/{copy}"
        assert f"listening on port {20000 + copy}" in machine.inside("cat", f"/var/log/gameday/copy-{copy}/app_log")
        ini = machine.inside("cat", f"{folder}/server.ini")
        assert f'"Port" = "{20000 + copy}"' in ini and f'"LogLocation" = "/var/log/gameday/copy-{copy}/"' in ini and '"FsPath" = "/mnt/efs/"' in ini, ini
        pid = main_pid(machine, copy)
        assert machine.inside("readlink", f"/proc/{pid}/cwd") == folder
        assert f"PORT={20000 + copy}" in machine.inside("cat", f"/proc/{pid}/environ").split("\0")
        assert machine.inside("stat", "-c", "%a %U:%G", f"{folder}/server.ini") == "640 gameday:gameday"
    assert len(set(machine.inside("stat", "-c", "%i", *(f"/opt/gameday/copies/{copy}/server" for copy in (1, 2, 3))).split())) == 1, "one file for all"
    logs_are_told_apart(machine)
    replaced_under_load(machine, main_pid)

    # Fifteen are answered and fifteen wait; of the others some are sent away, and none is lost.
    codes = []
    threads = [threading.Thread(target=lambda i=i: codes.append(get(machine.address, f"/calc?input=copies-{i}", timeout=60)[0])) for i in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    say(f"copies: sixty at once: {Counter(codes)}")
    assert set(codes) == {200, 503} and codes.count(200) >= 30, Counter(codes)

    one_is_enough(machine)
    again_and_after_a_reboot(machine, main_pid)
    yield machine

    one_fails = Machine(world, "one-copy-fails", "one-copy-fails").boot()
    node_copies = Machine(world, "node-copies", "node-copies").boot()
    one_fails.serving(120)
    log = until("a warning", 60, lambda: (log := one_fails.inside("cat", "/var/log/gameday-boot.log")) and "warning: copy 2 does not answer: copy 2: the service does not answer on port 20002" in log and log)
    assert "the service answers on port 80" in until("done", 30, lambda: "the service answers on port 80" in (log := one_fails.inside("cat", "/var/log/gameday-boot.log")) and log), log
    node_copies.serving(90)
    until("both answer", 30, lambda: {get(node_copies.address)[2].rsplit(" ", 1)[-1] for _ in range(8)} == {"20001", "20002"})
    say("copies: one that fails keeps none of the others; an archive in Node is served by both")
    yield one_fails
    yield node_copies


def slow_start(world, machine):
    """A container that does not listen yet, behind a proxy of Docker's that does, is no copy that hangs."""
    before = container_pid(machine, 1)
    # The server waits for the database before it listens.
    world.database.send_signal(signal.SIGSTOP)
    try:
        machine.inside("kill", "-KILL", before)
        again = until("it is started again", 30, lambda: (pid := container_pid(machine, 1)) not in (before, "0", "") and pid)
        down = until("it is down for long", 90, lambda: (seen := seen_by_proxy(machine).get("1")) and seen[0] == "DOWN" and seen[1] > 40 and seen)
        say(f"{machine.name}: one that starts slowly is {down}")
        assert container_pid(machine, 1) == again and "copy 1 is down for" not in machine.inside("cat", "/var/log/gameday-boot.log")
    finally:
        world.database.send_signal(signal.SIGCONT)
    until("it is up", 30, lambda: up(machine) == ALL)
    assert container_pid(machine, 1) == again


def image(world):
    """The image server:1, with nothing in it but the server, where the machines' Docker pulls it from."""
    with open(f"{world.inputs}/web/server", "rb") as f:
        server = f.read()
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        entry = tarfile.TarInfo("server")
        entry.size, entry.mode = len(server), 0o755
        tar.addfile(entry, io.BytesIO(server))
    folder, docker = f"{world.inputs}/web/v2/server", "application/vnd.docker"
    os.makedirs(f"{folder}/blobs", exist_ok=True)
    os.makedirs(f"{folder}/manifests", exist_ok=True)

    def blob(content, kind):
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        with open(f"{folder}/blobs/{digest}", "wb") as f:
            f.write(content)
        return {"mediaType": f"{docker}.{kind}", "size": len(content), "digest": digest}

    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/server"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{docker}.distribution.manifest.v2+json",
        "config": blob(json.dumps(config).encode(), "container.image.v1+json"),
        "layers": [blob(gzip.compress(layer.getvalue(), 1), "image.rootfs.diff.tar.gzip")],
    }
    content = json.dumps(manifest).encode()
    # Docker asks by the tag first, and then by what that is.
    for name in ("1", f"sha256:{hashlib.sha256(content).hexdigest()}"):
        with open(f"{folder}/manifests/{name}", "wb") as f:
            f.write(content)


def docker_machine(world):
    """A machine in which Docker can run: with its folder on a file system that takes layers."""
    folder = f"{SCRATCH}/docker"
    os.makedirs(folder)
    options = ["--capability=all", "--system-call-filter=add_key keyctl bpf", f"--bind={folder}:/var/lib/docker"]
    machine = Machine(world, "containers", "containers", options=options, own_groups=True)
    runtimes = {"default-runtime": "stand-in", "runtimes": {"stand-in": {"path": "/usr/lib/stand-ins/runc"}}}
    machine.write("etc/docker/daemon.json", json.dumps({"insecure-registries": [f"{HOST}:8000"], **runtimes}))
    return machine


def containers(world):
    """Three containers behind HAProxy: each with a port and a log of its own, none missed when it dies or hangs."""
    image(world)
    machine = docker_machine(world).boot()
    machine.serving(180)
    daemon = json.loads(machine.inside("cat", "/etc/docker/daemon.json"))
    assert daemon["insecure-registries"] == [f"{HOST}:8000"] and daemon["bip"] == "192.168.240.1/24", daemon
    networks = set()
    for copy in (1, 2, 3):
        published = machine.inside("docker", "port", f"gameday-billing-{copy}")
        assert published == f"80/tcp -> 127.0.0.1:{20000 + copy}", published
        assert get(machine.address, port=20000 + copy)[0] == 0, "a copy is reached through the proxy only"
        assert "listening on port 80" in machine.inside("cat", f"/var/log/gameday/copy-{copy}/app_log")
        pid = container_pid(machine, copy)
        networks.add(machine.inside("readlink", f"/proc/{pid}/ns/net"))
        # Neither over the network of the container: the role's credentials are the machine's own.
        asked = machine.inside("nsenter", "-t", pid, "-n", "curl", "-s", "-m", "5", "http://169.254.169.254/latest/", "-w", "%{http_code}", check=False)
        assert asked == "000", asked
    assert len(networks) == 3, networks
    assert machine.inside("curl", "-s", "-m", "5", "http://169.254.169.254/latest/", "-w", "%{http_code}") == "401"
    logs_are_told_apart(machine)
    slow_start(world, machine)
    replaced_under_load(machine, container_pid)
    one_is_enough(machine)
    again_and_after_a_reboot(machine, container_pid)
    yield machine
