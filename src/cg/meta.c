/*
 * meta: the object's metadata, .ngstap.meta: header and tables of base/abi.h. Enters: the unit and
 * what the code generator decided; leaves: one block of bytes. Strings that are equal are stored
 * once.
 */
#include "cg/meta.h"

#include <string.h>
#include <uthash.h>

#include "base/arena.h"

struct text { /* that is stored */
    const char *text;
    uint32_t off;
    UT_hash_handle hh;
};

struct meta {
    struct cg *c;
    struct arena *a;
    char *strings;
    uint32_t n_strings, cap;
    struct text *seen; /* uthash */
    char *out;
    size_t size;
    struct obj_header h;
};

static uint32_t str(struct meta *m, const char *s)
{
    struct text *t;

    if (!s || !*s)
        return 0;
    HASH_FIND_STR(m->seen, s, t);
    if (t)
        return t->off;
    uint32_t len = (uint32_t)strlen(s) + 1, off = m->n_strings;

    if (m->cap - m->n_strings < len) {
        m->cap = (m->cap + len) * 2;
        char *bigger = arena_alloc(m->a, m->cap);

        memcpy(bigger, m->strings, m->n_strings);
        m->strings = bigger;
    }
    memcpy(m->strings + off, s, len);
    m->n_strings += len;
    t = ARENA_NEW(m->a, struct text);
    t->text = s;
    t->off = off;
    HASH_ADD_KEYPTR(hh, m->seen, t->text, len - 1, t);
    return off;
}

/* ---- tables ---- */

static void *probes(struct meta *m)
{
    const struct ir_unit *u = m->c->u;
    struct obj_probe *v = ARENA_ARRAY(m->a, struct obj_probe, u->n_probes + 1);

    for (uint32_t k = 0; k < u->n_probes; k++) {
        v[k] = m->c->probes[k];
        v[k].name = str(m, u->probes[k].name);
        v[k].place = m->c->probes[k].place;
        v[k].n_places = u->probes[k].n_places;
        v[k].event = str(m, u->probes[k].event);
    }
    return v;
}

static void *places(struct meta *m)
{
    const struct ir_unit *u = m->c->u;
    struct obj_place *v = ARENA_ARRAY(m->a, struct obj_place, m->c->n_places + 1);

    for (uint32_t k = 0; k < u->n_probes; k++)
        for (uint32_t i = 0; i < u->probes[k].n_places; i++) {
            const struct ir_place *p = &u->probes[k].places[i];

            v[m->c->probes[k].place + i] = (struct obj_place){.vaddr = p->vaddr,
                                                              .module = p->module,
                                                              .name = str(m, p->name),
                                                              .func = str(m, p->func_name),
                                                              .semaphore = p->semaphore};
        }
    return v;
}

/* Which modules' places in memory the code and the probes need. */
static void mark_addressed(const struct meta *m, struct obj_module *v)
{
    const struct ir_unit *u = m->c->u;

    for (uint32_t k = 0; k < u->n_probes; k++)
        for (uint32_t i = 0; i < u->probes[k].n_places; i++)
            if (u->probes[k].places[i].module != OBJ_NO_MODULE)
                v[u->probes[k].places[i].module].flags |= OBJ_MODULE_ADDRESSED;
    for (uint32_t k = 0; k < u->n_funcs; k++)
        for (uint32_t b = 0; b < u->funcs[k]->n_blocks; b++)
            for (const struct ir_ins *i = u->funcs[k]->blocks[b]->first; i; i = i->next)
                if (i->op == IR_MODADDR && i->module < u->n_modules)
                    v[i->module].flags |= OBJ_MODULE_ADDRESSED;
}

static void *modules(struct meta *m)
{
    const struct ir_unit *u = m->c->u;
    struct obj_module *v = ARENA_ARRAY(m->a, struct obj_module, u->n_modules + 1);

    for (uint32_t k = 0; k < u->n_modules; k++)
        v[k] = (struct obj_module){.path = str(m, u->modules[k].path),
                                   .build_id = str(m, u->modules[k].build_id),
                                   .flags = u->modules[k].mapped ? OBJ_MODULE_MAPPED : 0};
    mark_addressed(m, v);
    return v;
}

static void *maps(struct meta *m)
{
    const struct ir_unit *u = m->c->u;
    struct obj_map *v = ARENA_ARRAY(m->a, struct obj_map, u->n_maps + 1);

    for (uint32_t k = 0; k < u->n_maps; k++) {
        v[k] = u->maps[k].rec;
        v[k].name = str(m, u->maps[k].name);
        v[k].map_name = str(m, m->c->map_names[k]);
    }
    return v;
}

static void *globals(struct meta *m)
{
    const struct ir_unit *u = m->c->u;
    struct obj_global *v = ARENA_ARRAY(m->a, struct obj_global, u->n_globals + 1);

    for (uint32_t k = 0; k < u->n_globals; k++) {
        const struct ir_global *g = &u->globals[k];

        v[k] = (struct obj_global){.name = str(m, g->name),
                                   .type = g->type,
                                   .off = g->off,
                                   .init_str = str(m, g->init_str),
                                   .init = g->init,
                                   .hist = g->hist};
        memcpy(v[k].hist_args, g->hist_args, sizeof(v[k].hist_args));
    }
    return v;
}

static void *formats(struct meta *m)
{
    const struct ir_unit *u = m->c->u;
    struct obj_format *v = ARENA_ARRAY(m->a, struct obj_format, u->n_formats + 1);

    for (uint32_t k = 0; k < u->n_formats; k++) {
        const struct ir_format *f = &u->formats[k];

        v[k] = (struct obj_format){str(m, arena_strndup(m->a, f->text, f->len)), f->flags,
                                   f->n_args, 0, f->arg_types};
    }
    return v;
}

static void *locs(struct meta *m)
{
    const struct ir_unit *u = m->c->u;
    struct obj_loc *v = ARENA_ARRAY(m->a, struct obj_loc, u->n_locs + 1);

    for (uint32_t k = 0; k < u->n_locs; k++) {
        struct place p;

        v[k].token = str(m, u->locs[k].token);
        if (!span_place(m->c->cx->sources, u->locs[k].at, &p))
            continue;
        v[k].file = str(m, p.source->name);
        v[k].line = p.line;
        v[k].col = p.col;
    }
    return v;
}

static void *values(struct meta *m, uint32_t *n)
{
    const struct cg *c = m->c;
    const struct ir_unit *u = c->u;
    struct obj_value *v;

    *n = c->n_rests ? c->rests[c->n_rests - 1].value + c->rests[c->n_rests - 1].n_values : 0;
    v = ARENA_ARRAY(m->a, struct obj_value, *n + 1);
    for (uint32_t k = 0; k < c->n_rests; k++)
        for (uint32_t i = 0; i < c->rests[k].n_values; i++) {
            const struct ir_slot *s = &u->slots[u->funcs[c->rest_funcs[k]]->params[i]];

            v[c->rests[k].value + i] =
                (struct obj_value){s->type == IR_STRING ? OBJ_STRING : OBJ_LONG, s->off};
        }
    return v;
}

static void add_table(struct meta *m, enum obj_table t, const void *data, uint32_t n, size_t record)
{
    size_t off = (m->size + 7) & ~(size_t)7, size = off + n * record;
    char *bigger = arena_alloc(m->a, size + 1);

    memcpy(bigger, m->out, m->size);
    if (n)
        memcpy(bigger + off, data, n * record);
    m->out = bigger;
    m->size = size;
    m->h.table[t].off = (uint32_t)off;
    m->h.table[t].n = n;
}

/* Does a handler in the kernel ask for target()? */
static bool asks_for_target(const struct ir_unit *u)
{
    for (uint32_t f = 0; f < u->n_funcs; f++)
        for (uint32_t b = 0; b < u->funcs[f]->n_blocks && !u->funcs[f]->user; b++)
            for (const struct ir_ins *i = u->funcs[f]->blocks[b]->first; i; i = i->next)
                if (i->op == IR_CONTEXT && i->imm == NGS_CTX_TARGET)
                    return true;
    return false;
}

void cg_make_meta(struct cg *c, struct cg_unit *out)
{
    const struct ir_unit *u = c->u;
    struct meta m = {.c = c, .a = c->cx->arena, .cap = 1024, .n_strings = 1 /* offset 0 is "" */};

    m.h = (struct obj_header){
        .magic = {'N', 'G', 'S', 'T', 'A', 'P', '\r', '\n'},
        .version = NGS_OBJ_VERSION,
        .header_size = sizeof(m.h),
        .flags = asks_for_target(u) ? OBJ_F_TARGET : 0,
        .maxstringlen = c->max,
        .maxmapentries = c->cx->limits.maxmapentries,
        .maxerrors = c->cx->limits.maxerrors,
        .maxskipped = c->cx->limits.maxskipped,
        .frame_size = u->frame_size,
        .frame_out = u->frame_out,
        .globals_size = c->globals_size,
        .hash_key = c->hash_key,
        .hashed = c->hashed,
        .n_hashed = c->n_hashed,
        .machine = c->cx->arch->machine,
        .rodata_size = c->rodata_used,
        .frame_error_text = u->frame_error_text,
        .overload = c->n_metered ? c->cx->limits.overload : 0,
    };
    uint32_t n_values;
    const void *rest_values = values(&m, &n_values);

    m.strings = arena_alloc(m.a, m.cap);
    m.out = arena_alloc(m.a, sizeof(m.h));
    m.size = sizeof(m.h);
    add_table(&m, OBJ_PROBES, probes(&m), u->n_probes, sizeof(struct obj_probe));
    add_table(&m, OBJ_PLACES, places(&m), c->n_places, sizeof(struct obj_place));
    add_table(&m, OBJ_MODULES, modules(&m), u->n_modules, sizeof(struct obj_module));
    add_table(&m, OBJ_MAPS, maps(&m), u->n_maps, sizeof(struct obj_map));
    add_table(&m, OBJ_GLOBALS, globals(&m), u->n_globals, sizeof(struct obj_global));
    add_table(&m, OBJ_FORMATS, formats(&m), u->n_formats, sizeof(struct obj_format));
    add_table(&m, OBJ_LOCS, locs(&m), u->n_locs, sizeof(struct obj_loc));
    add_table(&m, OBJ_RESTS, c->rests, c->n_rests, sizeof(struct obj_rest));
    add_table(&m, OBJ_VALUES, rest_values, n_values, sizeof(struct obj_value));
    add_table(&m, OBJ_STRINGS, m.strings, m.n_strings, 1);
    memcpy(m.out, &m.h, sizeof(m.h));
    out->meta = m.out;
    out->meta_size = m.size;
    HASH_CLEAR(hh, m.seen);
}
