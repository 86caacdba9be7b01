# shellcheck shell=bash
#
# What the scripts beside this file share: messages, steps with progress, the
# cache's place, packages. Sourced, never run. It needs bash and coreutils and
# leaves nothing behind; only need_packages changes the machine, with apt.
# A caller that sets its own EXIT trap must keep calling what it replaces.

NGSTAP_CACHE=${NGSTAP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ngstap}
# shellcheck disable=SC2034 # used by those who source this
TARGETS_CACHE=$NGSTAP_CACHE/targets
# Running targets are recorded here, one folder each, readable by root only.
# shellcheck disable=SC2034
TARGETS_RUN=${NGSTAP_RUN:-${TMPDIR:-/tmp}/ngstap-targets.$UID}

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "${0##*/}: error: $*"
    exit 1
}

# step TEXT LOG COMMAND...: runs COMMAND with its output in LOG, and says TEXT
# and the seconds it has taken: on a terminal in place, otherwise in a line
# every 15 s. COMMAND runs in the background so that this loop can count; bash
# makes such a job deaf to ^C, hence the traps.
step() {
    local text=$1 log=$2 pid start=$SECONDS seconds said=0 status=0
    shift 2
    "$@" >"$log" 2>&1 &
    pid=$!
    # shellcheck disable=SC2064 # the pid of now is meant
    trap "kill $pid 2>/dev/null || :; exit 130" INT
    # shellcheck disable=SC2064
    trap "kill $pid 2>/dev/null || :; exit 143" TERM
    [[ -t 2 ]] || say "$text"
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.2
        seconds=$((SECONDS - start))
        if [[ -t 2 ]]; then
            printf '\r\033[K%s ... %d s' "$text" "$seconds" >&2
        elif ((seconds >= said + 15)); then
            said=$seconds
            say "    ... $seconds s"
        fi
    done
    wait "$pid" || status=$?
    trap - INT TERM
    if [[ -t 2 ]]; then
        printf '\r\033[K%s: %d s\n' "$text" "$((SECONDS - start))" >&2
    fi
    ((status == 0)) && return
    tail -n 20 "$log" >&2
    fail "this step failed (status $status); all of its output: $log"
}

# need_packages PACKAGE...: installs with apt those that are missing. When none
# is, it takes one dpkg-query and no apt.
need_packages() {
    local package missing=() installed log
    installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || :)
    for package; do
        grep -qx "$package installed" <<<"$installed" || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    ((UID == 0)) || fail "missing packages, and only root can install them: ${missing[*]}"
    log=$(mktemp)
    # A list that apt has never fetched, or one so old that its files are gone.
    if ! install_packages "${missing[@]}" >/dev/null 2>&1 --simulate; then
        step "Fetching Debian's package lists" "$log" apt-get update
    fi
    if ! install_packages --download-only "${missing[@]}" >"$log" 2>&1; then
        step "Fetching Debian's package lists" "$log" apt-get update
    fi
    step "Installing ${missing[*]}" "$log" install_packages "${missing[@]}"
    rm -f "$log"
}

install_packages() {
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 install "$@"
}

# The folder of built targets: NGSTAP_TARGETS, or what build.sh makes and prints.
targets_dir() {
    if [[ -n ${NGSTAP_TARGETS:-} ]]; then
        [[ -d $NGSTAP_TARGETS/gc64 ]] || fail "NGSTAP_TARGETS=$NGSTAP_TARGETS holds no built targets"
        echo "$NGSTAP_TARGETS"
    else
        "$(dirname "${BASH_SOURCE[0]}")/build.sh"
    fi
}

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
    local children=''
    wait_until 5 grep -q . "/proc/$1/task/$1/children" || return
    read -r children _ <"/proc/$1/task/$1/children"
    echo "$children"
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

# new_run NAME: a folder for one running target. The folder above it must be
# the caller's own: others may write to /tmp.
new_run() {
    mkdir -p "$TARGETS_RUN"
    [[ -O $TARGETS_RUN && ! -L $TARGETS_RUN ]] || fail "$TARGETS_RUN is not yours"
    chmod 755 "$TARGETS_RUN"
    local dir
    dir=$(mktemp -d "$TARGETS_RUN/$1.XXXX")
    # nginx's worker runs as nobody and reads its Lua files there.
    chmod 755 "$dir"
    echo "$dir"
}
