#!/bin/bash
#
# Measures what a profile costs the target's throughput: nginx with ngx_lua answers wrk without a
# profile and with "ngstap flame" at 99 and at 999 Hz, by turns.
#
#   make bench-overhead     or:  bench/overhead.sh [NGSTAP [PAIRS [SECONDS [OPTION...]]]]
#
# PAIRS (10) of runs of SECONDS (5) each for each rate, which of the two comes first changing from
# pair to pair; OPTIONs go to ngstap flame. Prints for each rate the median of the pairs' losses
# with the promise beside it, the least and the largest; the same of the worker's processor time for
# a request, which bears other work on the machine better; and what both are without a profile. The
# page is that of mode app (tests/targets/target.sh). Needs root, wrk and a machine that is quiet.
# Takes about 4 minutes; leaves nothing.

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

# run: "REQUESTS-A-SECOND NS-OF-THE-WORKER-A-REQUEST" of one.
run() {
    local from to
    read -r from _ <"/proc/$pid/schedstat"
    wrk -t 1 -c 4 -d "${seconds}s" "http://127.0.0.1:$port/app/news" >"$scratch/wrk"
    read -r to _ <"/proc/$pid/schedstat"
    awk -v ns=$((to - from)) '$2 == "requests" { n = $1 } $1 == "Requests/sec:" { a = $2 }
        END { print a, ns / n }' "$scratch/wrk"
}
profiled() { # HZ
    : >"$scratch/err"
    "$ngstap" flame -x "$pid" -F "$1" -t 3600 -o "$scratch/flame.svg" "${options[@]}" \
        >/dev/null 2>"$scratch/err" </dev/null &
    tracer=$!
    # It waits for what handlers send: all is armed.
    until grep -q epoll "/proc/$tracer/wchan"; do
        kill -0 "$tracer" || { cat "$scratch/err" >&2; exit 1; }
        sleep 0.05
    done
    with=$(run)
    kill -INT "$tracer"
    wait "$tracer"
    tracer=''
}

# median COLUMN FILE: "MEDIAN LEAST LARGEST"
median() {
    awk -v column="$1" '{ print $column }' "$2" | sort -n | awk '{ v[NR] = $1 }
        END { printf "%.1f %.1f %.1f\n", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2, v[1],
            v[NR] }'
}

run >/dev/null # until code is compiled
for hz in 99 999; do
    for ((i = 0; i < pairs; i++)); do
        if ((i % 2)); then
            without=$(run)
            profiled "$hz"
        else
            profiled "$hz"
            without=$(run)
        fi
        awk '{ print 100 - 100 * $3 / $1, 100 * $4 / $2 - 100, $1, $2 / 1000 }' \
            <<<"$without $with"
    done >"$scratch/$hz"
    read -r loss least most < <(median 1 "$scratch/$hz")
    echo "flame at $hz Hz: throughput loses $loss % ($least to $most)" \
        "  promise: <= $((hz == 99 ? 1 : 3)) %"
    read -r more least most < <(median 2 "$scratch/$hz")
    echo "  a request takes $more % more of the processor's time ($least to $most)"
    echo "  $(median 3 "$scratch/$hz" | cut -d ' ' -f 1) requests a second," \
        "$(median 4 "$scratch/$hz" | cut -d ' ' -f 1) us each, $pairs pairs"
done
