# Compares the walked stack of each tick with the shadow stack, innermost first: of the walked one
# only functions that keep a shadow count. While a function begins or ends one of the two has it
# already, or still; a function that ends with a jump may have left no frame; a coroutine that
# moves is on one stack or the other. BARE=1: libraries have no tables, so a stack may end in one;
# such ticks do not count. Prints "TICKS EXACT EARLY WRONG TAILS CUT COROUTINES LAZY": EXACT, those
# that are so but for TAILS or CUT among them; EARLY, the walked one is the innermost part; how many
# were in a coroutine, or in a call that the dynamic linker bound. On standard error the same as a
# comment, and the first that are not exact.
# How many outer frames are missing; -1: it is another stack.
function missing(of, n_of, skipped, ahead,    i, k) {
    hidden = 0
    i = 1 + skipped
    for (k = 1 + ahead; k <= n_of; k++)
        if (i <= n && of[k] == walked[i]) i++
        else if (of[k] in jumps_on) hidden++
        else break
    return i <= n ? -1 : n_of - k + 1
}
function best(of, n_of,    a, k, left, found) {
    found = -1
    for (a = 0; a < 3; a++) {
        left = missing(of, n_of, a == 1, a == 2)
        if (left >= 0 && (found < 0 || left < found)) { found = left; tails = hidden }
    }
    return found
}
function judge(    left, left_outer, i, text) {
    if (ticks && bare && walked[n] != "turn" && file != "[corpus]") { ticks--; return }
    if (!ticks) return
    if (resolves) lazy++
    if (walked[n] == "inside") coroutines++
    left = best(shadow, m)
    if (left != 0 && n_outer) {
        left_outer = best(outer, n_outer)
        if (left_outer >= 0 && (left < 0 || left_outer < left)) left = left_outer
    }
    if (all == LIMIT && left >= 0 && depth > n) { cut++; return }
    if (left == 0) { if (tails) but_for_tails++; else exact++; return }
    if (left > 0) early++
    if (left > 0 && ++ends[whole[all]] > 1) return
    if (left < 0 && ++wrong > 3) return
    for (i = 1; i <= all; i++) text = text " " whole[i]
    text = text "; the program says:"
    for (i = 1; i <= m; i++) text = text " " shadow[i]
    for (i = 1; i <= n_outer; i++) text = text (i == 1 ? " or:" : "") " " outer[i]
    print "#" (left > 0 ? " early:" : "") text >"/dev/stderr"
}
BEGIN {
    LIMIT = 127
    split("spin fixed growing aligned aligned_growing recursive compare sorting on_signal " \
        "signalled jumps leaves ends variable deep passes passes_on lazy inside coroutine " \
        "plugged through turn", names)
    for (i in names) own[names[i]] = 1
    jumps_on["passes"] = jumps_on["passes_on"] = 1
}
/^tick/ { judge(); ticks++; depth = $2; n = m = n_outer = all = resolves = 0; file = ""; next }
/^shadow/ { shadow[++m] = $2; next }
/^outer/ { outer[++n_outer] = $2; next }
{
    whole[++all] = $1; file = $2; name = $1; sub(/\+.*/, "", name)
    if (own[name]) walked[++n] = name
    if (name ~ /^_dl_runtime_resolve/) resolves = 1
}
END {
    judge()
    printf "# %d ticks: %d exact, %d but for tail calls, %d cut at the limit, %d ended early, " \
        "%d wrong; %d in a coroutine, %d while a call was bound\n", ticks, exact, but_for_tails,
        cut, early, wrong, coroutines, lazy >"/dev/stderr"
    print ticks + 0, exact + but_for_tails + cut, early + 0, wrong + 0, but_for_tails + 0, cut + 0,
        coroutines + 0, lazy + 0
}
