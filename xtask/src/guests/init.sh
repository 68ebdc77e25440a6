#!/bin/busybox sh
# The first program of a test guest. It says MARK-INIT when user space starts, runs a benchmark, says MARK-DONE and switches the
# machine off. On the kernel's command line, bench=0 leaves the benchmark out, stay=1 gives a shell first, and screen=1 is for
# guests that are seen on their screen and not on the serial line.

b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs devtmpfs /dev 2>/dev/null
$b --install -s /bin
export PATH=/bin
if [ "$screen" = 1 ] && [ -c /dev/tty1 ]; then
    exec </dev/tty1 >/dev/tty1 2>&1
elif [ -c /dev/ttyS0 ]; then
    exec </dev/ttyS0 >/dev/ttyS0 2>&1
fi

uptime() {
    read -r seconds idle </proc/uptime
    echo "$seconds"
}

echo
echo "MARK-INIT uptime=$(uptime) $(uname -r) $(uname -m)"

# Hundredths of a second since the kernel started; with a zero in front the shell would take it for octal.
now() {
    uptime | tr -d . | sed 's/^0*//'
}

report() {
    printf 'BENCH %s %d.%02d s\n' "$1" $(($2 / 100)) $(($2 % 100))
}

# measure NAME COMMAND: what a part of the benchmark takes.
measure() {
    start=$(now)
    "$2" >/dev/null 2>&1
    report "$1" $(($(now) - start))
}

zeros() { dd if=/dev/zero bs=1M count="$1"; }
copies() {
    n=0
    while [ $n -lt 8 ]; do
        cat /bin/busybox
        n=$((n + 1))
    done
}

part_sha256() { zeros 64 | sha256sum; }
part_md5() { zeros 64 | md5sum; }
part_gzip() { copies | gzip -6 >/tmp/copies.gz; }
part_gunzip() { gunzip -c /tmp/copies.gz | wc -c; }
part_fork() {
    n=0
    while [ $n -lt 1000 ]; do
        /bin/busybox true
        n=$((n + 1))
    done
}
part_shell() {
    n=0
    while [ $n -lt 100000 ]; do n=$((n + 1)); done
}
part_copy() { dd if=/dev/zero of=/dev/null bs=64k count=32768; }
part_syscall() { dd if=/dev/zero of=/dev/null bs=1 count=500000; }
part_float() { awk 'BEGIN { for (i = 1; i < 1000000; i++) sum += 1 / (i * i); print sum }'; }
part_sort() { seq 1 60000 | awk '{ print ($1 * 7919) % 60013 }' | sort -n | tail -n 1; }

if [ "$bench" != 0 ]; then
    first=$(now)
    measure sha256_64M part_sha256
    measure md5_64M part_md5
    measure gzip_busybox_8 part_gzip
    measure gunzip_busybox_8 part_gunzip
    measure fork_exec_1000 part_fork
    measure shell_100k part_shell
    measure copy_2G part_copy
    measure syscall_1M part_syscall
    measure awk_float_1M part_float
    measure sort_60k part_sort
    report total $(($(now) - first))
fi

echo "MARK-DONE uptime=$(uptime)"
if [ "$stay" = 1 ]; then
    # With a terminal of its own the shell knows Ctrl-C; without one it works all the same.
    if [ -x /bin/cttyhack ]; then
        setsid cttyhack sh
    else
        sh
    fi
fi
sync
poweroff -f
