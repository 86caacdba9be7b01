#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Signals: none at any moment crashes a session, loses what an ended one prints, or leaves a file or
# anything in the kernel behind. INT, TERM and HUP, alone and doubled, at random moments of sessions
# of several kinds, also under timeout(1), which signals its child and its group; readers who do not
# read.
#
# NGSTAP_MOMENTS: how many moments (200). Needs root, eBPF, a C compiler. A fifth of a second a
# moment. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'

moments=${NGSTAP_MOMENTS:-200}
seed=${NGSTAP_SEED:-$$}
RANDOM=$seed
echo "# NGSTAP_SEED=$seed gives these moments again"

cat >"$scratch/target.c" <<'C'
#include <unistd.h>
__attribute__((noinline)) int one(int n) { __asm__ volatile(""); return n + 1; }
__attribute__((noinline)) int two(int n) { __asm__ volatile(""); return n + 2; }
int main(void)
{
    int n = 0;

    alarm(1800);
    for (;; usleep(500))
        n = one(two(n));
}
C
${CC:-cc} -g -O1 -o "$scratch/target" "$scratch/target.c"
"$scratch/target" &
target=$!
pids+=("$target")

# It says that it has begun, and at its end that it is whole.
cat >"$scratch/session.stp" <<'STP'
global n, ticks
probe begin { println("begun") }
probe process.function("one"), process.function("two") { n++; printf("%d %s\n", n, probefunc()) }
probe timer.ms(10) { ticks++ }
probe end {
    for (i = 0; i < 500; i++)
        printf("the end, line %d of 500, which is long enough to fill more than one buffer of a stream\n", i + 1)
    println("whole")
}
STP
cat >"$scratch/picture.stp" <<'STP'
global a
probe process.function("one") { a[probefunc()]++ }
probe end { foreach (f in a) printf("%s\n\tmain\n\t%d\n", f, a[f]) }
STP

random() { # N: a number below it, in $random
    random=$((RANDOM % $1))
}

# No signal is ignored, as INT would be in a background job, and HUP where these tests were begun by
# nohup.
heeding=(env --default-signal=INT,TERM,HUP)

# The session is in $tracer.
begin() {
    "${heeding[@]}" "$ngstap" -I tapset -x "$target" "$@" >"$scratch/out" \
        2>"$scratch/err" </dev/null &
    tracer=$!
}

# One moment: a session, and signals to it. What went wrong is in $wrong.
moment() {
    local signals=$1 kind=$2 delay=$3 status=0 signal
    local file=$scratch/picture.folded
    wrong=''
    rm -f "$scratch/picture"*
    : >"$scratch/out" # a signal may come before the shell has opened it anew
    case $kind in
    text) begin "$scratch/session.stp" ;;
    json) begin --format json "$scratch/session.stp" ;;
    file) begin -o "$scratch/out" "$scratch/session.stp" ;;
    picture) begin --format folded -o "$file" "$scratch/picture.stp" ;;
    timeout)
        "${heeding[@]}" timeout -s "${signals%% *}" "$delay" "$ngstap" -I tapset -x \
            "$target" \
            "$scratch/session.stp" >"$scratch/out" 2>"$scratch/err" </dev/null &
        tracer=$!
        ;;
    esac
    if [[ $kind != timeout ]]; then
        sleep "$delay"
        for signal in $signals; do
            case $signal in
            [0-9]*) sleep "$signal" ;;
            *) kill -"$signal" "$tracer" 2>/dev/null || : ;;
            esac
        done
    fi
    wait "$tracer" || status=$?
    case $status in
    0 | 124) ;;
    1) [[ $kind = picture ]] || wrong="status 1" ;; # there was nothing to draw yet
    129 | 130 | 143) ! grep -q begun "$scratch/out" || wrong="status $status after it had begun" ;;
    *) wrong="status $status" ;;
    esac
    if [[ $kind != picture ]] && grep -q begun "$scratch/out" &&
        ! grep -q whole "$scratch/out"; then
        wrong+=" the end is missing"
    fi
    if compgen -G "$scratch/picture.folded.*" >/dev/null; then
        wrong+=" a file is left"
    fi
    if [[ $kind = picture && -e $file && ! -s $file ]]; then
        wrong+=" an empty file"
    fi
}

# --- moments -------------------------------------------------------------------------------

ways=(INT TERM HUP 'INT INT' 'TERM TERM' 'INT 0.01 INT' 'INT 0.05 INT' 'TERM 0.02 TERM' 'HUP HUP' \
    'TERM HUP INT'
    'INT 0.2 INT' 'TERM 0.1 INT')
kinds=(text json picture timeout text file)

# lane N: every fourth moment, as most of each is waiting; what went wrong is in its file of that
# name.
lane() {
    local scripts=$scratch scratch=$scratch/lane$1 i
    mkdir "$scratch"
    cp "$scripts"/*.stp "$scratch"
    RANDOM=$((seed + $1))
    for ((i = $1; i < moments; i += 4)); do
        random 700
        way=${ways[i % ${#ways[@]}]} kind=${kinds[i / ${#ways[@]} % ${#kinds[@]}]}
        moment "$way" "$kind" "0.$(printf %03d "$random")"
        [[ -z $wrong ]] || echo "# $way after 0.$(printf %03d "$random") s, $kind: $wrong"
    done >"$scratch/wrong"
}

before=$(held)
for number in 0 1 2 3; do
    lane "$number" &
    lanes+=("$!")
done
wait "${lanes[@]}"
lanes=()
cat "$scratch"/lane?/wrong
bad=$(cat "$scratch"/lane?/wrong | wc -l)
check "$moments signals at random moments: no crash, no loss, no file left" test "$bad" = 0
check '... and nothing in the kernel' as_before "$before"

# --- a reader who does not read -----------------------------------------------------------

cat >"$scratch/loud.stp" <<'STP'
probe begin { println("begun") }
probe timer.ms(1) {
    for (i = 0; i < 20; i++)
        EMIT("a line that nobody reads, and that is long enough to fill the pipe soon, as there are many of it; " .
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" .
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" .
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" .
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" .
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" .
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" .
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" .
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" .
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" .
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" .
             ".")
}
probe end { println("whole") }
STP

# blocked EMIT out|err [OPTION...]: a session whose output (err: and errors) nobody reads gets INT
# twice; its status is in $status, 137 when it had to be killed.
blocked() {
    local redirect=$2 killer
    sed "s/EMIT/$1/" "$loud" >"$scratch/blocked.stp"
    shift 2
    mkfifo "$scratch/pipe"
    exec 5<>"$scratch/pipe"
    case $redirect in
    out) "${heeding[@]}" "$ngstap" -I tapset "$@" "$scratch/blocked.stp" >&5 \
        2>"$scratch/err" </dev/null & ;;
    err) "${heeding[@]}" "$ngstap" -I tapset "$@" "$scratch/blocked.stp" >"$scratch/out" \
        2>&5 </dev/null & ;;
    esac
    tracer=$!
    pids+=("$tracer")
    sleep 1.5
    kill -INT "$tracer" 2>/dev/null || :
    sleep 1.3
    kill -INT "$tracer" 2>/dev/null || :
    status=0
    (sleep 5 && kill -KILL "$tracer") 2>/dev/null &
    killer=$!
    wait "$tracer" || status=$?
    kill "$killer" 2>/dev/null || :
    exec 5<&-
}

nobody_reads() { # prints|events|warnings|errors|-v
    case $1 in
    prints) blocked println out ;;
    events) blocked println out --format json ;;
    warnings) blocked warn err ;;
    errors) blocked error err -D MAXERRORS=1000000000 ;;
    -v) blocked warn err -v ;;
    esac
    check "nobody reads the ${1/-v/words of -v}: a second ^C ends it" test "$status" = 1
    [[ $1 != prints ]] || check '... and a line says how' said 'press \^C again'
}
loud=$scratch/loud.stp
side_by_side nobody_reads prints events warnings errors -v

# TERM is never an order to throw away: with a reader who comes late all is there.
rm -f "$scratch/late"
mkfifo "$scratch/late"
exec 6<>"$scratch/late"
sed 's/EMIT/println/' "$scratch/loud.stp" >"$scratch/blocked.stp"
"$ngstap" -I tapset "$scratch/blocked.stp" >"$scratch/late" 2>"$scratch/err" </dev/null &
tracer=$!
sleep 1
kill -TERM "$tracer"
sleep 1.3
kill -TERM "$tracer"
sleep 0.2
kill -HUP "$tracer"
timeout 10 sed '/whole/q' <&6 >"$scratch/out" || : # the checks say what lacks
exec 6<&-
status=0
wait "$tracer" || status=$?
check 'TERM twice and HUP, a second apart: the output is waited for' printed '^whole'
check '... and the status is 0' test "$status" = 0

finish
