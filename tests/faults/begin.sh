# shellcheck shell=bash disable=SC2034
#
# What the tests of faults share: a target of their own, in $target, its pid; sourced after tap.sh.

[[ $UID = 0 ]] || skip_all 'needs root'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'
export XDG_CACHE_HOME=$scratch/cache
mkdir -m 700 "$XDG_CACHE_HOME"
${CC:-cc} -g -O1 -o "$scratch/target" tests/faults/target.c
"$scratch/target" &
target=$!
pids+=("$target")

# counts WORD: the number that a line "WORD=N" of the output ends with
counts() { sed -nE "s/^.*\b$1=([0-9]+).*/\1/p" "$scratch/out" | tail -n 1; }
# of_report WORD: the number that -v tells of WORD ("lost")
of_report() { sed -nE "s/^hits: .*\b$1: ([0-9]+).*/\1/p; s/^hits: ([0-9]+),.*/\1/p" \
    "$scratch/err" | tail -n 1; }
