#!/bin/busybox sh
# The guest's first process: a root that can be pivoted (the kernel's first root cannot).
/bin/busybox mkdir -p /new
/bin/busybox mount -t tmpfs -o mode=755 tmpfs /new
/bin/busybox cp -a $(/bin/busybox ls -d /* | /bin/busybox grep -vE '^/(new|init|dev|proc|sys|root)$') /new/
cd /new && /bin/busybox mkdir -p proc sys dev tmp var/tmp etc run
exec /bin/busybox switch_root /new /second.sh
