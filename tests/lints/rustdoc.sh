#!/bin/bash
# Stands in for rustdoc in `cargo test --doc`, and makes the pages instead: cargo calls it with the dependencies as they
# were built for the tests. `cargo doc` would check all of them first, which takes minutes.
set -euo pipefail
arguments=()
while (($#)); do
  case $1 in
  --test | --test-run-directory=* | --test-args=* | --no-run | --nocapture) ;;
  --test-run-directory | --test-args | --test-builder | --test-runtool | --test-runtool-arg | --color | --error-format) shift ;;
  *) arguments+=("$1") ;;
  esac
  shift
done
exec rustdoc "${arguments[@]}" --document-private-items -D warnings --out-dir "$GAMEDAY_DOC"
