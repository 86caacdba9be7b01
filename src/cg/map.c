/*
 * map: operations on script arrays and aggregates, in the kernel. Enters: one IR instruction;
 * leaves: the key built at frame_key, a look-up, and on a miss, where the operation makes elements,
 * the value built at frame_val and inserted. Refuses nothing; what the map has no room for is the
 * script's error.
 *
 * A value is changed in place by atomics, since a perf_event may interrupt a uprobe in mid-update
 * and other CPUs share it. An insert that finds the element there already (another one was faster)
 * looks it up again.
 */
#include "cg/emit.h"

#include <errno.h>
#include <stddef.h>

#define STATS(field) ((int)offsetof(struct ngs_stats, field))

static const struct ir_map *map_of(const struct cg_gen *g, const struct ir_ins *i)
{
    return &g->c->u->maps[i->map];
}

static void load_map(struct cg_gen *g, int reg, const struct ir_ins *i)
{
    cg_clobber(g, reg);
    cg_map(&g->s, reg, g->c->map_names[i->map]);
    g->c->map_used[i->map] = true;
}

/* Stores the key. Operands that later code needs must be held by now. */
static void build_key(struct cg_gen *g, const struct ir_ins *i)
{
    const struct ir_map *m = map_of(g, i);
    uint32_t key = g->c->u->frame_key;

    for (uint32_t k = 0; k < i->n_args; k++) {
        if (!cg_is_long(i->args[k]))
            continue;
        if (cg_is_imm32(i->args[k])) {
            cg_sti(&g->s, BPF_DW, R9, (int)(key + m->rec.key_off[k]), (int32_t)i->args[k].imm);
        } else {
            cg_put(g, R2, i->args[k]);
            cg_stx(&g->s, BPF_DW, R9, (int)(key + m->rec.key_off[k]), R2);
            cg_overwritten(g, 1u << R2);
        }
    }
    for (uint32_t k = 0; k < i->n_args; k++) {
        uint32_t hash = i->args[k].kind == IRV_LIT ? cg_hashed(g->c, i->args[k].id) : 0;

        if (cg_is_long(i->args[k]))
            continue;
        if (hash) {
            cg_clobber(g, R1);
            cg_clobber(g, R2);
            cg_value(&g->s, R1, CG_RODATA, hash);
            for (int lane = 0; lane < 16; lane += 8) {
                cg_ldx(&g->s, BPF_DW, R2, R1, lane);
                cg_stx(&g->s, BPF_DW, R9, (int)(key + m->rec.key_off[k]) + lane, R2);
            }
            continue;
        }
        cg_put_str(g, R3, i->args[k]);
        cg_puti(g, R2, key + m->rec.key_off[k]);
        cg_put_frame(g, R1, 0);
        cg_do_lib(g, CG_LIB_HASH);
    }
}

static void begin(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_hold(g, i->a);
    for (uint32_t k = 0; k < i->n_args; k++)
        cg_hold(g, i->args[k]);
    build_key(g, i);
}

/* r0 = the element's value, or 0. */
static void look_up(struct cg_gen *g, const struct ir_ins *i)
{
    load_map(g, R1, i);
    cg_put_frame(g, R2, g->c->u->frame_key);
    cg_do_call(g, BPF_FUNC_map_lookup_elem);
}

/* The texts of string keys at their places in the value being built. */
static void build_texts(struct cg_gen *g, const struct ir_ins *i)
{
    for (uint32_t k = 0; k < i->n_args; k++) {
        if (cg_is_long(i->args[k]))
            continue;
        cg_put_str(g, R3, i->args[k]);
        cg_puti(g, R2, g->c->u->frame_val + map_of(g, i)->rec.text_off[k]);
        cg_put_frame(g, R1, 0);
        cg_do_lib(g, CG_LIB_COPY);
    }
}

/* r4 = address of the payload being built. */
static void payload(struct cg_gen *g, const struct ir_ins *i)
{
    cg_put_frame(g, R4, g->c->u->frame_val + map_of(g, i)->rec.val_off);
}

static void update(struct cg_gen *g, const struct ir_ins *i, int flags)
{
    load_map(g, R1, i);
    cg_put_frame(g, R2, g->c->u->frame_key);
    cg_put_frame(g, R3, g->c->u->frame_val);
    cg_puti(g, R4, flags);
    cg_do_call(g, BPF_FUNC_map_update_elem);
}

/* An update returned r0, not 0: the map is full (E2BIG: all preallocated elements are in use), or
 * the kernel refused it. */
static void fail_update(struct cg_gen *g, const struct ir_ins *i)
{
    uint32_t full = cg_label(&g->s);

    cg_jmpi(&g->s, BPF_JEQ, R0, -E2BIG, full);
    cg_neg(&g->s, R0);
    cg_stx(&g->s, BPF_DW, R9, offsetof(struct ngs_frame, error_arg), R0);
    cg_sti(&g->s, BPF_DW, R9, offsetof(struct ngs_frame, error), NGS_ERR_MAP_REFUSED);
    cg_ja(&g->s, cg_fail(g, i, NGS_OK));
    cg_bind(&g->s, full);
    cg_value(&g->s, R1, CG_CONTROL, offsetof(struct ngs_control, map_full));
    cg_movi(&g->s, R2, 1);
    cg_atomic(&g->s, BPF_ADD, R1, 0, R2);
    cg_ja(&g->s, cg_fail(g, i, g->c->u->maps[i->map].sized ? NGS_ERR_SIZE_FULL : NGS_ERR_MAP_FULL));
}

/* What an operation does to an element: HIT with its value in r0, leaving the result in r0; MAKE
 * builds the payload of a new one (r4 is its address). */
struct upsert {
    void (*hit)(struct cg_gen *g, const struct ir_ins *i);
    void (*make)(struct cg_gen *g, const struct ir_ins *i);
};

static void emit_upsert(struct cg_gen *g, const struct ir_ins *i, const struct upsert *u)
{
    uint32_t hit = cg_label(&g->s), done = cg_label(&g->s), made = cg_label(&g->s);
    uint32_t full = cg_label(&g->s);

    look_up(g, i);
    cg_jmpi(&g->s, BPF_JNE, R0, 0, hit);
    payload(g, i);
    u->make(g, i);
    build_texts(g, i);
    update(g, i, BPF_NOEXIST);
    cg_jmpi(&g->s, BPF_JEQ, R0, 0, made);
    cg_jmpi(&g->s, BPF_JNE, R0, -EEXIST, full);
    look_up(g, i); /* made by another meanwhile */
    cg_jmpi(&g->s, BPF_JNE, R0, 0, hit);
    cg_ja(&g->s, made); /* and deleted again */
    cg_bind(&g->s, full);
    fail_update(g, i);
    cg_bind(&g->s, hit);
    u->hit(g, i);
    cg_ja(&g->s, done);
    cg_bind(&g->s, made);
    cg_movi(&g->s, R0, 0);
    cg_bind(&g->s, done);
}

/* ---- longs and strings ---- */

static int val_off(const struct cg_gen *g, const struct ir_ins *i)
{
    return (int)map_of(g, i)->rec.val_off;
}

void cg_k_mget(struct cg_gen *g, const struct ir_ins *i)
{
    uint32_t done = cg_label(&g->s);

    begin(g, i);
    look_up(g, i);
    cg_jmpi(&g->s, BPF_JEQ, R0, 0, done);
    cg_ldx(&g->s, BPF_DW, R0, R0, val_off(g, i));
    cg_bind(&g->s, done);
    cg_result(g, i->dst, R0);
}

void cg_k_mhas(struct cg_gen *g, const struct ir_ins *i)
{
    uint32_t done = cg_label(&g->s);

    begin(g, i);
    look_up(g, i);
    cg_jmpi(&g->s, BPF_JEQ, R0, 0, done);
    cg_movi(&g->s, R0, 1);
    cg_bind(&g->s, done);
    cg_result(g, i->dst, R0);
}

enum { MGETS_TRIES = 4 };

/* Copies the string at r0, an element, to the slot; its stamp is kept in the frame. */
static void copy_string(struct cg_gen *g, const struct ir_ins *i)
{
    uint32_t fits = cg_label(&g->s);

    cg_ldx(&g->s, BPF_DW, R2, R0, val_off(g, i) - 8);
    cg_stx(&g->s, BPF_DW, R9, cg_word(g->c->u, CG_WORD_STAMP), R2);
    cg_put_frame(g, R1, g->c->u->slots[i->str.id].off);
    cg_mov(&g->s, R3, R0);
    cg_alui(&g->s, BPF_ADD, R3, val_off(g, i));
    cg_ldx(&g->s, BPF_W, R2, R3, 0);
    cg_jmpi(&g->s, BPF_JLE, R2, (int32_t)g->c->max, fits);
    cg_movi(&g->s, R2, g->c->max);
    cg_bind(&g->s, fits);
    cg_stx(&g->s, BPF_W, R1, 0, R2);
    cg_alui(&g->s, BPF_ADD, R1, (int32_t)offsetof(struct ngs_str, bytes));
    cg_alui(&g->s, BPF_ADD, R3, (int32_t)offsetof(struct ngs_str, bytes));
    cg_alui(&g->s, BPF_ADD, R2, 1); /* with its NUL */
    cg_do_call(g, BPF_FUNC_probe_read_kernel);
}

/* The copy is whole if the key's element still has its stamp (base/abi.h, struct obj_map). */
void cg_k_mgets(struct cg_gen *g, const struct ir_ins *i)
{
    uint32_t none = cg_label(&g->s), done = cg_label(&g->s);

    begin(g, i);
    for (int n = 0; n < MGETS_TRIES; n++) {
        uint32_t again = cg_label(&g->s);

        look_up(g, i);
        cg_jmpi(&g->s, BPF_JEQ, R0, 0, none);
        copy_string(g, i);
        look_up(g, i);
        cg_jmpi(&g->s, BPF_JEQ, R0, 0, again);
        cg_ldx(&g->s, BPF_DW, R1, R0, val_off(g, i) - 8);
        cg_ldx(&g->s, BPF_DW, R2, R9, cg_word(g->c->u, CG_WORD_STAMP));
        cg_jmp(&g->s, BPF_JEQ, R1, R2, done);
        cg_bind(&g->s, again);
    }
    cg_ja(&g->s, cg_fail(g, i, NGS_ERR_BUSY));
    cg_bind(&g->s, none);
    cg_put_frame(g, R1, g->c->u->slots[i->str.id].off);
    cg_sti(&g->s, BPF_W, R1, 0, 0);
    cg_sti(&g->s, BPF_B, R1, offsetof(struct ngs_str, bytes), 0);
    cg_bind(&g->s, done);
    for (int r = R0; r <= R5; r++)
        cg_movi(&g->s, r, 0); /* however it ended, the verifier sees the same */
}

static void set_hit(struct cg_gen *g, const struct ir_ins *i)
{
    cg_put(g, R1, i->a);
    cg_stx(&g->s, BPF_DW, R0, val_off(g, i), R1);
}

static void set_make(struct cg_gen *g, const struct ir_ins *i)
{
    cg_put(g, R1, i->a);
    cg_stx(&g->s, BPF_DW, R4, 0, R1);
}

void cg_k_mset(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    emit_upsert(g, i, &(struct upsert){set_hit, set_make});
}

static void add_hit(struct cg_gen *g, const struct ir_ins *i)
{
    cg_put(g, R1, i->a);
    cg_atomic(&g->s, BPF_ADD | BPF_FETCH, R0, val_off(g, i), R1);
    cg_mov(&g->s, R0, R1);
}

void cg_k_madd(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    emit_upsert(g, i, &(struct upsert){add_hit, set_make});
    cg_result(g, i->dst, R0);
}

/* A string value is replaced as a whole: readers see the old element or the new one. */
void cg_k_msets(struct cg_gen *g, const struct ir_ins *i)
{
    uint32_t done = cg_label(&g->s);

    begin(g, i);
    cg_put_str(g, R3, i->s);
    cg_puti(g, R2, g->c->u->frame_val + map_of(g, i)->rec.val_off);
    cg_put_frame(g, R1, 0);
    cg_do_lib(g, CG_LIB_COPY);
    build_texts(g, i);
    cg_value(&g->s, R1, CG_CONTROL, offsetof(struct ngs_control, stamp));
    cg_movi(&g->s, R2, 1);
    cg_atomic(&g->s, BPF_ADD | BPF_FETCH, R1, 0, R2);
    cg_put_frame(g, R1, g->c->u->frame_val + map_of(g, i)->rec.val_off - 8);
    cg_stx(&g->s, BPF_DW, R1, 0, R2);
    update(g, i, BPF_ANY);
    cg_jmpi(&g->s, BPF_JEQ, R0, 0, done);
    fail_update(g, i);
    cg_bind(&g->s, done);
}

void cg_k_mdel(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    load_map(g, R1, i);
    cg_put_frame(g, R2, g->c->u->frame_key);
    cg_do_call(g, BPF_FUNC_map_delete_elem);
}

/* ---- aggregates ---- */

struct hist {
    uint32_t kind, buckets;
    const int64_t *args;
};

static struct hist hist_of(const struct cg_gen *g, const struct ir_ins *i)
{
    bool array = i->op == IR_MSTAT || i->op == IR_MSTATGET;
    const struct ir_map *m = array ? map_of(g, i) : NULL;
    const struct ir_global *gl = array ? NULL : &g->c->u->globals[i->global];
    struct hist h = {.kind = m ? m->hist : gl->hist, .args = m ? m->hist_args : gl->hist_args};

    h.buckets = ngs_hist_buckets(h.kind, h.args);
    return h;
}

/* The number of the bucket that the value falls into, in the frame. */
static void find_bucket(struct cg_gen *g, const struct ir_ins *i, const struct hist *h)
{
    if (!h->buckets)
        return;
    cg_put(g, R2, i->a);
    if (h->kind == NGS_HIST_LINEAR) {
        cg_puti(g, R3, h->args[0]);
        cg_puti(g, R4, h->args[2]);
        cg_puti(g, R5, h->buckets);
    }
    cg_puti(g, R1, 0); /* they use no frame */
    cg_do_lib(g, h->kind == NGS_HIST_LOG ? CG_LIB_BUCKET : CG_LIB_LINEAR);
    cg_stx(&g->s, BPF_DW, R9, cg_word(g->c->u, CG_WORD_BUCKET), R0);
}

/* r3: aggregate, r1: value. The smaller or larger of both is stored at OFF; beaten thrice, it gives
 * up. */
static void store_extreme(struct cg_gen *g, int off, int keep)
{
    uint32_t done = cg_label(&g->s);

    for (int n = 0; n < 3; n++) {
        cg_ldx(&g->s, BPF_DW, R0, R3, off);
        cg_jmp(&g->s, keep, R0, R1, done);
        cg_mov(&g->s, R4, R0);
        cg_mov(&g->s, R2, R1);
        cg_atomic(&g->s, BPF_CMPXCHG, R3, off, R2);
        cg_jmp(&g->s, BPF_JEQ, R0, R4, done);
    }
    cg_bind(&g->s, done);
}

static void count_bucket(struct cg_gen *g, const struct hist *h)
{
    uint32_t done = cg_label(&g->s);

    if (!h->buckets)
        return;
    cg_ldx(&g->s, BPF_DW, R2, R9, cg_word(g->c->u, CG_WORD_BUCKET));
    cg_jmpi(&g->s, BPF_JGE, R2, (int32_t)h->buckets, done);
    cg_alui(&g->s, BPF_LSH, R2, 3);
    cg_alu(&g->s, BPF_ADD, R3, R2);
    cg_movi(&g->s, R1, 1);
    cg_atomic(&g->s, BPF_ADD, R3, STATS(buckets), R1);
    cg_bind(&g->s, done);
}

/* Adds the value to the aggregate at r3. */
static void add_value(struct cg_gen *g, const struct ir_ins *i)
{
    struct hist h = hist_of(g, i);

    cg_clobber(g, R0);
    cg_clobber(g, R2);
    cg_clobber(g, R4);
    cg_put(g, R1, i->a);
    store_extreme(g, STATS(min), BPF_JSLE);
    store_extreme(g, STATS(max), BPF_JSGE);
    cg_atomic(&g->s, BPF_ADD, R3, STATS(sum), R1);
    if (g->c->sumsq) {
        cg_mov(&g->s, R2, R1);
        cg_alu(&g->s, BPF_MUL, R2, R1);
        cg_atomic(&g->s, BPF_ADD, R3, STATS(sumsq), R2);
    }
    cg_movi(&g->s, R2, 1);
    cg_atomic(&g->s, BPF_ADD, R3, STATS(count), R2);
    count_bucket(g, &h);
}

static void stat_hit(struct cg_gen *g, const struct ir_ins *i)
{
    cg_mov(&g->s, R3, R0);
    cg_alui(&g->s, BPF_ADD, R3, val_off(g, i));
    add_value(g, i);
}

static void stat_make(struct cg_gen *g, const struct ir_ins *i)
{
    struct hist h = hist_of(g, i);

    cg_put(g, R1, i->a);
    cg_sti(&g->s, BPF_DW, R4, STATS(count), 1);
    cg_stx(&g->s, BPF_DW, R4, STATS(sum), R1);
    cg_stx(&g->s, BPF_DW, R4, STATS(min), R1);
    cg_stx(&g->s, BPF_DW, R4, STATS(max), R1);
    cg_alu(&g->s, BPF_MUL, R1, R1);
    cg_stx(&g->s, BPF_DW, R4, STATS(sumsq), R1);
    if (!h.buckets)
        return;
    cg_mov(&g->s, R1, R4);
    cg_alui(&g->s, BPF_ADD, R1, STATS(buckets));
    cg_puti(g, R2, h.buckets * 8);
    cg_clobber(g, R3);
    cg_value(&g->s, R3, CG_RODATA, g->c->zeroes);
    cg_do_call(g, BPF_FUNC_probe_read_kernel);
    cg_put_frame(g, R3, g->c->u->frame_val + map_of(g, i)->rec.val_off);
    count_bucket(g, &h);
}

void cg_k_mstat(struct cg_gen *g, const struct ir_ins *i)
{
    struct hist h = hist_of(g, i);

    begin(g, i);
    find_bucket(g, i, &h);
    emit_upsert(g, i, &(struct upsert){stat_hit, stat_make});
}

void cg_k_gstat(struct cg_gen *g, const struct ir_ins *i)
{
    struct hist h = hist_of(g, i);

    cg_call_begin(g);
    cg_hold(g, i->a);
    find_bucket(g, i, &h);
    cg_clobber(g, R3);
    cg_value(&g->s, R3, CG_GLOBALS, g->c->u->globals[i->global].off);
    add_value(g, i);
}

/* r0 = r0 / r1, signed; r1 is above 0. */
static void divide(struct cg_gen *g)
{
    uint32_t plain = cg_label(&g->s), done = cg_label(&g->s);

    cg_jmpi(&g->s, BPF_JSGE, R0, 0, plain);
    cg_neg(&g->s, R0);
    cg_alu(&g->s, BPF_DIV, R0, R1);
    cg_neg(&g->s, R0);
    cg_ja(&g->s, done);
    cg_bind(&g->s, plain);
    cg_alu(&g->s, BPF_DIV, R0, R1);
    cg_bind(&g->s, done);
}

/*
 * r0 = (sumsq - sum * sum / n) / (n - 1) of the aggregate at r3, n in r1: without 128-bit products,
 * by the rest r of the mean a: sumsq - sum^2 / n = sumsq - n a^2 - 2 a r - r^2 / n.
 */
static void variance(struct cg_gen *g)
{
    uint32_t zero = cg_label(&g->s), done = cg_label(&g->s);

    cg_jmpi(&g->s, BPF_JSLT, R1, 2, zero);
    cg_ldx(&g->s, BPF_DW, R0, R3, STATS(sum));
    divide(g); /* r0 = a */
    cg_ldx(&g->s, BPF_DW, R2, R3, STATS(sum));
    cg_mov(&g->s, R4, R0);
    cg_alu(&g->s, BPF_MUL, R4, R1); /* n a */
    cg_alu(&g->s, BPF_SUB, R2, R4); /* r */
    cg_ldx(&g->s, BPF_DW, R3, R3, STATS(sumsq));
    cg_alu(&g->s, BPF_MUL, R4, R0);
    cg_alu(&g->s, BPF_SUB, R3, R4); /* - n a^2 */
    cg_alu(&g->s, BPF_MUL, R0, R2);
    cg_alui(&g->s, BPF_LSH, R0, 1);
    cg_alu(&g->s, BPF_SUB, R3, R0); /* - 2 a r */
    cg_alu(&g->s, BPF_MUL, R2, R2);
    cg_alu(&g->s, BPF_DIV, R2, R1);
    cg_alu(&g->s, BPF_SUB, R3, R2); /* - r^2 / n */
    cg_jmpi(&g->s, BPF_JSLT, R3, 0, zero);
    cg_mov(&g->s, R0, R3);
    cg_alui(&g->s, BPF_SUB, R1, 1);
    cg_alu(&g->s, BPF_DIV, R0, R1);
    cg_ja(&g->s, done);
    cg_bind(&g->s, zero);
    cg_movi(&g->s, R0, 0);
    cg_bind(&g->s, done);
}

/* r0 = what is asked of the aggregate at r3. */
static void get_stat(struct cg_gen *g, const struct ir_ins *i)
{
    switch (i->imm) {
    case NGS_STAT_COUNT:
        cg_ldx(&g->s, BPF_DW, R0, R3, STATS(count));
        return;
    case NGS_STAT_SUM:
        cg_ldx(&g->s, BPF_DW, R0, R3, STATS(sum));
        return;
    }
    cg_ldx(&g->s, BPF_DW, R1, R3, STATS(count));
    cg_jmpi(&g->s, BPF_JEQ, R1, 0, cg_fail(g, i, NGS_ERR_EMPTY_STATS));
    if (i->imm == NGS_STAT_MIN || i->imm == NGS_STAT_MAX) {
        cg_ldx(&g->s, BPF_DW, R0, R3, i->imm == NGS_STAT_MIN ? STATS(min) : STATS(max));
    } else if (i->imm == NGS_STAT_AVG) {
        cg_ldx(&g->s, BPF_DW, R0, R3, STATS(sum));
        divide(g);
    } else {
        variance(g);
    }
}

void cg_k_gstatget(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_clobber_all(g);
    cg_value(&g->s, R3, CG_GLOBALS, g->c->u->globals[i->global].off);
    get_stat(g, i);
    cg_result(g, i->dst, R0);
}

void cg_k_mstatget(struct cg_gen *g, const struct ir_ins *i)
{
    uint32_t done = cg_label(&g->s);
    bool zero = i->imm == NGS_STAT_COUNT || i->imm == NGS_STAT_SUM;

    begin(g, i);
    look_up(g, i);
    cg_jmpi(&g->s, BPF_JEQ, R0, 0, zero ? done : cg_fail(g, i, NGS_ERR_EMPTY_STATS));
    cg_mov(&g->s, R3, R0);
    cg_alui(&g->s, BPF_ADD, R3, val_off(g, i));
    get_stat(g, i);
    cg_bind(&g->s, done);
    cg_result(g, i->dst, R0);
}
