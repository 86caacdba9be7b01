# shellcheck shell=bash
#
# What the end-to-end tests share: TAP, a scratch folder, targets that are stopped whatever happens,
# and what the kernel holds of BPF. Sourced; leaves $ngstap, $scratch, and the working directory at
# the top of the sources. Each check that fails shows $scratch/out and $scratch/err, where trace
# puts ngstap's output.

# Who sources this uses the variables, and check calls the functions.
# shellcheck disable=SC2034,SC2317
:

builddir=$(realpath "${top_builddir:-.}")
cd "${top_srcdir:-$(dirname "${BASH_SOURCE[0]}")/..}" || exit
ngstap=$builddir/ngstap

begin_in() { # SCRATCH: nothing is tested yet, nothing to be stopped at the end
    scratch=$1
    tests=0
    failed=0
    names=()
    pids=()
    lanes=()
}
begin_in "$(mktemp -d)"
chmod 755 "$scratch"

# shellcheck disable=SC2317 # the trap calls it
clean() {
    local one
    { kill "${lanes[@]}" && wait "${lanes[@]}"; } 2>/dev/null || :
    for one in "${pids[@]}"; do
        { kill -KILL "$one" && wait "$one"; } 2>/dev/null || :
    done
    for one in "${names[@]}"; do
        tests/targets/target.sh stop "$one" 2>/dev/null || :
    done
    rm -rf --one-file-system "$scratch"
}
trap clean EXIT
trap 'exit 130' INT TERM

skip_all() {
    echo "1..0 # SKIP $1"
    exit
}

skip() { # NAME REASON
    tests=$((tests + 1))
    echo "ok $tests - $1 # SKIP $2"
}

# start_target ARGUMENT...: as tests/targets/target.sh start, into the variables it names; stopped
# at the end. A target that does not start ends the test: checks of it would look at the one before.
start_target() {
    local told
    told=$(tests/targets/target.sh start "$@") || {
        echo "Bail out! no target: $*"
        exit 1
    }
    eval "$told"
    # shellcheck disable=SC2154 # told sets it
    names+=("$name")
}

# check NAME COMMAND...: one line of TAP, ok if COMMAND is true.
check() {
    local name=$1 file
    shift
    tests=$((tests + 1))
    if "$@"; then
        echo "ok $tests - $name"
        return
    fi
    echo "not ok $tests - $name"
    failed=1
    for file in "$scratch"/out "$scratch"/err; do
        [[ ! -s $file ]] || head -n 12 "$file" | cut -c 1-300 | sed 's/^/# /'
    done
}

# todo NAME REASON COMMAND...: a fault that is known; once COMMAND is true, make prints that it
# passes unexpectedly.
todo() {
    tests=$((tests + 1))
    if "${@:3}"; then
        echo "ok $tests - $1 # TODO $2"
    else
        echo "not ok $tests - $1 # TODO $2"
    fi
}

# budget_of ARGUMENT...: sets $budget to the options with which every hit counts, since tests
# compare what was seen with what there was; an object or module has been made with its own.
budget_of() {
    budget=(-D STP_NO_OVERLOAD)
    [[ " $* " != *'.bpf.o '* && " $* " != *'.ko '* ]] || budget=()
}

# trace ARGUMENT...: ngstap with the sources' tapset, for at most $trace_seconds (40); its status is
# in $status.
trace() {
    local budget
    budget_of "$@"
    status=0
    timeout "${trace_seconds:-40}" "$ngstap" -I tapset "${budget[@]}" "$@" >"$scratch/out" \
        2>"$scratch/err" </dev/null || status=$?
}

# start_trace ARGUMENT...: the same in the background, until the script has printed "armed", which a
# timer's handler is to do, as ticks come once all is armed; $tracer is its pid.
start_trace() {
    local budget
    budget_of "$@"
    : >"$scratch/out"
    # Not by timeout, which sends a signal twice: to its child and to its group.
    "$ngstap" -I tapset "${budget[@]}" -T 40 "$@" >"$scratch/out" 2>"$scratch/err" \
        </dev/null &
    tracer=$!
    pids+=("$tracer")
    for _ in {1..400}; do
        ! grep -q armed "$scratch/out" || break
        kill -0 "$tracer" 2>/dev/null || break
        sleep 0.05
    done
}

end_trace() {
    status=0
    kill -INT "$tracer" 2>/dev/null || :
    wait "$tracer" || status=$?
}

# run_once ARGUMENT...: ngstap with the library that it finds, for at most a minute.
run_once() { timeout 60 "$ngstap" "$@" >"$scratch/out" 2>"$scratch/err"; }
# last_line_is WANT ARGUMENT...: WANT is the last line that it prints, and it ends well.
last_line_is() {
    local want=$1
    shift
    run_once "$@" && [[ $(tail -1 "$scratch/out") = "$want" ]]
}
# fails_with STRING ARGUMENT...: it fails, and says STRING.
fails_with() {
    local want=$1
    shift
    ! run_once "$@" && grep -qF -e "$want" "$scratch/err"
}

printed() { grep -qE -e "$1" "$scratch/out"; }
said() { grep -qE -e "$1" "$scratch/err"; }

# What of BPF is in the kernel, by id; container engines' programs for their cgroups left out.
held() {
    local kind
    for kind in prog map link; do
        { bpftool "$kind" show 2>/dev/null || :; } |
            sed -nE "/: cgroup_/d; s/^([0-9]+):.*/$kind \1/p"
    done | sort
}

# What of it a process holds open, or a program, which is looked at itself: others use this machine,
# too.
in_use() {
    {
        { cat /proc/[0-9]*/fdinfo/* 2>/dev/null || :; } |
            sed -nE 's/^(prog|map|link)_id:[[:space:]]*/\1 /p'
        { bpftool prog show 2>/dev/null || :; } | sed -nE 's/.* map_ids ([0-9,]+).*/\1/p' |
            tr ',' '\n' | sed 's/^/map /'
    } | sort -u
}

# as_before BEFORE: nothing is there that BEFORE does not have and that nobody holds; the kernel
# frees a little later than a process ends, and much later where it is busy.
as_before() {
    local left
    for _ in {1..100}; do
        left=$(comm -13 <(echo "$1") <(held) | comm -23 - <(in_use))
        [[ -n $left ]] || return 0
        sleep 0.2
    done
    echo "# left: $left"
    return 1
}

# side_by_side FUNCTION ARGUMENT...: calls FUNCTION with each ARGUMENT, all at once, each with
# targets and a $scratch of its own. Their checks are this test's, in the order of the arguments.
side_by_side() {
    local function=$1 one line
    shift
    for one; do
        (
            begin_in "$scratch/$function-$one"
            mkdir "$scratch"
            trap clean EXIT
            trap 'exit 143' TERM
            "$function" "$one"
            echo whole
        ) >"$scratch/$function-$one.tap" &
        lanes+=("$!")
    done
    wait "${lanes[@]}" || :
    lanes=()
    for one; do
        line=''
        while IFS= read -r line; do
            case $line in
            'ok '*) line="ok $((tests += 1)) ${line#ok * }" ;;
            'not ok '*) line="not ok $((tests += 1)) ${line#not ok * }" failed=1 ;;
            whole) break ;;
            esac
            echo "$line"
        done <"$scratch/$function-$one.tap"
        check "$function $one: comes to its end" test "$line" = whole
    done
}

finish() {
    echo "1..$tests"
    exit "$failed"
}
