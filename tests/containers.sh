#!/bin/bash
# shellcheck disable=SC2317 # side_by_side and check call functions
#
# Targets in containers, whose nginx lies at a path that the host lacks: lj-lua-stacks finds the hot
# function by --sysroot, by itself and by --container, with stripped binaries, and after the overlay
# has copied the binary up; uprobes count what the container's nginx served, and nothing of another
# container of the same image. By a real dockerd, by podman, and by namespaces alone.
#
# Needs root, eBPF, NGSTAP_TARGETS (tests/targets/build.sh prints it); bpftool is not needed. About
# 40 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
[[ -n ${NGSTAP_TARGETS:-} ]] || skip_all 'NGSTAP_TARGETS is not set'

# start docker|podman|namespaces VARIANT MODE [WORKERS]: sets name, pid, workers, exe, merged, port.
# False when the kind cannot run here.
start() {
    local all
    all=$(tests/targets/container.sh start "$1" "$2" "$3" 50 "${4:-1}" 2>"$scratch/err") || return
    name='' workers='' pid='' exe='' merged='' port=''
    eval "$all"
    export DOCKER_HOST
    names+=("$name")
}

stop() { tests/targets/target.sh stop "$1" 2>/dev/null; }

# finds OPTION...: a second of lj-lua-stacks has hot() of interp.lua, by its place, as the most
# frequent leaf.
finds() {
    trace samples/lj-lua-stacks.sxx "$@" --arg time=1 --arg min=0
    [[ $status = 0 ]] && [[ $(head -n 1 "$scratch/out") == @*/lua/mode/interp.lua:15 ]]
}

# Served requests, counted by the one who asks.
ask() { # PORT COUNT
    local i
    for ((i = 0; i < $2; i++)); do
        exec 3<>"/dev/tcp/127.0.0.1/$1"
        printf 'GET /truth HTTP/1.0\r\n\r\n' >&3
        cat <&3 >"$scratch/answer"
        exec 3>&-
    done
}

scripts=$scratch
cat >"$scripts/requests.stp" <<'END'
global mine, others, armed
probe process(@1).function("ngx_http_process_request") {
    if (pid() == target())
        mine++
    else
        others++
}
probe timer.ms(20) { if (!armed++) println("armed") }
probe end { printf("mine %d others %d\n", mine, others) }
END

# The same, but the guard covers all: the event is opened for the target alone.
cat >"$scripts/guarded.stp" <<'END'
global mine, armed
probe process(@1).function("ngx_http_process_request") { if (pid() == target()) mine++ }
probe timer.ms(20) { if (!armed++) println("armed") }
probe end { printf("mine %d\n", mine) }
END

# Whatever worker it is: the container's are meant by its name.
cat >"$scripts/each.stp" <<'END'
global of, armed
probe process(@1).function("ngx_http_process_request") { of[pid()]++ }
probe timer.ms(20) { if (!armed++) println("armed") }
probe end { foreach (p+ in of) { n += of[p]; printf("worker %d %d\n", p, of[p]) }
printf("all %d\n", n) }
END
# shellcheck disable=SC2317 # called by check
only_of() { # WORKERS: each worker that was seen is one of them, and all are
    local seen
    seen=$(awk '$1 == "worker" { print $2 }' "$scratch/out")
    [[ $(sort <<<"$seen") = "$(tr ' ' '\n' <<<"$1" | sort)" ]]
}

judge() { # docker|podman|namespaces
    local how=$1 path=$PATH whom from first first_port first_pid first_merged first_workers
    if ! start "$how" gc64 interp; then
        skip "$how" "cannot run here: $(tail -n 1 "$scratch/err")"
        return
    fi
    [[ $how = namespaces ]] || PATH=$(dirname "$(tests/targets/container.sh which "$how")"):$path
    check "$how: the host has no $exe" test ! -e "$exe"

    from=$name
    [[ $how != namespaces ]] || from=$pid
    check "$how: --sysroot \$(docker-root $from)" finds --sysroot "$(scripts/docker-root "$from")" \
        -x "$pid"
    check "$how: --sysroot /proc/PID/root" finds --sysroot "/proc/$pid/root" -x "$pid"
    check "$how: without an option" finds -x "$pid"
    if [[ $how != namespaces ]]; then
        check "$how: --container with -x" finds --container "$name" -x "$pid"
        check "$how: --container alone finds the worker" finds --container "$name"
    fi

    trace --dump-stap "$scripts/requests.stp" -x "$pid" "$exe"
    check "$how: SystemTap cannot probe functions on an overlay, which is said at the place" \
        said 'requests\.stp:2:7: error: SystemTap cannot place a probe in .*overlay'

    # The overlay copies the binary up at the first write to its inode; the process still maps the
    # lower file.
    touch "$merged$exe" "$merged"/srv/openresty/luajit/lib/libluajit-5.1.so.2
    check "$how: after a copy-up, a profile" finds -x "$pid"
    check "$how: after a copy-up, a profile by --sysroot" finds --sysroot "$merged" -x "$pid"
    stop "$name"

    start "$how" stripped interp
    check "$how: stripped, compressed debug files in the container" finds -x "$pid"
    check "$how: stripped, by --sysroot" finds --sysroot "$merged" -x "$pid"
    whom=(-x "$pid")
    [[ $how = namespaces ]] || whom=(--container "$name")
    check "$how: a pack of the container's files" \
        run_once pack "${whom[@]}" -o "$scratch/$how.pack"
    check "$how: ... with debug information from it alone" finds "${whom[@]}" \
        --no-debuginfo=dwarf -d "$scratch/$how.pack"
    stop "$name"

    # Two of one image: they map the same inode, so a breakpoint is in both.
    start "$how" gc64 idle
    first=$name first_port=$port first_pid=$pid first_merged=$merged
    start "$how" gc64 idle
    start_trace "$scripts/requests.stp" -x "$first_pid" "$exe"
    ask "$first_port" 7
    ask "$port" 4
    end_trace
    check "$how: a uprobe counts the 7 requests of its target" printed '^mine 7 '
    check "$how: and the session ends well" test "$status" = 0
    start_trace "$scripts/guarded.stp" -x "$first_pid" "$exe"
    ask "$port" 4
    ask "$first_port" 5
    end_trace
    check "$how: a guarded uprobe counts 5, and not its sibling's 4" printed '^mine 5$'

    touch "$first_merged$exe"
    start_trace "$scripts/guarded.stp" -x "$first_pid" "$exe"
    ask "$first_port" 3
    end_trace
    check "$how: after a copy-up, a uprobe fires" printed '^mine 3$'
    start_trace --sysroot "$first_merged" "$scripts/guarded.stp" -x "$first_pid" "$exe"
    ask "$first_port" 2
    end_trace
    check "$how: after a copy-up, by --sysroot" printed '^mine 2$'
    stop "$name"
    stop "$first"

    # Four workers each; the name means all of one container.
    if [[ $how != namespaces ]]; then
        start "$how" gc64 idle 4
        first=$name first_port=$port first_workers=$workers
        start "$how" gc64 idle 4
        start_trace "$scripts/each.stp" --container "$first" "$exe"
        ask "$first_port" 60
        ask "$port" 41
        end_trace
        check "$how: --container counts the 60 requests of all its workers" printed '^all 60$'
        check "$how: ... and of no others" only_of "$first_workers"
        start_trace "$scripts/each.stp" --container "$name" "$exe"
        ask "$first_port" 11
        ask "$port" 60
        end_trace
        check "$how: --container with the other container" printed '^all 60$'
        check "$how: ... and its workers" only_of "$workers"
        stop "$name"
        stop "$first"
    fi
    names=()
}

side_by_side judge docker podman namespaces
finish
