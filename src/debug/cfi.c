/*
 * cfi: where a function's frame is. Enters: a module, an address; leaves: the CFA as a register and
 * an offset, by .eh_frame or .debug_frame. Refused: CFAs that are computed otherwise.
 */
#include <dwarf.h>
#include <stdlib.h>

#include "debug/source.h"

bool dbg_cfa(struct dbg *m, uint64_t pc, uint32_t *reg, int64_t *offset)
{
    if (!m->cfi_tried) {
        m->cfi_tried = true;
        /* .eh_frame is loaded, so it is in the module itself and not in its debug file. */
        m->cfi_eh = dwarf_getcfi_elf(m->main.elf);
        m->cfi_debug = m->dw ? dwarf_getcfi(m->dw) : NULL; /* dwarf_end frees it */
    }
    Dwarf_CFI *all[] = {m->cfi_eh, m->cfi_debug};

    for (int i = 0; i < 2; i++) {
        Dwarf_Frame *frame;
        Dwarf_Op *ops;
        size_t n;

        if (!all[i] || dwarf_cfi_addrframe(all[i], pc, &frame))
            continue;
        /* A register and an offset come as one DW_OP_bregx (libdw's dwarf_frame_cfa). */
        bool ok = !dwarf_frame_cfa(frame, &ops, &n) && n == 1 && ops[0].atom == DW_OP_bregx &&
                  ops[0].number < 64;

        if (ok) {
            *reg = (uint32_t)ops[0].number;
            *offset = (int64_t)ops[0].number2;
        }
        free(frame);
        if (ok)
            return true;
    }
    return false;
}

void cfi_close(struct dbg *m)
{
    if (m->cfi_eh)
        dwarf_cfi_end(m->cfi_eh);
    m->cfi_eh = m->cfi_debug = NULL;
}
