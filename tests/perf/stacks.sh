# shellcheck shell=bash
#
# What tests/perf-shares.sh and bench/perf.sh share: stacks of perf and of ngstap in one form, and
# the shares of functions in them. Stacks of both are compared up to code of no file: behind
# compiled Lua perf's unwinder guesses, where ngstap goes on. Sourced.

# plain_names: names without what tells copies and versions apart.
plain_names() { sed -E 's/@@?[A-Z0-9_.]+//g; s/(^|;)(__GI_|_)*/\1/g; s/_impl(;| )/\1/g'; }

# Both: innermost first, a stack a line: its functions, then how often.

# perf_stacks: of what "perf script --no-inline -F ip,sym,dso" prints.
perf_stacks() {
    awk 'NF == 0 { if (stack != "") print stack " 1"; stack = ""; next }
        { name = $NF ~ /^\((\[unknown\]|\/\/anon|\/tmp\/perf-.*)\)$/ ? "0x" : $2
            stack = stack (stack == "" ? "" : ";") name }
        END { if (stack != "") print stack " 1" }' | plain_names
}

# folded_stacks FILE...: of ngstap flame.
folded_stacks() {
    sed '/^#/d; s/_\[k\]//g' "$@" | awk '{ count = $NF; sub(/ [0-9]+$/, "")
            n = split($0, f, ";")
            for (i = n; i > 0; i--) printf "%s%s", f[i], (i > 1 ? ";" : " " count "\n") }' |
        plain_names
}

# shares FILE: "FUNCTION PERCENT" of those that have a name; else a frame is its file. "# SAMPLES".
shares() {
    awk '{ count = $NF; all += count; sub(/ [0-9]+$/, ""); split("", seen)
            n = split($0, f, ";")
            for (i = 1; i <= n && f[i] !~ /^0x/; i++)
                if (!(f[i] in seen) && f[i] !~ /^\[unknown\]$|^0x|\.so(\.|$)/) {
                    seen[f[i]]
                    sum[f[i]] += count
                }
        }
        END { for (name in sum) printf "%s %.2f\n", name, 100 * sum[name] / all
            printf "# %d\n", all }' "$1" | LC_ALL=C sort
}
samples() { awk '$1 == "#" { print $2 }' "$1"; }

# compare_shares PERF NGSTAP: files of shares: the 20 widest functions, a line each: its name, both
# shares, the difference, and three standard deviations of that by chance, in points.
compare_shares() {
    LC_ALL=C join -a 1 -a 2 -e 0 -o 0,1.2,2.2 "$1" "$2" |
        awk '$1 != "#" { print ($2 > $3 ? $2 : $3), $0 }' | sort -rn | head -n 20 |
        awk -v a="$(samples "$1")" -v b="$(samples "$2")" '{
            p = ($3 * a + $4 * b) / (a + b) / 100
            printf "%-40s %6.2f %6.2f %+6.2f %5.2f\n", $2, $3, $4, $4 - $3,
                300 * sqrt(p * (1 - p) * (1 / a + 1 / b)) }'
}
