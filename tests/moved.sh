#!/bin/bash
#
# What programs and the kernel have renamed or dropped (tapset/moved.txt): old scripts on a program
# of ours, whose facts are in a folder given by -I, judged by what the program itself says; lines
# that are no facts; and the facts of tapset/moved.txt held to this kernel and to nginx. Running
# needs root. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

# ---- a program of today

cat >"$scratch/today.c" <<'END'
#include <stdio.h>
struct inner { long count; };
struct state { unsigned long time; struct inner in; char *w; } now = {12345, {77}, (char *)4096};
enum phase { PHASE_NEW = 41 };
enum phase phase = PHASE_NEW;
int number_new = 9;
__attribute__((noinline)) long answer(struct state *s)
{
    __asm__ volatile("" ::: "memory");
    return s->time;
}
int main(void)
{
    for (int i = 0; i < 7; i++)
        answer(&now);
    puts("7 calls");
}
END
${CC:-cc} -g -O1 -o "$scratch/today" "$scratch/today.c"
mkdir "$scratch/facts"
cat >"$scratch/facts/moved.txt" <<'END'
# A comment, and an empty line.

function    respond      user   today-2.0   answer
function    prepare      user   today-2.1   gone
function    elsewhere    user   today-2.2   libmoved:answer
variable    number_old   user   today-2.3   number_new
variable    lost         user   today-2.4   gone
type        status_t     user   today-2.5   state
enumerator  PHASE_OLD    user   today-2.6   PHASE_NEW
member      sec          state  today-2.7   time / 1000
member      msec         state  today-2.7   time % 1000
member      bytes        state  today-2.7   in.count * 8
member      count        state  today-2.7   in.count
member      ref          char   today-2.8   .
member      dropped      state  today-2.9   gone
function    vfs_gaze     kernel Kern-3.1    vfs_never_was
function    vfs_gaze     kernel Kern-3.2    vfs_read
function    vfs_lost     kernel Kern-3.3    gone
tracepoint  sched_flip   kernel Kern-3.4    sched_switch
END

exe=$scratch/today
old() { run_once -I "$scratch/facts" --exec "$exe" "$@"; }
compiles() { old -p2 -e "$1"; }
refused() { ! old -p2 -e "$1"; }

f="process(\"$exe\").function"
check 'a point on a function that is gone is left out' \
    compiles "probe begin {} probe $f(\"prepare\") { println(\$x) }"
check '... with a warning that says since when, and where' \
    said '^-e:1:.*warning: nothing is probed here: prepare\(\) is gone since today 2\.1'
compiles "probe begin {} probe $f(\"prepare\")? { }" || :
check '... an optional one is left out in silence' test ! -s "$scratch/err"
check 'a function that nothing is known of is an error' refused "probe begin {} probe $f(\"prepar\") { }"
check 'a function in a library that is not loaded is an error' refused "probe begin {} probe $f(\"elsewhere\") { }"
check '@defined() tells builds apart' old -p2 -e "probe begin { if (@defined(@cast(0, \"state\", \"$exe\")->sec)) no_such_function() }"
check 'a member that is gone is an error' refused "probe begin { println(@cast(0, \"state\", \"$exe\")->dropped) }"
check '... that says since when' said 'gone since today 2\.9'
check 'a variable that is gone likewise' refused "probe begin { println(@var(\"lost\", \"$exe\")) }"
check '... that says since when' said 'gone since today 2\.4'
enumerator() { old -e 'probe begin { println(@enum("PHASE_OLD")) exit() }' && printed '^41$'; }
check 'an enumerator by its old name' enumerator

if [[ -r /sys/kernel/btf/vmlinux && -r /proc/kallsyms ]]; then
    check 'a function of the kernel, by the name that it has here' \
        compiles 'probe kernel.function("vfs_gaze") { println($count, probefunc()) }'
    check '... and told' said \
        'warning: probing vfs_read\(\) of the kernel, as vfs_gaze\(\) is called since Kern 3\.2'
    check '... where another may be meant nothing is asked' compiles \
        'probe kernel.function("vfs_gaze")?, kernel.function("vfs_read") { }'
    check '... so that none is probed twice' test ! -s "$scratch/err"
    check 'a function of the kernel that is gone is left out' \
        compiles 'probe begin {} probe kernel.function("vfs_lost") { println($x) }'
    check '... and told' said \
        'warning: nothing is probed here: vfs_lost\(\) of the kernel is gone since Kern 3\.3'
    check 'a tracepoint by its old name' \
        compiles 'probe kernel.trace("sched_flip") { println($prev->pid, $$name) }'
    check '... and told' said \
        'warning: probing the tracepoint sched_switch, as sched_flip is called since Kern 3\.4'
else
    skip 'names of the kernel' "they need its BTF and symbols"
fi

if ((UID == 0)); then
    program() { run_once -I "$scratch/facts" -c "$exe" -e "$1" && printed "$2"; }
    check 'a renamed function is probed' program "global n probe $f(\"respond\") { n++ } probe end { println(n, \" hits\") }" '^7 hits$'
    check '... and told' said 'warning: probing answer\(\), as respond\(\) is called since today 2\.0'
    check 'its return, too' program "global n probe $f(\"respond\").return { n += \$return } probe end { println(n, \" in all\") }" '^86415 in all$'
    check 'members: divided, the rest, within another, a multiple; the pointer itself' program \
        "probe $f(\"answer\") { printf(\"%d %d %d %d %x\n\", \$s->sec, \$s->msec, \$s->count, \$s->bytes, \$s->w->ref) exit() }" \
        '^12 345 77 616 1000$'
    sum="@cast(\$s, \"status_t\")->time + @var(\"number_old\")"
    check 'a type and a variable by their old names' program \
        "probe $f(\"answer\") { println($sum) exit() }" '^12354$'
else
    skip 'scripts on the program' 'they need root'
fi

# ---- lines that are no facts

# bad LINE COLUMN WORDS: the third line of a file is LINE
bad() {
    printf '# one\nvariable a user x-1 b\n%s\n' "$1" >"$scratch/facts/moved.txt"
    ! run_once -I "$scratch/facts" -p2 -e 'probe begin {}' &&
        said "^$scratch/facts/moved\.txt:3:$2: error: $3"
}
check 'an unknown word' bad 'macro a user x-1 b' 1 'a line begins with function'
check 'too few columns' bad 'variable a user x-1' 17 'a line has five columns'
check 'no name' bad 'variable 4a user x-1 b' 10 'this is no name'
check 'of nobody' bad 'variable a kernels x-1 b' 12 'this is of user or kernel'
check 'a version without its product' bad 'variable a user 1.2 b' 17 'the version is written'
check 'arithmetic that is none' bad 'member a t x-1 b / 0' 16 "behind a member there may be"
check 'a path that is none' bad 'member a t x-1 b..c' 16 'a member is at NAME'
check 'a new name that is none' bad 'variable a user x-1 b c' 21 'the new name'

# ---- our facts

facts() { awk -v what="$1" -v of="$2" '$1 == what && (of == "" || $3 == of)' tapset/moved.txt; }

# The kernel's types as bpftool prints them, each member by its type's name.
if bpftool btf dump file /sys/kernel/btf/vmlinux format c >"$scratch/kernel.h" 2>/dev/null; then
    member_of() { # TYPE MEMBER: anywhere between the braces of the type
        awk -v head="^struct $1 [{]" -v member="[ *(]$2(\\[[^]]*\\])*( : [0-9]+)?;" '
            $0 ~ head { on = 1; next }
            on && /^[}]/ { exit }
            on && $0 ~ member { found = 1; exit }
            END { exit !found }' "$scratch/kernel.h"
    }
    release=$(uname -r | grep -oE '^[0-9]+\.[0-9]+')
    wrong=0 seen=0
    while read -r _ name of since now; do
        [[ $since = Linux-* ]] || continue
        [[ $(printf '%s\n' "${since#Linux-}" "$release" | sort -V | tail -1) = "$release" ]] || continue
        seen=$((seen + 1))
        ! member_of "$of" "$name" || { echo "# $of still has $name"; wrong=1; }
        [[ $now = gone ]] || member_of "$of" "${now%%[. ]*}" ||
            { echo "# $of has no $now"; wrong=1; }
    done < <(facts member '')
    check 'this kernel has the members that it should have, and no others' test "$wrong" = 0 -a "$seen" -gt 10
else
    skip 'the facts of the kernel' 'bpftool cannot read its types'
fi

if [[ -d ${NGSTAP_TARGETS:-} ]]; then
    nginx=$NGSTAP_TARGETS/gc64/srv/openresty/nginx/sbin/nginx
    nm "$nginx" | awk '{ print $NF }' | sort -u >"$scratch/symbols"
    wrong=0 seen=0
    while read -r _ name _ since now; do
        case $since in
        nginx-1.2[3-9]* | ngx_lua-0.10.2[4-9]*) continue ;; # newer than what is built
        nginx-* | ngx_lua-*) ;;
        *) continue ;;
        esac
        seen=$((seen + 1))
        ! grep -qx "$name" "$scratch/symbols" || { echo "# nginx still has $name"; wrong=1; }
    done < <(facts function user)
    check 'nginx has none of the functions that are gone' test "$wrong" = 0 -a "$seen" -gt 50
else
    skip 'the facts of nginx' 'NGSTAP_TARGETS is not set'
fi

finish
