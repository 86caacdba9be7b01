#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# patches/systemtap/sysroot.patch: Debian's source package of SystemTap with it, compiled; then a
# probe in a process that lives in a root of its own, with --sysroot. The stap that is installed
# fails where the patched one does not.
#
# Needs root, kernel headers, a C compiler, deb-src by the machine's apt configuration, and the
# packages that building SystemTap takes (g++, gettext, libdw-dev). About 10 minutes; what was built
# stays in the cache, and a second run takes seconds. NGSTAP_STAP_SOURCE=FOLDER: an unpacked source
# package to use in place of a fetched one. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR/.. source=../tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"

cache=${NGSTAP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ngstap}/slow
patch=$PWD/patches/systemtap/sysroot.patch

[[ $UID = 0 ]] || skip_all 'needs root'
for tool in ${CC:-cc} g++ make patch msgfmt dpkg-source; do
    command -v "$tool" >/dev/null || skip_all \
        "no $tool (Debian: apt-get install build-essential gettext patch)"
done
build=$(find /lib/modules/*/build -maxdepth 0 2>/dev/null | sort -V | tail -1)
[[ -n $build ]] || skip_all 'no kernel headers: apt-get install linux-headers-amd64'
release=$(basename "$(dirname "$build")")

# --- the patched stap --------------------------------------------------------------------

# apt with lists of its own.
private_apt() { # PROGRAM ARGUMENT...
    local apt=$scratch/apt program=$1
    shift
    "$program" -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$apt/sources.d" -o \
        Dir::State::Lists="$apt/lists" \
        -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root "$@"
}

# A source package that can be fetched and takes the patch: this machine's suites first, then
# Debian's others (an archive can have dropped what its index lists).
fetch() { # FOLDER
    local apt=$scratch/apt suite version uri
    mkdir -p "$apt/sources.d" "$apt/lists/partial" "$apt/cache/archives/partial"
    # shellcheck disable=SC2016 # apt fills these in, not the shell
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' \
        'Origin: Debian' | sort -u |
        sed 's,^,deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ,' >"$apt/own"
    # shellcheck disable=SC2016
    uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' |
        grep -v security | head -n 1)
    cd "$scratch"
    for suite in own bookworm trixie bullseye sid; do
        if [[ $suite = own ]]; then
            cp "$apt/own" "$apt/sources.d/debian.list"
        else
            echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $suite main" \
                >"$apt/sources.d/debian.list"
        fi
        private_apt apt-get update || continue
        for version in $(private_apt apt-cache --only-source showsrc systemtap |
            awk '$1 == "Version:" { print $2 }' | sort -Vru); do
            rm -rf systemtap_* "$1"
            if private_apt apt-get source --download-only "systemtap=$version" &&
                dpkg-source --no-check -x "$scratch"/systemtap_*.dsc "$1" &&
                    patch -s --dry-run -p1 -d "$1" -i "$patch"; then
                return
            fi
            echo "E: systemtap $version cannot be fetched, or does not take the patch"
        done
    done
    return 1
}

# The patch's part for shared libraries alone: hunks by what they add.
solib_part() {
    awk '
        /^--- / { put(); file = $0; next }
        /^\+\+\+ / { head = file "\n" $0; next }
        function put() { if (wanted) { if (head != "") print head; head = ""; printf "%s", hunk }
            hunk = ""; wanted = 0 }
        /^@@ / { put(); hunk = $0 "\n"; next }
        { hunk = hunk $0 "\n" }
        /^\+.*(inhibit-cache|startswith\(shlib|return name;)/ { wanted = 1 }
        END { put() }' "$patch"
}

compile() { # SOURCE
    cd "$1"
    [[ -e git_version.h ]] || echo '#define GIT_MESSAGE "a package"' >git_version.h
    ./configure --disable-docs --disable-publican --disable-refdocs --without-nss --without-avahi \
        --without-dyninst \
        --without-bpf --disable-sqlite --disable-nls --without-openssl --without-debuginfod \
        --without-java \
        --without-python3-probes --disable-libvirt --without-readline CXXFLAGS=-O0 CFLAGS=-O0
    nice make -j"$(nproc)" stap
}

built=$cache/stap-$(sha256sum "$patch" | cut -c 1-16)
if [[ ! -x $built/stap-without-solib ]]; then
    source=$scratch/source
    if [[ -n ${NGSTAP_STAP_SOURCE:-} ]]; then
        cp -r "$NGSTAP_STAP_SOURCE" "$source"
    elif ! (fetch "$source") >"$scratch/out" 2>&1; then
        skip_all "no source package of SystemTap that takes the patch can be fetched; tried: $(sed \
            -n \
            's/^E: systemtap \([^ ]*\) cannot be fetched.*/\1/p' "$scratch/out" | sort -uV |
            paste -sd ' ')"
    fi
    check 'the patch applies' patch -s -p1 -d "$source" -i "$patch"
    status=0
    (compile "$source") >"$scratch/log" 2>&1 || status=$?
    tail -n 12 "$scratch/log" >"$scratch/out"
    check '... and SystemTap compiles with it' test "$status" = 0
    ((status == 0)) || finish
    mkdir -p "$built.new"
    cp "$source/stap" "$built.new/"
    solib_part >"$scratch/solib.patch"
    check 'the part for shared libraries is one of its own' patch -s -R -p1 -d "$source" -i \
        "$scratch/solib.patch"
    (cd "$source" && nice make stap) >"$scratch/log" 2>&1 || status=$?
    check '... without which SystemTap compiles, too' test "$status" = 0
    cp "$source/stap" "$built.new/stap-without-solib"
    rm -rf "$built"
    mv "$built.new" "$built"
fi

# --- a root with a program in it, behind a link -----------------------------------------------

root=$scratch/root
mkdir -p "$root/opt/app" "$root/usr/lib64" "$root/lib64" "$root/usr/lib" "$root/lib" "$root/proc"
ln -s /opt/app "$root/linked"
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
            mount(argv[1], argv[1], "", MS_BIND, 0) || chdir(argv[1]) ||
                syscall(SYS_pivot_root, ".", ".") ||
            umount2(".", MNT_DETACH))
            return 1;
        execl("/linked/target", "target", (char *)0);
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
check 'the target runs, in a root of its own' test "$(readlink "/proc/$pid/exe")" \
    = /opt/app/target -a "$(readlink "/proc/$pid/root")" = /

# A program with a shared library that only the root has. It never runs: the host's loader says what
# it would load.
cat >"$scratch/greet.c" <<'END'
long greet(long n) { return n * 3; }
END
echo 'extern long greet(long); int main(int argc, char **argv) { return greet(argc); }' \
    >"$scratch/program.c"
${CC:-cc} -g -O1 -shared -fPIC -Wl,-soname,libgreet.so -o "$root/usr/lib/libgreet.so" \
    "$scratch/greet.c"
${CC:-cc} -g -O1 -o "$root/opt/app/program" "$scratch/program.c" -L"$root/usr/lib" -lgreet
while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done < <(ldd "$root/opt/app/program" | grep -oE '/[^ ]*(libc\.so|ld-linux)[^ ]*')

# resolves STAP SYSROOT: finds the probe.
resolves() {
    SYSTEMTAP_DIR=$scratch/systemtap timeout 120 "$1" -p2 -r "$release" -R "$runtime" -I "$tapset" \
        --sysroot "$2" \
        -e 'probe process("/linked/target").function("visit") { println("x") }' >"$scratch/out" \
        2>"$scratch/err" </dev/null &&
        grep -qE 'process\("/opt/app/target"\)\.function\("visit@|process\(.*\)\.function\("visit' \
            "$scratch/out"
}
resolves_library() { # STAP SYSROOT
    SYSTEMTAP_DIR=$scratch/systemtap timeout 120 "$1" -p2 -r "$release" -R "$runtime" -I "$tapset" \
        --sysroot "$2" \
        -e 'probe process("/linked/program").library("libgreet.so").function("greet") {
            println($n) }' \
        >"$scratch/out" 2>"$scratch/err" </dev/null &&
        grep -qE 'process\("[^"]*libgreet\.so"\)\.function\("greet@' "$scratch/out"
}
if [[ -d /usr/share/systemtap/runtime ]]; then
    runtime=/usr/share/systemtap/runtime tapset=/usr/share/systemtap/tapset
    for sysroot in "/proc/$pid/root" "/proc/$pid/root/" "$root"; do
        check "the patched stap, --sysroot ${sysroot/$pid/PID}" resolves "$built/stap" "$sysroot"
    done
    without_fails() { ! resolves_library "$built/stap-without-solib" "$1"; }
    for sysroot in "/proc/$pid/root" "$root"; do
        check "a shared library in it, --sysroot ${sysroot/$pid/PID}" resolves_library \
            "$built/stap" "$sysroot"
        check '... is not found without the part of the patch that is for it' without_fails \
            "$sysroot"
        check '... by a stap that finds the program' resolves "$built/stap-without-solib" "$sysroot"
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
