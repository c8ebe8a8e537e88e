"""Hostile words through every string that AWS can return, read from a real terminal."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import assert_typable, commands_in, environment, of_json
from harness import URL
from outside import Answers, Mode, strings

# What AWS seems to be busy with is waited for; a few seconds show what is drawn meanwhile.
MOST = 5
SEEDS = int(os.environ.get("GAMEDAY_SEEDS", "2"))
MODES = [Mode("free"), Mode("all"), *(Mode(f"mixture-{n}", n, 0.04 * (n % 3 + 1)) for n in range(SEEDS))]

VERBS = [
    ["status"],
    ["status", "-v"],
    ["why", "-v"],
    ["plan", "-v"],
    ["cost"],
    ["targets", "list"],
    ["logs"],
    ["up"],
    ["teardown"],
]
QUESTIONS = [(r"\[y/N\]|Type ", "no\n")]


@pytest.fixture(scope="module")
def outside(world):
    """The account with an alarm that has gone off, behind the proxy: the stack's own file has moved on a little."""
    alarm = world.cloudwatch.describe_alarms()["MetricAlarms"][0]["AlarmName"]
    world.cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="because")
    world.file.write_text(world.file.read_text() + "max = 7\n")
    answers = Answers(URL)
    env = {**world.keys(), "AWS_ENDPOINT_URL": answers.url, "AWS_MAX_ATTEMPTS": "1"}
    return answers, env


def look(world, answers, env, *verb, most=MOST):
    begun = time.monotonic()
    screen = world.screen(*verb, sandbox=False, answers=QUESTIONS, most=most, **env)
    print(f"{answers.mode and answers.mode.name} {' '.join(verb)}: {time.monotonic() - begun:.1f} s, {screen.code}")
    return screen.harmless()


def test_the_proxy_changes_nothing_by_itself(world, outside):
    answers, env = outside
    answers.mode = None
    assert look(world, answers, env, "plan").code == 2
    assert look(world, answers, env, "why", "-v").text.count("✓") > 4


@pytest.mark.parametrize("mode", MODES, ids=lambda m: m.name)
def test_no_string_is_obeyed(world, outside, folder, mode):
    answers, env = outside
    answers.mode, answers.rewritten = mode, set()
    with ThreadPoolExecutor(4) as pool:  # none of them changes anything
        list(pool.map(lambda verb: look(world, answers, env, *verb), VERBS))
    # What scripts read is harmless where it is shown, and complete.
    said = []
    for verb in (["status"], ["why"], ["plan"]):
        said += of_json(world.gameday(*verb, "-o", "json", sandbox=False, **env))
    assert_typable(set(commands_in(said)), folder)
    print(f"{mode.name}: {len(answers.rewritten)} strings of {len({c[:2] for c in answers.rewritten})} calls")
    if mode.name == "free":
        assert len(answers.rewritten) > 20
        assert "\u202e\u2066" in json.dumps(said, ensure_ascii=False), "the data is kept"


def test_no_refusal_is_obeyed(world, outside):
    answers, env = outside
    answers.mode = Mode("free")
    world.screen("status", sandbox=False, **env)
    called = sorted({c[:2] for c in answers.rewritten}) + [
        ("ssm", "DescribeParameters"), ("ec2", "DescribeVpcs"), ("sts", "GetCallerIdentity"),
        ("elbv2", "DescribeLoadBalancers"), ("cloudwatch", "DescribeAlarms"), ("efs", "DescribeFileSystems"),
    ]
    try:
        # All at once, then each kind of wire by itself: what is asked first hides what is asked later.
        for calls in (set(called), {called[-6]}, {called[-5]}, {called[-2], called[-1]}):
            answers.fail = calls
            verbs = (["status"], ["plan"], ["up"], ["why", "-v"])
            with ThreadPoolExecutor(4) as pool:
                screens = list(pool.map(lambda verb: look(world, answers, env, *verb, most=None), verbs))
            assert any("PWNED" in s.text for s in screens), (calls, [s.text for s in screens])
    finally:
        answers.fail = set()


def test_a_run_that_builds_draws_nothing_hostile(world, outside):
    """From the first call to the last, with live lines."""
    answers, env = outside
    answers.mode = Mode("free")
    world.file.write_text(world.file.read_text().replace('name = "billing"', 'name = "tiny"'))
    try:
        screen = look(world, answers, env, "up", "--yes", "network")
        assert "vpc/main" in screen.text or screen.code
        look(world, answers, env, "teardown", "--confirm", "tiny")
    finally:
        world.file.write_text(world.file.read_text().replace('name = "tiny"', 'name = "billing"'))


def test_the_strings_come_from_the_model():
    assert "MetricAlarms.StateReason" in strings("cloudwatch", "DescribeAlarms")
    assert "Vpcs.Tags.Value" in strings("ec2", "DescribeVpcs")
    assert "Vpcs.State" not in strings("ec2", "DescribeVpcs"), "an enum is no word"
    assert environment()["TERM"] == "xterm-256color"
