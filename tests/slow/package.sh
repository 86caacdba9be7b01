#!/bin/bash
# shellcheck disable=SC2016,SC2317 # other shells expand; check calls functions
#
#   tests/slow/package.sh [SUITE]...
#
# The bundle in the userlands of Debian 11, 12 and 13; the package installed, upgraded and removed
# on 12 and 13, its dependencies from Debian's archive as this machine's apt has it; and there the
# one command of the README, which builds it from a clone (minutes).
#
# Needs root, NGSTAP_TARGETS, debootstrap, debhelper. The bare roots (debootstrap, minutes) stay in
# the cache; each run works on copies. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR/.. source=../tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"
# shellcheck source-path=SCRIPTDIR/.. source=../roots.sh
. "$(dirname "${BASH_SOURCE[0]}")/../roots.sh"

cache=${NGSTAP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ngstap}/slow/roots
version=$(sed -n 's/^VERSION = //p' "$builddir/Makefile")
deb=ngstap_${version}_amd64.deb

[[ $UID = 0 ]] || skip_all 'needs root'
[[ -n ${NGSTAP_TARGETS:-} ]] || skip_all 'NGSTAP_TARGETS is not set'
for tool in debootstrap dh; do
    command -v "$tool" >/dev/null || skip_all "no $tool (Debian: apt-get install debootstrap debhelper)"
done
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' |
    grep -v security | head -n 1)
[[ -n $mirror ]] || skip_all "apt knows no archive of Debian's"

made() { make -s -C "$builddir" "$1" >"$scratch/out" 2>"$scratch/err"; }

# fresh_root SUITE: a copy of the bare root, in $where
fresh_root() {
    local bare=$cache/$1
    where=$scratch/$1
    if [[ ! -d $bare ]]; then
        mkdir -p "$cache"
        rm -rf --one-file-system "$bare.new"
        debootstrap --variant=minbase "$1" "$bare.new" "$mirror" >"$scratch/out" 2>"$scratch/err" ||
            return
        mv "$bare.new" "$bare"
    fi
    cp -a "$bare" "$where"
    cp /etc/resolv.conf "$where/etc/resolv.conf"
}

# ---- the package

apt() { # ARGUMENT...
    inside_seconds=900 inside "$where" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
        --no-install-recommends "$@"
}
# What dpkg knows of the package; nothing when it is not there.
state() { inside "$where" dpkg-query -W -f '${Version} ${db:Status-Status}' ngstap; }
is_installed() { # VERSION
    state && test "$(<"$scratch/out")" = "$1 installed"
}
# The same package, called a newer one.
make_newer() {
    dpkg-deb -R "$builddir/$deb" "$scratch/newer" &&
        sed -i "s/^Version: .*/Version: $version+1/" "$scratch/newer/DEBIAN/control" &&
        dpkg-deb --root-owner-group -b "$scratch/newer" "$scratch/newer.deb" >/dev/null
}
is_gone() {
    find "$where"/{etc,usr,opt} "$where"/var/lib/dpkg/info -xdev \
        \( -name '*ngstap*' -o -name '*stap++*' \) >"$scratch/out"
    test ! -s "$scratch/out" && ! state
}

package() { # SUITE
    check "$1: apt knows the archive" apt update
    cp "$builddir/$deb" "$scratch/newer.deb" "$where/tmp"
    check "$1: the package installs" apt install "/tmp/$deb"
    check "$1: ... and is there" is_installed "$version"
    judge_root "$1, installed" "$where" ngstap "$version"
    check "$1: it upgrades" apt install /tmp/newer.deb
    check "$1: ... and is the newer one" is_installed "$version+1"
    check "$1: ... which runs" runs_script "$where" ngstap
    check "$1: dpkg finds its files whole" inside "$where" dpkg --verify ngstap
    check "$1: it is removed" apt purge ngstap
    check "$1: ... and leaves nothing" is_gone
}

# ---- the README's first command, on the sources alone

newcomer() { # SUITE
    local inside_seconds=3000
    [[ -e .git ]] || {
        skip "$1: one command installs it and draws" 'no clone'
        return
    }
    mkdir "$where/root/ngstap"
    git ls-files -z | tar --null -T - -cf - | tar -xf - -C "$where/root/ngstap"
    # as a newcomer has it: no compiler, flags or folders of this build
    check "$1: one command installs it and draws" \
        inside "$where" env -u CC -u CFLAGS -u CPPFLAGS -u LDFLAGS -u MAKEFLAGS -u MAKELEVEL \
        -u MFLAGS -u NGSTAP_CACHE -u NGSTAP_TARGETS -u XDG_CACHE_HOME -u top_srcdir \
        -u top_builddir HOME=/root sh -c 'cd /root/ngstap && ./quickstart install'
    check "$1: ... a flame graph" grep -q '<svg' "$where/root/ngstap/flame.svg"
    check "$1: ... by the package" is_installed "$version"
}

check 'the bundle is made' made bundle
check 'the package is made' made deb
check 'a newer package is made' make_newer
bundle=$(echo "$builddir/ngstap-$version"-*.tar.gz)
(($#)) || set -- bullseye bookworm trixie
for suite; do
    if ! fresh_root "$suite"; then
        skip "$suite" "debootstrap fails: $(tail -n 1 "$scratch/out")"
        continue
    fi
    start_target luajit gc64 interp 1800
    if [[ $suite != bullseye ]]; then
        package "$suite"
        newcomer "$suite"
    fi
    tar -xzf "$bundle" -C "$where/opt"
    judge_root "$suite, bundle" "$where" "/opt/$(basename "$bundle" .tar.gz)/ngstap" "$version"
    tests/targets/target.sh stop "$name"
    rm -rf --one-file-system "$where"
done
finish
