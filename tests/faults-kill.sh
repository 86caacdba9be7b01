#!/bin/bash
# shellcheck disable=SC2016,SC2154,SC2317 # scripts have dollars; begin.sh sets; check calls functions
#
# SIGKILL at any moment of a start, a session and its end leaves nothing: no probe, map or link in
# the kernel, no file beside a result or in the cache, no child of ngstap's; the target runs on.
# What has a name while a session lives (procfs probes' FIFOs) is taken away by the next session, of
# any script. Moments: delays spread over a life, which is measured first.
#
# NGSTAP_MOMENTS: how many of each of five kinds (6). Needs root, eBPF, a C compiler. About 30 s.
# Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=faults/begin.sh
. tests/faults/begin.sh

moments=${NGSTAP_MOMENTS:-6}
mkdir "$scratch/results" "$scratch/tmp"
export TMPDIR=$scratch/tmp

cat >"$scratch/counts.stp" <<'END'
global n, a
probe begin { println("begun") }
probe process.function("one") { n++; a[probefunc()]++; printf("%d\n", n) }
probe process.function("two").return { n++ }
probe end { printf("whole %d\n", n) }
END
cat >"$scratch/profile.stp" <<'END'
global a
probe timer.profile { a[sprint_ubacktrace()]++ }
probe end { foreach (s in a) println(s, a[s]) }
END
cat >"$scratch/files.stp" <<'END'
global n
probe procfs("count").read { $value = sprintf("%d\n", n) }
probe procfs("set").write { n = strtol($value, 10) }
probe process.function("one") { n++ }
END
echo 'probe process.function("one") { n++ } global n probe end { println(n) }' >"$scratch/own.stp"

# A life of KIND, which ends by itself after half a second of probing; its pid is in $tracer.
begin() { # KIND
    local args=()
    case $1 in
    uprobe) args=(-I tapset -x "$target" -T 0.5 "$scratch/counts.stp") ;;
    profile) args=(-I tapset -x "$target" -T 0.5 "$scratch/profile.stp") ;;
    flame) args=(flame -x "$target" -t 0.5 -o "$scratch/results/picture.svg") ;;
    procfs) args=(-I tapset -x "$target" -T 0.5 "$scratch/files.stp") ;;
    command) args=(-I tapset -T 0.5 -c "$scratch/target" "$scratch/own.stp") ;;
    esac
    "$ngstap" "${args[@]}" >"$scratch/out" 2>"$scratch/err" </dev/null &
    tracer=$!
}

now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# Processes that a session has begun: they have our mark in their environment.
export NGSTAP_FAULTS=$scratch
children() {
    grep -lzsx "NGSTAP_FAULTS=$scratch" /proc/[0-9]*/environ 2>/dev/null |
        sed -nE 's|/proc/([0-9]+)/environ|\1|p' | while read -r pid; do
        [[ $pid = "$$" || $pid = "$target" || $pid = "$BASHPID" || ! -e /proc/$pid/exe ||
            $(readlink "/proc/$pid/exe") = */bash ]] || echo "$pid"
    done
}
# A command of -c outlives who watched it, as it would with SystemTap.
watched_ones() {
    local pid
    for pid in $(children); do
        [[ ! /proc/$pid/exe -ef $scratch/target ]] || echo "$pid"
    done
}
no_children() {
    local left
    for _ in {1..100}; do
        left=$(comm -23 <(children | sort) <(watched_ones | sort) | grep -vx "${1:-none}" || :)
        for pid in $left; do
            # what is looking for them, and what has just ended
            [[ -e /proc/$pid/exe && $(readlink "/proc/$pid/exe") = "$ngstap" ]] || left=''
        done
        [[ -n $left ]] || return 0
        sleep 0.1
    done
    echo "# still there: $left"
    return 1
}

# What has a name but no use.
left_files() {
    find "$scratch/results" "$scratch/tmp" "$XDG_CACHE_HOME" ! -type d \
        ! -path "$scratch/results/picture.svg" ! -regex '.*/[0-9a-f]*' -print
}
whole_or_not() {
    local file=$scratch/results/picture.svg
    [[ ! -e $file ]] || tail -c 20 "$file" | grep -q '</svg>'
}

# One moment of KIND; what is wrong is in $wrong.
moment() { # KIND DELAY_MS
    local pid
    rm -f "$scratch/results/"*
    begin "$1"
    sleep "$(printf '%d.%03d' $(($2 / 1000)) $(($2 % 1000)))"
    kill -KILL "$tracer" 2>/dev/null || :
    wait "$tracer" 2>/dev/null || :
    for pid in $(watched_ones); do
        # Not to be left stopped: it was held before its first instruction.
        sleep 0.05
        ! grep -qE '^State:\s+[Tt]' "/proc/$pid/status" 2>/dev/null || wrong+=" $2:command-stopped"
        kill -KILL "$pid" 2>/dev/null || :
    done
    [[ -z $(left_files) ]] || wrong+=" $2:$(left_files | head -n 1)"
    whole_or_not || wrong+=" $2:half-a-picture"
}

kind_survives() { # KIND: how it ends is nothing to its target, the disk or the kernel
    local kind=$1 life delay i
    wrong=''
    # A life of its own first, with a cache that is empty, then one with a filled one, measured.
    begin "$kind" && wait "$tracer" || :
    life=$(now_ms)
    begin "$kind" && wait "$tracer" || :
    life=$(($(now_ms) - life))
    ((life < 3000)) || life=3000
    for ((i = 0; i < moments; i++)); do
        delay=$((life * (2 * i + 1) / (2 * moments)))
        ((i % 2)) || rm -rf "$XDG_CACHE_HOME/ngstap" # what is made anew is written, too
        moment "$kind" "$delay"
    done
    echo "# $kind: a life takes $life ms"
    [[ -z $wrong ]] || echo "# wrong:$wrong"
    [[ -z $wrong ]]
}

uprobes() { cat /sys/kernel/tracing/uprobe_events 2>/dev/null || :; }

before=$(held)
uprobes_before=$(uprobes)
for kind in uprobe profile flame procfs command; do
    check "$kind: no file of it is left" kind_survives "$kind"
done
check 'nothing is left in the kernel' as_before "$before"
check '... nor among its uprobe events' test "$(uprobes)" = "$uprobes_before"
check 'no process is left' no_children

# --- names that must be there while a session lives ---------------------------------------

folders() { find /run/ngstap -mindepth 1 -maxdepth 1 -name "${1:-*}" 2>/dev/null || :; }
"$ngstap" -I tapset -x "$target" -m "faults_$$" "$scratch/files.stp" >"$scratch/out" \
    2>"$scratch/err" </dev/null &
tracer=$!
for _ in {1..400}; do
    [[ ! -e /run/ngstap/faults_$$/set ]] || break
    sleep 0.05
done
check 'procfs files are there' test -p "/run/ngstap/faults_$$/count"
kill -KILL "$tracer"
wait "$tracer" 2>/dev/null || :
"$ngstap" -I tapset -m "faults_other_$$" -e 'probe procfs("x").read { $value = "there\n" }' \
    >"$scratch/out" 2>"$scratch/err" </dev/null &
tracer=$!
for _ in {1..400}; do
    [[ ! -e /run/ngstap/faults_other_$$/x ]] || break
    sleep 0.05
done
check '... the next session takes those of a killed one away' test ! -e "/run/ngstap/faults_$$"
timeout 40 "$ngstap" -e 'probe begin { exit() }'
check '... but not those of one that lives' test "$(timeout 20 cat "/run/ngstap/faults_other_$$/x")" \
    = there
kill -KILL "$tracer"
wait "$tracer" 2>/dev/null || :
timeout 40 "$ngstap" -e 'probe begin { exit() }'
check '... any session does, also one without files' test -z "$(folders "faults_*$$")"

# --- results where files cannot be without a name -----------------------------------------

# What is left beside a result by a writer that was killed has no lock; one that lives holds it.
mkdir "$scratch/left"
touch "$scratch/left/.picture.folded.0.ngs" "$scratch/left/.picture.folded.1.ngs"
printf 'main\n\t3\n' >"$scratch/stacks"
convert() { "$ngstap" convert --format folded -o "$scratch/left/picture.folded" "$scratch/stacks" \
    >"$scratch/out" 2>"$scratch/err"; }
exec 7>"$scratch/left/.picture.folded.0.ngs"
flock 7
check 'a result is written beside what others write' convert
touch "$scratch/left/.picture.folded.1.ngs"
check '... also in the place of one' convert
check '... what was left there by a killed one is gone' test ! -e \
    "$scratch/left/.picture.folded.1.ngs"
check '... what another writes is not' test -e "$scratch/left/.picture.folded.0.ngs"
exec 7>&-
check '... nothing is, once nobody writes it' convert
check '... and nothing else is left' test "$(ls -A "$scratch/left")" = picture.folded

# A file system that cannot do without names (NFS): O_TMPFILE is refused there.
cat >"$scratch/names.c" <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
int openat(int dir, const char *path, int flags, ...)
{
    int (*real)(int, const char *, int, ...);
    va_list args;
    int mode;

    if ((flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    va_start(args, flags);
    mode = va_arg(args, int);
    va_end(args);
    real = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, "openat");
    return real(dir, path, flags, mode);
}
END
${CC:-cc} -shared -fPIC -o "$scratch/names.so" "$scratch/names.c" -ldl
by_name() {
    LD_PRELOAD=$scratch/names.so ASAN_OPTIONS=verify_asan_link_order=0 convert &&
        [[ $(ls -A "$scratch/left") = picture.folded && $(stat -c '%a %h' \
            "$scratch/left/picture.folded") = "644 1" ]]
}
touch "$scratch/left/.picture.folded.0.ngs" "$scratch/left/.picture.folded.1.ngs"
umask 022
check 'a file system without O_TMPFILE: a result is written, nothing is left' by_name
rm "$scratch/left/picture.folded"
touch "$scratch/left/.picture.folded.0.ngs"
check '... also a new one' by_name

check 'the target runs' kill -0 "$target"
finish
