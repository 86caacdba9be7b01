# Compares each stack with what cross.lua says of its case, which the stack's outermost function of
# cross.lua tells; of a stack only the functions of cross.lua and cross.c count, and those of LuaJIT
# that call Lua. Reads what the program printed, then what was traced. ticks=1: they may come
# between two calls, when the innermost functions are not there yet. c=1: what counts are the C
# functions of the stack that stands behind a line "c", and that it leads to _start. Prints RIGHT EARLY WRONG CASES:
# how many stacks, and of how many cases; and the first wrong ones.
function judge(    i, got, want) {
    if (!m) return
    if (kept[m] !~ /^case/) return # the program's own loop
    want = expected[kept[m]]
    if (c) {
        got = in_c outermost
        want = only_c(want) "_start"
    } else {
        for (i = 1; i <= m; i++) got = got (i > 1 ? " " : "") kept[i]
    }
    if (got == want) {
        right++
        seen[kept[m]] = 1
    } else if (ticks && substr(" " want, length(want) - length(got) + 1) == " " got) {
        early++
    } else if (++wrong <= 3) {
        print "# " got "; the program says: " want >"/dev/stderr"
    }
}
function only_c(text,    n, i, f, all) {
    n = split(text, f, " ")
    for (i = 1; i <= n; i++)
        if (f[i] ~ is_c) all = all f[i] " "
    return all
}
BEGIN { is_c = "^(x_[a-z_]+|lj_cf_string_gsub|lj_cf_table_sort)$" }
FNR == 1 { file++ }
file == 1 && $1 == "function" { lua[$3] = $2 }
file == 1 && $1 == "expect" {
    $1 = $1
    expected[$NF] = substr($0, length($1 $2) + 3)
}
file == 1 { next }
/^stack/ { judge(); m = behind = 0; in_c = outermost = ""; next }
/^c$/ { behind = 1; next }
behind {
    sub(/\+.*/, "")
    outermost = $0
    if ($0 ~ is_c) in_c = in_c $0 " "
    next
}
/^@.*cross.lua:[0-9]+$/ { line = $0; sub(/.*:/, "", line); if (line in lua) kept[++m] = lua[line] }
$0 ~ is_c { kept[++m] = $1 }
END {
    judge()
    for (i in seen) cases++
    print right + 0, early + 0, wrong + 0, cases + 0
}
