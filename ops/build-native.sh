#!/usr/bin/env bash
# Builds the addon and the forkserver (release) into native/bin/. Cargo decides what is out of date.
#
# Both name the target explicitly: then RUSTFLAGS don't reach build scripts, and clippy, tests and addon share one directory.
# The forkserver has a target directory of its own: a later build without +crt-static would silently replace it by a dynamic one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../native"

readonly TARGETS=${CARGO_TARGET_DIR:-$PWD/target}
TRIPLE=$(rustc -vV | sed -n 's/^host: //p')
readonly TRIPLE

# Without debug information: that stays in the target directory. A worker that runs keeps the file that it has opened; the new one
# takes the name only.
publish() {
  local from=$1 to=$2
  mkdir -p bin
  strip --strip-debug -o "$to.new" "$from"
  chmod 755 "$to.new"
  if cmp -s "$to.new" "$to"; then rm "$to.new"; else mv "$to.new" "$to"; fi
}

build_forkserver() {
  RUSTFLAGS='-C target-feature=+crt-static' \
    cargo build --release --locked -p forkserver --bin bullpen-forkserver --target "$TRIPLE" --target-dir "$TARGETS/forkserver"
  local built=$TARGETS/forkserver/$TRIPLE/release/bullpen-forkserver
  if LC_ALL=C readelf -lW "$built" | grep -q INTERP || LC_ALL=C readelf -dW "$built" | grep -q NEEDED; then
    printf 'bullpen: %s is dynamically linked; inside a sandbox it would need a libc of the guest\n' "$built" >&2
    exit 1
  fi
  publish "$built" bin/bullpen-forkserver
}

build_addon() {
  cargo build --release --locked -p node --target "$TRIPLE" --target-dir "$TARGETS/addon"
  publish "$TARGETS/addon/$TRIPLE/release/libnode.so" bin/bullpen.node
}

build_forkserver
build_addon
