# shellcheck shell=bash
#
# Running targets: what target.sh and container.sh share. Each has a folder
# below $TARGETS_RUN with the pids to stop (pids), its port (port), and, if it is
# a container, the engine's name for it (container) or its mounted root (merged).
# Sourced, after common.sh; it needs Linux's /proc and leaves nothing behind
# that remove_run does not remove. Callers have $dir, the folder of their run.

TARGETS_RUN=${NGSTAP_RUN:-${TMPDIR:-/tmp}/ngstap-targets.$UID}
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=''

# http_get PORT PATH: the body, from 127.0.0.1. Bash's own sockets: a bare
# Debian has no curl.
http_get() {
    local line
    {
        printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&3 || return
        IFS= read -r -t 5 line <&3 || return
        [[ $line == *' 200 '* ]] || return
        while IFS= read -r line <&3 && [[ $line != $'\r' ]]; do :; done
        cat <&3
    } 3<>"/dev/tcp/127.0.0.1/$1" 2>/dev/null
}

# wait_until SECONDS COMMAND...: true as soon as COMMAND is.
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || return
        sleep 0.05
    done
}

# The first child of a process; it may take a moment to be there.
child_of() {
    local children
    children=$(children_of "$1" 1) || return
    echo "${children%% *}"
}

has_children() { [[ $(wc -w <"/proc/$1/task/$1/children") -ge $2 ]]; }

# children_of PID N: its children, once there are N of them.
children_of() {
    local children
    wait_until 5 has_children "$1" "$2" || return
    read -r children <"/proc/$1/task/$1/children" || [[ $children ]]
    echo "${children% }"
}

# A pid may be given to another process once its own has ended: what is to be
# stopped is recorded with its start time, and only killed if that is the same.
start_time() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return
    # The name, in parentheses, may hold anything; field 22 counts from the pid.
    awk '{ print $20 }' <<<"${stat##*) }"
}

record_pid() { echo "$1 $(start_time "$1")" >>"$2/pids"; }

signal_recorded() {
    local signal=$1 dir=$2 pid started any=1
    while read -r pid started; do
        [[ -n $started && $(start_time "$pid") == "$started" ]] || continue
        [[ $(awk '/^State:/ { print $2 }' "/proc/$pid/status" 2>/dev/null) != Z ]] || continue
        kill "-$signal" "$pid" 2>/dev/null && any=0
    done <"$dir/pids"
    return "$any"
}

all_ended() { ! signal_recorded 0 "$1"; }

# Ends the processes recorded in a folder, politely first.
stop_recorded() {
    [[ -f $1/pids ]] || return 0
    signal_recorded TERM "$1" || return 0
    wait_until 5 all_ended "$1" || signal_recorded KILL "$1" || :
}

# The folder above all runs must be the caller's own: others may write to /tmp.
make_run_folder() {
    mkdir -p "$TARGETS_RUN"
    [[ -O $TARGETS_RUN && ! -L $TARGETS_RUN ]] || fail "$TARGETS_RUN is not yours"
    chmod 755 "$TARGETS_RUN"
}

# new_run NAME: a folder for one running target.
new_run() {
    local dir
    make_run_folder
    dir=$(mktemp -d "$TARGETS_RUN/$1.XXXX")
    # nginx's worker runs as nobody and reads its Lua files there.
    chmod 755 "$dir"
    echo "$dir"
}

# launch LOG SECONDS PROGRAM...: runs it for at most SECONDS, apart from this
# shell: no ^C of the terminal reaches it, and it keeps none of the caller's
# files or locks open. $child is its pid; that of timeout, its parent, is recorded too.
launch() {
    local log=$1 seconds=$2
    shift 2
    setsid timeout --kill-after=5 "$seconds" "$@" >"$log" 2>&1 </dev/null 8>&- &
    record_pid $! "$dir"
    child=$(child_of $!) && record_pid "$child" "$dir"
}

# The path that nginx is asked for in each mode; idle has none.
path_of() {
    case $1 in
    app | proxy) echo "/$1/news" ;;
    zip) echo /zip ;;
    write) echo /write/set/news/700 ;;
    tls) echo /proxy/news ;;
    idle) ;;
    *)
        [[ -f $HERE/load/lua/mode/$1.lua ]] || fail "nginx has no mode $1"
        echo "/burn/$1"
        ;;
    esac
}

# find_parts ROOT: where they lie below it: $nginx, $luajit, $lualib, and $modules, the folder of
# those that nginx loads (Debian's) or ''. $libraries: the folder that their loader is told of, or ''.
# shellcheck disable=SC2034 # those who call it use them
find_parts() {
    nginx=/srv/openresty/nginx/sbin/nginx luajit=/srv/openresty/luajit/bin/luajit
    lualib=/srv/openresty/lualib modules='' libraries=''
    [[ ! -d $1/usr/bin ]] || {
        nginx=/usr/sbin/nginx luajit=/usr/bin/luajit lualib=/usr/share/lua/5.1
        modules=/usr/lib/nginx/modules libraries=/usr/lib/x86_64-linux-gnu
    }
}

# lay_prefix FOLDER LUALIB WORKERS [MODULES]: what nginx.conf wants below the folder given to nginx
# by -p; MODULES: the folder of those to load. Several workers log who answered what.
lay_prefix() {
    local prefix=$1 lualib=$2 workers=$3 modules=${4:-}
    mkdir -p "$prefix/logs" "$prefix/lualib"
    cp -r "$HERE/load/conf" "$HERE/load/lua" "$prefix/"
    cp -r "$lualib/." "$prefix/lualib/"
    printf '%s' "${modules:+load_module $modules/ndk_http_module.so;
load_module $modules/ngx_http_lua_module.so;
}" >"$prefix/conf/modules.conf"
    echo "worker_processes $workers;" >"$prefix/conf/workers.conf"
    if ((workers == 1)); then
        echo 'access_log off;'
    else
        # shellcheck disable=SC2016 # variables of nginx
        echo 'log_format worker "$pid $status $uri"; access_log logs/access.log worker;'
    fi >"$prefix/conf/access.conf"
}

choose_port() {
    port=$((20000 + RANDOM % 10000))
    printf 'listen 127.0.0.%d:%d;\n' 1 "$port" 2 "$port" 3 "$port" >"$1"
}

# listen_tls FOLDER PORT: at 127.0.0.4, with a key of its own.
listen_tls() {
    command -v openssl >/dev/null || need_packages openssl
    [[ -s $1/key.pem ]] || openssl req -x509 -newkey rsa:3072 -nodes -subj /CN=localhost \
        -keyout "$1/key.pem" -out "$1/cert.pem" 2>/dev/null
    cat >>"$1/listen.conf" <<END
listen 127.0.0.4:$2 ssl;
ssl_certificate cert.pem;
ssl_certificate_key key.pem;
gzip on;
END
}

answers() { http_get "$1" /truth; }

# burnt MODE PORT WORKERS: it has answered. Which of several workers answers /truth is chance: their
# log says it.
burnt() {
    if (($3 == 1)); then
        http_get "$2" /truth | grep -q "^$1 "
    else
        grep -q " 200 /burn/$1\$" "$dir/logs/access.log"
    fi
}

# send_load PORT MODE SECONDS [WORKERS]: sends requests, and returns when the first
# have been answered.
send_load() {
    local port=$1 mode=$2 seconds=$3 workers=${4:-1} path child load connections=2
    path=$(path_of "$mode")
    [[ -n $path ]] || return 0
    load=("http://127.0.0.1:$port$path")
    [[ $mode != tls ]] || {
        connections=16 # for the client has its share of the work
        load=(-H 'Accept-Encoding: gzip' -H 'Connection: close' "https://127.0.0.4:$port$path")
    }
    launch "$dir/wrk" "$seconds" wrk -t 1 -c "$((connections * workers))" -d "${seconds}s" \
        "${load[@]}" ||
        fail "wrk does not start: $(cat "$dir/wrk")"
    [[ $path != /burn/* ]] || wait_until 10 burnt "$mode" "$port" "$workers" ||
        fail "mode $mode does not run: $(tail -n 5 "$dir"/log "$dir"/logs/error.log 2>/dev/null)"
}

# print_run NAME VALUE...: what start prints.
print_run() { printf '%s=%q\n' "$@"; }

remove_run() {
    local run=${1%/} mounted
    [[ ! -f $run/container ]] || "$HERE/container.sh" remove "$(<"$run/container")"
    stop_recorded "$run"
    # The overlay of a container made by hand; a namespace that dockerd leaves.
    while read -r mounted; do
        umount "$mounted" || :
    done < <(awk -v below="$run/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo |
        sort -r)
    rm -rf --one-file-system "$run"
}

run_of() {
    local run=$TARGETS_RUN/$1
    [[ $1 != */* && -f $run/pids ]] || fail "no target named $1; see: target.sh list"
    echo "$run"
}

# The folders of runs that have ended by themselves. One without pids is of a
# target that is being started.
sweep() {
    local run
    for run in "$TARGETS_RUN"/*/; do
        [[ -f $run/pids ]] && all_ended "$run" && remove_run "$run"
    done
    return 0
}
