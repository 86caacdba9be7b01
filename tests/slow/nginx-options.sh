#!/bin/bash
# shellcheck disable=SC2317,SC2154 # check calls functions; tap.sh's variables
#
# nginx as it is built by hand: of several versions, without TLS, PCRE or gzip, with TLS for streams
# alone, with --with-debug, with --with-compat; stripped. Known layouts fit each, and lay out every
# member as the DWARF of the same build does, with a request and an upstream to try them on; so do
# those that are chosen without a process, by version and options.
#
# NGSTAP_NGINX_GIT names a clone of github.com/nginx/nginx with its tags. nginx-options.sh WORD...
# builds those alone whose line below has one of the words.
#
# Needs root, eBPF, gcc, NGSTAP_NGINX_GIT, headers of OpenSSL, PCRE, zlib. Prints TAP. They are
# built in the cache (NGSTAP_CACHE, default ~/.cache/ngstap); a minute each, the first time.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR/.. source=../tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
[[ -n ${NGSTAP_NGINX_GIT:-} ]] || skip_all 'no NGSTAP_NGINX_GIT'
command -v gcc >/dev/null || skip_all 'no gcc'
export DEBUGINFOD_URLS='' XDG_CACHE_HOME=$scratch/cache XDG_DATA_HOME=$scratch/data

# VERSION OPTION...
builds='
1.19.0 --with-threads --with-http_dav_module
1.21.4 --without-http_gzip_module --with-http_realip_module --with-file-aio
1.23.4 --without-pcre --without-http_rewrite_module --with-http_ssl_module
1.24.0 --with-http_v2_module --with-http_ssl_module --with-threads
1.27.1 --with-threads --with-file-aio
1.27.1 --with-stream --with-stream_ssl_module
1.28.0 --with-compat --with-http_ssl_module
1.29.8 --with-debug --with-http_ssl_module --with-http_v2_module --with-http_realip_module
1.31.4 --with-compat --without-pcre --without-http_rewrite_module
1.31.4 --with-http_v3_module --with-http_ssl_module --with-threads'

cache=${NGSTAP_CACHE:-$HOME/.cache/ngstap}/nginx-options
mkdir -p "$cache"

# build VERSION OPTION...: leaves $exe, without debug information, and $with_debug.
build() {
    local dir version=$1
    dir=$cache/$version-$(echo "$*" | sha256sum | cut -c 1-8)
    shift
    exe=$dir/nginx with_debug=$dir/nginx.with-debug
    [[ ! -e $exe ]] || return 0
    rm -rf "$dir"
    mkdir -p "$dir/src"
    git -C "$NGSTAP_NGINX_GIT" archive "release-$version" | tar -x -C "$dir/src"
    (cd "$dir/src" && nice ./auto/configure --prefix="$dir" --with-cc-opt='-g -O1 -w' "$@" &&
        nice make -j2 && cp objs/nginx "$with_debug") >"$dir/log" 2>&1 || return
    rm -rf "$dir/src"
    strip --strip-all -o "$exe" "$with_debug"
}

# One worker; its own upstream, which takes its time, so that a request is there to be looked at.
start() {
    port=$((20000 + RANDOM % 20000))
    www=$scratch/www
    rm -rf "$www"
    mkdir -p "$www/logs"
    head -c 1000000 /dev/zero >"$www/large"
    cat >"$www/nginx.conf" <<END
user root;
daemon off;
worker_processes 1;
error_log $www/logs/error.log;
pid $www/pid;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path $www/body; proxy_temp_path $www/proxy; fastcgi_temp_path $www/fastcgi;
    uwsgi_temp_path $www/uwsgi; scgi_temp_path $www/scgi;
    server {
        listen 127.0.0.1:$port;
        root $www;
        location /slow/ { proxy_pass http://127.0.0.1:$((port + 1))/; }
    }
    server {
        listen 127.0.0.1:$((port + 1));
        root $www;
        limit_rate 10k;
    }
}
END
    "$exe" -p "$www" -c "$www/nginx.conf" 2>"$scratch/err" &
    master=$!
    pids+=("$master")
    pid=''
    for _ in {1..100}; do
        read -r pid _ <"/proc/$master/task/$master/children" || :
        [[ -z $pid ]] || break
        sleep 0.1
    done
    [[ -n $pid ]] && exec 4<>"/dev/tcp/127.0.0.1/$port" 5<>"/dev/tcp/127.0.0.1/$port" &&
        printf 'GET /large?first HTTP/1.1\r\nHost: here\r\nRange: bytes=0-9\r\n\r\n' >&4 &&
        read -r -t 10 _ <&4 && printf 'GET /slow/large HTTP/1.0\r\nHost: here\r\n\r\n' >&5 &&
        read -r -t 10 _ <&5
}

stop() {
    { exec 4>&- 5>&-; } 2>/dev/null || :
    kill "$master"
    wait "$master" || :
}

types=$(sed -n 's/^type //p' layouts/nginx/{core,http,upstream}.list | grep -v '^ngx_stream' |
    sort -u | paste -sd,)
# What is laid out, without what is only declared.
members() { # OPTION...
    "$ngstap" types -C "$types" "$@" >"$scratch/types" 2>"$scratch/err" &&
        grep -E '^struct .*\{|^union .*\{|/\*  *[0-9]|/\* size' "$scratch/types"
}
as_dwarf() { # OPTION...
    members --module "$with_debug" --exec "$with_debug" >"$scratch/by-dwarf" &&
        members --module "$exe" "$@" >"$scratch/out" &&
        echo "# $(grep -c ';' "$scratch/out") members" &&
        diff "$scratch/by-dwarf" "$scratch/out" >"$scratch/difference"
}
proved() {
    "$ngstap" -v -p2 -x "$pid" -e "probe begin {
        println(@cast(0, \"ngx_http_upstream_t\", \"$exe\")->create_time) }" >"$scratch/out" \
        2>"$scratch/err" || return
    local part
    for part in core http upstream; do
        said "layouts of $part-.*, which fit the process\$" || return
    done
}

while read -r line; do
    [[ -n $line ]] || continue
    for word in "$@"; do
        [[ " $line " != *" $word "* ]] || break
    done
    [[ $# = 0 || " $line " = *" $word "* ]] || continue
    # shellcheck disable=SC2086 # words
    check "nginx $line is built" build $line
    check '... and serves' start
    check '... one layout of each part fits it' proved
    check '... and has each member where DWARF has it' as_dwarf -x "$pid"
    stop
    check '... as those that version and options name' as_dwarf --exec "$exe"
done <<<"$builds"
finish
