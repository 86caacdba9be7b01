#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Layouts of nginx (layouts/nginx): an nginx without any debug information is read by those that we
# bring. Members lie where the DWARF of the same build says, every one; what scripts read of
# requests is what this test asked for; the Lua VM is the one that debug information leads to. A
# layout that is not the process's own is refused, and told why.
#
# Needs root, eBPF and NGSTAP_TARGETS. About 20 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
[[ -n ${NGSTAP_TARGETS:-} ]] || skip_all 'no NGSTAP_TARGETS'
export DEBUGINFOD_URLS='' XDG_CACHE_HOME=$scratch/cache XDG_DATA_HOME=$scratch/data

start_target nginx stripped idle 300
# shellcheck disable=SC2154 # start_target sets pid, exe, root, port
with_debug=$NGSTAP_TARGETS/gc64/srv/openresty/nginx/sbin/nginx

# get PATH: the answer's first line. Bash's own sockets: a bare Debian has no curl.
get() {
    local line
    {
        printf 'GET %s HTTP/1.0\r\nHost: here\r\nUser-Agent: %s\r\n\r\n' "$1" layouts >&3
        read -r -t 10 line <&3
        cat <&3 >/dev/null
    } 3<>"/dev/tcp/127.0.0.1/$port"
    echo "$line"
}

# ---- member by member

# reads MEMBER: a script that asks for one of a connection.
reads() {
    trace -p2 -x "$pid" -e "probe begin { println(@cast(0, \"ngx_connection_t\", \"$exe\")->$1) }"
    [[ $status = 0 ]]
}
check 'a member of connections, by the layout' reads fd
check '... a bit that a change which Debian carries back has moved is an error' \
    eval '! reads idle && said "both fit .*, but do not agree on idle of .ngx_connection_"'
# With connections to look at one of them is refuted: one may be damaged, two are not.
exec 4<>"/dev/tcp/127.0.0.1/$port" 5<>"/dev/tcp/127.0.0.1/$port"
for fd in 4 5; do
    printf 'GET /truth HTTP/1.1\r\nHost: here\r\n\r\n' >&"$fd"
    read -r -t 10 _ <&"$fd"
done
sleep 0.5
check '... and is none with two connections that show where it is' reads idle

listed() { sed -n 's/^type //p' layouts/nginx/"$1".list | grep -v '^ngx_stream' | paste -sd,; }
# What is laid out, without what is only declared.
members() { # OPTION...
    "$ngstap" types "$@" >"$scratch/types" 2>"$scratch/err" &&
        grep -E '^struct .*\{|^union .*\{|/\*  *[0-9]|/\* size' "$scratch/types"
}
same_members() { # TYPES OPTION...
    members -C "$1" --module "$with_debug" --exec "$with_debug" >"$scratch/by-dwarf" &&
        members -C "$1" --module "$exe" "${@:2}" >"$scratch/out" &&
        echo "# $(grep -c ';' "$scratch/out") members" &&
        diff "$scratch/by-dwarf" "$scratch/out" >"$scratch/difference"
}
for part in core http upstream; do
    check "the layout of $part has each member where DWARF has it" \
        same_members "$(listed "$part")" -x "$pid"
done
# Of others there must be a request, to tell versions of ngx_lua apart.
lua=ngx_http_lua_main_conf_t,ngx_http_lua_shdict_ctx_t,ngx_http_lua_shdict_node_t
lua+=,ngx_http_lua_shdict_shctx_t,ngx_http_lua_shm_zone_ctx_t
check '... that of ngx_lua' same_members "$lua" -x "$pid"
check '... without a process, by version and options' same_members ngx_cycle_t --exec "$exe"
exec 4>&- 5>&-

# 10,000 of them with requests: tests/slow/ages.sh.
never_wrong() {
    "$builddir/tests/unit/layout_fit_nginx" "$pid" layouts 300 >"$scratch/out" 2>"$scratch/err" &&
        grep -q '^part 0: [1-9].* damaged 300, refused [1-9]' "$scratch/out"
}
check 'a damaged worker is never taken for one of another layout' never_wrong

# ---- what scripts read

cat >"$scratch/requests.sxx" <<'END'
@use nginx.request
@use nginx.upstream

global n
probe timer.ms(100) {
    if (!n++)
        println("armed")
}
probe process("$^exec_path").function("ngx_http_finalize_request") {
    r = pointer_arg(1)
    if (ngx_req_ua(r) == "layouts") {
        printf("%s %s?%s of %s by %s: %s%s\n", ngx_req_method(r), ngx_req_uri(r), ngx_req_args(r),
               ngx_req_host(r), ngx_req_remote_addr(r),
               ngx_req_remote_port(r) > 1023 ? "client" : "nobody", ngx_u_resp_statuses(r))
    }
}
END
start_trace -v -x "$pid" "$scratch/requests.sxx"
for k in {1..20}; do
    get "/truth?k=$k" >/dev/null
done
get /proxy/page/7 >"$scratch/answer"
sleep 0.5
end_trace
check 'a stripped nginx is read by its layout' \
    said "debug information of $exe: the layouts of core-.*, which fit the process"
all_requests() {
    local k
    for k in {1..20}; do
        [[ $(grep -c "^GET /truth?k=$k of here by 127.0.0.1: client$" "$scratch/out") = 1 ]] ||
            return
    done
}
check '... each request is as it was sent' all_requests
check '... and what a server behind it answered' \
    eval 'printed "^GET /app/page/7\?.*: client $(cut -d " " -f 2 "$scratch/answer")"'

# Variables have types: modules, filters; the file that a script names for one is anybody's guess.
trace -x "$pid" -e "probe timer.ms(10) {
    println(user_string(@var(\"ngx_http_core_module\", \"$exe\")->name))
    println(@var(\"ngx_cycle@src/core/ngx_cycle.c\", \"$exe\")->modules_n ==
        @var(\"ngx_cycle\", \"$exe\")->modules_n)
    println(@var(\"ngx_http_top_body_filter\", \"$exe\") != 0)
    exit()
}"
check 'variables have types' \
    eval 'test "$(paste -sd " " "$scratch/out")" = "ngx_http_core_module 1 1"'

cat >"$scratch/vm.sxx" <<'END'
@use nginx.lua

probe timer.ms(10) {
    printf("%p %p\n", ngx_lua_get_main_lua_vm(), ngx_lua_cycle_get_main_conf())
    exit()
}
END
trace -x "$pid" --sysroot "$root" "$scratch/vm.sxx"
cp "$scratch/out" "$scratch/by-dwarf"
check 'the Lua VM, by debug information' printed '^0x[0-9a-f]{6,} 0x[0-9a-f]{6,}$'
trace -x "$pid" "$scratch/vm.sxx"
check '... is the one that layouts lead to' \
    eval 'test "$status" = 0 && diff "$scratch/out" "$scratch/by-dwarf" >"$scratch/difference"'

# ---- layouts that -d names

named() { # OPTION...: asked for the core alone
    trace -v -p2 "$@" -e "probe begin {
        println(@cast(0, \"ngx_cycle_t\", \"$exe\")->connection_n) }"
}
named -x "$pid" -d layouts/nginx/core-1.19.0-compat.debug
check 'of a part that -d names none but that layout is tried' \
    said 'tried .*/core-1\.19\.0-compat\.debug \(contradicted by sizes of ngx_cycle.s arrays\) '
named -c "$exe" -d layouts/nginx/core-1.19.0-compat.debug
check '... where no process can contradict it, it is taken' \
    eval 'test "$status" = 0 && said "core-1\.19\.0-compat\.debug, as -d says"'

# ---- layouts that are not the process's own

mkdir "$scratch/bin"
cp "$ngstap" "$scratch/bin"
cp -r layouts "$scratch/bin"
rows=$scratch/bin/layouts/nginx/rows
# with_rows SED: what serves this build is another file.
with_rows() {
    sed "$1" layouts/nginx/rows >"$rows"
    status=0
    timeout 60 "$scratch/bin/ngstap" -v -I tapset -p2 -x "$pid" -e "probe begin {
        println(@cast(0, \"ngx_cycle_t\", \"$exe\")->connection_n) }" >"$scratch/out" \
        2>"$scratch/err" || status=$?
}
with_rows ''
check 'layouts of another folder: no error' test "$status" = 0
with_rows '/^core/!d; s/[^ ]*$/core-1.19.0-compat/'
check 'a wrong layout for this version and options is refused' test "$status" = 1
check '... with what contradicts it' \
    said 'core-1\.19\.0-compat \(contradicted by sizes of ngx_cycle'
with_rows 's/^core \([^ ]*\) [^ ]* [^ ]*/core \1 1.99.0 1.99.0/'
check 'a version that is not known: the layout that the process proves is taken' \
    test "$status" = 0
with_rows '/^http_lua/!d'
check 'no rows of the core: refused, with the build' \
    eval 'test "$status" = 1 && said "no layout of nginx 1\.22\.1, options [01]{34}.s types fits"'
head -c 3000 layouts/nginx/core-1.19.0-compat.debug >"$scratch/cut"
cp "$scratch/cut" "$scratch/bin/layouts/nginx/core-1.19.0-compat.debug"
with_rows '/^core/!d; s/[^ ]*$/core-1.19.0-compat/'
check 'a file of layouts that is cut short: refused' \
    eval 'test "$status" = 1 && said "it cannot be read"'
finish
