/*
 * cg: the driver: IR unit -> programs, library, metadata -> ELF. Enters: a verified and laid-out
 * unit; leaves: the object's bytes.
 */
#include "cg/gen.h"

#include <stddef.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"

enum { RING_SIZE = 4 << 20 };

struct cg_func *cg_new_func(struct cg *c, const char *name, enum cg_signature sig, uint32_t n_args)
{
    c->funcs = arena_grow(c->cx->arena, c->funcs, c->n_funcs, sizeof(*c->funcs));
    struct cg_func *f = &c->funcs[c->n_funcs++];

    *f = (struct cg_func){.name = name, .sig = sig, .n_args = n_args};
    return f;
}

/* ---- literals ---- */

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

uint32_t cg_rodata_str(struct cg *c, const char *text)
{
    for (uint32_t k = 0; k < c->n_own; k++)
        if (!strcmp(c->own[k].text, text))
            return c->own[k].off;
    uint32_t off = new_str(c, text);

    c->own = arena_grow(c->cx->arena, c->own, c->n_own, sizeof(*c->own));
    c->own[c->n_own++] = (struct cg_own){text, off};
    return off;
}

#define ERROR_TEXT(id, text) [NGS_ERR_##id] = text,
static const char *const error_texts[NGS_ERR_KINDS] = {[NGS_OK] = "", NGS_ERRORS(ERROR_TEXT)};
#undef ERROR_TEXT

/* The literals that are keys of arrays: their hashes are in the literals, too, by a key of zeroes until the loader has another. */
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

void cg_rodata_init(struct cg *c)
{
    const struct ir_unit *u = c->u;

    reserve(c, u->rodata_size);
    for (uint32_t k = 0; k < u->n_lits; k++)
        put_str(c, u->lits[k].off, u->lits[k].text, u->lits[k].len);
    c->error_table = reserve(c, NGS_ERR_KINDS * 4);
    for (uint32_t k = 0; k < NGS_ERR_KINDS; k++) {
        uint32_t handle = cg_rodata_str(c, error_texts[k]) | CG_IN_RODATA << CG_HANDLE_SHIFT;

        memcpy(c->rodata + c->error_table + 4 * k, &handle, 4);
    }
    c->fmt_ps = reserve(c, 8);
    memcpy(c->rodata + c->fmt_ps, "%ps", 4);
    c->hash_key = reserve(c, NGS_HASH_KEY_SIZE(c->max) + 8);
    hash_literals(c);
    c->zeroes = reserve(c, 8 * (NGS_HIST_LINEAR_MAX + 2));
}

/* Numbers the places, and puts down how those that handlers ask for are called. */
static void number_places(struct cg *c)
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
    for (uint32_t k = 0; k < u->n_probes; k++)
        for (uint32_t i = 0; u->probes[k].asks_place && i < u->probes[k].n_places; i++) {
            const struct ir_place *p = &u->probes[k].places[i];
            uint32_t handles[] = {
                new_str(c, p->name) | CG_IN_RODATA << CG_HANDLE_SHIFT,
                new_str(c, p->func_name ? p->func_name : "") | CG_IN_RODATA << CG_HANDLE_SHIFT,
            };

            memcpy(c->rodata + c->place_table + (c->probes[k].place + i) * CG_PLACE_SIZE, handles,
                   CG_PLACE_SIZE);
        }
}

/* ---- maps ---- */

static void name_maps(struct cg *c)
{
    c->map_names = ARENA_ARRAY(c->cx->arena, const char *, c->u->n_maps + 1);
    for (uint32_t k = 0; k < c->u->n_maps; k++) {
        char *name = arena_printf(c->cx->arena, "m%u_%s", k, c->u->maps[k].name);

        for (char *p = name; *p; p++)
            if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                  (*p >= '0' && *p <= '9') || *p == '_'))
                *p = '_';
        c->map_names[k] = name;
    }
}

static void add_map(struct cg_unit *out, struct cg_map m)
{
    out->maps[out->n_maps++] = m;
}

static void make_maps(struct cg *c, struct cg_unit *out)
{
    const struct ir_unit *u = c->u;
    /* an action may take three: a loop's edge, a call's, a return's */
    uint64_t ticks = 3 * (uint64_t)c->cx->limits.maxaction + 16;

    out->maps = ARENA_ARRAY(c->cx->arena, struct cg_map, u->n_maps + 8);
    if (c->n_funcs) {
        add_map(out, (struct cg_map){NGS_MAP_FRAMES, BPF_MAP_TYPE_ARRAY, 4, u->frame_size, 0, 0});
        add_map(out, (struct cg_map){NGS_MAP_RING, BPF_MAP_TYPE_RINGBUF, 0, 0, RING_SIZE, 0});
        add_map(out, (struct cg_map){NGS_MAP_SCOPE, BPF_MAP_TYPE_HASH, 4, sizeof(struct ngs_member),
                                     NGS_MAX_MEMBERS, 0});
    }
    add_map(out, (struct cg_map){.name = NGS_MAP_GLOBALS, .value_size = c->globals_size});
    add_map(out,
            (struct cg_map){.name = NGS_MAP_CONTROL, .value_size = sizeof(struct ngs_control)});
    add_map(out, (struct cg_map){.name = NGS_MAP_RODATA, .value_size = c->rodata_used});
    for (uint32_t k = 0; k < u->n_maps; k++) {
        const struct obj_map *m = &u->maps[k].rec;

        add_map(out, (struct cg_map){c->map_names[k],
                                     m->wrap ? BPF_MAP_TYPE_LRU_HASH : BPF_MAP_TYPE_HASH,
                                     m->key_size, m->value_size, m->max_entries, 0});
    }
    if (c->ticks)
        add_map(out, (struct cg_map){CG_MAP_TICKS, BPF_MAP_TYPE_ARRAY, 4, 4,
                                     (uint32_t)(ticks < CG_TICKS_MAX ? ticks : CG_TICKS_MAX), 0});
}

/* ---- the unit ---- */

static bool wants_sumsq(const struct ir_unit *u)
{
    for (uint32_t f = 0; f < u->n_funcs; f++)
        for (uint32_t b = 0; b < u->funcs[f]->n_blocks; b++)
            for (const struct ir_ins *i = u->funcs[f]->blocks[b]->first; i; i = i->next) {
                if ((i->op == IR_GSTATGET || i->op == IR_MSTATGET) && i->imm == NGS_STAT_VARIANCE)
                    return true;
                if (i->op == IR_FEBEGIN && (i->imm >> 16 & 0xff) == NGS_STAT_VARIANCE)
                    return true;
            }
    return false;
}

static void dump(struct cg *c)
{
    for (uint32_t k = 0; c->dump && k < c->n_funcs; k++)
        cg_disassemble(c->dump, c->cx, &c->funcs[k]);
}

static bool too_large(const struct ir_unit *u, struct span at, const char *what)
{
    diag_error(u->cx->diag, at, "limit", "%s", what);
    diag_hint(u->cx->diag, "-D MAXSTRINGLEN=N with N below %u makes each string smaller",
              u->cx->limits.maxstringlen + 1);
    return false;
}

/* The place of the function with most strings. */
static struct span most_strings(const struct ir_unit *u)
{
    uint32_t *n = ARENA_ARRAY(u->cx->arena, uint32_t, u->n_funcs + 1), most = 0;

    for (uint32_t k = 0; k < u->n_slots; k++)
        if (u->slots[k].type == IR_STRING && ++n[u->slots[k].func] > n[most])
            most = u->slots[k].func;
    return u->locs[u->funcs[most]->blocks[0]->first->loc].at;
}

/* What load/object.c would take for damage. */
static bool check_limits(const struct ir_unit *u)
{
    if (u->frame_size > OBJ_MAX_FRAME)
        return too_large(u, most_strings(u), "too many strings are in use at a time: over 16 MiB");
    if (u->globals_size > OBJ_MAX_VALUE / 2)
        return too_large(u, (struct span){0}, "the global strings take more than 8 MiB");
    if (u->n_modules > NGS_MAX_MODULES)
        return diag_error(u->cx->diag, (struct span){0}, "limit",
                          "the script looks into %u files; at most %d can be told apart",
                          u->n_modules, NGS_MAX_MODULES);
    return true;
}

bool cg_generate(const struct ir_unit *u, const struct kernel *k, FILE *dump_to,
                 struct cg_object *out)
{
    struct cg c = {.cx = u->cx, .u = u, .k = k, .dump = dump_to, .max = u->cx->limits.maxstringlen};
    struct cg_unit unit = {.cx = u->cx};

    if (c.max > NGS_REC_MAX / 2)
        return diag_error(u->cx->diag, (struct span){0}, "limit", "MAXSTRINGLEN is at most %d",
                          NGS_REC_MAX / 2);
    if (!check_limits(u))
        return false;
    c.room = 2 * c.max + 64;
    c.globals_size = u->globals_size + c.room;
    c.sumsq = wants_sumsq(u);
    c.probes = ARENA_ARRAY(u->cx->arena, struct obj_probe, u->n_probes);
    name_maps(&c);
    cg_rodata_init(&c);
    for (uint32_t n = 0; n < u->n_probes; n++) {
        c.probes[n] = u->probes[n].rec;
        c.probes[n].flags = u->probes[n].asks_place ? PROBE_F_COOKIE : 0;
    }
    number_places(&c);
    for (uint32_t n = 0; n < u->n_probes; n++) {
        bool user = u->funcs[u->probes[n].func]->user;

        if (!(user ? cg_user_program(&c, n) : cg_kernel_program(&c, n)))
            return false;
    }
    c.rodata_lits = c.rodata_used;
    reserve(&c, c.room); /* so that no copy of bounded length leaves the map */
    if (!cg_make_lib(&c))
        return false;
    dump(&c);
    make_maps(&c, &unit);
    unit.funcs = c.funcs;
    unit.n_funcs = c.n_funcs;
    unit.rodata = c.rodata;
    unit.rodata_size = c.rodata_used;
    unit.user_code = c.user;
    unit.user_len = c.n_user;
    unit.frame_size = u->frame_size;
    if (!cg_make_meta(&c, &unit))
        return false;
    return cg_write_elf(&unit, &out->elf, &out->elf_size);
}
