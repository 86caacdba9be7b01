#!/bin/bash
#
# Targets that mean harm. An unprivileged user, root in namespaces of his own, runs a program from an overlay whose
# layer has the name of a folder of the host: root who traces it must put no breakpoint into the host's file of that
# name. What is probed in an honest program on an overlay that was copied up is in tests/containers.sh.
#
# Needs root, eBPF, user namespaces with overlays (Linux 5.11). About 10 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
command -v setpriv unshare >/dev/null || skip_all 'needs setpriv and unshare'

# --- a program of the host, and one of the attacker's of the same name --------------------------------

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

# --- the attack -------------------------------------------------------------------------------------

# shellcheck disable=SC2016 # expanded by the attacker's shell
setpriv --reuid=65534 --regid=65534 --clear-groups unshare --user --map-root-user --mount bash -c '
    set -e
    mkdir "$1/work/upper"
    touch "$1/work/upper/victim"
    mount -t tmpfs none "$1/host"
    cp "$1/work/evil" "$1/host/victim"
    mount -t tmpfs none "$1/work"
    mkdir "$1/work/"{upper,work,merged}
    mount -t overlay overlay -o "lowerdir=$1/host,upperdir=$1/work/upper,workdir=$1/work/work" "$1/work/merged"
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
global n
probe process.function("hot") { n++ }
probe begin { println("armed") }
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
