#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Run in a VM by kernel-functions.sh: functions and variables of the kernel, held against what a
# program says of its own calls. Each way of probing: fentry, kprobes in one link, one by one.
# Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=../tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"

# Time goes by while the VM computes slowly: what must not take for ever may take this long.
trace_seconds=150

# Without libraries: their loader would read and open files, too.
cat >"$scratch/target.c" <<'END'
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
/* argv[1]: a file, [2]: a directory to be, [3]: a file of an overlay. Prints what it was given. */
int main(int argc, char **argv)
{
    static char buffer[20000];
    struct stat st;
    long asked = 0, got = 0, fds = 0, n = 200;
    for (int i = 0; i < n; i++) {
        int fd = open(argv[1], O_RDONLY);
        fds += fd;
        asked += 5000 + i;
        got += read(fd, buffer, 5000 + i);
        close(fd);
    }
    for (int i = 0; i < 50; i++) {
        mkdir(argv[2], 0700);
        rmdir(argv[2]);
        stat(argv[3], &st);
    }
    printf("%ld %ld %ld %ld 50 50 50\n", n, asked, got, fds);
    return 0;
}
END
${CC:-cc} -O1 -static -o "$scratch/target" "$scratch/target.c"
head -c 5100 /dev/urandom >"$scratch/file"
command="$scratch/target $scratch/file $scratch/directory /var/lib"
address=0x$(awk '$3 == "vfs_mkdir" { print $1; exit }' /proc/kallsyms)

# Somebody else does the same all the time, and leaves the processor to others.
(while :; do $command; sleep 0.5; done) >/dev/null 2>&1 &
pids+=("$!")

cat >"$scratch/count.stp" <<'END'
global n, asked, got, fds, dirs, stats, names
probe kernel.function("vfs_read") { if ($count >= 5000) { n++; asked += $count } }
probe kernel.function("vfs_read").return { if ($count >= 5000) got += $return }
probe kernel.function("do_sys_openat2").return { if ($return >= 0) fds += $return }
probe kernel.function("vfs_[mr][km]dir") { dirs[probefunc()]++; names[pp()]++ }
probe module("overlay").function("ovl_getattr").call { stats++ }
probe end {
    printf("%d %d %d %d %d %d %d\n", n, asked, got, fds, dirs["vfs_mkdir"], dirs["vfs_rmdir"],
        stats)
    foreach (name+ in names) println(name)
}
END
# The kernel leaves a hit out where another probe's program was interrupted on that processor
# (kprobe_running; kprobe_multi_link_prog_run in kernel/trace/bpf_trace.c): 2 of a hundred may be
# missing, and none may be too many.
agree() {
    awk 'NR == 1 { split($0, want) } NR == 2 { for (i = 1; i <= 7; i++) {
            lost = want[i] - $i
            if (lost < 0 || lost > 1 && lost > want[i] / 50) exit 1 } }' "$scratch/out"
}
counted() { # OPTION...
    trace "$@" -c "$command" "$scratch/count.stp"
    [[ $status = 0 ]] && agree &&
        [[ $(tail -n 2 "$scratch/out" | tr '\n' ' ') = \
            'kernel.function("vfs_mkdir") kernel.function("vfs_rmdir") ' ]]
}
check 'what a program asks of the kernel, by itself' counted
check '... without fentry' counted --no-feature=fentry
check '... nor many kprobes in one link, nor cookies' counted --no-feature=fentry \
    --no-feature=kprobe_multi --no-feature=bpf_cookie

# returned KIND BODY: .return handlers with BODY count bytes read, by programs of KIND alone, as the
# kernel numbers them: 2 is a kprobe's, 26 one of fentry and fexit.
returned() {
    trace "${@:3}" -c "$command" -e '
        global got, reads
        probe kernel.function("vfs_read").return { '"$2"' }
        probe end {
            printf("%d %d\n", reads, got)
            system(sprintf("sed -n s/^prog_type:.//p /proc/%d/fdinfo/* | grep -vx 17 | sort -u",
                stp_pid()))
        }'
    awk -v kind="$1" 'NR == 1 { reads = $1; got = $3 } { kinds = kinds " " $1 }
        NR == 2 { ok = $1 <= reads && $1 * 50 >= reads * 49 && $2 <= got && $2 * 50 >= got * 49
            kinds = "" }
        END { exit !(ok && kinds == " " kind) }' "$scratch/out"
}
counts='if ($count >= 5000) { reads++; got += $return }'
check 'parameters at the return, told by fexit' returned 26 "$counts"
check '... saved at the entry, without it' returned 2 "$counts" --no-feature=fentry
check '... or where a function asks for the stack' returned 2 "$counts"' else println(backtrace())'
check '... or for what only the entry knows' returned 2 \
    "$counts"' if (@entry($count) < 0) reads = 0'
check '... or for members' returned 2 'if ($count >= 5000 && $file->f_op) { reads++; got += $return }'

exits() {
    trace -c "$command" -e '
        global n, mine
        probe kernel.trace("sched_process_exit") { n++; mine += pid() == target() }
        probe end { printf("%d %d\n", n, mine) }'
    [[ $(tail -n 1 "$scratch/out") = '1 1' ]]
}
check 'the end of the process of -c' exits

registers() {
    trace -c "$command" -e '
        global args, results, at, there, told
        probe kernel.function("vfs_read") {
            if ($count < 5000) next
            args += pointer_arg(1) == $file && ulong_arg(3) == $count &&
                register("rdx") == $count && addr() != 0 && !user_mode()
            told += $$parms == sprintf("file=%#x buf=%#x count=%#x pos=%#x", $file, $buf, $count,
                $pos)
        }
        probe kprobe.function("vfs_read").return {
            if (@entry(ulong_arg(3)) >= 5000) results += returnval() > 0
        }
        probe kernel.statement('"$address"').absolute { at++; there += addr() >= '"$address"' }
        probe end { printf("%d %d %d %d %d\n", args, results, at, there, told) }'
    [[ $(tail -n 1 "$scratch/out") =~ ^'200 200 '(50 50|49 49)' 200'$ ]] # as above
}
check 'registers, arguments by number, an address' registers

possible=$(sed 's/.*-//' /sys/devices/system/cpu/possible)
jiffies=$(awk '$3 == "jiffies" { print $1; exit }' /proc/kallsyms)
variables() {
    trace -c "$command" -e '
        global cpus, name, where, ticks, first
        probe kernel.function("vfs_mkdir") {
            cpus = @var("nr_cpu_ids", "kernel")
            name = kernel_string(&@var("init_task", "kernel")->comm[0])
            where = &@var("jiffies", "kernel")
            if (!first) first = @var("jiffies")
        }
        probe kernel.function("vfs_rmdir") { ticks = @var("jiffies", "kernel") }
        probe end {
            printf("%d %s %x %d\n", cpus, name, where, ticks >= first && ticks - first < 100000)
        }'
    [[ $(tail -n 1 "$scratch/out") = "$((possible + 1)) swapper/0 $jiffies 1" ]]
}
if [[ $jiffies ]]; then
    check 'variables of the kernel' variables
else
    skip 'variables of the kernel' 'this kernel was built without CONFIG_KALLSYMS_ALL'
fi

refused() {
    # fentry may be where a breakpoint may not
    trace --no-feature=fentry -e 'probe kernel.function("do_int3") { exit() }'
    [[ $status = 1 ]] && said 'cannot arm probe kernel.function\("do_int3"\)' && said '^hint: '
}
check 'a function that must not be probed is named' refused
finish
