#!/usr/bin/env bash
# Installs and builds what a fresh clone lacks, and nothing that is there already. Prints one line for each step it had to do.
# `ops/bootstrap.sh images` also makes what the emulated host of the tests boots from.
# Needs Debian 12, root, Node >= 20 with npm, and Rust; changes nothing outside the clone except missing Debian packages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly NODE_AT_LEAST=20
readonly RUST_AT_LEAST=88 # of 1.x, as in native/Cargo.toml

# What each Debian package is for, and the file whose absence means that it is missing.
readonly PACKAGES=(
  'redis-server|/usr/bin/redis-server|the private Redis of the quickstart and the tests'
  'gcc|/usr/bin/gcc|the C runtime, and the linker for the native parts'
  'g++|/usr/bin/g++|jobs of the suite runtimes, and libFuzzer in the fuzz targets'
  'libc6-dev|/usr/include/stdlib.h|headers and static libc for the forkserver'
  'git|/usr/bin/git|a program that jobs of the suite runtimes use'
  'python3|/usr/bin/python3|the Python runtime'
  'python3-pandas|/usr/lib/python3/dist-packages/pandas/__init__.py|what Python jobs of the suite runtimes import, with numpy'
  'nodejs|/usr/bin/node|the Node runtime'
  'bubblewrap|/usr/bin/bwrap|the peer that benchmarks compare with'
  'qemu-system-x86|/usr/bin/qemu-system-x86_64|emulates a host of another kind: the suite vm'
  'e2fsprogs|/usr/sbin/mke2fs|makes the disks of that host'
  'strace|/usr/bin/strace|kills a forkserver at a call of the kernel: its crash points in the suite chaos'
  'procps|/usr/bin/ps|a program of that host'
  'hostname|/usr/bin/hostname|a program of that host'
)

refuse() {
  printf 'bullpen: %s\n  remedy: %s\n' "$1" "$2" >&2
  exit 1
}

# Says what is being done and why, does it with its output kept aside, and says how long it took.
step() {
  local title=$1 log=.bullpen/bootstrap.log started=$EPOCHREALTIME
  shift
  printf '  %-70s ' "$title"
  if ! "$@" >"$log" 2>&1; then
    printf 'FAILED\n' >&2
    tail -n 40 "$log" >&2
    exit 1
  fi
  awk -v from="$started" -v to="$EPOCHREALTIME" 'BEGIN { printf "%6.1f s\n", to - from }'
}

check_host() {
  [[ $(uname -s) == Linux ]] || refuse 'sandboxes need Linux' 'use a Debian 12 machine, virtual or not'
  local system
  system=$(. /etc/os-release && printf '%s %s' "${ID:-unknown}" "${VERSION_ID:-}")
  [[ $system == 'debian 12' ]] || refuse "this host is '$system'; only Debian 12 is supported so far" 'use a Debian 12 machine'
  [[ $(id -u) == 0 ]] || refuse 'sandboxes are made by root for now' 'run this as root (sudo -i), on a machine meant for it'
  command -v npm >/dev/null || refuse 'npm is missing' "install Node >= $NODE_AT_LEAST with npm, system-wide"
  local node rust
  node=$(PATH=${PATH//$PWD\/node_modules\/.bin:/} node -p 'process.versions.node' 2>/dev/null || echo 0)
  ((${node%%.*} >= NODE_AT_LEAST)) || refuse "Node is $node" "install Node >= $NODE_AT_LEAST, system-wide"
  command -v cargo >/dev/null || refuse 'Rust is missing' "install Rust >= 1.$RUST_AT_LEAST with rustup, and have cargo in PATH"
  rust=$(rustc --version | cut -d' ' -f2 | cut -d. -f2)
  ((rust >= RUST_AT_LEAST)) || refuse "Rust is 1.$rust" "rustup update stable (needs >= 1.$RUST_AT_LEAST)"
}

# Debian starts a service as it installs it. We want the program only, and leave alone whatever else runs here.
install_quietly() (
  gate=/usr/sbin/policy-rc.d
  if [[ ! -e $gate ]]; then
    trap 'rm -f "$gate"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$gate"
    chmod 755 "$gate"
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y --no-install-recommends "$1" || { apt-get update && apt-get install -y --no-install-recommends "$1"; }
)

install_packages() {
  local entry name file purpose
  for entry in "${PACKAGES[@]}"; do
    IFS='|' read -r name file purpose <<<"$entry"
    [[ -e $file ]] || step "installing $name: $purpose" install_quietly "$name"
  done
}

install_npm_packages() {
  local stamp=node_modules/.bullpen-lock wanted
  wanted=$(sha256sum package.json package-lock.json | sha256sum | cut -d' ' -f1)
  if [[ ! -x node_modules/.bin/node || $(cat "$stamp" 2>/dev/null) != "$wanted" ]]; then
    step 'installing npm packages, among them Node 24, as locked' npm install --include=dev --include=optional
    [[ -x node_modules/.bin/node ]] || refuse 'npm left out the Node 24 binary package' 'run npm install --include=optional, on x64 or arm64'
    sha256sum package.json package-lock.json | sha256sum | cut -d' ' -f1 >"$stamp"
  fi
}

mkdir -p .bullpen
exec 9>.bullpen/bootstrap.lock
flock 9
check_host
install_packages
install_npm_packages
step 'building the native parts: addon and static forkserver' bash ops/build-native.sh
[[ ${1:-} != images ]] || step 'building the tests in Rust, and the images of an emulated host' bash ops/vm/build-image.sh
