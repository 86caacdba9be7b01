#!/bin/bash
# shellcheck disable=SC2016,SC2317 # scripts have dollars of their own; check calls functions
#
# What a kernel lacks changes how the code is made, never the answer: the same scripts with all features, without
# may_goto, without bpf_loop too, and without each of the smaller ones, print the same bytes, and those are what
# the target, a C program that makes a known number of calls, says. lj-lua-stacks finds the hot function each way.
#
# Needs root, eBPF, a C compiler; for the profiles NGSTAP_TARGETS (tests/targets/build.sh prints it). About 40 s.
# Prints TAP.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

[[ $UID = 0 ]] || skip_all 'needs root'
command -v "${CC:-cc}" >/dev/null || skip_all 'no C compiler'

# The ways: names of features to do without.
ways=('' 'may_goto' 'may_goto bpf_loop' 'sdiv' 'snprintf' 'bpf_cookie' 'find_vma'
    'may_goto bpf_loop sdiv snprintf bpf_cookie find_vma')

without() { # FEATURES: the options, in $options
    local feature
    options=()
    for feature in $1; do
        options+=(--no-feature "$feature")
    done
}

# --- the target: it waits for a line, calls step() 40 times, and says what a script should find ---

cat >"$scratch/target.c" <<'END'
#include <stdio.h>
#include <string.h>

struct item { struct item *next; long value; signed bits : 5; unsigned char kind; char name[16]; };

__attribute__((noinline)) int step(int n, struct item *list, const char *word)
{
    __asm__ volatile("" : : "r"(list), "r"(word) : "memory");
    return n + 1;
}

static long quotient, sum, collatz, kinds[4];
static unsigned hash = 5381;
static struct item items[20];
static char names[512];

static void account(int n, const struct item *list, const char *word)
{
    for (const struct item *i = list; i; i = i->next) {
        sum += i->value * i->bits;
        quotient += i->value / (i->bits ? i->bits : 7) + i->value % 7;
        kinds[i->kind]++;
    }
    for (const char *p = word; *p; p++)
        hash = hash * 33 + (unsigned char)*p;
    for (long x = n + 1; x != 1; x = x % 2 ? 3 * x + 1 : x / 2)
        collatz++;
}

int main(void)
{
    static const char *const words[] = {"alpha", "", "beta gamma", "a longer word, of thirty-six letters", "z"};
    int n = 0;

    for (int i = 19; i >= 0; i--) {
        items[i] = (struct item){.next = i < 19 ? &items[i + 1] : NULL, .value = (i - 9) * 1000003L * i,
                                 .bits = i % 32 - 10, .kind = (unsigned char)(i % 4)};
        snprintf(items[i].name, sizeof(items[i].name), "item-%d", i);
    }
    for (int i = 0; i < 20; i++)
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s,", items[i].name);
    getchar();
    while (n < 40) {
        const struct item *list = &items[n % 20];
        const char *word = words[n % 5];

        account(n, list, word);
        n = step(n, (struct item *)list, word);
    }
    printf("calls %d\nsum %ld\nquotient %ld\nhash %u\ncollatz %ld\n", n, sum, quotient, hash, collatz);
    for (int i = 0; i < 4; i++)
        printf("kind %d: %ld\n", i, kinds[i]);
    printf("names %s\n", names);
    for (int i = 0; i < 5; i++)
        printf("word '%s': 8\n", words[i]);
    return 0;
}
END
${CC:-cc} -g -O1 -o "$scratch/target" "$scratch/target.c"

# A loop in a function in a loop, breaks and continues, recursion, strings that grow, maps, signed division.
cat >"$scratch/loops.stp" <<'END'
global calls, sum, quotient, hash = 5381, collatz, kinds, names, words

function fold(h, p) {
    for (; user_uint8(p); p++)
        h = (h * 33 + user_uint8(p)) & 0xffffffff
    return h
}

function collatz_steps(x) {
    while (1) {
        if (x == 1)
            break
        n++
        if (x % 2) {
            x = 3 * x + 1
            continue
        }
        x /= 2
    }
    return n
}

function walk(list) {
    while (list) {
        bits = @cast(list, "struct item")->bits
        value = @cast(list, "struct item")->value
        sum += value * bits
        quotient += value / (bits ? bits : 7) + value % 7
        kinds[@cast(list, "struct item")->kind]++
        list = @cast(list, "struct item")->next
    }
}

function join(list) {
    s = ""
    for (i = 0; i < 50; i++) {
        if (!list)
            break
        s .= user_string(&@cast(list, "struct item")->name[0]) . ","
        list = @cast(list, "struct item")->next
    }
    return s
}

function depth(n) { return n ? 1 + depth(n - 1) : 0 }

probe process.function("step") {
    calls += depth($n % 8) - $n % 8 + 1
    walk($list)
    hash = fold(hash, $word)
    collatz += collatz_steps($n + 1)
    if ($n == 0)
        names = join($list)
    words[user_string($word)]++
}

probe end {
    printf("calls %d\nsum %d\nquotient %d\nhash %d\ncollatz %d\n", calls, sum, quotient, hash, collatz)
    foreach (k+ in kinds)
        printf("kind %d: %d\n", k, kinds[k])
    printf("names %s\n", names)
    printf("word 'alpha': %d\nword '': %d\n", words["alpha"], words[""])
    printf("word 'beta gamma': %d\n", words["beta gamma"])
    printf("word 'a longer word, of thirty-six letters': %d\n", words["a longer word, of thirty-six letters"])
    printf("word 'z': %d\n", words["z"])
}
END

# run_loops FEATURES: ngstap's lines in $scratch/out, the program's in $scratch/truth.
run_loops() {
    without "$1"
    status=0
    "$scratch/target" <"$scratch/gate" >"$scratch/truth" &
    pid=$!
    pids+=("$pid")
    exec 4>"$scratch/gate"
    until [[ /proc/$pid/exe -ef $scratch/target ]]; do sleep 0.01; done # the shell's copy has become the program
    "$ngstap" -I tapset -T 30 "${options[@]}" -x "$pid" "$scratch/loops.stp" >"$scratch/out" 2>"$scratch/err" </dev/null &
    tracer=$!
    pids+=("$tracer")
    armed || :
    echo >&4
    exec 4>&-
    wait "$tracer" || status=$?
    wait "$pid" || :
}

same() { diff "$scratch/truth" "$scratch/out" >"$scratch/diff" || { sed 's/^/# /' "$scratch/diff"; return 1; }; }

# The breakpoint is in the target's code: its events are open, and it still waits.
armed() {
    local _try
    for _try in {1..100}; do
        ! cat "/proc/$tracer/fdinfo/"* 2>/dev/null | grep -q perf_event || break
        # shellcheck disable=SC2010 # the kernel's names
        ! ls -l "/proc/$tracer/fd" 2>/dev/null | grep -q 'perf_event\|bpf_link' || break
        kill -0 "$tracer" 2>/dev/null || return
        sleep 0.05
    done
    sleep 0.3
}

mkfifo "$scratch/gate"
for way in "${ways[@]}"; do
    run_loops "$way"
    check "without '$way': ends well" test "$status" = 0
    check "without '$way': what the program says" same
done

# --- the hot function ------------------------------------------------------------------

if [[ -z ${NGSTAP_TARGETS:-} ]]; then
    skip 'profiles' 'NGSTAP_TARGETS is not set'
    finish
fi
for mode in interp jit; do
    pid='' name=''
    eval "$(tests/targets/target.sh start luajit gc64 "$mode" 40)"
    names+=("$name")
    hot=$(tests/targets/target.sh truth "$name" | awk -v mode="$mode" '$1 == mode && $2 == "hot" { print $3 }')
    for way in '' 'may_goto' 'may_goto bpf_loop' 'may_goto bpf_loop sdiv snprintf bpf_cookie find_vma'; do
        without "$way"
        trace "${options[@]}" samples/lj-lua-stacks.sxx -x "$pid" --arg time=1 --arg min=0
        check "lj-lua-stacks, $mode, without '$way'" test "$(sed -n '/^T:/!{p;q}' "$scratch/out")" = "$hot"
    done
    tests/targets/target.sh stop "$name"
    names=()
done
finish
