#!/bin/bash
#
# Profiles nginx in containers, where it lies at a path that the host lacks: one of a real dockerd and one made by
# namespaces. The root is told (--sysroot $(docker-root NAME)), found by ngstap itself, or found by the
# container's name; with the debug information in the binaries, and in separate compressed files below the
# container's root; as the image has the binary, and copied up. Needs root, eBPF, and NGSTAP_TARGETS
# (tests/targets/build.sh prints it). About 40 s. Prints TAP.

set -euo pipefail

builddir=$(realpath "${top_builddir:-.}")
cd "${top_srcdir:-$(dirname "${BASH_SOURCE[0]}")/..}"
ngstap=$builddir/ngstap

skip_all() {
    echo "1..0 # SKIP $1"
    exit
}
[[ $UID = 0 ]] || skip_all 'needs root'
[[ -n ${NGSTAP_TARGETS:-} ]] || skip_all 'NGSTAP_TARGETS is not set'

scratch=$(mktemp -d)
name=''
stop() {
    [[ -z $name ]] || tests/targets/target.sh stop "$name" || :
    name=''
}
clean() {
    stop
    rm -rf "$scratch"
}
trap clean EXIT
trap 'exit 130' INT TERM

tests=0
failed=0
ok() { # ok STATUS NAME
    tests=$((tests + 1))
    if [[ $1 = 0 ]]; then
        echo "ok $tests - $2"
    else
        echo "not ok $tests - $2"
        head -12 "$scratch/err" | cut -c1-300 | sed 's/^/# /'
        failed=1
    fi
}

# Sets name, pid, exe, merged; fails where this machine cannot run such a container.
start() { # docker|namespaces VARIANT MODE
    local said
    said=$(tests/targets/container.sh start "$1" "$2" "$3" 60 2>"$scratch/err") || return 1
    pid='' exe='' merged=''
    eval "$said"
    [[ -z ${DOCKER_HOST:-} ]] || export DOCKER_HOST
    sleep 0.5
}

# The hottest stack's innermost function is hot() of that mode's file.
profile() { # WHAT MODE OPTION...
    local what=$1 mode=$2 status=0
    shift 2
    timeout 30 "$ngstap" "$@" -I tapset samples/lj-lua-stacks.sxx --arg time=1 --arg min=0 \
        >"$scratch/out" 2>"$scratch/err" || status=$?
    [[ $status = 0 ]] && grep -v '^T:' "$scratch/out" | head -1 | grep -q "/mode/$mode.lua:" || status=1
    ok "$status" "$what"
}

# A uprobe fires for the target's own requests.
uprobe() { # WHAT OPTION...
    local what=$1 status=0
    shift
    # shellcheck disable=SC2016 # the macro is ngstap's
    timeout 30 "$ngstap" "$@" -e 'global n
        probe process("$^exec_path").function("ngx_http_process_request") { if (pid() == target()) n++ }
        probe timer.s(1) { exit() }
        probe end { println(n) }' >"$scratch/out" 2>"$scratch/err" || status=$?
    [[ $status = 0 ]] && grep -qE '^[1-9][0-9]*$' "$scratch/out" || status=1
    ok "$status" "$what: $(tail -1 "$scratch/out") requests counted"
}

export PATH=$PATH
for kind in docker namespaces; do
    if ! start "$kind" gc64 interp; then
        tests=$((tests + 1))
        echo "ok $tests - $kind # SKIP this machine cannot run such a container"
        continue
    fi
    [[ $kind != docker ]] || PATH=$(dirname "$(tests/targets/container.sh which)"):$PATH
    ok "$([[ ! -e $exe ]]; echo $?)" "$kind: the host has no $exe"
    if [[ $kind = docker ]]; then
        profile "$kind: --sysroot \$(docker-root NAME)" interp --sysroot "$(scripts/docker-root "$name")" -x "$pid"
        profile "$kind: --container NAME" interp --container "$name" -x "$pid"
    else
        profile "$kind: --sysroot \$(docker-root PID)" interp --sysroot "$(scripts/docker-root "$pid")" -x "$pid"
    fi
    profile "$kind: the root is found" interp -x "$pid"
    uprobe "$kind: uprobe" -x "$pid"
    if [[ $kind = docker ]]; then
        tests/targets/container.sh docker exec "$name" touch "$exe"
    else
        touch "$merged$exe"
    fi
    profile "$kind: the binary copied up" interp -x "$pid"
    uprobe "$kind: uprobe on the binary copied up" -x "$pid"
    stop
done

if start namespaces stripped jit; then
    profile 'separate, compressed debug files below the root' jit -x "$pid"
    stop
fi

echo "1..$tests"
exit $failed
