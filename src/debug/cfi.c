/*
 * cfi: where a function's frame is. Enters: a module, an address; leaves: the CFA as a register and
 * an offset, by .eh_frame, else by what the module's source has (.debug_frame). Refused: CFAs that
 * are computed otherwise.
 */
#include <dwarf.h>
#include <stdlib.h>

#include "debug/dwarf_priv.h"

struct cfi {
    Dwarf_CFI *eh; /* NULL: none that is sound */
};

bool cfi_frame(Dwarf_CFI *cfi, uint64_t pc, uint32_t *reg, int64_t *offset)
{
    Dwarf_Frame *frame;
    Dwarf_Op *ops;
    size_t n;

    if (!cfi || dwarf_cfi_addrframe(cfi, pc, &frame))
        return false;
    /* A register and an offset come as one DW_OP_bregx (libdw's dwarf_frame_cfa). */
    bool ok = !dwarf_frame_cfa(frame, &ops, &n) && n == 1 && ops[0].atom == DW_OP_bregx &&
              ops[0].number < 64;

    if (ok) {
        *reg = (uint32_t)ops[0].number;
        *offset = (int64_t)ops[0].number2;
    }
    free(frame);
    return ok;
}

bool dbg_cfa(struct dbg *m, uint64_t pc, uint32_t *reg, int64_t *offset)
{
    if (!m->cfi) {
        m->cfi = ARENA_NEW(m->di->a, struct cfi);
        /* .eh_frame is loaded, so it is in the module itself and not in its debug file. */
        m->cfi->eh = dwarf_getcfi_elf(m->file.elf);
    }
    return cfi_frame(m->cfi->eh, pc, reg, offset) ||
           (m->source && m->source->cfa && m->source->cfa(m, pc, reg, offset));
}

void cfi_close(struct dbg *m)
{
    if (m->cfi)
        dwarf_cfi_end(m->cfi->eh);
    m->cfi = NULL;
}
