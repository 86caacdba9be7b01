#!/bin/bash
#
# Measures what ngstap promises, on this machine, on the targets of tests/targets/build.sh:
#
#   make bench            or:  bench/bench.sh [path of ngstap]
#
# Prints, with the promise beside each: the time from exec to the first probe armed with empty and
# with filled caches (and the processor's part of it, which other work on the machine hardly
# changes), what the jails of readers add to that, the size of the tables that stacks are walked by,
# the cost of a walk of nginx's stack, of a sample of a 30-frame interpreted stack, and of one of
# whole stacks, verified instructions, load time, resident memory, what a uprobe's hit costs, size
# of the stripped binary.
# With STAPXX=DIR (a clone of openresty/stapxx) also the cost with upstream's tapset. Needs root.
# Takes about a minute; leaves nothing.

set -euo pipefail
ngstap=$(realpath -e "${1:-./ngstap}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${NGSTAP_TARGETS:=$(tests/targets/build.sh)}"
export NGSTAP_TARGETS

scratch=$(mktemp -d)
name=''
clean() {
    [[ -z $name ]] || tests/targets/target.sh stop "$name"
    rm -rf "$scratch"
}
trap clean EXIT
trap 'exit 130' INT TERM

start() {
    local pid
    eval "$(tests/targets/target.sh start "$1" "$2" "$3" 300)"
    target=$pid
}
stop() {
    tests/targets/target.sh stop "$name"
    name=''
}

line() { printf '%-52s %12s   %s\n' "$@"; }

# What -v says goes to $scratch/err. A target that is idle for the few milliseconds that count has
# no stack to draw, which is no matter here.
before=()
run() {
    XDG_CACHE_HOME=$scratch/cache "${before[@]}" "$ngstap" "$@" -v -x "$target" >"$scratch/out" \
        2>"$scratch/err" || grep -q '^armed' "$scratch/err"
}
# Runs the sample for a second or more.
profile() {
    XDG_CACHE_HOME=$scratch/cache "$ngstap" "$@" -v -x "$target" >"$scratch/out" 2>"$scratch/err"
}
# The number in the line of -v that matches, e.g. value '[0-9.]+ ns per hit'.
value() { grep -oE "$1" "$scratch/err" | tail -1 | grep -oE '[0-9.]+' | head -1; }

own=(-I tapset samples/lj-lua-stacks.sxx --arg min=0)

# median: of the lines of standard input
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
# exec_to_armed LABEL ARGUMENT...: five runs with empty caches, five with filled ones.
exec_to_armed() {
    local cache
    for cache in empty filled; do
        for _ in 1 2 3 4 5; do
            [[ $cache = filled ]] || rm -rf "$scratch/cache"
            run "${@:2}"
            echo "$(value 'armed [0-9.]+ s') $(value 'which [0-9.]+ s') \
                $(value 'memory: [0-9.]+ MiB')"
        done >"$scratch/starts"
        line "exec to armed, $1, $cache caches" "$(cut -d ' ' -f 1 "$scratch/starts" | median) s" \
            "<= $([[ $cache = empty ]] && echo 0.25 || echo 0.06) s, of which a processor's: $(
                cut -d ' ' -f 2 "$scratch/starts" | median) s"
    done
    line '  largest resident memory' "$(awk '{ print $3 }' "$scratch/starts" | median) MiB" \
        '<= 40 MiB'
}

# jails LABEL ARGUMENT...: what reading in jails adds to a start, from eleven pairs by turns that go
# before all other work on the machine.
jails() {
    local cache how more before=(chrt -f 10)
    for cache in empty filled; do
        run "${@:2}"
        for _ in 1 2 3 4 5 6 7 8 9 10 11; do
            for more in '' --no-jail; do
                [[ $cache = filled ]] || rm -rf "$scratch/cache"
                how=($more)
                run "${@:2}" "${how[@]}"
                printf '%s ' "$(value 'armed [0-9.]+ s')"
            done
            echo
        done >"$scratch/pairs"
        line "jails of a start, $1, $cache caches" \
            "$(awk '{ printf "%.1f\n", 1000 * ($1 - $2) }' "$scratch/pairs" | median) ms" '<= 10 ms'
    done
}

start nginx gc64 app
own_stacks='probe timer.profile { print_ubacktrace() } probe timer.ms(20) { exit() }'
exec_to_armed 'nginx, Lua stacks' "${own[@]}" --arg time=1
exec_to_armed 'nginx, ubacktrace()' -e "$own_stacks"
exec_to_armed 'nginx, whole stacks' flame -t 1 -o "$scratch/flame.svg"
jails 'nginx, Lua stacks' "${own[@]}" --arg time=1
jails 'nginx, ubacktrace()' -e "$own_stacks"
# As src/unwind/kept.c keeps them: 72 bytes of a head, the numbers of rows and blocks, both.
for file in "$scratch"/cache/ngstap/unwind/*; do
    od -A n -t u4 -j 72 -N 8 "$file"
done | awk '{ rows += $1; blocks += $2 }
    END { printf "%d %.1f %.1f\n", rows, 8 * (rows + blocks) / rows, (rows + blocks) / 131072 }' \
    >"$scratch/tables"
read -r rows bytes mib <"$scratch/tables"
line "tables of nginx's large files: $rows rows, $mib MiB" "$bytes bytes" \
    '8 bytes a row, and indexes'

# One handler for all functions of a wildcard (2,000 and more): armed, and from the end handler to
# the prompt.
profile -I tapset \
    -e 'global n probe process.function("ngx_*") { n++ } probe timer.ms(500) { exit() }
    probe end { println(gettimeofday_ms()) }'
line 'ngx_* of nginx: exec to armed' "$(value 'armed [0-9.]+ s') s" '< 1.5 s'
line 'ngx_* of nginx: ended' "$(($(date +%s%3N) - $(head -n 1 "$scratch/out"))) ms" '< 500 ms'
line 'ngx_* of nginx: largest resident memory' "$(value 'memory: [0-9.]+ MiB') MiB" '< 64 MiB'
stop

# The stap back end as far as this machine goes: from exec to the module. Loading it comes on top (a
# second or two), on a kernel that has modules.
headers=$(find /lib/modules/*/build -maxdepth 0 2>/dev/null | sort -V | tail -1)
module() { # LABEL SCRIPT-ARGUMENT...
    local from to
    from=$(date +%s%N)
    (cd "$scratch" && XDG_CACHE_HOME=$scratch/modules "$ngstap" --backend=stap -p4 -m bench -r \
        "$(basename "$(dirname "$headers")")" \
        -I "$here/tapset" "$here/samples/lj-lua-stacks.sxx" -x "$target" --arg min=0 "${@:2}" \
        >"$scratch/out" 2>"$scratch/err")
    to=$(date +%s%N)
    line "$1" "$(awk -v ns=$((to - from)) 'BEGIN { printf "%.2f", ns / 1e9 }') s" ''
}
if [[ -n $headers ]] && command -v stap >/dev/null; then
    here=$PWD
    mkdir -m 700 "$scratch/modules"
    start nginx gc64 app
    module 'exec to module, nginx, empty cache' --arg time=1
    module 'exec to module, nginx, another script' --arg time=2
    module 'exec to module, nginx, module in the cache' --arg time=2
    stop
fi

# How many frames of Lua and of C the stacks in $scratch/folded have, on average.
frames() {
    awk '{ n = $NF; sub(/ [0-9]+$/, ""); k = split($0, f, ";"); all += n
            for (i = 1; i <= k; i++) f[i] ~ /:/ ? lua += n : c += n }
        END { printf "%.0f of Lua, %.0f of C", lua / all, c / all }' "$scratch/folded"
}

# Stacks of C alone, by TLS. What a tick reads is hardly ever in the processor's caches, so there is
# a figure beside it of hits that come often.
start nginx gc64 tls
profile flame --frames c -F 999 -t 4 --format folded -o "$scratch/folded"
in_c=$(frames)
profile -e 'probe timer.profile.hz(999) { ustack(126) } probe timer.s(4) { exit() }'
line "program's stack, ${in_c#*, }: a walk at a tick" "$(value '[0-9.]+ ns per hit') ns" ''
profile -D STP_NO_OVERLOAD -e 'probe process("/lib/x86_64-linux-gnu/libc.so.6").function("malloc") {
    ustack(126) } probe timer.s(2) { exit() }'
line "program's stack: a walk at each malloc()" "$(value '[0-9.]+ ns per hit') ns" '<= 1500 ns'
stop

measure() { # LABEL PROMISE OPTION...
    profile "${@:3}" --arg time=4
    line "$1: a sample" "$(value '[0-9.]+ ns per hit') ns" "$2"
    line "$1: verified instructions" "$(value '[0-9.]+ instructions verified')" ''
    line "$1: load" "$(value 'loaded in [0-9.]+ ms') ms" ''
}
start luajit gc64 deep
measure '30 interpreted frames, our tapset' '<= 20000 ns' "${own[@]}"
for feature in may_goto bpf_loop; do
    options=(--no-feature=may_goto)
    [[ $feature = may_goto ]] || options+=(--no-feature=bpf_loop)
    measure "  without $feature" '' "${options[@]}" "${own[@]}"
done
# Whole stacks, where the program does little but run Lua, so that what is read is at hand.
profile flame -F 999 -t 4 --format folded -o "$scratch/folded"
line "whole stacks, $(frames): a sample" "$(value '[0-9.]+ ns per hit') ns" '<= 6000 ns'
if [[ -n ${STAPXX:-} ]]; then
    sed 's/^@use luajit$/@use luajit_gc64/' "$STAPXX/samples/lj-lua-stacks.sxx" \
        >"$scratch/lj-lua-stacks.sxx"
    measure "30 interpreted frames, upstream's tapset" '<= 25000 ns' --skip-badvars -I \
        "$STAPXX/tapset" "$scratch/lj-lua-stacks.sxx" --arg min=0
fi
stop

# What a hit of a uprobe costs in BPF (the kernel's own count, bpf_stats), with bpftrace's handler
# for the same beside it where there is bpftrace: the promise is to be no slower.
cat >"$scratch/hit.c" <<'end'
#include <unistd.h>
__attribute__((noinline)) long hit(long n) { __asm__ volatile("" : : "r"(n)); return n + 1; }
int main(void) { sleep(3); for (long i = 0; i < 200000; i++) hit(i); usleep(300000); return 0; }
end
# hit_by COMMAND...: of a tracer that is given the target's pid as last argument. Not by -v, for
# which handlers count their hits.
hit_by() {
    local target tracer best='' now
    sysctl -q kernel.bpf_stats_enabled=1
    "$scratch/hit" &
    target=$!
    "$@" "$target" >"$scratch/out" 2>&1 &
    tracer=$!
    while kill -0 "$target" 2>/dev/null; do
        now=$(awk '$1 == "run_time_ns:" { ns = $2 }
            $1 == "run_cnt:" && $2 > 1000 { print int(ns / $2) }' /proc/"$tracer"/fdinfo/* \
            2>/dev/null) || true
        [[ -z $now ]] || best=$now
        sleep 0.1
    done
    sysctl -q kernel.bpf_stats_enabled=0
    wait "$tracer" "$target" 2>/dev/null || true
    echo "${best:--} ns"
}
hit() { # LABEL SCRIPT ACTION
    line "uprobe hit: $1" "$(hit_by "$ngstap" -I tapset -e "$2" -x)" \
        "$([[ -z $bpftrace ]] ||
            echo "bpftrace: $(hit_by bpftrace -e "uprobe:$scratch/hit:hit { $3 }" -p)")"
}
if ${CC:-cc} -g -O1 -o "$scratch/hit" "$scratch/hit.c" 2>/dev/null; then
    bpftrace=$(command -v bpftrace || true)
    probe="probe process(\"$scratch/hit\").function(\"hit\")"
    hit empty "$probe { }" 1
    # bpftrace counts hits of every process, but for those that a filter leaves out.
    line 'uprobe hit: empty, of one process' '' \
        "$([[ -z $bpftrace ]] || echo "bpftrace: $(hit_by bpftrace -e \
            "uprobe:$scratch/hit:hit / pid == 1 / { 1 }" -p)")"
    hit count "global n $probe { n++ } probe end { println(n) }" '@ = count()'
    hit histogram "global h $probe { h <<< \$n } probe end { print(@hist_log(h)) }" '@ = hist(arg0)'
    hit 'count by pid' "global c $probe { c[pid()]++ } probe end { println(c[0]) }" \
        '@[pid] = count()'
    hit 'count by execname' "global c $probe { c[execname()]++ } probe end { println(c[\"\"]) }" \
        '@[comm] = count()'
fi

cp "$ngstap" "$scratch/ngstap"
strip "$scratch/ngstap"
line 'stripped binary' "$(($(stat -c %s "$scratch/ngstap") / 1024)) KiB" '< 2048 KiB'
