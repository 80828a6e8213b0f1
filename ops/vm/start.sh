# Makes the guest a host of the kind that Debian 12 boots: shared mounts, cgroup v2 alone, an unprivileged user with a part of its own.
set -eu
busybox() { /run/vm/busybox "$@"; }

busybox mount -t proc -o nosuid,nodev,noexec proc /proc
busybox mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
busybox mount -t cgroup2 -o nosuid,nodev,noexec,nsdelegate cgroup2 /sys/fs/cgroup
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
echo '+cpu +memory +pids' >$cgroups/cgroup.subtree_control
# Delegated as the kernel's documentation says: the directory and the files that move processes and controllers, nothing else.
mkdir $cgroups/delegated $cgroups/delegated/session
for part in '' session/; do
  for file in '' cgroup.procs cgroup.threads cgroup.subtree_control; do chown rootless: "$cgroups/delegated/$part$file"; done
done
