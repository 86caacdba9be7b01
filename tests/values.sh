#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Values that handlers in the kernel share: two threads of a target do nothing but hit probes that set a string and probes
# that read it, while ticks and a timer's handler read it, too. Whatever is read must be what some handler has assigned.
#
# Needs root, eBPF, a C compiler. About 15 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
command -v "${CC:-cc}" >/dev/null || skip_all 'no C compiler'

calls=100000
cat >"$scratch/target.c" <<'END'
#include <pthread.h>
#include <stdlib.h>
__attribute__((noinline, noclone)) void set(long n)
{
    __asm__ volatile("" : : "r"(n) : "memory");
}
__attribute__((noinline, noclone)) void get(long n)
{
    __asm__ volatile("" : : "r"(n) : "memory");
}
static long calls;
static void *run(void *p)
{
    for (long i = 0; i < calls; i++)
        if (p)
            set(i);
        else
            get(i);
    return p;
}
int main(int argc, char **argv)
{
    pthread_t t;
    calls = atol(argv[argc - 1]);
    pthread_create(&t, NULL, run, &t);
    run(NULL);
    pthread_join(t, NULL);
    return 0;
}
END
"${CC:-cc}" -g -O1 -pthread -o "$scratch/target" "$scratch/target.c"
path=$scratch/target

# prints WANT SCRIPT: the last line of a run of the target under SCRIPT
prints() {
    timeout 100 "$ngstap" -c "$path $calls" -e "$2" >"$scratch/out" 2>"$scratch/err" || return 1
    echo "# $(tail -n 1 "$scratch/out")"
    [[ $(tail -n 1 "$scratch/out") = "$1" ]]
}

# Four texts of four lengths, each of one letter: what is read must be one of them, whole.
text() { printf "$1%.0s" $(seq "$2"); }
a=$(text a 900) b=$(text b 300) c=$(text c 30) d=$(text d 1700)
whole() { echo "$1 == \"$a\" || $1 == \"$b\" || $1 == \"$c\" || $1 == \"$d\""; }
pick="(\$n % 4 == 0 ? \"$a\" : \$n % 4 == 1 ? \"$b\" : \$n % 4 == 2 ? \"$c\" : \"$d\")"
set='process("'$path'").function("set")'
get='process("'$path'").function("get")'

check 'a global string, read by another thread, by ticks and by a timer' prints '0 1 1 1' '
    global s = "'"$c"'", bad, read, ticks, times
    probe '"$set"' { s = '"$pick"' }
    probe '"$get"' { t = s; if (!('"$(whole t)"')) bad++; read++ }
    probe perf.sw.cpu_clock.hz(2000) { t = s; if (!('"$(whole t)"')) bad++; ticks++ }
    probe timer.ms(1) { t = s; if (!('"$(whole t)"')) bad++; times++ }
    probe end { println(bad, " ", read > 10000, " ", ticks > 100, " ", times > 100) }'
check 'a global string, set by both threads and by ticks' prints '0 1' '
    global s = "'"$c"'", bad, read
    probe '"$set"' { s = '"$pick"'; t = s; if (!('"$(whole t)"')) bad++ }
    probe '"$get"' { s = '"$pick"'; t = s; if (!('"$(whole t)"')) bad++; read++ }
    probe perf.sw.cpu_clock.hz(2000) { s = "'"$c"'"; t = s; if (!('"$(whole t)"')) bad++ }
    probe end { println(bad, " ", read > 10000) }'
check 'what is appended by several at a time is all there' prints '1' '
    global s, n
    probe '"$set"' { if ($n < 1500) { s .= "x"; n++ } }
    probe '"$get"' { if ($n < 1500) { s .= "x"; n++ } }
    probe end { println(strlen(s) == n && n >= 2900) }'
check 'a string in an array, read by another thread, by ticks and by a timer' prints '0 1 1 1' '
    global s, bad, read, ticks, times
    probe begin { s[1] = "'"$c"'" }
    probe '"$set"' { s[1] = '"$pick"' }
    probe '"$get"' { t = s[1]; if (!('"$(whole t)"')) bad++; read++ }
    probe perf.sw.cpu_clock.hz(2000) { t = s[1]; if (!('"$(whole t)"')) bad++; ticks++ }
    probe timer.ms(1) { t = s[1]; if (!('"$(whole t)"')) bad++; times++ }
    probe end { println(bad, " ", read > 10000, " ", ticks > 100, " ", times > 100) }'

finish
