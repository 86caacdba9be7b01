#!/bin/bash
#
# What scripts and samples say of one worker, and of one master's workers, while two masters of four
# workers each serve: the access logs, in which each answer has its worker's pid, say what is right.
#
# Needs root, eBPF, wrk, and NGSTAP_TARGETS (tests/targets/build.sh prints it). About 60 s. Prints
# TAP.

# Check calls the functions; eval sets the targets' variables.
# shellcheck disable=SC2016,SC2154,SC2317
:

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=workers/masters.sh
. tests/workers/masters.sh

[[ $UID = 0 ]] || skip_all 'needs root'
[[ -n ${NGSTAP_TARGETS:-} ]] || skip_all 'NGSTAP_TARGETS is not set'
command -v wrk >/dev/null || skip_all 'no wrk'

# serve: all eight workers answer, /app/news and, less often, /app/index; what is logged of it goes
# to $scratch/log.
serve() {
    local i pids_=()
    for i in 0 1; do
        wc -l <"${logs[i]}" >"$scratch/before$i"
    done
    for i in 0 1; do
        wrk -t 1 -c 8 -d 2s "http://127.0.0.1:${ports[i]}/app/news" >/dev/null &
        pids_+=("$!")
        wrk -t 1 -c 8 -d 1s "http://127.0.0.1:${ports[i]}/app/index" >/dev/null &
        pids_+=("$!")
    done
    wait "${pids_[@]}"
    sleep 0.5
    for i in 0 1; do
        tail -n "+$(($(<"$scratch/before$i") + 1))" "${logs[i]}"
    done >"$scratch/log"
}

# logged PID...: how many answers of these workers are logged; with a URI in $uri, how many of it.
logged() {
    awk -v pids="$*" -v uri="${uri:-}" '
        BEGIN { n = split(pids, p, " "); while (n) of[p[n--]] = 1 }
        ($1 in of) && (uri == "" || $3 == uri) { total++ }
        END { print total + 0 }' "$scratch/log"
}

# told WORD...: the number that stands behind these words in a line of the output.
told() { sed -nE "s,^$* (-?[0-9]+).*,\1,p" "$scratch/out"; }

# judge WHAT PID...: the shapes' answers are those of these workers.
judge() {
    local what=$1 n rest count min max line
    shift
    n=$(logged "$@")
    check "$what: ends well, $n answers logged" test "$status" = 0 -a "$n" -ge 20
    check "$what: calls are those of the log" is "$(told all)" "$n"
    check "$what: so they are when the script asks whose" is "$(told asked)" "$n"
    awk -v pids="$*" 'BEGIN { n = split(pids, p, " "); while (n) of[p[n--]] = 1 }
        $1 in of { total[$1 " " $3]++ } END { for (k in total) print "served", k, total[k] }' \
            "$scratch/log" |
        LC_ALL=C sort >"$scratch/want"
    check "$what: by process and URI" same
    for line in latency pure; do
        read -r rest count min max < <(grep "^$line " "$scratch/out" || echo "$line none 0 0")
        check "$what: $line, $count of them, $min to $max us" \
            test "$rest" = "$line" -a "$count" = "$n" -a "$min" -ge 0 -a "$max" -lt 10000000
    done
    check "$what: none without a beginning" is "$(told unfinished)" 0
    for rest in content log; do
        check "$what: calls of ngx_http_lua_${rest}_handler" is \
            "$(told "function ngx_http_lua_${rest}_handler")" "$n"
    done
}
same() { grep '^served ' "$scratch/out" | LC_ALL=C sort | diff - "$scratch/want" >"$scratch/diff" ||
    { head -5 "$scratch/diff"; return 1; }; }

start_nginx idle
start_trace tests/workers/shapes.sxx -x "${first[1]}"
serve
end_trace
judge 'one worker' "${first[1]}"
start_trace tests/workers/shapes.sxx --master "$master2"
serve
end_trace
judge "a master's workers" "${second[@]}"
stop_nginx

# ---- the samples, while all serve ----

start_nginx app
# wrk keeps its connections, and a worker may have got none of them.
sleep 2
busiest=$(awk '{ n[$1]++; if (n[$1] > most) { most = n[$1]; pid = $1 } } END { print pid }' \
    "${logs[0]}")
for who in "-x $busiest" "--master $master1"; do
    # shellcheck disable=SC2086 # two words
    trace samples/lj-gc.sxx $who
    check "lj-gc $who" printed '^Total GC count: [1-9][0-9]{4,7} bytes$'
    # shellcheck disable=SC2086
    trace samples/lj-lua-bt.sxx $who
    check "lj-lua-bt $who" printed '^=(content|access|log)_by_lua|^C:|^builtin#'
    # shellcheck disable=SC2086
    trace samples/lj-vm-states.sxx --arg time=2 $who
    check "lj-vm-states $who" printed '^Observed [1-9][0-9]+ Lua-running samples'
    # shellcheck disable=SC2086
    trace samples/lj-lua-stacks.sxx --arg time=2 --arg min=0 $who
    check "lj-lua-stacks $who" printed 'lua/app/'
    check "... and of its own prefix only" eval \
        '[[ $(grep -o "/tmp[^ ]*//lua" "$scratch/out" | sort -u | wc -l) = 1 ]]'
done
stop_nginx
finish
