#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# Modules by stap++'s names: what kernel.socket tells of a connection is what the program says; what
# nginx.upstream, nginx.pool and nginx.chain tell of requests is what nginx logs of them. Needs
# root, eBPF, the kernel's BTF, a C compiler; for nginx NGSTAP_TARGETS and curl. About 10 s. Prints
# TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
[[ -r /sys/kernel/btf/vmlinux ]] || skip_all 'this kernel has no BTF'
command -v ${CC:-cc} >/dev/null || skip_all 'no C compiler'

${CC:-cc} -O1 -o "$scratch/events" tests/aliases/events.c
is() { # VALUE WANTED
    [[ $1 = "$2" ]] || { echo "# $1, not $2"; return 1; }
}

# ---- kernel.socket

cat >"$scratch/stream.sxx" <<'END'
@use kernel.socket

global hits, others, none
probe syscall.recvfrom.return {
    if (pid() == target()) {
        socket = sockfd_lookup($fd)
        if (socket_unix_stream_file_name(socket) == "here")
            hits++
        else
            others++
        none += sockfd_lookup(0) != 0 || sockfd_lookup(1000) != 0
    }
}
probe end { printf("%d %d %d\n", hits, others, none) }
END
stream() {
    run_once -I tapset -c "$scratch/events u 40 $scratch/here" "$scratch/stream.sxx" </dev/null &&
        is "$(tail -n 1 "$scratch/out")" "$(head -n 1 "$scratch/out") 0 0" &&
        is "$(head -n 1 "$scratch/out")" 41
}
check "a stream of the machine's own, by its path" stream

# ---- nginx

if [[ -z ${NGSTAP_TARGETS:-} ]] || ! command -v curl >/dev/null; then
    skip "nginx's requests" 'they need NGSTAP_TARGETS and curl'
    finish
fi
root=$NGSTAP_TARGETS/gc64
exe=$root/srv/openresty/nginx/sbin/nginx
mkdir -p "$scratch/nginx/logs" "$scratch/nginx/conf"
head -c 300000 /dev/zero | tr '\0' 'x' >"$scratch/nginx/large"
cat >"$scratch/nginx/conf/nginx.conf" <<END
worker_processes 1;
user root;
daemon off;
error_log logs/error.log;
events { }
http {
    lua_package_path "$root/srv/openresty/lualib/?.lua;;";
    log_format ups '\$status [ \$upstream_status \$upstream_response_length \$upstream_addr]';
    access_log off;
    request_pool_size 8k;
    server {
        listen unix:$scratch/nginx/back.sock;
        location / { root $scratch/nginx; }
        location /none { return 404; }
    }
    server {
        listen unix:$scratch/nginx/front.sock;
        access_log logs/access.log ups;
        location / { proxy_pass http://unix:$scratch/nginx/back.sock:; }
    }
}
END
"$exe" -p "$scratch/nginx/" -c conf/nginx.conf 2>"$scratch/err" &
master=$!
pids+=("$master")
for _ in {1..100}; do
    worker=$(cat "/proc/$master/task/$master/children" 2>/dev/null || :)
    [[ -z $worker || ! -S $scratch/nginx/front.sock ]] || break
    sleep 0.05
done
worker=${worker%% *}
[[ -z $worker ]] || pids+=("$worker")

cat >"$scratch/nginx.sxx" <<'END'
@use nginx.upstream, nginx.pool, nginx.chain

global sent, pools, times
probe @pfunc(ngx_http_output_filter) {
    if ($in && ngx_u_count($r))
        sent += ngx_chain_buf_size($in)
}
probe @pfunc(ngx_http_log_request) {
    if (ngx_u_count($r)) {
        status = @cast($r, "ngx_http_request_t", "$^exec_path")->headers_out->status
        printf("%d [%s%s%s]\n", status, ngx_u_resp_statuses($r), ngx_u_resp_lens($r),
            ngx_u_addr($r))
        times = times . ngx_u_resp_times($r)
        size = ngx_pool_size(@cast($r, "ngx_http_request_t", "$^exec_path")->pool)
        pools += size >= 8192 && size < 1000000
    }
}
probe timer.ms(100) { println("armed") }
probe end { printf("sent %d\npools %d\ntimes%s\n", sent, pools, times) }
END
requests() {
    start_trace -x "$worker" "$scratch/nginx.sxx"
    local path
    for path in /large /large /none /no-such; do
        curl -s -o /dev/null --unix-socket "$scratch/nginx/front.sock" "http://x$path" || return
    done
    sleep 0.3
    end_trace
    sed 's/:$//; s/http:[^]]*//' "$scratch/nginx/logs/access.log" >"$scratch/want"
    grep '^[0-9]' "$scratch/out" >"$scratch/seen"
    diff "$scratch/want" "$scratch/seen" && grep -qx 'pools 4' "$scratch/out" &&
        grep -qx "sent $(awk '{ n += $4 } END { print n }' "$scratch/want")" "$scratch/out" &&
        grep -qE '^times( [0-9]{1,4}){4}$' "$scratch/out"
}
if [[ -n $worker ]]; then
    check "nginx's requests: what was asked of others, as nginx logs it" requests
else
    check 'nginx starts' false
fi
finish
