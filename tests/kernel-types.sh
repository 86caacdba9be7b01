#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Kernel types: what @cast(.., "kernel") reads of a live task is what helpers and /proc say of it;
# begin, end and timer handlers read kernel memory, too; an object is for one build of the kernel.
#
# Needs root, eBPF, a kernel with BTF. About 5 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
[[ -r /sys/kernel/btf/vmlinux ]] || skip_all 'this kernel has no BTF'

# A busy process with a name, a parent and ids of its own.
cp "$(command -v bash)" "$scratch/spinner"
setpriv --reuid=4711 --regid=4712 --clear-groups "$scratch/spinner" -c 'while :; do :; done' &
pid=$!
pids+=("$pid")
until [[ $(<"/proc/$pid/comm") = spinner ]]; do sleep 0.01; done

cat >"$scratch/task.stp" <<'END'
global seen
probe timer.profile {
    if (pid() != target() || seen++ != 3) next
    t = task_current()
    task = &@cast(t, "task_struct", "kernel")
    printf("ids %d %d\n", task->pid == tid(),
        @cast(t, "task_struct", "kernel<linux/sched.h>")->tgid == pid())
    comm = kernel_string(@cast(t, "task_struct", "kernel")->comm)
    printf("name %s %d\n", comm, comm == execname())
    printf("parent %d\n", @cast(t, "task_struct", "kernel")->real_parent->tgid)
    cred = @cast(t, "task_struct", "kernel")->cred
    printf("cred %d %d\n", cred->uid->val, @cast(cred, "cred", "kernel")->egid->val)
    # the same by a read of an address
    printf("address %d\n", kernel_int(&@cast(t, "task_struct", "kernel")->pid) == tid())
    printf("array %s%s\n", kernel_string_n(&@cast(t, "task_struct", "kernel")->comm[0], 4),
        kernel_string(&@cast(t, "task_struct", "kernel")->comm[4]))
    printf("element %c\n", @cast(t, "task_struct", "kernel")->comm[1])
    # a bit field, and a list that ends where it began
    printf("bit %d\n", @cast(t, "task_struct", "kernel")->in_execve)
    list = &@cast(t, "task_struct", "kernel")->tasks
    printf("list %d\n", @cast(list, "list_head", "kernel")->next->prev == list)
    printf("defined %d\n", @defined(@cast(t, "task_struct", "kernel")->no_such_member))
    try { println(kernel_long(8)) } catch (e) { println(e) }
    exit()
}
END
trace "$scratch/task.stp" -x "$pid"
check 'a task, read by its type' test "$status" = 0
check '... pid and tgid are those of the helpers' printed '^ids 1 1$'
check '... comm is execname()' printed '^name spinner 1$'
check '... through pointers' printed "^parent $$\$"
check '... and nested structs' printed '^cred 4711 4712$'
check '... by address' printed '^address 1$'
check '... arrays and their elements' printed '^array spinner$'
check '... one character' printed '^element p$'
check '... bit fields' printed '^bit 0$'
check '... lists' printed '^list 1$'
check '... @defined' printed '^defined 0$'
check 'a bad address is a fault that try catches' printed 'read fault'

trace -x "$pid" -e 'probe timer.profile {
        if (pid() != target()) next
        t = task_current()
        printf("tapset %d %d %d %d %d\n", ppid(), uid(), euid(), gid(), egid())
        printf("task %d %d %s %d %d %d %d\n", task_pid(t) == pid(), task_tid(t) == tid(),
            task_execname(t),
            task_uid(t), task_egid(t), task_euid(t), task_gid(t))
        printf("parent %d %s\n", task_pid(task_parent(t)), task_execname(task_parent(t)))
        exit()
    }
    probe begin { printf("own %d %d %d\n", ppid(), euid(), egid()) }'
check 'ids of a process, by the tapset' printed "^tapset $$ 4711 4711 4712 4712\$"
check '... and of a task' printed '^task 1 1 spinner 4711 4712 4711 4712$'
check '... and of its parent' printed "^parent $$ $(<"/proc/$$/comm")\$"
check '... in begin those of the target' printed "^own $$ 4711 4712\$"

# Handlers in user space read it by a program that is attached nowhere.
trace -e 'probe begin { t = task_current()
    println("1 ", @cast(t, "task_struct", "kernel")->tgid == pid(), " ", task_execname(t))
    printf("2 %.4m %.2M\n", &@cast(t, "task_struct", "kernel")->comm,
        &@cast(t, "task_struct", "kernel")->comm)
    try { println(kernel_int(8)) } catch (e) { println("3 ", e) }
    println("4 ", kernel_string(8, "other"))
    println("5 ", kernel_string_n(&@cast(t, "task_struct", "kernel")->comm, 3)) }
    probe timer.ms(1) {
        println("6 ", @cast(task_current(), "task_struct", "kernel")->real_parent->tgid == ppid())
        exit() }
    probe end { println("7 ", @cast(16, "task_struct", "kernel")->pid) }'
check "kernel memory in begin: ngstap's own task" printed '^1 1 ngstap$'
check '... as bytes' printed '^2 ngst 6e67$'
check '... what is not there is a fault' printed '^3 read fault .* at 0x8$'
check '... which the value for the failing case covers' printed '^4 other$'
check '... in pieces' printed '^5 ngs$'
check '... in a timer' printed '^6 1$'
check '... and in end, where the fault ends it' said 'read fault .* at 0x[0-9a-f]* at'
trace -x "$pid" -e 'probe begin { println("task ", task_current()); exit() }'
check 'the task of a target is not known' printed '^task 0$'

# @cast without a module: SystemTap means the kernel, where no probe of a program is.
cast='function of(t) { return @cast(t, "task_struct")->tgid }
    probe kernel.trace("sched_switch") {
        t = task_current()
        println("own ", of(t) == pid(), @cast(t, "task_struct")->pid == tid())
        exit() }'
trace -e "$cast"
check '@cast without a module means the kernel' printed '^own 11$'
trace -x "$pid" -e "$cast"
check '... when the target has no such type, too' printed '^own 11$'

# An object is for this kernel: another build-id in it is another kernel.
(cd "$scratch" && "$ngstap" -p4 -m task task.stp -x "$pid" >/dev/null)
trace "$scratch/task.bpf.o" -x "$pid"
check 'an object with kernel types runs' printed '^name spinner 1$'
id=$(od -An -v -tx1 /sys/kernel/notes | tr -d ' \n' |
    sed 's/.*1400000003000000474e5500\(.\{40\}\).*/\1/')
flipped=$(tr 0123456789abcdef 123456789abcdef0 <<<"$id")
sed "s/$id/$flipped/" "$scratch/task.bpf.o" >"$scratch/other.bpf.o"
check '... has the build of the kernel in it' test \
    "$(cmp -s "$scratch/task.bpf.o" "$scratch/other.bpf.o"; echo $?)" = 1
trace "$scratch/other.bpf.o" -x "$pid"
refused() { [[ $status = 1 ]] && said 'this kernel is not the build' && said "$id" &&
    said "$flipped"; }
check '... and not on another kernel, both being named' refused
finish
