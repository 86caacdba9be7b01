#!/bin/bash
# shellcheck disable=SC2016,SC2317 # sh -c has dollars of its own; check calls functions
#
# Other people's programs that have LuaJIT within, as Debian packages them, stripped, and not one
# debug package: a flame graph of each shows where the Lua that it runs burns its time, and names
# what it calls of LuaJIT's library. Neovim, knot-resolver, dnsdist, rspamd, wrk, nginx with
# ngx_lua, whose workers are followed over a reload; of haproxy, whose Lua is PUC-Rio's, that is
# said.
#
# They are installed in a root of their own (debootstrap), where no package may start a service, and
# started from there (chroot). Needs root, eBPF, debootstrap, a Debian mirror. The root is kept in
# the cache (NGSTAP_CACHE, default ~/.cache/ngstap), 500 MB; listens on 127.0.0.1, ports 15353 to
# 15390. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR/.. source=../tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
command -v debootstrap >/dev/null || skip_all 'no debootstrap'
export DEBUGINFOD_URLS='' XDG_CACHE_HOME=$scratch/cache XDG_DATA_HOME=$scratch/data
packages=(neovim knot-resolver dnsdist rspamd wrk nginx libnginx-mod-http-lua haproxy)
root=${NGSTAP_CACHE:-$HOME/.cache/ngstap}/embedders

make_root() {
    rm -rf --one-file-system "$root.new"
    mkdir -p "$root.new"
    debootstrap --variant=minbase bookworm "$root.new" || return
    printf '#!/bin/sh\nexit 101\n' >"$root.new/usr/sbin/policy-rc.d" # no service is started
    chmod +x "$root.new/usr/sbin/policy-rc.d"
    echo '127.0.0.1 localhost' >"$root.new/etc/hosts"
    # The mounts of the packages' scripts end with their namespace.
    unshare --mount --propagation private sh -c '
        mount -t proc proc "$1/proc" && root=$1 && shift &&
        DEBIAN_FRONTEND=noninteractive chroot "$root" \
            apt-get -qq -y --no-install-recommends install "$@"' sh "$root.new" "${packages[@]}" ||
        return
    mv "$root.new" "$root"
}
[[ -d $root ]] || make_root >"$scratch/make" 2>&1 || {
    tail -n 3 "$scratch/make" >&2
    skip_all 'the packages cannot be installed in a root of their own'
}

# ---- what they run: each burns most of a second's processor time in hot(), then waits

folder=$(mktemp -d "$root/tmp/embedders.XXXX")
chmod 755 "$folder"
inside=${folder#"$root"}
trap 'rm -rf "$folder"; clean' EXIT
cat >"$folder/burn.lua" <<'END'
local function hot(n)
    local s = 0
    for i = 1, n do s = s + i * 7 % 13 end
    return s
end
return function(seconds)
    local ending = os.clock() + seconds
    while os.clock() < ending do hot(20000) end
end
END
path="package.path = package.path .. ';$inside/?.lua'"
burn="require('burn')"
cat >"$folder/kresd.conf" <<END
$path
net.listen('127.0.0.1', 15353)
event.recurrent(1, function() $burn(0.8) end)
END
cat >"$folder/dnsdist.conf" <<END
$path
setLocal('127.0.0.1:15354')
newServer('127.0.0.1:15353')
setSecurityPollSuffix('')
local burn = $burn
function maintenance() burn(0.8) end
END
cat >"$root/etc/rspamd/rspamd.local.lua" <<END
$path
rspamd_config:add_on_load(function(_, events)
    rspamd_config:add_periodic(events, 1, function() $burn(0.8) return true end)
end)
END
mkdir -p "$root"/{run,var/log}/rspamd "$root/etc/rspamd/local.d"
echo com >"$folder/tld"
printf 'url_tld = "%s/tld"; disable_hyperscan = true;\n' "$inside" \
    >"$root/etc/rspamd/local.d/options.inc"
for worker in proxy controller; do
    echo 'enabled = false;' >"$root/etc/rspamd/local.d/worker-$worker.inc"
done
cat >"$folder/nginx.conf" <<END
load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;
worker_processes 2; daemon off; user nobody nogroup;
error_log $inside/error.log; pid $inside/nginx.pid;
events { worker_connections 64; }
http {
    access_log off; lua_package_path '$inside/?.lua;;';
    server {
        listen 127.0.0.1:15380;
        location / { content_by_lua_block { $burn(0.05) ngx.say('ok') } }
    }
}
END
cat >"$folder/wrk.lua" <<END
$path
function request() $burn(0.02) return wrk.format('GET', '/') end
END
cat >"$folder/haproxy.lua" <<END
$path
core.register_task(function() while true do $burn(0.5) core.msleep(100) end end)
END
cat >"$folder/haproxy.cfg" <<END
global
    lua-load $inside/haproxy.lua
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend only
    bind 127.0.0.1:15390
END

# ---- starting and looking

begin() { # COMMAND...: its process is $pid
    chroot "$root" "$@" >"$scratch/log" 2>&1 &
    pid=$!
    pids+=("$pid")
}
# Workers end with their master if that is asked; one that is deaf is killed.
end() {
    kill "$pid" 2>/dev/null || :
    for _ in {1..50}; do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    { kill -KILL "$pid" && wait "$pid"; } 2>/dev/null || :
}

burns() { # the samples whose Lua leaf is hot(): 60 % at least, of 50
    awk '
        { n = $NF; total += n }
        /burn([.]lua)?:hot/ { hot += n } # by its path, or as a module of package.path
        END {
            print "# hot(): " hot + 0 " of " total + 0
            exit !(total >= 50 && hot >= 0.6 * total)
        }
    ' "$scratch/out.folded"
}
flame() { # OPTION...
    run_once flame "$@" -t 4 -F 500 -o "$scratch/out.folded"
}
# lua_of OPTION...: a flame graph has it, once the program has begun to run Lua.
lua_of() {
    for _ in {1..30}; do
        ! flame "$@" || ! burns || return 0
        kill -0 "$pid" || break
        sleep 1
    done
    tail -n 3 "$scratch/log" >>"$scratch/err"
    return 1
}

begin nvim --headless -u NONE -c "lua $path while true do $burn(1) end"
check 'Neovim: where its Lua burns the time' lua_of -x "$pid"
end
begin kresd -n -c "$inside/kresd.conf" "$inside"
check 'knot-resolver' lua_of -x "$pid"
end
begin dnsdist -C "$inside/dnsdist.conf" --supervised
check 'dnsdist, in a thread' lua_of -x "$pid"
check '... with the name of what it calls of LuaJIT' \
    grep -q 'builtin:os.clock' "$scratch/out.folded"
end
begin rspamd -f -i -c /etc/rspamd/rspamd.conf
check "rspamd's workers" lua_of --master "$pid"
end

begin nginx -c "$inside/nginx.conf" -p "$inside"
nginx=$pid
until (: <>/dev/tcp/127.0.0.1/15380) 2>/dev/null || ! kill -0 "$pid"; do sleep 0.1; done
begin wrk -t 1 -c 4 -d 300s -s "$inside/wrk.lua" http://127.0.0.1:15380/
check 'wrk, in a thread' lua_of -x "$pid"
end
begin wrk -t 1 -c 4 -d 300s http://127.0.0.1:15380/
check "nginx's workers" lua_of --master "$nginx"
workers() { tr ' ' '\n' <"/proc/$nginx/task/$nginx/children" | sort; }
before=$(workers)
run_once flame --master "$nginx" -t 8 -F 500 -o "$scratch/out.folded" &
flaming=$!
sleep 2
kill -HUP "$nginx"
wait "$flaming" || :
check '... over a reload' burns
check '... which has made new ones' test -z "$(comm -12 <(echo "$before") <(workers) | grep .)"
end
pid=$nginx
end

begin haproxy -db -f "$inside/haproxy.cfg"
sleep 1
flame -x "$pid" || :
check "haproxy: its Lua is PUC-Rio's, which is said" said "its Lua is PUC-Rio's, not LuaJIT"
end
finish
