/*
 * meta: an object's metadata (.ngstap.meta): struct obj_header and its tables, as base/abi.h lays them out.
 * Enters: the unit after layout, probe records with their code ranges; leaves: one block of bytes.
 */
#include "cg/gen.h"

#include <string.h>

#include "base/arena.h"

struct bytes {
    struct arena *arena;
    char *v;
    size_t n, room;
};

/* Room for N more bytes, zeroed; returns their offset. */
static uint32_t add(struct bytes *b, const void *data, size_t n)
{
    if (b->n + n > b->room) {
        size_t room = b->room ? b->room : 4096;

        while (room < b->n + n)
            room *= 2;
        char *bigger = arena_alloc(b->arena, room);

        if (b->n)
            memcpy(bigger, b->v, b->n);
        b->v = bigger;
        b->room = room;
    }
    if (n)
        memcpy(b->v + b->n, data, n);
    b->n += n;
    return (uint32_t)(b->n - n);
}

/* Texts repeat (file names, names of variables): the table of strings is searched from its start. */
static uint32_t text(struct bytes *strings, const char *s, size_t len)
{
    if (!s || !len)
        return 0;
    for (size_t at = 0; at + len < strings->n; at += strlen(strings->v + at) + 1)
        if (!strncmp(strings->v + at, s, len) && !strings->v[at + len])
            return (uint32_t)at;
    uint32_t off = add(strings, s, len);

    add(strings, "", 1);
    return off;
}

static uint32_t name(struct bytes *strings, const char *s)
{
    return s ? text(strings, s, strlen(s)) : 0;
}

static void add_probes(struct cg *c, struct bytes *strings, struct bytes *to)
{
    for (uint32_t i = 0; i < c->u->n_probes; i++) {
        struct obj_probe rec = c->probes[i];

        rec.name = name(strings, c->u->probes[i].name);
        rec.func = name(strings, c->u->probes[i].func_name);
        add(to, &rec, sizeof(rec));
    }
}

static void add_maps(struct cg *c, struct bytes *strings, struct bytes *to)
{
    for (uint32_t i = 0; i < c->u->n_maps; i++) {
        struct obj_map rec = c->u->maps[i].rec;

        rec.name = name(strings, c->u->maps[i].name);
        rec.map_name = name(strings, c->map_names[i]);
        add(to, &rec, sizeof(rec));
    }
}

static void add_globals(struct cg *c, struct bytes *strings, struct bytes *to)
{
    for (uint32_t i = 0; i < c->u->n_globals; i++) {
        const struct ir_global *g = &c->u->globals[i];
        struct obj_global rec = {.name = name(strings, g->name),
                                 .type = g->type,
                                 .off = g->off,
                                 .init_str = name(strings, g->init_str),
                                 .init = g->init,
                                 .hist = g->hist};

        memcpy(rec.hist_args, g->hist_args, sizeof(rec.hist_args));
        add(to, &rec, sizeof(rec));
    }
}

static void add_formats(struct cg *c, struct bytes *strings, struct bytes *to)
{
    for (uint32_t i = 0; i < c->u->n_formats; i++) {
        const struct ir_format *f = &c->u->formats[i];
        struct obj_format rec = {.text = text(strings, f->text, f->len),
                                 .flags = f->flags,
                                 .n_args = f->n_args,
                                 .arg_types = f->arg_types};

        add(to, &rec, sizeof(rec));
    }
}

static void add_locs(struct cg *c, struct bytes *strings, struct bytes *to)
{
    for (uint32_t i = 0; i < c->u->n_locs; i++) {
        struct obj_loc rec = {.token = name(strings, c->u->locs[i].token)};
        struct place p;

        if (span_place(c->cx->sources, c->u->locs[i].at, &p)) {
            rec.file = name(strings, p.source->name);
            rec.line = p.line;
            rec.col = p.col;
        }
        add(to, &rec, sizeof(rec));
    }
}

static void add_modules(struct cg *c, struct bytes *strings, struct bytes *to)
{
    for (uint32_t i = 0; i < c->u->n_modules; i++) {
        struct obj_module rec = {.path = name(strings, c->u->modules[i].path),
                                 .build_id = name(strings, c->u->modules[i].build_id)};

        add(to, &rec, sizeof(rec));
    }
}

bool cg_make_meta(struct cg *c, struct cg_unit *out)
{
    const struct ir_unit *u = c->u;
    struct bytes tables[OBJ_TABLES], all = {.arena = c->cx->arena};
    static const uint32_t record[OBJ_TABLES] = {
        [OBJ_STRINGS] = 1,
        [OBJ_PROBES] = sizeof(struct obj_probe),
        [OBJ_MODULES] = sizeof(struct obj_module),
        [OBJ_MAPS] = sizeof(struct obj_map),
        [OBJ_GLOBALS] = sizeof(struct obj_global),
        [OBJ_FORMATS] = sizeof(struct obj_format),
        [OBJ_LOCS] = sizeof(struct obj_loc),
    };
    struct obj_header h = {.version = NGS_OBJ_VERSION,
                           .header_size = sizeof(h),
                           .flags = u->target_only ? OBJ_F_TARGET_ONLY : 0,
                           .maxstringlen = c->cx->limits.maxstringlen,
                           .maxmapentries = c->cx->limits.maxmapentries,
                           .maxerrors = c->cx->limits.maxerrors,
                           .maxskipped = c->cx->limits.maxskipped,
                           .frame_size = u->frame_size,
                           .frame_out = u->frame_out,
                           .globals_size = c->globals_size,
                           .rodata_size = c->rodata_used,
                           .frame_error_text = u->frame_error_text};

    memcpy(h.magic, NGS_OBJ_MAGIC, sizeof(h.magic));
    for (int t = 0; t < OBJ_TABLES; t++)
        tables[t] = (struct bytes){.arena = c->cx->arena};
    add(&tables[OBJ_STRINGS], "", 1);
    add_probes(c, &tables[OBJ_STRINGS], &tables[OBJ_PROBES]);
    add_modules(c, &tables[OBJ_STRINGS], &tables[OBJ_MODULES]);
    add_maps(c, &tables[OBJ_STRINGS], &tables[OBJ_MAPS]);
    add_globals(c, &tables[OBJ_STRINGS], &tables[OBJ_GLOBALS]);
    add_formats(c, &tables[OBJ_STRINGS], &tables[OBJ_FORMATS]);
    add_locs(c, &tables[OBJ_STRINGS], &tables[OBJ_LOCS]);
    add(&all, &h, sizeof(h));
    for (int t = OBJ_TABLES - 1; t >= 0; t--) { /* records first: they want to be aligned */
        static const char zeroes[8];

        h.table[t].n = (uint32_t)(tables[t].n / record[t]);
        h.table[t].off = add(&all, tables[t].v, tables[t].n);
        add(&all, zeroes, -all.n & 7);
    }
    memcpy(all.v, &h, sizeof(h));
    out->meta = all.v;
    out->meta_size = all.n;
    return true;
}
