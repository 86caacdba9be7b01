#!/bin/bash
#
# Builds the programs that ngstap is tried on, from Debian's source packages:
# OpenResty's LuaJIT (luajit2) and nginx with ngx_lua. Debian's own binaries
# do not serve: they are stripped, and their debug files are kept elsewhere.
#
#   tests/targets/build.sh            build what is missing, print the folder
#   tests/targets/build.sh --update   look for newer source packages first
#
# The folder printed holds one root per variant, movable as a whole:
#
#   gc64/      LuaJIT's default on x86-64, debug info in the binaries
#   gc32/      the same nginx, LuaJIT built with 32-bit GC references
#   nounwind/  LuaJIT without tables for its interpreter but those for debuggers
#   stripped/  gc64 stripped; debug files compressed under usr/lib/debug/.build-id
#   static/    nginx and luajit, each with LuaJIT within, all symbols stripped; no debug files
#   headless/  static without section headers
#
# and in each root srv/openresty/{nginx/sbin/nginx, luajit/bin/luajit,
# luajit/lib/libluajit-5.1.so.2, lualib/}. A root holds no libc: container.sh
# adds one. The path $ROOT$FOLDER/VARIANT is a link back to $ROOT, so that
# --sysroot $ROOT serves a process started from that same root on the host.
#
# Needs: Debian 12, x86-64, apt (as root when a package is missing), 500 MB.
# Leaves: packages that apt installed; everything else in the cache
# (NGSTAP_CACHE, default ~/.cache/ngstap). The machine's apt configuration is
# not touched: the source lists live in the cache. A built part is kept under
# the hash of its versions and of the function below that built it.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

SOURCE_PACKAGES=(luajit2 nginx libnginx-mod-http-lua libnginx-mod-http-ndk lua-cjson)
LUA_PACKAGES=(lua-resty-core lua-resty-lrucache)

SOURCES=$TARGETS_CACHE/sources
PARTS=$TARGETS_CACHE/parts
LOGS=$TARGETS_CACHE/log

# --- source packages ---------------------------------------------------------

# apt with lists of its own. Files are fetched as root: apt's own user may not
# enter the cache of the one who calls.
private_apt() {
    local tool=$1 apt=$SOURCES/apt
    shift
    "$tool" -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$apt/sources.d" \
        -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" \
        -o APT::Sandbox::User=root "$@"
}

# The machine's own Debian sources (its mirror, its suites), as deb-src.
list_sources() {
    local apt=$SOURCES/apt uri suite component
    mkdir -p "$apt/sources.d" "$apt/lists/partial" "$apt/cache/archives/partial"
    # shellcheck disable=SC2016 # apt fills these in, not the shell
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
        'Created-By: Packages' 'Origin: Debian' | sort -u |
        while read -r uri suite component; do
            echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
                "$uri $suite $component"
        done >"$apt/sources.d/debian.list"
    [[ -s $apt/sources.d/debian.list ]] || { echo 'no Debian source in apt'; return 1; }
    private_apt apt-get -q update
}

# The newest version that can be fetched: the archive may have dropped a
# version that its index still lists.
fetch_source() {
    local package=$1 version
    for version in $(private_apt apt-cache --only-source showsrc "$package" |
        awk '$1 == "Version:" { print $2 }' | sort -Vru); do
        if private_apt apt-get -q source --download-only "$package=$version"; then
            echo "$package $version" >>versions.new
            return
        fi
        echo "$package $version cannot be fetched; trying an older one"
    done
    echo "no version of $package can be fetched"
    return 1
}

fetch_sources() {
    local package
    list_sources
    cd "$SOURCES"
    rm -f versions.new
    for package in "${SOURCE_PACKAGES[@]}"; do
        fetch_source "$package"
    done
    for package in "${LUA_PACKAGES[@]}"; do
        rm -f "$package"_*.deb
        apt-get -q -o APT::Sandbox::User=root download "$package"
        echo "$package $(dpkg-deb -f "$package"_*.deb Version)" >>versions.new
    done
    mv versions.new versions
}

version_of() { awk -v package="$1" '$1 == package { print $2 }' "$SOURCES/versions"; }

unpack() {
    local package=$1 version
    version=$(version_of "$package")
    # The epoch is no part of a file's name.
    dpkg-source --no-check -x "$SOURCES/${package}_${version#*:}.dsc" "$2"
}

# --- parts: each is built into the folder $1, its sources unpacked in $1.src -----

# LuaJIT's own build gives a shared library and an executable that has LuaJIT
# inside it. CCDEBUG also keeps its Makefile from stripping.
build_luajit() {
    local out=$1 flags=$2 source=$1.src
    mkdir "$source"
    unpack luajit2 "$source/luajit2"
    cd "$source/luajit2"
    nice make -j2 amalg= BUILDMODE=mixed CCDEBUG=-g \
        XCFLAGS="$flags -ffile-prefix-map=$source=/usr/src"
    install -D src/luajit "$out/bin/luajit"
    install -D src/libluajit.so "$out/lib/libluajit-5.1.so.2"
    install -m 644 src/libluajit.a "$out/lib/libluajit-5.1.a"
    ln -s libluajit-5.1.so.2 "$out/lib/libluajit-5.1.so"
    install -D -m 644 -t "$out/include" src/lua.h src/lauxlib.h src/lualib.h \
        src/luaconf.h src/luajit.h
    install -D -m 644 -t "$out/share/jit" src/jit/*.lua
}
build_luajit_gc64() { build_luajit "$1" ''; }
build_luajit_gc32() { build_luajit "$1" -DLUAJIT_DISABLE_GC64; }
build_luajit_nounwind() { build_luajit "$1" -DLUAJIT_NO_UNWIND; }

# LD_RUN_PATH gives the RUNPATH that makes the tree movable; as an option,
# its $ORIGIN would not survive nginx's configure and Makefile. PCRE1 because
# this ngx_lua knows no other.
build_nginx() {
    local out=$1 luajit=$2 source=$1.src
    mkdir "$source"
    unpack nginx "$source/nginx"
    unpack libnginx-mod-http-ndk "$source/ndk"
    unpack libnginx-mod-http-lua "$source/lua"
    cd "$source/nginx"
    # Not an argument of configure: nginx -V shows those.
    export CC="gcc -ffile-prefix-map=$source=/usr/src -ffile-prefix-map=$luajit=/usr/src/luajit"
    export LUAJIT_INC=$luajit/include LUAJIT_LIB=$luajit/lib
    # shellcheck disable=SC2016 # $ORIGIN is for the dynamic linker
    export LD_RUN_PATH='$ORIGIN/../../luajit/lib'
    nice ./configure --prefix=/srv/openresty/nginx --with-cc-opt='-g -O2' \
        --with-threads --with-pcre --without-pcre2 --with-pcre-jit \
        --with-http_ssl_module --with-http_v2_module --with-http_realip_module \
        --with-http_stub_status_module \
        --add-module=../ndk --add-module=../lua
    nice make -j2
    install -D objs/nginx "$out/sbin/nginx"
    # The same objects, linked with LuaJIT's archive.
    sed -i "s,-lluajit-5\.1,$luajit/lib/libluajit-5.1.a," objs/Makefile
    rm objs/nginx
    make -f objs/Makefile objs/nginx
    install objs/nginx "$out/sbin/nginx-static"
}

# cjson defines a luaL_setfuncs of its own for Lua 5.1; this LuaJIT has one too.
build_lualib() {
    local out=$1 luajit=$2 source=$1.src package
    mkdir "$source"
    unpack lua-cjson "$source/cjson"
    cd "$source/cjson"
    mkdir -p "$out"
    sed -i 's/luaL_setfuncs/cjson_setfuncs/' lua_cjson.c
    gcc -g -O2 -fPIC -shared -ffile-prefix-map="$source=/usr/src" -I "$luajit/include" \
        -o "$out/cjson.so" lua_cjson.c strbuf.c fpconv.c -lm
    for package in "${LUA_PACKAGES[@]}"; do
        dpkg-deb -x "$SOURCES/$package"_*.deb "$source/$package"
        cp -r "$source/$package/usr/share/lua/5.1/." "$out/"
    done
}

# A part is the same as long as its versions and its recipe are: NAME-HASH.
# The hash takes in all that the caller names after it.
part_path() {
    local name=$1
    shift
    echo "$PARTS/$name-$({ cat "$SOURCES/versions"; declare -f "build_$name" unpack; echo "$@"; } |
        sha256sum | cut -c 1-12)"
}

# part NAME TEXT [ARGUMENT...]: builds it unless it is there; its path is $part.
part() {
    local name=$1 text=$2
    shift 2
    part=$(part_path "$name" "$(declare -f build_luajit)" "$@")
    [[ -d $part ]] && return
    rm -rf "$part.new" "$part.new.src"
    mkdir -p "$part.new"
    step "$text" "$LOGS/$name" "build_$name" "$part.new" "$@"
    rm -rf "$part.new.src"
    mv "$part.new" "$part"
}

# --- variants -----------------------------------------------------------------

# The link that lets the root be the sysroot of a process started from it.
link_back() {
    local root=$1 path=$2 up
    up=$(sed 's,[^/]\+,..,g; s,^/,,; s,/\?\.\.$,,' <<<"$path")
    mkdir -p "$root$(dirname "$path")"
    ln -s "${up:-.}" "$root$path"
}

assemble() {
    local new=$1 final=$2 luajit=$3 nginx=$4 lualib=$5 tree=$1/srv/openresty
    mkdir -p "$tree/luajit" "$tree/nginx"
    cp -r "$luajit/bin" "$luajit/lib" "$luajit/share" "$tree/luajit/"
    install -D "$nginx/sbin/nginx" "$tree/nginx/sbin/nginx"
    cp -r "$lualib" "$tree/lualib"
    link_back "$new" "$final"
}

# What a distribution does: the debug info of each binary in a file named by
# its build-id, its sections compressed, and a debuglink to it in the binary.
strip_root() {
    local root=$1 file id debug
    for file in "$root"/srv/openresty/{nginx/sbin/nginx,luajit/bin/luajit} \
        "$root"/srv/openresty/{luajit/lib/libluajit-5.1.so.2,lualib/cjson.so}; do
        id=$(readelf -n "$file" 2>/dev/null | awk '/Build ID:/ { print $3 }')
        if [[ -z $id ]]; then
            echo "$file has no build-id"
            return 1
        fi
        debug=$root/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug
        mkdir -p "$(dirname "$debug")"
        objcopy --only-keep-debug --compress-debug-sections=zlib-gabi "$file" "$debug"
        chmod 644 "$debug"
        objcopy --strip-unneeded --remove-section=.comment --add-gnu-debuglink="$debug" "$file"
    done
}

# What those do who link LuaJIT into their program: no library, nothing left that names anything.
make_static() {
    local tree=$1/srv/openresty nginx=$2
    rm -r "$tree/luajit/lib"
    cp "$nginx/sbin/nginx-static" "$tree/nginx/sbin/nginx"
    strip --strip-all "$tree"/{nginx/sbin/nginx,luajit/bin/luajit,lualib/cjson.so}
}

# What sstrip does: the ELF header's e_shoff, e_shentsize, e_shnum and e_shstrndx are 0, and the
# table of sections is cut off.
cut_sections() {
    local file at
    for file in "$1"/srv/openresty/{nginx/sbin/nginx,luajit/bin/luajit,lualib/cjson.so}; do
        at=$(od -A n -t u8 -j 40 -N 8 "$file")
        truncate -s "$((at))" "$file"
        dd if=/dev/zero of="$file" bs=1 count=8 seek=40 conv=notrunc
        dd if=/dev/zero of="$file" bs=1 count=6 seek=58 conv=notrunc
    done
}

assemble_all() {
    local new=$1 final=$2 luajit64=$3 luajit32=$4 nounwind=$5 nginx=$6 lualib=$7
    assemble "$new/gc64" "$final/gc64" "$luajit64" "$nginx" "$lualib"
    assemble "$new/gc32" "$final/gc32" "$luajit32" "$nginx" "$lualib"
    assemble "$new/nounwind" "$final/nounwind" "$nounwind" "$nginx" "$lualib"
    assemble "$new/stripped" "$final/stripped" "$luajit64" "$nginx" "$lualib"
    strip_root "$new/stripped"
    assemble "$new/static" "$final/static" "$luajit64" "$nginx" "$lualib"
    make_static "$new/static" "$nginx"
    assemble "$new/headless" "$final/headless" "$luajit64" "$nginx" "$lualib"
    make_static "$new/headless" "$nginx"
    cut_sections "$new/headless"
    cp "$SOURCES/versions" "$new/versions"
}

build_all() {
    local part luajit64 luajit32 nounwind nginx lualib built
    if [[ ${1:-} == --update || ! -s $SOURCES/versions ]]; then
        step "Fetching the sources of nginx, ngx_lua and LuaJIT from Debian" \
            "$LOGS/fetch" fetch_sources
    fi
    part luajit_gc64 'Building LuaJIT, GC64 (about a minute)'
    luajit64=$part
    part luajit_gc32 'Building LuaJIT, GC32 (about a minute)'
    luajit32=$part
    part luajit_nounwind 'Building LuaJIT, LUAJIT_NO_UNWIND (about a minute)'
    nounwind=$part
    part nginx 'Building nginx with ngx_lua (about a minute and a half)' "$luajit64"
    nginx=$part
    part lualib 'Building cjson, unpacking lua-resty-core' "$luajit64"
    lualib=$part

    built=$(declare -f assemble_all assemble strip_root make_static cut_sections link_back)
    built=$(sha256sum <<<"$luajit64 $luajit32 $nounwind $nginx $lualib $built" | cut -c 1-12)
    built=$TARGETS_CACHE/built-$built
    if [[ ! -d $built ]]; then
        rm -rf "$built.new"
        step 'Laying out the variants' "$LOGS/assemble" \
            assemble_all "$built.new" "$built" "$luajit64" "$luajit32" "$nounwind" "$nginx" \
            "$lualib"
        mv "$built.new" "$built"
    fi
    ln -sfn "${built##*/}" "$TARGETS_CACHE/current"
    echo "$built"
}

main() {
    case ${1:-} in
    '' | --update) ;;
    -h | --help)
        sed -n '2,/^$/s/^# \?//p' "$0"
        return
        ;;
    *) fail "unknown option $1; see --help" ;;
    esac
    [[ $(dpkg --print-architecture 2>/dev/null) == amd64 ]] ||
        fail 'the targets are built on Debian, x86-64'
    mkdir -p "$SOURCES" "$PARTS" "$LOGS"
    # Two builds at once would write the same folders.
    exec 9>"$TARGETS_CACHE/lock"
    flock --nonblock 9 || { say 'Waiting for another build of the targets to end'; flock 9; }
    need_packages build-essential dpkg-dev libpcre3-dev zlib1g-dev libssl-dev
    build_all "$@"
}

main "$@"
