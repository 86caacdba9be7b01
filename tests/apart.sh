#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars; check calls functions
#
# Files that take over what reads them (a preloaded library, tests/apart/takes-over.c, stands for
# the fault): for each command, and each time that it reads the file, the reader alone dies, without
# having written what root could write, and the error names the file. Needs root, a C compiler.
# About 20 s. Prints TAP.

set -uo pipefail

# Mounts of this test are seen by nobody else, and go with it.
if [[ $EUID = 0 && -z ${NGSTAP_APART:-} ]] && unshare -m true 2>/dev/null; then
    NGSTAP_APART=1 exec unshare -m --propagation private "$BASH" "${BASH_SOURCE[0]}"
fi

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
[[ $EUID = 0 ]] || skip_all "needs root"
export XDG_CACHE_HOME=$scratch/cache DEBUGINFOD_URLS=

cat >"$scratch/lib.c" <<'END'
__attribute__((noinline)) int inner(int n) { __asm__ volatile(""); return n + 1; }
END
cat >"$scratch/program.c" <<'END'
#include <unistd.h>
int inner(int n);
struct pair { int a, b; } pair;
__attribute__((noinline)) int outer(int n) { __asm__ volatile(""); return inner(n) + pair.a; }
int main(void) { alarm(600); for (int n = 0;; usleep(2000)) n = outer(n); }
END
${CC:-cc} -g -shared -fPIC -Wl,--build-id -o "$scratch/libinner.so" "$scratch/lib.c"
${CC:-cc} -g -Wl,--build-id -o "$scratch/honest" "$scratch/program.c" -L"$scratch" -linner \
    -Wl,-rpath,"$scratch"
${CC:-cc} -shared -fPIC -o "$scratch/takes-over.so" tests/apart/takes-over.c -ldl
marked() { # FROM TO: the mark is at the end, where no loader looks
    cp "$1" "$2"
    printf TAKENELF >>"$2"
}
marked "$scratch/honest" "$scratch/program"
loot=$scratch/loot

taken() { # TURN ARGUMENT...: ngstap while the file takes over whoever reads it the TURNth time
    local turn=$1
    shift
    status=0
    rm -f "$loot"
    TAKEN_TURN=$turn TAKEN_LOOT=$loot LD_PRELOAD=$scratch/takes-over.so \
        ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 \
        timeout 60 "$ngstap" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
}
crashed() { # NAME: it is told once, and nothing was taken
    [[ $status = 1 && ! -e $loot ]] && grep -q "$1.*the reader crashed (SIGSEGV)" "$scratch/err" &&
        [[ $(grep -c 'reader crashed' "$scratch/err") = 1 ]]
}

# each_time NAME FILE ARGUMENT...: at each reading of the file, until there is one turn too few
each_time() {
    local turn name=$1 file=$2
    shift 2
    for turn in 1 2 3 4 5 6; do
        taken "$turn" "$@"
        if ! crashed "$file" && ! [[ $turn -gt 1 && $status = 0 && ! -e $loot ]]; then
            echo "# turn $turn, status $status"
            return 1
        fi
        [[ $status != 0 ]] || break
    done
    echo "# $name: read $((turn - 1)) times"
}

"$scratch/program" &
pids+=($!)
pid=$!
script='probe process.function("outer") { println(@var("pair")->a) exit() }'

check 'a script of a process' each_time script program -I tapset -T 5 -x "$pid" -e "$script"
check 'a script of a program' each_time --exec program -I tapset -p4 -m x \
    --exec "$scratch/program" -e 'probe process.function("outer") { println($n) }'
marked "$scratch/libinner.so" "$scratch/libmarked.so"
mv "$scratch/libmarked.so" "$scratch/libinner.so"
check '--exec: a library that it would load' each_time library libinner.so -I tapset -p2 \
    --exec "$scratch/honest" -e 'probe process.function("outer") { println($n) }'
check '... and one that a script names' each_time .library libinner.so -I tapset -p2 \
    --exec "$scratch/honest" -e 'probe process.library("libinner*").function("inner") { println($n) }'
${CC:-cc} -g -shared -fPIC -Wl,--build-id -o "$scratch/libinner.so" "$scratch/lib.c"
check 'ngstap types' each_time types program types --module "$scratch/program" \
    -C 'struct pair'
check 'ngstap types -x' each_time types program types -x "$pid" \
    -C 'struct pair'
check 'ngstap pack' each_time pack program pack "$scratch/program" -o "$scratch/x.pack"
check 'ngstap fix-lua-bt -x' each_time fix-lua-bt program fix-lua-bt -x "$pid" /dev/null
check 'ngstap flame' each_time flame program flame --frames c -x "$pid" -t 0.5 \
    --at 'process.function("outer")' -o "$scratch/x.folded"

# ---- SystemTap's back end: the reader prints a script, it does not compile one ----

check 'a script for SystemTap' each_time --dump-stap program -I tapset --dump-stap \
    --exec "$scratch/program" -e 'probe process.function("outer") { println($n) }'
check '... on its way to stap' each_time -p3 program -I tapset --backend=stap -p3 \
    --exec "$scratch/program" -e 'probe process.function("outer") { println($n, @var("pair")->a) }'

# ---- without jails ----

taken 1 -I tapset --no-jail -T 5 -x "$pid" -e "$script"
check '--no-jail: the file takes over ngstap itself' test "$status" -gt 128 -a -e "$loot"
"$ngstap" -I tapset --no-jail -v -T 5 -x "$pid" -e "$script" >"$scratch/out" 2>"$scratch/err"
check '... an honest file is read as in a jail' test "$(<"$scratch/out")" = 0
check '... -v says that there is none' said 'read in this process, with its privileges: --no-jail'

# ---- saved profiles ----

printf 'main;TAKENTEXT 1\n' >"$scratch/good.folded"
printf 'TAKENTEXT;f 1\n' >"$scratch/bad.folded"
printf 'f 1\n' >"$scratch/f.folded"
"$ngstap" convert "$scratch/f.folded" -o "$scratch/bad.pb.gz" 2>"$scratch/err"
printf TAKE | dd of="$scratch/bad.pb.gz" bs=1 seek=4 conv=notrunc status=none
for file in bad.folded bad.pb.gz; do
    for to in --push --otlp; do
        taken 0 push "$to" http://127.0.0.1:9 "$scratch/$file"
        check "ngstap push $to of $file" crashed "$file is not sent: reading .*$file"
    done
done
taken 0 convert "$scratch/bad.folded" -o "$scratch/bad.svg"
check 'ngstap convert' crashed bad.folded

# ---- layers of an overlay ----

mkdir -p "$scratch"/{layers,merged}
mount -t tmpfs none "$scratch/layers" 2>/dev/null && mkdir "$scratch"/layers/{lower,upper,work} &&
    cp "$scratch/program" "$scratch/layers/lower/layered"
unshare -m bash -c '
    l=$1/layers
    mount -t overlay overlay -o "lowerdir=$l/lower,upperdir=$l/upper,workdir=$l/work" \
        "$1/merged" || exit
    "$1/merged/layered" &
    echo $! >"$1/layered.pid"
    sleep 0.3
    chmod 700 "$1/merged/layered"
    echo >"$1/copied"
    wait' bash "$scratch" 2>"$scratch/mount.err" &
pids+=($!)
for _ in {1..100}; do
    [[ ! -e $scratch/copied ]] || break
    sleep 0.1
done
if [[ -e $scratch/copied ]]; then
    layered=$(<"$scratch/layered.pid")
    pids+=("$layered")
    check 'a file on an overlay, copied up' each_time overlay layered -I tapset -T 5 -x "$layered" \
        -e 'probe process.function("outer") { println("hit") exit() }'
    "$ngstap" -I tapset -T 5 -x "$layered" >"$scratch/out" 2>"$scratch/err" \
        -e 'probe process.function("outer") { println("hit") exit() }'
    check '... whose layer is found without it' grep -qx hit "$scratch/out"
else
    skip 'a file on an overlay' "no overlay here: $(tail -n 1 "$scratch/mount.err")"
fi
kill "${pids[@]}" 2>/dev/null
umount -l "$scratch/layers" 2>/dev/null
finish
