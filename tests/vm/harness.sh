#!/bin/bash
# Commands for the VM have dollars of their own; check calls functions.
# shellcheck disable=SC2016,SC2317
#
# The harness of the tests in VMs: statuses, output, limits, many commands in one boot, a VM that
# dies or does not come up. Needs qemu and a kernel (run.sh). About a minute. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

# in_it ARGUMENT...: run.sh with these.
in_it() {
    status=0
    tests/vm/run.sh "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
}

in_it bash -c 'uname -r; echo "$VM_SHARE" >&2; id -u; : <(:); exit 7'
if [[ $status == 77 ]]; then
    skip_all "$(tail -n 1 "$scratch/err")"
fi
check 'the status is the command'\''s' test "$status" = 7
check 'its output' printed '^6\.1\..*-amd64$'
check 'its errors' said '^/'
check 'it is root' printed '^0$'

mkdir "$scratch/share" "$scratch/results"
echo input >"$scratch/share/in"
in_it -s "$scratch/share" bash -c \
    'tr a-z A-Z <"$VM_SHARE/in" >"$VM_SHARE/out"; echo lost >/tmp/lost; ! touch /usr/lost'
check 'the shared folder is read and written, the root is not' test "$status" = 0
check '... from here, too' grep -qx INPUT "$scratch/share/out"
check 'what is written to /tmp is lost' test ! -e /tmp/lost

cat >"$scratch/list" <<'END_OF_LIST'
first echo one; exit 3
# no command
slow echo before; sleep 60; echo after
dies echo c >/proc/sysrq-trigger; sleep 10
last echo "$(uname -r)" two
END_OF_LIST
in_it -t 4 -l "$scratch/list" -d "$scratch/results"
result() { [[ $(<"$scratch/results/$1.status") == "$2" &&
    $(<"$scratch/results/$1.out") == "$3" ]]; }
check 'a list: a status each' result first 3 one
check 'a list: a limit each' result slow 124 before
check 'a list: a VM that dies under a command, twice' test "$(<"$scratch/results/dies.status")" \
    = 125
check '... the kernel'\''s last words' said 'panic - not syncing'
check '... and the next has a VM again' grep -q 'amd64 two$' "$scratch/results/last.out"
check '... as the status says' test "$status" = 125

in_it -s "$scratch/share" bash -c \
    '[[ -e $VM_SHARE/again ]] && exit 5; touch "$VM_SHARE/again"; sync; echo c >/proc/sysrq-trigger;
        sleep 10'
check 'a VM that dies once is started again' test "$status" = 5

NGSTAP_CACHE=$scratch/cache in_it -k nosuchsuite true
check 'a kernel that cannot be fetched is a reason to skip' test "$status" = 77
check '... which is said' said 'no kernel of Debian nosuchsuite'

(in_vm nosuchsuite 10 -c true) >"$scratch/out"
check 'a test in it is skipped' printed '^ok [0-9]+ - nosuchsuite: -c # SKIP .*nosuchsuite'
# A kernel that is none.
suite=$(tests/vm/kernel.sh image bookworm)
mkdir -p "$scratch/cache/vm/broken"
cp -r "$suite/release" "$scratch/cache/vm/broken/"
ln -s "$suite/root" "$suite/lib" "$scratch/cache/vm/broken/"
echo none >"$scratch/cache/vm/broken/vmlinuz"
NGSTAP_CACHE=$scratch/cache in_it -k broken true
check 'a VM that does not come up is a reason to skip' test "$status" = 77
check '... which is said' said 'does not come up'
finish
