#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# System calls by name: what a program that tells its own calls says (tests/syscalls/calls.c), and
# what strace sees of a tree of processes, is what scripts see; calls by the convention for 32 bits
# are told apart; one of two masters' workers is one. Needs root, eBPF and a C compiler; strace and
# a compiler for 32 bits where that is compared. About 20 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'
[[ $(uname -m) = x86_64 ]] || skip_all 'the calls of the test are those of x86_64'

calls=$scratch/calls
${CC:-cc} -O1 -o "$calls" tests/syscalls/calls.c

# ---- what a call is told as ----

# One handler each at the entry and the return: names, arguments and results are the program's.
told() { # ARGUMENT...
    timeout 60 "$ngstap" "$@" -c "sh -c 'exec $calls say 2>$scratch/want'" -e '
        global calls
        probe syscall.* { calls[tid()] = sprintf("%s %s", name, argstr) }
        probe syscall.*.return {
            if (calls[tid()] != "") printf("%s = %s\n", calls[tid()], retstr)
        }' >"$scratch/out" 2>"$scratch/err" && within "$scratch/want" "$scratch/out"
}
# Are the lines of the first file among those of the second, in that order?
within() {
    awk 'NR == FNR { want[NR] = $0; n = NR; next } $0 == want[k + 1] { k++ }
        END { if (k < n) { print "# not seen: " want[k + 1]; exit 1 } }' "$1" "$2"
}
check 'calls, their arguments and results, each by its own handler' told
check '... with loops by bpf_loop' told --no-feature=may_goto

at_return() {
    run_once -c "sh -c 'exec $calls say 2>$scratch/want'" -e '
        probe syscall.*.return { printf("%s %s = %s\n", name, argstr, retstr) }' &&
        within "$scratch/want" "$scratch/out"
}
check '... at the return alone' at_return

variables() {
    last_line_is '9 3 -100 -2 ok' -c "sh -c 'exec $calls say 2>/dev/null'" -e '
        global n, fds, dfds, failed, same = "ok"
        probe syscall.write { if (buf_str == "\"hello\\nyou\"") n += count }
        probe syscall.pread { if (offset == 77) fds = count }
        probe syscall.openat { if (filename == "\"/no/such/file\"") dfds = dfd }
        probe syscall.openat.return {
            if (@entry(filename_of($arg2)) == "/no/such/file" && dfd == dfds) failed = retval
            if (retval != $return || retval != returnval() || int_arg(3) != @entry(int_arg(3)))
                same = "not"
        }
        function filename_of(p) { return user_string_n(p, 100, "") }
        probe end { printf("%d %d %d %d %s\n", n, fds, dfds, failed, same) }'
}
check "a call's variables, and values of its entry" variables

parameters() {
    local both="$calls say 2>/dev/null; exec $calls many 3000"
    last_line_is "3 65000 11 -2 3000" -c "sh -c '$both'" -e '
        global bytes, port, len, failed, n
        probe syscall.pread { if ($pos == 77) bytes = $count }
        probe syscall.connect {
            if (@cast($uservaddr, "sockaddr_in")->sin_family == 2)
                port = ntohs(@cast($uservaddr, "sockaddr_in")->sin_port)
        }
        probe syscall.connect.return { if ($addrlen == 11) { len = $addrlen; failed = $return } }
        probe syscall.gets*d { n += @defined($pid) && $pid == 0 }
        probe end { printf("%d %d %d %d %d\n", bytes, port, len, failed, n) }'
}
check "the kernel's own parameters, and what they lead to" parameters
check '... of several calls, each its own' last_line_is '1 1' \
    -c "sh -c '$calls say 2>/dev/null'" -e '
    global write, connect
    probe syscall.wr*te, syscall.conn*ct {
        if (name == "write" && $fd > 2) write = 1
        if (name == "connect" && $fd > 2) connect = 1
    }
    probe end { println(write, " ", connect) }'
check '... one that a call has not' fails_with 'it has $fd, $buf, $count, $arg1' \
    -e 'probe syscall.read { println($op) }'

of_target() {
    last_line_is '3000 3000 4498500 0' -c "$calls many 3000" -e '
        global n, returned, sum, other
        probe process.syscall { if ($syscall == '"$getsid"') { n++; sum += $arg2 } }
        probe process("'"$calls"'").syscall.return { returned += $syscall == '"$getsid"' }
        probe process.syscall { other += execname() != "calls" }
        probe end { printf("%d %d %d %d\n", n, returned, sum, other) }'
}
getsid=$(printf '#include <sys/syscall.h>\nSYS_getsid\n' | ${CC:-cc} -E -P - | tail -1)
check 'all calls of the target, by number' of_target
check '... of a program that it does not run' fails_with 'the target does not run /bin/sh' \
    -c "$calls many 3" -e 'probe process("/bin/sh").syscall {}'

# ---- how many ----

count() {
    last_line_is '3000 3000 3000 4498500 1' -c "$calls many 3000" -e '
        global n, any, base, sum, names
        probe syscall.getsid { n++; sum += ulong_arg(2) }
        probe nd_syscall.gets*d.return { any += retval >= 0 }
        probe kernel.syscall("getsid") { base++; names[name_of(), pp()]++ }
        function name_of() { return probefunc() }
        probe end {
            same = names["getsid", "kernel.syscall(\"getsid\")"] == 3000
            printf("%d %d %d %d %d\n", n, any, base, sum, same)
        }'
}
check 'several probes of one call' count

# hubs WANT SCRIPT: so many programs are on the tracepoints of system calls.
hubs() {
    start_trace -e "probe timer.ms(100) { println(\"armed\") } $2"
    local n
    n=$(cat "/proc/$tracer/fdinfo/"* 2>/dev/null | grep -cE 'tp_name:[[:space:]]*sys_(enter|exit)')
    end_trace
    [[ $n = "$1" ]] || { echo "# $n programs"; return 1; }
}
check 'a program for all calls' hubs 1 'global n, last probe syscall.* { n[name]++; last = argstr }'
check '... and one for their returns' hubs 2 \
    'global n probe syscall.* { n[name]++ } probe syscall.read.return { n[retstr]++ }'
check '... and as many as one call has probes' hubs 3 'global n
    probe syscall.* { n++ } probe syscall.read { n++ } probe syscall.r* { n++ }
    probe syscall.write { n++ }'

# What strace sees of a tree of processes, once each runs the program, is what comes in.
tree() {
    printf '#!/bin/sh\n%s tree 5\n%s tree 3\nexit 0\n' "$calls" "$calls" >"$scratch/both"
    chmod +x "$scratch/both"
    strace -f -qq -o "$scratch/strace" "$scratch/both" 2>/dev/null
    # Of processes after their execve of the program, and of what these begin, whose first calls
    # come before the line that tells of them.
    awk '{ pid = $1; $1 = "" }
        NR == FNR && / execve\(.*\/calls"/ { runs[pid] = 1 }
        NR == FNR && /^ (<\.\.\. )?(clone|fork|vfork)/ && match($0, /= [0-9]+$/) {
            parent[substr($0, RSTART + 2)] = pid
        }
        NR == FNR { next }
        / execve\(.*\/calls"/ { running[pid] = 1; next }
        (running[pid] || (!runs[pid] && runs[parent[pid]])) && match($0, /^ [a-z_0-9]+\(/) {
            n[substr($0, 2, RLENGTH - 2)]++
        }
        END { for (k in n) print k, n[k] }' "$scratch/strace" "$scratch/strace" |
        LC_ALL=C sort >"$scratch/want"
    run_once "$@" -c "$scratch/both" -e '
        global n, all
        probe syscall_any { if (execname() == "calls") n[name]++ }
        probe syscall.* { if (execname() == "calls") all++ }
        probe end {
            foreach (k in n) { printf("%s %d\n", k, n[k]); all -= n[k] }
            printf("left %d\n", all)
        }' || return 1
    grep -qx 'left 0' "$scratch/out" || return 1
    grep -v '^left' "$scratch/out" | LC_ALL=C sort | diff "$scratch/want" - >"$scratch/err"
}
if command -v strace >/dev/null; then
    check 'a tree of processes: as many as strace sees, of each name' tree
else
    skip 'a tree of processes' 'no strace'
fi

# ---- the convention for 32 bits ----

old() {
    last_line_is '200 200 0 0' -c "$calls old 200" -e '
        global n, compat, mistaken, other
        probe syscall.getsid { n++; compat += $compat; mistaken += $nr != 147 || int_arg(1) }
        probe syscall.sched_get_priority_min { other++ }
        probe end { printf("%d %d %d %d\n", n, compat, mistaken, other) }'
}
if [[ $("$calls" old 1 && echo yes) = yes ]]; then
    check 'calls by int 0x80 are those of i386' old
else
    skip 'calls by int 0x80' 'this kernel has none'
fi

small() {
    last_line_is "openat 1 AT_FDCWD, \"/dev/null\", O_RDWR|O_CLOEXEC = $1" \
        -c "sh -c 'exec $scratch/small say 2>/dev/null 3>&-'" -e '
        global told
        probe syscall.openat.return {
            if (execname() == "small" && told == "" && filename == "\"/dev/null\"")
                told = sprintf("%s %d %s = %s", name, $compat, argstr, retstr)
        }
        probe end { println(told) }'
}
# gcc finds what is common to all machines in the folder of this one
common=/usr/include/$(${CC:-cc} -print-multiarch)
if ${CC:-cc} -m32 -idirafter "$common" -O1 -o "$scratch/small" tests/syscalls/calls.c \
    2>/dev/null && "$scratch/small" many 1; then
    check 'a program of 32 bits' small 3
else
    skip 'a program of 32 bits' 'none can be made or run'
fi

# ---- whose ----

# serve N: in $all the workers of two masters, each held by a fifo.
serve() {
    local k
    all=() masters=()
    for k in 1 2; do
        rm -f "$scratch/go$k"
        : >"$scratch/pids$k"
        mkfifo "$scratch/go$k"
        "$calls" serve 4 "$1" <>"$scratch/go$k" >"$scratch/pids$k" &
        masters+=("$!")
        pids+=("$!")
        for _ in {1..100}; do
            [[ $(wc -l <"$scratch/pids$k") -lt 4 ]] || break
            sleep 0.05
        done
        local more
        read -r -d '' -a more <"$scratch/pids$k" || :
        all+=("${more[@]}")
    done
}
serve 500
workers() { # WANT ARGUMENT...: the sum, by how many, of getsid
    local want=$1
    shift
    start_trace "$@" -e '
        global n, who
        probe syscall.getsid { n++; who[pid()]++ }
        probe timer.ms(100) { println("armed") }
        probe end { foreach (p in who) k++; printf("%d %d\n", n, k) }'
    printf 'gogo' >"$scratch/go1"
    printf 'gogo' >"$scratch/go2"
    wait "${masters[@]}" || :
    end_trace
    is "$(tail -1 "$scratch/out")" "$want"
}
is() { # VALUE WANTED
    [[ $1 = "$2" ]] || { echo "# $1, not $2"; return 1; }
}
check 'one worker of two masters' workers '502 1' -x "${all[2]}"
serve 300
check "... one master's workers" workers '1206 4' --master "${masters[1]}"

serve 100
begun_before() { # their reads, of which each returns
    start_trace --master "${masters[0]}" -e '
        global reads, timed, odd
        probe syscall.read.return { reads++ }
        probe syscall.r*ad.return, syscall.getsid.return {
            timed++; odd += gettimeofday_us() - @entry(gettimeofday_us()) > 1000000000
        }
        probe timer.ms(100) { println("armed") }
        probe end { printf("%d %d %d\n", reads, timed, odd) }'
    printf 'gogo' >"$scratch/go1"
    printf 'gogo' >"$scratch/go2"
    wait "${masters[@]}" || :
    end_trace
    is "$(tail -1 "$scratch/out")" '4 406 0'
}
check 'calls that began before: they return, without what their entry would have told' begun_before

# ---- by itself, and what is refused ----

object() {
    (cd "$scratch" && timeout 60 "$ngstap" --backend=bpf -p4 -m traced -e '
        global n probe syscall.getsi* { n[name]++ } probe end { println(n["getsid"]) }') \
        >"$scratch/out" 2>"$scratch/err" &&
        last_line_is 30 -c "$calls many 30" "$scratch/traced.bpf.o"
}
check 'an object of its own' object
bare() { # without the kernel's BTF
    : >"$scratch/empty"
    unshare -m sh -c 'mount --bind "$1" /sys/kernel/btf/vmlinux && shift && exec "$@"' \
        sh "$scratch/empty" timeout 60 "$ngstap" -c "$calls many 50" -e '
            global n probe syscall.getsid { n += $arg2 + 1 } probe end { println(n) }' \
            >"$scratch/out" 2>"$scratch/err" && is "$(tail -1 "$scratch/out")" 1275
}
if unshare -m true 2>/dev/null; then
    check "without the kernel's BTF" bare
else
    skip "without the kernel's BTF" 'no mount namespace can be made'
fi
check 'a name that no call has, and nothing else' fails_with "did you mean 'openat'?" \
    -e 'probe syscall.oppenat {}'
check '... which may be' last_line_is 5 -e 'probe syscall.no_such ?, begin { println(5) exit() }'
finish
