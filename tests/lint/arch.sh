#!/bin/bash
#
# Nothing outside of src/arch/ and of the tapset's folders of machines names a register of a
# machine, a breakpoint's bytes, or asks the compiler which machine this is: struct arch tells. (r0
# to r10 are also BPF's, x0 to x30 also numbers of hexadecimal: those are not looked for.) Helpers of
# BPF have names, too. Prints TAP.

set -euo pipefail
cd "${top_srcdir:-$(dirname "${BASH_SOURCE[0]}")/../..}"

word='\b([er][abcd]x|[er][sd]i|[er][sb]p|[er]ip|orig_r?ax|eflags|xmm[0-9]+|r1[1-5]d?|r(8|9|10)d'
word+='|regs->([abcd]x|[sd]i|[sb]p|ip|cs|pc|regs|pstate)|0xcc|EM_(X86_64|386|AARCH64)'
word+='|user_regs_struct|user_pt_regs|__x86_64__|__aarch64__)\b'

failed=0
n=0
look() { # NAME FILE...
    local name=$1 found
    shift
    n=$((n + 1))
    found=$(grep -nE "$word" "$@") || :
    if [[ -z $found ]]; then
        echo "ok $n - $name"
    else
        echo "not ok $n - $name"
        sed 's/^/# /' <<<"$found"
        failed=1
    fi
}

mapfile -t files < <(find src -path src/arch -prune -o -name '*.[chly]' -print | sort)
mapfile -t scripts < <(find tapset -mindepth 1 -type f ! -path 'tapset/x86_64/*' \
    ! -path 'tapset/arm64/*' | sort)
mapfile -t samples < <(find samples -type f | sort)
look 'src/ leaves machines to src/arch/' "${files[@]}"
look 'the tapset leaves machines to their folders' "${scripts[@]}"
look 'the samples name no registers' "${samples[@]}"

# It finds what it looks for.
n=$((n + 1))
if grep -qE "$word" src/arch/x86_64.c && grep -qE "$word" tapset/x86_64/*; then
    echo "ok $n - what it looks for is in src/arch/ and in tapset/x86_64/"
else
    echo "not ok $n - what it looks for is in src/arch/ and in tapset/x86_64/"
    failed=1
fi

# A helper of BPF is BPF_FUNC_NAME of linux/bpf.h, not a number of our own.
word='\b(HELPER_[A-Z_]+ = [0-9]|BPF_CALL, 0, 0, 0, [0-9])'
look 'helpers have the names of linux/bpf.h' "${files[@]}"
echo "1..$n"
exit $failed
