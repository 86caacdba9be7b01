/*
 * alloc: registers of temporaries, block by block. Enters: instructions in order, from the block's
 * first; leaves: moves, spills and reloads in the code. Temporaries live in r0-r5, r7, r8; those
 * live across a call go to r7, r8 or to a spill slot in the frame. A temporary is assigned once, so
 * a spill slot once written stays right. Refuses expressions that need more than CG_SPILL_SLOTS.
 *
 * A register may also be known to hold the value of a long slot: a load of that slot is then free.
 */
#include "cg/alloc.h"

#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "cg/rodata.h"

struct temp {
    int8_t reg;       /* -1: none */
    int8_t spill;     /* its spill slot; -1: none */
    uint32_t last;    /* position of its last use in the block */
    bool live_across; /* a call */
};

struct cg_alloc {
    struct temp *temps; /* of the function being written */
    uint32_t pos;
    uint32_t reg_temp[11]; /* temporary in each register; 0: none */
    uint32_t reg_slot[11]; /* slot + 1 whose value it holds; 0: none */
    uint32_t pinned;       /* bit per register: not to be taken within this instruction */
    uint32_t overwritten;  /* bit per register: its temporary is not there any more */
    uint64_t spills_used;
    uint8_t regions[6]; /* by register: region, a bit, of the string whose handle was put there */
    uint32_t result_temp;
    int result_reg;
};

static const uint8_t caller_saved_first[] = {R1, R2, R3, R4, R5, R0, R8, R7};
static const uint8_t callee_saved_first[] = {R7, R8, R1, R2, R3, R4, R5, R0};
enum { N_REGS = sizeof(caller_saved_first) };

static bool callee_saved(int r)
{
    return r == R7 || r == R8;
}

void cg_alloc_begin(struct cg_gen *g)
{
    uint32_t max_temps = 0;

    for (uint32_t f = 0; f < g->c->u->n_funcs; f++)
        if (g->c->u->funcs[f]->n_temps > max_temps)
            max_temps = g->c->u->funcs[f]->n_temps;
    g->alloc = ARENA_NEW(g->c->cx->arena, struct cg_alloc);
    g->alloc->temps = ARENA_ARRAY(g->c->cx->arena, struct temp, max_temps + 1);
}

void cg_alloc_end(struct cg_gen *g)
{
    struct cg_alloc *ra = g->alloc;

    g->ins = NULL;
    ra->pinned = ra->overwritten = 0;
    memset(ra->reg_temp, 0, sizeof(ra->reg_temp));
}

static bool is_temp(struct ir_val v)
{
    return v.kind == IRV_TEMP;
}

static void note_use(struct cg_gen *g, struct ir_val v, uint32_t pos)
{
    if (is_temp(v))
        g->alloc->temps[v.id].last = pos;
}

static void note_uses(struct cg_gen *g, const struct ir_ins *i, uint32_t pos)
{
    note_use(g, i->a, pos);
    note_use(g, i->b, pos);
    for (uint32_t k = 0; k < i->n_args; k++)
        note_use(g, i->args[k], pos);
}

static bool op_calls(const struct cg_gen *g, const struct ir_ins *i)
{
    return ir_op_flags(i->op) & (g->user ? IRF_USER_CALLS : IRF_KERNEL_CALLS);
}

static void note_live_across(struct cg_gen *g, struct ir_val v, const uint32_t *calls_until,
                             uint32_t pos, const uint32_t *def)
{
    if (is_temp(v) && calls_until[pos + 1] != calls_until[def[v.id]])
        g->alloc->temps[v.id].live_across = true;
}

void cg_block_begin(struct cg_gen *g, const struct ir_func *f, const struct ir_block *b)
{
    struct cg_alloc *ra = g->alloc;
    uint32_t n = 0, pos = 0;

    for (const struct ir_ins *i = b->first; i; i = i->next)
        n++;
    uint32_t *calls =
        ARENA_ARRAY(g->c->cx->arena, uint32_t, n + 2); /* [p]: calls before position p */
    uint32_t *def = ARENA_ARRAY(g->c->cx->arena, uint32_t, f->n_temps + 1);

    ra->pos = 0;
    memset(ra->reg_temp, 0, sizeof(ra->reg_temp));
    memset(ra->reg_slot, 0, sizeof(ra->reg_slot));
    ra->spills_used = 0;
    for (const struct ir_ins *i = b->first; i; i = i->next, pos++) {
        calls[pos + 1] = calls[pos] + op_calls(g, i);
        if (i->dst) {
            ra->temps[i->dst] = (struct temp){.reg = -1, .spill = -1, .last = pos};
            def[i->dst] = pos + 1;
        }
        note_uses(g, i, pos);
    }
    pos = 0;
    for (const struct ir_ins *i = b->first; i; i = i->next, pos++) {
        note_live_across(g, i->a, calls, pos, def);
        note_live_across(g, i->b, calls, pos, def);
        for (uint32_t k = 0; k < i->n_args; k++)
            note_live_across(g, i->args[k], calls, pos, def);
    }
}

void cg_ins_begin(struct cg_gen *g, const struct ir_ins *i)
{
    struct cg_alloc *ra = g->alloc;

    g->ins = i;
    ra->pinned = ra->overwritten = 0;
    ra->result_temp = 0;
}

/* ---- spill slots ---- */

static int spill_off(const struct cg_gen *g, int slot)
{
    return cg_spill_slot(g->c->u, slot);
}

static int new_spill_slot(struct cg_gen *g)
{
    struct cg_alloc *ra = g->alloc;

    for (int h = 0; h < CG_SPILL_SLOTS; h++)
        if (!(ra->spills_used & 1ull << h)) {
            ra->spills_used |= 1ull << h;
            return h;
        }
    if (!g->c->failed)
        diag_error(g->c->cx->diag, g->c->u->locs[g->ins->loc].at, "limit",
                   "this expression is too large for eBPF");
    g->c->failed = true;
    return CG_SPILL_SLOTS - 1;
}

static void spill(struct cg_gen *g, struct temp *t)
{
    if (t->spill >= 0)
        return;
    t->spill = (int8_t)new_spill_slot(g);
    cg_stx(&g->s, BPF_DW, R9, spill_off(g, t->spill), t->reg);
}

/* ---- registers ---- */

static uint32_t next_use(const struct cg_gen *g, uint32_t temp)
{
    uint32_t pos = 0;

    for (const struct ir_ins *i = g->ins; i; i = i->next, pos++) {
        bool uses = (is_temp(i->a) && i->a.id == temp) || (is_temp(i->b) && i->b.id == temp);

        for (uint32_t k = 0; k < i->n_args; k++)
            uses |= is_temp(i->args[k]) && i->args[k].id == temp;
        if (uses)
            return pos;
    }
    return 0xffffffff;
}

static void drop_reg(struct cg_gen *g, int reg)
{
    struct cg_alloc *ra = g->alloc;

    if (ra->reg_temp[reg])
        ra->temps[ra->reg_temp[reg]].reg = -1;
    ra->reg_temp[reg] = 0;
    ra->reg_slot[reg] = 0;
}

/* A free register, made free when need be; pinned for this instruction. */
static int take(struct cg_gen *g, bool want_callee_saved)
{
    struct cg_alloc *ra = g->alloc;
    const uint8_t *order = want_callee_saved ? callee_saved_first : caller_saved_first;
    int best = -1;
    uint32_t far = 0;

    for (int want_empty = 1; want_empty >= 0; want_empty--)
        for (uint32_t k = 0; k < N_REGS; k++) {
            int r = order[k];

            if (ra->pinned & 1u << r || ra->reg_temp[r] || (want_empty && ra->reg_slot[r]))
                continue;
            if (want_empty && !want_callee_saved && callee_saved(r))
                continue; /* kept for what is live across calls: rather forget a slot's value */
            ra->reg_slot[r] = 0;
            ra->pinned |= 1u << r;
            return r;
        }
    for (uint32_t k = 0; k < N_REGS; k++) {
        int r = order[k];
        uint32_t next;

        if (ra->pinned & 1u << r)
            continue;
        next = next_use(g, ra->reg_temp[r]);
        if (best < 0 || next > far) {
            best = r;
            far = next;
        }
    }
    if (best < 0) { /* no instruction needs as many */
        g->c->failed = true;
        diag_error(g->c->cx->diag, (struct span){0}, "internal",
                   "code generator: out of registers");
        return R0;
    }
    spill(g, &ra->temps[ra->reg_temp[best]]);
    drop_reg(g, best);
    ra->pinned |= 1u << best;
    return best;
}

static void bind(struct cg_gen *g, uint32_t temp, int reg)
{
    struct cg_alloc *ra = g->alloc;

    ra->temps[temp].reg = (int8_t)reg;
    ra->reg_temp[reg] = temp;
    ra->reg_slot[reg] = 0;
    ra->pinned |= 1u << reg;
}

int cg_tmp(struct cg_gen *g)
{
    return take(g, false);
}

int cg_use(struct cg_gen *g, struct ir_val v)
{
    struct cg_alloc *ra = g->alloc;
    int r;

    if (!is_temp(v)) {
        r = take(g, false);
        cg_movi(&g->s, r, v.kind == IRV_IMM ? v.imm : 0);
        return r;
    }
    struct temp *t = &ra->temps[v.id];

    if (t->reg < 0) {
        r = take(g, false);
        cg_ldx(&g->s, BPF_DW, r, R9, spill_off(g, t->spill));
        bind(g, v.id, r);
    }
    ra->pinned |= 1u << t->reg;
    return t->reg;
}

bool cg_dies(const struct cg_gen *g, struct ir_val v)
{
    struct cg_alloc *ra = g->alloc;

    return is_temp(v) && ra->temps[v.id].last <= ra->pos;
}

int cg_def(struct cg_gen *g, uint32_t temp)
{
    struct cg_alloc *ra = g->alloc;

    if (!temp || ra->temps[temp].last <= ra->pos)
        return take(g, false);
    int r = take(g, ra->temps[temp].live_across);

    bind(g, temp, r);
    return r;
}

int cg_def_copy(struct cg_gen *g, uint32_t temp, struct ir_val a)
{
    struct cg_alloc *ra = g->alloc;
    bool across = temp && ra->temps[temp].live_across;

    if (cg_dies(g, a)) {
        int r = cg_use(g, a);

        /* Its register becomes the result's, unless that wants one that survives calls. */
        if (!across || callee_saved(r)) {
            drop_reg(g, r);
            if (temp && ra->temps[temp].last > ra->pos)
                bind(g, temp, r);
            return r;
        }
    }
    int from = is_temp(a) ? cg_use(g, a) : -1;
    int r = cg_def(g, temp);

    if (from >= 0)
        cg_mov(&g->s, r, from);
    else
        cg_movi(&g->s, r, a.kind == IRV_IMM ? a.imm : 0);
    return r;
}

/* ---- slots' values in registers ---- */

static int cached_slot(const struct cg_gen *g, uint32_t slot)
{
    for (int r = R0; r <= R8; r++)
        if (g->alloc->reg_slot[r] == slot + 1)
            return r;
    return -1;
}

bool cg_load_cached(struct cg_gen *g, uint32_t slot, uint32_t temp)
{
    struct cg_alloc *ra = g->alloc;
    int r = cached_slot(g, slot);

    if (r < 0 || !temp)
        return false;
    if (!ra->reg_temp[r] && (callee_saved(r) || !ra->temps[temp].live_across) &&
        ra->temps[temp].last > ra->pos) {
        ra->reg_temp[r] = temp;
        ra->temps[temp].reg = (int8_t)r;
        return true;
    }
    ra->pinned |= 1u << r;
    cg_mov(&g->s, cg_def(g, temp), r);
    return true;
}

void cg_slot_is(struct cg_gen *g, uint32_t slot, int reg)
{
    struct cg_alloc *ra = g->alloc;

    for (int r = R0; r <= R8; r++)
        if (ra->reg_slot[r] == slot + 1)
            ra->reg_slot[r] = 0;
    if (reg >= 0)
        ra->reg_slot[reg] = slot + 1;
}

/* ---- calls ---- */

static bool caller_saved(int r)
{
    return CG_CALLER_SAVED >> r & 1;
}

void cg_call_begin(struct cg_gen *g)
{
    struct cg_alloc *ra = g->alloc;

    for (int r = R0; r <= R5; r++) {
        uint32_t id = ra->reg_temp[r];

        if (!id || ra->temps[id].last <= ra->pos)
            continue;
        struct temp *t = &ra->temps[id];
        int kept = !ra->reg_temp[R7] && !(ra->pinned & 1u << R7)   ? R7
                   : !ra->reg_temp[R8] && !(ra->pinned & 1u << R8) ? R8
                                                                   : -1;

        if (t->spill >= 0)
            continue;
        if (kept >= 0) {
            cg_mov(&g->s, kept, r);
            uint32_t slot = ra->reg_slot[r];

            drop_reg(g, r);
            bind(g, id, kept);
            ra->reg_slot[kept] = slot;
        } else {
            spill(g, t);
        }
    }
}

void cg_hold(struct cg_gen *g, struct ir_val v)
{
    struct cg_alloc *ra = g->alloc;

    if (is_temp(v) && ra->temps[v.id].reg >= 0 && caller_saved(ra->temps[v.id].reg))
        spill(g, &ra->temps[v.id]);
}

void cg_clobber(struct cg_gen *g, int reg)
{
    struct cg_alloc *ra = g->alloc;
    uint32_t id = ra->reg_temp[reg];

    if (id && !(ra->overwritten & 1u << reg) && ra->temps[id].last >= ra->pos)
        spill(g, &ra->temps[id]);
    ra->overwritten |= 1u << reg;
}

void cg_clobber_all(struct cg_gen *g)
{
    for (int r = R0; r <= R5; r++)
        cg_clobber(g, r);
}

void cg_overwritten(struct cg_gen *g, uint32_t mask)
{
    g->alloc->overwritten |= mask;
}

void cg_put(struct cg_gen *g, int reg, struct ir_val v)
{
    struct cg_alloc *ra = g->alloc;

    if (!is_temp(v)) {
        cg_puti(g, reg, v.kind == IRV_IMM ? v.imm : 0);
        return;
    }
    const struct temp *t = &ra->temps[v.id];

    if (t->reg >= 0 && !(ra->overwritten & 1u << t->reg)) {
        if (t->reg == reg)
            return; /* a value may be put once per register and call */
        int8_t from = t->reg;

        cg_clobber(g, reg);
        cg_mov(&g->s, reg, from);
        return;
    }
    cg_clobber(g, reg);
    cg_ldx(&g->s, BPF_DW, reg, R9, spill_off(g, t->spill));
}

void cg_puti(struct cg_gen *g, int reg, int64_t imm)
{
    cg_clobber(g, reg);
    cg_movi(&g->s, reg, imm);
    if (reg <= R5)
        g->alloc->regions[reg] = cg_region_bit((uint32_t)imm); /* if it is a handle */
}

void cg_handle_in(struct cg_gen *g, int reg, int region)
{
    g->alloc->regions[reg] = (uint8_t)(1 << region);
}

void cg_put_frame(struct cg_gen *g, int reg, uint32_t off)
{
    cg_clobber(g, reg);
    cg_addr(&g->s, reg, R9, off);
}

void cg_put_str(struct cg_gen *g, int reg, struct ir_val s)
{
    const struct ir_unit *u = g->c->u;

    cg_clobber(g, reg);
    if (!g->user)
        cg_puti(g, reg, cg_handle(g->c, s));
    else if (s.kind == IRV_SLOT)
        cg_addr(&g->s, reg, R9, u->slots[s.id].off);
    else if (s.kind == IRV_LIT)
        cg_value(&g->s, reg, CG_RODATA, u->lits[s.id].off);
    else
        cg_movi(&g->s, reg, 0);
}

void cg_do_call(struct cg_gen *g, int helper)
{
    cg_call(&g->s, helper);
    cg_overwritten(g, CG_CALLER_SAVED);
}

void cg_do_lib(struct cg_gen *g, enum cg_lib lib)
{
    struct cg_alloc *ra = g->alloc;

    for (int r = R2; r <= R5; r++)
        if (cg_lib_reads(lib) & 1u << r)
            g->c->lib_regions[lib] |= ra->regions[r];
    cg_call_lib(g->c, &g->s, lib);
    cg_overwritten(g, CG_CALLER_SAVED);
}

void cg_result(struct cg_gen *g, uint32_t temp, int reg)
{
    struct cg_alloc *ra = g->alloc;

    ra->result_temp = temp;
    ra->result_reg = reg;
}

void cg_ins_end(struct cg_gen *g)
{
    struct cg_alloc *ra = g->alloc;

    for (int r = R0; r <= R8; r++) {
        uint32_t id = ra->reg_temp[r];

        if (ra->overwritten & 1u << r)
            drop_reg(g, r);
        else if (id && ra->temps[id].last <= ra->pos) {
            ra->temps[id].reg = -1;
            ra->reg_temp[r] = 0; /* a slot's value may stay */
        }
    }
    if (ra->result_temp && ra->temps[ra->result_temp].last > ra->pos) {
        int r = ra->result_reg;

        ra->pinned = 0;
        drop_reg(g, r);
        if (ra->temps[ra->result_temp].live_across && (!ra->reg_temp[R7] || !ra->reg_temp[R8])) {
            int kept = !ra->reg_temp[R7] ? R7 : R8;

            cg_mov(&g->s, kept, r);
            r = kept;
        }
        bind(g, ra->result_temp, r);
    }
    /* Spill slots of dead temporaries are free again. */
    for (const struct ir_ins *i = g->ins; i; i = NULL) {
        struct ir_val ops[2] = {i->a, i->b};

        for (uint32_t k = 0; k < 2 + i->n_args; k++) {
            struct ir_val v = k < 2 ? ops[k] : i->args[k - 2];

            if (cg_dies(g, v) && ra->temps[v.id].spill >= 0) {
                ra->spills_used &= ~(1ull << ra->temps[v.id].spill);
                ra->temps[v.id].spill = -1;
            }
        }
    }
    ra->pos++;
}

uint32_t cg_cold_saves(struct cg_gen *g, struct cg_save *out, uint32_t but)
{
    struct cg_alloc *ra = g->alloc;
    uint64_t used = ra->spills_used;
    uint32_t n = 0;

    for (int r = R0; r <= R5; r++) {
        uint32_t id = ra->reg_temp[r];
        bool live = id && ra->temps[id].last > ra->pos;

        if (but & 1u << r || (!live && !ra->reg_slot[r]))
            continue;
        if (live && ra->temps[id].spill >= 0) {
            out[n++] =
                (struct cg_save){(int8_t)r, (int16_t)spill_off(g, ra->temps[id].spill), false};
            continue;
        }
        int h = 0;

        while (h < CG_SPILL_SLOTS && used & 1ull << h)
            h++;
        if (h == CG_SPILL_SLOTS) {
            if (!live) {
                ra->reg_slot[r] = 0;
                continue;
            }
            h = new_spill_slot(g); /* reports */
        }
        used |= 1ull << h;
        out[n++] = (struct cg_save){(int8_t)r, (int16_t)spill_off(g, h), true};
    }
    return n;
}
