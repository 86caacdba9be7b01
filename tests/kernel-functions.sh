#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Functions and variables of the kernel as far as nothing is attached: what is listed, what is made
# for each way to attach it, what is printed for SystemTap. tests/vm/kernel-functions.sh runs them.
# Needs root, the kernel's BTF, eBPF. About 5 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
[[ -r /sys/kernel/btf/vmlinux ]] || skip_all 'this kernel has no BTF'

listed() {
    run_once -L 'kernel.function("vfs_read").return' &&
        printed '^kernel\.function\("vfs_read"\)\.return \$return:ssize_t \$file:struct file\* .*\$count:size_t'
}
check 'a function, its result and its parameters' listed
many() { run_once -l 'kernel.function("vfs_[mr][km]dir")' && [[ $(wc -l <"$scratch/out") = 2 ]]; }
check 'a wildcard: each function' many

check '... of too many' fails_with "functions of the kernel; at most 20000 can be probed" -p2 \
    -e 'probe kernel.function("*") { println(pp()) }'
check '... whose parameters are asked for' fails_with 'at most 500 can be probed when the handler looks at' -p2 \
    -e 'probe kernel.function("s[a-e]*") { println($pos) }'
variable() {
    # many kernels list functions alone
    if grep -qw nr_cpu_ids /proc/kallsyms; then
        run_once -p2 -e 'probe kernel.function("vfs_read") { println(@var("nr_cpu_ids", "kernel")) }' &&
            fails_with "does not tell the type of 'linux_proc_banner'" -p2 \
                -e 'probe kernel.function("vfs_read") { println(@var("linux_proc_banner", "kernel")) }'
    else
        fails_with 'CONFIG_KALLSYMS_ALL' -p2 \
            -e 'probe kernel.function("vfs_read") { println(@var("jiffies", "kernel")) }'
    fi
}
check 'a variable, or why it is not known' variable

nobody() {
    fails_with 'lets nobody probe its functions' -p4 -m x --backend=bpf --no-feature=kprobe \
        --no-feature=fentry -e 'probe begin {} probe kernel.function("vfs_read") { exit() }' &&
        said '1:22: error' && said '^hint: kernel.trace'
}
check 'a kernel that lets nobody probe it' nobody

# A point that need not be there is passed over, and what follows it is taken.
passed_over() {
    last_line_is 'kernel.trace("sched_switch")' --no-feature=kprobe --no-feature=fentry -e '
        probe kernel.function("vfs_read") !, kernel.trace("sched_switch") {
            println(pp())
            exit()
        }' &&
        trace --no-feature=kprobe --no-feature=fentry -e '
        probe kernel.function("vfs_read")? { n++ } probe begin { exit() }' &&
        said 'optional probe point is left out: this kernel'
}
check '... and a point that need not be there is passed over' passed_over

for_stap() {
    run_once --backend=stap --dump-stap -e '
        probe kernel.function("vfs_read@fs/read_write.c").return {
            println($count, $$parms, $file->f_path->dentry$, @entry($pos),
                @var("jiffies", "kernel"))
        }' && printed '^probe kernel\.function\("vfs_read@fs/read_write\.c"\)\.return' &&
        printed '\$count, \$\$parms, \$file->f_path->dentry\$, @entry\(\$pos\), @var\("jiffies", "kernel"\)'
}
check 'for SystemTap as it is written' for_stap

# Where kprobes are, else nothing would be made; here their code alone is looked at.
code() { # OPTION...
    run_once --backend=bpf --dump-bpf -p4 -m "$scratch/x" "$@" -e '
        global n probe kernel.function("vfs_read") { n += $count }
        probe end { println(n) }'
}
if [[ -e /sys/bus/event_source/devices/kprobe/type ]]; then
    by_kprobe() { code --no-feature=fentry && ! printed 'get_func_arg'; }
    check 'a kprobe reads registers' by_kprobe
fi
finish
