#!/bin/bash
#
# Debian's own nginx with the Lua module, LuaJIT's programs and libraries, as apt installs them but
# below a folder of the cache: stripped, without debug files, and nothing of them on the machine
# itself (apt would start an nginx on port 80).
#
#   tests/targets/debian.sh            fetch what is missing, print the folder
#   tests/targets/debian.sh --update   look for newer packages first
#
# The folder printed holds two roots, variants of target.sh and container.sh for those who set
# NGSTAP_TARGETS to it:
#
#   luajit2/   OpenResty's LuaJIT, its luajit, and nginx whose modules are loaded dynamically
#   luajit/    stock LuaJIT, its luajit
#
# Needs: Debian 12, x86-64, apt (as root when a library is missing), 10 MB. Leaves: the cache
# (NGSTAP_CACHE, default ~/.cache/ngstap).

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

LUAJIT2=(nginx libnginx-mod-http-lua libnginx-mod-http-ndk libluajit2-5.1-2 luajit2 lua-resty-core \
    lua-resty-lrucache)
LUAJIT=(luajit libluajit-5.1-2)
LIBRARIES=(libpcre2-8-0 libpcre3 libssl3 libcrypt1 zlib1g libgcc-s1) # what nginx and they link

PACKAGES=$TARGETS_CACHE/debian
LOGS=$TARGETS_CACHE/log

fetch_packages() {
    mkdir -p "$PACKAGES/new"
    cd "$PACKAGES/new"
    rm -f ./*.deb
    apt-get -q -o APT::Sandbox::User=root download "${LUAJIT2[@]}" "${LUAJIT[@]}"
    rm -f ../*.deb
    mv ./*.deb ..
}

# An index that was never fetched, or one so old that its files are gone.
fetch() {
    fetch_packages || { apt-get -q update && fetch_packages; }
}

unpack_all() { # FOLDER
    local root package
    for root in luajit2 luajit; do
        mkdir -p "$1/$root"
    done
    for package in "${LUAJIT2[@]}"; do
        dpkg-deb -x "$PACKAGES/${package}"_*.deb "$1/luajit2"
    done
    for package in "${LUAJIT[@]}"; do
        dpkg-deb -x "$PACKAGES/${package}"_*.deb "$1/luajit"
    done
}

main() {
    local built
    case ${1:-} in
    '' | --update) ;;
    -h | --help)
        sed -n '2,/^$/s/^# \?//p' "$0"
        return
        ;;
    *) fail "unknown option $1; see --help" ;;
    esac
    [[ $(dpkg --print-architecture 2>/dev/null) == amd64 ]] ||
        fail 'the packages are those of Debian, x86-64'
    mkdir -p "$PACKAGES" "$LOGS"
    exec 9>"$PACKAGES/lock"
    flock --nonblock 9 || { say 'Waiting for another fetch of the packages to end'; flock 9; }
    need_packages "${LIBRARIES[@]}"
    if [[ ${1:-} == --update ]] || ! compgen -G "$PACKAGES/nginx_*.deb" >/dev/null; then
        step "Fetching nginx and LuaJIT from Debian" "$LOGS/debian" fetch
    fi
    built=$({ cd "$PACKAGES" && printf '%s\n' ./*.deb; declare -f unpack_all; } | sha256sum)
    built=$PACKAGES/built-${built:0:12}
    if [[ ! -d $built ]]; then
        rm -rf "$built.new"
        unpack_all "$built.new"
        mv "$built.new" "$built"
    fi
    echo "$built"
}

main "$@"
