"""The control endpoints under /_gameday/: for tests and for `gameday sandbox`, with the key as `Authorization: Bearer`.

GET    proof/NONCE               without the key: see door.py
GET    health                    {"status", "version", "pid", "pace", "now"}
GET    calls                     {"calls": [{service, operation, mutating, named, status, error, checked, began,
                                                ended}],
                                  "counts": {...}}
DELETE calls                     delete the list of calls
POST   reset                     empty the account and delete faults; pace and calls stay
POST   advance?seconds=60        move AWS's time forward
POST   pace?pace=fast            instant, fast or real
POST   unhealthy                 {"targets": ["i-...", a target group's name, or "*"]}: fail their health checks
POST   database                  {"name", "status": "storage-full", ...} or {"name", "version"}: set the state;
                                  {"name", "snapshot": "rds:..."}: create or delete an automated snapshot
GET/POST/DELETE faults           see faults.py
GET/POST/DELETE policy           see policy.py
"""

import json
import os
import time
from collections import Counter
from urllib.parse import parse_qs

from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.rds.models import rds_backends

from .asg_fleet import check_balancers
from .clock import CLOCK
from .elbv2 import UNHEALTHY
from .faults import BORN, FAULTS
from .policy import POLICY
from .rules import RESET

VERSION = "1"


# The names and the use of Spot, on which rights can depend.
NAMES = (
    "Name",
    "ResourceId",
    "RoleName",
    "InstanceProfileName",
    "PermissionsBoundary",
    "LaunchTemplateData.IamInstanceProfile.Name",
    "MixedInstancesPolicy.InstancesDistribution.SpotAllocationStrategy",
)


def named(call):
    """Return the names of a call."""
    found = {}
    for path in NAMES:
        value = call.params
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, str):
            found[path] = value
    return found


class Calls:
    def __init__(self):
        self.seen = []

    def record(self, call, status, error):
        self.seen.append(
            {
                "service": call.service,
                "operation": call.operation,
                "mutating": call.mutating and str(call.get("DryRun", "")).lower() != "true",
                "named": named(call),
                "status": status,
                "error": error,
                "checked": call.checked,
                # On this machine's clock: a call that ended before another began may have been awaited.
                "began": call.began,
                "ended": time.monotonic(),
            }
        )

    def report(self):
        mutating = [c for c in self.seen if c["mutating"]]
        return {
            "calls": self.seen,
            "counts": {
                "all": len(self.seen),
                "mutating": len(mutating),
                "failed": sum(1 for c in self.seen if c["error"]),
                "by_operation": Counter(f"{c['service']}:{c['operation']}" for c in self.seen),
            },
        }


CALLS = Calls()
# The number of times the account was emptied.
RESETS = 0


def reset():
    global RESETS
    RESETS += 1
    CLOCK.forget()
    FAULTS.set({})
    BORN.clear()
    BackendDict.reset()
    reset_model_data()
    for action in RESET:
        action()


def answer(environ, body):
    """Return (status, headers, body) of one control request."""
    what = (environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix("/_gameday/").strip("/"))
    query = {k: v[0] for k, v in parse_qs(environ.get("QUERY_STRING", "")).items()}
    try:
        sent = json.loads(body) if body else {}
        result = _act(what, {**sent, **query} if isinstance(sent, dict) else sent)
    except (ValueError, KeyError) as wrong:
        return 400, {"Content-Type": "application/json"}, json.dumps({"error": str(wrong)}).encode()
    if result is None:
        return 404, {"Content-Type": "application/json"}, b'{"error": "no such control endpoint"}'
    return 200, {"Content-Type": "application/json"}, json.dumps(result).encode()


def _act(what, asked):
    if what == ("GET", "health"):
        return {"status": "ok", "version": VERSION, "pid": os.getpid(), "pace": CLOCK.pace, "now": CLOCK.now()}
    if what == ("GET", "calls"):
        return CALLS.report()
    if what == ("DELETE", "calls"):
        CALLS.seen = []
        return {}
    if what == ("POST", "reset"):
        reset()
        return {}
    if what == ("POST", "advance"):
        CLOCK.advance(float(asked["seconds"]))
        CLOCK.settle()
        return {"now": CLOCK.now()}
    if what == ("POST", "pace"):
        CLOCK.set_pace(asked["pace"])
        CLOCK.settle()
        return {"pace": CLOCK.pace}
    if what == ("POST", "unhealthy"):
        UNHEALTHY.clear()
        UNHEALTHY.update(asked["targets"])
        check_balancers()
        return {"unhealthy": sorted(UNHEALTHY)}
    if what == ("POST", "database"):
        for backend in [b for regions in rds_backends.values() for b in regions.values()]:
            database = backend.databases.get(asked["name"])
            snapshot = asked.get("snapshot")
            if snapshot and backend.database_snapshots.pop(snapshot, None) is None and database:
                backend.create_db_snapshot(asked["name"], snapshot, "automated", tags=database.tags)
            if database:
                database.status = asked.get("status", database.status)
                database.engine_version = asked.get("version", database.engine_version)
        return {}
    if what == ("POST", "faults"):
        FAULTS.set(asked)
    if what == ("DELETE", "faults"):
        FAULTS.set({})
    if what[1] == "faults":
        return {"rules": FAULTS.rules, "done": FAULTS.done}
    if what == ("POST", "policy"):
        POLICY.set(asked)
    if what == ("DELETE", "policy"):
        POLICY.set({})
    if what[1] == "policy":
        return POLICY.report()
    return None
