#!/bin/bash
#
# Samples of ours whose answers can be held against nginx's own, or the kernel's, to the number: of
# one of four workers, while another master's four do the same with other numbers.
#
# Needs root, eBPF and NGSTAP_TARGETS (tests/targets/build.sh prints it). About 30 s. Prints
# TAP.

# Check calls the functions; start_nginx sets the targets' variables.
# shellcheck disable=SC2154,SC2317
:

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=workers/masters.sh
. tests/workers/masters.sh
# shellcheck source-path=SCRIPTDIR source=targets/common.sh
. tests/targets/common.sh
# shellcheck source-path=SCRIPTDIR source=targets/runs.sh
. tests/targets/runs.sh

[[ $UID = 0 ]] || skip_all 'needs root'
[[ -n ${NGSTAP_TARGETS:-} ]] || skip_all 'NGSTAP_TARGETS is not set'

# judged SAMPLE ARGUMENT...: it runs on the worker $pid, armed.
judged() {
    {
        cat "samples/$1.sxx"
        echo 'global armed probe timer.ms(10) { if (!armed++) println("armed") }'
    } >"$scratch/$1.sxx"
    start_trace "$scratch/$1.sxx" -x "$pid" "${@:2}"
    before=$(wc -l <"${logs[0]}")
}

# logged: URIs that the worker has answered since the sample was armed.
logged() {
    tail -n "+$((before + 1))" "${logs[0]}" | awk -v pid="$pid" '$1 == pid { print $3 }'
}

# ask MASTER PATH...: many ask it for each PATH at once, so that all its workers answer.
ask() {
    local port=${ports[$1]} path asked=()
    for path in "${@:2}"; do
        for _ in {1..8}; do
            http_get "$port" "$path" >/dev/null &
            asked+=("$!")
        done
    done
    wait "${asked[@]}" || :
}

# both PATH...: the other master is asked, too, until the worker has answered some.
both() {
    for _ in {1..50}; do
        ask 1 "${@/news/elsewhere}"
        ask 0 "$@"
        (($(logged | wc -l) < 20)) || break
    done
    # The log has a line once an answer is sent.
    sleep 0.5
}

# Connections that the worker has to clients, by the kernel's table.
connections() {
    local inodes
    inodes=$(find "/proc/$pid/fd" -lname 'socket:*' -printf '%l\n' | tr -dc '0-9\n')
    awk -v port="$(printf ':%04X' "${ports[0]}")" -v inodes="$inodes" '
        BEGIN { n = split(inodes, one); while (n) of[one[n--]] = 1 }
        $4 == "01" && index($2, port) && ($10 in of) { total++ }
        END { print total + 0 }' /proc/net/tcp
}

now_ms() { date +%s%3N; }

start_nginx idle
pid=${first[2]}

# ---- writes to a shared dictionary, one by one

judged ngx-lua-shdict-writes
both /write/set/news/700 /write/safe_add/index/20 /write/replace/news/0
end_trace
logged | sed -nE 's,^/write/(\w+)/(\w+)/([0-9]+)$,\1 key=\2 value_len=\3 dict=pages,p' |
    sort >"$scratch/want"
sed -nE 's/^\[[0-9]+\] //p' "$scratch/out" | sort >"$scratch/found"
check "ngx-lua-shdict-writes: $(wc -l <"$scratch/want") writes" test -s "$scratch/want"
check '... each with its words' cmp "$scratch/want" "$scratch/found"

# ---- what is left of it

for ((i = 0; i < 40; i++)); do
    http_get "${ports[0]}" "/write/set/big$i/$((i * 200))" >/dev/null
done
# Each worker looks at all keys, so that no page of theirs is missing in its memory.
before=$(wc -l <"${logs[0]}")
both /free
judged ngx-lua-shdict-info --arg dict=pages
both /free
end_trace
free=$(http_get "${ports[0]}" /free)
check 'ngx-lua-shdict-info: its size' printed '^    total size: 1024 KB$'
check "... what is free: $free bytes" printed "^    free pages: $((free / 1024)) KB "
check '... 40 keys and more: 3 to 6 of them black on each way' printed 'black height: [3-6]$'

# ---- timers of connections: heads of requests that do not end

opened=$(now_ms)
held=()
while (($(connections) < 5 && ${#held[@]} < 200)); do
    exec {one}<>"/dev/tcp/127.0.0.1/${ports[0]}"
    held+=("$one")
    printf 'GET /free HTTP/1.1\r\n' >&"$one"
done
judged ngx-conn-timers
# A byte more wakes the worker, and its timers go on.
for _ in {1..100}; do
    kill -0 "$tracer" 2>/dev/null || break
    for one in "${held[@]}"; do
        printf 'X' >&"$one"
    done
    sleep 0.1
done
end_trace
since=$(($(now_ms) - opened)) open=$(connections)
check "ngx-conn-timers: $open connections" printed "^reading connections: $open$"
check '... of that port' printed "^Port src ${ports[0]}$"
left() { # all have waited, none longer than the first; client_header_timeout is 60 s
    local min max
    read -r min max < <(sed -nE 's,^\(min/avg/max: ([0-9]+)/[0-9]+/([0-9]+)\)$,\1 \2,p' \
        "$scratch/out")
    ((min >= 60000 - since && max <= 60000 && min <= max))
}
check '... and how long they wait still' left
for one in "${held[@]}"; do
    exec {one}>&-
done

# ---- zlib, by requests

judged ngx-zlib-total-deflate-time
both /zip
end_trace
zipped=$(logged | grep -c '^/zip$')
check "ngx-zlib-total-deflate-time: $zipped requests" printed " for $zipped samples:$"

finish
