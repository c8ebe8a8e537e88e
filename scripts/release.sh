#!/usr/bin/env bash
# Makes one static binary for any x86-64 Linux, and tries it in an empty root. Needs rustup and, as root on Debian, nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
TARGET=x86_64-unknown-linux-musl
DIST=target/dist

rustup target add "$TARGET"
if ! command -v musl-gcc >/dev/null; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "musl-gcc is missing: install musl-tools, then run this again" >&2
    exit 1
  fi
  apt-get update -qq && apt-get install -y -qq --no-install-recommends musl-tools
fi
cargo build --release --target "$TARGET" --bin gameday
mkdir -p "$DIST"
cp "target/$TARGET/release/gameday" "$DIST/gameday"

# Nothing but the binary: no shell, no library, no certificate, no home.
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
cp "$DIST/gameday" "$root/"
mkdir "$root/work"
if [ "$(id -u)" = 0 ]; then enter=(chroot); else enter=(unshare --map-root-user chroot); fi
# Nor anything of this machine's environment.
try() { env -i PATH="$PATH" HOME=/work "${enter[@]}" "$root" /gameday "$@"; }
try --version
try -c /work/gameday.toml init --name tried --source https://example.com/server
try -c /work/gameday.toml render --check >/dev/null
try -c /work/gameday.toml policy >/dev/null
if try -c /work/gameday.toml status >/dev/null 2>"$root/said"; then
  echo "status cannot serve without an account" >&2
  exit 1
fi
if ! grep -q credentials "$root/said"; then
  echo "status does not say that credentials are missing:" >&2
  cat "$root/said" >&2
  exit 1
fi
ls -l "$DIST/gameday"
