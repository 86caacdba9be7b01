#!/bin/bash
#
# Measures what ngstap does to a loaded worker's latency, nginx with ngx_lua under wrk:
#
#   make bench-latency      or:  bench/latency.sh [NGSTAP [ROUNDS [SECONDS]]]
#
# ROUNDS (7) times in turn, SECONDS (5) each: nobody looks; "ngstap flame" at 99 Hz, whole stacks;
# a probe at FUNCTION (ngx_palloc), which each request calls often, under the budget of 5 % of a
# processor; the same with -D STP_NO_OVERLOAD; nobody once more, which says what the machine itself
# changes between two. Before each, a second of load that is not counted.
# Prints the medians of the rounds of what wrk has measured, and of the differences to the round's
# first, with the promise beside. Worker and wrk are on a processor each, with CONNECTIONS (1)
# between them, and go before all other work on the machine (chrt(1)). KEEP: a folder, for what wrk
# has measured, a file for each. Needs root, wrk and two processors; leaves nothing else.

set -euo pipefail
ngstap=$(realpath -e "${1:-./ngstap}")
rounds=${2:-7}
seconds=${3:-5}
function=${FUNCTION:-ngx_palloc}
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

cpus=$(taskset -cp $$ | sed 's/.*: //')
ours=${cpus%%[,-]*}
theirs=${cpus##*[,-]}

pid='' port=''
eval "$(tests/targets/target.sh start nginx gc64 idle 36000)"
taskset -cp "$ours" "$pid" >/dev/null
chrt -f -p 10 "$pid"

# load SECONDS: "US-AT-P50 US-AT-P99 REQUESTS-A-SECOND"
load() {
    chrt -f 10 taskset -c "$theirs" wrk -t 1 -c "${CONNECTIONS:-1}" -d "$1" --latency \
        "http://127.0.0.1:$port/app/news" | awk '
        function us(t) { return t ~ /us$/ ? t + 0 : t ~ /ms$/ ? t * 1000 : t * 1000000 }
        $1 == "50%" { p50 = us($2) }
        $1 == "99%" { p99 = us($2) }
        $1 == "Requests/sec:" { rate = $2 }
        END { print p50, p99, rate }'
}

script="probe process.function(\"$function\") { n++ } global n
    probe timer.ms(1) { if (!armed) println(\"armed\"); armed = 1 } global armed
    probe end { println(n) }"
armed() { # HOW
    if [[ $1 = flame ]]; then
        find "/proc/$tracer/fd" -lname 'anon_inode:*perf_event*' 2>/dev/null | grep -q .
    else
        grep -q armed "$scratch/out"
    fi
}
begin() { # HOW
    local command
    : >"$scratch/out"
    case $1 in
    nobody | again) return ;;
    flame) command=(flame -F 99 -t 3600 -o "$scratch/flame.svg") ;;
    budget) command=(-e "$script") ;;
    none) command=(-D STP_NO_OVERLOAD -e "$script") ;;
    esac
    taskset -c "$theirs" "$ngstap" "${command[@]}" -x "$pid" >"$scratch/out" 2>"$scratch/$1.err" &
    tracer=$!
    for _ in {1..300}; do
        ! armed "$1" || return 0
        sleep 0.1
    done
    echo "not armed in half a minute: ${command[*]}" >&2
    return 1
}
end() {
    [[ -n $tracer ]] || return 0
    kill -TERM "$tracer" # a shell's own jobs ignore SIGINT until they say otherwise
    wait "$tracer" || :
    tracer=''
}

load 1 >/dev/null # until code is compiled
for ((round = 0; round < rounds; round++)); do
    for how in nobody flame budget none again; do
        begin "$how"
        load 1 >/dev/null
        load "$seconds" >>"$scratch/$how"
        end
    done
done

median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
# report HOW WHAT PROMISE
report() {
    local p50 p99 rate more part
    p50=$(awk '{ print $1 }' "$scratch/$1" | median)
    p99=$(awk '{ print $2 }' "$scratch/$1" | median)
    rate=$(awk '{ print $3 }' "$scratch/$1" | median)
    more=$(paste -d ' ' "$scratch/nobody" "$scratch/$1" | awk '{ print $5 - $2 }' | median)
    part=$(paste -d ' ' "$scratch/nobody" "$scratch/$1" | awk '{ print 100 * ($5 / $2 - 1) }' |
        median)
    printf '%-38s p50 %6.0f us, p99 %6.0f us (%+.0f us, %+.1f %%), %6.0f requests/s   %s\n' "$2" \
        "$p50" "$p99" "$more" "$part" "$rate" "$3"
}
report nobody 'nobody looks' ''
report flame 'ngstap flame at 99 Hz' 'promise: p99 < +50 us'
report budget "$function, 5 % of a processor" 'promise: p99 < +5 %'
report none "$function, every hit" ''
report again 'nobody, once more' ''
[[ -z ${KEEP:-} ]] || cp "$scratch"/{nobody,flame,budget,none,again} "$KEEP/"
