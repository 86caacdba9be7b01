# Compares the walked stack of each tick with the shadow stack, innermost first: of the walked one
# only functions that keep a shadow count. While a function begins or ends one of the two has it
# already, or still. BARE=1: libraries have no tables, so a stack may end in one; such ticks do not
# count. Prints TICKS WRONG, and the first wrong ones.
function agree(n_walked, n_shadow, skipped, ahead,    i) {
    if (n_walked - skipped != n_shadow - ahead) return 0
    for (i = 1; i <= n_shadow - ahead; i++)
        if (walked[i + skipped] != shadow[i + ahead]) return 0
    return 1
}
function judge(    i, text) {
    if (ticks && bare && walked[n] != "turn" && file != "[corpus]") { ticks--; return }
    if (!ticks || agree(n, m, 0, 0) || agree(n, m, 1, 0) || agree(n, m, 0, 1)) return
    if (++wrong > 3) return
    for (i = 1; i <= all; i++) text = text " " whole[i]
    text = text "; the program says:"
    for (i = 1; i <= m; i++) text = text " " shadow[i]
    print "#" text >"/dev/stderr"
}
BEGIN {
    split("spin fixed growing aligned aligned_growing recursive compare sorting on_signal " \
        "signalled jumps leaves ends variable turn", names)
    for (i in names) own[names[i]] = 1
}
/^tick/ { judge(); ticks++; n = m = all = 0; file = ""; next }
/^shadow/ { shadow[++m] = $2; next }
{ whole[++all] = $1; file = $2; name = $1; sub(/\+.*/, "", name); if (own[name]) walked[++n] = name }
END { judge(); print ticks + 0, wrong + 0 }
