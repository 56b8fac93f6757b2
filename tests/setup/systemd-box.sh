#!/bin/bash
# A real systemd as process 1 of its own namespaces, over a folder with a system in it that stays as it is.
#
#   systemd-box.sh BOX start ROOT     boots ROOT; prints the process id, in this system, of its process 1
#   systemd-box.sh BOX exec CMD...    runs a command inside
#   systemd-box.sh BOX stop           ends it; nothing of what was changed inside is left
#
# BOX is a folder for its state that is not below ROOT. Needs root and a cgroup2 mount. The box has a network of its own
# with nothing but loopback.
set -euo pipefail

# Everything that is written inside lies in memory; more is refused.
UPPER_BYTES=4g
# Steps of 0.2 s that a boot may take.
BOOT_STEPS=300
# Units that would touch the machine outside or have nothing to do inside.
MASKED="systemd-udevd systemd-udev-trigger systemd-sysctl systemd-modules-load systemd-timesyncd systemd-resolved systemd-firstboot"

box=$1
command=$2
shift 2
name="mpos-stratum-box-$(basename "$box")"

cgroup_root() {
    local root=/sys/fs/cgroup/unified
    [ -d "$root" ] || root=/sys/fs/cgroup
    echo "$root"
}

# `unshare` waits outside for its child, which is process 1 inside.
leader() { pgrep -P "$(cat "$box/pid")" | head -n 1; }

inside() { nsenter -t "$(leader)" -m -p -C -u -i -n -- "$@"; }

start() {
    mkdir -p "$box"
    local cgroup
    cgroup="$(cgroup_root)/$name"
    mkdir -p "$cgroup"
    (
        echo "$BASHPID" >"$cgroup/cgroup.procs"
        exec unshare --mount --pid --fork --kill-child --cgroup --uts --ipc --net "$0" "$box" boot "$1" </dev/null >"$box/log" 2>&1
    ) &
    echo $! >"$box/pid"
    local state
    for _ in $(seq "$BOOT_STEPS"); do
        if [ -n "$(leader || true)" ]; then
            state="$(inside systemctl is-system-running 2>/dev/null || true)"
            case $state in
            running | degraded)
                leader
                return
                ;;
            esac
        fi
        sleep 0.2
    done
    echo "it does not boot:" >&2
    cat "$box/log" >&2
    return 1
}

# A device node of our own, because those outside may have other modes; where none can be made, theirs.
device() {
    mknod -m 666 "dev/$1" c "$2" "$3" 2>/dev/null || { touch "dev/$1" && mount --bind "/dev/$1" "dev/$1"; }
}

# Runs in the new namespaces and becomes systemd.
boot() {
    ip link set lo up
    mount --make-rprivate /
    mkdir -p "$box/memory"
    mount -t tmpfs -o "size=$UPPER_BYTES" tmpfs "$box/memory"
    mkdir "$box/memory/upper" "$box/memory/work" "$box/memory/root"
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$box/memory/upper,workdir=$box/memory/work" "$box/memory/root"
    cd "$box/memory/root"
    mount -t proc proc proc
    # Inside nobody sets the kernel's switches: they are the machine's.
    mount --bind proc/sys proc/sys
    mount -o remount,bind,ro proc/sys
    mount -t sysfs -o ro sysfs sys
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    mount -t tmpfs -o mode=755 tmpfs dev
    device null 1 3
    device zero 1 5
    device full 1 7
    device random 1 8
    device urandom 1 9
    device tty 5 0
    mkdir dev/pts dev/shm
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    mount -t tmpfs tmpfs dev/shm
    mount -t tmpfs -o mode=755 tmpfs run
    mount -t tmpfs -o mode=1777 tmpfs tmp
    rm -f usr/sbin/policy-rc.d
    : >etc/machine-id
    local unit
    for unit in $MASKED; do ln -sf /dev/null "etc/systemd/system/$unit.service"; done
    mkdir -p oldroot
    pivot_root . oldroot
    umount -l /oldroot
    # Else a service does not see the folder with its credentials.
    mount --make-rshared /
    exec env -i container=unshare PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=basic.target
}

stop() {
    # `unshare` does not mind SIGTERM, and process 1 takes everything with it.
    kill -KILL "$(leader)" 2>/dev/null || true
    local cgroup
    cgroup="$(cgroup_root)/$name"
    for _ in $(seq 50); do
        find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true
        [ -d "$cgroup" ] || break
        sleep 0.1
    done
    rm -rf "$box"
}

case $command in
start) start "$1" ;;
boot) boot "$1" ;;
exec) inside "$@" ;;
stop) stop ;;
*)
    echo "usage: $0 BOX start ROOT | exec CMD... | stop" >&2
    exit 64
    ;;
esac
