"""Two at work on one stack: the lease says who; the steps are right without it; nothing is there twice."""

import json
import time

from conftest import LONG, STACK, ClientError, count, differences

LEASE = "/gameday/billing/lease"
# An account that forbids the lease, and nothing else of SSM.
NO_LEASE = [{
    "on": "ssm:PutParameter", "where": {"Name": LEASE}, "times": -1,
    "code": "AccessDeniedException", "message": "not authorized to perform: ssm:PutParameter",
}]


def holder(world):
    try:
        return json.loads(world.ssm.get_parameter(Name=LEASE)["Parameter"]["Value"])
    except ClientError:
        return None


def slow_up(world, *more):
    """An `up` that has the lease and needs a while."""
    world.faults(delay=0.05)
    run = world.start("up", "--yes", *more, USER="anna")
    end = time.monotonic() + 60
    while not holder(world):
        assert time.monotonic() < end and not run.done(), run.text
        time.sleep(0.02)
    return run


def test_the_second_is_told_who_is_at_work_or_waits(world, whole):
    world.faults(delay=0.15)
    first = slow_up(world)
    world.faults(delay=0.3)
    second, third = world.start("up", "--yes"), world.start("up", "--yes", "--wait")
    second.wait().ends(1)
    assert "anna@" in second.text and "gameday up" in second.text and "--steal" in second.text, second.text
    world.no_faults()
    first.wait().ends(0)
    third.wait().ends(0)
    assert "anna@" in third.text, third.text
    assert differences(world.inventory(), whole) == [] and world.plan() == {}


def after_a_wait(world, *args):
    """A run that had to wait until a teammate had built the whole stack; both have read an empty account."""
    held = {"owner": "anna@laptop", "verb": "up", "since": "2026-01-01T00:00:00Z", "run": "1"}
    world.ssm.put_parameter(Name=LEASE, Value=json.dumps(held), Type="String")
    waiting = world.start(*args, "--wait")
    waiting.until("anna@laptop")
    other = world.start("up", "--yes", "--no-lease")
    while not other.done():
        # As its holder does: what stands still is nobody's.
        world.ssm.put_parameter(Name=LEASE, Value=json.dumps(held), Type="String", Overwrite=True)
        time.sleep(0.5)
    other.wait().ends(0)
    assert not waiting.done(), waiting.text
    world.ssm.delete_parameter(Name=LEASE)
    return waiting.wait()


def test_who_has_waited_to_build_knows_what_was_built_meanwhile(world, whole):
    after_a_wait(world, "up", "--yes").ends(0)
    assert differences(world.inventory(), whole) == [] and world.plan() == {}


def test_who_has_waited_to_delete_deletes_what_was_built_meanwhile(world):
    waiting = after_a_wait(world, "teardown", "--confirm", STACK)
    world.check_secrets()
    waiting.ends(0)
    assert "- database/main" in waiting.text, "what is deleted is said before"
    assert differences(world.inventory(), world.empty) == []


def test_who_is_taken_over_stops(world, whole):
    first = slow_up(world)
    world.faults(delay=0.5)
    second = world.start("up", "--yes", "--steal", USER="bert")
    # Told within seconds of the take-over; unless it was done by then.
    first.wait()
    assert first.code == 0 or first.code == 130 and "bert@" in first.text, first.text
    world.no_faults()
    second.wait().ends(0)
    assert differences(world.inventory(), whole) == [] and world.plan() == {}


def test_a_lease_dies_with_its_owner(world, whole):
    slow_up(world).kill()
    world.no_faults()
    begun = time.monotonic()
    run = world.start("up", "--yes", USER="bert")
    while (holder(world) or {}).get("owner", "").startswith("anna"):
        assert time.monotonic() - begun < 40, run.text
        time.sleep(0.05)
    taken = time.monotonic() - begun
    run.wait().ends(0)
    count("lease", seconds_until_a_dead_one_was_taken=round(taken, 1))
    assert taken < 25, "15 s, and what a busy machine adds"
    assert differences(world.inventory(), whole) == []


def test_two_at_once_without_a_lease_make_each_object_once(world, whole):
    rounds = 10 if LONG else 1
    for _ in range(rounds):
        world.reset()
        world.faults(refuse=NO_LEASE)
        runs = [world.start("up", "--yes") for _ in range(2)]
        for run in runs:
            run.wait().ends(0)
        assert differences(world.inventory(), whole) == [] and world.plan() == {}
    count("two ups without a lease", rounds=rounds, twins=0)


def test_up_against_teardown_and_ten_who_look(world, whole):
    world.faults(refuse=NO_LEASE)
    world.up()
    up = world.start("up", "--yes", "--no-probe")
    teardown = world.start("teardown", "--confirm", "billing")
    watchers = [world.start("status", "-o", "json") for _ in range(10)]
    for run in watchers:
        run.wait()
        assert run.code in (0, 1), run.text
        json.loads(run.out.splitlines()[-1])
    for run in (up, teardown):
        run.wait()
        assert run.code in (0, 1), run.text
    world.no_faults()
    # Whatever the race came to, either verb alone finishes what it is for.
    world.up()
    assert differences(world.inventory(), whole) == [] and world.plan() == {}
    world.note_secrets()
    world.teardown()
    assert differences(world.inventory(), world.empty) == []
