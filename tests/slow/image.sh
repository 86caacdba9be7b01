#!/bin/bash
# shellcheck disable=SC2086,SC2317 # lists of options; side_by_side and check call functions
#
# The image of the Containerfile: built by a real dockerd and by podman, small, and with the least
# capabilities it profiles a worker of nginx in another container; without each of them ngstap says
# which is missing, and what for.
#
# Needs root, eBPF, NGSTAP_TARGETS, tests/targets/container.sh (which fetches the engines). Prints
# TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR/.. source=../tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
[[ -n ${NGSTAP_TARGETS:-} ]] || skip_all 'NGSTAP_TARGETS is not set'

make -s -C "$builddir" bundle >"$scratch/out" 2>"$scratch/err" || {
    echo 'Bail out! no bundle'
    exit 1
}
tar -xzf "$builddir"/ngstap-*-*.tar.gz -C "$scratch"
bundle=$(echo "$scratch"/ngstap-*)

judge() { # docker|podman
    local how=$1 told pid='' name='' cap
    local least=(BPF PERFMON SYS_PTRACE DAC_READ_SEARCH) filter=()
    # shellcheck disable=SC2034 # told sets more than is used
    local workers exe merged port dir master
    if ! told=$(tests/targets/container.sh start "$how" gc64 interp 600 2>"$scratch/err"); then
        skip "$how" "cannot run here: $(tail -n 1 "$scratch/err")"
        return
    fi
    eval "$told"
    export DOCKER_HOST
    names+=("$name")
    mkdir "$scratch/pictures"

    engine() { # ARGUMENT...
        status=0
        timeout 120 tests/targets/container.sh "$how" "$@" >"$scratch/out" 2>"$scratch/err" \
            </dev/null || status=$?
    }
    run() { # CAPABILITIES ARGUMENT...
        engine run --rm --pid host --network none --cap-drop ALL \
            ${1:+$(printf -- ' --cap-add %s' $1)} "${filter[@]}" \
            -v "$scratch/pictures:/out" ngstap "${@:2}"
    }
    is_small() { (($(<"$scratch/out") < 20 << 20)); }
    draws() {
        run "$1" flame -x "$pid" -t 4 -o "$how.folded"
        [[ $status = 0 ]] && cp "$scratch/pictures/$how.folded" "$scratch/out" &&
            printed 'interp(\.lua)?:(hot|15)'
    }

    engine build -t ngstap -f "$bundle/Containerfile" "$bundle"
    check "$how: the image is built" test "$status" = 0
    engine image inspect --format '{{.Size}}' ngstap
    check "$how: it is below 20 MiB" is_small
    # docker 20.10 knows no capability of Linux 5.8 or newer; they were split off SYS_ADMIN.
    run BPF --version
    ! said 'unknown capability' || least=(SYS_ADMIN SYS_PTRACE DAC_READ_SEARCH)
    # podman 4.3 knows them, its seccomp filter does not.
    run "${least[*]}" -e 'probe timer.profile { exit() }'
    if ((status)); then
        check "$how: a filter of system calls is named" said '^error: bpf\(2\) is refused here'
        filter=(--security-opt seccomp=unconfined)
    fi
    run '' --version
    check "$how: its version, without any capability" printed '^ngstap [0-9]'
    check "$how: with ${least[*]} it profiles another container" draws "${least[*]}"
    for cap in "${least[@]}"; do
        [[ $cap != DAC_READ_SEARCH ]] || continue # nginx may be read by all: see tests/caps.sh
        run "$(printf '%s\n' "${least[@]}" | grep -vx "$cap")" flame -x "$pid" -t 1 -o none.svg
        check "$how: without $cap it fails" test "$status" = 1
        [[ $cap != SYS_ADMIN ]] || cap=BPF
        check "$how: ... and says what that is for" said "^hint: CAP_$cap, which is missing, "
    done
}

side_by_side judge docker podman
finish
