"""SIGKILL after the n-th API call: the next run finishes, and each object is there once."""

import os

import pytest
from conftest import count, differences

# `all`: after every call. `changes`: after every changing one, which is every state that a cut can leave. Else a few.
CUTS = os.environ.get("GAMEDAY_CUTS", "few")
# The stack, its example, and how many of its cuts are a few.
STACKS = [("billing", None, 5, 4), ("two-servers", "root-and-lookup", 2, 2), ("express", "highly-available", 1, 1)]


def places(calls, wanted):
    """All places, or a spread of them that differs little from run to run."""
    return range(calls) if CUTS != "few" else sorted({round((i + 0.5) * calls / wanted) for i in range(wanted)})


def calls_of(world, *args):
    world.control("DELETE", "calls")
    world.run(*args).ends(0)
    return world.control("GET", "calls")["counts"]["mutating" if CUTS == "changes" else "all"]


@pytest.mark.parametrize(("stack", "example", "few_ups", "few_downs"), STACKS, ids=[s for s, *_ in STACKS])
def test_up_and_teardown_cut_after_any_call(world, stack, example, few_ups, few_downs):
    if example:
        world.take(example)
    up, teardown = ("up", "--yes"), ("teardown", "--confirm", stack)
    ups, whole = list(places(calls_of(world, *up), few_ups)), world.inventory()
    downs = list(places(calls_of(world, *teardown), few_downs))
    tried, trouble = {"up": 0, "teardown": 0}, []
    for turn in range(max(len(ups), len(downs))):
        world.reset()
        if turn < len(ups):
            tried["up"] += world.cut(up, ups[turn], CUTS == "changes")
            # A killed run's lease dies by itself in 15 s; taking it over is quicker and the harder case.
            again = world.run(*up, "--steal")
            if again.code != 0:
                trouble.append(f"up cut after call {ups[turn]}: {again.text[-1500:]}")
                continue
            found = world.inventory()
            if found != whole:
                trouble.append(f"up cut after call {ups[turn]}: {differences(found, whole)}")
            changes = world.plan()
            if changes:
                trouble.append(f"up cut after call {ups[turn]}: the plan is not empty: {changes}")
        else:
            world.up()
        world.note_secrets()
        if turn < len(downs):
            tried["teardown"] += world.cut(teardown, downs[turn], CUTS == "changes")
            again = world.run(*teardown, "--steal")
            left = world.inventory()
            if again.code != 0 or left != world.empty:
                what = f"{differences(left, world.empty)} {again.text[-1500:]}"
                trouble.append(f"teardown cut after call {downs[turn]}: {what}")
    count(f"cuts of {stack}", of_up=tried["up"], of_teardown=tried["teardown"], in_trouble=len(trouble))
    assert not trouble, "\n".join(trouble)
