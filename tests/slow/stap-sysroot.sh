#!/bin/bash
# shellcheck disable=SC2317 # check calls functions
#
# patches/systemtap/sysroot.patch: Debian's source package of SystemTap with it, compiled; then a probe in a process
# that lives in a root of its own, with --sysroot. The stap that is installed fails where the patched one does not.
#
# Needs root, kernel headers, a C compiler, deb-src by the machine's apt configuration, and the packages that building
# SystemTap takes (g++, gettext, libdw-dev). About 10 minutes; what was built stays in the cache, and a second run takes
# seconds. NGSTAP_STAP_SOURCE=FOLDER: an unpacked source package to use in place of a fetched one. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR/.. source=../tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"

cache=${NGSTAP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ngstap}/slow
patch=$PWD/patches/systemtap/sysroot.patch

[[ $UID = 0 ]] || skip_all 'needs root'
for tool in "${CC:-cc}" g++ make patch msgfmt dpkg-source; do
    command -v "$tool" >/dev/null || skip_all "no $tool (Debian: apt-get install build-essential gettext patch)"
done
build=$(find /lib/modules/*/build -maxdepth 0 2>/dev/null | sort -V | tail -1)
[[ -n $build ]] || skip_all 'no kernel headers: apt-get install linux-headers-amd64'
release=$(basename "$(dirname "$build")")

# --- the patched stap --------------------------------------------------------------------

fetch() { # FOLDER
    local apt=$scratch/apt
    mkdir -p "$apt/sources.d" "$apt/lists/partial" "$apt/cache/archives/partial"
    # shellcheck disable=SC2016 # apt fills these in, not the shell
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' | sort -u |
        sed 's,^,deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ,' >"$apt/sources.d/debian.list"
    local options=(-q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$apt/sources.d"
        -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root)
    apt-get "${options[@]}" update && cd "$scratch" && apt-get "${options[@]}" source --download-only systemtap &&
        dpkg-source --no-check -x "$scratch"/systemtap_*.dsc "$1"
}

compile() { # SOURCE
    cd "$1"
    [[ -e git_version.h ]] || echo '#define GIT_MESSAGE "a package"' >git_version.h
    ./configure --disable-docs --disable-publican --disable-refdocs --without-nss --without-avahi --without-dyninst \
        --without-bpf --disable-sqlite --disable-nls --without-openssl --without-debuginfod --without-java \
        --without-python3-probes --disable-libvirt --without-readline CXXFLAGS=-O1 CFLAGS=-O1
    nice make -j"$(nproc)" stap
}

built=$cache/stap-$(sha256sum "$patch" | cut -c 1-16)
if [[ ! -x $built/stap ]]; then
    source=$scratch/source
    if [[ -n ${NGSTAP_STAP_SOURCE:-} ]]; then
        cp -r "$NGSTAP_STAP_SOURCE" "$source"
    elif ! (fetch "$source") >"$scratch/out" 2>&1; then
        skip_all "the source of SystemTap cannot be fetched: $(grep -E '^(E|Err)' "$scratch/out" | tail -1)"
    fi
    check 'the patch applies' patch -s -p1 -d "$source" -i "$patch"
    status=0
    (compile "$source") >"$scratch/log" 2>&1 || status=$?
    tail -n 12 "$scratch/log" >"$scratch/out"
    check '... and SystemTap compiles with it' test "$status" = 0
    ((status == 0)) || finish
    mkdir -p "$built.new"
    cp "$source/stap" "$built.new/"
    rm -rf "$built"
    mv "$built.new" "$built"
fi

# --- a root with a program in it, behind a link -----------------------------------------------

root=$scratch/root
mkdir -p "$root/opt/app" "$root/usr/lib64" "$root/lib64" "$root/usr/lib" "$root/lib" "$root/proc"
ln -s /opt/app "$root/usr/app"
cat >"$scratch/target.c" <<'END'
#define _GNU_SOURCE
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>
__attribute__((noinline)) long visit(long n)
{
    __asm__ volatile("" ::: "memory");
    return n + 1;
}
int main(int argc, char **argv)
{
    if (argc > 1) {
        if (unshare(CLONE_NEWNS) || mount("", "/", "", MS_REC | MS_PRIVATE, 0) ||
            mount(argv[1], argv[1], "", MS_BIND, 0) || chdir(argv[1]) || syscall(SYS_pivot_root, ".", ".") ||
            umount2(".", MNT_DETACH))
            return 1;
        execl("/usr/app/target", "target", (char *)0);
        return 2;
    }
    for (long n = 0;; n = visit(n))
        usleep(10000);
}
END
${CC:-cc} -g -O1 -static -o "$root/opt/app/target" "$scratch/target.c"
"$root/opt/app/target" "$root" &
pid=$!
pids+=("$pid")
sleep 1
check 'the target runs, in a root of its own' test "$(readlink "/proc/$pid/exe")" = /opt/app/target -a "$(readlink "/proc/$pid/root")" = /

# resolves STAP SYSROOT: finds the probe.
resolves() {
    SYSTEMTAP_DIR=$scratch/systemtap timeout 120 "$1" -p2 -r "$release" -R "$runtime" -I "$tapset" --sysroot "$2" \
        -e 'probe process("/usr/app/target").function("visit") { println("x") }' >"$scratch/out" 2>"$scratch/err" </dev/null &&
        grep -qE 'process\("/opt/app/target"\)\.function\("visit@|process\(.*\)\.function\("visit' "$scratch/out"
}
if [[ -d /usr/share/systemtap/runtime ]]; then
    runtime=/usr/share/systemtap/runtime tapset=/usr/share/systemtap/tapset
    for sysroot in "/proc/$pid/root" "/proc/$pid/root/" "$root"; do
        check "the patched stap, --sysroot ${sysroot/$pid/PID}" resolves "$built/stap" "$sysroot"
    done
    if command -v stap >/dev/null; then
        fails() { ! resolves stap "$1"; }
        check 'the installed one fails with the first' fails "/proc/$pid/root"
        check '... and with the last' fails "$root"
    else
        skip 'the installed one fails' 'no stap: apt-get install systemtap'
    fi
else
    skip 'a probe with --sysroot' 'no tapset of SystemTap: apt-get install systemtap'
fi
finish
