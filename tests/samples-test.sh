#!/bin/bash
#
# tests/samples.sh on scripts of ours (tests/samples): each row says what is known of its script.
# Needs root. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

((UID == 0)) || skip_all 'it needs root'

while :; do :; done &
pids+=("$!")
SAMPLES_SECONDS=2 timeout 200 tests/samples.sh tests/samples "$!" >"$scratch/out" 2>"$scratch/err"

# row NAME: its columns, by the names of the table's head
row() {
    local line
    line=$(grep "^| $1 |" "$scratch/out") || return
    IFS='~' read -r _ becomes hits lines errors message <<<"${line// | /\~}"
}

check 'what they become, in all' printed '^7 scripts: 4 become eBPF \(3 of them run without an error\),$'
check '... and what else' printed '^1 are for SystemTap alone, 1 are refused, 1 call no stap\.$'
check 'a row a script, and none for other files' test "$(grep -cE '^\| [a-z/]+(\.s..|) \|' "$scratch/out")" = 8
counted() {
    row ticks.sxx && [[ $becomes = eBPF && $errors = 0 ]] && ((hits > 10 && hits == lines))
}
check 'hits and lines: a script that prints one for each; its argument is made up' counted
refused() { row more/typo.stp && [[ $becomes = refused && $message = *'no function prnt()'* ]]; }
check 'what does not compile: its first message' refused
for_stap() { row more/embedded.stp && [[ $becomes = stap && $message = *'embedded C'* ]]; }
check 'what SystemTap alone takes' for_stap
erred() {
    row more/error.stp && [[ $becomes = eBPF && $errors != 0 && $message = 'this \| that'* ]]
}
check 'an error while it runs: its text, in one column' erred
words() { row more/words.stp && [[ $becomes = eBPF && $lines = 1 && $errors = 0 ]]; }
check 'words that a script must have are made up' words
program() { row tool && [[ $becomes = eBPF && $lines = 2 && $errors = 0 ]]; }
check 'a program that calls stap: what it gives stap is run' program

silent() { row mute && [[ $becomes = 'no stap' && $message = 'not today'* ]]; }
check 'one that comes to no stap: what it says' silent

status=0
tests/samples.sh >"$scratch/out" 2>"$scratch/err" || status=$?
check 'without arguments: how to call it' test "$status" = 1
check '... in words' said 'tests/samples.sh DIR TARGET'

finish
