#!/bin/bash
#
# Functions and variables of the kernel, which few machines that tests run on let be probed: on
# Debian's 6.1 and its newest kernel (in-kernel-functions.sh).
#
# Needs qemu and kernels (run.sh) and a C compiler. About 2 minutes. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

vm_options=(-o)
in_vm bookworm 300 tests/vm/in-kernel-functions.sh
in_vm sid 300 tests/vm/in-kernel-functions.sh
finish
