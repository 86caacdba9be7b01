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

judge 'inlined functions' 'small|small_sum' '
    probe P.function("small").inline {
        n[pid(), "small"]++
        n[pid(), "small_sum"] += $value
    }'
judge 'callees' 'small|leaf|leaf_of_twice|leaf_of_jumps' '
    probe P.function("leaf") { n[pid(), "leaf"]++ }
    probe P.function("jumps").callee("leaf") { n[pid(), "leaf_of_jumps"]++ }
    probe P.function("twice").callee("leaf") { n[pid(), "leaf_of_twice"]++ }
    probe P.function("*").callee("small") { n[pid(), "small"]++ }'
judge 'statements' 'line' "
    probe P.statement(\"once@family.c:$statement\") { n[pid(), \"line\"]++ }"
judge 'marks' 'passed|passed_sum|guarded' '
    probe P.mark("passed") { n[pid(), "passed"]++; n[pid(), "passed_sum"] += $arg1 }
    probe P.provider("family").mark("guarded") { n[pid(), "guarded"]++ }'
judge 'libraries and linkage tables' 'passed|library|library_sum|guarded' '
    probe P.library("libfamily.so").function("in_library") { n[pid(), "library"]++ }
    probe P.library("libfamily.so").mark("called") { n[pid(), "library_sum"] += $arg1 }
    probe P.plt("in_library") { n[pid(), "passed"]++ }'
judge 'system calls' 'getsid|getsid_sum|read_bytes|failed' '
    probe syscall.getsid { n[pid(), "getsid"]++; n[pid(), "getsid_sum"] += ulong_arg(2) }
    probe syscall.read.return { if (execname() == "family") n[pid(), "read_bytes"] += $return }
    probe syscall.access.return { if (execname() == "family") n[pid(), "failed"] += $return == -2 }'
judge 'process.syscall' 'getsid|getsid_sum' "
    probe process.syscall { if (\$syscall == $getsid) n[pid(), \"getsid\"]++ }
    probe process.syscall.return { if (\$syscall == $getsid) n[pid(), \"getsid_sum\"] += \$arg2 }"
judge 'tracepoints' 'getsid|getsid_sum|forks|threads' "
    probe kernel.trace(\"sys_enter\") {
        if (\$id == $getsid) { n[pid(), \"getsid\"]++; n[pid(), \"getsid_sum\"] += \$regs->si }
    }
    probe kernel.trace(\"sched_process_fork\") {
        n[pid(), \$child->tgid == pid() ? \"threads\" : \"forks\"]++
    }"
judge 'processes and threads' 'forks|runs|threads' '
    global there
    probe P.begin { if (ppid() in there) n[ppid(), "forks"]++; else there[pid()] = 1 }
    probe process("'"$family-other"'").end { n[ppid(), "runs"]++ }
    probe process.thread.begin { n[pid(), "threads"]++ }'

# ---- all kinds at once, and other ways to say whom ----

whats='small|passed|getsid|library|forks|threads'
all='
    probe P.function("small") { n[pid(), "small"]++ }
    probe P.mark("passed") { n[pid(), "passed"]++ }
    probe P.library("libfamily.so").function("in_library") { n[pid(), "library"]++ }
    probe syscall.getsid { n[pid(), "getsid"]++ }
    probe kernel.trace("sched_process_fork") {
        if ($child->tgid != pid() && execname() == "family") n[pid(), "forks"]++
    }
    probe process.thread.begin { n[pid(), "threads"]++ }'
check 'a master by -x: its workers' judged "$whats" "$all" "${first[*]}" -x "$master1"
check 'two workers, of different masters' judged "$whats" "$all" "${first[3]} ${second[0]}" \
    -x "${first[3]}" -x "${second[0]}"
check 'everybody who runs the program' judged "$whats" "${all//process.thread/P.thread}" \
    "${first[*]} ${second[*]}"

# ---- what one handler prints stays together, though four workers print at once ----

together() {
    traced 'probe P.function("leaf") {
            printf("%d", pid())
            for (i = 0; i < 8; i++) printf(" %d", pid())
            println(" leaf")
        }' --master "$master1" || return
    awk '$NF == "leaf" && NF == 10 { for (i = 2; i < NF; i++) if ($i != $1) next; n[$1 " leaf"]++ }
        END { for (k in n) print k, n[k] }' "$scratch/out" >"$scratch/whole"
    mv "$scratch/whole" "$scratch/out"
    # shellcheck disable=SC2086 # several pids
    counted leaf ${first[*]}
}
check 'the lines that a handler prints in pieces' together

# ---- time that a worker does not run, and how often it leaves the processor by itself ----

rests='global resting, left
    probe P.function("rest_begins") { resting[tid()] = 1 }
    probe P.function("rest_ends") { delete resting[tid()] }
    probe kernel.trace("sched_switch").all {
        if ($prev->pid in resting) {
            left[$prev->pid] = gettimeofday_us()
            if (!$preempt && $prev->__state) n[$prev->tgid, "switches"]++
        }
        if ($next->pid in left) {
            n[$next->tgid, "off_us"] += gettimeofday_us() - left[$next->pid]
            delete left[$next->pid]
        }
    }'
# near PERCENT: off_us lies between what is told, but for so much; the rest is compared.
near() {
    awk -v percent="$1" 'NR == FNR { told[$1, $2] = $3; next }
        $2 == "off_us" && $3 * 100 >= told[$1, $2] * (100 - percent) &&
            $3 * 100 <= told[$1, "off_most"] * (100 + percent) { $3 = told[$1, $2] }
        { print }' "$scratch/told" "$scratch/out" >"$scratch/near"
    mv "$scratch/near" "$scratch/out"
}
rested() { # PIDS ARGUMENT...
    traced "$rests" "${@:2}" || return
    near 3
    # shellcheck disable=SC2086 # several pids
    counted 'switches|off_us' $1
}
check 'time not running: one worker' rested "${second[1]}" -x "${second[1]}"
check "time not running: one master's workers" rested "${first[*]}" --master "$master1"

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

# ---- a handler that is to end the session: nobody adds what it is about to print ----
# Here nobody waits until the workers are done: so this comes last.

once() { # ARGUMENT...
    trace "$@" -D MAXACTION=1000000 -e "global sums
        probe process(\"$family\").function(\"leaf\"), perf.sw.cpu_clock.sample(50000) {
            for (i = 0; i < 20000; i++) sums[i % 7]++
            foreach (k in sums) sum += sums[k]
            println(sum)
            exit()
        }" && [[ $(cat "$scratch/out") = 20000 ]]
}
all_once() {
    local k
    for k in 1 2 3; do
        (sleep 1; kill -USR1 "${first[@]}"; sleep 0.3; kill -USR1 "${first[@]}") &
        once "$@" || return
        wait $!
    done
}
check 'a handler that adds up, prints and exits' all_once --master "$master1"
check '... with loops by bpf_loop' all_once --master "$master1" --no-feature=may_goto
after_errors() {
    (sleep 1; kill -USR1 "${first[@]}") &
    trace --master "$master1" -D MAXERRORS=100 -e "global n, seen
        probe process(\"$family\").function(\"leaf\") {
            if (n++ < 3) error(\"not yet\")
            seen[1] = 1
            foreach (k in seen) println(\"seen \", k)
            exit()
        }"
    wait $!
    [[ $(cat "$scratch/out") = 'seen 1' ]] && said 'Number of errors: 3'
}
check '... after errors, which let the session go on' after_errors
finish
