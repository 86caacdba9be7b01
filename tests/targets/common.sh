# shellcheck shell=bash
#
# What the scripts beside this file share: messages, steps with progress, the
# cache's place, packages. Sourced, never run. It needs bash and coreutils and
# leaves nothing behind; only need_packages changes the machine, with apt.
# A caller that sets its own EXIT trap must keep calling what it replaces.

# The output of other programs is read here and there: no translations.
export LC_ALL=C

NGSTAP_CACHE=${NGSTAP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ngstap}
# shellcheck disable=SC2034 # used by those who source this
TARGETS_CACHE=$NGSTAP_CACHE/targets

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
        [[ -d $NGSTAP_TARGETS/gc64 || -d $NGSTAP_TARGETS/luajit2 ]] || fail \
            "NGSTAP_TARGETS=$NGSTAP_TARGETS holds no built targets"
        echo "$NGSTAP_TARGETS"
    else
        "$(dirname "${BASH_SOURCE[0]}")/build.sh"
    fi
}
