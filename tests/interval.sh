#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Reports at intervals: a timer's handler reads an array that handlers in the kernel add to
# meanwhile, and deletes it. What comes between the reading and the deleting must not be lost: the
# target says how often it called what is counted. A handler that has just found an element when
# that is taken adds to nothing (docs/differences.md): two threads that do little else, and a
# thousand intervals a second, lose less than one in 1,000 so; by reading, then deleting, three to
# twenty.
#
# Needs root, eBPF, a C compiler. About 10 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'

calls=100000
cat >"$scratch/target.c" <<'END'
#include <pthread.h>
#include <stdlib.h>
__attribute__((noinline, noclone)) void work(long n)
{
    __asm__ volatile("" : : "r"(n) : "memory");
}
static long calls;
static void *run(void *p)
{
    for (long i = 0; i < calls; i++)
        work(i);
    return p;
}
int main(int argc, char **argv)
{
    pthread_t t;
    calls = atol(argv[argc - 1]);
    pthread_create(&t, NULL, run, NULL);
    run(NULL);
    pthread_join(t, NULL);
    return 0;
}
END
${CC:-cc} -g -O1 -pthread -o "$scratch/target" "$scratch/target.c"
path=$scratch/target

# counts SCRIPT WANT...: SCRIPT prints at the end of a run of the target how many of its calls were
# counted, then WANT
counts() {
    local script=$1 counted rest lost
    shift
    timeout 100 "$ngstap" -D STP_NO_OVERLOAD -c "$path $calls" -e "$script" >"$scratch/out" \
        2>"$scratch/err" || return 1
    read -r counted rest < <(tail -n 1 "$scratch/out")
    lost=$((2 * calls - counted))
    echo "# lost: $lost of $((2 * calls))"
    ((lost >= 0 && lost < 2 * calls / 1000)) && [[ $rest = "$*" ]]
}

check 'numbers' counts '
    global a, total, rounds
    probe process("'"$path"'").function("work") { a[$n % 5, "k" . sprint($n % 7)]++ }
    probe timer.ms(1) { foreach ([i, s] in a) total += a[i, s]; delete a; rounds++ }
    probe end { foreach ([i, s] in a) total += a[i, s]; println(total, " ", rounds > 20) }' 1

check 'aggregates, in a function, sorted, some left for the next time' counts '
    global a, count, low = 1000, high, rounds
    function report(all) {
        foreach (i in a- limit 4) { if (all) all++ }
        if (!all && rounds++ % 2) return 0
        foreach (i in a) {
            count += @count(a[i])
            low = low < @min(a[i]) ? low : @min(a[i]); high = high > @max(a[i]) ? high : @max(a[i])
        }
        delete a
    }
    probe process("'"$path"'").function("work") { a[$n % 11] <<< $n }
    probe timer.ms(1) { report(0) }
    probe end { report(1); println(count, " ", low, " ", high) }' 0 $((calls - 1))

check 'what the handler adds itself stays' counts '
    global a, total
    probe process("'"$path"'").function("work") { a[$n % 3]++ }
    probe timer.ms(1) { foreach (i in a) total += a[i]; delete a; a[1] = 5; a[9]++; total -= 6 }
    probe end { foreach (i in a) total += a[i]; println(total) }'

check 'an error before the array is deleted leaves it as it was' counts '
    global a, total, n
    probe process("'"$path"'").function("work") { a[$n % 3]++ }
    probe timer.ms(1) {
        sum = 0
        try {
            foreach (i in a) sum += a[i]
            if (n++ % 2) error("no")
            total += sum
            delete a
        } catch { }
    }
    probe end { foreach (i in a) total += a[i]; println(total) }'

hits=2*$calls
check 'what handlers in the kernel set is what was set last' counts '
    global last, name, rounds, bad
    probe process("'"$path"'").function("work") { last[$n % 2] = $n; name[$n % 2] = sprint($n) }
    probe timer.ms(1) {
        foreach (i in last) bad += i != 7 && last[i] % 2 != i
        foreach (i in name) bad += strtol(name[i], 10) % 2 != i
        if (rounds++ % 2) next
        delete last; delete name
        last[7] = 7
    }
    probe end { foreach (i in last) bad += i != 7 && last[i] % 2 != i;
    println('"$hits"', " ", bad, " ", rounds > 10, " ", last[7]) }' 0 1 7

finish
