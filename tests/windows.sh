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
"$ngstap" flame -x "$pid" --every 2s -F 499 -o "$scratch/w.pb.gz" >"$scratch/out" 2>"$scratch/err" &
flame=$!
pids+=("$flame")
files() { compgen -G "$scratch/w-*.pb.gz" | wc -l; }
until_files() { # NUMBER
    local until=$((SECONDS + 30))
    until (($(files) >= $1)); do
        ((SECONDS < until)) || return 1
        sleep 0.2
    done
}
# The shell's own kill has no -q. Of two that wait at a time the kernel drops one.
tell() {
    env kill -s USR1 -q "$1" "$flame"
    sleep 0.5
}

# Of the NUMBER-th file: "HERTZ SAMPLES CPU", of the CPU time that it counts, in milliseconds.
profile() {
    python3 - "$(compgen -G "$scratch/w-*.pb.gz" | sort | sed -n "$1p")" <<'PYTHON'
import gzip
import sys

sys.path.insert(0, "tests/push")
import wire

p = wire.decode(wire.PPROF, "Profile", gzip.open(sys.argv[1]).read())
value = [sum(s["value"][k] for s in p["sample"]) for k in range(2)]
print(round(1e9 / p["period"]), value[0], value[1] // 1000000)
PYTHON
}
has_rate() { # NUMBER HERTZ
    local hz samples ms
    read -r hz samples ms < <(profile "$1") || return
    echo "# file $1: $hz Hz, $samples samples, $ms ms"
    # it runs a part of the time, and its samples are as many as that says
    ((hz == $2 && ms > 20 && ms < 2500 && samples * 1000 / hz > ms * 9 / 10 &&
        samples * 1000 / hz < ms * 11 / 10 + 50))
}

check 'a file for each window' until_files 1
tell 49
check '... and more of them' until_files 4
check 'the first has the rate that was asked for' has_rate 1 499
check '... which a signal changes' has_rate 4 49
tell 199
check '... as often as one likes' until_files 7
check '... up, too' has_rate 7 199
kill -USR1 "$flame" # without a number it says nothing
sleep 0.5
kill -INT "$flame"
check 'it ends as before' wait "$flame"
check '... and has said nothing but lines of windows' eval '! said "WARNING|error"'
finish
