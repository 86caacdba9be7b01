#!/bin/bash
#
# Functions and variables of the kernel, which few machines that tests run on let be probed, and
# the aliases that lead to them: on Debian's 6.1 and its newest kernel (in-kernel-functions.sh,
# in-kernel-aliases.sh).
#
# Needs qemu and kernels (run.sh), a C compiler and mkfs.ext4. About 4 minutes. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

vm_options=(-o)
in_vm bookworm 300 tests/vm/in-kernel-functions.sh
in_vm bookworm 300 tests/vm/in-kernel-aliases.sh
in_vm sid 300 tests/vm/in-kernel-functions.sh
in_vm sid 300 tests/vm/in-kernel-aliases.sh
finish
