/*
 * layout: gives every slot, global, literal and script array its offsets. Enters: a finished unit;
 * leaves: the frame_*, globals_size, rodata_size fields and the map records set.
 *
 * The frame, in order: header, error text, what the code generator needs, long slots (within reach
 * of BPF's 16-bit offsets), string slots, the stack of recursive activations, the record being
 * built, a guard that lets a bounded copy overrun its slot (base/abi.h). Handlers never run at
 * the same time in one frame, so their own slots share one area; functions' slots do not, since any
 * handler may call them.
 */
#include "ir/ir.h"

#include <string.h>

#include "arch/arch.h"

enum { GUARD = 512, STACK_MAX = 256 * 1024 };

static uint32_t align8(uint32_t n)
{
    return (n + 7) & ~7u;
}

/* Places the strings from OFF on; returns the end. */
static uint32_t place_strings(struct ir_unit *u, uint32_t off)
{
    uint32_t *base = ARENA_ARRAY(u->cx->arena, uint32_t, u->n_funcs), probe_max = 0;
    uint32_t next;

    for (uint32_t n = 0; n < u->n_funcs; n++)
        if (u->funcs[n]->is_probe && u->funcs[n]->n_colors > probe_max)
            probe_max = u->funcs[n]->n_colors;
    next = probe_max;
    for (uint32_t n = 0; n < u->n_funcs; n++)
        if (!u->funcs[n]->is_probe) {
            base[n] = next;
            next += u->funcs[n]->n_colors;
        }
    for (uint32_t s = 0; s < u->n_slots; s++)
        if (u->slots[s].type == IR_STRING)
            u->slots[s].off = off + (base[u->slots[s].func] + u->slots[s].color) * u->str_size;
    /* too many are refused later (cg.c): not to be taken for few */
    uint64_t end = off + (uint64_t)next * u->str_size;

    return end < UINT32_MAX / 2 ? (uint32_t)end : UINT32_MAX / 2;
}

/* Places the longs from OFF on; returns the end. */
static uint32_t place_longs(struct ir_unit *u, uint32_t off)
{
    uint32_t *probe_used = ARENA_ARRAY(u->cx->arena, uint32_t, u->n_funcs);
    uint32_t probe_max = 0;

    for (uint32_t i = 0; i < u->n_slots; i++) {
        struct ir_slot *s = &u->slots[i];

        if (s->type == IR_LONG && u->funcs[s->func]->is_probe) {
            s->off = off + probe_used[s->func];
            probe_used[s->func] += 8;
            if (probe_used[s->func] > probe_max)
                probe_max = probe_used[s->func];
        }
    }
    off += probe_max;
    for (uint32_t i = 0; i < u->n_slots; i++) {
        struct ir_slot *s = &u->slots[i];

        if (s->type == IR_LONG && !u->funcs[s->func]->is_probe) {
            s->off = off;
            off += 8;
        }
    }
    return off;
}

static uint32_t stats_size(uint32_t hist, const int64_t *args)
{
    return (uint32_t)(sizeof(struct ngs_stats) + ngs_hist_buckets(hist, args) * 8);
}

static uint32_t payload_size(const struct ir_unit *u, uint8_t type, uint32_t hist,
                             const int64_t *args)
{
    return type == OBJ_STRING ? u->str_size : type == OBJ_STATS ? stats_size(hist, args) : 8;
}

static uint32_t global_size(const struct ir_unit *u, const struct ir_global *g)
{
    if (g->type == OBJ_STRING)
        return (uint32_t)NGS_SHARED_SIZE(u->cx->limits.maxstringlen);
    return align8(payload_size(u, g->type, g->hist, g->hist_args));
}

static void place_map(struct ir_unit *u, struct ir_map *m)
{
    struct obj_map *r = &m->rec;
    uint32_t off = 0;

    r->n_keys = m->n_keys;
    for (uint32_t k = 0; k < m->n_keys; k++) {
        r->key_type[k] = m->key_types[k];
        r->key_off[k] = off;
        off += m->key_types[k] == OBJ_STRING ? 16 : 8;
    }
    r->key_size = off;
    r->val_type = m->val_type;
    r->val_off = m->val_type == OBJ_STRING ? 8 : 0; /* behind the stamp */
    off = r->val_off + payload_size(u, m->val_type, m->hist, m->hist_args);
    for (uint32_t k = 0; k < m->n_keys; k++)
        if (m->key_types[k] == OBJ_STRING) {
            r->text_off[k] = off;
            off += u->str_size;
        }
    r->value_size = off;
    r->max_entries = m->max_entries;
    r->wrap = m->wrap;
    r->sized = m->sized;
    r->hist = m->hist;
    memcpy(r->hist_args, m->hist_args, sizeof(r->hist_args));
}

/* What one activation of each recursive function takes, MAXNESTING deep. */
static uint32_t stack_size(const struct ir_unit *u)
{
    uint64_t largest = 0;

    for (uint32_t n = 0; n < u->n_funcs; n++) {
        uint64_t size = 16;

        if (!u->funcs[n]->recursive)
            continue;
        for (uint32_t i = 0; i < u->n_slots; i++)
            if (u->slots[i].func == n)
                size += u->slots[i].type == IR_LONG ? 8 : u->str_size;
        if (size > largest)
            largest = size;
    }
    largest *= u->cx->limits.maxnesting;
    return largest > STACK_MAX ? STACK_MAX : (uint32_t)largest;
}

/* Bytes of the largest record that I makes. */
static uint64_t record_size(const struct ir_unit *u, const struct ir_ins *i)
{
    uint64_t size = sizeof(struct ngs_rec);

    if (i->op == IR_PRINT)
        for (uint32_t k = 0; k < i->n_args; k++)
            size += i->args[k].kind == IRV_TEMP || i->args[k].kind == IRV_IMM ? 8 : u->str_size;
    else if (i->op == IR_WARN)
        size += u->str_size;
    else if (i->op == IR_HANDOVER) {
        size += sizeof(struct ngs_rest);
        for (uint32_t k = 0; k < i->n_args; k++)
            size += u->slots[i->args[k].id].type == IR_LONG ? 8 : u->str_size;
    } else if (i->op == IR_DONE)
        size += 3 * 8 + u->str_size;
    return size;
}

/*
 * The cache of what follows pointers in a loop, as stacks of Lua are walked: a helper that reads
 * costs more than the bytes that it copies, and what a program has made at one time lies together.
 * 25 functions of as many files took 25 reads of 2 KiB, 67 of 512 bytes.
 */
enum { FOLLOW_LINES = 16, FOLLOW_SHIFT = 11 };

void ir_layout(struct ir_unit *u)
{
    uint32_t max_key = 0, max_val = 0;
    uint64_t max_rec = 0;
    bool reads = false, follows = false, walks = false, places = false;
    bool stacks = false, texts = false;

    ir_share_strings(u);
    ir_find_sparse(u);

    u->str_size = (uint32_t)NGS_STR_SIZE(u->cx->limits.maxstringlen);
    for (uint32_t i = 0; i < u->n_maps; i++) {
        place_map(u, &u->maps[i]);
        if (u->maps[i].rec.key_size > max_key)
            max_key = u->maps[i].rec.key_size;
        if (u->maps[i].rec.value_size > max_val)
            max_val = u->maps[i].rec.value_size;
    }
    for (uint32_t n = 0; n < u->n_funcs; n++) {
        bool in_func = false, loops = u->funcs[n]->recursive;

        for (uint32_t b = 0; b < u->funcs[n]->n_blocks; b++) {
            loops |= u->funcs[n]->blocks[b]->loop_head;
            for (const struct ir_ins *i = u->funcs[n]->blocks[b]->first; i; i = i->next) {
                uint64_t rec = record_size(u, i);

                in_func |= i->op == IR_READ && !i->space;
                walks |= i->op == IR_CONTEXT && i->imm == NGS_CTX_UNWIND;
                places |= i->op == IR_CONTEXT && i->imm == NGS_CTX_PLACE;
                stacks |= ir_makes_stack(i) || ir_walks_kernel(i);
                texts |= i->op == IR_FCALL && i->imm == NGS_U_STACK_TEXT;
                if (texts && max_val < u->str_size)
                    max_val = u->str_size;
                if (i->op == IR_GSCAT && max_val < u->str_size)
                    max_val = u->str_size; /* the longer text is put together there */
                max_rec = rec > max_rec ? rec : max_rec;
            }
        }
        reads |= in_func;
        follows |= in_func && loops;
    }

    uint32_t off = sizeof(struct ngs_frame);

    u->frame_spill = off;
    off += IR_SPILL_WORDS * 8 + u->cx->arch->pt_regs_size;
    u->frame_key = off;
    off += align8(max_key);
    u->frame_texts = off;
    off += (OBJ_MAX_KEYS + 1) * 8;
    u->frame_unwind = walks || places ? off : 0;
    off += u->frame_unwind ? IR_UNWIND_WORDS * 8 : 0;
    u->walks = walks;
    u->frame_stacks = stacks ? off : 0; /* right behind the walk's: cg/lib/stack.c */
    off += stacks ? IR_STACKS_WORDS * 8 : 0;
    u->stack_texts = texts;
    u->frame_slots = off;
    off = place_longs(u, off);
    for (uint32_t n = 0; n < u->n_funcs; n++)
        if (!u->funcs[n]->is_probe) {
            u->funcs[n]->ret_off = off;
            off += 8;
        }
    u->frame_cache = off;
    u->reads = reads;
    u->cache_lines = follows ? FOLLOW_LINES : 32;
    u->cache_shift = follows ? FOLLOW_SHIFT : 9;
    if (reads)
        off += u->cache_lines * (8u + (1u << u->cache_shift));
    u->frame_error_text = off;
    off += u->str_size;
    off = place_strings(u, off);
    u->frame_val = off;
    off += align8(max_val);
    u->frame_stack = off;
    u->frame_stack_size = align8(stack_size(u));
    off += u->frame_stack_size;
    u->frame_out = off;
    u->frame_out_size = align8(max_rec > NGS_REC_MAX ? NGS_REC_MAX : (uint32_t)max_rec);
    off += align8((uint32_t)max_rec); /* in user space no ring buffer limits it */
    u->frame_size = align8(off + u->cx->limits.maxstringlen + GUARD);

    off = 0;
    for (uint32_t i = 0; i < u->n_globals; i++) {
        struct ir_global *g = &u->globals[i];

        g->off = off;
        off += global_size(u, g);
    }
    u->globals_size = off ? off : 8;
    off = 0;
    for (uint32_t i = 0; i < u->n_lits; i++) {
        u->lits[i].off = off;
        off += (uint32_t)NGS_STR_SIZE(u->lits[i].len);
    }
    u->rodata_size = off ? off : 8;
}
