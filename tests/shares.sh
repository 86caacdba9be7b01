# shellcheck shell=bash
#
# Judges a profile by what its target says of itself (tests/targets/load): the share of the samples
# whose innermost Lua function is hot() must agree within 3 points with hot()'s share of the CPU
# time of the same seconds, over at least 1,000 samples; at least 98 % of the ticks in Lua must have
# given a stack, whose leaf is hot() or cold() in 95 %. Sourced after tap.sh; it needs root, a back
# end, NGSTAP_TARGETS. A caller may set profiler to a module made of the same script.

# shellcheck disable=SC2154 # tap.sh's: scratch, names
:

profiler=(samples/lj-lua-stacks.sxx --arg min=0 --arg limit=100000)

# processor_time: of the target, in hundredths of a second.
processor_time() {
    local stat
    stat=$(<"/proc/$pid/stat")
    awk '{ print $12 + $13 }' <<<"${stat##*) }"
}

# how_long HUNDREDTHS: $profile_seconds is how long it will take the target to get so much of a
# processor's time, as it does now: two at least, $profile_longest (15) at most.
how_long() {
    local from used most=${profile_longest:-15}
    from=$(date +%s%2N) used=$(processor_time)
    sleep 0.5
    used=$(($(processor_time) - used))
    profile_seconds=$((used > 0 ? ($1 * ($(date +%s%2N) - from) / 100 + used - 1) / used : most))
    profile_seconds=$((profile_seconds < 2 ? 2 : profile_seconds > most ? most : profile_seconds))
}

# start_profiled KIND VARIANT MODE: $name and $pid are its own, $sysroot the options it takes,
# $profile_seconds how long two thousand samples of it take.
start_profiled() {
    root=''
    start_target "$1" "$2" "$3" "${target_seconds:-60}"
    sysroot=()
    # The debug files of this variant lie below its root, as in a container's.
    [[ $2 != stripped ]] || sysroot=(--sysroot "$root")
    how_long 200
}

stop_target() {
    tests/targets/target.sh stop "$name"
    names=()
}

# take_profile OPTION...: with the target's accounts at its start and end, as before and after. (The
# seconds in which ngstap gets ready do not count: what shares the processor with the target then
# may change what its code costs.)
take_profile() {
    local tracer
    : >"$scratch/err"
    (
        trace "${profiler[@]}" -x "$pid" "${sysroot[@]}" "$@"
        exit "$status"
    ) &
    tracer=$!
    until grep -q 'Start tracing' "$scratch/err" ||
        ! kill -0 "$tracer" 2>/dev/null; do sleep 0.05; done
    tests/targets/target.sh truth "$name" >"$scratch/before"
    status=0
    wait "$tracer" || status=$?
    tests/targets/target.sh truth "$name" >"$scratch/after"
}

# shares MODE: prints "SAMPLES HOT TRUTH LOST NAMED": how many samples; hot()'s percentage of those
# that have hot() or cold() as their leaf, and its true one; how many percent were lost, and how
# many have one of them as their leaf.
shares() {
    awk -v mode="$1" '
        FILENAME ~ /before$/ { if ($1 == mode) start[$2] = $4; next }
        FILENAME ~ /after$/ {
            if ($1 == mode) { spent[$2] = $4 - start[$2]; name[$3] = $2 }
            next
        }
        FILENAME ~ /err$/ {
            if (/incomplete or lost/) { match($0, /; [0-9]+/);
            lost += substr($0, RSTART + 2, RLENGTH - 2) }
            next
        }
        leaf == "" && /^@/ { leaf = $0; sub(/\t.*/, "", leaf) }
        /\t[0-9]+$/ {
            n = $0; sub(/.*\t/, "", n)
            total += n
            if (leaf in name) seen[name[leaf]] += n
            leaf = ""
        }
        END {
            accounted = seen["hot"] + seen["cold"]
            burnt = spent["hot"] + spent["cold"]
            printf "%d %.1f %.1f %.1f %.1f\n", total, accounted ? 100 * seen["hot"] / accounted : 0,
                burnt ? 100 * spent["hot"] / burnt : -100,
                    total + lost ? 100 * lost / (total + lost) : 100,
                total ? 100 * accounted / total : 0
        }' "$scratch/before" "$scratch/after" "$scratch/err" "$scratch/out"
}

# at_most A B: of two numbers that may have fractions.
at_most() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a <= b) }'; }
within() { awk -v a="$1" -v b="$2" -v by="$3" 'BEGIN { exit !(a - b <= by && b - a <= by) }'; }

# check_shares WHAT MODE: of the profile in $scratch.
check_shares() {
    local total hot truth lost named
    read -r total hot truth lost named < <(shares "$2")
    check "$1: ends well" test "$status" = 0
    check "$1: $total samples" test "$total" -ge 1000
    check "$1: hot() has $hot % of the samples, $truth % of the time" within "$hot" "$truth" 3
    check "$1: $lost % of the ticks without a whole stack" at_most "$lost" 2
    check "$1: $named % of the stacks have hot() or cold() as their leaf" at_most 95 "$named"
}

# judge_shares KIND VARIANT MODE [OPTION...]
judge_shares() {
    start_profiled "$1" "$2" "$3"
    take_profile --arg time="$profile_seconds" "${@:4}"
    stop_target
    check_shares "$1 $2, $3${4:+, ${*:4}}" "$3"
}

# A recursion, each stack being 100 activations of one function below the leaf.
judge_depth() {
    start_profiled luajit gc64 recurse
    take_profile -D MAXSTRINGLEN=16384 --arg time="$profile_seconds" --arg depth=150
    stop_target
    check 'recursion: ends well' test "$status" = 0
    check 'recursion: 98 % of the stacks show 100 frames' awk '
        /^@/ { frames++ }
        /\t[0-9]+$/ {
            n = $0; sub(/.*\t/, "", n); all += n
            if (frames >= 100) deep += n
            frames = 0
        }
        END { exit !(all && deep / all >= 0.98) }' "$scratch/out"
}
