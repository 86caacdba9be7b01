#!/bin/bash
# shellcheck disable=SC2317 # check calls functions
#
# What ngstap does to a loaded worker's latency (bench/latency.sh): p99 under "ngstap flame" at 99 Hz
# is within 50 us of that without, and within 5 % with a probe that comes too often for its budget.
# Judged are pairs of runs, one after the other. A promise is broken when all but one of nine pairs
# are beyond it: with a true value that is just kept that comes once in fifty times, by a sign test;
# medians are told. Where two runs without ngstap differ by as much as the promise, or the probe
# without a budget is not seen to cost more, this machine cannot tell. Needs root, NGSTAP_TARGETS,
# wrk, two processors. About 5 minutes. Prints TAP.

set -uo pipefail

# shellcheck source-path=SCRIPTDIR/.. source=../tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"

rounds=${ROUNDS:-9} seconds=${SECONDS_EACH:-4}
[[ $UID = 0 ]] || skip_all 'needs root'
[[ -n ${NGSTAP_TARGETS:-} ]] || skip_all 'NGSTAP_TARGETS is not set'
command -v wrk >/dev/null || skip_all 'no wrk'
(($(nproc) > 1)) || skip_all 'needs two processors'

mkdir "$scratch/rounds"
measured() {
    KEEP=$scratch/rounds bash bench/latency.sh "$ngstap" "$rounds" "$seconds" \
        >"$scratch/out" 2>"$scratch/err"
}
check 'latencies are measured' measured
sed 's/^/# /' "$scratch/out"

# differences HOW us|percent: a line a pair, of p99
differences() {
    paste -d ' ' "$scratch/rounds/nobody" "$scratch/rounds/$1" |
        awk -v us="$2" '{ print us == "us" ? $5 - $2 : 100 * ($5 / $2 - 1) }' | sort -g
}
median() { awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
# beyond HOW UNIT PROMISE: all pairs but one are
beyond() {
    (($(differences "$1" "$2" | awk -v most="$3" '$1 > most' | wc -l) >= rounds - 1))
}
# tells UNIT PROMISE: two runs of nobody differ by less, in the median without signs
tells() {
    differences again "$1" | tr -d - | sort -g | median | awk -v most="$2" '{ exit !($1 < most) }'
}
within() { ! beyond "$@"; }
costs_more() { # the probe without a budget than with one, in most pairs
    paste -d ' ' "$scratch/rounds/budget" "$scratch/rounds/none" |
        awk '$5 > $2 { n++ } END { exit !(n > NR / 2) }'
}

if tells us 50; then
    check 'p99 at 99 Hz is within 50 us' within flame us 50
else
    skip 'p99 at 99 Hz is within 50 us' 'this machine is too busy to tell'
fi
if tells percent 5 && costs_more; then
    check 'p99 is within 5 % with the budget at work' within budget percent 5
else
    skip 'p99 is within 5 % with the budget at work' 'this machine is too busy to tell'
fi
finish
