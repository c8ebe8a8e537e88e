"""Write the boot messages of an instance.

No machine boots here. The lines have the form of userdata/boot.sh.j2, so that `gameday logs` and the console can show
something in a rehearsal.
"""

import base64
import gzip
from datetime import UTC, datetime

from moto.logs.models import logs_backends

from .clock import CLOCK
from .ec2_instances import BOOT, WATCHERS, ec2_backends, switch_off
from .rules import instead

# The stages that every stack has, and the share of the boot time after which each is done.
STAGES = {"packages": 0.4, "secrets": 0.5, "fetch": 0.6, "config": 0.65, "service": 1.0}


def begin(instance):
    if instance.state != "running" or hasattr(instance, "said"):
        return
    instance.said, instance.said_at = [], 0
    say(instance, "-", "begins: stand-in lines, no machine boots in the sandbox")
    say(instance, "-", f"instance {instance.id} in {instance._placement.zone}")
    script = script_of(instance)
    if BAKED in script:
        return bake(instance, script)
    for stage, share in STAGES.items():
        seconds = round(BOOT * share)
        text = f"done {seconds} s after the start"
        CLOCK.after(seconds, lambda stage=stage, text=text: say(instance, stage, text))
    CLOCK.after(BOOT, lambda: say(instance, "done", f"the service answers after {BOOT} s"))


WATCHERS.append(begin)

# The last line on the console of an instance that becomes an image (userdata/bake.sh.j2).
BAKED = b"gameday: baked"
# The package that no distribution has.
NO_PACKAGE = b"no-such-package"


def script_of(instance):
    """Return the user data as the instance runs it."""
    encoded = instance.user_data or ""
    try:
        # moto wraps what RunInstances gets, and not what Auto Scaling launches.
        script = base64.b64decode(encoded if isinstance(encoded, str) else encoded.as_bytes())
        return gzip.decompress(script) if script[:2] == b"\x1f\x8b" else script
    except (ValueError, OSError):
        return b""


def bake(instance, script):
    """Install, and switch off: with a package that does not exist, the script tries for ever."""
    instance.baking = True
    if NO_PACKAGE in script:
        name = NO_PACKAGE.decode()
        text = f"failed: could not install {name}: Error: Unable to find a match: {name}"
        CLOCK.after(120, lambda: say(instance, "packages", text))
        return
    stages = {"packages": 30, "fetch": 2} | ({"agent_package": 8} if b"stage_agent_package()" in script else {})
    at = 0
    for stage, seconds in stages.items():
        at += seconds
        CLOCK.after(at, lambda stage=stage, seconds=seconds: say(instance, stage, f"done after {seconds} s"))

    def off():
        if instance.state == "running":
            instance.said.append(BAKED.decode())
            switch_off(instance)

    CLOCK.after(at + 5, off)


def say(instance, stage, text):
    """Write a line to the console, and to the boot's log group if the stack has one."""
    if instance.state != "running":
        return
    # The order stays, even if a test has moved the clock.
    at = instance.said_at = max(CLOCK.seen(), instance.said_at)
    line = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ} {stage:<9} {text}"
    instance.said.append(line)
    if hasattr(instance, "baking"):
        return  # it has no agent's configuration yet
    stack = next((t["value"] for t in instance.get_tags() if t["key"].endswith(":stack")), None)
    logs = logs_backends[instance.ec2_backend.account_id][instance.ec2_backend.region_name]
    group = group_of(instance, logs, stack)
    if group:
        if instance.id not in group.streams:
            group.create_log_stream(instance.id)
        group.put_log_events(instance.id, [{"timestamp": int(at * 1000), "message": line}])


def group_of(instance, logs, stack):
    """Return the log group of the boot: the stack's only one, or that of the instance's service."""
    names = [name for name in logs.groups if name.startswith(f"/gameday/{stack}/") and name.endswith("/boot")]
    fleet = next((t["value"] for t in instance.get_tags() if t["key"] == "aws:autoscaling:groupName"), "")
    # `/gameday/shop/api/boot` for `shop-api` and `shop-api-8080`.
    own = [name for name in names if f"{fleet}-".startswith(f"{stack}-{name.split('/')[3]}-")]
    name = next(iter(own or names), None)
    return logs.groups[name] if name and (own or len(names) == 1) else None


@instead("ec2", "GetConsoleOutput")
def console(call):
    instance = ec2_backends[call.account][call.region].get_instance(call.get("InstanceId"))
    text = "".join(f"{line}\r\n" for line in getattr(instance, "said", []))
    return {
        "InstanceId": instance.id,
        "Timestamp": datetime.fromtimestamp(CLOCK.seen(), UTC),
        "Output": base64.b64encode(text.encode()).decode(),
    }
