#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Aliases of kernel events (tapset/probe/): what a program says of its own switches, children,
# signals, pages, packets and blocks (tests/aliases/events.c), and what /proc counts, is what
# scripts see; each alias that needs no function of the kernel resolves. Needs root, eBPF, the
# kernel's BTF and a C compiler. About 20 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
[[ -r /sys/kernel/btf/vmlinux ]] || skip_all 'this kernel has no BTF'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'

events=$scratch/events
${CC:-cc} -O1 -o "$events" tests/aliases/events.c

# of MODE N SCRIPT: what the program says of itself, in $said, and the script's words in $words
of() {
    local command="$events $1"
    shift
    run_once -c "$command" -e "$1" || return
    said=$(head -n 1 "$scratch/out")
    read -r -a words <<<"$(tail -n 1 "$scratch/out")"
}
is() { # VALUE WANTED
    [[ $1 = "$2" ]] || { echo "# $1, not $2"; return 1; }
}
between() { # LEAST VALUE MOST
    (($1 <= $2 && $2 <= $3)) || { echo "# $2 is not from $1 to $3"; return 1; }
}

# ---- the scheduler, processes

switches() {
    of 's 500' '
        global on, away, back, off, woken, slept, named
        probe process.function("begin_here") { on = 1 }
        probe process.function("end_here") { on = 0 }
        probe scheduler.ctxswitch {
            if (on && prev_tid == target()) {
                away++
                slept += prevtsk_state & 1
                named += prev_task_name == "events" && prev_pid == target() && name == "ctxswitch"
            }
            if (on && next_tid == target()) back += next_task_name == "events"
        }
        probe scheduler.cpu_off {
            if (on && task_tid(task_prev) == target()) off += !idle && pid() == target()
        }
        probe scheduler.wakeup {
            woken += on && task_tid == target() && task_pid == target() && task_cpu < 1024
        }
        probe end { printf("%d %d %d %d %d %d\n", away, back, off, named, slept, woken) }' || return
    between 500 "$said" 5000 && between $((said - 2)) "${words[0]}" "$said" &&
        between $((words[0] - 2)) "${words[1]}" $((words[0] + 2)) &&
        is "${words[2]} ${words[3]}" "${words[0]} ${words[0]}" &&
        between 499 "${words[4]}" "$said" && between 499 "${words[5]}" "$said"
}
check 'switches away from a program, and to it, whatever the target' switches

children() {
    of 'f 50' '
        global n, pids, made, codes, exits, waits, freed, mine
        probe scheduler.process_fork { if (parent_pid == target()) { n++; pids += child_pid } }
        probe kprocess.create { if (pid() == target()) { made += new_pid; mine[new_tid] = 1 } }
        probe kprocess.exit { if (pid() != target()) codes += code >> 8 }
        probe scheduler.process_exit { exits += ppid() == target() && pid == pid() }
        probe scheduler.process_wait { if (pid() == target()) waits += pid }
        probe kprocess.release { if (released_tid in mine) freed += released_pid }
        probe end { printf("%d %d %d %d %d %d %d\n", codes, pids, made, waits, freed, n, exits) }' ||
        return
    local sum=${said#* }
    is "${words[*]}" "$said $sum $sum $sum 50 50"
}
check 'children: as many, with their ends, as their parent says' children

programs() {
    last_line_is 'execve "/bin/true" 1 1' -c "sh -c '/bin/no-such 2>/dev/null; exec /bin/true'" -e '
        global told, good, bad
        probe kprocess.exec { if (filename == "\"/bin/true\"") told = name . " " . filename }
        probe kprocess.exec_complete { if (success) good++; else bad += errno == -2 }
        probe end { printf("%s %d %d\n", told, bad, good) }'
}
check 'programs that are run, and one that is not there' programs

# ---- signals

signals() {
    of 'g 50' '
        global sent, handled, calls
        probe signal.send {
            sent += sig_pid == target() && sig_name == "SIGUSR2" && pid_name == "events" && shared
        }
        probe signal.handle { handled += sig == 12 && sig_mode == "User Mode Signal" }
        probe signal.syskill { calls += sig == 12 && sig_pid == target() && pid_name == "events" }
        probe end { printf("%d %d %d\n", sent, handled, calls) }' || return
    is "$said ${words[*]}" '50 50 50 50'
}
check 'signals that are sent and handled' signals

# ---- memory

pages() {
    of 't 50' '
        global on, first, writes
        probe process.function("begin_here") { on = 1 }
        probe process.function("end_here") { on = 0 }
        probe vm.pagefault {
            if (on && write_access) {
                if (!first) first = address
                writes += address - first < 50 * 4096
            }
        }
        probe end { printf("%d %d\n", first, writes) }' || return
    is "${words[*]}" "$said 50"
}
if "$ngstap" -I tapset -p2 -e 'probe vm.pagefault {}' >/dev/null 2>&1; then
    check 'faults of new pages' pages
else
    skip 'faults of new pages' 'this kernel has no tracepoint of them'
fi

allocations() {
    last_line_is '1 1 1 1' -c "$events f 20" -e '
        global asked, least, known, named, freed
        probe vm.kmalloc, vm.kmem_cache_alloc {
            asked++; least += bytes_alloc >= bytes_req; known += ptr != 0 && gfp_flags != 0
        }
        probe vm.kmem_cache_alloc { if (gfp_flags == 0xcc0) named = gfp_flag_name }
        probe vm.kmem_cache_free, vm.kfree { freed += ptr != 0 }
        probe end {
            printf("%d %d %d %d\n", least == asked, known == asked, named == "GFP_KERNEL",
                asked > 100 && freed > 20)
        }'
}
check "the kernel's own memory" allocations
caller() {
    last_line_is 1 -c "$events f 3" -e '
        global first
        probe vm.kmalloc { if (first == "") first = caller_function }
        probe end { println(first != "" && isinstr(first, "0x") == 0) }'
}
check '... and who asked for it' caller

# ---- packets

packets() {
    of 'd 50' '
        global out, hard, got
        probe netdev.transmit { out += dev_name == "lo" && length == 142 && ntohs(protocol) == 0x800 }
        probe netdev.hard_transmit { hard += dev_name == "lo" && length == 142 }
        probe netdev.receive { got += dev_name == "lo" && length == 128 && truesize > length }
        probe end { printf("%d %d %d\n", out, hard, got) }' || return
    is "$said ${words[*]}" '5000 50 50 50'
}
check 'packets of a device' packets

sockets() {
    of 'd 50' '
        global out, in_, n, udp, names
        probe socket.send { if (pid() == target()) { out += size; n += success } }
        probe socket.receive { if (pid() == target()) { in_ += size; n += success } }
        probe socket.send, socket.receive { udp += protocol == 17 && family == 2 && type == 2 }
        probe end { printf("%d %d %d %d\n", out, in_, n, udp) }' || return
    is "$said ${words[*]}" '5000 5000 5000 100 100'
}
if "$ngstap" -I tapset -p2 -e 'probe kernel.trace("sock_send_length") {}' >/dev/null 2>&1; then
    check 'what is sent and received by sockets' sockets
else
    skip 'what is sent and received by sockets' 'this kernel has no tracepoint of it'
fi

# ---- blocks

blocks() {
    dd if=/dev/zero of="$scratch/blocks" bs=4096 count=100 conv=fsync status=none
    of "b 100 $scratch/blocks" '
        global n, sum, dev, asked, ends, wrong
        probe ioblock.request {
            if (execname() == "events" && bio_rw_str(rw) == "W") {
                n++; sum += size; asked[sector] = $bio; dev = devname
            }
        }
        probe ioblock.end {
            if (sector in asked) {
                ends++
                wrong += error != 0 || devname != dev || bytes_done != 4096 || rw != 1
                delete asked[sector]
            }
        }
        probe end { # an end that comes while its request is still being told is not asked for
            printf("%d %d %d %d %s\n", n, sum, ends > 95 && ends <= 100 ? 100 : ends, wrong, dev)
        }' || return
    is "$said ${words[*]:0:4}" '409600 100 409600 100 0' && is "/dev/${words[4]}" "$1"
}
device=$(df --output=source "$scratch" | tail -n 1)
if [[ -b $device && $(stat -f -c %T "$scratch") = ext2/ext3 ]]; then
    check 'requests for blocks, and their ends' blocks "$device"
else
    skip 'requests for blocks' 'the scratch folder is on no device'
fi

# ---- interrupts

# counted FILE ROW: the sum over processors
counted() { awk -v row="$2:" '$1 == row { for (k = 2; k <= NF; k++) n += $k } END { print n + 0 }' "$1"; }
interrupts() {
    local least most
    most=-$(counted /proc/softirqs TIMER)
    start_trace -e '
        global timers, ends
        probe softirq.entry { timers += vec_nr == 1 }
        probe softirq.exit { ends += vec_nr == 1 }
        probe timer.ms(100) { println("armed") }
        probe end { printf("%d %d\n", timers, ends) }'
    least=-$(counted /proc/softirqs TIMER)
    sleep 1
    least=$((least + $(counted /proc/softirqs TIMER)))
    end_trace
    most=$((most + $(counted /proc/softirqs TIMER)))
    read -r -a words <<<"$(tail -n 1 "$scratch/out")"
    ((least > 10)) && between "$least" "${words[0]}" "$most" &&
        between $((words[0] - 64)) "${words[1]}" $((words[0] + 64))
}
check 'soft interrupts, as /proc counts them' interrupts

handlers() {
    run_once -c "$events b 20 $scratch/blocks" -e '
        global began, ended, handled, named
        probe irq_handler.entry { began++; named += kernel_string(dev_name) != "" && handler != 0 }
        probe irq_handler.exit { ended++; handled += ret == 1 }
        probe end {
            printf("%d\n", began == named && ended - began < 64 && began - ended < 64 &&
                handled > 0)
        }' && is "$(tail -n 1 "$scratch/out")" 1
}
: >>"$scratch/blocks"
if awk '/virtio|nvme|ahci|ata_piix/ { n = 1 } END { exit !n }' /proc/interrupts && [[ -b $device ]]; then
    check 'handlers of interrupts' handlers
else
    skip 'handlers of interrupts' 'no device here has any'
fi

# ---- each alias

# aliases FUNCTIONS: the names of those that need functions of the kernel (1), and of others (0)
aliases() {
    awk -v functions="$1" '
        /^probe [a-z]/ { name = $2; points = "" }
        { points = points $0 }
        /^\{/ && name != "" {
            needs = points ~ /kernel\.function| tcp\./ && points !~ /kernel\.trace/
            if (needs == functions) print name
            name = ""
        }' tapset/probe/*.stp | grep -v '^syscall'
}

# script NAME...: into $scratch/all.stp probes of those that this kernel has, which print all their
# variables; in $n how many.
script() {
    local one variables
    n=0
    for one; do
        variables=$("$ngstap" -I tapset -L "$one" 2>/dev/null | tail -n 1 | tr ' ' '\n' |
            sed -n 's/^\([a-z_]*\):.*/\1/p') || :
        [[ -n $variables ]] || continue
        echo "probe $one { if (pid() == -1) println(${variables//$'\n'/, }) }"
        n=$((n + 1))
    done >"$scratch/all.stp"
}
loads() {
    local k names
    mapfile -t names < <(aliases 0)
    for ((k = 0; k < ${#names[@]}; k += 20)); do
        script "${names[@]:k:20}"
        ((n > 0)) || return
        trace -c true "$scratch/all.stp"
        is "$status" 0 || return
    done
}
check 'each of a tracepoint, with all variables' loads
resolves() {
    local names
    mapfile -t names < <(aliases 1)
    script "${names[@]}"
    run_once -I tapset -p2 "$scratch/all.stp" && between $((${#names[@]} - 12)) "$n" 200
}
if "$ngstap" -p2 -e 'probe kernel.function("vfs_read") {}' >/dev/null 2>&1; then
    check '... of a function' resolves
else
    skip '... of a function' 'kernel.function does not resolve here'
fi
check 'one that is not there' fails_with 'did you mean scheduler.ctxswitch?' \
    -e 'probe scheduler.ctx_switch {}'
finish
