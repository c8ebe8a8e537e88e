#!/bin/bash
# Makes each requirements.lock anew from the requirements.txt beside it: every package with all that it needs, for every
# Python from 3.10 on and every machine, by the hashes that the index has today. What is newer than a week stays out: an
# upload of somebody else's is mostly found by then. Read the difference before you commit it.
set -euo pipefail
cd "$(dirname "$0")/.."

tool=$(mktemp -d)
trap 'rm -rf "$tool"' EXIT
python3 -m venv "$tool"
"$tool/bin/pip" install --quiet --disable-pip-version-check uv==0.13.9
before=${GAMEDAY_LOCK_BEFORE:-$(date -u -d '7 days ago' +%F)}
for list in src/sandbox/requirements.txt tests/*/requirements.txt; do
  lock=${list%.txt}.lock
  # What is locked stays as it is unless its line in the list, or `--upgrade`, says otherwise.
  "$tool/bin/uv" pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-annotate --no-header \
    --exclude-newer "$before" "$@" -o "$lock" "$list"
done
