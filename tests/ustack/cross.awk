# Compares each stack with what cross.lua says of its case, which the stack's outermost function of
# cross.lua tells; of a stack only the functions of cross.lua and cross.c count, and those of LuaJIT
# that call Lua. Reads what the program printed, then what was traced. ticks=1: they may come
# between two calls, when the innermost functions are not there yet. Prints RIGHT EARLY WRONG CASES:
# how many stacks, and of how many cases; and the first wrong ones.
function judge(    i, got, want) {
    if (!m) return
    for (i = 1; i <= m; i++) got = got (i > 1 ? " " : "") kept[i]
    if (kept[m] !~ /^case/) return # the program's own loop
    want = expected[kept[m]]
    if (got == want) {
        right++
        seen[kept[m]] = 1
    } else if (ticks && substr(" " want, length(want) - length(got) + 1) == " " got) {
        early++
    } else if (++wrong <= 3) {
        print "# " got "; the program says: " want >"/dev/stderr"
    }
}
FNR == 1 { file++ }
file == 1 && $1 == "function" { lua[$3] = $2 }
file == 1 && $1 == "expect" {
    $1 = $1
    expected[$NF] = substr($0, length($1 $2) + 3)
}
file == 1 { next }
/^stack/ { judge(); m = 0; next }
/^@.*cross.lua:[0-9]+$/ { line = $0; sub(/.*:/, "", line); if (line in lua) kept[++m] = lua[line] }
/^(x_[a-z_]+|lj_cf_string_gsub|lj_cf_table_sort)$/ { kept[++m] = $1 }
END {
    judge()
    for (i in seen) cases++
    print right + 0, early + 0, wrong + 0, cases + 0
}
