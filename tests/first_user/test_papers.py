"""The README, the help and docs/ say what happens: every command in them is run."""

import json
import re
import shlex

import pytest
from conftest import ROOT
from harness import KEY, URL

PAPERS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
INSTANCE = "i-0123456789abcdef0"
# What needs this repository, or takes the build of a release: tried by CI itself, or by scripts/release.sh.
ELSEWHERE = ("cargo ", "scripts/release.sh")


def blocks(paper):
    return [b.splitlines() for b in re.findall(r"^```sh\n(.*?)^```$", paper.read_text(), re.MULTILINE | re.DOTALL)]


def commands(lines):
    return [line.split("   # ")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


@pytest.fixture(scope="module")
def aws(world):
    """The sandbox as if it were AWS: the same commands without --sandbox."""
    keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": "y", "AWS_REGION": "us-east-1"}
    return {"AWS_ENDPOINT_URL": URL, **keys}


def test_the_first_ten_minutes_go_as_written(world, aws):
    [_, _, first, real, *_] = blocks(ROOT / "README.md")
    said = {}
    for line in commands(first):
        if INSTANCE in line:
            machines = world.shell("gameday --sandbox -o json targets list").ends(0).json["message"]
            at = said.get("at") or machines[0]["instanceId"]
            said["at"] = at
            line = line.replace(INSTANCE, at)
        run = world.shell(line).ends(0, 1 if " why" in line else 0)
        said[line.split(" --")[0] if "init" in line else line] = run
    assert said["gameday --sandbox status"].out.startswith("SERVING")
    why = said["gameday --sandbox why"].out
    assert "deregistered" in why and "targets attach" in why, why
    torn = next(run for line, run in said.items() if "teardown" in line)
    assert "nothing is left" in torn.out, torn.text

    for line in commands(real):
        world.shell(line, **aws).ends(0)


def examples(world):
    help = world.shell("gameday man").ends(0).out.replace("\\-", "-").replace("\\'", "'")
    section = help.split(".SH EXAMPLES")[1].split(".SH ")[0]
    return re.findall(r"^\\fB(.*?)\\fR$", section, re.MULTILINE)


def test_every_example_of_the_help_can_be_typed(world, aws, tmp_path):
    work = tmp_path / "examples"
    work.mkdir()
    world.work = work
    lines = examples(world)
    assert len(lines) >= 25, lines
    (work / "token").write_text("a-secret-of-the-room\n")
    # A stack to try them on, under the name that they give it.
    world.shell("gameday init --name billing --source https://example.com/server").ends(0)
    world.shell("gameday up --yes", **aws).ends(0)
    [machine, *_] = world.shell("gameday -o json targets list", **aws).json["message"]
    for line in lines:
        typed = line.replace(INSTANCE, machine["instanceId"])
        if typed == "gameday serve":
            typed += " --listen 127.0.0.1:0"
        if any(word in typed for word in ("--follow", "--watch", "serve")):
            # What goes on until it is stopped.
            typed = f"timeout 10 {typed.replace('0.0.0.0:80', '0.0.0.0:0')}"
        if " init" in typed:
            (work / "gameday.toml").rename(work / "kept.toml")
        run = world.shell(typed, **aws)
        # It was understood; whether there is something to do is another matter.
        assert run.code in (0, 1, 2, 124) and "Usage:" not in run.err, f"{typed}: {run.code}\n{run.text}"
        assert run.code != 2 or " plan" in typed or "--name" not in typed and " init" in typed, f"{typed}\n{run.text}"
        if " init" in typed:
            (work / "kept.toml").rename(work / "gameday.toml")
        if "teardown" in typed and run.code == 0:
            world.shell("gameday up --yes", **aws).ends(0)
    world.shell("gameday teardown --confirm billing", **aws).ends(0)


@pytest.mark.parametrize("paper", PAPERS, ids=lambda p: p.name)
def test_every_command_of_a_paper_exists(world, paper):
    text = paper.read_text()
    typed = [c for lines in blocks(paper) for c in commands(lines)]
    typed += [c for c in re.findall(r"`(gameday [^`]*)`", text) if not re.search(r"[A-Z]{3}|…|\[|\|", c)]
    for command in typed:
        if command.startswith(ELSEWHERE):
            continue
        own = re.search(r"gameday [^|;>)&]*", command)
        assert own, command
        words = [w for w in shlex.split(own.group(0)) if w != "--help"]
        world.shell(shlex.join([*words, "--help"])).ends(0)
    # Nor does a paper lead nowhere.
    for link in re.findall(r"\]\(([^)#]+?)\)", text):
        assert link.startswith("http") or (paper.parent / link).exists(), f"{paper.name}: {link}"


def test_what_an_error_looks_like_is_written(world):
    text = (ROOT / "docs/json.md").read_text()
    [written] = re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    real = world.shell("gameday -o json -c /dev/null plan").ends(2).json
    assert set(json.loads(written)) == set(real) and set(json.loads(written)["errors"][0]) == set(real["errors"][0])
