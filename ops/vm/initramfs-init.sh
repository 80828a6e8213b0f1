#!/bin/busybox sh
# First program of the guest: finds the two read-only images and starts a host around them, all that can be written in a tmpfs.
set -eu
export PATH=/bin
/bin/busybox --install -s /bin

mount -t devtmpfs dev /dev
# The order is that of their dependencies; ext4 is built into the kernel.
for module in virtio_ring virtio virtio_mmio virtio_console virtio_blk; do insmod "/modules/$module.ko"; done

# A tmpfs and not the initramfs: pivot_root, which every sandbox does, refuses the latter as the old root.
mount -t tmpfs -o mode=755 host /host
cd /host
mkdir -m 755 image dev proc sys run etc usr opt opt/bullpen home root var
mkdir -m 1777 tmp var/tmp
mount -t ext4 -o ro /dev/vda image
mount -t ext4 -o ro,nosuid,nodev /dev/vdb opt/bullpen
mount -o bind image/usr usr
cp -a image/etc/. etc/
for place in bin sbin lib lib64; do ln -s "usr/$place" "$place"; done
mkdir run/vm
cp /bin/busybox /agent.py /start.sh run/vm/
cat >etc/inittab <<'END'
::sysinit:/run/vm/busybox sh /run/vm/start.sh
::once:/run/vm/busybox sh -c '/usr/bin/python3 /run/vm/agent.py; /run/vm/busybox poweroff -f'
END
mount -o move /dev dev
# Its init adopts and reaps what others leave behind, as a host's does.
exec switch_root /host /run/vm/busybox init
