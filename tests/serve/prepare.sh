#!/bin/bash
# Prints where a Chromium is; installs Debian's when there is none and it can. Debian or Ubuntu, as root.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

find_it() { command -v chromium || command -v chromium-browser || command -v google-chrome; }
find_it && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "this test looks at the page in Chromium: install it, or run as root on Debian or Ubuntu" >&2
  exit 1
fi
# Whoever else installs something for tests waits for the same lock (tests/machines/prepare.sh).
mkdir -p /var/cache/gameday-test
exec 9>/var/cache/gameday-test/lock
flock 9
if ! find_it >/dev/null; then
  apt-get update -qq >&2
  apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
fi
find_it
