#!/bin/bash
#
# Measures what a profile costs the process that is looked at, nginx with ngx_lua, to a percent:
#
#   make bench-overhead     or:  bench/overhead.sh [NGSTAP [PAIRS [REQUESTS [HZ...]]]]
#
# What is compared is the worker's own processor time for a request: interrupts and the programs
# that run in them are charged to whom they interrupt, and waiting for a processor is not. (A busy
# worker answers as many requests less as one takes longer.) For "ngstap flame" (whole stacks, and
# Lua alone) and, where they are installed, "perf record --call-graph dwarf" and bpftrace's ustack,
# at each of HZ (99 999), there are PAIRS (400) of slices of REQUESTS (100) requests, some 10 ms
# each: in one the profiler's events are enabled, in the other disabled (bench/slices.c), so that
# what else the machine does is the same for both. Prints the median of the pairs with an interval
# that holds the true one with 95 % (of a sign test), and what the profiler itself takes of a
# processor meanwhile. For ngstap there is a figure beside it that is had in another way: the time
# that the kernel counts in its programs (bpf_stats), and what an interrupt takes beyond its
# program, by a handler that does nothing, at 4999 Hz. Worker and load are on a processor each.
# Needs root, a C compiler and two processors; takes about 3 minutes on a quiet machine; leaves
# nothing.

set -euo pipefail
ngstap=$(realpath -e "${1:-./ngstap}")
pairs=${2:-400}
requests=${3:-100}
rates=("${@:4}")
((${#rates[@]})) || rates=(99 999)
empty_hz=4999
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
${CC:-cc} -O1 -D_GNU_SOURCE -o "$scratch/slices" bench/slices.c

# The first and the last processor that we may use.
cpus=$(taskset -cp $$ | sed 's/.*: //')
ours=${cpus%%[,-]*}
theirs=${cpus##*[,-]}
[[ $ours != "$theirs" ]] || echo "there is one processor: load and target share it"

pid='' port=''
eval "$(tests/targets/target.sh start nginx gc64 idle 36000)"
taskset -cp "$ours" "$pid" >/dev/null

slices() { # PAIRS [PROFILER]: lines "NS-WITHOUT NS-WITH"
    taskset -c "$theirs" "$scratch/slices" "$port" /app/news "$pid" "$1" "$requests" "${@:2}"
}

# begin COMMAND...: a profiler; it is armed when it waits and has events.
begin() {
    taskset -c "$theirs" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null &
    tracer=$!
    until grep -qE 'poll|sigtimedwait' "/proc/$tracer/wchan" 2>/dev/null &&
        find "/proc/$tracer/fd" -lname 'anon_inode:*perf_event*' 2>/dev/null | grep -q .; do
        kill -0 "$tracer" 2>/dev/null || { cat "$scratch/err" >&2; exit 1; }
        sleep 0.05
    done
}
start() { # PROFILER HZ
    case $1 in
    whole) begin "$ngstap" flame -v -x "$pid" -F "$2" -t 3600 -o "$scratch/flame.svg" ;;
    lua) begin "$ngstap" flame -v --frames lua -x "$pid" -F "$2" -t 3600 -o "$scratch/lua.svg" ;;
    perf) begin perf record -q --call-graph dwarf -F "$2" -p "$pid" -o "$scratch/perf.data" ;;
    bpftrace)
        BPFTRACE_MAP_KEYS_MAX=65536 begin bpftrace \
            -e "profile:hz:$2 / pid == $pid / { @[ustack] = count() }"
        ;;
    empty) begin "$ngstap" -v -x "$pid" -e "probe timer.profile.hz($2) { }" ;;
    esac
}
worked() { # PID: ns of a processor
    local ns
    read -r ns _ <"/proc/$1/schedstat"
    echo "$ns"
}

# measure PROFILER HZ: cost, low, high, own, share, all in percent
measure() {
    start "$1" "$2"
    own=$(worked "$tracer")
    slices "$pairs" "$tracer" >"$scratch/pairs"
    own=$(($(worked "$tracer") - own))
    kill -INT "$tracer"
    wait "$tracer" || :
    tracer=''
    read -r cost low high < <(awk '{ print 100 * ($2 / $1 - 1) }' "$scratch/pairs" | sort -g |
        awk '{ v[NR] = $1 }
            END { # where a sign test stops to doubt, by the normal distribution: 200 and more
                k = int(NR / 2 - 0.98 * sqrt(NR))
                k = k < 1 ? 1 : k
                printf "%.2f %.2f %.2f\n", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2,
                    v[k], v[NR + 1 - k]
            }')
    read -r work all < <(awk -v n="$requests" '{ on += $2; all += $1 + $2 }
        END { printf "%.0f %.0f\n", on * n, all * n }' "$scratch/pairs")
    own=$(awk -v own="$own" -v all="$all" 'BEGIN { printf "%.2f", 200 * own / all }')
    # -v: "NS ns per hit (N runs of BPF programs)"
    share=$(sed -nE 's/^([0-9]+) ns per hit \(([0-9]+) .*/\1 \2/p' "$scratch/err" |
        awk -v ns="$work" '{ share = 100 * $1 * $2 / ns } END { printf "%.2f\n", share }')
}

slices 10 >/dev/null # until code is compiled
measure empty "$empty_hz"
tick=$(awk -v cost="$cost" -v share="$share" -v hz="$empty_hz" \
    'BEGIN { printf "%.0f", (cost - share) / 100 * 1e9 / hz }')
printf "%d pairs of %d requests of %.0f us of the worker's processor\n" "$pairs" "$requests" \
    "$(awk '{ sum += $1 } END { print sum / NR / 1000 }' "$scratch/pairs")"
printf '%4d Hz: %-31s %6.2f %% (%.2f to %.2f); its program %.2f %%, so an interrupt takes %d ns\n' \
    "$empty_hz" 'a handler that does nothing:' "$cost" "$low" "$high" "$share" "$tick"

# report PROFILER WHAT [PROMISE]
report() {
    measure "$1" "$hz"
    printf '%4d Hz: %-31s %6.2f %% (%.2f to %.2f); itself %.2f %% of a processor' "$hz" "$2:" \
        "$cost" "$low" "$high" "$own"
    [[ $# -lt 3 ]] || printf '; counted %.2f %%   promise: <= %d %%' \
        "$(awk -v share="$share" -v tick="$tick" -v hz="$hz" \
            'BEGIN { print share + tick * hz / 1e7 }')" "$3"
    echo
}
for hz in "${rates[@]}"; do
    promise=$((hz <= 99 ? 1 : 3))
    report whole 'ngstap flame, whole stacks' "$promise"
    report lua 'ngstap flame, Lua alone' "$promise"
    ! command -v perf >/dev/null || report perf 'perf record --call-graph dwarf'
    ! command -v bpftrace >/dev/null || report bpftrace 'bpftrace, ustack'
done
