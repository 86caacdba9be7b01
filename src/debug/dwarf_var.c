/*
 * dwarf_var: global and static variables. Enters: a name, perhaps a file; leaves: ELF address and
 * type. Refused: variables without a fixed address (thread-local, optimized out, only declared and
 * not among the module's symbols).
 */
#include <dwarf.h>
#include <string.h>

#include "debug/dwarf_priv.h"

/* DW_OP_addr, or an index of .debug_addr, and perhaps a constant to add. */
static bool fixed_address(Dwarf_Die *die, uint64_t *out)
{
    Dwarf_Attribute attr, addr;
    Dwarf_Addr value;
    Dwarf_Op *ops;
    size_t n;

    if (!dwarf_attr_integrate(die, DW_AT_location, &attr) || dwarf_getlocation(&attr, &ops, &n) ||
        n < 1 || n > 2)
        return false;
    if (ops[0].atom == DW_OP_addr) {
        *out = ops[0].number;
    } else if (ops[0].atom == DW_OP_addrx || ops[0].atom == DW_OP_GNU_addr_index) {
        if (dwarf_getlocation_attr(&attr, ops, &addr) || dwarf_formaddr(&addr, &value))
            return false;
        *out = value;
    } else {
        return false;
    }
    if (n == 2) {
        if (ops[1].atom != DW_OP_plus_uconst)
            return false;
        *out += ops[1].number;
    }
    return true;
}

/* The address the linker gave the name: for what this unit's DWARF only declares. */
static bool symbol_address(struct dbg *m, const char *name, uint64_t *out)
{
    const struct elf_symbols *s = dbg_symbols(m);

    for (uint32_t i = 0; i < s->n; i++) {
        if (!s->v[i].is_func && !strcmp(s->v[i].name, name)) {
            *out = s->v[i].vaddr;
            return true;
        }
    }
    return false;
}

/* How good a candidate is: an external definition, a static one, a declaration. */
static int rank(const struct index_entry *e)
{
    if (e->flags & ENTRY_DECLARATION)
        return 2;
    return e->flags & ENTRY_EXTERNAL ? 0 : 1;
}

bool dw_variable(struct dbg *m, const char *name, const char *cu, struct dbg_var *out)
{
    const struct index *x = dw_index(m);
    const struct index_entry *e;
    uint32_t n = x ? index_find(x, INDEX_VARIABLES, name, &e) : 0;

    uint64_t symbol = 0;
    bool has_symbol = false, asked = false;

    for (int r = 0; r < 3; r++) {
        for (uint32_t i = 0; i < n; i++) {
            Dwarf_Die die;
            const char *file = x->names + e[i].cu;
            uint64_t addr;

            if (rank(&e[i]) != r || (cu && *cu && !file_matches(file, cu)))
                continue;
            if (!index_die(m, &e[i], &die))
                continue;
            if (!fixed_address(&die, &addr)) {
                if (!(e[i].flags & (ENTRY_DECLARATION | ENTRY_EXTERNAL)))
                    continue;
                if (!asked)
                    has_symbol = symbol_address(m, name, &symbol);
                asked = true;
                if (!has_symbol)
                    continue;
                addr = symbol;
            }
            *out = (struct dbg_var){
                .name = index_name(x, &e[i]),
                .file = file,
                .vaddr = addr,
                .type = ctype_of(m, &die),
            };
            return true;
        }
    }
    return false;
}

const struct ctype *dw_variable_type(struct dbg *m, const char *name)
{
    const struct index *x = dw_index(m);
    const struct index_entry *e;
    uint32_t n = x ? index_find(x, INDEX_VARIABLES, name, &e) : 0;

    for (uint32_t i = 0; i < n; i++) {
        Dwarf_Die die;

        if (e[i].flags & (ENTRY_DECLARATION | ENTRY_EXTERNAL) && index_die(m, &e[i], &die))
            return ctype_of(m, &die);
    }
    return NULL;
}
