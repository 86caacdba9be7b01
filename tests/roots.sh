# shellcheck shell=bash
#
# What the tests of packages share: other roots to run in, and what ngstap must do there. Sourced
# after tap.sh. $pid is a luajit under load (start_target).

# inside ROOT COMMAND...: in that root, which sees this machine's processes.
inside() {
    # shellcheck disable=SC2016 # expanded by the shell that runs it
    timeout -k 5 "${inside_seconds:-120}" unshare --mount --propagation private sh -c '
        mount -t proc proc "$1/proc" && mount --rbind /sys "$1/sys" &&
            mount --rbind /dev "$1/dev" && exec chroot "$@"' sh "$@" \
        >"$scratch/out" 2>"$scratch/err" </dev/null
}

# shellcheck disable=SC2317 # check calls these
tells_version() { # ROOT NGSTAP VERSION
    inside "$1" "$2" --version && printed "^ngstap ${3//./\\.}\$"
}

# A function of the tapset: it is found.
# shellcheck disable=SC2317
runs_script() { # ROOT NGSTAP
    inside "$1" "$2" -e 'probe begin { println(usecs_to_string(1500000)); exit() }' &&
        printed '^0m1\.500000s$'
}

# shellcheck disable=SC2154,SC2317 # start_target sets pid
draws() { # ROOT NGSTAP
    rm -f "$1/tmp/flame.folded"
    inside "$1" "$2" flame -x "$pid" -t 4 -o /tmp/flame.folded &&
        cp "$1/tmp/flame.folded" "$scratch/out" && printed 'interp(\.lua)?:(hot|15)'
}

# judge_root WHAT ROOT NGSTAP VERSION
judge_root() {
    check "$1: its version" tells_version "$2" "$3" "$4"
    check "$1: a script with a function of the tapset" runs_script "$2" "$3"
    check "$1: a profile of luajit has its hot function" draws "$2" "$3"
}
