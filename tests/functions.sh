#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# The tapset's functions, in handlers of user space and of the kernel. What they are to give says
# somebody else: the C library (functions/strings.c), date(1), the C compiler's errno.h, /proc
# (functions/facts.c); the rest was worked out by hand from SystemTap's manual pages. What
# SystemTap's modules print is in tests/judge.
#
# Needs a C compiler; kernel handlers need root and eBPF. About 40 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

cat >"$scratch/once.c" <<'END'
struct box { int first; long second; char name[13]; };
struct box boxes[2] = {{1, 2, "one"}, {3, 4, "two"}};
long *inside = &boxes[1].second;
__attribute__((noinline)) void once(void) { __asm__ volatile(""); }
int main(void) { once(); return 0; }
END
for name in once strings facts; do
    source=tests/functions/$name.c
    [[ -e $source ]] || source=$scratch/$name.c
    ${CC:-cc} -g -O1 -o "$scratch/$name" "$source" 2>"$scratch/err" || skip_all 'no C compiler'
done
once="process(\"$scratch/once\").function(\"once\")"

kernel=
[[ $UID = 0 ]] && "$ngstap" -e 'probe begin { exit() } probe timer.profile { }' >"$scratch/out" \
    2>"$scratch/err" &&
    kernel=1

same_output() { [[ $status = 0 ]] && cmp -s "$scratch/want" "$scratch/out"; }

# prints NAME PROBE FILE [OPTION]...: the statements in FILE print $scratch/want, and say nothing.
prints() {
    local name=$1 probe=$2 file=$3
    shift 3
    { echo "probe $probe {"; cat "$file"; echo "exit() }"; } >"$scratch/script.stp"
    trace -D MAXACTION=100000 "$@" "$scratch/script.stp"
    check "$name" same_output
}
in_kernel() { # NAME FILE [OPTION]...
    if [[ $kernel ]]; then
        prints "$1" "$once" "$2" -c "$scratch/once" "${@:3}"
    else
        skip "$1" 'handlers in the kernel need root and eBPF'
    fi
}
both() { # NAME STATEMENTS TEXT
    echo "$2" >"$scratch/statements"
    printf '%b' "$3" >"$scratch/want"
    prints "$1" begin "$scratch/statements"
    in_kernel "$1 (kernel)" "$scratch/statements"
}

# ---- strings, against the C library ----

for seed in 1 2 3 4 5 6; do
    "$scratch/strings" "$seed" script >"$scratch/statements"
    "$scratch/strings" "$seed" want >"$scratch/want"
    prints "strings of seed $seed" begin "$scratch/statements"
    in_kernel "strings of seed $seed (kernel)" "$scratch/statements"
    ((seed > 2)) || in_kernel "strings of seed $seed (kernel without may_goto)" \
        "$scratch/statements" --no-feature=may_goto
done
both 'parts and places outside of a string' \
    'println(substr("abc", -1, 2), substr("abc", 3, 1), substr("abc", 1, -1), substr("abc", 1, 0))
    println(strpos("abc", ""), strpos("", ""), strpos("", "a"), isinstr("", ""), isdigit(""))
    try { stringat("abc", 3) } catch (e) { println(e) }
    try { stringat("abc", -1) } catch (e) { println(e) }' \
    '\n00-110\nPosition out of bounds\nPosition out of bounds\n'
both 'strtol as the kernel: signs, prefixes, what is no digit' \
    'printf("%d %d %d %d %d %d %d %d\n", strtol("0x1f", 16), strtol("0X1f", 0), strtol("017", 0),
        strtol("0xg", 0), strtol("12z", 10), strtol(" 1", 10), strtol("+1", 10),
        strtol("--1", 10))' \
    '31 31 15 0 12 0 0 0\n'
both 'tokenize keeps a string for each thread until it is used up' \
    'println(tokenize(",,one,two,,three,", ","), tokenize("", ","), tokenize(","), tokenize(","),
        tokenize("", ","), "|", tokenize(" a b", " "), tokenize("c", " "), tokenize(" "))' \
    'onetwothree|ac\n'
both 'text_str and its kin' \
    'println(text_str("a\"\\\\\a\b\f\n\r\t\v\001\177"), text_str("\303\251\360\237\230\200\377\303"))
    println(string_quoted("a\tb"), text_strn("abcdefghij", 9, 1), text_strn("abcdefghij", 4, 0),
        text_strn("abcde", 9, 1), text_strn("abc\n\n\n\n", 9, 1), string_quoted(""))' \
    'a\\"\\\\\\\\\\a\\b\\f\\n\\r\\t\\v\\001\\177\\u00E9\\U0001F600\\377\\303\n"a\\tb""abcd"...abcd"abcde""abc"...""\n'

# ---- dates, errors ----

: >"$scratch/statements"
: >"$scratch/want"
for seconds in 0 1 -1 951782399 951782400 951868800 1709164800 1718454896 2147483647 -2147483648 \
    -86400 -86401 4107542399; do
    ((seconds > 2147483647)) && continue
    echo "println(ctime($seconds))" >>"$scratch/statements"
    LC_ALL=C date -u -d "@$seconds" '+%a %b %e %H:%M:%S %Y' >>"$scratch/want"
done
prints 'dates' begin "$scratch/statements"
in_kernel 'dates (kernel)' "$scratch/statements"
both 'dates that SystemTap has none for' \
    'try { ctime(1 << 31) } catch (e) { println(e) }
    try { ctime(-(1 << 31) - 1) } catch (e) { println(e) }
    println(ctime() == ctime(gettimeofday_s()))' \
    'Time too far in the future to be converted\nTime too far in the past to be converted\n1\n'
for zone in UTC Asia/Kolkata America/New_York; do
    [[ -e /usr/share/zoneinfo/$zone ]] || continue
    export TZ=$zone
    at=$(date +%s)
    west=$(date -d "@$at" +%z | awk '{ s = substr($0, 2, 2) * 3600 + substr($0, 4, 2) * 60
        print /^-/ ? s : -s + 0 }')
    both "local dates in $zone" "println(tz_ctime($at), \"|\", tz_gmtoff(), \"|\", tz_name())" \
        "$(LC_ALL=C date -d "@$at" '+%a %b %e %H:%M:%S %Y %Z')|$west|$(date +%Z)\n"
    unset TZ
done
echo '#include <errno.h>' | ${CC:-cc} -E -dM - |
    sed -nE 's/^#define (E[A-Z0-9]+) ([0-9]+)$/\1 \2/p' | sort -k 2n >"$scratch/errors"
sed -E 's/.* (.*)/println(errno_str(\1), " ", errno_str(-\1), errno_p(-\1))/' "$scratch/errors" \
    >"$scratch/statements"
sed -E 's/(.*) (.*)/\1 \1\2/' "$scratch/errors" >"$scratch/want"
prints "$(wc -l <"$scratch/errors") errors' names" begin "$scratch/statements"
in_kernel "errors' names (kernel)" "$scratch/statements"
both 'what a system call returns' \
    'println(errno_str(0), errno_str(41), errno_str(4000), "|", return_str(1, -2), "|",
        return_str(2, 255), "|", return_str(3, 8), "|", return_str(1, 7), "|",
        return_str(1, -9999))' \
    '|-2 (ENOENT)|0xff|010|7|-9999\n'

# ---- numbers and units ----

both 'byte order' \
    'printf("%x %x %x %x %x %x\n", big_endian2(0x1234), big_endian4(0x12345678),
        big_endian8(0x123456789abcdef0), little_endian2(0x31234), little_endian4(-1),
        little_endian8(-1))' \
    '3412 78563412 f0debc9a78563412 1234 ffffffff ffffffffffffffff\n'
both 'device numbers' \
    'printf("%d %d %x %x\n", MAJOR(0x803001), MINOR(0x803001), MKDEV(8, 0x3001),
        usrdev2kerndev(0x3000801))' \
    '8 12289 803001 803001\n'
both 'times and sizes' \
    'println(msecs_to_string(61001), " ", usecs_to_string(61000001), " ", nsecs_to_string(5),
        " ", cputime_to_string(3600000000000), " ", cputime_to_usecs(1999), " ",
        cputime_to_msecs(1999999))
    println(bytes_to_string(5), "|", bytes_to_string(1536), "|", bytes_to_string(10444), "|",
        bytes_to_string(1023 * 1024), "|", bytes_to_string(5 << 30), "|", pages_to_string(3))' \
    '1m1.001s 1m1.000001s 0m0.000000005s 60m0.000s 1 1\n    5|1.50K|10.1K|1023K|5.00G|12.0K\n'
both 'signals' \
    'println(signal_str(1), " ", signal_str(29), " ", signal_str(31), " ", signal_str(32), " ",
        signal_str(64), signal_str(0), signal_str(65), "|", sigset_mask_str(0x4003), "|",
        sigset_mask_str(0), "|", sa_flags_str(0x14000004), "|", sa_flags_str(0), "|",
        sa_handler_str(0), sa_handler_str(1), sa_handler_str(-1), sa_handler_str(255))' \
    'HUP IO/POLL SYS RTMIN RTMIN+32|1,2,15||SIGINFO|RESTART|RESTORER||defaultignorederror0xff\n'
both 'addresses' \
    'println(ip_ntop(0x0100007f), " ", format_ipaddr(0xfe01a8c0, 2), " ", format_ipaddr(1, 3))' \
    '127.0.0.1 192.168.1.254 *unknown address family*\n'
both 'random numbers' \
    'for (i = 0; i < 300; i++) { n = randint(3); if (n < 0 || n > 2) println("out of range")
        seen |= 1 << n } println(seen, randint(1), randint(0), randint(1 << 20) < 1 << 20)' \
    '7001\n'

# ---- the terminal, the session ----

both 'codes of the terminal' \
    'ansi_clear_screen() ansi_set_color(31) ansi_set_color(31, 40) ansi_set_color3(31, 40, 1)
    ansi_set_color(31, 40, 0) ansi_reset_color() ansi_cursor_move(3, 4) ansi_cursor_save()
    ansi_cursor_restore() ansi_cursor_hide() ansi_cursor_show() ansi_new_line()' \
    '\033[1;1H\033[J\033[31m\033[40;31m\033[40;31;1m\033[40;31m\033[0;0m\033[4;3H\033[s\033[u\033[?25l\033[?25h\n'
both 'speculation' \
    'a = speculation(); b = speculation(); speculate(a, "no"); speculate(b, "one "); speculate(b, "two")
    println(a != b); discard(a); commit(b); commit(b); commit(a); println("")' '1\none two\n'
both 'log, assert, cpuid' \
    'log("line") assert(1) assert(1, "no") try { assert(0) } catch (e) { log(e) }
    try { assert(2 < 1, "why") } catch (e) { log(e) } println(cpuid() >= 0)' \
    'line\nAssertion failed\nwhy\n1\n'
printf '0\n' >"$scratch/want"
echo 'println(registers_valid())' >"$scratch/statements"
prints 'no registers in begin' begin "$scratch/statements"
echo 1 >"$scratch/want"
in_kernel 'registers where a function is' "$scratch/statements"

printf 'once\n' >"$scratch/want"
trace -e 'probe oneshot { println("once") }'
check 'oneshot' same_output
echo 'begin(-5)|my.*|0|-1|' >"$scratch/want"
trace -e 'probe my.alias = begin { } probe begin(-5) { print(pn(), "|") }
    probe my.* { println(pn(), "|", is_return(), "|", remote_id(), "|", remote_uri()); exit() }'
check 'pn and is_return' same_output

# The way of one byte beside that of two, of which the other does not occur; longer than the parts
# that such loops are cut into.
cat >"$scratch/spans.stp" <<'END'
global n, bad
probe kernel.trace("sched_switch") {
    for (len = 0; len < 600; len += 1 + 40 * (len > 40)) {
        text .= "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        text = substr(text, 0, len)
        for (at = 0; at < 12; at++) {
            n++
            all = text . "|cc|dd"
            bad += __span(all, "|", at, 1) != __span(all, "|~", at, 1) ||
                __span(text, "|", at, 1) != __span(text, "|~", at, 1) ||
                (at <= strlen(text) && __span(all, "|", at, 1) != strlen(text) - at)
        }
    }
    exit()
}
probe end { println(n > 500 ? "many" : "few", " ", bad) }
END
echo 'many 0' >"$scratch/want"
for feature in snprintf may_goto; do
    trace --no-feature=$feature -D MAXSTRINGLEN=2048 -D MAXACTION=100000 "$scratch/spans.stp"
    check "how far a byte is, without $feature" same_output
done

echo 'a1' >"$scratch/want"
trace -e 'global n probe begin { n["x"]++; println(tokenize("a b", " "), n["x"]) exit() }
    probe end { delete n }'
check 'what a function calls n is not the array n of the script' same_output

# An alias of a folder's own, which may have effects: all of it runs, read or not.
mkdir "$scratch/own"
cat >"$scratch/own/my.stp" <<'END'
global bumped
function bump() { return ++bumped }
function bumps() { return bumped }
probe my.start = begin { unused = bump() }
END
echo 1 >"$scratch/want"
trace -I "$scratch/own" -e 'probe my.start { println(bumps()) exit() }'
check 'what an alias sets for its effect' same_output

# ---- what is counted for a script: clocks, depth ----

both 'a stopwatch runs while it runs' \
    'start_stopwatch("w") for (i = 0; i < 50; i++) ; stop_stopwatch("w"); a = read_stopwatch_ns("w")
    for (i = 0; i < 50; i++) ; println(a > 0, a == read_stopwatch_ns("w"),
        read_stopwatch_us("w") == a / 1000, read_stopwatch_ms("w") == a / 1000000,
        read_stopwatch_s("w"))
    start_stopwatch("w"); println(read_stopwatch_ns("w") > a); delete_stopwatch("w");
    println(read_stopwatch_ns("w"))' \
    '11110\n1\n0\n'
both 'indentation by depth' \
    'println(thread_indent_depth(1), thread_indent_depth(1), thread_indent_depth(-1),
        thread_indent_depth(-1), thread_indent_depth(1), indent_depth(2), indent_depth(-2))
    s = thread_indent(1); println(isinstr(s, sprintf(" %s(%d): ", execname(), tid())),
        substr(s, strlen(s) - 2, 2)); s = indent(3); println(strlen(indent(-3)) - strlen(s))' \
    '0110011\n1: \n0\n'

# ---- macros ----

if [[ $kernel ]]; then
    cat >"$scratch/macros.stp" <<END
global seen
probe $once {
    println(@choose_defined(@var("no_such"), 5), @choose_defined(@var("boxes")[1]->first, 6))
    println(@module_container_of(@var("inside"), "$scratch/once", "box", second)->first, " ",
        @cast_module_sizeof("$scratch/once", "box"), " ", @cast_sizeof("box"), " ",
        @module_offsetof("$scratch/once", "box", name), " ", @offsetof("box", second))
    println(@container_of(@var("inside"), "box", second)->first, @type_defined("box"),
        @type_defined("no_such"), @module_type_defined("$scratch/once", "box"),
        @module_type_member_defined("$scratch/once", "box", first),
        @module_type_member_defined("$scratch/once", "box", third))
    println(@MAXSTRINGLEN > 256)
    @try_assign(read, user_string(8), "not read")
    println(read)
    @this1 = 7
    @this8 = 8
    seen[1] <<< 3
    seen[1] <<< 5
    seen[2] <<< 9
}
probe $once.return { println(@this1, @this8) }
probe end { @prints1(seen) @prints(seen[2]) }
END
    cat >"$scratch/want" <<'END'
53
3 32 32 16 8
310110
1
not read
78
[1] @count=2 @min=3 @max=5 @sum=8 @avg=4
[2] @count=1 @min=9 @max=9 @sum=9 @avg=9
@count=1 @min=9 @max=9 @sum=9 @avg=9
END
    trace -c "$scratch/once" "$scratch/macros.stp"
    check 'macros' same_output
else
    skip 'macros' 'handlers in the kernel need root and eBPF'
fi

# ---- processes ----

# fact NAME: what the target said of it; saw NAME: what the handler printed.
fact() { sed -n "s/^$1 //p" "$scratch/facts.out"; }
saw() { sed -n "s/^saw $1 //p" "$scratch/facts.out"; }
same() { [[ -n $(fact "$1") && $(fact "$1") = "$(saw "$1")" ]]; }
near() { # NAME PERCENT
    awk -v a="$(fact "$1")" -v b="$(saw "$1")" -v p="$2" \
        'BEGIN { exit !(a != "" && b != "" && (a - b) * (a - b) <= (a * p / 100) ^ 2) }'
}
cat >"$scratch/facts.stp" <<END
probe process("$scratch/facts").function("look") {
    t = task_current()
    println("saw pid ", pid())
    println("saw nice ", task_nice(t), "\nsaw prio ", task_prio(t), "\nsaw cpu ", task_cpu(t))
    println("saw nofile ", task_rlimit_nofile(t), "\nsaw nofile2 ", task_rlimit(t, "RLIMIT_NOFILE"))
    println("saw files ", task_open_file_handles(t), "\nsaw state ", task_state(t))
    println("saw args ", cmdline_str(), "\nsaw arg1 ", cmdline_arg(1), "\nsaw arg9 ",
        cmdline_arg(9))
    println("saw args2 ", cmdline_args(1, 2, "+"), "\nsaw home ", env_var("FACTS_HOME"))
    println("saw unset ", env_var("FACTS_HOM"), env_var("no_such"))
    println("saw parent ", pexecname(), "\nsaw start ", task_start_time(tid()) / 10000000)
    println("saw size ", proc_mem_size(), "\nsaw rss ", proc_mem_rss(), "\nsaw shared ",
        proc_mem_shr(), "\nsaw text ", proc_mem_txt(), "\nsaw data ", proc_mem_data())
    println("saw size2 ", proc_mem_size(pid()), "\nsaw none ", proc_mem_size(4000000))
    println("saw mem ", proc_mem_string() == proc_mem_string(pid()), proc_mem_string())
    println("saw utime ", cputime_to_msecs(task_utime()), "\nsaw utime2 ",
        task_utime(tid()) == task_utime(), "\nsaw stime ", task_stime() == task_stime(tid()))
    println("saw time ", task_time_string() == task_time_string_tid(tid()))
    println("saw task ", pid2task(pid()) == t, pid2task(4000000), pid2task(-1), pid2task(0))
    println("saw pgrp ", pgrp(), "\nsaw sid ", sid(), "\nsaw ns ", ns_pid() == pid() &&
        ns_tid() == tid() && ns_pgrp() == pgrp() && ns_uid() == uid())
    println("saw ancestry ", task_ancestry(t, 0), "\nsaw trace ", pstrace(t))
    println("saw blocked ", is_sig_blocked(t, 10), is_sig_blocked(t, 12))
    println("saw quoted ", user_string_quoted(@mm(@task(t)->mm)->env_start), user_string_quoted(8),
        user_string_n_quoted(@mm(@task(t)->mm)->arg_start, 4), user_string_nofault(8))
    println("saw name ", pid2execname(pid()), pid2execname(4000000))
    println("saw set ", target_set_pid(pid()), target_set_pid(4000000))
    println("saw cwd ", fullpath_struct_path(task_cwd_path(t)), "\nsaw exe ",
        fullpath_struct_file(t, current_exe_file()))
    f = @cast(current_exe_file(), "file", "kernel")->f_path->dentry
    i = @cast(f, "dentry", "kernel")->d_inode
    println("saw base ", d_name(f), "\nsaw inode ", inode_name(i) == reverse_path_walk(f), isinstr(fullpath_struct_file(t, current_exe_file()),
        reverse_path_walk(f)))
    println("saw quotes ", kernel_string_quoted(@task(t)->comm),
        kernel_or_user_string_quoted(@task(t)->comm), user_buffer_quoted(8, 3, 9), is_myproc())
    println("saw files2 ", current_exe_file() != 0, task_exe_file(t) == current_exe_file(),
        task_cwd_path(t) != 0, task_fd_lookup(t, 1) != 0)
    println("saw max ", task_max_file_handles(t) >= task_open_file_handles(t))
    try { task_fd_lookup(t, 99) } catch (e) { println("saw lookup ", e) }
    println("saw limits ", rlimit_from_str("RLIMIT_CPU"), rlimit_from_str("RLIMIT_RTTIME"),
        rlimit_from_str("RLIMIT_AS"), rlimit_from_str("RLIMIT_S"), rlimit_from_str("CPU"),
        task_rlimit(t, "no"))
}
END
if [[ $kernel && -r /sys/kernel/btf/vmlinux ]]; then
    FACTS_HOME=here trace -c "$scratch/facts one two" -D MAXACTION=100000 "$scratch/facts.stp"
    cp "$scratch/out" "$scratch/facts.out"
    for name in pid nice cpu nofile files args home parent start size text pgrp sid cwd exe; do
        check "a process: $name" same "$name"
    done
    check 'a process: rss' near rss 5
    check 'a process: shared' near shared 25
    check 'a process: data' near data 1
    check 'a process: utime, which the kernel samples' near utime 90
    while read -r name want; do
        check "a process: $name is $want" test "$(saw "$name")" = "$want"
    done <<END
prio 27
nofile2 123
state 0
arg1 one
arg9
args2 one+two
unset
size2 $(saw size)
none 0
utime2 1
stime 1
time 1
task 1000
name facts
set 10
files2 1111
base facts
inode 11
quotes "facts""facts"0x81
ns 1
blocked 10
max 1
lookup cannot find file in task
limits 0159-1-1-1
END
    check 'a process: where it comes from' grep -qE '^saw ancestry .*=>ngstap=>facts$' \
        "$scratch/facts.out"
    check '... with numbers' grep -qE "^saw trace  facts\\([0-9]+\\) ngstap\\([0-9]+\\) " \
        "$scratch/facts.out"
    check 'a process: quoted strings' grep -qE '^saw quoted ".*=.*"0x8"/tmp"$' "$scratch/facts.out"
    check 'a process: memory as text' grep -qE \
        '^saw mem 1size: +[0-9.]+M, rss: +[0-9.]+M, shr: +[0-9.]+[KM], txt: +[0-9.]+K, data: +[0-9.]+M$' \
        "$scratch/facts.out"
else
    skip 'a process' "needs root, eBPF and the kernel's BTF"
fi
echo 'println(task_utime() >= 0, task_pid(task_current()) == pid(), proc_mem_size() > 0,
    cmdline_str(), pid2task(pid()) == task_current(), target_set_pid(1), env_var("PATH") != "")' \
    >"$scratch/statements"
echo 111101 >"$scratch/want"
prints 'begin knows of its own task and environment' begin "$scratch/statements"

finish
