#!/bin/bash
#
# Tests the load that the tests of profiles rely on: in each mode, hot() and
# cold() must account for nearly all CPU time of their process, hot() for more than
# a third of it and less than 90 % (about 70 by itself, less on some processors),
# at the depth that the mode is for. Takes NGSTAP_TARGETS; about 20 s. Prints TAP.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[[ -n ${NGSTAP_TARGETS:-} ]] || { echo '1..0 # SKIP NGSTAP_TARGETS is not set'; exit; }

tests=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# judge LABEL MODE: what the load says of itself is in $scratch/truth.
judge() {
    tests=$((tests + 1))
    awk -v label="$tests - $1" -v mode="$2" -v depth="$(depth_of "$2")" '
        $1 == mode { ns[$2] = $4; if ($6 < depth) shallow = $6 }
        $2 == "total" { total = $4 }
        END {
            spent = ns["hot"] + ns["cold"]
            if (!total || !spent) { print "not ok", label ": no account"; exit }
            share = 100 * ns["hot"] / spent
            covered = 100 * spent / total
            fine = share > 35 && share < 90 && covered > 90 && !shallow
            printf "%s %s: hot %.1f %%, accounted %.1f %%\n", fine ? "ok" : "not ok", label,
                share, covered
        }' "$scratch/truth"
}

depth_of() {
    case $1 in
    deep) echo 30 ;;
    recurse) echo 101 ;;
    *) echo 1 ;;
    esac
}

for mode in jit interp gsub coroutine deep recurse; do
    for variant in gc64 gc32; do
        "$NGSTAP_TARGETS/$variant/srv/openresty/luajit/bin/luajit" \
            tests/targets/load/lua/truth.lua "$mode" 1 >"$scratch/$variant" &
    done
    wait
    for variant in gc64 gc32; do
        mv "$scratch/$variant" "$scratch/truth"
        judge "luajit $variant $mode" "$mode"
    done
done
for mode in interp coroutine recurse; do
    told=$(tests/targets/target.sh start nginx stripped "$mode" 30) || {
        echo "Bail out! no target"
        exit 1
    }
    eval "$told"
    sleep 1
    # shellcheck disable=SC2154 # name is what start prints
    tests/targets/target.sh truth "$name" >"$scratch/truth"
    tests/targets/target.sh stop "$name"
    judge "nginx stripped $mode" "$mode"
done
echo "1..$tests"
