/*
 * btf: the types of an object: map definitions, functions, and in .BTF.ext which function and which
 * script line each instruction belongs to. Enters: a cg_unit and its layout; leaves: the bytes of
 * .BTF and .BTF.ext. Refuses only what libbpf's BTF writer refuses (an internal error).
 *
 * Rules of the kernel and libbpf that shape this (kernel/bpf/btf.c, verifier.c check_btf_line;
 * libbpf.c parse_btf_map_def, map_is_mmapable):
 *   - once there is line info, every function must begin with a record, offsets must rise, and none
 * may point into the second half of a 16-byte instruction;
 *   - an info section with a record size but no records is corrupt: then its length must be 0;
 *   - a data section's map is mmapable only when its DATASEC has a variable that is not static.
 */
#include "cg/elf.h"

#include <string.h>

#include <bpf/btf.h>
#include <linux/btf.h>

#include "base/arena.h"
#include "base/diag.h"

/* .BTF.ext as in Documentation/bpf/btf.rst; core relocations are left out (header of 24 bytes). */
struct ext_header {
    uint16_t magic;
    uint8_t version, flags;
    uint32_t hdr_len;
    uint32_t func_info_off, func_info_len;
    uint32_t line_info_off, line_info_len;
};

struct ext_section {
    uint32_t sec_name_off, num_info;
};

enum { LINE_TEXT_MAX = 160, LINE_MAX = (1 << 22) - 1, COL_MAX = (1 << 10) - 1 };

struct btf_writer {
    const struct cg_unit *u;
    const struct cg_layout *l;
    struct btf *btf;
    bool failed;
    int t_int, t_u32, t_u64, t_long, t_char, t_void_ptr, t_frame_ptr;
};

/* Notes a failure of libbpf and passes the id on: failures are looked at once, at the end. */
static int ok(struct btf_writer *w, int id)
{
    if (id < 0)
        w->failed = true;
    return id;
}

static uint32_t add_string(struct btf_writer *w, const char *s)
{
    int off = ok(w, btf__add_str(w->btf, s));

    return off < 0 ? 0 : (uint32_t)off;
}

const char *cg_data_symbol(const struct cg_unit *u, const struct cg_map *m)
{
    return arena_printf(u->cx->arena, "ngs_%s", strrchr(m->name, '.') + 1);
}

uint32_t cg_map_members(const struct cg_map *m)
{
    return 2u + (m->flags != 0) + (m->key_size != 0) + (m->value_size != 0);
}

static void add_basic_types(struct btf_writer *w)
{
    w->t_int = ok(w, btf__add_int(w->btf, "int", 4, BTF_INT_SIGNED));
    w->t_u32 = ok(w, btf__add_int(w->btf, "unsigned int", 4, 0));
    w->t_u64 = ok(w, btf__add_int(w->btf, "unsigned long long", 8, 0));
    w->t_long = ok(w, btf__add_int(w->btf, "long", 8, BTF_INT_SIGNED));
    w->t_char = ok(w, btf__add_int(w->btf, "char", 1, BTF_INT_SIGNED));
    w->t_void_ptr = ok(w, btf__add_ptr(w->btf, 0));
}

static int add_bytes(struct btf_writer *w, uint32_t n)
{
    return ok(w, btf__add_array(w->btf, w->t_u32, w->t_char, n));
}

/* struct ngs_frame_mem: what global subprograms take; only its size matters. */
static void add_frame(struct btf_writer *w)
{
    int bytes = add_bytes(w, w->u->frame_size);
    int s = ok(w, btf__add_struct(w->btf, "ngs_frame_mem", w->u->frame_size));

    ok(w, btf__add_field(w->btf, "bytes", bytes, 0, 0));
    w->t_frame_ptr = ok(w, btf__add_ptr(w->btf, s));
}

/* __uint(NAME, VALUE): a member of type int (*)[VALUE]. */
static void add_map_member(struct btf_writer *w, int array_ptr, const char *name, uint32_t index)
{
    ok(w, btf__add_field(w->btf, name, array_ptr, index * 64, 0));
}

static int add_number(struct btf_writer *w, uint32_t value)
{
    return ok(w, btf__add_ptr(w->btf, ok(w, btf__add_array(w->btf, w->t_u32, w->t_int, value))));
}

static int add_map(struct btf_writer *w, const struct cg_map *m)
{
    uint32_t i = 0;
    int type = add_number(w, m->type), entries = add_number(w, m->max_entries);
    int flags = m->flags ? add_number(w, m->flags) : 0;
    int key = m->key_size ? add_number(w, m->key_size) : 0;
    int value = m->value_size ? add_number(w, m->value_size) : 0;
    int s = ok(w, btf__add_struct(w->btf, NULL, cg_map_members(m) * 8));

    add_map_member(w, type, "type", i++);
    add_map_member(w, entries, "max_entries", i++);
    if (flags)
        add_map_member(w, flags, "map_flags", i++);
    if (key)
        add_map_member(w, key, "key_size", i++);
    if (value)
        add_map_member(w, value, "value_size", i++);
    return ok(w, btf__add_var(w->btf, m->name, BTF_VAR_GLOBAL_ALLOCATED, s));
}

static void add_maps(struct btf_writer *w)
{
    const struct cg_unit *u = w->u;
    int *vars = ARENA_ARRAY(u->cx->arena, int, u->n_maps);

    for (uint32_t i = 0; i < u->n_maps; i++) {
        const struct cg_map *m = &u->maps[i];

        if (!cg_map_is_data(m))
            vars[i] = add_map(w, m);
        else if (m->value_size)
            vars[i] = ok(w, btf__add_var(w->btf, cg_data_symbol(u, m), BTF_VAR_GLOBAL_ALLOCATED,
                                         add_bytes(w, m->value_size)));
    }
    if (w->l->maps_size) {
        ok(w, btf__add_datasec(w->btf, ".maps", w->l->maps_size));
        for (uint32_t i = 0; i < u->n_maps; i++)
            if (!cg_map_is_data(&u->maps[i]))
                ok(w, btf__add_datasec_var_info(w->btf, vars[i], w->l->map_off[i],
                                                cg_map_members(&u->maps[i]) * 8));
    }
    for (uint32_t i = 0; i < u->n_maps; i++) {
        const struct cg_map *m = &u->maps[i];

        if (!cg_map_is_data(m) || !m->value_size)
            continue;
        ok(w, btf__add_datasec(w->btf, m->name, m->value_size));
        ok(w, btf__add_datasec_var_info(w->btf, vars[i], 0, m->value_size));
    }
}

static void add_param(struct btf_writer *w, const char *name, int type)
{
    ok(w, btf__add_func_param(w->btf, name, type));
}

/* The FUNC of F. */
static int add_func(struct btf_writer *w, const struct cg_func *f)
{
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    bool wide = f->sig != CG_SIG_PROG;
    int proto = ok(w, btf__add_func_proto(w->btf, wide ? w->t_long : w->t_int));

    switch (f->sig) {
    case CG_SIG_PROG:
        add_param(w, "ctx", w->t_void_ptr);
        break;
    case CG_SIG_GLOBAL:
        add_param(w, "frame", w->t_frame_ptr);
        for (uint32_t i = 1; i < f->n_args && i < 5; i++)
            add_param(w, names[i], w->t_u64);
        break;
    case CG_SIG_LOOP:
        add_param(w, "index", w->t_u64);
        add_param(w, "ctx", w->t_void_ptr);
        break;
    case CG_SIG_FOR_EACH:
        add_param(w, "map", w->t_void_ptr);
        add_param(w, "key", w->t_void_ptr);
        add_param(w, "value", w->t_void_ptr);
        add_param(w, "ctx", w->t_void_ptr);
        break;
    }
    return ok(w, btf__add_func(w->btf, f->name,
                               f->sig == CG_SIG_PROG || f->sig == CG_SIG_GLOBAL ? BTF_FUNC_GLOBAL
                                                                                : BTF_FUNC_STATIC,
                               proto));
}

/* The text of a place's line, as the verifier's log will show it. */
static const char *line_text(struct arena *a, const struct place *p)
{
    const struct source *s = p->source;
    const char *start = s->text + s->lines[p->line - 1];
    size_t rest = s->len - s->lines[p->line - 1], n = 0;

    while (n < rest && n < LINE_TEXT_MAX && start[n] != '\n' && start[n])
        n++;
    char *text = arena_strndup(a, start, n);

    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ')
            text[i] = ' ';
    return text;
}

static void set_line(struct btf_writer *w, struct bpf_line_info *r, struct span at)
{
    struct place p;

    if (!at.file || !span_place(w->u->cx->sources, at, &p))
        return;
    uint32_t line = p.line > LINE_MAX ? LINE_MAX : p.line, col = p.col > COL_MAX ? COL_MAX : p.col;

    r->file_name_off = add_string(w, p.source->name);
    r->line_off = add_string(w, line_text(w->u->cx->arena, &p));
    r->line_col = line << 10 | col;
}

/* Line records of F at OUT (room for n_lines + 1), the first at its start; returns their number. */
static uint32_t func_lines(struct btf_writer *w, const struct cg_func *f, uint32_t off,
                           struct bpf_line_info *out)
{
    uint32_t n = 1;

    out[0] = (struct bpf_line_info){.insn_off = off};
    for (uint32_t i = 0; i < f->n_lines; i++) {
        const struct cg_line *c = &f->lines[i];
        struct bpf_line_info r = {.insn_off = off + c->insn * 8};

        if (c->insn >= f->n_insns || f->insns[c->insn].code == 0 ||
            r.insn_off < out[n - 1].insn_off)
            continue;
        set_line(w, &r, c->at);
        if (r.insn_off == out[n - 1].insn_off)
            out[n - 1] = r;
        else if (r.line_col != out[n - 1].line_col || r.line_off != out[n - 1].line_off)
            out[n++] = r;
    }
    return n;
}

/* One info section: for each code section its name, the number of records, the records. */
struct info {
    char *data;
    uint32_t size;
};

static void info_put(struct info *i, const void *data, uint32_t size)
{
    memcpy(i->data + i->size, data, size);
    i->size += size;
}

static void write_ext(struct btf_writer *w, const int *func_ids, struct cg_blob *ext)
{
    const struct cg_unit *u = w->u;
    const struct cg_layout *l = w->l;
    struct arena *a = u->cx->arena;
    uint32_t n_lines = 0, at = 0;
    uint32_t func_rec = sizeof(struct bpf_func_info), line_rec = sizeof(struct bpf_line_info);

    for (uint32_t i = 0; i < u->n_funcs; i++)
        n_lines += u->funcs[i].n_lines;
    uint32_t heads = 4 + l->n_sections * (uint32_t)sizeof(struct ext_section);
    struct info funcs = {.data = arena_alloc(a, heads + (size_t)u->n_funcs * func_rec)};
    struct info lines = {.data = arena_alloc(a, heads + (size_t)(n_lines + u->n_funcs) * line_rec)};
    struct bpf_line_info *buf = ARENA_ARRAY(a, struct bpf_line_info, n_lines + u->n_funcs);

    info_put(&funcs, &func_rec, 4);
    if (n_lines)
        info_put(&lines, &line_rec, 4);
    for (uint32_t s = 0; s < l->n_sections; s++) {
        struct ext_section head = {add_string(w, l->sections[s].name), l->sections[s].n_funcs};
        uint32_t n = 0;

        info_put(&funcs, &head, sizeof(head));
        for (uint32_t k = 0; k < head.num_info; k++) {
            uint32_t f = l->order[at + k];
            struct bpf_func_info rec = {.insn_off = l->func_off[f],
                                        .type_id = (uint32_t)func_ids[f]};

            info_put(&funcs, &rec, sizeof(rec));
            if (n_lines)
                n += func_lines(w, &u->funcs[f], l->func_off[f], buf + n);
        }
        at += head.num_info;
        if (n_lines) {
            head.num_info = n;
            info_put(&lines, &head, sizeof(head));
            info_put(&lines, buf, n * line_rec);
        }
    }
    struct ext_header h = {
        .magic = BTF_MAGIC,
        .version = BTF_VERSION,
        .hdr_len = sizeof(h),
        .func_info_len = funcs.size,
        .line_info_off = funcs.size,
        .line_info_len = lines.size,
    };
    struct info out = {.data = arena_alloc(a, sizeof(h) + funcs.size + lines.size)};

    info_put(&out, &h, sizeof(h));
    info_put(&out, funcs.data, funcs.size);
    info_put(&out, lines.data, lines.size);
    *ext = (struct cg_blob){out.data, out.size};
}

bool cg_write_btf(const struct cg_unit *u, const struct cg_layout *l, struct cg_blob *btf,
                  struct cg_blob *ext)
{
    struct btf_writer w = {.u = u, .l = l, .btf = btf__new_empty()};
    int *func_ids = ARENA_ARRAY(u->cx->arena, int, u->n_funcs);
    uint32_t size = 0;

    *btf = *ext = (struct cg_blob){NULL, 0};
    if (!w.btf)
        return diag_error(u->cx->diag, (struct span){0}, "internal", "cannot make BTF");
    add_basic_types(&w);
    add_frame(&w);
    add_maps(&w);
    for (uint32_t i = 0; i < u->n_funcs; i++)
        func_ids[i] = add_func(&w, &u->funcs[i]);
    if (u->n_funcs)
        write_ext(&w, func_ids, ext);
    const void *raw = w.failed ? NULL : btf__raw_data(w.btf, &size);

    if (raw) {
        void *copy = arena_alloc(u->cx->arena, size);

        memcpy(copy, raw, size);
        *btf = (struct cg_blob){copy, size};
    }
    btf__free(w.btf);
    return raw || diag_error(u->cx->diag, (struct span){0}, "internal",
                             "libbpf refused a type of the object");
}
