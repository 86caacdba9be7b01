#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Run in a VM by kernel-functions.sh: aliases that lead to functions of the kernel (vfs, tcp, udp,
# socket), held against what a program says of its own calls (../aliases/kernel.c). Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=../tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"

# Time goes by while the VM computes slowly: what must not take for ever may take this long.
trace_seconds=150

program=$scratch/kernel
${CC:-cc} -O1 -s -static -o "$program" tests/aliases/kernel.c
head -c 5050 /dev/urandom >"$scratch/file"

# Somebody else does the same all the time, and leaves the processor to others.
(while :; do
    "$program" f 20 "$scratch/file" "$scratch/others"
    "$program" t 3
    "$program" u 5
    sleep 0.5
done) >/dev/null 2>&1 &
pids+=("$!")

# of ARGUMENTS SCRIPT [ARGUMENT]...: what the program says of itself, in $said; the script's words,
# in $words.
of() {
    local command="$program $1"
    shift
    trace -c "$command" -e "$@"
    [[ $status = 0 ]] || return
    read -r -a said <<<"$(head -n 1 "$scratch/out")"
    read -r -a words <<<"$(tail -n 1 "$scratch/out")"
}

# agree WANTED...: $words are these. The kernel leaves a hit out where another probe's program was
# interrupted on that processor: 2 of a hundred may be missing, and none may be too many.
agree() {
    local i
    for ((i = 0; i < $#; i++)); do
        local want=${*:i+1:1} got=${words[i]:-0} lost
        lost=$((want - got))
        ((lost >= 0 && (lost <= 1 || lost * 50 <= want))) && continue
        echo "# number $((i + 1)) is $got, not $want"
        return 1
    done
}

ino=$(stat -c %i "$scratch/file")
reads() {
    of "f 100 $scratch/file $scratch/out1" '
        global n, v, named, opened, path
        probe begin { path = @1 }
        probe vfs.open { opened += pathname == path }
        probe vfs.open.return { n["open"] += pathname == path && ret == 0 }
        probe vfs.read {
            if (bytes_to_read < 5000) next
            n["read"]++
            v["read"] += bytes_to_read
            named += pathname == path && ino == $2 &&
                argstr == sprintf("%d, %d, %p", bytes_to_read, pos, buf)
        }
        probe vfs.read.return {
            if (bytes_read < 5000) next
            n["read.return"]++
            v["read.return"] += bytes_read
            named += pathname == path && ret == bytes_read && bytes_to_read >= bytes_read && !error
        }
        probe vfs.do_sync_read { n["sync"] += len >= 5000 && size == len }
        probe vfs.do_sync_read.return { n["sync.return"] += size >= 5000 && pathname == path }
        probe vfs.readv { if (bytes_to_read >= 5000) { n["readv"]++; v["readv"] += bytes_to_read } }
        probe vfs.readv.return {
            if (bytes_read < 5000) next
            n["readv.return"]++
            v["readv.return"] += bytes_read
            named += pathname == path && vlen == 2
        }
        probe end {
            printf("%d %d %d %d %d %d %d %d %d %d %d %d %d\n", opened, n["open"], n["read"],
                v["read"], n["read.return"], v["read.return"], n["sync"], n["sync.return"],
                n["readv"], v["readv"], n["readv.return"], v["readv.return"], named)
        }' "$scratch/file" "$ino" || return
    local k=${said[0]} asked=${said[1]} got=${said[2]}
    agree "$k" "$k" "$k" "$asked" "$k" "$got" "$k" "$k" "$k" "$asked" "$k" "${said[4]}" $((3 * k))
}
check 'files that are opened and read' reads

writes() {
    of "f 100 $scratch/file $scratch/out2" '
        global n, v, named, path
        probe begin { path = @1 }
        probe vfs.write {
            if (bytes_to_write < 5000) next
            n["write"]++
            v["write"] += bytes_to_write
            named += pathname == path && argstr == sprintf("%d, %d, %p", bytes_to_write, pos, buf)
        }
        probe vfs.write.return {
            if (bytes_written < 5000) next
            n["write.return"]++
            v["write.return"] += bytes_written
            named += pathname == path && ret == bytes_to_write && retstr == sprint(ret)
        }
        probe vfs.do_sync_write { n["sync"] += len >= 5000 && units == "bytes" }
        probe vfs.do_sync_write.return { n["sync.return"] += size >= 5000 }
        probe vfs.writev {
            if (bytes_to_write >= 5000) { n["writev"]++; v["writev"] += bytes_to_write }
        }
        probe vfs.writev.return {
            if (bytes_written < 5000) next
            n["writev.return"]++
            v["writev.return"] += bytes_written
            named += pathname == path && vlen == 2
        }
        probe end {
            printf("%d %d %d %d %d %d %d %d %d %d %d\n", n["write"], v["write"], n["write.return"],
                v["write.return"], n["sync"], n["sync.return"], n["writev"], v["writev"],
                n["writev.return"], v["writev.return"], named)
        }' "$scratch/out2" || return
    local k=${said[0]} wrote=${said[3]}
    agree "$k" "$wrote" "$k" "$wrote" "$k" "$k" "$k" "${said[5]}" "$k" "${said[5]}" $((3 * k))
}
check '... and written' writes

# Some come several at a time, in one folio: `size` is the number of pages.
pages() {
    of "p 50 $scratch/mounted/pages" '
        global added, done, removed, gone, dirty, told
        probe vfs.add_to_page_cache { added += ino == $1 && devname != "N/A" }
        probe vfs.add_to_page_cache.return { done += size }
        probe vfs.remove_from_page_cache { removed += ino == $1 }
        probe vfs.remove_from_page_cache.return { gone += retstr == "N/A" }
        probe vfs.__set_page_dirty_buffers { dirty += ino == $1 }
        probe vfs.__set_page_dirty_buffers.return { told += size == 0 || size == 1 }
        probe end {
            printf("%d %d %d %d %d %d\n", added > 0, done >= 100, removed > 0, gone >= removed,
                dirty >= 50, told >= dirty)
        }' "$(stat -c %i "$scratch/mounted/pages")" || return
    agree 1 1 1 1 1 1
}

mount_disk() { # a file system on a device, in a file
    modprobe -a loop ext4 && truncate -s 16M "$scratch/disk" && mkfs.ext4 -q "$scratch/disk" &&
        mkdir "$scratch/mounted" && mount -o loop "$scratch/disk" "$scratch/mounted" &&
        : >"$scratch/mounted/pages"
}
if mount_disk >"$scratch/out" 2>"$scratch/err"; then
    check 'pages of files' pages
    umount "$scratch/mounted"
else
    skip 'pages of files' "$(tail -n 1 "$scratch/err")"
fi

tcp() {
    of 't 20' '
        global n, v, named, ports
        probe tcp.sendmsg {
            n["send"]++
            v["send"] += size
            named += saddr == "127.0.0.1" && daddr == saddr && family == 2 && sport != dport
            ports[dport]++
        }
        probe tcp.sendmsg.return { v["sent"] += size }
        probe tcp.recvmsg { n["recv"]++; v["recv"] += size; ports[sport]++ }
        probe tcp.recvmsg.return { v["got"] += size; named += daddr == "127.0.0.1" }
        probe tcp.disconnect { n["disconnect"] += family == 2 }
        probe tcp.disconnect.return { n["disconnect.return"] += ret == 0 }
        probe tcp.setsockopt {
            n["option"] += level == 6 && optname == 1 && optlen == 4 && optstr == "TCP_NODELAY"
        }
        probe tcp.setsockopt.return { n["option.return"] += ret == 0 }
        probe end {
            printf("%d %d %d %d %d %d %d %d %d %d %d ", n["send"], v["send"], v["sent"], n["recv"],
                v["recv"], v["got"], n["disconnect"], n["disconnect.return"], n["option"],
                n["option.return"], named)
            foreach (port in ports) printf(" %d %d", port, ports[port])
            println("")
        }' || return
    local k=${said[0]}
    agree $((3 * k)) "${said[1]}" "${said[1]}" $((3 * k)) "${said[2]}" "${said[3]}" "$k" "$k" "$k" \
        "$k" $((6 * k)) "${said[4]}" $((6 * k))
}
check 'connections of TCP' tcp

segments() {
    start_trace -e '
        global began
        probe tcp.receive {
            if (daddr != "127.0.0.1" || family != 2 || protocol != 6) next
            began[dport] += syn && !ack && iphdr != 0 && sport != 0
        }
        probe timer.ms(100) { println("armed") }
        probe end { foreach (port in began) println(port, " ", began[port]) }'
    read -r -a said <<<"$("$program" t 20)"
    end_trace
    words=("$(awk -v port="${said[4]}" '$1 == port { print $2 }' "$scratch/out")")
    agree "${said[0]}"
}
check '... its segments, whoever runs' segments

sockets() {
    of 't 20' '
        global n, v, kinds
        probe socket.create { n["create"] += family == 2 && type == 1 && !requester }
        probe socket.create.return { n["created"] += success && err == 0 }
        probe socket.close { n["close"] += family == 2 && type == 1 }
        probe socket.close.return { n["closed"]++ }
        probe socket.sendmsg { n["sendmsg"]++; v["sendmsg"] += size; kinds += protocol == 6 }
        probe socket.recvmsg { n["recvmsg"]++; v["recvmsg"] += size; kinds += family == 2 }
        probe socket.send { n["send"] += success; v["send"] += size }
        probe socket.receive { n["receive"] += success; v["receive"] += size }
        probe socket.write_iter { n["write"]++; v["write"] += size; kinds += type == 1 }
        probe socket.write_iter.return { n["wrote"] += success }
        probe socket.read_iter { n["read"]++; v["read"] += size; kinds += state == 3 }
        probe socket.read_iter.return { n["got"] += success }
        probe end {
            printf("%d %d %d %d %d %d %d %d %d %d %d %d ", n["create"], n["created"], n["close"],
                n["closed"], n["sendmsg"], v["sendmsg"], n["recvmsg"], v["recvmsg"], n["send"],
                v["send"], n["receive"], v["receive"])
            printf("%d %d %d %d %d\n", n["write"], n["wrote"], n["read"], n["got"], kinds)
        }' || return
    local k=${said[0]}
    agree $((k + 1)) $((k + 1)) $((2 * k + 1)) $((2 * k + 1)) $((3 * k)) "${said[1]}" $((3 * k)) \
        "${said[2]}" $((3 * k)) "${said[1]}" $((3 * k)) "${said[3]}" "$k" "$k" "$k" "$k" $((8 * k))
}
check 'sockets' sockets

udp() {
    of 'u 50' '
        global n, v, named
        probe udp.sendmsg {
            n["send"]++
            v["send"] += size
            named += saddr == "127.0.0.1" && daddr == saddr && dport != 0
        }
        probe udp.sendmsg.return { v["sent"] += size; named += dport != 0 }
        probe udp.recvmsg { n["recv"]++; v["recv"] += size }
        probe udp.recvmsg.return { v["got"] += size; named += family == 2 && sport != 0 }
        probe udp.disconnect { n["disconnect"] += family == 2 }
        probe udp.disconnect.return { n["disconnect.return"] += ret == 0 }
        probe end {
            printf("%d %d %d %d %d %d %d %d %d\n", n["send"], v["send"], v["sent"], n["recv"],
                v["recv"], v["got"], n["disconnect"], n["disconnect.return"], named)
        }' || return
    local k=${said[0]}
    agree "$k" "${said[1]}" "${said[1]}" "$k" "${said[2]}" "${said[3]}" 1 1 $((3 * k))
}
check 'datagrams of UDP' udp

finish
