#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Writing the target's memory (-g): $p->m = 2, $a[i]++, @var("g") = 3, @cast(..) = 4, bit fields,
# set_user_*(). The target prints what it finds then. What is refused: without -g, registers, the
# kernel's memory, where a tick interrupts. Needs root, eBPF, a C compiler. About 5 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
trace_seconds=60

[[ $UID = 0 ]] || skip_all 'needs root'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'

cat >"$scratch/target.c" <<'END'
#include <stdio.h>
#include <unistd.h>
struct box {
    int val;
    unsigned low : 3, high : 5;
    signed char small;
    long many[4];
    char name[16];
    struct box *next;
};
int shared = 1;
static struct box boxes[2] = {{.val = 10, .low = 1, .high = 2, .small = 3, .name = "first"}};
__attribute__((noinline, noclone)) int work(struct box *b, int n)
{
    __asm__ volatile("" : : "r"(b) : "memory");
    return b->val + n;
}
int main(int argc, char **argv)
{
    FILE *out = fopen(argv[1], "w");
    boxes[0].next = &boxes[1];
    int r = work(boxes, 5);
    fprintf(out, "%d %d %d %u %u %d\n", r, shared, boxes[0].val, boxes[0].low, boxes[0].high,
           boxes[0].small);
    fprintf(out, "%ld %ld %ld %d %s\n", boxes[0].many[0], boxes[0].many[1], boxes[0].many[2],
           boxes[1].val, boxes[0].name);
    return fclose(out) || argc != 2;
}
END
${CC:-cc} -g -O1 -o "$scratch/target" "$scratch/target.c"
"$ngstap" -e 'probe begin { exit() } probe timer.profile { }' >"$scratch/out" 2>"$scratch/err" ||
    skip_all 'no eBPF'
# a kernel that is locked down has no bpf_probe_write_user()
kernel=
probe="probe process(\"$scratch/target\")"
trace --dump-bpf -g -c "$scratch/target $scratch/left" \
    -e "$probe.function(\"work\") { \$b->val = 1 }"
[[ $status != 0 ]] || kernel=1

same() { [[ $status = 0 && $(cat "$scratch/out" "$scratch/left") = "$want" ]]; }
leaves() { # NAME BODY TEXT: what is printed when BODY handles work()
    want=$3
    if [[ ! $kernel ]]; then
        skip "$1" 'this kernel lets no eBPF program write'
        return
    fi
    trace -g -c "$scratch/target $scratch/left" -e "$probe.function(\"work\") { $2 }"
    check "$1" same
}
plain2='0 0 0 0 first'
leaves 'nothing' 'next' "15 1 10 1 2 3
$plain2"
leaves 'a member' '$b->val = 40' "45 1 40 1 2 3
$plain2"
leaves 'the value is that of the assignment, and what is read then is new' \
    'x = $b->val; y = ($b->val = 7); println(x, " ", y, " ", $b->val)' "10 7 7
12 1 7 1 2 3
$plain2"
leaves 'op= and ++ on members of each size' \
    '$b->val += 5; $b->small--; $b->small--; $b->many[1]++; println(++$b->many[2], $b->many[2]++)' "11
20 1 15 1 2 1
0 1 2 0 first"
leaves 'bit fields' '$b->low = 6; $b->high++' "15 1 10 6 3 3
$plain2"
leaves 'elements by a variable, through pointers' \
    'for (i = 0; i < 3; i++) $b->many[i] = i * i + 1; $b->next->val = -4' "15 1 10 1 2 3
1 2 5 -4 first"
leaves 'a variable of the program, @cast' \
    '@var("shared") = 9; p = $b; @cast(p, "struct box")->val = 1' "6 9 1 1 2 3
$plain2"
leaves 'set_user_*()' 'set_user_int(&$b->val, 100); set_user_char(&$b->small, -1)
    set_user_long(&$b->many[0], 1 << 40); set_user_short(&$b->many[1], 0x12345)
    set_user_string(&$b->name[1], "unny")' "105 1 100 1 2 -1
1099511627776 9029 0 0 funny"
leaves 'set_user_string_n() writes no more' 'set_user_string_n(&$b->name[0], 2, "longer")' \
    "15 1 10 1 2 3
0 0 0 0 lo"
leaves 'a fault that try catches' \
    'try { set_user_int(8, 1) } catch (m) { println(substr(m, 0, 11)) }' "write fault
15 1 10 1 2 3
$plain2"

# handlers in user space write by process_vm_writev(2)
cat >"$scratch/waits.c" <<'END'
#include <stdio.h>
#include <unistd.h>
volatile int shared = 1;
volatile struct { unsigned low : 3, high : 5; short many[3]; } box = {1, 2, {3, 4, 5}};
char text[16] = "first";
int main(int argc, char **argv)
{
    for (int i = 0; i < 1000 && shared != 9; i++)
        usleep(10000);
    FILE *out = fopen(argv[1], "w");
    fprintf(out, "%d %u %u %d %s\n", shared, box.low, box.high, box.many[1], text);
    return fclose(out) || argc != 2;
}
END
${CC:-cc} -g -O1 -o "$scratch/waits" "$scratch/waits.c"
trace -g -c "$scratch/waits $scratch/left" -e 'probe timer.ms(50) {
    @var("box")->low = 5; @var("box")->high += 3; @var("box")->many[1]++
    set_user_string(&@var("text"), "second"); x = (@var("shared") = 9); println(x); exit() }'
want='9
9 5 5 5 second'
for _ in {1..50}; do
    [[ ! -s $scratch/left ]] || break
    sleep 0.1
done
check 'handlers in user space' same
trace -g -c "$scratch/waits $scratch/left" -e 'probe timer.ms(50) {
    try { set_user_int(8, 1) } catch (m) { println(substr(m, 0, 11)) }
    @var("shared") = 9; exit() }'
check '... fail where nothing can be written' grep -qx 'write fault' "$scratch/out"

refuses() { # NAME SCRIPT PATTERN [OPTION]...
    trace -p2 -c "$scratch/target" "${@:4}" -e "$2"
    check "$1" refused "$3"
}
refused() { [[ $status = 1 ]] && said "^-e:[0-9]+:[0-9]+: error: $1"; }
refuses 'without -g' "$probe.function(\"work\") { \$b->val = 1 }" '.*guru mode only'
refuses 'set_user_int() without -g' 'probe begin { set_user_int(8, 1) }' '.*guru mode only'
refuses 'a register' "$probe.function(\"work\") { \$n = 1 }" 'this is no memory here' -g
refuses 'what was saved at the entry' "$probe.function(\"work\").return { \$n = 1 }" \
    '.*cannot be written' -g
refuses 'in a tick' 'probe timer.profile { @var("shared") = 1 }' '.*interrupts the program' -g
refuses 'kernel memory' 'probe kernel.trace("sched_switch") { $prev->prio = 1 }' \
    "no memory of the kernel's is written" -g
trace --dump-bpf -g --no-feature=write_user -c "$scratch/target" \
    -e "$probe.function(\"work\") { \$b->val = 1 }"
check 'a kernel that cannot' refused 'this kernel lets no eBPF program write'
finish
