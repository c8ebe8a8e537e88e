"""Whoever may write SSM parameters writes what they like into a stack's notes: no run aborts, and none is stopped for good."""

import contextlib
import json
import threading
import time

import pytest
from conftest import ClientError, differences

LEASE = "/gameday/billing/lease"
DURATIONS = "/gameday/billing/durations"
# Of an honest run by its look.
HOLDER = {"owner": "eve@laptop", "verb": "up", "since": "2026-10-01T12:00:00Z", "run": "ffffffffffffffff"}


class Forger:
    """Rewrites the lease once a second, whatever is there; `forge` makes it of what it finds."""

    def __init__(self, world, forge):
        self.world, self.forge, self.ended, self.read = world, forge, threading.Event(), 0
        self.thread = threading.Thread(target=self.run)
        self.put({})

    def put(self, found):
        lease = {**HOLDER, **self.forge(found)}
        self.world.ssm.put_parameter(Name=LEASE, Value=json.dumps(lease), Type="String", Overwrite=True)
        # As gameday makes it, so that a teardown sees whose it is. Whoever ran may have given it back just now.
        with contextlib.suppress(self.world.ssm.exceptions.InvalidResourceId):
            tags = [{"Key": "gameday:stack", "Value": "billing"}]
            self.world.ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId=LEASE, Tags=tags)

    def run(self):
        while not self.ended.wait(1):
            self.read += 1
            try:
                found = json.loads(self.world.ssm.get_parameter(Name=LEASE)["Parameter"]["Value"])
            except (ClientError, ValueError):
                found = {}
            self.put(found)

    def looks(self):
        """How often somebody else has looked at the lease since the calls were forgotten."""
        calls = self.world.control("GET", "calls")["calls"]
        return sum(c["operation"] == "GetParameter" and c["named"].get("Name") == LEASE for c in calls) - self.read

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        # Whoever ran has given it back, or the last forgery stands.
        with contextlib.suppress(self.world.ssm.exceptions.ParameterNotFound):
            self.world.ssm.delete_parameter(Name=LEASE)


def next_one(found):
    """As an honest thief writes it: a run of its own, one further than whoever has it."""
    return {"run": f"{time.time_ns():016x}", "generation": min(found.get("generation", 0) + 1, 2**32 - 1)}


FORGED = {
    "the highest generation": lambda _: {"generation": 2**32 - 1},
    "no number": lambda _: {"generation": 10**30},
    "the next generation, each time": next_one,
}


@pytest.mark.parametrize("how", FORGED)
def test_a_run_that_says_steal_stops_for_nobody(world, whole, how):
    # Late answers, until the run has looked at its lease more than once since it has it.
    world.faults(delay=0.5)
    with Forger(world, FORGED[how]) as forger:
        run = world.start("up", "--yes", "--steal")
        run.until("created")
        before = forger.looks()
        while forger.looks() < before + 2:
            assert not run.done(), run.text
            time.sleep(0.1)
        world.no_faults()
        run.wait().ends(0)
        world.run("teardown", "--confirm", "billing", "--steal").ends(0)
        world.no_faults()
        world.run("up", "--yes", "--steal").ends(0)
    assert differences(world.inventory(), whole) == [] and world.plan() == {}


def test_without_a_lease_nobody_is_asked_and_nobody_told(world, whole):
    world.faults(delay=0.05)
    with Forger(world, FORGED["the highest generation"]):
        refused = world.run("up", "--yes").ends(1)
        assert "--no-lease" in refused.text, refused.text
        run = world.run("up", "--yes", "--no-lease").ends(0)
        assert "without a lease" in run.text, run.text
        world.run("teardown", "--confirm", "billing", "--no-lease").ends(0)
        world.run("up", "--yes", "--no-lease").ends(0)
    assert differences(world.inventory(), whole) == [] and world.plan() == {}


@pytest.mark.parametrize("when", [{}, {"Overwrite": True}])
def test_a_lease_that_cannot_be_written_holds_up_nobody(world, whole, when):
    world.ssm.put_parameter(Name=LEASE, Value=json.dumps(HOLDER), Type="String")
    world.faults(refuse=[{
        "on": "ssm:PutParameter", "where": {"Name": LEASE, **when}, "times": -1,
        "code": "HierarchyTypeMismatchException", "message": "the parameter has another type",
    }])
    run = world.run("up", "--yes", "--steal").ends(0)
    assert "the parameter has another type" in run.text and "goes on without one" in run.text, run.text
    world.no_faults()
    world.ssm.delete_parameter(Name=LEASE)
    assert differences(world.inventory(), whole) == [] and world.plan() == {}


NOTES = [
    '{"created":{"database/main":18446744073709551615,"cache/main":18446744073709551615}}',
    '{"created":{"database/main":9223372036854775808,"file-system/main":-7,"vpc/main":1e308,"cache/main":"soon"}}',
    '{"begun":{"database/main":"-009999-01-02T01:59:59Z","cache/main":"9999-12-30T22:00:00Z"},"created":{"vpc/main":[]}}',
    "[" * 4000,
]


@pytest.mark.parametrize("note", NOTES)
def test_durations_that_make_no_sense_are_not_known(world, whole, note):
    world.ssm.put_parameter(Name=DURATIONS, Value=note, Type="String")
    usual = world.run("status", "-o", "json")
    assert usual.code in (0, 1), usual.text
    planned = world.run("plan").ends(2)
    # Lease and forecast are told while it runs: those add up what the note says.
    world.faults(delay=0.05)
    run = world.run("up", "--yes").ends(0)
    world.no_faults()
    for said in (planned, run, usual):
        assert "overflow" not in said.text and "panicked" not in said.text, said.text
    assert differences(world.inventory(), whole) == [] and world.plan() == {}
