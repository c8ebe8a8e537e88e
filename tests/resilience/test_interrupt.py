"""Ctrl-C: once, nothing new is begun; twice, out at once."""

import time

from conftest import count, differences, some

AFTER = some(["vpc/main", "subnet/public-a", "database/main", "security-group-rules/db"], 2)


def test_once_it_stops_and_says_what_stands(world, whole):
    for step in AFTER:
        world.reset()
        world.faults(delay=0.1)
        run = world.start("up", "--yes")
        run.until(f"{step} created")
        run.interrupt()
        run.wait(60).ends(130)
        assert "stopping" in run.text and "are done" in run.text and "run the same command again" in run.text, run.text
        world.no_faults()
        world.control("DELETE", "calls")
        world.up()
        assert differences(world.inventory(), whole) == [] and world.plan() == {}
    count("Ctrl-C", turns=len(AFTER), leftovers=0)


def test_what_aws_is_making_goes_on_and_counts_with_what_is_left(world, whole):
    world.control("POST", "pace?pace=fast")
    try:
        run = world.start("up", "--yes")
        end = time.monotonic() + 60
        while not any(c["operation"] == "CreateDBInstance" for c in world.control("GET", "calls")["calls"]):
            assert time.monotonic() < end, run.text
            time.sleep(0.1)
        # From here on it takes as long as on AWS: longer than any machine needs to look at it.
        world.control("POST", "pace?pace=real")
        run.interrupt()
        run.wait(60).ends(130)
        plan = world.run("plan", "-o", "json").ends(2).json
        assert "database/main" in plan["busy"] and "database/main" not in [c["key"] for c in plan["changes"]], plan
        text = world.run("plan").ends(2).text
        assert "already being created: " in text and "(usually takes " in text, text
        status = world.run("status", "-o", "json").ends(1).json
        assert status["word"] == "BUILDING" and status["services"][0]["seen"]["build"]["left_seconds"] > 0, status
    finally:
        world.control("POST", "pace?pace=instant")
    world.up()
    assert differences(world.inventory(), whole) == [] and world.plan() == {}


def test_twice_it_leaves_at_once(world, whole):
    world.faults(delay=3)
    run = world.start("up", "--yes")
    world.faults(delay=0)
    run.until(r"vpc/main created")
    # Calls in flight are answered when the faults end, and not before.
    world.faults(delay=600)
    run.interrupt()
    run.until("stopping")
    run.interrupt()
    run.wait().ends(130)
    world.no_faults()
    world.run("up", "--yes", "--steal").ends(0)
    assert differences(world.inventory(), whole) == []


def test_a_teardown_stops_too_and_is_finished_later(world):
    world.up()
    world.note_secrets()
    world.faults(delay=0.1)
    run = world.start("teardown", "--confirm", "billing")
    run.until("deleted")
    run.interrupt()
    run.wait(60).ends(130)
    world.no_faults()
    world.teardown()
    assert differences(world.inventory(), world.empty) == []


def test_the_second_ctrl_c_leaves_at_once_after_the_walk_too(world):
    world.up()
    world.note_secrets()
    # Only the last look of a teardown asks for this.
    world.faults(hold_after=0, only="ec2:DescribeTags")
    run = world.start("teardown", "--confirm", "billing")
    end = time.monotonic() + 120
    while not world.faults_done()["held"]:
        assert time.monotonic() < end and not run.done(), run.text
        time.sleep(0.1)
    run.interrupt()
    run.until("stopping")
    run.interrupt()
    run.wait(10).ends(130)
    world.no_faults()
    world.teardown()
    assert differences(world.inventory(), world.empty) == []
