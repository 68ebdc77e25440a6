#!/bin/busybox sh
# Runs every program in /t and says how each ended: TEST-BEGIN name, what it prints, TEST-END name status. The kernel's
# command line may ask for the 32-bit ones only.

b=/bin/busybox
$b mount -t proc proc /proc
$b --install -s /bin
export PATH=/bin LD_LIBRARY_PATH=/lib64:/lib32
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/shm
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
if [ -c /dev/ttyS0 ]; then
    exec >/dev/ttyS0 2>&1
fi
echo 3 >/proc/sys/kernel/printk

programs=/t/*
case " $(cat /proc/cmdline) " in
*" only32 "*) programs=/t/*_32 ;;
esac

echo "TESTS-START $(uname -m) $(uname -r)"
for program in $programs; do
    name=${program#/t/}
    echo "TEST-BEGIN $name"
    timeout 60 "$program" </dev/null
    status=$?
    echo
    echo "TEST-END $name $status"
done
echo "TESTS-DONE"
sleep 1
poweroff -f
