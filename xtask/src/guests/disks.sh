#!/bin/busybox sh
# The first program of the guest that tries disks: a hard disk (sda) with an ext4 file system, and a CD-ROM (sr0). On the kernel's
# command line, dma=0 asks for PIO; do=fill writes files, and says what is in them; do=check looks whether they are all there; do=fio lets fio
# write, read back and compare; do=flush writes one file after the other, each made durable before it is named, until somebody pulls the plug.

b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs devtmpfs /dev 2>/dev/null
$b --install -s /bin
export PATH=/bin
exec </dev/ttyS0 >/dev/ttyS0 2>&1
echo 3 >/proc/sys/kernel/printk

fail() {
    echo "DISK-FAIL $*"
    poweroff -f
}

while read -r module; do
    # Whoever loads a module by hand has to give it what the kernel's command line says: here dma=0, for PIO.
    parameters=
    [ "$module" = libata ] && parameters=dma=${dma:-7}
    insmod "/modules/$module.ko" $parameters || fail "no module $module"
done </modules/order
n=0
until [ -b /dev/sda ] && [ -b /dev/sr0 ]; do
    n=$((n + 1))
    [ $n -lt 100 ] || fail "the drives do not come"
    sleep 0.1
done
for device in /sys/class/ata_device/dev*; do
    echo "DISK-MODE ${device##*/} $(cat "$device/xfer_mode")"
done
mkdir /mnt
mount -t ext4 /dev/sda /mnt || fail "mount"

# Files of the same content on every run: the busybox from a different start each.
fill() {
    n=0
    while [ $n -lt 6 ]; do
        tail -c +$((n * 4096 + n * 77 + 1)) /bin/busybox >/mnt/file$n || fail "write file$n"
        n=$((n + 1))
    done
}
check() {
    n=0
    while [ $n -lt 6 ]; do
        tail -c +$((n * 4096 + n * 77 + 1)) /bin/busybox | cmp - /mnt/file$n || fail "file$n differs"
        n=$((n + 1))
    done
}
forget() {
    sync
    echo 3 >/proc/sys/vm/drop_caches
}

case $do in
fill)
    fill
    forget
    check
    rm /mnt/file2 /mnt/file5
    forget
    fill
    # What the drive did not get right in the log of the kernel.
    dmesg | grep -E 'ata[0-9].*(exception|failed|error)|I/O error|EXT4-fs error' && fail "the kernel complains"
    ;;
check) check ;;
fio)
    export LD_LIBRARY_PATH=/fio
    mount -t tmpfs tmpfs /tmp
    for how in "--rw=randwrite --bsrange=512-64k --direct=1" \
        "--rw=write --bs=256k --end_fsync=1" \
        "--rw=randrw --bs=4k --direct=1 --ioengine=libaio --iodepth=8"; do
        # Words of $how are options.
        /fio/fio --name=v --directory=/mnt --size=${size:-16M} --ioengine=psync $how --verify=crc32c --verify_fatal=1 \
            --do_verify=1 >/tmp/said 2>&1 || {
            cat /tmp/said
            fail "fio $how"
        }
        echo "DISK-FIO $how: $(grep -c 'err= 0' /tmp/said) job without an error"
        rm -f /mnt/v*
        forget
    done
    ;;
flush)
    n=0
    while :; do
        head -c $((100000 + n * 4321)) /bin/busybox >/mnt/flushed$n || fail "write"
        sync
        echo "DISK-FLUSHED $n"
        n=$((n + 1))
        [ $n -lt 400 ] || sleep 1000
    done
    ;;
flushed)
    n=0
    while [ $n -le "$last" ]; do
        head -c $((100000 + n * 4321)) /bin/busybox | cmp - /mnt/flushed$n || fail "flushed$n is not there"
        n=$((n + 1))
    done
    ;;
esac
umount /mnt || fail "umount"
set -- $(sha256sum /dev/sr0)
echo "DISK-CD $1"
echo "DISK-DONE $do"
poweroff -f
