#!/bin/bash
# shellcheck disable=SC2317 # check calls functions
#
# Capabilities: with those that docs/installing.md calls the least a run goes; without each of them
# ngstap names it and says what it is for, in the page's words. Needs root, eBPF, setpriv. Prints
# TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
page=docs/installing.md
least=(bpf perfmon sys_ptrace dac_read_search)

# The page's row: | CAP_NAME | what for |
use_of() { sed -n "s/^| \`$1\` | \(.*[^ ]\) *|\$/\1/p" "$page"; }

with() { # CAPABILITIES, by commas; then ngstap's arguments
    status=0
    timeout 60 setpriv --bounding-set "-all,$1" --inh-caps=-all "$ngstap" -I tapset "${@:2}" \
        >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
}
all_but() { printf '+%s,' "${least[@]}" | sed "s/+$1,//; s/,\$//"; }

setpriv --bounding-set=-all --inh-caps=-all true 2>/dev/null ||
    skip_all 'capabilities may not be dropped here'

# A process of another user, whose file only that user may read.
install -m 500 -o 65534 "$(command -v sleep)" "$scratch/sleeper"
setpriv --reuid 65534 --clear-groups "$scratch/sleeper" 100 &
pids+=("$!")
pid=$!
for _ in {1..200}; do
    [[ $(readlink "/proc/$pid/exe") != "$scratch/sleeper" ]] || break
    sleep 0.05
done
script='global n probe timer.profile { n++ } probe begin { println("ran") } probe timer.ms(50) { exit() }'

with "$(all_but none)" -x "$pid" -e "$script"
check 'the least capabilities do' printed '^ran$'
check '... and nothing is said to lack' test "$status" = 0 -a ! -s "$scratch/err"
for cap in "${least[@]}"; do
    name=CAP_${cap^^}
    use=$(use_of "$name")
    with "$(all_but "$cap")" -x "$pid" -e "$script"
    check "without $name it is named, with what $page says it is for" \
        said "^hint: $name, which is missing, ${use:-is not on the page}\$"
done

# Those that a run can do without, too.
told() {
    sed -n '/^} table\[\]/,/^};/p' src/target/caps.c | grep -o 'CAP_[A-Z_]*"' | tr -d '"' | sort
}
on_page() { grep -o '^| `CAP_[A-Z_]*`' "$page" | tr -d '|` ' | sort; }
check "$page lists what ngstap knows" test "$(told)" = "$(on_page)"
finish
