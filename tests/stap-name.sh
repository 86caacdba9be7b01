#!/bin/bash
#
# An installed copy under the name stap, in the folder that make install gives it: what scripts ask
# of SystemTap's stap (--version, its options), -G, -l and -L, --suppress-*, what is printed of
# globals that nothing reads. What -L prints of a C program was printed by SystemTap 4.8; where a
# stap and any kernel's headers are installed, it is asked again. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

((UID == 0)) || skip_all 'needs root'
make -s -C "$builddir" install DESTDIR="$scratch/installed" >"$scratch/out" 2>"$scratch/err" || :
stap=$(find "$scratch/installed" -path '*/libexec/ngstap/stap/stap')
check 'make install' test -x "$stap"
repository=$PWD
mkdir "$scratch/here"
cd "$scratch/here"

# run ARGUMENT...: under the name stap; status, out and err
run() {
    status=0
    timeout 60 "$stap" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
}
# gives NAME TEXT ARGUMENT...: status 0, nothing said, and TEXT printed, no more
gives() {
    local name=$1 text=$2
    shift 2
    run "$@"
    check "$name" is "$text"
}
is() { [[ $status = 0 && ! -s $scratch/err && $(<"$scratch/out") = "$1" ]]; }
# refuses NAME PATTERN ARGUMENT...: status 1, one error, and PATTERN in what it says
refuses() {
    local name=$1 pattern=$2
    shift 2
    run "$@"
    check "$name" refused "$pattern"
}
refused() { [[ $status = 1 && $(grep -c 'error: ' "$scratch/err") = 1 ]] && said "$1"; }

# ---- the name

beside() { find "$scratch/installed" -name stap -path '*/bin/*'; }
check 'it stands in no folder of programs' test -z "$(beside)"
run --version
first_line() { head -n 1 "$scratch/out" |
    grep -qE '^Systemtap translator/driver \(version [0-9]+\.[0-9]+/[0-9.]+, ngstap [0-9.]+\)$'; }
check '--version begins as SystemTap does' first_line
cp "$scratch/out" version
run -V
check '-V says the same' cmp -s version "$scratch/out"
hello='probe begin { println("hello") exit() }'
PATH=$(dirname "$stap"):$PATH
gives 'by PATH' hello -e "$hello"
check '... it is found' test "$(command -v stap)" = "$stap"

# ---- options

for option in --all-modules --ldd '-s 160' -t -u -k -q -P -w -v '--vp 00001' --color \
    --colour=never --color=auto '--compatible 2.3' \
    --compatible=4.8 '-B CONFIG_X=y' '--modinfo a=b' '-R /usr' \
    --prologue-searching --prologue-searching=never --check-version --disable-cache \
    --poison-cache --download-debuginfo=yes --save-uprobes '--tmpdir /tmp' --example --bpf \
    --runtime=kernel --runtime=bpf -DDEBUG_UPROBES=9 --skip-badvars --no-global-var-display \
    --suppress-handler-errors '-g --suppress-time-limits' "-r $(uname -r)"; do
    # shellcheck disable=SC2086 # two words
    run $option -e "$hello"
    check "$option" printed '^hello$'
    check '... in silence' eval '! said "(error|warning|ERROR|WARNING): "'
done
for option in -F '-S 5' -b -i --interactive -W '-a arm64' --monitor --monitor=3 --dyninst \
    --privilege=stapusr --unprivileged --use-server --use-server=a --list-servers \
    '--remote=there' --clean-cache --dump-functions --dump-probe-aliases '--sysenv=A=B' \
    '--target-namespaces=1' '--rlimit-cpu=5'; do
    # shellcheck disable=SC2086 # two words
    refuses "$option is refused" 'is not taken: [a-z]' $option -e "$hello"
done
refuses '-s of nothing' 'not a number' -s 0 -e "$hello"
refuses '-s of a word' 'not a number' -s big -e "$hello"
refuses '--vp of a word' 'a digit' --vp 1x -e "$hello"
refuses '--color of a word' 'never, always or auto' --color=blue -e "$hello"
refuses '--compatible of a word' 'not a version' --compatible new -e "$hello"
refuses '--compatible of what is to come' 'newer' --compatible 9.1 -e "$hello"
refuses '--runtime of a word' 'kernel and bpf' --runtime=dyninst -e "$hello"
gives '--compatible in the preprocessor' old --compatible 2.3 -e \
    'probe begin { println(%( systemtap_v < "3.0" %? "old" %: "new" %)) exit() }'
run --color=always -e 'probe begin { nothing_of_that_name() }'
check '--color=always' said $'\e'
run -e 'probe begin { nothing_of_that_name() }'
check '... and not without' eval "! said $'\\e'"
gives '-E' $'hello\nmore' -E 'probe begin(1) { println("more") }' -e '
    probe begin { println("hello") }
    probe begin(2) { exit() }'
refuses '-E with an error' '^-E:1:' -E 'probe begin {' -e "$hello"
run --dump-probe-types
check '--dump-probe-types' printed '^timer\.s\(number\)$'

# ---- -G

script='global n = 1, name, only, never, array, stats
probe begin {
    n++
    if (name == "x") n += 100
    println(n, " ", name, " ", only)
    array[1] = 2; stats <<< 1
    exit()
}
probe end { if (array[1] + @sum(stats) == 0) println(never) }'
echo "$script" >g.stp
gives 'globals as they are' '2  0' -w g.stp
gives '-G of a number' '42  0' -w -G n=41 g.stp
gives '... in hexadecimal' '256  0' -w -G n=0xff g.stp
gives '... and below zero' '-4  0' -w -G n=-5 g.stp
gives '-G of a string, twice' '102 x 7' -G name=x -w -G only=7 g.stp
gives '-G gives a type' '2  seven =' -w -G 'only=seven =' g.stp
gives 'the last -G counts' '4  0' -w -G n=2 -G n=3 g.stp
gives '-G of an empty string' '2  0' -w -G name= g.stp
refuses '-G of a global that is not there' 'no global of that name' -G quux=1 g.stp
refuses '... with a near name' 'did you mean name\?' -G nmae=1 g.stp
refuses '-G of text for a number' "'41x' is none" -G n=41x g.stp
refuses '-G beyond 64 bits' 'is none' -G n=99999999999999999999 g.stp
refuses '-G of an array' 'an array' -G array=1 g.stp
refuses '-G of an aggregate' 'an aggregate' -G stats=1 g.stp
refuses '-G without a value' 'no =VALUE' -G n g.stp
refuses '-G without a name' 'no name' -G =1 g.stp
run -w -p4 -m made -G n=9 -G name=kept g.stp
gives 'an object keeps it' '10 kept 0' made.bpf.o
refuses 'an object was made before' 'was made before' -G n=3 made.bpf.o

# ---- -l and -L

cat >"$scratch/t.c" <<'END'
struct point { int x, y; };
enum color { RED, GREEN };
typedef unsigned long word_t;
typedef int (*callback)(void);
__attribute__((noinline)) static int add(int a, struct point *p, const char *s)
{
    int sum = a + p->x;
    for (int i = 0; i < 3; i++)
        sum += s[i];
    return sum;
}
__attribute__((noinline)) void walk(enum color c, word_t w, struct point by_value, int (*fn)(int),
    void (*gn)(int, char *), callback cb, struct { int z; } *z, int m[3][4], int *restrict r,
    volatile int *v, const char *const *cc, int (**ff)(void), void *vp)
{
    int table[2][3] = {{0}};
}
struct point *found(unsigned char u) { return 0; }
int main(int argc, char **argv)
{
    struct point p = {argc, 2};
    walk(GREEN, 3, p, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    return add(argc, &p, "x") + !found(1);
}
END
${CC:-cc} -g -O0 -w -o "$scratch/t" "$scratch/t.c"
at() { echo "process(\"$scratch/t\").function(\"$1@$scratch/t.c:$2\")"; }
of() { echo "process(\"$scratch/t\").function(\"$1\")"; }
add="$(at add 5) \$a:int \$p:struct point* \$s:char const* \$sum:int"
walk="$(at walk 12) \$c:enum color \$w:word_t \$by_value:struct point \$fn:int (*) (int) \
\$gn:void (*) (int, char*) \$cb:callback \$z:struct {...}* \$m:int[]* \$r:int* restrict \
\$v:int volatile* \$cc:char const* const* \$ff:int (**) (void) \$vp:void* \$table:int[]"
gives '-L of a function' "$add" -L "$(of add)"
gives '-L of all kinds of types' "$walk" -L "$(of walk)"
gives '-L of several' "$add"$'\n'"$(at found 18) \$u:unsigned char" -L "$(of '*[d]@*t.c')"
gives '-L of a return' "$(at found 18).return \$return:struct point* \$u:unsigned char" \
    -L "$(of found).return"
gives '... which a function without a value has not' "$(at walk 12).return${walk#"$(at walk 12)"}" \
    -L "$(of walk).return"
gives '-l' "$(at add 5)" -l "$(of add)"
gives '-l of a wildcard in the name' "$(at add 5).call
$(at add 5).return" -l "$(of add).*"
gives '... in the kind' "$(at add 5)" -l "proc*(\"$scratch/t\").func*(\"add\")"
gives '-l by -c' "$(at add 5)" -c "$scratch/t" -l 'process.function("add")'
gives '-l of a timer' 'timer.s(1)' -l 'timer.s(1)'
gives '-l of timers' 'timer.profile' -l 'timer.*'
gives '-l of several points' $'begin\nend' -l 'end, begin, begin'
mkdir aliases
echo 'probe my.add = process(@1).function("add") { first = $a; label = "is"; __hidden = 1 }
probe my.other = begin, end { }' >aliases/my.stp
gives '-l of aliases' $'my.add\nmy.other' -I aliases -l 'my.*' "$scratch/t"
gives '-L of an alias' "my.add first:long label:string${add#"$(at add 5)"}" -I aliases -L my.add \
    "$scratch/t"
if [[ -r /sys/kernel/btf/vmlinux ]]; then
    run -L 'kernel.trace("sched_process_for[k]")'
    check '-L of a tracepoint' printed \
        '^kernel\.trace\("sched_process_fork"\) \$parent:struct task_struct\* \$child:struct task_struct\*$'
else
    skip '-L of a tracepoint' 'the kernel has no BTF'
fi
refuses '-l of a function that is not there' "did you mean 'found'" -l "$(of fuond)"
check '... prints nothing' test ! -s "$scratch/out"
refuses '-l of a file that is not there' 'no such file' -l 'process("/nowhere").function("f")'
refuses '-l of a kind that is not there' 'no probe point' -l 'timre.*'
refuses '-l of no probe point' 'syntax' -l 'begin end'
refuses '-l of nothing' 'syntax' -l ''
refuses '-l with a script' 'no script goes with' -l begin -e "$hello"
refuses '-l twice' 'given twice' -l begin -L end

headers=$(find /lib/modules -mindepth 2 -maxdepth 2 -name build 2>/dev/null | head -n 1)
theirs=/usr/bin/stap
if [[ -x $theirs && -e $headers/.config ]]; then
    "$theirs" -r "$headers" -L "$(of '[aw]*')" 2>"$scratch/err" | grep '@' >theirs || :
    run -L "$(of '[aw]*@*')"
    check 'SystemTap lists the same' cmp -s theirs "$scratch/out"
else
    skip 'SystemTap lists the same' "no stap with a kernel's headers"
fi

# ---- --suppress-*

errors='global n probe timer.ms(1) { if (n++ == 20) exit() error("again") } probe end { println("end") }'
run -e "$errors"
check 'an error ends a session' test "$status" = 1
run --suppress-handler-errors -e "$errors"
check '--suppress-handler-errors lets it go on' printed '^end$'
check '... ends well' test "$status" = 0
check '... tells no error' eval '! said "ERROR"'
check '... but how many there were' said 'Number of errors: 2[01]'
run --suppress-handler-errors -D MAXERRORS=1 -e "$errors"
check '... whatever -D says' test "$status" = 0
run --suppress-handler-errors -T 0.4 -e 'global n probe timer.profile { n++ error("in the kernel") }
    probe end { println(n > 3 ? "many" : "few") }' -c 'sh -c "while :; do :; done"'
check '... in the kernel, too' printed '^many$'
check '... which tells none either' eval '! said "ERROR"'
gives 'try and catch stay' 'caught: mine' --suppress-handler-errors -e \
    'probe begin { try { error("mine") } catch (e) { println("caught: ", e) } exit() }'

long='global s probe begin { for (i = 0; i < 3000000; i++) s++; println(s) exit() }'
run -e "$long"
check 'a handler that runs long' said 'ERROR: MAXACTION exceeded'
gives '--suppress-time-limits' 3000000 -g --suppress-time-limits -D MAXACTION=10 -e "$long"
run --suppress-time-limits -e "$long"
check '... needs -g' refused 'guru mode: -g'
gives '... in the kernel' 400000 -g --suppress-time-limits -T 20 -c 'sh -c "while :; do :; done"' -e \
    'global s, n probe timer.profile { if (n++) next; for (i = 0; i < 400000; i++) s++; exit() }
    probe end { println(s) }'

# ---- globals that nothing reads

gives 'globals that nothing reads' 'n=5
s="a b"c"
a["z"]=9
a["k"]=3
st @count=2 @min=4 @max=7 @sum=11 @avg=5
none @count=0x0
of[1] @count=1 @min=2 @max=2 @sum=2 @avg=2
two[1,"b"]="v"' -e 'global n, s, a, st, none, of, two
probe begin {
    n = 5; s = "a b\"c"; a["k"] = 3; a["z"] = 9; st <<< 4; st <<< 7; of[1] <<< 2
    two[1, "b"] = "v"; if (pid() < 0) none <<< 1
    exit()
}'
gives '--no-global-var-display' '' --no-global-var-display -e 'global n probe begin { n = 5; exit() }'

# ---- --dump-src-out

echo 'probe begin { println("$^arg_word :default(none)") exit() }' >s.sxx
gives '--dump-src-out runs nothing' '' --dump-src-out expanded.stp --arg word=spoken s.sxx
gives '... and leaves a script' spoken expanded.stp
refuses '... where it can' 'cannot write' --dump-src-out /nowhere/s.stp s.sxx
refuses '... in one file' 'given twice' -o a --dump-src-out b s.sxx

make -s -C "$builddir" uninstall DESTDIR="$scratch/installed" >"$scratch/out" 2>"$scratch/err" || :
check 'make uninstall' test ! -e "$(dirname "$stap")"
cd "$repository"
finish
