#!/bin/busybox sh
# shellcheck shell=dash
#
# The first process of a VM that run.sh boots, from its initramfs: busybox as /bin/busybox, modules
# and the order to load them in /modules, this file as /init. Over 9p it finds the host's root
# ("root", read-only), the shared folder ("share", at $VM_SHARE) and the folder of the job ("job").
# It runs N/command for N = 1, 2, ... with the host's bash, output in N/out and N/err, the status in
# N/status; what has a status already is left out. Then it powers off.
#
# Of the host's root tmp and var can be written to: what is written is in a tmpfs that ends with the
# VM, /tmp/vm is a plain one.

/bin/busybox --install -s /bin
export PATH=/bin

give_up() {
    echo "init: $*" >/dev/console
    poweroff -f
}

mount -t devtmpfs dev /dev
mount -t proc proc /proc
while read -r module; do
    insmod "/modules/$module" || give_up "insmod $module"
done </modules/order

plan9=trans=virtio,version=9p2000.L,msize=262144
mkdir /new /write
mount -t 9p -o "ro,cache=loose,$plan9" root /new || give_up 'the root over 9p'
mount -t tmpfs write /write
for folder in tmp var; do
    mkdir -p "/write/$folder/upper" "/write/$folder/work"
    mount -t overlay -o \
        "lowerdir=/new/$folder,upperdir=/write/$folder/upper,workdir=/write/$folder/work" \
        overlay "/new/$folder" || give_up "an overlay on $folder"
    chmod 1777 "/new/$folder"
done
chmod 755 /new/var
mkdir -p /new/tmp/vm
mount -t tmpfs vm /new/tmp/vm
mkdir /new/tmp/vm/home

cd /new || give_up 'no root'
mount -t proc proc proc
mount -t sysfs sys sys
mount -t devtmpfs dev dev
mount -t tmpfs run run
mkdir -p dev/pts dev/shm run/vm run/lock
# What udev would add.
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
mount -t devpts devpts dev/pts
mount -t tmpfs shm dev/shm
mount -t debugfs debug sys/kernel/debug
mount -t tracefs trace sys/kernel/tracing
mount -t bpf bpf sys/fs/bpf
mount -t cgroup2 cgroup sys/fs/cgroup
# For modprobe, where the host has a folder to hang it on.
[ ! -d lib/modules ] || { mount -t tmpfs modules lib/modules &&
    ln -s "$VM_MODULES" "lib/modules/$(uname -r)"; }
mount -t 9p -o "cache=mmap,$plan9" share "./$VM_SHARE" || give_up 'the shared folder over 9p'
mount -t 9p -o "cache=none,$plan9" job run/vm || give_up 'the job over 9p'
ip link set lo up
hostname vm
cut -d ' ' -f 1 /proc/uptime >run/vm/uptime
mv run/vm/uptime run/vm/booted

n=1
while [ -e "run/vm/$n/command" ]; do
    if [ ! -e "run/vm/$n/status" ]; then
        : >"run/vm/$n/started"
        chroot . /bin/bash "run/vm/$n/command" </dev/null >"run/vm/$n/out" 2>"run/vm/$n/err"
        echo $? >"run/vm/$n/ended"
        mv "run/vm/$n/ended" "run/vm/$n/status"
    fi
    n=$((n + 1))
done
sync
poweroff -f
