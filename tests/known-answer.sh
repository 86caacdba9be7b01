#!/bin/bash
#
# Tests the load that the tests of profiles rely on: in each mode, hot() and
# cold() must account for nearly all CPU time of their process, about 70 to 30,
# at the depth that the mode is for. Takes NGSTAP_TARGETS; about 20 s.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[[ -n ${NGSTAP_TARGETS:-} ]] || { echo 'NGSTAP_TARGETS is not set'; exit 77; }

failed=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# judge LABEL MODE DEPTH: standard input is what the load says of itself.
judge() {
    awk -v label="$1" -v mode="$2" -v depth="$3" '
        $1 == mode { ns[$2] = $4; if ($6 < depth) shallow = $6 }
        $2 == "total" { total = $4 }
        END {
            spent = ns["hot"] + ns["cold"]
            if (!total || !spent) { print label ": no account"; exit 1 }
            share = 100 * ns["hot"] / spent
            covered = 100 * spent / total
            verdict = share > 60 && share < 80 && covered > 97 && !shallow ? "ok" : "WRONG"
            printf "%s: hot %.1f %%, accounted %.1f %%, %s\n", label, share, covered, verdict
            exit verdict != "ok"
        }'
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
            tests/targets/load/lua/truth.lua "$mode" 1 >"$scratch/truth"
        judge "luajit $variant $mode" "$mode" "$(depth_of "$mode")" <"$scratch/truth" || failed=1
    done
done
for mode in interp coroutine recurse; do
    eval "$(tests/targets/target.sh start nginx stripped "$mode" 30)"
    sleep 1
    # shellcheck disable=SC2154 # name is what start prints
    tests/targets/target.sh truth "$name" >"$scratch/truth"
    tests/targets/target.sh stop "$name"
    judge "nginx stripped $mode" "$mode" "$(depth_of "$mode")" <"$scratch/truth" || failed=1
done
exit "$failed"
