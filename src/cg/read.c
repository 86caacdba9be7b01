/*
 * read: memory of processes and of the kernel, in the kernel. Enters: READ; leaves: reads
 * of the frame's cache in line, what misses it as calls of the library.
 */
#include "cg/emit.h"

/*
 * User memory goes through the frame's cache: lines of so many bytes (ir/layout.c), direct-mapped,
 * so that the low bits of an address are its place in the lines. A tag is the line's number (the
 * address / its size), all ones when empty.
 */
static void emit_read_user(struct cg_gen *g, const struct ir_ins *i)
{
    const struct ir_unit *u = g->c->u;
    uint32_t tags = u->frame_cache, lines = tags + u->cache_lines * 8u, line = 1u << u->cache_shift;
    int a = cg_use(g, i->a), t = cg_tmp(g), d = cg_def(g, i->dst);
    int size = i->size == 1 ? BPF_B : i->size == 2 ? BPF_H : i->size == 4 ? BPF_W : BPF_DW;
    struct cg_cold cold = {
        .kind = CG_COLD_READ, .addr = a, .dst = d, .size = i->size, .lib = CG_LIB_MISS};

    cold.n_save = cg_cold_saves(g, cold.save, 1u << d | 1u << t);
    cold.back = cg_label(&g->s);
    cold.fail = cg_fail(g, i, NGS_OK);
    uint32_t miss = cg_new_cold(g, cold);

    cg_mov(&g->s, d, a);
    cg_alui(&g->s, BPF_RSH, d, u->cache_shift);
    cg_mov(&g->s, t, d);
    cg_alui(&g->s, BPF_AND, t, u->cache_lines - 1);
    cg_alui(&g->s, BPF_LSH, t, 3);
    cg_alu(&g->s, BPF_ADD, t, R9);
    cg_ldx_far(&g->s, BPF_DW, t, t, tags);
    cg_jmp(&g->s, BPF_JNE, t, d, miss);
    if (i->size > 1) {
        cg_mov(&g->s, t, a);
        cg_alui(&g->s, BPF_AND, t, (int32_t)line - 1);
        cg_jmpi(&g->s, BPF_JGT, t, (int32_t)line - i->size, miss);
    }
    cg_mov(&g->s, t, a);
    cg_alui(&g->s, BPF_AND, t, (int32_t)(u->cache_lines * line - 1));
    cg_alu(&g->s, BPF_ADD, t, R9);
    if (cg_fits16(lines)) {
        cg_ldx(&g->s, size, d, t, (int)lines);
    } else {
        cg_alui(&g->s, BPF_ADD, t, (int32_t)lines);
        cg_ldx(&g->s, size, d, t, 0);
    }
    cg_bind(&g->s, cold.back);
    if (i->is_signed)
        cg_extend(g, d, i->size, true);
}

void cg_k_read(struct cg_gen *g, const struct ir_ins *i)
{
    if (!i->space) {
        emit_read_user(g, i);
        return;
    }
    int a = cg_use(g, i->a), d = cg_def(g, i->dst);
    struct cg_cold cold = {
        .kind = CG_COLD_READ, .addr = a, .dst = d, .size = i->size, .lib = CG_LIB_KREAD};

    cold.n_save = cg_cold_saves(g, cold.save, 1u << d);
    cold.back = cg_label(&g->s);
    cold.fail = cg_fail(g, i, NGS_OK);
    cg_ja(&g->s, cg_new_cold(g, cold));
    cg_bind(&g->s, cold.back);
    if (i->is_signed)
        cg_extend(g, d, i->size, true);
}
