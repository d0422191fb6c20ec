#!/bin/busybox sh
# What a small host has, then each test program, one after the other.
for applet in $(/bin/busybox --list); do
  [ -e /bin/$applet ] || [ -e /usr/bin/$applet ] || /bin/busybox ln -s /bin/busybox /bin/$applet
done
export PATH=/bin:/usr/bin:/sbin:/usr/sbin HOME=/ TMPDIR=/tmp RUST_BACKTRACE=0 LC_ALL=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm /usr/bin
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t securityfs securityfs /sys/kernel/security
mount -t cgroup2 cgroup2 /sys/fs/cgroup
[ -e /usr/bin/busybox ] || ln -s /bin/busybox /usr/bin/busybox
echo root:x:0:0::/root:/bin/sh >/etc/passwd
while read -r module; do insmod /modules/$module || echo "corten-guest: exit insmod-$module"; done </modules/order
# Data roots are on a disk, as everywhere: tmpfs lacks what ext4 can.
mkdir -p /disk /tmp /var/tmp
mount -t ext4 /dev/vda /disk || echo "corten-guest: exit no-disk"
for directory in /tmp /var/tmp; do
  mkdir -p -m 1777 /disk$directory
  # Programs that were built there.
  cp -a $directory/. /disk$directory/
  mount --bind /disk$directory $directory
done
ip link set lo up
. /corten/environment
for test in /tests/*; do
  read -r now rest </proc/uptime
  echo "corten-guest: running $test after $now s"
  run() { $test --test-threads=1 2>&1; }
  run
  code=$?
  # As the runner of the host does, a failing program is tried once more, by name.
  if [ $code != 0 ]; then
    echo "corten-guest: once more $test"
    run
    code=$?
  fi
  echo "corten-guest: exit $code"
done
echo "corten-guest: done"
sync
poweroff -f
