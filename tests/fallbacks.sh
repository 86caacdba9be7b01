#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# What a kernel lacks changes how the code is made, never the answer: the same scripts with all
# features, without may_goto, without bpf_loop too, and without each of the smaller ones, print the
# same bytes, and those are what the target, a C program that makes a known number of calls, says.
# lj-lua-stacks finds the hot function each way, its share as the target says.
#
# Needs root, eBPF, a C compiler; for the profiles NGSTAP_TARGETS (tests/targets/build.sh prints
# it). About 40 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=shares.sh
. tests/shares.sh

[[ $UID = 0 ]] || skip_all 'needs root'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'

# The ways: names of features to do without.
ways=('' 'may_goto' 'may_goto bpf_loop' 'sdiv' 'snprintf' 'bpf_cookie' 'task_pt_regs'
    'may_goto bpf_loop sdiv snprintf bpf_cookie task_pt_regs')

without() { # FEATURES: the options, in $options
    local feature
    options=()
    for feature in $1; do
        options+=(--no-feature "$feature")
    done
}

# --- the target, which says what a script should find (calls/) ---

${CC:-cc} -g -O1 -o "$scratch/target" tests/calls/target.c
cp tests/calls/calls.stp "$scratch/loops.stp"

# run_loops FEATURES: ngstap's lines in $scratch/out, the program's in $scratch/truth.
run_loops() {
    without "$1"
    status=0
    "$scratch/target" <"$scratch/gate" >"$scratch/truth" &
    pid=$!
    pids+=("$pid")
    exec 4>"$scratch/gate"
    # the shell's copy has become the program
    until [[ /proc/$pid/exe -ef $scratch/target ]]; do sleep 0.01; done
    "$ngstap" -I tapset -T 30 "${options[@]}" -x "$pid" "$scratch/loops.stp" >"$scratch/out" \
        2>"$scratch/err" </dev/null &
    tracer=$!
    pids+=("$tracer")
    armed || :
    echo >&4
    exec 4>&-
    wait "$tracer" || status=$?
    wait "$pid" || :
}

same() { diff "$scratch/truth" "$scratch/out" >"$scratch/diff" ||
    { sed 's/^/# /' "$scratch/diff"; return 1; }; }

# The breakpoint is in the target's code: its events are open, and it still waits.
armed() {
    local _try
    for _try in {1..100}; do
        ! cat "/proc/$tracer/fdinfo/"* 2>/dev/null | grep -q perf_event || break
        # shellcheck disable=SC2010 # the kernel's names
        ! ls -l "/proc/$tracer/fd" 2>/dev/null | grep -q 'perf_event\|bpf_link' || break
        kill -0 "$tracer" 2>/dev/null || return
        sleep 0.05
    done
    sleep 0.3
}

mkfifo "$scratch/gate"
for way in "${ways[@]}"; do
    run_loops "$way"
    check "without '$way': ends well" test "$status" = 0
    check "without '$way': what the program says" same
done

# --- names: control characters become '?', in whole words and in what is left of them ------

cat >"$scratch/names.c" <<'C'
#include <unistd.h>
char text[256], plain[600];
__attribute__((noinline)) void step(void) { __asm__ volatile(""); }
int main(void)
{
    for (int i = 0; i < 255; i++)
        text[i] = i % 5 == 2 || i % 8 == 7 ? 1 + i % 31 : i % 11 ? 'a' + i % 26 : 0x80 + i % 64;
    for (int i = 0; i < 599; i++)
        plain[i] = i == 300 ? 0x1f : 'a' + i % 26;
    if (write(1, text, 255) != 255 || write(1, plain, 599) != 599)
        return 1;
    for (;;) {
        step();
        usleep(1000);
    }
}
C
${CC:-cc} -g -O1 -o "$scratch/names" "$scratch/names.c"
"$scratch/names" >"$scratch/text" &
pid=$!
pids+=("$pid")
until [[ $(stat -c %s "$scratch/text") = 854 ]]; do sleep 0.01; done
script='probe process.function("step") { text = &@var("text") plain = &@var("plain")'
for length in 0 1 2 7 8 9 15 16 17 23 24 31 32 33 63 100 255; do
    script+=" printf(\"%s|\", user_name_n(text, $length))"
    head -c "$length" "$scratch/text" | LC_ALL=C tr '\001-\037' '?'
    printf '|'
done >"$scratch/truth"
# One control character, at any place of a word and of a long name; what was before stays as it is.
for before in 0 1 6 7 8 15 64 121 127 128 200; do
    for length in $before $((before + 1)) $((before + 5)) $((before + 150)); do
        script+=" s = \"\\t\\n\" . user_name_n(plain + $((300 - before)), $length)"
        script+=" printf(\"%s|\", s)"
        printf '\t\n'
        dd if="$scratch/text" bs=1 skip=$((555 - before)) count="$length" status=none |
            tr '\037' '?'
        printf '|'
    done
done >>"$scratch/truth"
for way in '' 'may_goto' 'may_goto bpf_loop'; do
    without "$way"
    trace "${options[@]}" -x "$pid" -e "$script exit() }"
    check "without '$way': names are on one line" cmp "$scratch/truth" "$scratch/out"
done

# Keys of many lengths: the kernel's hash of a text is that of user space, which looks them up.
script='global a, n probe process.function("step") { p = &@var("plain")
    a[user_string_n(p, n * 7 + 1)] = 1 + n
    if (++n == 85) exit() }
probe end {
    foreach (k in a) { keys++ if (a[k] == (strlen(k) - 1) / 7 + 1) found++ }
    printf("%d %d", keys, found) }'
for way in '' 'may_goto' 'may_goto bpf_loop'; do
    without "$way"
    trace "${options[@]}" -x "$pid" -e "$script"
    check "without '$way': keys of 1 to 589 bytes" test "$(cat "$scratch/out")" = '85 85'
done

# --- the hot function ------------------------------------------------------------------

[[ ${1:-} != --no-profiles ]] || finish # who calls it so judges profiles by itself
if [[ -z ${NGSTAP_TARGETS:-} ]]; then
    skip 'profiles' 'NGSTAP_TARGETS is not set'
    finish
fi
# hot_as_said MODE: hot()'s share of a profile of a second, some 800 samples, is that of its time.
hot_as_said() {
    local total hot truth lost named
    read -r total hot truth lost named < <(shares "$1")
    echo "# $total samples, $lost % lost, $named % known; hot $hot %, the target says $truth %"
    [[ $status = 0 ]] && ((total >= 100)) && at_most "$lost" 5 && within "$hot" "$truth" 10
}
for mode in interp jit; do
    pid='' name='' sysroot=()
    start_target luajit gc64 "$mode" 60
    for way in '' 'may_goto' 'may_goto bpf_loop' \
        'may_goto bpf_loop sdiv snprintf bpf_cookie task_pt_regs'; do
        without "$way"
        take_profile "${options[@]}" --arg time=1
        check "lj-lua-stacks, $mode, without '$way'" hot_as_said "$mode"
    done
    stop_target
done
finish
