#!/bin/bash
#
# Measures what a profile costs the target's throughput: nginx with ngx_lua answers wrk without a
# profile and with "ngstap flame" at 99 and at 999 Hz, by turns.
#
#   make bench-overhead     or:  bench/overhead.sh [NGSTAP [PAIRS [SECONDS [OPTION...]]]]
#
# PAIRS (10) of runs of SECONDS (5) each for each rate, which of the two comes first changing from
# pair to pair; OPTIONs go to ngstap flame. Prints for each rate the median of the pairs' losses
# with the promise beside it, the least and the largest, and the median of the requests a second.
# The page is that of mode app (tests/targets/target.sh). Needs root, wrk and a machine that is
# quiet. Takes about 4 minutes; leaves nothing.

set -euo pipefail
ngstap=$(realpath -e "${1:-./ngstap}")
pairs=${2:-10}
seconds=${3:-5}
options=("${@:4}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${NGSTAP_TARGETS:=$(tests/targets/build.sh)}"
export NGSTAP_TARGETS

scratch=$(mktemp -d)
name='' tracer=''
clean() {
    [[ -z $tracer ]] || kill "$tracer" 2>/dev/null || :
    [[ -z $name ]] || tests/targets/target.sh stop "$name"
    rm -rf "$scratch"
}
trap clean EXIT
trap 'exit 130' INT TERM

pid='' port=''
eval "$(tests/targets/target.sh start nginx gc64 idle 3600)"

requests() { # a second, of one run
    wrk -t 1 -c 4 -d "${seconds}s" "http://127.0.0.1:$port/app/news" |
        awk '$1 == "Requests/sec:" { print $2 }'
}
profiled() { # HZ
    : >"$scratch/err"
    "$ngstap" flame -x "$pid" -F "$1" -t 3600 -o "$scratch/flame.svg" "${options[@]}" \
        >/dev/null 2>"$scratch/err" </dev/null &
    tracer=$!
    until grep -q 'Start tracing' "$scratch/err"; do
        kill -0 "$tracer" || { cat "$scratch/err" >&2; exit 1; }
        sleep 0.05
    done
    with=$(requests)
    kill -INT "$tracer"
    wait "$tracer"
    tracer=''
}

requests >/dev/null # until code is compiled
for hz in 99 999; do
    for ((i = 0; i < pairs; i++)); do
        if ((i % 2)); then
            without=$(requests)
            profiled "$hz"
        else
            profiled "$hz"
            without=$(requests)
        fi
        awk -v a="$without" -v b="$with" 'BEGIN { printf "%.3f %s %s\n", 100 - 100 * b / a, a, b }'
    done >"$scratch/$hz"
    sort -n "$scratch/$hz" | awk -v hz="$hz" -v most="$((hz == 99 ? 1 : 3))" '
        { loss[NR] = $1; a[NR] = $2 }
        function median(v) { return (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }
        END { printf "flame at %d Hz: loses %.1f %% (%.1f to %.1f)   promise: <= %d %%\n", hz,
            median(loss), loss[1], loss[NR], most }'
    cut -d ' ' -f 2 "$scratch/$hz" | sort -n | awk '{ a[NR] = $1 }
        END { printf "  of %.0f requests a second, %d pairs\n",
            (a[int((NR + 1) / 2)] + a[int(NR / 2) + 1]) / 2, NR }'
done
