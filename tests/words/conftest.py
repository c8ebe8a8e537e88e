"""The real binary on a real terminal, with hostile words in whatever it is told from outside."""

import fcntl
import os
import pathlib
import pty
import re
import select
import struct
import subprocess
import termios
import time
import unicodedata

import harness
import pytest
from harness import BINARY

# What a terminal obeys or nobody sees: title, clipboard, clear screen, hidden letters, colours that are not ours, their
# C1 forms, DEL, both kinds of bidi, what has no width, tags, an annotation. Then lines that look like ours, and what a
# shell would run.
OBEYED = (
    "\x1b]0;PWNED\x07\x1b]52;c;UFdORUQ=\x07\x1b[2J\x1b[H\x1b[8m\x1b[31m\x1b7\x9b2J\x9d0;PWNED\x9c\x7f\x08"
    "\u202e\u2066\u061c\u200f\u200b\u200d\ufeff\u2060\u00ad\U000e0041\ufff9\ufe01\u3164"
)
FORGED = "\nFORGED: all is well\rFORGED\u2028FORGED\x85FORGED\x0bFORGED"
RUN = "; touch RAN #`touch RAN`$(touch RAN)' && touch RAN && gameday touch RAN '"
HOSTILE = OBEYED + FORGED + RUN


def environment(**more):
    keep = {name: value for name, value in os.environ.items() if name not in ("CI", "NO_COLOR", "COLORTERM")}
    return {**keep, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **more}


class Screen:
    """What a process wrote to its terminal, byte for byte."""

    def __init__(self, args, env, answers=(), timeout=90, most=None):
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 200, 0, 0))
        # What is typed is not shown: only what it wrote itself counts.
        mode = termios.tcgetattr(slave)
        mode[3] &= ~termios.ECHO
        mode[1] &= ~termios.OPOST
        termios.tcsetattr(slave, termios.TCSANOW, mode)
        process = subprocess.Popen(
            [BINARY, *args], stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True
        )
        os.close(slave)
        self.raw, answers, end = b"", list(answers), time.monotonic() + timeout
        # Who has said enough is ended: what it wrote until then counts.
        enough = time.monotonic() + most if most else end
        while True:
            ready, _, _ = select.select([master], [], [], max(0, min(end, enough) - time.monotonic()))
            if not ready and most:
                process.kill()
                process.wait()
                break
            assert ready, f"{args} said nothing more within {timeout} s:\n{self.raw[-3000:]!r}"
            try:
                part = os.read(master, 1 << 16)
            except OSError:  # the terminal's other end is closed
                part = b""
            if not part:
                break
            self.raw += part
            if answers and re.search(answers[0][0].encode(), self.raw):
                os.write(master, answers.pop(0)[1].encode())
        os.close(master)
        self.code = process.wait(30)
        self.args = args
        self.text = self.raw.decode(errors="ignore" if most else "strict")
        assert "panicked" not in self.text, self.text

    def harmless(self):
        """Nothing on it is obeyed but what is ours, and no line is forged."""
        # Our colours, and how the lines of a run that goes on are drawn anew.
        ours = re.sub(r"\x1b\[(?:(?:0|1|2|4|3[0-7]|9[0-7]);?)+m|\x1b\[(?:\d*[ABGCD]|[0-2]?K)", "", self.text)
        assert_harmless(ours, self.args)
        return self


def hidden(text):
    """Characters that a terminal obeys or that nobody sees."""
    return {
        f"U+{ord(c):04X}"
        for c in text
        if c not in "\r\n" and (unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs") or c in "\ufe01\u3164\u115f")
    }


def assert_harmless(text, what):
    assert not hidden(text), f"{what}: {hidden(text)} in {text[:6000]!r}"
    forged = [line for line in re.split(r"[\r\n]+", text) if line.startswith(("FORGED", "error: FORGED"))]
    assert not forged, f"{what}: a forged line in\n{text[:6000]}"


def assert_typable(commands, folder):
    """Whoever types what is offered runs nothing else: a shell runs them, with stand-ins for gameday and aws."""
    stand_ins, here = folder / "bin", folder / "here"
    stand_ins.mkdir(exist_ok=True)
    here.mkdir(exist_ok=True)
    for name in ("aws", "gameday"):
        (stand_ins / name).write_text("#!/bin/sh\nexit 0\n")
        (stand_ins / name).chmod(0o755)
    path = f"{stand_ins}:/usr/bin:/bin"
    for command in commands:
        assert not hidden(command) and "\n" not in command, repr(command)
        subprocess.run(["bash", "-c", command], cwd=here, env={"PATH": path}, capture_output=True, timeout=20)
        assert not list(here.iterdir()), f"it runs something else: {command}"


def commands_in(value):
    """What is called a command in JSON, and what stands between backquotes."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name == "command" and isinstance(item, str):
                yield item
            else:
                yield from commands_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from commands_in(item)
    elif isinstance(value, str) and value.count("`") % 2 == 0:
        yield from (c for c in value.split("`")[1::2] if c.startswith(("gameday ", "aws ", "env ")))


class World(harness.World):
    def environment(self, more):
        return environment(**more)

    def keys(self):
        """What a client of the sandbox needs in its environment."""
        text = self.gameday("sandbox", "env", code=(0,)).out
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def gameday(self, *args, code=(0, 1, 2), **env):
        return self.run(*args, **env).ends(*code)

    def screen(self, *args, sandbox=True, answers=(), timeout=90, most=None, **env):
        pace = ["--pace", "instant"] if sandbox else []
        line = self.line(*pace, *args, sandbox=sandbox)
        return Screen(line[1:], environment(**env), answers, timeout, most)


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("words"))
    w.gameday("up", "--yes", code=(0, 1))
    return w


@pytest.fixture
def folder(tmp_path):
    return pathlib.Path(tmp_path)


def of_json(run):
    """The objects of a run with `-o json`, whose bytes are harmless, too."""
    assert not hidden(run.out), f"{run.line}: {hidden(run.out)}"
    return run.lines
