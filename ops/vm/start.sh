# Makes the guest a host of the kind that Debian 12 boots: shared mounts, cgroup v2 alone, an unprivileged user with a part of its own.
# With vm.cgroups=v1 the same as older systems boot it: the controllers in v1 hierarchies, v2 beside them without any.
set -eu
busybox() { /run/vm/busybox "$@"; }

busybox mount -t proc -o nosuid,nodev,noexec proc /proc
busybox mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mkdir -p /dev/pts /dev/shm
busybox mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
busybox mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /dev/shm
busybox mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /tmp
# As systemd does: what unshares a mount namespace has to make it private by itself.
busybox mount --make-rshared /

hostname vm
busybox ifconfig lo 127.0.0.1 up
# Test programs were built elsewhere and look for the forkserver where it was then.
while read -r from to; do
  mkdir -p "$(dirname "$from")"
  ln -s "$to" "$from"
done </opt/bullpen/links

cgroups=/sys/fs/cgroup

mount_v1() {
  busybox mount -t tmpfs -o mode=755,nosuid,nodev,noexec tmpfs $cgroups
  for controllers in memory pids cpu,cpuacct; do
    mkdir $cgroups/$controllers
    busybox mount -t cgroup -o nosuid,nodev,noexec,$controllers cgroup $cgroups/$controllers
  done
  mkdir $cgroups/unified
  busybox mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 $cgroups/unified
}

mount_v2() {
  busybox mount -t cgroup2 -o nosuid,nodev,noexec,nsdelegate cgroup2 $cgroups
  echo '+cpu +memory +pids' >$cgroups/cgroup.subtree_control
  # Delegated as the kernel's documentation says: the directory and the files that move processes and controllers, nothing else.
  mkdir $cgroups/delegated $cgroups/delegated/session
  for part in '' session/; do
    for file in '' cgroup.procs cgroup.threads cgroup.subtree_control; do chown rootless: "$cgroups/delegated/$part$file"; done
  done
}

case $(cat /proc/cmdline) in
*vm.cgroups=v1*) mount_v1 ;;
*) mount_v2 ;;
esac
