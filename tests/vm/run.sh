#!/bin/bash
#
# Runs commands of this machine under a stock Debian kernel, in qemu.
#
#   tests/vm/run.sh [OPTION]... [--] COMMAND [ARGUMENT]...
#   tests/vm/run.sh [OPTION]... -l LIST -d FOLDER
#
#   -k SUITE     whose kernel: bullseye (5.10), bookworm (6.1, the default), trixie (6.12), sid
#   -s FOLDER    shared with the VM, read-write, at the same path; a temporary one if not given
#   -t SECONDS   how long a command may take (300)
#   -i           the VM's clock counts instructions, on one processor: how busy this machine is
#                changes nothing that is measured in the VM, so that a profile can be compared with
#                an account. A second there may take three
#   -o           its two processors run in turns, one at a time. Else each has a thread of qemu's,
#                and one may run an int3 that the kernel has already patched away (its jump labels):
#                Linux 6.12 and 7.2 died of that under qemu 7.2. But a processor that waits for a
#                lock waits 0.1 s then, and SystemTap skips probes
#   -m MIB       memory (2048)
#   -v           say how long the boot took
#   -l LIST      many commands in one boot: a line NAME COMMAND each, COMMAND being a line of bash
#   -d FOLDER    where their output goes: NAME.out, NAME.err, NAME.status. Standard output has
#                "NAME STATUS SECONDS" as each ends
#
# COMMAND runs as root, in this folder, without standard input, its output passed on as it comes;
# its status is that of run.sh, except: 124, it took too long; 125, the VM died under it, twice
# (once, and the command is started again in a new VM; the kernel's last words are shown); 77, no VM
# came up at all: no kernel, no qemu, no boot, and a test is to be skipped with the reason that
# stands in the last line of standard error. With -l the status is 0, 77, or 125 if a VM died twice
# under any command, whose NAME.status is then 125.
#
# The VM's root is this machine's, read-only. /tmp and /var are overlays of a tmpfs: what is there
# can be read, what is written ends with the VM. Uprobes of SystemTap do not work on files of an
# overlay: what is probed belongs into $TMPDIR, which is a tmpfs, into the shared folder (which can
# hold no fifo), or lies outside of /tmp and /var. HOME is an empty folder. Of the environment
# COMMAND gets PATH, CC and what begins with NGSTAP_, top_ or VM_; VM_SHARE is the shared folder.
#
# No KVM is used: it is the same machine everywhere, ten times slower than this one. Needs Debian,
# x86-64, root if packages are missing. Leaves kernels in the cache (kernel.sh).

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=../targets/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../targets/common.sh"

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# Four to twenty where nothing else runs.
BOOT_SECONDS=300

suite=bookworm share='' limit=300 slow=1 memory=2048 verbose='' list='' results=''
processor=(-accel 'tcg,thread=multi' -smp 2)

usage() { sed -n '2,/^$/s/^# \?//p' "$0"; }

give_up() {
    say "${0##*/}: $*"
    exit 77
}

# --- the initramfs: it depends on the kernel and on init.sh -------------------------------

decompress() {
    case $1 in
    *.xz) xz -dc "$1" ;;
    *.zst) zstd -dcq "$1" ;;
    *.gz) gzip -dc "$1" ;;
    *) cat "$1" ;;
    esac
}

make_initramfs() { # KERNEL-FOLDER FILE
    local tree file name module
    tree=$(mktemp -d)
    mkdir -p "$tree"/{bin,dev,proc,modules}
    cp /bin/busybox "$tree/bin/"
    cp "$HERE/init.sh" "$tree/init"
    chmod 755 "$tree/init"
    for module in virtio_pci 9pnet_virtio 9p overlay; do
        modprobe -d "$1/root" -S "$(<"$1/release")" --show-depends "$module"
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
        name=$(basename "$file" | sed 's/\.ko.*/.ko/')
        decompress "$file" >"$tree/modules/$name"
        echo "$name" >>"$tree/modules/order"
    done
    (cd "$tree" && find . | cpio -o -H newc --quiet | gzip -1) >"$2.$$"
    mv "$2.$$" "$2"
    rm -rf "$tree"
}

prepare() {
    # Packages are of no use to someone who may not install them, but the reason is.
    (need_packages qemu-system-x86 busybox-static cpio kmod xz-utils) ||
        give_up 'qemu and what it takes cannot be installed'
    kernel=$("$HERE/kernel.sh" image "$suite") || give_up "no kernel of Debian $suite"
    initramfs=$kernel/initramfs-$(sha256sum "$HERE/init.sh" "${BASH_SOURCE[0]}" | sha256sum |
        cut -c 1-12)
    [[ -f $initramfs ]] || make_initramfs "$kernel" "$initramfs"
}

# --- the job: a folder with the commands by number ------------------------------------------

# add_command NAME LINE: a line of bash.
add_command() {
    count=$((count + 1))
    mkdir "$job/$count"
    labels[count]=$1
    {
        compgen -e | while read -r name; do
            case $name in
            PATH | CC | NGSTAP_* | top_* | VM_*) printf 'export %s=%q\n' "$name" "${!name}" ;;
            esac
        done
        printf 'export HOME=/tmp/vm/home LC_ALL=C TMPDIR=/tmp/vm VM_SHARE=%q\ncd %q\n' "$share" \
            "$PWD"
        printf 'exec timeout -k 5 %d bash -c %q\n' "$limit" "$2"
    } >"$job/$count/command"
}

boot() {
    local files=security_model=none,multidevs=remap
    rm -f "$job/booted"
    timeout -k 5 "$((BOOT_SECONDS + count * (limit * slow + 60)))" qemu-system-x86_64 -nodefaults \
        -display none -no-reboot \
        "${processor[@]}" -cpu max,la57=off -m "$memory" \
        -kernel "$kernel/vmlinuz" -initrd "$initramfs" -serial "file:$job/console" \
        -virtfs "local,path=/,mount_tag=root,readonly=on,$files" \
        -virtfs "local,path=$share,mount_tag=share,$files" -virtfs \
        "local,path=$job,mount_tag=job,$files" \
        -append "console=ttyS0 quiet panic=-1 mitigations=off VM_SHARE=$share VM_MODULES=$kernel/lib/modules/$(<"$kernel/release")" \
        >"$job/qemu" 2>&1 </dev/null &
    qemu=$!
}

runs() { kill -0 "$qemu" 2>/dev/null; }

# within SECONDS FILE: true once FILE is there; false if the VM has ended, or after SECONDS.
within() {
    local end=$((SECONDS + $1))
    until [[ -e $2 ]]; do
        if ! runs || ((SECONDS >= end)); then
            [[ -e $2 ]]
            return
        fi
        sleep 0.1
    done
}

stop_vm() {
    [[ -n $qemu ]] || return 0
    kill "$qemu" 2>/dev/null || :
    wait "$qemu" 2>/dev/null || :
    qemu=''
}

last_words() {
    {
        grep -am 4 'Oops\|BUG\|panic\|RIP:\|init:' "$job/console"
        tail -n 6 "$job/console"
        tail -n 3 "$job/qemu"
    } 2>/dev/null | tr -d '\r' >&2 || :
}

# Passes on what a file gains until there is a status or no VM.
follow() { # FILE STATUS
    exec 3<"$1"
    until [[ -e $2 ]] || ! runs; do
        cat <&3
        sleep 0.1
    done
    cat <&3
    exec 3<&-
}

# await N: until command N has its status, or its VM is dead; a VM that hangs is ended.
await() {
    local here=$job/$1 out='' err=''
    within 60 "$here/started" && within 10 "$here/err" || return
    if [[ -z $list ]]; then
        follow "$here/out" "$here/status" &
        out=$!
        follow "$here/err" "$here/status" >&2 &
        err=$!
    fi
    within "$((limit * slow + 30))" "$here/status" || stop_vm
    # shellcheck disable=SC2086 # none, or two pids
    [[ -z $out ]] || wait $out $err
    [[ -e $here/status ]]
}

finish_command() { # N SECONDS
    local part
    [[ -n $list ]] || return 0
    for part in out err status; do
        cp "$job/$1/$part" "$results/${labels[$1]}.$part" 2>/dev/null ||
            : >"$results/${labels[$1]}.$part"
    done
    echo "${labels[$1]} $(<"$job/$1/status") $2"
}

clean() {
    stop_vm
    [[ -z $job ]] || rm -rf "$job"
    [[ -z $own_share ]] || rm -rf "$own_share"
}

run_all() {
    local n=1 boots=0 died=0 started worst=0
    while ((n <= count)); do
        if [[ -z $qemu ]]; then
            boots=$((boots + 1))
            boot
            if ! within "$BOOT_SECONDS" "$job/booted"; then
                stop_vm
                ((boots < 2)) && continue
                last_words
                give_up "the VM with the kernel of Debian $suite does not come up"
            fi
            [[ -z $verbose ]] || say \
                "${0##*/}: kernel $(<"$kernel/release"), $(<"$job/booted") s to the first command"
        fi
        started=$SECONDS
        if ! await "$n"; then
            stop_vm
            died=$((died + 1))
            say "${0##*/}: the VM died under the command ${labels[n]}; the kernel's last words:"
            last_words
            ((died < 2)) && continue
            echo 125 >"$job/$n/status"
            worst=125
        fi
        died=0 boots=0
        finish_command "$n" "$((SECONDS - started))"
        n=$((n + 1))
    done
    [[ -n $list ]] || worst=$(<"$job/1/status")
    return "$worst"
}

while getopts 'k:s:t:iom:vl:d:h' option; do
    case $option in
    k) suite=$OPTARG ;;
    s) share=$(realpath "$OPTARG") ;;
    t) limit=$OPTARG ;;
    i)
        # Two nanoseconds an instruction, about what this takes without icount.
        processor=(-accel 'tcg,thread=single' -icount shift=1 -smp 1)
        slow=4
        ;;
    o) processor=(-accel 'tcg,thread=single' -smp 2) ;;
    m) memory=$OPTARG ;;
    v) verbose=1 ;;
    l) list=$OPTARG ;;
    d) results=$OPTARG ;;
    h)
        usage
        exit
        ;;
    *)
        usage >&2
        exit 1
        ;;
    esac
done
shift $((OPTIND - 1))
[[ -n $list ]] || (($#)) || { usage >&2; exit 1; }
[[ -z $list || -d $results ]] || fail '-l needs -d, a folder for the results'
[[ $limit =~ ^[1-9][0-9]*$ && $memory =~ ^[1-9][0-9]*$ ]] || fail '-t and -m take a number'
[[ $share != / ]] || fail 'the shared folder must not be /'

job='' qemu='' own_share='' count=0 labels=()
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
prepare
job=$(mktemp -d)
[[ -n $share ]] || { own_share=$(mktemp -d); share=$own_share; }
chmod 755 "$share"
if [[ -n $list ]]; then
    while read -r name line; do
        [[ -z $name || $name == \#* ]] || add_command "$name" "$line"
    done <"$list"
else
    add_command "${1##*/}" "$(printf '%q ' "$@")"
fi
run_all
