#!/bin/bash
#
# Judges profiles by what the target says of itself (tests/targets/load): for each kind of code the share of
# the samples whose innermost Lua function is hot() must agree within 3 points with hot()'s share of the
# CPU time of the same seconds, over at least 1,000 samples; at least 98 % of the ticks in Lua must have given a
# stack; and a 100-deep recursion must show 100 frames with their leaf.
#
# Needs root, eBPF, and NGSTAP_TARGETS (tests/targets/build.sh prints it). About 90 s. Prints TAP.

set -euo pipefail

builddir=${top_builddir:-.}
cd "${top_srcdir:-$(dirname "${BASH_SOURCE[0]}")/..}"
ngstap=$(realpath "$builddir")/ngstap

skip_all() {
    echo "1..0 # SKIP $1"
    exit
}
[[ $UID = 0 ]] || skip_all 'needs root'
[[ -n ${NGSTAP_TARGETS:-} ]] || skip_all 'NGSTAP_TARGETS is not set'

scratch=$(mktemp -d)
name=''
options=()
clean() {
    [[ -z $name ]] || tests/targets/target.sh stop "$name" || :
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
        sed 's/^/# /' "$scratch/err" | head -12 | cut -c1-300
        failed=1
    fi
}

start() { # KIND VARIANT MODE
    local pid_ seconds=40
    eval "$(tests/targets/target.sh start "$1" "$2" "$3" "$seconds")"
    pid_=$pid
    options=()
    # The debug files of this variant lie below its root, as in a container's.
    [[ $2 != stripped ]] || options=(--sysroot "$root")
    [[ -n $pid_ ]]
    sleep 0.5
}

profile() { # further options of ngstap
    tests/targets/target.sh truth "$name" >"$scratch/before"
    timeout 30 "$ngstap" -I tapset samples/lj-lua-stacks.sxx -x "$pid" --arg min=0 --arg limit=100000 \
        "${options[@]}" "$@" >"$scratch/out" 2>"$scratch/err"
}

# Prints "SAMPLES HOT-SHARE TRUE-SHARE LOST-SHARE" (percent) of the profile.
shares() { # MODE
    tests/targets/target.sh truth "$name" >"$scratch/after"
    awk -v mode="$1" '
        FILENAME ~ /before$/ { if ($1 == mode) start[$2] = $4; next }
        FILENAME ~ /after$/ {
            if ($1 == mode) { spent[$2] = $4 - start[$2]; name[$3] = $2 }
            next
        }
        FILENAME ~ /err$/ {
            if (/incomplete or lost/) { match($0, /; [0-9]+/); lost += substr($0, RSTART + 2, RLENGTH - 2) }
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
            true_share = 100 * spent["hot"] / (spent["hot"] + spent["cold"])
            printf "%d %.1f %.1f %.1f %.1f\n", total, accounted ? 100 * seen["hot"] / accounted : 0,
                true_share, total + lost ? 100 * lost / (total + lost) : 100,
                total ? 100 * accounted / total : 0
        }' "$scratch/before" "$scratch/after" "$scratch/err" "$scratch/out"
}

judge() { # KIND VARIANT MODE
    local what="$1 $2, $3" status=0
    start "$1" "$2" "$3"
    profile --arg time=4 || status=$?
    read -r total hot truth lost named < <(shares "$3")
    tests/targets/target.sh stop "$name"
    name=''
    ok "$status" "$what: ngstap ends well"
    ok "$((total < 1000))" "$what: $total samples"
    ok "$(awk -v a="$hot" -v b="$truth" 'BEGIN { d = a - b; print !(d <= 3 && d >= -3) }')" \
        "$what: hot() has $hot % of the samples, $truth % of the time"
    ok "$(awk -v l="$lost" 'BEGIN { print !(l <= 2) }')" "$what: $lost % of the ticks without a whole stack"
    ok "$(awk -v n="$named" 'BEGIN { print !(n >= 95) }')" "$what: $named % of the stacks have hot() or cold() as their leaf"
}

for mode in interp jit gsub coroutine; do
    judge luajit gc64 "$mode"
done
for mode in interp jit gsub coroutine; do
    judge luajit gc32 "$mode"
done
for mode in interp jit gsub coroutine; do
    judge nginx gc64 "$mode"
done
judge nginx gc32 interp
judge nginx stripped interp

# Each stack is 100 activations of one function below the leaf.
start luajit gc64 recurse
status=0
profile -D MAXSTRINGLEN=16384 --arg time=2 --arg depth=150 || status=$?
tests/targets/target.sh stop "$name"
name=''
ok "$status" 'recursion: ngstap ends well'
ok "$(awk '/^@/ { frames++ } /\t[0-9]+$/ { n = $0; sub(/.*\t/, "", n); all += n
           if (frames >= 100) deep += n; frames = 0 }
           END { print !(all && deep / all >= 0.98) }' "$scratch/out")" 'recursion: 98 % of the stacks show 100 frames'

echo "1..$tests"
exit $failed
