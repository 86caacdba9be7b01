#!/bin/bash
#
# Targets that mean harm. Files that ask for more time and memory than a start may take: the bound
# is told, with the file's name. An unprivileged user, root in namespaces of his own, who runs a
# program from an overlay whose layer has the name of a folder of the host: root who traces it must
# put no breakpoint into the host's file of that name. (What is probed in an honest program on an
# overlay that was copied up is in tests/containers.sh.)
#
# Needs, for the overlay: root, eBPF, user namespaces with overlays (Linux 5.11). About 30 s. Prints
# TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

export XDG_CACHE_HOME=$scratch/cache

# --- bounds
# -----------------------------------------------------------------------------------------

# limited SCRIPT: analyses it with 1.5 GB of address space, but for address sanitizer's terabytes,
# and 20 s of processor time at most.
space=1500000
if grep -q __asan_init "$ngstap"; then space=unlimited; fi
limited() {
    status=0
    (
        ulimit -v $space -t 20
        exec "$ngstap" -I tapset -p2 -e "$1"
    ) >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
}

# put FILE OFFSET BYTES: as printf has them.
put() { printf '%b' "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }

echo 'struct s { int m; } s; int main(void) { return s.m; }' >"$scratch/small.c"
${CC:-cc} -g -o "$scratch/small" "$scratch/small.c"

# As many sections as one likes: the number stands in the first one's header where it does not fit
# into 16 bits.
cp "$scratch/small" "$scratch/sections"
shoff=$(od -An -tu8 -j40 -N8 "$scratch/sections" | tr -d ' ')
put "$scratch/sections" 60 '\0\0'
put "$scratch/sections" $((shoff + 32)) '\200\226\230\0\0\0\0\0'
limited "probe begin { println(@cast(0, \"struct s\", \"$scratch/sections\")->m) }"
check 'ten million sections in 20 KB: refused' \
    eval 'test "$status" = 1 && said "sections.* is no program or library: its ELF headers are damaged"'

cp "$scratch/small" "$scratch/sparse"
truncate -s 3900M "$scratch/sparse"
limited "probe begin { println(@cast(0, \"struct s\", \"$scratch/sparse\")->m) }"
check 'a sparse tail of 4 GB is not read' test "$status" = 0

# A pointer to itself, which no compiler makes: stap takes "->" through as many stars as there are.
cat >"$scratch/stars.s" <<'END_S'
.section .debug_abbrev,"",@progbits
.Labbrev: .uleb128 1,0x11
 .byte 1
 .uleb128 0x03,0x08, 0,0
.uleb128 2,0x0f
 .byte 0
 .uleb128 0x0b,0x0b, 0x49,0x13, 0,0
.uleb128 3,0x16
 .byte 0
 .uleb128 0x03,0x08, 0x49,0x13, 0,0
.byte 0
.section .debug_info,"",@progbits
.Linfo: .long .Lend - .Lstart
.Lstart: .value 4
 .long .Labbrev
 .byte 8
.uleb128 1
 .asciz "stars.c"
.Lstar: .uleb128 2
 .byte 8
 .long .Lstar - .Linfo
.uleb128 3
 .asciz "stars_t"
 .long .Lstar - .Linfo
.byte 0
.Lend:
END_S
${CC:-cc} -nostdlib -shared -o "$scratch/stars.so" "$scratch/stars.s"
limited "probe begin { println(@cast(0, \"stars_t\", \"$scratch/stars.so\")->m) }"
check 'a pointer that points to itself: an error' eval 'test "$status" = 1 && said "16 pointers"'

# 900 MiB of zeros are 900 KiB when they are compressed, three times as much is over 2 GiB.
if command -v python3 >/dev/null; then
    python3 - "$scratch/zeros" <<'END_P'
import struct, sys, zlib
z, part = zlib.compressobj(1), bytes(1 << 20)
with open(sys.argv[1], "wb") as f:
    f.write(b"ZLIB" + struct.pack(">Q", 900 << 20))
    for _ in range(900):
        f.write(z.compress(part))
    f.write(z.flush())
END_P
    script=''
    for i in 1 2 3; do
        objcopy --add-section .zdebug_loc="$scratch/zeros" "$scratch/small" "$scratch/large$i"
        script+="println(@cast(0, \"struct s\", \"$scratch/large$i\")->m) "
    done
    status=0
    "$ngstap" -I tapset -p2 -e "probe begin { $script }" >"$scratch/out" 2>"$scratch/err" \
        </dev/null || status=$?
    check 'three files of 900 MiB each when they are expanded: told of the third' \
        eval 'test "$status" = 1 && said "large3.*more than 2048 MiB of memory"'
else
    skip 'files that expand' 'needs python3'
fi

# An enumeration of more values than anybody looks at, each called V and a number; a compiler takes
# ten times as long.
cat >"$scratch/many.s" <<'END_S'
.section .debug_abbrev,"",@progbits
.Labbrev: .uleb128 1,0x11
 .byte 1
 .uleb128 0x03,0x08, 0,0
.uleb128 2,0x04
 .byte 1
 .uleb128 0x03,0x08, 0x0b,0x0b, 0,0
.uleb128 3,0x28
 .byte 0
 .uleb128 0x03,0x08, 0x1c,0x0b, 0,0
.byte 0
.section .debug_info,"",@progbits
.long .Lend - .Lstart
.Lstart: .value 4
 .long .Labbrev
 .byte 8
.uleb128 1
 .asciz "many.c"
.uleb128 2
 .asciz "many"
 .byte 4
.incbin "values"
.byte 0, 0
.Lend:
END_S
many() { # COUNT
    seq -f $'\003V%.0f\001' "$1" | tr '\001\n' '\0\0' >"$scratch/values"
    ${CC:-cc} -nostdlib -shared -Wa,-I"$scratch" -o "$scratch/many" "$scratch/many.s"
    status=0
    "$ngstap" types --module "$scratch/many" -C 'enum many' >"$scratch/out" 2>"$scratch/err" ||
        status=$?
}
many 1000
check 'types: an enumeration' test "$status" = 0
many 1048577
check 'types: an enumeration that is too long is an error, not cut' \
    eval 'test "$status" = 1 && said "many: it takes more than 1048576 enumerators"'

[[ $UID = 0 ]] || { skip 'overlays' 'needs root' && finish; }
command -v setpriv unshare >/dev/null || { skip 'overlays' 'needs setpriv and unshare' && finish; }

# --- a program of the host, and one of the attacker's of the same name
# --------------------------------

mkdir -p "$scratch"/host "$scratch"/work
chown 65534:65534 "$scratch/work"
cat >"$scratch/victim.c" <<'END_C'
#include <unistd.h>
#define F(n) __attribute__((noinline)) int f##n(int x) { return x * n + n; }
F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8)
int main(void) { for (;;) usleep(f1(f2(f3(f4(f5(f6(f7(f8(1)))))))) % 1000 + 1000); }
END_C
cat >"$scratch/evil.c" <<'END_C'
#include <unistd.h>
int pad(int x) { return x + 1; }
__attribute__((noinline)) int hot(int x) { return x * 3 + 1; }
int main(void) { for (int n = 0;; usleep(1000)) n = hot(pad(n)); }
END_C
${CC:-cc} -g -O0 -o "$scratch/host/victim" "$scratch/victim.c"
${CC:-cc} -g -O0 -o "$scratch/work/evil" "$scratch/evil.c"
"$scratch/host/victim" &
victim=$!
pids+=("$victim")

# The code of the host's program as a process has it in memory: "code FILE".
code() {
    local start end
    IFS=' -' read -r start end _ < <(grep -m1 'r-xp.*host/victim' "/proc/$victim/maps")
    dd if="/proc/$victim/mem" of="$1" iflag=skip_bytes,count_bytes skip=$((16#$start)) \
        count=$((16#$end - 16#$start)) status=none
}

# --- the attack
# -------------------------------------------------------------------------------------

# shellcheck disable=SC2016 # expanded by the attacker's shell
setpriv --reuid=65534 --regid=65534 --clear-groups unshare --user --map-root-user --mount bash -c '
    set -e
    mkdir "$1/work/upper"
    touch "$1/work/upper/victim"
    mount -t tmpfs none "$1/host"
    cp "$1/work/evil" "$1/host/victim"
    mount -t tmpfs none "$1/work"
    mkdir "$1/work/"{upper,work,merged}
    mount -t overlay overlay -o "lowerdir=$1/host,upperdir=$1/work/upper,workdir=$1/work/work" \
        "$1/work/merged"
    "$1/work/merged/victim" &
    sleep 0.3
    chmod 700 "$1/work/merged/victim"
    echo "$!" && wait' bash "$scratch" >"$scratch/attacker" 2>"$scratch/err" &
pids+=("$!")
for _ in {1..50}; do
    [[ ! -s $scratch/attacker ]] || break
    sleep 0.1
done
evil=$(pgrep -u 65534 -f "^$scratch/work/merged/victim$" | head -n 1 || :)
if [[ -z $evil ]]; then
    skip 'an overlay in a user namespace' "cannot be made here: $(tail -n 1 "$scratch/err")"
    finish
fi
pids+=("$evil")

cat >"$scratch/hot.stp" <<'END_S'
global n, armed
probe process.function("hot") { n++ }
probe timer.ms(20) { if (!armed++) println("armed") }
probe end { printf("hot %d\n", n) }
END_S

code "$scratch/before"
start_trace "$scratch/hot.stp" -x "$evil"
code "$scratch/during"
end_trace
check 'a layer with the name of a folder of the host: no breakpoint gets into the file there' \
    cmp "$scratch/before" "$scratch/during"
check 'the layer of its own that the process runs is probed, or it is said that it is not' \
    eval 'printed "^hot [1-9]" || said "does not reach|cannot"'

finish
