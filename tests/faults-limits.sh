#!/bin/bash
# shellcheck disable=SC2016,SC2154,SC2317 # scripts have dollars; begin.sh sets; check calls functions
#
# What there is not enough of: room on disk for text, events, pictures, objects and the cache; open
# files; memory of the process, and of its control group in the kernel. Each is an error that says
# what to do and a status of 1, or, for the cache, nothing at all; no half file stays, and no answer
# is wrong in silence. Needs root, eBPF, a C compiler, unshare. About 20 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=faults/begin.sh
. tests/faults/begin.sh

before=$(held)
cat >"$scratch/lines.stp" <<'END'
global n
probe process.function("one") { if (n++ < 3000) println("a line of which there are far too many for so small a disk") }
probe timer.s(2) { exit() }
END
refused() { # WORDS
    [[ $status = 1 ]] && said "$1"
}

# --- a full disk --------------------------------------------------------------------------

# Those below run in a mount namespace of their own, where $full has room for a page or two.
full=$scratch/full
mkdir "$full"
in_full() { # COMMAND...
    : >"$scratch/listing"
    status=0
    timeout 60 unshare -m bash -c '
        full=$1 listing=$2
        mount -t tmpfs -o size=64k none "$full" || exit 99
        dd if=/dev/zero of="$full/fill" bs=1k count=60 2>/dev/null
        shift 2
        "$@"
        status=$?
        find "$full" -type f ! -name fill -printf "%P %s\n" >"$listing"
        exit $status' - "$full" "$scratch/listing" "$@" >"$scratch/out" 2>"$scratch/err" \
        </dev/null || status=$?
}
nothing_there() { [[ ! -s $scratch/listing ]]; }
no_room='[Nn]o space left on device'

in_full true
if [[ $status != 0 ]]; then
    skip 'a full disk' 'no tmpfs can be mounted here'
else
    in_full "$ngstap" -I tapset -x "$target" -o "$full/text" "$scratch/lines.stp"
    check 'no room for text: an error' refused "cannot write the output: $no_room"
    in_full "$ngstap" -I tapset -x "$target" --format json -o "$full/text" "$scratch/lines.stp"
    check 'no room for events: an error' refused "cannot write the output: $no_room"
    in_full "$ngstap" flame -x "$target" -t 1 --at 'process.function("one")' -o "$full/picture.svg"
    check 'no room for a picture: an error' refused "cannot write $full/picture.svg: $no_room"
    check '... and no half of one' nothing_there
    in_full bash -c 'echo before >"$1/picture.svg"; shift; "$@"' - "$full" "$ngstap" flame \
        -x "$target" -t 1 --at 'process.function("one")' -o "$full/picture.svg"
    check '... what was there before is' grep -qx 'picture.svg 7' "$scratch/listing"
    in_full bash -c 'cd "$1"; shift; "$@"' - "$full" "$ngstap" -I "$PWD/tapset" -x "$target" -p4 \
        -m object "$scratch/lines.stp"
    check 'no room for an object: an error' refused "cannot write object.bpf.o: $no_room"
    check '... and no half of one' nothing_there
    in_full env XDG_CACHE_HOME="$full" "$ngstap" -I tapset -x "$target" \
        -e 'probe process.function("one") { print_ubacktrace() println("well") exit() }'
    check 'no room for the cache: it goes without' test "$status" = 0 -a "$(tail -n 1 \
        "$scratch/out")" = well
    not_half() { ! grep -v '^ngstap/[a-z]*/[0-9a-f]\{64\} ' "$scratch/listing"; }
    check '... and keeps nothing but whole files' not_half
fi

# --- open files ---------------------------------------------------------------------------

# Either the right answer, or an error that says what to do.
right_or_said() {
    if [[ $status = 0 ]]; then
        printed '^right$'
    else
        said 'Too many open files' && said '^hint: .*ulimit -[Hn]'
    fi
}
with_files() { # N ARGUMENT...
    status=0
    (
        ulimit -n "$1"
        shift
        exec timeout 60 "$ngstap" "$@"
    ) >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
}
cat >"$scratch/two.stp" <<'END'
global n, m, a
probe process.function("one") { n++; a[usymname(uaddr())]++ }
probe process.function("two").return { m++ }
probe timer.profile { a["tick"]++ }
probe timer.s(1) { println(n && m && a["one"] ? "right" : "wrong"); exit() }
END
for n in 8 16 32 64 256; do
    with_files "$n" -I tapset -x "$target" "$scratch/two.stp"
    check "$n open files: right, or an error that names the limit" right_or_said
done
check '... 256 are enough' test "$status" = 0
cat >"$scratch/threads.c" <<'END'
#include <pthread.h>
#include <unistd.h>
static void *spin(void *arg)
{
    for (volatile long n = 0;; n++)
        if (n % 100000 == 0)
            usleep(1000);
    return arg;
}
int main(void)
{
    pthread_t t;

    alarm(300);
    for (int i = 0; i < 150; i++)
        pthread_create(&t, NULL, spin, NULL);
    pause();
}
END
${CC:-cc} -g -O1 -pthread -o "$scratch/threads" "$scratch/threads.c"
"$scratch/threads" &
threads=$!
pids+=("$threads")
for n in 64 100 200; do
    with_files "$n" -I tapset -x "$threads" -T 20 \
        -e 'global n, t[1000] probe timer.profile { t[tid()]++; n++ if (n > 300) exit() }
            probe end { c = 0 foreach (k in t) c++ println(c > 30 ? "right" : "wrong") }'
    check "$n open files, 150 threads: right, or an error that names the limit" right_or_said
done
kill -KILL "$threads"

# --- memory -------------------------------------------------------------------------------

ended_well() { [[ $status = 0 ]] && printed '^right$'; }
if grep -q __asan_init <(nm "$ngstap" 2>/dev/null); then
    skip 'too little address space' 'a build with ASan takes terabytes of it'
else
    for mb in 20 40 80 160 320; do
        status=0
        (ulimit -v $((mb << 10)) && exec timeout 60 "$ngstap" -I tapset -x "$target" \
            "$scratch/two.stp") >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
        no_memory() { ended_well || { ((status != 0 && status < 128)) && said \
            '[Mm]emory|[Cc]annot allocate|cannot (open|map|load)'; }; }
        check "$mb MiB of address space: right, or an error" no_memory
    done
fi

# A control group whose memory is limited, by either version; its path is in $group.
make_group() { # BYTES
    local own
    own=$(sed -nE 's/^[0-9]+:memory:(.*)$/\1/p' /proc/self/cgroup)
    if [[ -e /sys/fs/cgroup/memory/memory.limit_in_bytes ]]; then
        group=/sys/fs/cgroup/memory$own/ngstap-faults-$$
        [[ -d ${group%/*} ]] || group=/sys/fs/cgroup/memory/ngstap-faults-$$
        mkdir "$group" && echo "$1" >"$group/memory.limit_in_bytes"
    else
        group=/sys/fs/cgroup/ngstap-faults-$$
        mkdir "$group" && echo "$1" >"$group/memory.max"
    fi 2>/dev/null
}
if ! make_group $((120 << 20)); then
    skip 'too little memory in a control group' 'none can be made here'
else
    status=0
    (echo "$BASHPID" >"$group/cgroup.procs" && exec timeout 60 "$ngstap" -I tapset -x "$target" \
        -e 'global a%[4000000] probe process.function("one") { a[pid()]++ } probe timer.s(1) { exit() }'
    ) >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
    check 'an array larger than the control group: an error' refused 'Cannot allocate memory'
    check '... that says what to do' said '^hint: .*MAXMAPENTRIES.*memory\.max'
    rmdir "$group" 2>/dev/null || { sleep 1 && rmdir "$group"; } || :
fi
check 'nothing is left in the kernel' as_before "$before"
finish
