/*
 * asm: the instruction buffer of one function. Enters: instructions one by one, with labels;
 * leaves: finished struct bpf_insn with relocations and lines. Refuses, as an internal error, a
 * function too large for its jumps even with islands.
 *
 * A jump's offset has 16 bits. When a function is longer than that, pools of plain jumps are put in
 * every POOL_EVERY instructions, and a far jump hops from pool to pool (gotol, the jump with 32
 * bits, is there since Linux 6.6 only, and conditional jumps have no such form).
 */
#include "cg/asm.h"

#include <string.h>

#include "base/arena.h"
#include "base/diag.h"

enum { POOL_EVERY = 12000, REACH = 26000 };

void cg_asm_begin(struct cg_asm *s, struct compile *cx, bool user)
{
    *s = (struct cg_asm){.cx = cx, .user = user};
}

uint32_t cg_label(struct cg_asm *s)
{
    s->labels = arena_grow(s->cx->arena, s->labels, s->n_labels, sizeof(*s->labels));
    s->labels[s->n_labels] = CG_UNBOUND;
    return s->n_labels++;
}

void cg_bind(struct cg_asm *s, uint32_t label)
{
    s->labels[label] = s->n;
}

bool cg_label_used(const struct cg_asm *s, uint32_t label)
{
    for (uint32_t k = 0; k < s->n_fixes; k++)
        if (s->fixes[k].label == label)
            return true;
    return false;
}

void cg_mark(struct cg_asm *s, struct span at)
{
    if (!at.file)
        return;
    if (s->n_lines && s->lines[s->n_lines - 1].insn == s->n)
        s->n_lines--;
    s->lines = arena_grow(s->cx->arena, s->lines, s->n_lines, sizeof(*s->lines));
    s->lines[s->n_lines++] = (struct cg_line){s->n, at};
}

/* ---- instructions ---- */

void cg_raw(struct cg_asm *s, uint8_t code, int dst, int src, int off, int32_t imm)
{
    s->v = arena_grow(s->cx->arena, s->v, s->n, sizeof(*s->v));
    s->v[s->n++] = (struct bpf_insn){.code = code,
                                     .dst_reg = (uint8_t)dst & 15,
                                     .src_reg = (uint8_t)src & 15,
                                     .off = (int16_t)off,
                                     .imm = imm};
}

static void put_imm64(struct cg_asm *s, int dst, int src, int32_t lo, int32_t hi)
{
    cg_raw(s, BPF_LD | BPF_IMM | BPF_DW, dst, src, 0, lo);
    cg_raw(s, 0, 0, 0, 0, hi);
}

void cg_mov(struct cg_asm *s, int dst, int src)
{
    if (dst != src)
        cg_raw(s, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

void cg_movi(struct cg_asm *s, int dst, int64_t imm)
{
    if (cg_fits32(imm))
        cg_raw(s, BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, (int32_t)imm);
    else
        put_imm64(s, dst, 0, (int32_t)(uint32_t)(uint64_t)imm,
                  (int32_t)(uint32_t)((uint64_t)imm >> 32));
}

void cg_alu(struct cg_asm *s, int op, int dst, int src)
{
    cg_raw(s, (uint8_t)(BPF_ALU64 | op | BPF_X), dst, src, 0, 0);
}

void cg_alui(struct cg_asm *s, int op, int dst, int32_t imm)
{
    if (imm == 0 &&
        (op == BPF_ADD || op == BPF_SUB || op == BPF_LSH || op == BPF_RSH || op == BPF_ARSH))
        return;
    cg_raw(s, (uint8_t)(BPF_ALU64 | op | BPF_K), dst, 0, 0, imm);
}

void cg_zext32(struct cg_asm *s, int reg)
{
    cg_raw(s, BPF_ALU | BPF_MOV | BPF_X, reg, reg, 0, 0);
}

void cg_neg(struct cg_asm *s, int reg)
{
    cg_raw(s, BPF_ALU64 | BPF_NEG, reg, 0, 0, 0);
}

void cg_be64(struct cg_asm *s, int reg)
{
    cg_raw(s, BPF_ALU | BPF_END | BPF_TO_BE, reg, 0, 0, 64);
}

void cg_ldx(struct cg_asm *s, int size, int dst, int base, int off)
{
    cg_raw(s, (uint8_t)(BPF_LDX | BPF_MEM | size), dst, base, off, 0);
}

void cg_stx(struct cg_asm *s, int size, int base, int off, int src)
{
    cg_raw(s, (uint8_t)(BPF_STX | BPF_MEM | size), base, src, off, 0);
}

void cg_sti(struct cg_asm *s, int size, int base, int off, int32_t imm)
{
    cg_raw(s, (uint8_t)(BPF_ST | BPF_MEM | size), base, 0, off, imm);
}

void cg_atomic(struct cg_asm *s, int op, int base, int off, int src)
{
    cg_raw(s, BPF_STX | BPF_ATOMIC | BPF_DW, base, src, off, op);
}

static void fix(struct cg_asm *s, uint32_t label)
{
    s->fixes = arena_grow(s->cx->arena, s->fixes, s->n_fixes, sizeof(*s->fixes));
    s->fixes[s->n_fixes++] = (struct cg_fix){s->n, label};
}

void cg_ja(struct cg_asm *s, uint32_t label)
{
    fix(s, label);
    cg_raw(s, BPF_JMP | BPF_JA, 0, 0, 0, 0);
}

void cg_jmp(struct cg_asm *s, int op, int dst, int src, uint32_t label)
{
    fix(s, label);
    cg_raw(s, (uint8_t)(BPF_JMP | op | BPF_X), dst, src, 0, 0);
}

void cg_jmpi(struct cg_asm *s, int op, int dst, int32_t imm, uint32_t label)
{
    fix(s, label);
    cg_raw(s, (uint8_t)(BPF_JMP | op | BPF_K), dst, 0, 0, imm);
}

void cg_jmpi32(struct cg_asm *s, int op, int dst, int32_t imm, uint32_t label)
{
    fix(s, label);
    cg_raw(s, (uint8_t)(BPF_JMP32 | op | BPF_K), dst, 0, 0, imm);
}

void cg_may_goto(struct cg_asm *s, uint32_t label)
{
    fix(s, label);
    cg_raw(s, BPF_JMP | BPF_JCOND, 0, 0, 0, 0);
}

void cg_call(struct cg_asm *s, int helper)
{
    cg_raw(s, BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}

static void reloc(struct cg_asm *s, enum cg_reloc_kind kind, const char *name)
{
    s->relocs = arena_grow(s->cx->arena, s->relocs, s->n_relocs, sizeof(*s->relocs));
    s->relocs[s->n_relocs++] = (struct cg_reloc){kind, s->n, name};
}

void cg_call_sub(struct cg_asm *s, const char *name)
{
    reloc(s, CG_RELOC_CALL, name);
    cg_raw(s, BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, -1);
}

void cg_exit(struct cg_asm *s)
{
    cg_raw(s, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

void cg_map(struct cg_asm *s, int dst, const char *name)
{
    reloc(s, CG_RELOC_MAP, name);
    put_imm64(s, dst, 0, 0, 0);
}

void cg_value(struct cg_asm *s, int dst, enum cg_data data, uint32_t off)
{
    static const char *const names[] = {NGS_MAP_GLOBALS, NGS_MAP_RODATA, NGS_MAP_CONTROL};

    if (s->user) {
        put_imm64(s, dst, 1, (int32_t)data, (int32_t)off);
        return;
    }
    reloc(s, CG_RELOC_MAP_VALUE, names[data]);
    put_imm64(s, dst, 0, (int32_t)off, 0);
}

void cg_callback(struct cg_asm *s, int dst, const char *name)
{
    reloc(s, CG_RELOC_CALLBACK, name);
    put_imm64(s, dst, 0, 0, 0);
}

void cg_addr(struct cg_asm *s, int dst, int base, uint32_t off)
{
    cg_mov(s, dst, base);
    cg_alui(s, BPF_ADD, dst, (int32_t)off);
}

void cg_ldx_far(struct cg_asm *s, int size, int dst, int base, uint32_t off)
{
    if (cg_fits16(off)) {
        cg_ldx(s, size, dst, base, (int)off);
        return;
    }
    cg_addr(s, dst, base, off);
    cg_ldx(s, size, dst, dst, 0);
}

void cg_stx_far(struct cg_asm *s, int size, int base, uint32_t off, int src, int tmp)
{
    if (cg_fits16(off)) {
        cg_stx(s, size, base, (int)off, src);
        return;
    }
    cg_addr(s, tmp, base, off);
    cg_stx(s, size, tmp, 0, src);
}

void cg_sti_far(struct cg_asm *s, int size, int base, uint32_t off, int32_t imm, int tmp)
{
    if (cg_fits16(off)) {
        cg_sti(s, size, base, (int)off, imm);
        return;
    }
    cg_addr(s, tmp, base, off);
    cg_sti(s, size, tmp, 0, imm);
}

/* ---- the end ---- */

static bool is_wide(const struct bpf_insn *i)
{
    return i->code == (BPF_LD | BPF_IMM | BPF_DW);
}

static bool falls_through(const struct bpf_insn *i)
{
    return i->code != (BPF_JMP | BPF_JA) && i->code != (BPF_JMP | BPF_EXIT);
}

/* A pool of islands in front of instruction AT: island K jumps to labels[K]. */
struct pool {
    uint32_t at;
    uint32_t *targets; /* labels where the jumps want to get */
    uint32_t *labels;  /* where the island jumps: the target, or an island on the way */
    uint32_t *self;    /* labels of the islands themselves, bound when they are placed */
    uint32_t n;
};

static uint32_t island(struct cg_asm *s, struct pool *p, uint32_t target)
{
    for (uint32_t k = 0; k < p->n; k++)
        if (p->targets[k] == target)
            return p->self[k];
    p->targets = arena_grow(s->cx->arena, p->targets, p->n, sizeof(*p->targets));
    p->labels = arena_grow(s->cx->arena, p->labels, p->n, sizeof(*p->labels));
    p->self = arena_grow(s->cx->arena, p->self, p->n, sizeof(*p->self));
    p->targets[p->n] = p->labels[p->n] = target;
    p->self[p->n] = cg_label(s);
    return p->self[p->n++];
}

/* The pool next to FROM's reach on the way to TO. */
static struct pool *hop(struct pool *pools, uint32_t n, uint32_t from, uint32_t to)
{
    struct pool *best = NULL;

    for (uint32_t k = 0; k < n; k++) {
        uint32_t at = pools[k].at;

        if (to > from ? at > from && at <= from + REACH && at < to
                      : at < from && at + REACH >= from && at > to)
            if (!best || (to > from) == (at > best->at))
                best = &pools[k];
    }
    return best;
}

/* Sends a jump at FROM to LABEL by way of islands; returns the label to jump to. */
static uint32_t route(struct cg_asm *s, struct pool *pools, uint32_t n, uint32_t from,
                      uint32_t label)
{
    uint32_t to = s->labels[label];
    uint32_t distance = to > from ? to - from : from - to;

    if (distance <= REACH)
        return label;
    struct pool *p = hop(pools, n, from, to);

    if (!p)
        return label;
    uint32_t known = p->n, self = island(s, p, label);

    if (p->n != known) { /* new: the island may itself have to hop */
        uint32_t next = route(s, pools, n, p->at, label);

        for (uint32_t k = 0; k < p->n; k++)
            if (p->self[k] == self)
                p->labels[k] = next;
    }
    return self;
}

/* Copies the instructions with the pools between them; every index moves. */
static void insert_pools(struct cg_asm *s, struct pool *pools, uint32_t n_pools,
                         uint32_t n_old_labels)
{
    struct bpf_insn *old = s->v;
    uint32_t n_old = s->n, k = 0;
    uint32_t *where = ARENA_ARRAY(s->cx->arena, uint32_t, n_old + 1);
    struct cg_fix *old_fixes = s->fixes;
    uint32_t n_old_fixes = s->n_fixes;

    s->v = NULL;
    s->fixes = NULL;
    s->n = s->n_fixes = 0;
    for (uint32_t i = 0; i < n_old; i++) {
        if (k < n_pools && pools[k].at == i) {
            struct pool *p = &pools[k++];

            if (p->n) {
                if (falls_through(&old[i - 1])) /* else nothing would reach this jump */
                    cg_raw(s, BPF_JMP | BPF_JA, 0, 0, (int)p->n, 0);
                for (uint32_t j = 0; j < p->n; j++) {
                    cg_bind(s, p->self[j]);
                    cg_ja(s, p->labels[j]);
                }
            }
        }
        where[i] = s->n;
        cg_raw(s, old[i].code, old[i].dst_reg, old[i].src_reg, old[i].off, old[i].imm);
    }
    where[n_old] = s->n;
    for (uint32_t i = 0; i < n_old_labels; i++)
        if (s->labels[i] != CG_UNBOUND)
            s->labels[i] = where[s->labels[i]];
    for (uint32_t i = 0; i < n_old_fixes; i++) {
        s->fixes = arena_grow(s->cx->arena, s->fixes, s->n_fixes, sizeof(*s->fixes));
        s->fixes[s->n_fixes++] = (struct cg_fix){where[old_fixes[i].insn], old_fixes[i].label};
    }
    for (uint32_t i = 0; i < s->n_relocs; i++)
        s->relocs[i].insn = where[s->relocs[i].insn];
    for (uint32_t i = 0; i < s->n_lines; i++)
        s->lines[i].insn = where[s->lines[i].insn];
}

static void add_islands(struct cg_asm *s)
{
    uint32_t n_pools = s->n / POOL_EVERY, n_labels = s->n_labels;
    struct pool *pools = ARENA_ARRAY(s->cx->arena, struct pool, n_pools + 1);

    for (uint32_t k = 0; k < n_pools; k++) {
        pools[k].at = (k + 1) * POOL_EVERY;
        if (pools[k].at >= s->n)
            pools[k].at = s->n - 1;
        if (is_wide(&s->v[pools[k].at - 1]))
            pools[k].at--;
    }
    for (uint32_t i = 0; i < s->n_fixes; i++)
        s->fixes[i].label = route(s, pools, n_pools, s->fixes[i].insn, s->fixes[i].label);
    insert_pools(s, pools, n_pools, n_labels);
}

bool cg_asm_end(struct cg_asm *s)
{
    if (s->n > REACH)
        add_islands(s);
    for (uint32_t i = 0; i < s->n_fixes; i++) {
        const struct cg_fix *f = &s->fixes[i];
        int64_t off = (int64_t)s->labels[f->label] - f->insn - 1;

        if (s->labels[f->label] == CG_UNBOUND)
            return diag_error(s->cx->diag, (struct span){0}, "internal",
                              "code generator: label %u is nowhere", f->label);
        if (!cg_fits16(off))
            return diag_error(s->cx->diag, (struct span){0}, "limit",
                              "a handler is too large for eBPF (%u instructions)", s->n);
        s->v[f->insn].off = (int16_t)off;
    }
    return true;
}

void cg_asm_take(const struct cg_asm *s, struct cg_func *f)
{
    f->insns = s->v;
    f->n_insns = s->n;
    f->relocs = s->relocs;
    f->n_relocs = s->n_relocs;
    f->lines = s->lines;
    f->n_lines = s->n_lines;
}
