#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# The tapset's functions on sockets, packets, queues, signals, the kernel's logs, texts of wide
# characters and numbers of the type double. What they are to give says somebody else: Python's
# socket module and floating point, the target by its own clock (functions/calls.c), /proc, the
# kernel's log.
#
# Needs a C compiler and python3; kernel handlers need root and eBPF. About 40 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

${CC:-cc} -g -O1 -o "$scratch/calls" tests/functions/calls.c 2>"$scratch/err" ||
    skip_all 'no C compiler'
python3 -c '' 2>"$scratch/err" || skip_all 'no python3'
calls="process(\"$scratch/calls\")"
once="$calls.function(\"ask_signal\")"

kernel=
[[ $UID = 0 ]] && "$ngstap" -e 'probe begin { exit() } probe timer.profile { }' >"$scratch/out" \
    2>"$scratch/err" &&
    kernel=1
[[ $kernel ]] || no_kernel='handlers in the kernel need root and eBPF'

same_output() { [[ $status = 0 ]] && cmp -s "$scratch/want" "$scratch/out"; }
says() { grep -qF "$1" "$scratch/err"; }

# both NAME: the statements in $scratch/statements print $scratch/want, in both kinds of handlers.
both() {
    { echo 'probe begin {'; cat "$scratch/statements"; echo 'exit() }'; } >"$scratch/script.stp"
    trace -D MAXACTION=10000000 "$scratch/script.stp"
    check "$1" same_output
    if [[ ! $kernel ]]; then
        skip "$1 (kernel)" "$no_kernel"
        return
    fi
    { echo "probe $once {"; cat "$scratch/statements"; echo 'exit() }'; } >"$scratch/script.stp"
    trace -D MAXACTION=10000000 -o "$scratch/printed" -c "$scratch/calls" "$scratch/script.stp"
    mv "$scratch/printed" "$scratch/out"
    check "$1 (kernel)" same_output
}

# ---- numbers of the type double ----

for seed in 1 2; do
    python3 tests/functions/float.py $seed 40 "$scratch/statements" "$scratch/want"
    both "doubles of seed $seed"
done
cat >"$scratch/statements" <<'END'
try { string_to_fp("deadbeef") } catch (e) { println(e) }
println(fp_to_string(string_to_fp("-0.00001"), 8), " ", fp_to_string(0x7ff0000000000000, 2), " ",
    fp_to_string(-1, 2), " ", fp_to_string(string_to_fp("1250000000000000000000"), 3), " ",
    fp_to_string(string_to_fp("2.5"), 0), fp_to_string(string_to_fp("0.999"), 2))
END
cat >"$scratch/want" <<'END'
cannot convert to a floating point number: deadbeef
-0.00001000 inf nan 1.250e+21 21.00
END
both 'doubles as text'

# ---- names of the network's numbers, of errors ----

python3 - "$scratch/statements" "$scratch/want" <<'END'
import socket
import sys
statements, want = open(sys.argv[1], "w"), open(sys.argv[2], "w")
def expect(call, text):
    statements.write("println(%s)\n" % call)
    want.write("%s\n" % text)
for name in ("INET", "INET6", "NETLINK", "PACKET", "X25", "IPX", "BLUETOOTH", "TIPC", "UNSPEC"):
    n = getattr(socket, "AF_" + name, None)
    if n is None: # Python was built without it
        continue
    expect('sock_fam_num2str(%d), sock_fam_str2num("%s")' % (n, name), name + str(int(n)))
for name in ("STREAM", "DGRAM", "RAW", "RDM", "SEQPACKET"):
    n = getattr(socket, "SOCK_" + name)
    expect('sock_type_num2str(%d), sock_type_str2num("%s")' % (n, name), name + str(int(n)))
for name in ("TCP", "UDP", "ICMP", "IGMP", "GRE", "SCTP", "PIM", "EGP", "RDP", "ISO-TP4",
             "IDPR-CMTP", "IPV6", "SKIP", "L2TP", "ISIS", "FC", "UDPLite", "MPLS-IN-IP"):
    n = {"SKIP": 57, "ISIS": 124, "FC": 133, "IDPR-CMTP": 38, "ISO-TP4": 29, "RDP": 27,
         "UDPLite": 136, "MPLS-IN-IP": 137}.get(name)
    try:
        n = n or socket.getprotobyname(name.lower())
    except OSError: # no /etc/protocols here
        continue
    expect('sock_prot_num2str(%d), sock_prot_str2num("%s")' % (n, name), name + str(n))
END
cat >>"$scratch/statements" <<'END'
println(sock_prot_num2str(61), sock_prot_num2str(-1), sock_prot_num2str(400), sock_fam_num2str(21),
    sock_state_num2str(5), sock_prot_str2num("TC"), sock_prot_str2num(""), sock_fam_str2num("INE"),
    sock_state_num2str(3), sock_state_str2num("FREE"), tcp_sockstate_str(10), tcp_sockstate_str(0))
println(nfsderror(0), nfsderror(htonl(70)), nfsderror(htonl(10008)), nfsderror(htonl(9)))
println(sa_handler(0), sa_handler(1), vm_fault_contains(1, 0), vm_fault_contains(3, 1),
    vm_fault_contains(4, 2), vm_fault_contains(4, 3), vm_fault_contains(0x100, 2), stack_size(),
    module_name(), symfile(255), symline(16), symfileline(-1))
END
cat >>"$scratch/want" <<'END'
UNDEFUNDEFUNDEFUNDEFUNDEF-1-1-1CONNECTED0TCP_LISTENUNDEF
nfsderr 0(NFS_OK)nfsderr 70(NFSERR_STALE)nfsderr 10008(NFSERR_JUKEBOX)nfsderr 9
defaultignored1101116384ngstap0xff0x100xffffffffffffffff
END
both 'names of numbers'

# ---- what calls.c knows of itself ----

fact() { sed -n "s/^$1 //p" "$scratch/facts"; }
saw() { sed -n "s/^saw $1 //p" "$scratch/facts"; }
same() { [[ -n $(fact "$1") && $(fact "$1") = "$(saw "${2:-$1}")" ]]; }
near() { # NAME PERCENT LEAST
    awk -v a="$(fact "$1")" -v b="$(saw "$1")" -v p="$2" -v least="$3" \
        'BEGIN { d = a - b; d = d < 0 ? -d : d; exit !(a != "" && b != "" && (d <= a * p / 100 || d <= least)) }'
}
facts() { # SCRIPT OPTION...: what both say, into $scratch/facts
    local script=$1
    shift
    trace -g -D MAXACTION=100000 "$@" -c "$scratch/calls" "$script"
    cp "$scratch/out" "$scratch/facts"
}

cat >"$scratch/facts.stp" <<END
probe $calls.function("look") {
    t = task_current()
    println("saw pid ", task_ns_pid(t), "\nsaw tid ", task_ns_tid(t), "\nsaw parent ", stp_pid())
    println("saw ids ", task_ns_uid(t), task_ns_gid(t), task_ns_euid(t), task_ns_egid(t))
    print("saw two ", user_string_utf16(\$t->two), "saw four ", user_string_utf32(\$t->four))
    println("saw quoted ", user_string_quoted_utf16(\$t->two))
    println("saw alike ", user_string_quoted_utf16(\$t->two) == user_string_quoted_utf32(\$t->four),
        user_string_quoted_utf16(\$t->two) == kernel_or_user_string_quoted_utf16(\$t->two),
        user_string_quoted_utf16(\$t->two) == kernel_or_user_string_quoted_utf32(\$t->four))
    try { user_string_utf16(\$t->lone) } catch (e) { println("saw lone ", substr(e, 0, 34)) }
    try { user_string_utf32(\$t->large) } catch (e) { println("saw large ", substr(e, 0, 36)) }
    println("saw bad ", user_string_utf16(\$t->lone, "lone"), user_string_utf32(8, "far"),
        user_string_quoted_utf16(8), user_string_quoted_utf32(8), kernel_string_utf16(8, "k"),
        kernel_string_utf32(8, "k"), kernel_string_quoted_utf16(8), kernel_string_quoted_utf32(8))
    println("saw names ", umodname(uaddr()), " ", umodname(8), " ", probe_type())
    print_usyms(sprintf("0x%x ff", uaddr()))
    print(sprint_usyms(sprintf(" %x  %x ", uaddr(), uaddr())))
    try { probemod() } catch (e) { println("saw module ", e) }
    printf("saw ip %016x\n", uaddr())
    print_regs()
    printk(6, sprintf("ngstap's test %d", pid()))
    ftrace(sprintf("ngstap's test %d", pid()))
    println("saw load ", get_loadavg_index(2), "\nsaw loads ", sprint_loadavg())
    try { get_loadavg_index(3) } catch (e) { println("saw index ", e) }
    target_set_report()
}
probe $calls.function("ask_signal") {
    try { raise(99) } catch (e) { println("saw wrong ", e) }
    raise(\$number)
}
END
if [[ $kernel && -r /sys/kernel/btf/vmlinux ]]; then
    load=$(cut -d ' ' -f 3 /proc/loadavg)
    facts "$scratch/facts.stp"
    for name in pid parent; do
        check "a task: $name" same "$name"
    done
    check 'a task: tid' same pid tid
    check 'a signal that a handler raises is there when the call returns' \
        test "$(fact signal)" = 10
    while read -r name want; do
        check "a task: $name is $want" test "$(saw "$name")" = "$want"
    done <<'END'
ids 0000
wrong raise: no such signal, or it cannot be sent
two hé € 😀
four hé € 😀
quoted "h\u00E9 \u20AC \U0001F600\n"
alike 111
lone invalid UTF-16 character U+D800 at
large invalid UTF-32 character U+110000 at
bad lonefar0x80x8kk0x80x8
names calls <unknown> uprobe
module Cannot determine kernel module name
index Invalid loadavg index
END
    check 'names of addresses in a text' grep -qE '^ 0x[0-9a-f]+ : look\+0x0/0x[0-9a-f]+ \[.*/calls\]$' "$scratch/facts"
    check '... one that is none' grep -qx ' ff : 0xff' "$scratch/facts"
    check '... as a string' \
        test "$(grep -cE '^ [1-9a-f][0-9a-f]+ : look\+0x0/0x[0-9a-f]+ \[.*/calls\]$' \
        "$scratch/facts")" = 2
    check 'registers' grep -qE "^(RIP|pc ): $(saw ip)" "$scratch/facts"
    check 'the kernel log has what printk says' \
        grep -qxF "ngstap's test $(fact pid)" <(dmesg | sed 's/^\[[^]]*\] //')
    check 'load averages' test "$(saw load)" = "${load%.*}" -o \
        "$(saw load)" = "$(cut -d ' ' -f 3 /proc/loadavg | cut -d . -f 1)"
    check '... as text' grep -qE '^[0-9]+\.[0-9]{2} [0-9]+\.[0-9]{2} [0-9]+\.[0-9]{2}$' \
        <(saw loads)
    printf '%s begat %s\n' "$(fact parent)" "$(fact pid)" "$(fact pid)" "$(fact child)" | sort \
        >"$scratch/want"
    grep ' begat ' "$scratch/facts" | sort >"$scratch/out"
    check 'the target and its child' cmp -s "$scratch/want" "$scratch/out"

    echo "probe $once { printk(1, \"no\") } probe begin { raise(10) }" >"$scratch/script.stp"
    trace "$scratch/script.stp" -c "$scratch/calls"
    check 'raise and printk take guru mode' says 'printk() is allowed in guru mode only'
    check '... and say where' says 'raise() is allowed in guru mode only'

    printf '1\nend\n' >"$scratch/want"
    cat >"$scratch/script.stp" <<END
function deep(n) {
    try { if (!n) abort(); deep(n - 1) } catch { println("caught") }
    println("never")
    return 1
}
probe $once { println(1); try { deep(3) } catch { println("caught") } println("never") }
probe $calls.function("queue_event") { println("late") }
probe end { println("end") }
END
    trace -o "$scratch/printed" "$scratch/script.stp" -c "$scratch/calls"
    mv "$scratch/printed" "$scratch/out"
    check 'abort ends the handler and what it calls, and no try holds it' same_output
else
    skip 'a task' "needs root, eBPF and the kernel's BTF"
fi
printf '1\nend\n' >"$scratch/want"
trace -e 'function deep(n) { try { if (!n) abort(); deep(n - 1) } catch { println("caught") }
    println("never"); return 1 }
    probe begin { println(1); deep(3); println("never") } probe begin(1) { println("later") }
    probe end { println("end") }'
check 'abort in begin' same_output
# In mounts of its own, where tracefs is where it belongs.
cat >"$scratch/ftrace.sh" <<END
mount -t tracefs tracefs /sys/kernel/tracing || exit 9
"$ngstap" -I tapset -e 'probe begin { ftrace("ngstap: a line of begin") exit() }'
grep 'ngstap: a line of begin' /sys/kernel/tracing/trace
END
status=0
timeout 40 unshare -m bash "$scratch/ftrace.sh" >"$scratch/out" 2>"$scratch/err" || status=$?
if [[ $UID != 0 || $status = 9 ]]; then
    skip 'ftrace' 'no tracefs'
else
    check 'ftrace' grep -q 'ngstap: a line of begin' "$scratch/out"
fi

for n in 0 1 2; do
    echo "$n"
done >"$scratch/want"
trace -o "$scratch/several" -e 'probe begin { println(0); switch_file(); println(1); switch_file()
    println(2); exit() }'
cat "$scratch"/several{,.1,.2} >"$scratch/out" 2>/dev/null || :
check 'switch_file' same_output
mkdir "$scratch/in the way" "$scratch/in the way/one.1"
printf '0\n1\n' >"$scratch/want"
trace -o "$scratch/in the way/one" -e 'probe begin { println(0); switch_file(); println(1); exit() }'
mv "$scratch/in the way/one" "$scratch/out"
check 'switch_file to what cannot be written: the old one stays' same_output
check '... and that is said' says 'switch_file: cannot write the next file: Is a directory'

# ---- a queue ----

cat >"$scratch/queue.stp" <<END
probe $calls.function("queue_event") {
    if (\$what == 115)
        qsq_start("q")
    else if (\$what == 119)
        qs_wait("q")
    else if (\$what == 114)
        qs_run("q")
    else if (\$what == 100)
        qs_done("q")
    else {
        println("saw wait_time ", qsq_wait_time("q", 1))
        println("saw service_time ", qsq_service_time("q", 1))
        println("saw queue_length ", qsq_wait_queue_length("q", 1000))
        println("saw blocked ", qsq_blocked("q", 1000))
        println("saw utilization ", qsq_utilization("q", 1000))
        println("saw elapsed ", 3000000000 / qsq_throughput("q", 1000000000))
        qsq_print("q")
        println(qsq_wait_time("none", 1), qsq_throughput("none", 1))
    }
}
END
if [[ $kernel ]]; then
    facts "$scratch/queue.stp"
    for name in wait_time service_time; do
        check "a queue: $name" near $name 2 1000
    done
    for name in queue_length blocked utilization elapsed; do
        check "a queue: $name" near $name 2 5
    done
    check 'a queue: its line' grep -qE \
        '^q: [0-9.]+ ops/s, [0-9.]+ qlen, [0-9]+ await, [0-9]+ svctm, [0-9]+% wait, [0-9]+% utilization$' \
        "$scratch/facts"
    check 'a queue that there is not' grep -qx 00 "$scratch/facts"
else
    skip 'a queue' "$no_kernel"
fi

# ---- sockets and packets ----

cat >"$scratch/connect.py" <<'END'
import socket
import struct
for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    listener = socket.socket(family)
    try:
        listener.bind((host, 0))
    except OSError:
        print("no", int(family))
        continue
    listener.listen()
    client = socket.create_connection(listener.getsockname()[:2])
    server = listener.accept()[0]
    here, there = client.getsockname()[1], listener.getsockname()[1]
    address = (host if family == socket.AF_INET else
               ":".join("%04x" % w for w in struct.unpack("!8H", socket.inet_pton(family, host))))
    print("client", int(family), address, here, address, there)
    if family == socket.AF_INET:
        client.sendall(b"x")
        server.recv(1)
        print("packet 6 7f000001 %d 7f000001 %d" % (here, there))
    client.close()
    server.close()
END
cat >"$scratch/connect.stp" <<'END'
probe kernel.trace("inet_sock_set_state") {
    s = $sk
    if ($newstate == 1 && $oldstate == 2)
        println("saw client ", __ip_sock_family(s), " ", inet_get_ip_source(s), " ",
            inet_get_local_port(s), " ", inet_get_ip_dest(s), " ", inet_get_dest_port(s))
    if ($newstate == 1 && $oldstate == 2 && __ip_sock_family(s) == 2) {
        printf("saw mib %x %d %x %d %s %s\n", tcpmib_local_addr(s), tcpmib_local_port(s),
            tcpmib_remote_addr(s), tcpmib_remote_port(s),
            tcp_sockstate_str(tcpmib_get_state(s)), tcp_sockstate_str($newstate))
        println("saw tcp ", tcp_get_info_rto(s) >= 200000 && tcp_get_info_rto(s) < 2000000,
            tcp_get_info_snd_cwnd(s) > 0, tcp_ts_get_info_rcv_mss(s) >= 536,
            tcp_ts_get_info_snd_ssthresh(s) > 0, tcpmib_filter_key(s, 1), linuxmib_filter_key(0, 1),
            ipmib_filter_key(0, 1, 1))
    }
    if ($newstate == 1 && $oldstate == 2 && __ip_sock_family(s) == 10)
        println("saw six ", tcpmib_local_addr(s), tcpmib_remote_addr(s))
}
probe kernel.trace("net_dev_start_xmit") {
    s = $skb
    if (@cast(s, "sk_buff", "kernel")->protocol == 8) {
        h = __get_skb_tcphdr(s)
        if (__tcp_skb_syn(h) && !__tcp_skb_ack(h))
            printf("saw packet %d %x %d %x %d\n", ipmib_get_proto(s), ipmib_local_addr(s, 1),
                ipmib_tcp_local_port(s, 1), ipmib_remote_addr(s, 1), ipmib_tcp_remote_port(s, 1))
        if (__tcp_skb_syn(h) && __tcp_skb_ack(h))
            printf("saw answer %d %x %d %x %d\n", ipmib_get_proto(s), ipmib_remote_addr(s, 0),
                ipmib_tcp_local_port(s, 0), ipmib_local_addr(s, 0), ipmib_tcp_remote_port(s, 0))
        printf("saw flags %d%d%d%d%d%d\n", __tcp_skb_syn(h), __tcp_skb_ack(h), __tcp_skb_psh(h),
            __tcp_skb_fin(h), __tcp_skb_rst(h), __tcp_skb_urg(h))
    }
}
END
if [[ $kernel && -r /sys/kernel/btf/vmlinux ]]; then
    # In one piece at its end: PYTHONUNBUFFERED would write it word by word, between ours.
    trace "$scratch/connect.stp" -c "env -u PYTHONUNBUFFERED python3 $scratch/connect.py"
    cp "$scratch/out" "$scratch/facts"
    check 'the client of a connection, IPv4 and IPv6' same client
    check 'a packet that opens it' same packet
    check '... and its answer, as who receives it' same packet answer
    read -r _ from here to there <<<"$(fact packet)"
    check 'the same by tcpmib' test "$(saw mib)" = "$from $here $to $there TCP_SYN_SENT TCP_ESTABLISHED"
    check 'facts of a connection' test "$(saw tcp)" = 1111100
    if grep -q 'no 10' "$scratch/facts"; then
        skip 'tcpmib is of IPv4' 'no IPv6 here'
    else
        check 'tcpmib is of IPv4' test "$(saw six)" = 00
    fi
    for flags in 100000 110000 011000 010100; do
        check "packets with the flags $flags" grep -qx "saw flags $flags" "$scratch/facts"
    done
    trace -e 'probe kernel.trace("sched_process_exit") {
        println(probe_type(), " ", probemod(), " ", umodname(8), " ",
            modname(@cast($p, "task_struct", "kernel")->sched_class), " ", modname(8))
        print(sprint_syms("8")) print_syms("8")
        exit() }' -c true
    printf 'tracepoint kernel <unknown> kernel <unknown>\n 8 : 0x8\n 8 : 0x8\n' >"$scratch/want"
    check 'names of addresses in the kernel' same_output
    if read -r address _ _ module < <(awk \
        '$4 && $4 !~ /^\[(bpf|__builtin)/ && $2 ~ /[tT]/ { print; exit }' /proc/kallsyms) &&
        [[ $address =~ [1-9a-f] ]]; then
        trace -e "probe begin { print(modname(0x$address)) exit() }"
        printf '%s' "${module//[\[\]]/}" >"$scratch/want"
        check 'the module that an address is in' same_output
    else
        skip 'the module that an address is in' 'the kernel has no module'
    fi
else
    skip 'sockets and packets' "need root, eBPF and the kernel's BTF"
fi

finish
