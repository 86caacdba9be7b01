#!/bin/bash
# shellcheck disable=SC2016,SC2317 # the fakes have dollars of their own; check calls functions
#
# The stap back end without a kernel to run modules on: what it builds with, what it says when that
# is missing, its cache, the patched runtime, how it runs staprun. Most of it with a fake stap,
# staprun and headers; one real module where stap and headers of any kernel are installed. About 30
# s. Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

export XDG_CACHE_HOME=$scratch/cache
mkdir -m 700 "$XDG_CACHE_HOME" "$scratch/cwd"
entries=$XDG_CACHE_HOME/ngstap/stap
script='probe begin { println("hello") exit() }'
another() { echo "probe begin { println(\"$1\") exit() }"; }
top=$PWD

# --- fakes ------------------------------------------------------------------------------

# A stap that notes what it is given and makes a module of the script's text.
bin=$scratch/bin
mkdir -p "$bin" "$scratch/share/systemtap/runtime/linux"
cat >"$bin/stap" <<END
#!/bin/bash
if [[ \$1 = -V ]]; then
    echo "Systemtap translator/driver (version \$(cat $scratch/version))" >&2
    exit
fi
printf '%s\n' "\$@" >$scratch/given
env >$scratch/given.env
[[ ! -e $scratch/slow ]] || { touch $scratch/started; sleep 30 & wait; }
[[ ! -e $scratch/broken ]] || { echo 'Pass 1: fine'; echo 'script.c:1:2: error: no such thing' >&2;
    exit 1; }
while [[ \$1 != -m ]]; do shift; done
{ cat "\${@: -1}"; [[ ! -e $scratch/large ]] || head -c 70000000 /dev/zero; } >\$2.ko
END
chmod +x "$bin/stap"
echo '4.8/0.188, fake' >"$scratch/version"
for program in bash sh cat env head touch sleep make dirname; do
    ln -s "$(command -v "$program")" "$bin/$program"
done
echo 'int old;' >"$scratch/share/systemtap/runtime/runtime.h"
printf '%s\n' one two three four five six seven >"$scratch/share/systemtap/runtime/linux/numbers.c"

headers=$scratch/headers
mkdir -p "$headers/include/generated" "$headers/include/linux"
echo '#define UTS_RELEASE "5.4.3-fake"' >"$headers/include/generated/utsrelease.h"
echo 'CC = $(CROSS_COMPILE)gcc-77' >"$headers/.kernelvariables"
echo 'int new_name(void);' >"$headers/include/linux/thing.h"
touch "$bin/gcc-77"
chmod +x "$bin/gcc-77"

# with_fakes ARGUMENT...: ngstap in a folder of its own, with the fakes alone in PATH.
with_fakes() {
    status=0
    (cd "$scratch/cwd" && timeout 60 env PATH="$bin" "$ngstap" "$@" >"$scratch/out" \
        2>"$scratch/err" </dev/null) || status=$?
}
fake_build() { with_fakes -p4 --backend=stap -r "$headers" -m made "${@:--e$script}"; }
refused() { # WORDS
    [[ $status = 1 ]] && said "$1"
}

# --- what it builds with ------------------------------------------------------------------

fake_build
check 'a module is made' test "$status" = 0
check '... in the working directory, its name is printed' test "$(cat "$scratch/out")" = made.ko \
    -a -s "$scratch/cwd/made.ko"
given() { grep -qxF -e "$1" "$scratch/given"; }
for option in -p4 -g -DMAXACTION=100000 -DMAXMAPENTRIES=5000 -DMAXSTRINGLEN=4097 -DMAXERRORS=0 \
    "$headers" made; do
    check "stap is given $option" given "$option"
done
check 'its environment is bounded' sh -c \
    "! grep -qE '^(DEBUGINFOD_URLS|top_srcdir|CC|TERM)=' $scratch/given.env"
check '... and its own directory is in the cache' grep -qx "SYSTEMTAP_DIR=$entries/systemtap" \
    "$scratch/given.env"
fake_build -D STP_NO_OVERLOAD -D MAXACTION=7 -D MAXSKIPPED=0 -D MAXERRORS=3 --skip-badvars \
    "-e$script"
for option in -DSTP_NO_OVERLOAD -DMAXACTION=7 -DMAXSKIPPED=2147483647 -DMAXERRORS=3 \
    --skip-badvars; do
    check "stap is given $option, as the user says" given "$option"
done

# Return probes: stap asks System.map for them, which is not part of the headers.
echo 'int main(void) { return 0; }' >"$scratch/main.c"
${CC:-cc} -g -Wl,--build-id -o "$scratch/main" "$scratch/main.c"
returns="-eprobe process(\"$scratch/main\").function(\"main\").return { }"
fake_build "$returns"
check 'a kernel that says nothing of uprobes: its own build directory' given "$headers"
echo '#define CONFIG_UPROBES 1' >"$headers/include/generated/autoconf.h"
fake_build "$returns "
tree=$(grep -x "$entries/tree-[0-9a-f]*/build" "$scratch/given" || :)
check 'a return probe, and no System.map: one of links' test "$tree/include/linux" -ef \
    "$headers/include/linux"
check '... with a map that says there are some' grep -q ' T arch_uretprobe_hijack_return_addr$' \
    "$tree/System.map"
fake_build "-eprobe process(\"$scratch/main\").function(\"main\") { }"
check '... and only for return probes' given "$headers"
echo 'ffffffff81000000 T arch_uretprobe_hijack_return_addr' >"$headers/System.map"
fake_build "$returns  "
check '... where the kernel has no map of its own' given "$headers"
rm "$headers/System.map" "$headers/include/generated/autoconf.h"

rm "$bin/gcc-77"
fake_build
check 'no compiler: the one these headers ask for is named, with its package' refused \
    'no compiler: gcc-77.*5\.4\.3-fake.*apt-get install gcc-77'
touch "$bin/gcc-77"
chmod +x "$bin/gcc-77"
mv "$bin/make" "$bin/no-make"
fake_build
check 'no make' refused 'no make: .*apt-get install make'
mv "$bin/no-make" "$bin/make"

with_fakes -p4 --backend=stap -r 5.4.3-none -m made -e "$script"
check 'no headers: the package of exactly that release is named' refused \
    'no headers of kernel 5\.4\.3-none.*linux-headers-5\.4\.3-none;.*kernel-devel-5\.4\.3-none'
with_fakes -p4 --backend=stap -r "$scratch/cwd/" -m made -e "$script"
check 'not a build directory' refused "$scratch/cwd/ is not the build directory of a kernel"
echo 2.2/0.1 >"$scratch/version"
fake_build
check 'a stap that is too old' refused "$bin/stap is version 2\.2, and 2\.3 is the oldest"
echo 2.3/0.1 >"$scratch/version"
fake_build
check 'the oldest stap' test "$status" = 0
echo '?' >"$scratch/version"
fake_build
check 'a stap that tells no version' refused 'does not tell a version'
echo '4.8/0.188, fake' >"$scratch/version"
mv "$scratch/share" "$scratch/no-share"
fake_build
check 'no runtime' refused 'no runtime of SystemTap in .*SYSTEMTAP_RUNTIME'
mv "$scratch/no-share" "$scratch/share"
mv "$bin/stap" "$bin/no-stap"
fake_build
check 'no stap' refused 'there is no stap in PATH: .*apt-get install systemtap'
mv "$bin/no-stap" "$bin/stap"

with_fakes -p4 --backend=stap -r "$headers" -m Made -e "$script"
check 'a name that no module can have' refused '^error: -m Made: .*a-z, 0-9 and _'
with_fakes --backend=stap -r "$headers" -e "$script"
check '-r without -p4' refused '^error: -r .* -p4 \[options\]'
with_fakes -p4 --backend=bpf -r "$headers" -e "$script"
check '-r with --backend=bpf' refused '^error: -r .*--backend=bpf'
with_fakes -p4 -r "$headers" -m made -e "$script"
check '-r takes the stap back end, and says so' said '^ngstap: back end: stap, as -r '

touch "$scratch/broken"
fake_build "-e$(another "broken")"
check 'stap fails: its errors are shown' refused '^note: stap: script\.c:1:2: error: no such thing'
check '... from the first on' sh -c "! grep -q 'Pass 1' $scratch/err"
check '... and nothing of it stays' sh -c "! ls -d $entries/tmp-* 2>/dev/null"
rm "$scratch/broken"

# --- the kernel at hand ---------------------------------------------------------------------

lacks() { [[ $status = 1 ]] && said \
    "^error: neither back end can run this here: .*lacks ringbuf.*$1"; }
probe='probe timer.profile { exit() }'
if [[ $UID = 0 && ! -e /proc/modules ]]; then
    with_fakes --no-feature=ringbuf -e "$probe"
    check 'neither back end: both reasons in one error' lacks 'no loadable modules'
else
    skip 'neither back end: both reasons in one error' 'needs root, and a kernel without modules'
fi
with_fakes -v -e "$script"
if [[ $UID = 0 ]]; then
    check 'eBPF, where it suffices: -v says why' said \
        '^ngstap: back end: eBPF, as Linux .* has all it needs'
    with_fakes -e "$script"
    check '... else nothing is said' test ! -s "$scratch/err"
else
    skip 'eBPF, where it suffices: -v says why' 'needs root'
fi

# --- the cache --------------------------------------------------------------------------------

rm -f "$scratch/given" "$scratch/cwd/made.ko"
fake_build -v "-e$script"
check 'the same again: out of the cache' said 'took the module from the cache'
check '... stap does not run' test ! -e "$scratch/given"
check '... the module is there' test -s "$scratch/cwd/made.ko"
touch "$headers/Module.symvers"
fake_build -v "-e$script"
check 'other headers: made anew' said 'made the module'
fake_build -v "-e$(another "changed")"
check 'another script: made anew' said 'made the module'
echo tampered >>"$(dirname "$(find "$entries" -name made.ko | head -1)")/key"
count=$(find "$entries" -name made.ko | wc -l)
check 'an entry stands for its key alone' test "$count" -ge 3

# What rots is made again, and not used: bytes of a file, a file more, another kind of thing.
rots() { # COMMAND: with the entry's folder
    local entry
    rm -rf "$entries"
    fake_build "-e$script"
    entry=$(dirname "$(find "$entries" -path '*/module-*' -name made.ko)")
    cp "$entry/made.ko" "$scratch/good.ko"
    eval "$1"
    fake_build -v "-e$script"
    [[ $status = 0 ]] && said 'made the module' && cmp -s "$scratch/cwd/made.ko" \
        "$scratch/good.ko" || return 1
    fake_build -v "-e$script"
    [[ $status = 0 ]] && said 'took the module from the cache' && cmp -s "$scratch/cwd/made.ko" \
        "$scratch/good.ko"
}
check 'a module with another byte' rots 'printf X | dd of="$entry/made.ko" conv=notrunc 2>&-'
check 'an empty one' rots ': >"$entry/made.ko"'
check 'a link in its place' rots 'rm "$entry/made.ko"; ln -s "$scratch/good.ko" "$entry/made.ko"'
check 'a pipe in its place' rots 'rm "$entry/made.ko"; mkfifo "$entry/made.ko"'
check 'a folder in its place' rots 'rm "$entry/made.ko"; mkdir -p "$entry/made.ko/in"'
check 'a file more' rots 'echo more >"$entry/more"'
check 'no sum' rots 'rm "$entry/sum"'
check 'a sum that is none' rots 'echo none >"$entry/sum"'
check 'a file in the place of the entry' rots 'rm -r "$entry"; echo none >"$entry"'
check 'a link in the place of the entry' rots 'mv "$entry" "$scratch/moved"
    ln -s "$scratch/moved" "$entry"'

touch "$scratch/slow"
rm -f "$scratch/started"
(cd "$scratch/cwd" && exec env PATH="$bin" "$ngstap" -p4 --backend=stap -r "$headers" -m made \
    -e "$(another "slow")" >"$scratch/out" 2>"$scratch/err") &
builder=$!
pids+=("$builder")
for _ in {1..100}; do [[ ! -e $scratch/started ]] || break; sleep 0.1; done
kill -TERM "$builder"
status=0
wait "$builder" || status=$?
check 'SIGTERM ends the build' refused 'interrupted while .*/stap was running'
check '... and nothing of it stays' sh -c "! ls -d $entries/tmp-* 2>/dev/null"
rm "$scratch/slow"

mkdir "$entries/tmp-left00" "$entries/tmp-held00"
touch -d '1 hour ago' "$entries"/tmp-*
exec 9<"$entries/tmp-held00"
flock -s 9
fake_build "-e$(another "trim")"
check 'what a killed one left is removed' test ! -e "$entries/tmp-left00"
check '... not what is in use' test -e "$entries/tmp-held00"
exec 9<&-

touch "$scratch/large"
for number in 1 2 3 4 5; do
    fake_build "-e$(another "large $number")"
    sleep 0.01
done
size=$(du -sm "$entries" | cut -f1)
check 'the cache is bounded' test "$size" -le 257
fake_build -v "-e$(another "large 5")"
check '... the newest stay' said 'took the module from the cache'
rm "$scratch/large"
rm -rf "$entries"

two() {
    local one other
    (cd "$scratch/cwd" && mkdir -p a b &&
        for folder in a b; do
            (cd $folder && exec env PATH="$bin" "$ngstap" -p4 --backend=stap -r "$headers" -m made \
                -e "$(another "two")" >/dev/null 2>"../$folder.err") &
        done; wait)
    one=$scratch/cwd/a/made.ko other=$scratch/cwd/b/made.ko
    [[ -s $one ]] && cmp "$one" "$other" && [[ $(find "$entries" -name made.ko | wc -l) = 1 ]] &&
        [[ -z $(find "$entries" -name 'tmp-*') ]]
}
for _ in 1 2 3; do
    rm -rf "$entries"
    check 'two at once' two
done

untrusted() { # what others could write to is not written to
    rm -rf "$entries"
    fake_build -v "-e$script"
    [[ $status = 0 && -s $scratch/cwd/made.ko && ! -e $entries ]] && said 'no cache for modules'
}
chmod 777 "$XDG_CACHE_HOME"
check 'a cache others can write to is left alone' untrusted
chmod 700 "$XDG_CACHE_HOME"
chmod 777 "$XDG_CACHE_HOME/ngstap"
check '... also when it is our part of it' untrusted
chmod 700 "$XDG_CACHE_HOME/ngstap"
mv "$XDG_CACHE_HOME/ngstap" "$XDG_CACHE_HOME/elsewhere"
ln -s elsewhere "$XDG_CACHE_HOME/ngstap"
check '... and when it is a link' untrusted
rm "$XDG_CACHE_HOME/ngstap"
XDG_CACHE_HOME=/proc/nowhere check 'no cache at all' untrusted
check '... no temporary directory stays' test -z \
    "$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'ngstap-??????' -newer "$bin/stap" 2>/dev/null)"

# --- patches of the runtime -------------------------------------------------------------------

patches=$scratch/patches
mkdir "$patches"
needed_patch() { # CONDITION...
    printf '%s\n' "What: a test." "$@" '' '--- a/linux/numbers.c' '+++ b/linux/numbers.c' \
        '@@ -9,3 +9,3 @@' ' three' '-four' '+FOUR' ' five'
}
mends() { # what the runtime's file has become: old or new
    rm -rf "$entries"/module-* "$scratch/given"
    (cd "$scratch/cwd" && env PATH="$bin" "$builddir/tests/unit/stap_module" -v -r "$headers" -P \
        "$patches" build "$scratch/a.stp" >"$scratch/out" 2>"$scratch/err") || :
    if ! grep -qx -e -R "$scratch/given"; then
        echo old
    elif grep -qx FOUR "$(grep -x -A1 -e -R "$scratch/given" | tail -1)/linux/numbers.c"; then
        echo new
    fi
}
echo "$script" >"$scratch/a.stp"
is() { [[ $(mends) == "$1" ]]; }
needed_patch 'When: kernel include/linux/thing.h has new_name' \
    'When: runtime linux/numbers.c has four' >"$patches/a.patch"
check 'a patch whose conditions hold is applied, where its lines have moved to' is new
check '... it is said' said 'mended by a\.patch'
check '... the installed runtime is as it was' grep -qx four \
    "$scratch/share/systemtap/runtime/linux/numbers.c"
needed_patch 'When: kernel include/linux/thing.h has new_nam' >"$patches/a.patch"
check 'one that needs a word that is not there is not' is old
needed_patch 'When: kernel include/linux/thing.h has new_name' \
    'When: runtime linux/numbers.c lacks four' >"$patches/a.patch"
check 'all conditions must hold' is old
needed_patch 'When: kernel include/linux/nothing.h lacks x' >"$patches/a.patch"
check 'a file that is not there lacks everything' is new
needed_patch 'When: kernel has it' >"$patches/a.patch"
check 'a condition that makes no sense is warned of' is old
check '... by name' said 'warning: a\.patch: cannot understand "When: kernel has it"'
needed_patch | sed 's/^ three/ 3/' >"$patches/a.patch"
mends >/dev/null 2>&1 || :
check 'a patch that does not fit is an error' said \
    '^error: .*needs a\.patch for kernel 5\.4\.3-fake, which does not apply: .*numbers\.c has changed'
needed_patch | sed 's,linux/numbers.c,../runtime.h,' >"$patches/a.patch"
mends >/dev/null 2>&1 || :
check 'nor may it leave the runtime' said '^error: .*it names \.\./runtime\.h'
rm "$patches"/*

for patch in patches/runtime/*.patch; do
    check "$patch says what, why, which stap and when" sh -c \
        "grep -q '^What: ' $patch && grep -q '^Why: ' $patch && grep -q '^Stap: ' $patch && grep -q '^When: ' $patch"
    check "... and is installed" grep -qF "$patch" Makefile.am
done

# --- a real module ------------------------------------------------------------------------------

build=$(find /lib/modules/*/build -maxdepth 0 2>/dev/null | sort -V | tail -1)
if ! command -v stap >/dev/null; then
    skip 'a real module' 'no stap: apt-get install systemtap'
elif [[ -z $build ]]; then
    skip 'a real module' 'no kernel headers: apt-get install linux-headers-amd64'
else
    release=$(basename "$(dirname "$build")")
    rm -rf "$entries"
    # stap compiles with -Werror, and gcc warns of what is fine in a script.
    odd='probe begin { x = pid(); if (x << 2) println("hello");
        if (!x == 5 || (x == 1) < 0) println(x); exit() }'
    module() { # -p4 for those headers
        status=0
        (cd "$scratch/cwd" && timeout 300 "$ngstap" -v -p4 --backend=stap -r "$release" -m real \
            -e "$odd" >"$scratch/out" 2>"$scratch/err") || status=$?
    }
    module
    check "a real module for $release" test "$status" = 0
    field() { modinfo -F "$1" "$scratch/cwd/real.ko" 2>/dev/null ||
        strings "$scratch/cwd/real.ko" | sed -n "s/^$1=//p"; }
    check '... of that name' test "$(field name)" = real
    check '... and release' test "$(field vermagic | cut -d' ' -f1)" = "$release"
    cp "$scratch/cwd/real.ko" "$scratch/first.ko"
    start=$(date +%s%N)
    module
    took=$((($(date +%s%N) - start) / 1000000))
    echo "# from the cache in $took ms"
    check 'again: from the cache, within a second' test "$status" = 0 -a "$took" -lt 1000
    check '... the very same bytes' cmp "$scratch/first.ko" "$scratch/cwd/real.ko"
    # the private runtime differs from the installed one by what patches/ says, and nothing else
    mended() {
        local copy
        copy=$(find "$entries" -path '*/runtime-*/runtime' -prune | head -1)
        [[ -n $copy ]] || { ! said 'mended by'; return; }
        cp -r "$(dirname "$(readlink -f "$(command -v stap)")")/../share/systemtap/runtime" \
            "$scratch/reference"
        sed -n 's/^note: .* mended by //p' "$scratch/err" | while read -r patch; do
            patch -s -p1 -d "$scratch/reference" <"$top/patches/runtime/$patch"
        done
        diff -r "$scratch/reference" "$copy"
    }
    if command -v patch >/dev/null; then
        check 'its runtime is as patch(1) would mend it' mended
    else
        skip 'its runtime is as patch(1) would mend it' 'no patch program'
    fi
fi

# --- running --------------------------------------------------------------------------------------

# A module as far as we look at it.
make_module() { # FILE RELEASE NAME
    printf '__attribute__((section(".modinfo"), used)) static const char a[] = "vermagic=%s SMP mod_unload \\0name=%s";\n' "$2" "$3" |
        ${CC:-cc} -x c -c -o "$1" -
}
fake_staprun() {
    cat >"$bin/staprun"
    chmod +x "$bin/staprun"
}
make_module "$scratch/cwd/fits.ko" "$(uname -r)" fits
make_module "$scratch/cwd/other.ko" 5.4.3-fake other
cp "$scratch/cwd/fits.ko" "$scratch/cwd/renamed.ko"
echo 'no module' >"$scratch/cwd/text.ko"

with_fakes fits.ko
check 'no staprun' refused 'there is no staprun in PATH: .*systemtap-runtime'
fake_staprun <<'END'
#!/bin/bash
echo "args: $*"
echo 'WARNING: from the script' >&2
exit 3
END
with_fakes fits.ko -x $$
check "staprun's status is ours" test "$status" = 3
check '... its output, too' printed "^args: -x $$ \\./fits\\.ko$"
check '... and what it says' said '^WARNING: from the script'
with_fakes -w -c 'sleep 1' -o printed.txt fits.ko
check '-w, -c and -o' grep -qx 'args: -w -c sleep 1 ./fits.ko' "$scratch/cwd/printed.txt"
with_fakes other.ko
check 'a module for another kernel' refused 'other\.ko was built for kernel 5\.4\.3-fake; this is '
check '... and what to do' said '^hint: .*-p4 -m other -r '
with_fakes renamed.ko
check 'a module under another name' refused 'holds the module fits: rename it to fits\.ko'
with_fakes text.ko
check 'a file that is no module' refused 'text\.ko is not a kernel module'
with_fakes nowhere.ko
check 'a module that is not there' refused 'cannot read nowhere\.ko: No such file'

# What the real one prints, and what is said to it.
while IFS='|' read -r text hint; do
    fake_staprun <<END
#!/bin/bash
echo "ERROR: $text" >&2
exit 1
END
    with_fakes fits.ko
    check "refused: ${text##*: }" refused "^hint: .*$hint"
    check '... in its own words' said "^ERROR: "
done <<'END'
Couldn't insert module './fits.ko': Operation not permitted|(lockdown|locked down|CAP_SYS_MODULE)
Couldn't insert module './fits.ko': Key was rejected by service|signed
Couldn't insert module './fits.ko': Required key not available|sign-file
Couldn't insert module './fits.ko': Invalid module format|another kernel
Couldn't insert module './fits.ko': Unknown symbol in module|headers of exactly this kernel
Couldn't insert module './fits.ko': Module has wrong symbol version|update the headers
Couldn't insert module './fits.ko': File exists|staprun -d
Couldn't insert module './fits.ko': Function not implemented|no loadable modules
Couldn't insert module in FIPS mode './fits.ko': Operation not permitted|FIPS
You are trying to run systemtap as a normal user.|root
The effective user ID of staprun must be set to the root user.|root
END

# signalled SIGNAL...: sends them to ngstap while a staprun runs that notes what it gets.
signalled() {
    fake_staprun <<END
#!/bin/bash
trap 'echo TERM >>$scratch/got; exit 0' TERM
trap 'echo INT >>$scratch/got; exit 0' INT
echo \$\$ >$scratch/staprun.pid
for i in {1..200}; do sleep 0.05; done
END
    rm -f "$scratch/got" "$scratch/staprun.pid"
    # A shell's background job ignores SIGINT, and bash cannot trap what it was told to ignore.
    (cd "$scratch/cwd" && exec env --default-signal=INT PATH="$bin" "$ngstap" fits.ko \
        >"$scratch/out" 2>"$scratch/err") &
    local runner=$! one
    pids+=("$runner")
    for _ in {1..100}; do [[ ! -s $scratch/staprun.pid ]] || break; sleep 0.05; done
    sleep 0.2
    for one; do kill "-$one" "$runner"; done
    status=0
    wait "$runner" 2>/dev/null || status=$?
    for _ in {1..100}; do [[ -e /proc/$(cat "$scratch/staprun.pid") ]] || break; sleep 0.05; done
    [[ ! -e /proc/$(cat "$scratch/staprun.pid") ]]
}
got() { [[ $(tr '\n' ' ' <"$scratch/got") == "$1 " ]]; }
check 'SIGTERM ends staprun' signalled TERM
check '... by one SIGTERM, and well' test "$status" = 0 -a "$(cat "$scratch/got")" = TERM
check 'SIGINT ends it' signalled INT
check '... by SIGINT' got INT
check 'signals that come together are one' signalled TERM TERM TERM
check '... staprun gets one' got TERM
check 'when we are killed, staprun ends' signalled KILL
check '... by SIGTERM, so that end probes run' got TERM
with_fakes -T 0.3 fits.ko
check '-T ends staprun' test "$status" = 0 -a "$(grep -c TERM "$scratch/got")" -ge 1
fake_staprun <<'END'
#!/bin/bash
kill -KILL $$
END
with_fakes fits.ko
check 'a staprun that is killed' test "$status" = 137

finish
