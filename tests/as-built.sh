# shellcheck shell=bash disable=SC2154 # tap.sh's and start_target's variables
#
# What ngstap says of a running LuaJIT beside what its build says: known layouts beside DWARF, names
# of built-in functions beside jit.vmdef. Sourced after tap.sh.

without=--no-debuginfo=dwarf,debuginfod,pack
types=lua_State,global_State,GG_State,jit_State,GCobj,GCstr,GCupval,GCproto,GCfunc,GCfuncL,GCfuncC
types+=,GCtab,GCudata,GCcdata,GCcdataVar,GCtrace,GCRef,MRef,TValue,Node,IRIns,SnapShot,SnapEntry
types+=,CTState,CType

# How often a state is damaged.
damaged=${NGSTAP_DAMAGED:-10000}

# fit_damaged: which layouts fit $pid, into $fitting; and how its state fares when it is damaged.
fit_damaged() {
    "$builddir/tests/unit/layout_fit" "$pid" "$damaged" layouts/luajit/*.debug >"$scratch/out" \
        2>"$scratch/err" || return
    mapfile -t fitting < <(sed -n 's/^fit //p' "$scratch/out")
    echo "# ${#fitting[@]} fit; $(tail -n 1 "$scratch/out")"
    grep -q "^damaged $damaged, .* wrong 0$" "$scratch/out"
}

# types_of FILE OPTION...: without the line that names the file, and the alignment of names, which
# clang does not write down.
types_of() {
    "$ngstap" types --module "$1" -C "$types" "${@:2}" 2>"$scratch/err" |
        sed '/^ \*   \//d; /^typedef/s/ __attribute__((aligned([0-9]*)))//'
}
# as_dwarf [FILE]: one of those that fit tells all types as the DWARF of FILE does, member by
# member; $exe, if none is named. Others that fitted may have been contradicted since: the target
# runs.
as_dwarf() {
    local one with=${1:-$exe}
    types_of "$with" --exec "$with" >"$scratch/by-dwarf" || return
    for one in "${fitting[@]}"; do
        types_of "$exe" "$without" -d "$one" -x "$pid" >"$scratch/out" || {
            echo "# $one: fits no more"
            continue
        }
        echo "# $one: $(wc -l <"$scratch/out") lines"
        ! diff "$scratch/by-dwarf" "$scratch/out" >"$scratch/difference" || return 0
    done
    return 1
}

# never_otherwise [FILE]: what ngstap takes by itself tells each type as the DWARF of FILE does, or
# says that several layouts fit and do not agree on it.
never_otherwise() {
    local type with=${1:-$exe} told=0 open=0
    for type in ${types//,/ }; do
        if types=$type types_of "$exe" "$without" -x "$pid" >"$scratch/out"; then
            types=$type types_of "$with" --exec "$with" >"$scratch/by-dwarf" || return
            diff "$scratch/by-dwarf" "$scratch/out" >"$scratch/difference" || return
            told=$((told + 1))
        else
            grep -q 'both fit .* but do not agree on' "$scratch/err" || return
            open=$((open + 1))
        fi
    done
    echo "# $told types told, $open open"
    ((told >= 15))
}

# builtins LUAJIT SHARE: every built-in function of $pid, as the build of the program LUAJIT calls
# it, whose jit.vmdef lies below SHARE.
builtins() {
    LUA_PATH="$2/?.lua" "$1" -e 'for id, name in ipairs(require("jit.vmdef").ffnames) do
        if id > 1 then print(id, name) end end' >"$scratch/vmdef"
    sed 's/\t.*//; s/^/builtin#/' "$scratch/vmdef" | "$ngstap" fix-lua-bt -x "$pid" \
        >"$scratch/out" 2>"$scratch/err"
    [[ $(wc -l <"$scratch/vmdef") -gt 200 ]] && sed 's/.*\t/builtin:/' "$scratch/vmdef" |
        diff - "$scratch/out"
}
