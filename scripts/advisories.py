#!/usr/bin/env python3
"""Writes tests/supply/advisories.toml anew: the advisories about crates in Cargo.lock, from a clone of RustSec's database.

    scripts/advisories.py FOLDER-OF-THE-CLONE
"""

import json
import pathlib
import re
import subprocess
import sys

import tomllib

root = pathlib.Path(__file__).resolve().parents[1]
clone = pathlib.Path(sys.argv[1])
lock = tomllib.loads((root / "Cargo.lock").read_text())
date = subprocess.check_output(["git", "-C", clone, "log", "-1", "--format=%cs"], text=True).strip()
lines = [
    "# What is known against the crates in Cargo.lock: which versions each advisory is not about. Facts of RustSec's",
    "# database (CC0); scripts/advisories.py brings them up to date.",
    f"database = {json.dumps(date)}",
]
for name in sorted({p["name"] for p in lock["package"] if "source" in p}):
    for file in sorted((clone / "crates" / name).glob("*.md")):
        found = tomllib.loads(re.search(r"```toml\n(.*?)```", file.read_text(), re.DOTALL)[1])
        advisory, versions = found["advisory"], found["versions"]
        if advisory.get("withdrawn"):
            continue
        lines += ["", "[[advisory]]", f"id = {json.dumps(advisory['id'])}", f"package = {json.dumps(name)}"]
        lines += [f"patched = {json.dumps(versions.get('patched', []))}"]
        lines += [f"unaffected = {json.dumps(versions.get('unaffected', []))}"]
(root / "tests/supply/advisories.toml").write_text("\n".join(lines) + "\n")
