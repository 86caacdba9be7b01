#!/bin/bash
# shellcheck disable=SC2317 # check calls functions
#
# "ngstap flame --every": a file for each window, and another rate from a window on, without a new
# start: on SIGUSR1 with a number (sigqueue), as the agent sends it. What a profile counts in CPU
# time is the same at each rate.
#
# Needs root, eBPF, NGSTAP_TARGETS, python3. About 20 s. Prints TAP.
set -uo pipefail
source "${BASH_SOURCE[0]%/*}/tap.sh"

[[ $EUID = 0 ]] || skip_all 'needs root'
[[ -n ${NGSTAP_TARGETS:-} ]] || skip_all 'NGSTAP_TARGETS is not set'

start_target luajit gc64 interp 60
# shellcheck disable=SC2154 # start_target sets pid
# Milliseconds of CPU time that it has taken.
taken() { awk -v hz="$(getconf CLK_TCK)" '{ print int(($14 + $15) * 1000 / hz) }' "/proc/$pid/stat"; }
before=$(taken)
"$ngstap" flame -x "$pid" --every 2s -F 499 -o "$scratch/w.pb.gz" >"$scratch/out" 2>"$scratch/err" &
flame=$!
pids+=("$flame")
files() { compgen -G "$scratch/w-*.pb.gz" | sort; }
eventually() { # COMMAND...
    local until=$((SECONDS + 40))
    until "$@"; do
        ((SECONDS < until)) || return 1
        sleep 0.3
    done
}
# The shell's own kill has no -q. Of two that wait at a time the kernel drops one.
tell() {
    env kill -s USR1 -q "$1" "$flame"
    sleep 0.5
}

# Of each file: "HERTZ SAMPLES CPU", of the CPU time that it counts, in milliseconds.
profiles() {
    # shellcheck disable=SC2046 # no name has a space
    python3 - $(files) <<'PYTHON'
import gzip
import sys

sys.path.insert(0, "tests/push")
import wire

for path in sys.argv[1:]:
    p = wire.decode(wire.PPROF, "Profile", gzip.open(path).read())
    value = [sum(s["value"][k] for s in p["sample"]) for k in range(2)]
    print(round(1e9 / p["period"]), value[0], value[1] // 1000000)
PYTHON
}
# The last file has that rate.
has_rate() { # HERTZ
    local last
    last=$(profiles | tail -n 1)
    ((${last%% *} == $1))
}
has_files() { (($(files | wc -l) >= $1)); }

check 'a file for each window' eventually has_files 2
check '... at the rate that was asked for' has_rate 499
tell 49
check '... which a signal changes' eventually has_rate 49
tell 199
check '... as often as one likes, up, too' eventually has_rate 199
kill -USR1 "$flame" # without a number it says nothing
many=$(files | wc -l)
check '... and files come as before' eventually has_files "$((many + 2))"
check '... at the same rate' has_rate 199
kill -INT "$flame"
check 'it ends as before' wait "$flame"
took=$(($(taken) - before))
counted=$(profiles | awk '{ n += $3 } END { print n }')
# A rate that was told and not kept would make it some times too much or too little.
as_taken() { ((counted > took * 6 / 10 - 200 && counted < took * 14 / 10 + 200)); }
check "all files together count its CPU time: $counted ms of $took" as_taken
check '... and every clock was set' eval '! said "clocks|error"'
finish
