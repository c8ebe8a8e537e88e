"""Throttling, errors, lost answers, slow visibility and slow life cycles, all at once; several stacks at a time."""

import json
import os
import re
from collections import Counter

from conftest import STACK, World, count, differences

SEEDS = int(os.environ.get("GAMEDAY_SEEDS", "2"))
AT_ONCE = 4


def test_a_bad_day_ends_well(world, whole, tmp_path):
    world.control("POST", "pace?pace=fast")
    struck, trouble = Counter(), []
    for first in range(0, SEEDS, AT_ONCE):
        seeds = range(first, min(first + AT_ONCE, SEEDS))
        world.reset()
        world.faults(seed=first, throttle=0.05, error500=0.02, lost_answer=0.01, hide_fresh_seconds=3)
        stacks = []
        for seed in seeds:
            name = f"day{seed}"
            (tmp_path / name).mkdir(exist_ok=True)
            stack = World(tmp_path / name)
            stack.edit(STACK.replace("billing", name))
            stack.name = name
            stacks.append((stack, stack.start("--pace", "fast", "up", "--yes")))
        for stack, run in stacks:
            run.wait(400)
            if run.code != 0:
                trouble.append(f"seed of {stack.name}: {run.text[-3000:]}")
        struck.update(world.faults_done())
        world.no_faults()
        # All of them are the same stack under another name.
        found = Counter()
        for (kind, name), n in world.inventory().items():
            found[kind, re.sub(r"\bday\d+\b", "billing", str(name)) if isinstance(name, str) else name] += n
        # The DHCP options are the region's, and there once.
        wanted = Counter({k: n if k[0] == "options" else n * len(stacks) for k, n in whole.items()})
        if found != wanted:
            trouble.append(f"seeds {list(seeds)}: {differences(found, wanted)}")
        for stack, _ in stacks:
            if stack.run("--pace", "fast", "plan").code != 0:
                trouble.append(f"{stack.name}: the plan is not empty")
            shown = json.loads(stack.ssm.get_parameter(Name=f"/gameday/{stack.name}/durations")["Parameter"]["Value"])
            assert shown["created"]["database/main"] > 10 and "subnet/public-a" not in shown["created"], shown
            world.said += stack.said
    count("bad days", seeds=SEEDS, in_trouble=len(trouble), **{k: n for k, n in struck.items() if n})
    assert not trouble, "\n".join(trouble)
