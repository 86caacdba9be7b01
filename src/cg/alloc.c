/*
 * alloc: registers of temporaries, block by block. Enters: instructions in order, from the block's
 * first; leaves: moves, spills and reloads in the code. Temporaries live in r0-r5, r7, r8; those
 * alive across a call go to r7, r8 or to a home in the frame. A temporary is assigned once, so a
 * home once written stays right.
 *
 * A register may also be known to hold the value of a long slot: a load of that slot is then free.
 *
 * Spills must not depend on the path taken within one instruction: everything here happens before
 * an instruction branches, but for puts of values that were held.
 */
#include "cg/gen.h"

#include <string.h>

#include "base/arena.h"
#include "base/diag.h"

static const uint8_t order_plain[] = {R1, R2, R3, R4, R5, R0, R8, R7};
static const uint8_t order_safe[] = {R7, R8, R1, R2, R3, R4, R5, R0};

static bool is_temp(struct ir_val v)
{
    return v.kind == IRV_TEMP;
}

static void note_use(struct cg_gen *g, struct ir_val v, uint32_t pos)
{
    if (is_temp(v))
        g->temps[v.id].last = pos;
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

static void note_crossing(struct cg_gen *g, struct ir_val v, const uint32_t *calls_until,
                          uint32_t pos, const uint32_t *def)
{
    if (is_temp(v) && calls_until[pos + 1] != calls_until[def[v.id]])
        g->temps[v.id].crosses = true;
}

void cg_block_begin(struct cg_gen *g, const struct ir_func *f, const struct ir_block *b)
{
    uint32_t n = 0, pos = 0;

    for (const struct ir_ins *i = b->first; i; i = i->next)
        n++;
    uint32_t *calls =
        ARENA_ARRAY(g->c->cx->arena, uint32_t, n + 2); /* [p]: calls before position p */
    uint32_t *def = ARENA_ARRAY(g->c->cx->arena, uint32_t, f->n_temps + 1);

    g->pos = 0;
    memset(g->reg_temp, 0, sizeof(g->reg_temp));
    memset(g->reg_slot, 0, sizeof(g->reg_slot));
    g->homes_used = 0;
    for (const struct ir_ins *i = b->first; i; i = i->next, pos++) {
        calls[pos + 1] = calls[pos] + op_calls(g, i);
        if (i->dst) {
            g->temps[i->dst] = (struct cg_temp){.reg = -1, .home = -1, .last = pos};
            def[i->dst] = pos + 1;
        }
        note_uses(g, i, pos);
    }
    pos = 0;
    for (const struct ir_ins *i = b->first; i; i = i->next, pos++) {
        note_crossing(g, i->a, calls, pos, def);
        note_crossing(g, i->b, calls, pos, def);
        for (uint32_t k = 0; k < i->n_args; k++)
            note_crossing(g, i->args[k], calls, pos, def);
    }
}

void cg_ins_begin(struct cg_gen *g, const struct ir_ins *i)
{
    g->ins = i;
    g->pinned = g->clobbered = 0;
    g->result_temp = 0;
}

/* ---- homes ---- */

static int home_off(const struct cg_gen *g, int home)
{
    return cg_word(g->c->u, CG_WORD_HOMES + home);
}

static int new_home(struct cg_gen *g)
{
    for (int h = 0; h < CG_HOMES; h++)
        if (!(g->homes_used & 1ull << h)) {
            g->homes_used |= 1ull << h;
            return h;
        }
    if (!g->c->failed)
        diag_error(g->c->cx->diag, g->c->u->locs[g->ins->loc].at, "limit",
                   "this expression is too large for eBPF");
    g->c->failed = true;
    return CG_HOMES - 1;
}

static void store_home(struct cg_gen *g, struct cg_temp *t)
{
    if (t->home >= 0)
        return;
    t->home = (int8_t)new_home(g);
    cg_stx(&g->s, BPF_DW, R9, home_off(g, t->home), t->reg);
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
    if (g->reg_temp[reg])
        g->temps[g->reg_temp[reg]].reg = -1;
    g->reg_temp[reg] = 0;
    g->reg_slot[reg] = 0;
}

/* A free register, made free when need be; pinned for this instruction. */
static int take(struct cg_gen *g, bool safe)
{
    const uint8_t *order = safe ? order_safe : order_plain;
    int best = -1;
    uint32_t far = 0;

    for (int want_cold = 1; want_cold >= 0; want_cold--)
        for (uint32_t k = 0; k < sizeof(order_plain); k++) {
            int r = order[k];

            if (g->pinned & 1u << r || g->reg_temp[r] || (want_cold && g->reg_slot[r]))
                continue;
            if (want_cold && !safe && (r == R7 || r == R8))
                continue; /* these are for what lives across calls: rather forget a slot's value */
            g->reg_slot[r] = 0;
            g->pinned |= 1u << r;
            return r;
        }
    for (uint32_t k = 0; k < sizeof(order_plain); k++) {
        int r = order[k];
        uint32_t next;

        if (g->pinned & 1u << r)
            continue;
        next = next_use(g, g->reg_temp[r]);
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
    store_home(g, &g->temps[g->reg_temp[best]]);
    drop_reg(g, best);
    g->pinned |= 1u << best;
    return best;
}

static void bind(struct cg_gen *g, uint32_t temp, int reg)
{
    g->temps[temp].reg = (int8_t)reg;
    g->reg_temp[reg] = temp;
    g->reg_slot[reg] = 0;
    g->pinned |= 1u << reg;
}

int cg_tmp(struct cg_gen *g)
{
    return take(g, false);
}

int cg_use(struct cg_gen *g, struct ir_val v)
{
    int r;

    if (!is_temp(v)) {
        r = take(g, false);
        cg_movi(&g->s, r, v.kind == IRV_IMM ? v.imm : 0);
        return r;
    }
    struct cg_temp *t = &g->temps[v.id];

    if (t->reg < 0) {
        r = take(g, false);
        cg_ldx(&g->s, BPF_DW, r, R9, home_off(g, t->home));
        bind(g, v.id, r);
    }
    g->pinned |= 1u << t->reg;
    return t->reg;
}

bool cg_dies(const struct cg_gen *g, struct ir_val v)
{
    return is_temp(v) && g->temps[v.id].last <= g->pos;
}

int cg_def(struct cg_gen *g, uint32_t temp)
{
    if (!temp || g->temps[temp].last <= g->pos)
        return take(g, false);
    int r = take(g, g->temps[temp].crosses);

    bind(g, temp, r);
    return r;
}

int cg_def_copy(struct cg_gen *g, uint32_t temp, struct ir_val a)
{
    bool safe = temp && g->temps[temp].crosses;

    if (cg_dies(g, a)) {
        int r = cg_use(g, a);

        /* Its register becomes the result's, unless that wants one that survives calls. */
        if (!safe || r == R7 || r == R8) {
            drop_reg(g, r);
            if (temp && g->temps[temp].last > g->pos)
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

int cg_cached_slot(struct cg_gen *g, uint32_t slot)
{
    for (int r = R0; r <= R8; r++)
        if (g->reg_slot[r] == slot + 1)
            return r;
    return -1;
}

void cg_slot_is(struct cg_gen *g, uint32_t slot, int reg)
{
    for (int r = R0; r <= R8; r++)
        if (g->reg_slot[r] == slot + 1)
            g->reg_slot[r] = 0;
    if (reg >= 0)
        g->reg_slot[reg] = slot + 1;
}

/* ---- calls ---- */

static bool caller_saved(int r)
{
    return r <= R5;
}

void cg_call_begin(struct cg_gen *g)
{
    for (int r = R0; r <= R5; r++) {
        uint32_t id = g->reg_temp[r];

        if (!id || g->temps[id].last <= g->pos)
            continue;
        struct cg_temp *t = &g->temps[id];
        int safe = !g->reg_temp[R7] && !(g->pinned & 1u << R7)   ? R7
                   : !g->reg_temp[R8] && !(g->pinned & 1u << R8) ? R8
                                                                 : -1;

        if (t->home >= 0)
            continue;
        if (safe >= 0) {
            cg_mov(&g->s, safe, r);
            uint32_t slot = g->reg_slot[r];

            drop_reg(g, r);
            bind(g, id, safe);
            g->reg_slot[safe] = slot;
        } else {
            store_home(g, t);
        }
    }
}

void cg_hold(struct cg_gen *g, struct ir_val v)
{
    if (is_temp(v) && g->temps[v.id].reg >= 0 && caller_saved(g->temps[v.id].reg))
        store_home(g, &g->temps[v.id]);
}

/* REG is about to be written: what an operand has there goes home first. */
void cg_clobber(struct cg_gen *g, int reg)
{
    uint32_t id = g->reg_temp[reg];

    if (id && !(g->clobbered & 1u << reg) && g->temps[id].last >= g->pos)
        store_home(g, &g->temps[id]);
    g->clobbered |= 1u << reg;
}

void cg_put(struct cg_gen *g, int reg, struct ir_val v)
{
    if (!is_temp(v)) {
        cg_puti(g, reg, v.kind == IRV_IMM ? v.imm : 0);
        return;
    }
    const struct cg_temp *t = &g->temps[v.id];

    if (t->reg >= 0 && !(g->clobbered & 1u << t->reg)) {
        if (t->reg == reg)
            return; /* a value may be put once per register and call */
        int8_t from = t->reg;

        cg_clobber(g, reg);
        cg_mov(&g->s, reg, from);
        return;
    }
    cg_clobber(g, reg);
    cg_ldx(&g->s, BPF_DW, reg, R9, home_off(g, t->home));
}

void cg_puti(struct cg_gen *g, int reg, int64_t imm)
{
    cg_clobber(g, reg);
    cg_movi(&g->s, reg, imm);
    if (reg <= R5)
        g->handles[reg] = (uint8_t)(1 << (imm >> CG_HANDLE_SHIFT & 3)); /* if it is one */
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

static void called(struct cg_gen *g)
{
    g->clobbered |= 0x3f;
}

void cg_do_call(struct cg_gen *g, int helper)
{
    cg_call(&g->s, helper);
    called(g);
}

void cg_do_lib(struct cg_gen *g, enum cg_lib lib)
{
    if (lib == CG_LIB_EQ || lib == CG_LIB_CMP)
        g->c->sources[lib] |= g->handles[R2];
    g->c->sources[lib] |= g->handles[R3];
    cg_call_lib(g->c, &g->s, lib);
    called(g);
}

void cg_result(struct cg_gen *g, uint32_t temp, int reg)
{
    g->result_temp = temp;
    g->result_reg = reg;
}

void cg_ins_end(struct cg_gen *g)
{
    for (int r = R0; r <= R8; r++) {
        uint32_t id = g->reg_temp[r];

        if (g->clobbered & 1u << r)
            drop_reg(g, r);
        else if (id && g->temps[id].last <= g->pos) {
            g->temps[id].reg = -1;
            g->reg_temp[r] = 0; /* a slot's value may stay */
        }
    }
    if (g->result_temp && g->temps[g->result_temp].last > g->pos) {
        int r = g->result_reg;

        g->pinned = 0;
        drop_reg(g, r);
        if (g->temps[g->result_temp].crosses && (!g->reg_temp[R7] || !g->reg_temp[R8])) {
            int safe = !g->reg_temp[R7] ? R7 : R8;

            cg_mov(&g->s, safe, r);
            r = safe;
        }
        bind(g, g->result_temp, r);
    }
    /* Homes of the dead are free again. */
    for (const struct ir_ins *i = g->ins; i; i = NULL) {
        struct ir_val ops[2] = {i->a, i->b};

        for (uint32_t k = 0; k < 2 + i->n_args; k++) {
            struct ir_val v = k < 2 ? ops[k] : i->args[k - 2];

            if (cg_dies(g, v) && g->temps[v.id].home >= 0) {
                g->homes_used &= ~(1ull << g->temps[v.id].home);
                g->temps[v.id].home = -1;
            }
        }
    }
    g->pos++;
}

uint32_t cg_cold_saves(struct cg_gen *g, struct cg_save *out, uint32_t but)
{
    uint64_t used = g->homes_used;
    uint32_t n = 0;

    for (int r = R0; r <= R5; r++) {
        uint32_t id = g->reg_temp[r];
        bool live = id && g->temps[id].last > g->pos;

        if (but & 1u << r || (!live && !g->reg_slot[r]))
            continue;
        if (live && g->temps[id].home >= 0) {
            out[n++] = (struct cg_save){(int8_t)r, (int16_t)home_off(g, g->temps[id].home), false};
            continue;
        }
        int h = 0;

        while (h < CG_HOMES && used & 1ull << h)
            h++;
        if (h == CG_HOMES) {
            if (!live) {
                g->reg_slot[r] = 0;
                continue;
            }
            h = new_home(g); /* reports */
        }
        used |= 1ull << h;
        out[n++] = (struct cg_save){(int8_t)r, (int16_t)home_off(g, h), true};
    }
    return n;
}
