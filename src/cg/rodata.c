/*
 * rodata: makes the map of literals. Enters: the unit's literals and places; leaves: the map's
 * bytes, and offsets and handles for generated code. The hashes of keys are made with a key of
 * zeroes until the loader has another.
 */
#include "cg/rodata.h"

#include <stddef.h>
#include <string.h>

#include "base/arena.h"

static uint32_t reserve(struct cg *c, uint32_t size)
{
    uint32_t off = (c->rodata_used + 7) & ~7u, need = off + size;

    if (need > c->rodata_size) {
        uint32_t cap = need * 2;
        char *bigger = arena_alloc(c->cx->arena, cap);

        if (c->rodata_used)
            memcpy(bigger, c->rodata, c->rodata_used);
        c->rodata = bigger;
        c->rodata_size = cap;
    }
    c->rodata_used = need;
    return off;
}

static void put_str(struct cg *c, uint32_t off, const char *text, uint32_t len)
{
    memcpy(c->rodata + off, &len, sizeof(len));
    if (len)
        memcpy(c->rodata + off + offsetof(struct ngs_str, bytes), text, len);
}

static uint32_t new_str(struct cg *c, const char *text)
{
    uint32_t len = (uint32_t)strlen(text), off = reserve(c, (uint32_t)NGS_STR_SIZE(len));

    put_str(c, off, text, len);
    return off;
}

static uint32_t in_rodata(uint32_t off)
{
    return off | CG_IN_RODATA << CG_HANDLE_SHIFT;
}

uint32_t cg_text_handle(struct cg *c, const char *text)
{
    for (uint32_t k = 0; k < c->n_literals; k++)
        if (!strcmp(c->literals[k].text, text))
            return in_rodata(c->literals[k].off);
    uint32_t off = new_str(c, text);

    c->literals = arena_grow(c->cx->arena, c->literals, c->n_literals, sizeof(*c->literals));
    c->literals[c->n_literals++] = (struct cg_literal){text, off};
    return in_rodata(off);
}

uint32_t cg_handle(const struct cg *c, struct ir_val s)
{
    switch (s.kind) {
    case IRV_SLOT:
        return c->u->slots[s.id].off;
    case IRV_LIT:
        return in_rodata(c->u->lits[s.id].off);
    default:
        return 0;
    }
}

static const char *const error_texts[NGS_ERR_KINDS] = {[NGS_OK] = "",
#define ERROR_TEXT(id, text) [NGS_ERR_##id] = text,
                                                       NGS_ERRORS(ERROR_TEXT)
#undef ERROR_TEXT
};

static void hash_literals(struct cg *c)
{
    const struct ir_unit *u = c->u;
    bool *is_key = ARENA_ARRAY(c->cx->arena, bool, u->n_lits + 1);
    uint64_t *key = arena_calloc(c->cx->arena, 1, NGS_HASH_KEY_SIZE((size_t)c->max));
    uint32_t n = 0;

    for (uint32_t f = 0; f < u->n_funcs; f++)
        for (uint32_t b = 0; b < u->funcs[f]->n_blocks; b++)
            for (const struct ir_ins *i = u->funcs[f]->blocks[b]->first; i; i = i->next)
                for (uint32_t k = 0; i->map >= 0 && k < i->n_args; k++)
                    if (i->args[k].kind == IRV_LIT && u->lits[i->args[k].id].len <= c->max) {
                        n += !is_key[i->args[k].id];
                        is_key[i->args[k].id] = true;
                    }
    c->hashed = reserve(c, n * (uint32_t)sizeof(struct ngs_hashed));
    for (uint32_t k = 0; k < u->n_lits; k++) {
        struct ngs_hashed h = {.text = u->lits[k].off};

        if (!is_key[k])
            continue;
        ngs_hash(h.hash, key, u->lits[k].text, u->lits[k].len);
        memcpy(c->rodata + c->hashed + c->n_hashed++ * sizeof(h), &h, sizeof(h));
    }
}

uint32_t cg_hashed(const struct cg *c, uint32_t lit)
{
    for (uint32_t k = 0; k < c->n_hashed; k++) {
        uint32_t at = c->hashed + k * (uint32_t)sizeof(struct ngs_hashed);
        struct ngs_hashed h;

        memcpy(&h, c->rodata + at, sizeof(h));
        if (h.text == c->u->lits[lit].off)
            return at + (uint32_t)offsetof(struct ngs_hashed, hash);
    }
    return 0;
}

void cg_rodata_begin(struct cg *c)
{
    const struct ir_unit *u = c->u;

    reserve(c, u->rodata_size);
    for (uint32_t k = 0; k < u->n_lits; k++)
        put_str(c, u->lits[k].off, u->lits[k].text, u->lits[k].len);
    c->error_table = reserve(c, NGS_ERR_KINDS * 4);
    for (uint32_t k = 0; k < NGS_ERR_KINDS; k++) {
        uint32_t handle = cg_text_handle(c, error_texts[k]);

        memcpy(c->rodata + c->error_table + 4 * k, &handle, 4);
    }
    c->fmt_ps = reserve(c, 8);
    memcpy(c->rodata + c->fmt_ps, "%ps", 4);
    c->hash_key = reserve(c, NGS_HASH_KEY_SIZE(c->max) + 8);
    hash_literals(c);
    c->zeroes = reserve(c, 8 * (NGS_HIST_LINEAR_MAX + 2));
}

/* Calls that no place is for have the last one's name. */
static uint32_t call_table(struct cg *c, uint32_t probe)
{
    const struct ir_probe *p = &c->u->probes[probe];
    uint32_t at = reserve(c, NGS_CALL_ANY * 4), last = c->probes[probe].place + p->n_places - 1;

    for (uint32_t k = 0; k < NGS_CALL_ANY; k++)
        memcpy(c->rodata + at + 4 * k, &last, 4);
    for (uint32_t i = 0; i < p->n_places; i++) {
        uint32_t place = c->probes[probe].place + i;

        if (p->places[i].vaddr < NGS_CALL_ANY)
            memcpy(c->rodata + at + 4 * p->places[i].vaddr, &place, 4);
    }
    return at;
}

void cg_rodata_places(struct cg *c)
{
    const struct ir_unit *u = c->u;
    bool asked = false;

    for (uint32_t k = 0; k < u->n_probes; k++) {
        c->probes[k].place = c->n_places;
        c->n_places += u->probes[k].n_places;
        asked |= u->probes[k].asks_place;
    }
    if (!asked)
        return;
    c->place_table = reserve(c, c->n_places * CG_PLACE_SIZE);
    c->call_tables = ARENA_ARRAY(c->cx->arena, uint32_t, u->n_probes);
    for (uint32_t k = 0; k < u->n_probes; k++)
        if (u->probes[k].asks_place && attach_has(u->probes[k].rec.kind, ATTACH_CALLS))
            c->call_tables[k] = call_table(c, k);
    for (uint32_t k = 0; k < u->n_probes; k++)
        for (uint32_t i = 0; u->probes[k].asks_place && i < u->probes[k].n_places; i++) {
            const struct ir_place *p = &u->probes[k].places[i];
            uint32_t handles[] = {
                in_rodata(new_str(c, p->name)),
                in_rodata(new_str(c, p->func_name ? p->func_name : "")),
            };

            memcpy(c->rodata + c->place_table + (c->probes[k].place + i) * CG_PLACE_SIZE, handles,
                   CG_PLACE_SIZE);
        }
}

void cg_rodata_end(struct cg *c)
{
    c->rodata_lits = c->rodata_used;
    reserve(c, c->room);
}
