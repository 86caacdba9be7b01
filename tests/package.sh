#!/bin/bash
# shellcheck disable=SC2317 # check calls functions
#
# "make bundle": one folder that runs in a root that holds nothing but a busybox. "make deb": a
# package with all that "make install" has, in which lintian sees no error. Other userlands and
# container engines: tests/slow/package.sh, tests/slow/image.sh.
#
# Needs root, NGSTAP_TARGETS, busybox-static, debhelper, lintian; skips what it lacks. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=roots.sh
. "$(dirname "${BASH_SOURCE[0]}")/roots.sh"

grep -q '^CFLAGS.*-fsanitize\|^NG_CFLAGS.*-fsanitize' "$builddir/Makefile" &&
    skip_all 'a build with sanitizers is neither static nor packaged'

version=$(sed -n 's/^VERSION = //p' "$builddir/Makefile")
made() { make -s -C "$builddir" "$1" >"$scratch/out" 2>"$scratch/err"; }

# ---- the bundle

is_static() { # FILE: no loader, no library
    ! readelf -Wld "$1" 2>/dev/null | grep -E 'INTERP|NEEDED' >"$scratch/out"
}
is_below() { # MIB FILE
    (($(stat -c %s "$2") < $1 << 20))
}
# has_all_of ROOT FOLDER: each file of the sources' FOLDER; of layouts what is not for their maker.
has_all_of() {
    find "$2" -type f ! '(' -path 'layouts/*' ! -name '*.debug' ')' -printf '%P\n' |
        sort >"$scratch/want"
    (cd "$1/$2" && find . -type f -printf '%P\n') 2>/dev/null | sort |
        comm -23 "$scratch/want" - >"$scratch/out"
    test ! -s "$scratch/out"
}

bundle() {
    local bundle bare=$scratch/root at name
    check 'the bundle is made' made bundle
    bundle=$(echo "$builddir/ngstap-$version"-*.tar.gz)
    mkdir -p "$bare"/{bin,proc,sys,dev,tmp,opt}
    cp "$(command -v busybox)" "$bare/bin/busybox"
    cp "$bundle" "$bare/tmp/bundle.tar.gz"
    check 'busybox unpacks it' inside "$bare" /bin/busybox tar xzf /tmp/bundle.tar.gz -C /opt
    at=$(echo "$bare"/opt/ngstap-*)
    check 'it is one folder' test -d "$at"
    check 'its executable needs no library' is_static "$at/ngstap"
    check 'packed it is below 20 MiB' is_below 20 "$bundle"
    for name in tapset samples patches/runtime layouts; do
        [[ ! -d $name ]] || check "it has all of $name/" has_all_of "$at" "$name"
    done
    check 'it is called by its other names, too' \
        test "$at/ngstap" -ef "$at/stap++" -a "$at/ngstap" -ef "$at/stap/stap"
    if ((UID)); then
        skip 'its run' 'needs root'
        return
    elif [[ -z ${NGSTAP_TARGETS:-} ]]; then
        skip 'its run' 'NGSTAP_TARGETS is not set'
        return
    fi
    start_target luajit gc64 interp 120
    judge_root 'a busybox root' "$bare" "/opt/${at##*/}/ngstap" "$version"
}

# ---- the package

has_version() { test "$(dpkg-deb -f "$1" Version)" = "$2"; }
# What it is linked with, found by dpkg-shlibdeps.
depends_on() { # DEB LIBRARY...
    local library
    dpkg-deb -f "$1" Depends >"$scratch/out"
    for library in "${@:2}"; do
        printed "(^|, )$library(t64)?( |,|\$)" || return
    done
}
is_listed() { # PATH...
    local path
    for path; do
        grep -qF " ./$path" "$scratch/list" || {
            echo "$path is not in the package" >"$scratch/out"
            return 1
        }
    done
}
lints() { lintian --fail-on error --no-tag-display-limit "$1" >"$scratch/out" 2>"$scratch/err"; }

package() {
    local deb=$builddir/ngstap_${version}_amd64.deb root=$scratch/unpacked name
    check 'the package is made' made deb
    check "its version is configure.ac's" has_version "$deb" "$version"
    check 'it depends on the libraries' depends_on "$deb" libbpf1 libc6 libdw1 libelf1 liblzma5 \
        libnettle8 zlib1g
    dpkg-deb -c "$deb" >"$scratch/list"
    check 'it has the programs, pages and completions' is_listed usr/bin/ngstap \
        usr/bin/stap++ usr/bin/fix-lua-bt usr/bin/docker-root usr/libexec/ngstap/stap/stap \
        usr/share/man/man1/{ngstap,stap++,fix-lua-bt,docker-root,kubectl-ngstap}.1.gz \
        usr/share/bash-completion/completions/{ngstap,stap++} usr/share/doc/ngstap/README.md \
        usr/share/doc/ngstap/deploy/daemonset.yaml etc/ngstap/agent.conf \
        lib/systemd/system/ngstap-agent.service
    mkdir "$root"
    dpkg-deb -x "$deb" "$root"
    for name in tapset samples patches/runtime layouts; do
        [[ ! -d $name ]] || check "it has all of $name/" \
            has_all_of "$root/usr/share/ngstap" "$name"
    done
    ngstap=$root/usr/bin/ngstap
    check 'unpacked elsewhere, it finds its tapset' last_line_is 0m1.500000s \
        -e 'probe begin { println(usecs_to_string(1500000)); exit() }'
    if command -v lintian >/dev/null; then
        check 'lintian sees no error' lints "$deb"
    else
        skip 'lintian sees no error' 'no lintian (Debian: apt-get install lintian)'
    fi
}

command -v busybox >/dev/null && ! ldd "$(command -v busybox)" >/dev/null 2>&1 ||
    skip_all 'no static busybox (Debian: apt-get install busybox-static)'
bundle
if command -v dh >/dev/null; then
    package
else
    skip 'the package' 'no debhelper (Debian: apt-get install debhelper)'
fi
finish
