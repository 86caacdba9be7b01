#!/bin/bash
#
# Starts and stops a program to profile, under a load whose answer is known:
#
#   tests/targets/target.sh start nginx|luajit VARIANT MODE [SECONDS]
#   tests/targets/target.sh truth NAME      the CPU time of each Lua function
#   tests/targets/target.sh stop NAME|all
#   tests/targets/target.sh list
#
# VARIANT is gc64, gc32 or stripped (see build.sh). MODE is jit, interp, gsub,
# coroutine, deep or recurse (see load/lua/mode/); for nginx also app, proxy
# (load/lua/app/) and idle, which sends no request. SECONDS, 60 if not given, is
# when the target ends by itself.
#
# start prints lines NAME=VALUE: name, pid (the process to profile), exe, dir
# and root (the root that build.sh made); for nginx also master and port. truth
# prints: mode, function, where it is defined, its own CPU time in ns, calls,
# depth of its stack in Lua functions; the line "total" is the whole thread's.
#
# Needs: what build.sh needs (or NGSTAP_TARGETS, the folder it printed); wrk.
# Sends requests to 127.0.0.1 only. Leaves nothing once stopped; a run that
# ended by itself leaves its folder below /tmp until the next start or stop all.

set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$HERE/common.sh"

dir=''

usage() { sed -n '2,/^$/s/^# \?//p' "$0"; }

# Runs a program for at most SECONDS, apart from this shell: no ^C of the
# terminal reaches it, and it holds none of the caller's files open. $child is
# its pid; timeout, which watches over it, is recorded too.
launch() {
    local log=$1 seconds=$2
    shift 2
    setsid timeout --kill-after=5 "$seconds" "$@" >"$log" 2>&1 </dev/null 9>&- &
    record_pid $! "$dir"
    child=$(child_of $!) && record_pid "$child" "$dir"
}

# setsid forks only when it leads a process group, which a script's child does
# not: $! is timeout's pid in the end.

start_luajit() {
    local root=$1 mode=$2 seconds=$3 child exe=$1/srv/openresty/luajit/bin/luajit
    [[ -f $dir/lua/mode/$mode.lua ]] || fail "luajit has no mode $mode"
    launch "$dir/log" "$((seconds + 5))" "$exe" "$dir/lua/truth.lua" "$mode" "$seconds" \
        "$dir/truth" || fail "luajit does not start: $(cat "$dir/log")"
    wait_until 10 test -s "$dir/truth" || fail "luajit gives no answer: $(cat "$dir/log")"
    printf '%s\n' "name=${dir##*/}" "pid=$child" "exe=$exe" "dir=$dir" "root=$root"
}

nginx_answers() { http_get "$1" /truth; }

burnt() { http_get "$1" /truth | grep -q "^$2 "; }

start_nginx() {
    local root=$1 mode=$2 seconds=$3 child exe=$1/srv/openresty/nginx/sbin/nginx
    local port master worker path
    case $mode in
    app) path=/app/news ;;
    proxy) path=/proxy/news ;;
    idle) path='' ;;
    *)
        [[ -f $dir/lua/mode/$mode.lua ]] || fail "nginx has no mode $mode"
        path=/burn/$mode
        ;;
    esac
    mkdir "$dir/logs"
    cp -r "$HERE/load/conf" "$root/srv/openresty/lualib" "$dir/"
    # Another program may take the port between the choice and nginx's start.
    for _ in 1 2 3 4 5; do
        port=$((20000 + RANDOM % 10000))
        printf 'listen 127.0.0.%d:%d;\n' 1 "$port" 2 "$port" 3 "$port" >"$dir/conf/listen.conf"
        if launch "$dir/log" "$seconds" "$exe" -p "$dir/" -c conf/nginx.conf -g 'daemon off;' &&
            wait_until 10 nginx_answers "$port"; then
            break
        fi
        port=''
        stop_recorded "$dir"
    done
    [[ -n $port ]] || fail "nginx does not start: $(cat "$dir/log" "$dir/logs/error.log")"
    master=$child
    worker=$(child_of "$master")
    record_pid "$worker" "$dir"
    if [[ -n $path ]]; then
        launch "$dir/wrk" "$seconds" wrk -t 1 -c 2 -d "${seconds}s" \
            "http://127.0.0.1:$port$path" || fail "wrk does not start: $(cat "$dir/wrk")"
    fi
    if [[ $path == /burn/* ]]; then
        wait_until 10 burnt "$port" "$mode" ||
            fail "mode $mode does not run: $(cat "$dir/log" "$dir/logs/error.log")"
    fi
    echo "$port" >"$dir/port"
    printf '%s\n' "name=${dir##*/}" "pid=$worker" "exe=$exe" "dir=$dir" "root=$root" \
        "master=$master" "port=$port"
}

start() {
    local program=$1 variant=$2 mode=$3 seconds=${4:-60} targets root
    [[ $program == nginx || $program == luajit ]] || fail "no program $program: nginx or luajit"
    [[ $seconds =~ ^[1-9][0-9]*$ ]] || fail "SECONDS must be a number, not $seconds"
    targets=$(targets_dir)
    root=$targets/$variant
    [[ -d $root ]] || fail "no variant $variant: gc64, gc32 or stripped"
    [[ $program == luajit ]] || command -v wrk >/dev/null || need_packages wrk
    sweep
    dir=$(new_run "$program-$variant-$mode")
    # Whatever goes wrong before the last line is printed, nothing stays.
    trap 'remove_run "$dir"' EXIT
    cp -r "$HERE/load/lua" "$dir/"
    "start_$program" "$root" "$mode" "$seconds"
    trap - EXIT
}

remove_run() {
    stop_recorded "$1"
    rm -rf "$1"
}

run_of() {
    local run=$TARGETS_RUN/$1
    [[ $1 != */* && -d $run ]] || fail "no target named $1; see: $0 list"
    echo "$run"
}

# The folders of runs that have ended by themselves.
sweep() {
    local run
    for run in "$TARGETS_RUN"/*/; do
        [[ -f $run/pids ]] && all_ended "$run" && rm -rf "$run"
    done
    return 0
}

case ${1:-}/$# in
start/[45]) start "${@:2}" ;;
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
            [[ -f $dir/pids ]] && remove_run "$dir"
        done
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
