#!/bin/bash
# shellcheck disable=SC2016,SC2154,SC2317 # scripts have dollars; begin.sh sets; check calls functions
#
# What is lost is counted and said: nobody reads what a session prints, or it is stopped for seconds
# (SIGSTOP), while hits go on. Hits = printed + lost; the target is not held up; ^C ends it. A wall
# clock that jumps changes no timer, no -T, no count. Needs root, eBPF, a C compiler. About 25 s.
# Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=faults/begin.sh
. tests/faults/begin.sh

# Ten lines of 2,000 bytes a millisecond fill every buffer within a second.
cat >"$scratch/lines.stp" <<'END'
global n, two, text
probe begin { text = sprintf("%2000d", 1) }
probe process.function("one") { n++; printf("line %d%s\n", n, text) }
probe process.function("two") { two++ }
probe end { printf("n=%d two=%d\n", n, two) }
END

# session OUTPUT: begins one
session() {
    : >"$scratch/err"
    env --default-signal=INT "$ngstap" -I tapset -D STP_NO_OVERLOAD -x "$target" -v \
        "$scratch/lines.stp" >"$1" 2>"$scratch/err" </dev/null 7>&- &
    tracer=$!
    pids+=("$tracer")
}

wait_for_end() { # SECONDS
    local end=$((SECONDS + $1))
    while kill -0 "$tracer" 2>/dev/null && ((SECONDS < end)); do sleep 0.05; done
    ! kill -0 "$tracer" 2>/dev/null || return 1
    status=0
    wait "$tracer" || status=$?
}

sums_are_right() {
    local n two lost lines
    n=$(counts n) two=$(counts two) lost=$(of_report lost)
    lines=$(($(grep -c '^line ' "$scratch/out") + lines_read))
    echo "# hits $n, printed $lines, lost ${lost:-?}"
    # The two functions are let go one after the other: rounds of the target's, of twenty hits each,
    # may lie between, a few on a busy machine.
    [[ -n $lost && $n -gt 0 ]] && ((n == lines + lost && n - two <= 100 && two - n <= 100))
}
lost_some() { (($(of_report lost) > 0)); }
is_said() { said "^WARNING: $(of_report lost) prints lost"; }

# How often the target has slept: twenty hits of each function a time.
rounds() { sed -nE 's/^voluntary_ctxt_switches:\s*//p' "/proc/$target/status"; }
goes_on() { # ROUNDS: the target does so many, though nobody takes its hits
    local until=$(($(rounds) + $1)) end=$((SECONDS + 30))
    while (($(rounds) < until)); do
        ((SECONDS < end)) || return 1
        sleep 0.05
    done
}
# More than the ring and all buffers behind it hold.
enough=250
lines_read=0 # by this test itself

# --- stopped ------------------------------------------------------------------------------

session "$scratch/out"
until grep -q '^line 100 ' "$scratch/out" || ! kill -0 "$tracer"; do sleep 0.05; done
kill -STOP "$tracer"
check 'a session is stopped: the target goes on' goes_on "$enough"
kill -CONT "$tracer"
sleep 0.5
kill -INT "$tracer"
check 'it goes on, too, and ends' wait_for_end 20
check '... well' test "$status" = 0
check '... something was lost' lost_some
check '... which is said' is_said
check '... hits are those printed and those lost, those counted are all' sums_are_right

# --- nobody reads -------------------------------------------------------------------------

mkfifo "$scratch/pipe"
exec 7<>"$scratch/pipe"
session "$scratch/pipe"
IFS= read -r _ <&7 # armed
check 'a pipe that nobody reads: the target goes on' goes_on "$enough"
kill -INT "$tracer"
sleep 0.5
exec 8<"$scratch/pipe" # there is always a reader
cat <&8 >"$scratch/out" 7>&- &
reader=$!
exec 7>&- 8<&-
check '^C, and somebody reads: it ends' wait_for_end 20
wait "$reader" || :
lines_read=1 # above
check '... well' test "$status" = 0
check '... something was lost' lost_some
check '... which is said' is_said
check '... hits are those printed and those lost, those counted are all' sums_are_right

exec 7<>"$scratch/pipe"
session "$scratch/pipe"
IFS= read -r _ <&7
goes_on "$enough" || :
kill -INT "$tracer"
sleep 1.3
kill -INT "$tracer"
check 'a full pipe that nobody ever reads: a second ^C ends it' wait_for_end 5
check '... as a failure, as something is missing' test "$status" = 1
check '... that it is, is said before' said '^ngstap is still ending; press \^C again'
exec 7>&-

# --- the clock ----------------------------------------------------------------------------

cat >"$scratch/jump.c" <<'END'
/* Each look at the wall clock finds it a day before or behind. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>

static time_t jump(void)
{
    static int n;

    return (__atomic_fetch_add(&n, 1, __ATOMIC_RELAXED) & 1 ? 1 : -1) * 86400;
}
int clock_gettime(clockid_t id, struct timespec *t)
{
    static int (*real)(clockid_t, struct timespec *);
    int r;

    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    r = real(id, t);
    if (id == CLOCK_REALTIME)
        t->tv_sec += jump();
    return r;
}
time_t time(time_t *to)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    if (to)
        *to = t.tv_sec;
    return t.tv_sec;
}
int gettimeofday(struct timeval *to, void *zone)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    to->tv_sec = t.tv_sec;
    to->tv_usec = t.tv_nsec / 1000;
    return 0;
}
END
${CC:-cc} -O1 -shared -fPIC -o "$scratch/jump.so" "$scratch/jump.c" -ldl
cat >"$scratch/timers.stp" <<'END'
global ticks, n, first, last, begun
probe begin { begun = gettimeofday_s() }
probe timer.ms(100) { ticks++; println("at ", gettimeofday_s() - begun) }
probe process.function("one") { if (!n++) first = gettimeofday_ms(); last = gettimeofday_ms() }
probe end { printf("ticks=%d n=%d window=%d\n", ticks, n, last - first) }
END
jumping() {
    status=0
    LD_PRELOAD=$scratch/jump.so ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 \
        timeout 40 "$ngstap" -I tapset -D STP_NO_OVERLOAD -x "$target" "$@" >"$scratch/out" \
        2>"$scratch/err" </dev/null || status=$?
}
# The machine may be busy: too late is no fault of the clock's, a day is.
in_time() {
    local ticks window
    ticks=$(counts ticks) window=$(counts window)
    echo "# ticks $ticks, window $window ms"
    ((ticks >= 10 && ticks <= 21 && window > 500 && window < 10000))
}
SECONDS=0
jumping -T 2 "$scratch/timers.stp"
check 'a wall clock that jumps: -T 2 ends it well' test "$status" = 0
check '... after 2 s' test "$SECONDS" -ge 2 -a "$SECONDS" -lt 20
check '... its jumps are seen by who asks for it' printed '^at -?(86|172)[0-9]{3}$'
check '... timers tick on, and a handler in the kernel has one clock' in_time
jumping -T 1 -e 'probe process.function("one") { print_ubacktrace() exit() }'
check '... what is kept is kept and used' test "$status" = 0 -a -n "$(ls \
    "$XDG_CACHE_HOME/ngstap/index")"
flame_jumps() {
    LD_PRELOAD=$scratch/jump.so ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 \
        timeout 60 "$ngstap" flame -x "$target" -t 1 --at 'process.function("one")' \
        -o "$scratch/jump.folded" >"$scratch/out" 2>"$scratch/err" && [[ -s $scratch/jump.folded ]]
}
check '... a picture is drawn' flame_jumps
finish
