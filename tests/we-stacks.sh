#!/bin/bash
# shellcheck disable=SC2016,SC2317,SC2154 # scripts have dollars of their own; check calls functions
#
# What scripts count of two masters of four workers each of one binary (tests/workers/family.c), for
# each kind of event: inlined functions, callees, statements, marks, entries of linkage tables,
# functions of libraries, system calls, tracepoints of the kernel, processes and threads that begin
# and end, stacks. Each worker counts itself what it does, each another number: that, of those who
# are meant, is what handlers are to see, no more and no less. Needs root, eBPF, the kernel's BTF, a
# C compiler and sys/sdt.h (package systemtap-sdt-dev). About 60 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=workers/masters.sh
. tests/workers/masters.sh

[[ $UID = 0 ]] || skip_all 'needs root'
[[ -r /sys/kernel/btf/vmlinux ]] || skip_all 'this kernel has no BTF'
[[ $(uname -m) = x86_64 ]] || skip_all 'stacks are walked on x86_64 alone'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'
echo '#include <sys/sdt.h>' | ${CC:-cc} -E - >/dev/null 2>&1 ||
    skip_all 'there is no sys/sdt.h (package systemtap-sdt-dev)'

build_family || { echo 'Bail out! no program'; exit 1; }
start_family
statement=$(grep -n 'the statement' tests/workers/family.c | cut -d : -f 1)
getsid=$(printf '#include <sys/syscall.h>\nSYS_getsid\n' | ${CC:-cc} -E -P - | tail -1)

# Handlers count in n[PID, WHAT], which is printed as the workers tell it.
common='global n, armed
    probe timer.ms(50) { if (!armed++) println("armed") }
    probe end { foreach ([p, what] in n) printf("%d %s %d\n", p, what, n[p, what]) }'

# counted WHATS PID...: what is printed of these WHATS is what these processes tell, no one else.
counted() {
    local whats=$1
    shift
    grep -E "^($(tr ' ' '|' <<<"$*")) ($whats) " "$scratch/told" | grep -v ' 0$' |
        LC_ALL=C sort >"$scratch/want"
    grep -E '^[0-9]+ [a-z_0-9]+ -?[0-9]+$' "$scratch/out" | LC_ALL=C sort >"$scratch/got"
    [[ $(cut -d ' ' -f 1 "$scratch/want" | sort -u | wc -l) = "$#" ]] ||
        { echo '# not all of them tell'; return 1; }
    diff "$scratch/want" "$scratch/got" >"$scratch/diff" ||
        { head -n 12 "$scratch/diff" | sed 's/^/# /'; return 1; }
}

# traced SCRIPT ARGUMENT...: what ngstap prints of it while all work
traced() {
    local script=$1
    shift
    start_trace "$@" -e "$common ${script//P./process(\"$family\").}"
    work
    sleep 0.2
    end_trace
    [[ $status = 0 ]]
}

# judge NAME WHATS SCRIPT: of one worker, and of one master's; P. is the program
judge() {
    check "$1: one worker" judged "$2" "$3" "${second[1]}" -x "${second[1]}"
    check "$1: one master's workers" judged "$2" "$3" "${first[*]}" --master "$master1"
}
judged() { # WHATS SCRIPT PIDS ARGUMENT...
    # shellcheck disable=SC2086 # several pids
    traced "$2" "${@:4}" && counted "$1" $3
}

# ---- stacks: hit() from so many calls of deeper() ----

# stacks: n[PID, depthN] of the stacks that are printed, each behind a line "stack PID HITS".
stacks() {
    awk '/^stack / { told(); pid = $2; hits = $3; frames = "" }
        /^ 0x/ { sub(/\+.*/, "", $3); frames = frames " " $3 }
        function told(    depth) {
            if (pid == "") return
            depth = gsub(/ deeper/, "", frames)
            if (frames ~ /^ hit stacks work main __libc_start/) n[pid " depth" depth] += hits
            else n[pid frames " " depth] += hits
        }
        END { told(); for (k in n) print k, n[k] }' "$scratch/out"
}
walked() { # SCRIPT PIDS ARGUMENT...
    traced "$1" "${@:3}" || return
    stacks >"$scratch/stacks"
    mv "$scratch/stacks" "$scratch/out"
    # shellcheck disable=SC2086 # several pids
    counted 'depth[0-9]+' $2
}
# shellcheck disable=SC2034 # they are named by $how
key='global stacks
    probe P.function("hit") { stacks[pid(), ubacktrace()]++ }
    probe end {
        foreach ([p, s] in stacks) { printf("stack %d %d\n", p, stacks[p, s]); print_ustack(s) }
    }'
# shellcheck disable=SC2034
now='probe P.function("hit") { printf("stack %d 1\n", pid()); print_ubacktrace() }'
for how in key now; do
    check "stacks ($how): one worker" walked "${!how}" "${second[1]}" -x "${second[1]}"
    check "stacks ($how): one master's workers" walked "${!how}" "${first[*]}" --master "$master1"
done
finish
