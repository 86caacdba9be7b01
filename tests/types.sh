#!/bin/bash
# shellcheck disable=SC2016,SC2317 # check calls functions, and evaluates
#
# ngstap types: the header compiles without a warning, and each member of each struct in it lies
# where another reader of the same debug information (gdb, see types/asserts.py) or the compiler
# itself (types/odd.c) says.
#
# Needs gcc, gdb with Python, and the targets of targets/build.sh; BTF for the types of the kernel;
# root and docker for a container (targets/container.sh). About 20 s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

command -v gdb >/dev/null || skip_all 'no gdb, which says where members lie'
targets=${NGSTAP_TARGETS:-$(tests/targets/build.sh)}
header=$scratch/types.h

types() { # ARGUMENT...: into $header
    status=0
    rm -f "$header"
    timeout 60 "$ngstap" types -o "$header" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null ||
        status=$?
}

compiles() { # [FILE...]: the header alone, then with what follows it
    cat "$header" "$@" >"$scratch/one.c" &&
        gcc -Wall -Werror -fsyntax-only "$scratch/one.c" >"$scratch/out" 2>"$scratch/err"
}

# as_gdb_says MODULE MIN: at least MIN members were compared.
as_gdb_says() {
    HEADER=$header RENAMES=${renames:-} gdb -nx -q -batch -x tests/types/asserts.py "$1" \
        >"$scratch/asserts.c" &&
        gcc -Wall -Werror -o "$scratch/asserts" "$scratch/asserts.c" >"$scratch/out" \
            2>"$scratch/err" &&
        "$scratch/asserts" >"$scratch/out" &&
        [[ $(sed -n 's/.* \([0-9]*\) members$/\1/p' "$scratch/out") -ge $2 ]]
}

# ---- every odd kind of layout, by the compiler that made it ----

wanted='struct everything,struct flexible,struct later,union odd_union,enum tiny'
for version in 5 4 3; do
    gcc "-gdwarf-$version" -gno-strict-dwarf -o "$scratch/odd" tests/types/odd.c
    types -C "$wanted" --exec "$scratch/odd"
    check "odd layouts, DWARF $version" test "$status" = 0
    "$scratch/odd" >"$scratch/odd.asserts"
    check '... compile' compiles
    check "... as the compiler has $(wc -l <"$scratch/odd.asserts") of them" compiles \
        "$scratch/odd.asserts"
    {
        cat "$header" tests/types/bits.h
        "$scratch/odd" bits
        echo 'return bad; }'
    } >"$scratch/bits.c"
    bits_match() { gcc -Wall -Werror -o "$scratch/bits" "$scratch/bits.c" 2>"$scratch/err" &&
        "$scratch/bits" >"$scratch/out"; }
    check '... bit fields by their bits' bits_match
done
gcc -g -o "$scratch/odd" tests/types/odd.c
types -C "$wanted" --deep --exec "$scratch/odd"
check 'odd layouts, as gdb says' as_gdb_says "$scratch/odd" 100
sed -i 's/\(int b\) __attribute__((aligned(16)))/\1/' "$header"
check '... where one that differs is found' eval '! as_gdb_says "$scratch/odd" 100'
types -C 'clash,struct clash' --exec "$scratch/odd"
check 'a typedef of an unnamed struct beside a struct of that name' grep -q \
    '^typedef struct clash__unnamed clash;' "$header"

# ---- names ----

refused() { [[ $status = 1 && ! -e $header ]] && said "$1"; }
types -C 'struct everythin' --exec "$scratch/odd"
check 'an unknown type: an error with a near name' refused 'did you mean everything'
types -C 'struct unknown' --exec "$scratch/odd"
check 'a type that is declared everywhere: an error' refused 'declared only'
types -C 'struct later' --exec "$scratch/odd" --rename later=sooner --rename pointers=arrows
check '--rename' eval \
    'compiles && grep -q "^struct sooner {" "$header" && grep -q "^struct arrows;" "$header" &&
    ! sed "1,/^ \*\//d" "$header" | grep -qw later'
types -C 'struct later' --exec "$scratch/odd" --rename later=sooner --rename earlier=sooner
check '... of what is not there: a warning' eval \
    '[[ $status = 0 ]] && said "nothing here is called earlier" && ! said "called later"'
types -C later --rename later=1x --exec "$scratch/odd"
check '... to what is no name: an error' refused 'name in C'
types -C 'struct everythin,later,struct nosuchthing' --exec "$scratch/odd"
check 'two unknown types are both named' eval \
    'refused "no type struct everythin" && said "no type struct nosuchthing"'
types -C later --exec "$scratch/odd" --module libnone.so
check 'a module that is not loaded: what --module takes' refused \
    'takes a path, or the whole file name'
types -C later
check 'without a target: an error' refused 'whose'
types --exec "$scratch/odd"
check 'without a type: an error' refused 'which types'
echo 'int main(void) { return 0; }' >"$scratch/one.c"
gcc -g -o "$scratch/one" "$scratch/one.c"
types -C later --exec "$scratch/one" --module "$scratch/odd"
check 'in another module' eval 'compiles && grep -q "^struct later {" "$header"'

# ---- LuaJIT, nginx ----

luajit=GCobj,lua_State,global_State,GCproto,GCfunc,GCtrace,jit_State
for variant in gc64 gc32; do
    library=$targets/$variant/srv/openresty/luajit/lib/libluajit-5.1.so.2
    nginx=$targets/$variant/srv/openresty/nginx/sbin/nginx
    types -C "$luajit" --module "$library"
    check "LuaJIT $variant" test "$status" = 0
    check '... compiles' compiles
    check '... as gdb says' as_gdb_says "$library" 250
    types -C "$luajit" --deep --rename Node=LJNode --module "$library"
    renames=Node=LJNode
    check '... with all that it points to, one renamed' as_gdb_says "$library" 300
    renames=
    types -C ngx_http_request_t,ngx_cycle_t,ngx_http_lua_ctx_t --exec "$nginx"
    check "nginx $variant" compiles
    check '... as gdb says' as_gdb_says "$nginx" 200
    types -C ngx_http_request_t,ngx_cycle_t,ngx_http_lua_ctx_t --deep --exec "$nginx"
    check '... with all that it points to' compiles
done
types -C GCobj,lua_State --module "$targets/gc64/srv/openresty/luajit/lib/libluajit-5.1.so.2"
sed '1,/^ \*\//d' "$header" >"$scratch/full"
types -C GCobj,lua_State --sysroot "$targets/stripped" --module \
    /srv/openresty/luajit/lib/libluajit-5.1.so.2
sed '1,/^ \*\//d' "$header" >"$scratch/stripped"
check 'a separate debug file below a sysroot' cmp "$scratch/full" "$scratch/stripped"

# lua_State is declared in nginx, and complete in LuaJIT.
start_target nginx gc64 idle
# shellcheck disable=SC2154 # that sets pid and master
worker=$pid
types -C lua_State,ngx_http_lua_ctx_t -x "$worker"
check 'a type of one module that another completes' eval \
    'compiles && grep -q "^struct lua_State {" "$header" &&
    grep -q libluajit "$header"'

body() { sed '1,/^ \*\//d' "$header"; }
body >"$scratch/worker"
types -C lua_State,ngx_http_lua_ctx_t --master "$master"
check '--master: what its worker has' eval '[[ $status = 0 ]] && cmp "$scratch/worker" <(body)'
types -C nosuchthing -x "$worker"
check 'a type unknown to a process whose executable has debug information: no word of its libraries' \
    eval 'refused "no type nosuchthing" && ! said "looked for"'
types -C lua_State --master "$worker"
check '... and a process without children: an error' refused "No child processes found for $worker"

# Of the same build, at paths that the host lacks.
all=$(tests/targets/container.sh start docker stripped idle 2>"$scratch/err") || all=''
if [[ $all ]]; then
    eval "$all"
    names+=("$name")
    export DOCKER_HOST
    path=$PATH
    PATH=$(dirname "$(tests/targets/container.sh which docker)"):$path
    types -C lua_State,ngx_http_lua_ctx_t --container "$name"
    check '--container: of the worker in it' eval \
        '[[ $status = 0 ]] && cmp "$scratch/worker" <(body)'
    check '... by its paths' grep -qE \
        '^ \*   /srv/openresty/nginx/sbin/nginx, build-id [0-9a-f]{40}$' "$header"
    types -C GCobj,lua_State --container "$name" --module libluajit-5.1.so.2
    check '... in one of its modules' eval '[[ $status = 0 ]] && cmp "$scratch/full" <(body)'
    types -C GCprotoo --container "$name"
    check '... an unknown type' refused 'did you mean GCproto'
    types -C lua_State --container "$name" -x "$worker"
    check '... with a process of the host' refused "process $worker runs on the host"
    types -C lua_State --container "${name}x"
    check '... an unknown container' refused "no container named ${name}x"
    PATH=$path
else
    skip '--container: of the worker in it' "cannot run here: $(tail -n 1 "$scratch/err")"
fi

# ---- the kernel ----

if [[ -r /sys/kernel/btf/vmlinux ]]; then
    types -C task_struct --module kernel
    check 'task_struct' compiles
    kernel_size=$(sed -n '/^struct task_struct {/,/^}/s,^}.*size \([0-9]*\) .*,\1,p' "$header")
    check '... has its size' test "${kernel_size:-0}" -gt 1000
    types -C sk_buff,inode,net_device --module kernel
    check 'sk_buff, inode and net_device' compiles
else
    skip 'task_struct' 'this kernel has no BTF'
fi
finish
