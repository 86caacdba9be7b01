#!/bin/bash
#
# Starts and stops a program to profile, under a load whose answer is known:
#
#   tests/targets/target.sh start nginx|luajit VARIANT MODE [SECONDS [WORKERS]]
#   tests/targets/target.sh truth NAME      the CPU time of each Lua function
#   tests/targets/target.sh stop NAME|all
#   tests/targets/target.sh list
#
# VARIANT is gc64, gc32 or stripped (see build.sh). MODE is jit, interp, gsub,
# coroutine, deep or recurse (see load/lua/mode/); for nginx also app, proxy
# (load/lua/app/), tls, which is proxy's by TLS, compressed, a connection a
# request, zip (deflate() many times), write (to a shared dictionary) and idle,
# which sends no request. SECONDS, 60 if not given, is when
# the target ends by itself. WORKERS, 1 if not given, is how many workers
# nginx has; several write "PID STATUS URI" of each answer to DIR/logs/access.log.
#
# start prints lines NAME=VALUE, fit for the shell's eval: name, pid (the process
# to profile), exe, dir and root (the root that build.sh made); for nginx also
# master, workers (all pids) and port. truth prints: mode, function, where it is defined, its own
# CPU time in ns, calls, depth of its stack in Lua functions; the line "total"
# is the whole thread's.
#
# Needs: what build.sh needs (or NGSTAP_TARGETS, the folder it printed); wrk.
# Sends requests to 127.0.0.1 only. Leaves nothing once stopped; a run that
# ended by itself leaves its folder below /tmp until the next start or stop all.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source-path=SCRIPTDIR source=runs.sh
. "$(dirname "${BASH_SOURCE[0]}")/runs.sh"

usage() { sed -n '2,/^$/s/^# \?//p' "$0"; }

start_luajit() {
    local root=$1 mode=$2 seconds=$3 child nginx luajit lualib modules libraries exe
    find_parts "$root"
    exe=$root$luajit
    cp -r "$HERE/load/lua" "$dir/"
    [[ -f $dir/lua/mode/$mode.lua ]] || fail "luajit has no mode $mode"
    launch "$dir/log" "$((seconds + 5))" "$exe" "$dir/lua/truth.lua" "$mode" "$seconds" \
        "$dir/truth" || fail "luajit does not start: $(cat "$dir/log")"
    wait_until 10 test -s "$dir/truth" || fail "luajit gives no answer: $(cat "$dir/log")"
    print_run name "${dir##*/}" pid "$child" exe "$exe" dir "$dir" root "$root"
}

start_nginx() {
    local root=$1 mode=$2 seconds=$3 n=$4 child port worker workers
    local nginx luajit lualib modules libraries exe
    path_of "$mode" >/dev/null
    find_parts "$root"
    exe=$root$nginx
    [[ -z $libraries ]] || export LD_LIBRARY_PATH=$root$libraries
    lay_prefix "$dir" "$root$lualib" "$n" "${modules:+$root$modules}"
    # Another program may take the port between the choice and nginx's start.
    for _ in 1 2 3 4 5; do
        choose_port "$dir/conf/listen.conf"
        [[ $mode != tls ]] || listen_tls "$dir/conf" "$port"
        if launch "$dir/log" "$seconds" "$exe" -p "$dir/" -c conf/nginx.conf -g 'daemon off;' &&
            wait_until 10 answers "$port"; then
            break
        fi
        port=''
        stop_recorded "$dir"
        rm -f "$dir/pids"
    done
    [[ -n $port ]] || fail "nginx does not start: $(cat "$dir/log" "$dir/logs/error.log")"
    workers=$(children_of "$child" "$n") || fail "nginx has not started $n workers"
    for worker in $workers; do
        record_pid "$worker" "$dir"
    done
    send_load "$port" "$mode" "$seconds" "$n"
    echo "$port" >"$dir/port"
    print_run name "${dir##*/}" pid "${workers%% *}" exe "$exe" dir "$dir" root "$root" \
        master "$child" workers "$workers" port "$port"
}

start() {
    local program=$1 variant=$2 mode=$3 seconds=${4:-60} workers=${5:-1} targets root
    [[ $program == nginx || $program == luajit ]] || fail "no program $program: nginx or luajit"
    [[ $seconds =~ ^[1-9][0-9]*$ ]] || fail "SECONDS must be a number, not $seconds"
    targets=$(targets_dir)
    [[ $workers =~ ^[1-9][0-9]*$ ]] || fail "WORKERS must be a number, not $workers"
    root=$targets/$variant
    [[ -d $root ]] || fail "no variant $variant in $targets"
    [[ $program == luajit ]] || command -v wrk >/dev/null || need_packages wrk
    sweep
    dir=$(new_run "$program-$variant-$mode")
    # Whatever goes wrong before the last line is printed, nothing stays.
    trap 'remove_run "$dir"' EXIT
    "start_$program" "$root" "$mode" "$seconds" "$workers"
    trap - EXIT
}

case ${1:-}/$# in
start/[456]) start "${@:2}" ;;
truth/2)
    dir=$(run_of "$2")
    if [[ -f $dir/port ]]; then
        http_get "$(<"$dir/port")" /truth || fail "$2 does not answer: it has ended"
    else
        cat "$dir/truth"
    fi
    ;;
stop/2)
    if [[ $2 == all ]]; then
        for dir in "$TARGETS_RUN"/*/; do
            [[ ! -d $dir ]] || remove_run "$dir"
        done
        [[ ! -d $TARGETS_RUN/.dockerd && ! -d $TARGETS_RUN/.podman ]] || "$HERE/container.sh" stop
        rm -f "$TARGETS_RUN/.lock"
        rmdir "$TARGETS_RUN" 2>/dev/null || :
    else
        dir=$(run_of "$2")
        remove_run "$dir"
    fi
    ;;
list/1)
    for dir in "$TARGETS_RUN"/*/; do
        [[ -f $dir/pids ]] && ! all_ended "$dir" && basename "$dir"
    done
    ;;
-h/1 | --help/1) usage ;;
*)
    usage >&2
    exit 1
    ;;
esac
