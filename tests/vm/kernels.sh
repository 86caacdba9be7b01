#!/bin/bash
#
# The eBPF object on other kernels than this machine's: Debian's 6.1, whose loops are bpf_loop's,
# 6.12 and the newest, whose are may_goto's; and on 5.10, where loops must be refused. On each:
# profiles judged by the target's own account (in-kernel.sh), every construct by every encoding
# (../fallbacks.sh), a session with a program made by hand, and readers that are taken over.
#
# Needs qemu and kernels (run.sh), NGSTAP_TARGETS (tests/targets/build.sh prints it). About 7
# minutes. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ -n ${NGSTAP_TARGETS:-} ]] || skip_all 'NGSTAP_TARGETS is not set'

on_kernel() { # SUITE ENCODING few|code
    vm_options=(-i)
    in_vm "$1" 600 tests/vm/in-kernel.sh "${@:2}"
    vm_options=(-o)
    in_vm "$1" 300 tests/fallbacks.sh --no-profiles # they have just been judged
    in_vm "$1" 100 -c "exec $builddir/tests/unit/run_kernel_test"
    # what a jail and a client may do, by the landlock that is there
    in_vm "$1" 100 -c "exec $builddir/tests/unit/jail_test"
    in_vm "$1" 100 -c "exec $builddir/tests/unit/client_test"
}

on_kernel bookworm bpf_loop code # backends.sh judges Lua's other kinds there
on_kernel trixie may_goto few
on_kernel sid may_goto code
vm_options=()
in_vm bullseye 300 tests/vm/in-kernel.sh none
finish
