/*
 * print: the header's text. Enters: the types wanted; leaves: C, each type before what holds it by
 * value. Walks from a type to what it needs first (need, mention), then writes it (define): a
 * pointer needs a declaration only. Refused: more lines, names or steps than types_priv.h allows.
 */
#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "types/types_priv.h"

static const struct span nowhere;

enum { COMMENT_COLUMN = 56, INDENT = 4 };

enum { QUAL_CONST = 1, QUAL_VOLATILE = 2, QUAL_RESTRICT = 4, QUAL_ATOMIC = 8 };

/* ---- declarators ---- */

struct spelling { /* "const struct x" and "*name[3]" */
    struct cdecl base;
    unsigned quals;
    const char *declarator;
};

static bool is_record(const struct cdecl *d)
{
    return d->kind == CD_STRUCT || d->kind == CD_UNION;
}

static const char *tag_word(const struct cdecl *d)
{
    return d->kind == CD_STRUCT ? "struct" : d->kind == CD_UNION ? "union" : "enum";
}

static const char *quals_text(struct printer *p, unsigned quals)
{
    return arena_printf(p->a, "%s%s%s%s", quals & QUAL_CONST ? "const " : "",
                        quals & QUAL_VOLATILE ? "volatile " : "",
                        quals & QUAL_RESTRICT ? "restrict " : "",
                        quals & QUAL_ATOMIC ? "_Atomic " : "");
}

static struct spelling spell(struct printer *p, const struct ctype *t, const char *name,
                             bool flexible, int depth);

/* What stands before the declarator; NULL: a struct or enum without a name. */
static const char *base_text(struct printer *p, const struct spelling *s)
{
    const struct cdecl *d = &s->base;
    const char *quals = quals_text(p, s->quals & ~(unsigned)QUAL_RESTRICT), *base;
    struct entity *e;

    switch (d->kind) {
    case CD_TYPEDEF:
    case CD_STRUCT:
    case CD_UNION:
    case CD_ENUM:
        e = names_entity(p, d->self, NULL);
        if (!e)
            return NULL;
        return d->kind == CD_TYPEDEF ? arena_printf(p->a, "%s%s", quals, e->name)
                                     : arena_printf(p->a, "%s%s %s", quals, tag_word(d), e->name);
    case CD_BASE:
        base = plan_base_name(d->self);
        return arena_printf(p->a, "%s%s", quals, base ? base : "void");
    default:
        return arena_printf(p->a, "%svoid", quals);
    }
}

struct params {
    struct printer *p;
    const char *text;
    int depth;
};

static void add_param(const struct ctype *t, void *arg)
{
    struct params *l = arg;
    const char *comma = *l->text ? ", " : "";

    if (!printer_step(l->p, &l->p->steps, STEPS_MAX) || strlen(l->text) > 4096)
        return;
    if (!t) {
        if (*l->text)
            l->text = arena_printf(l->p->a, "%s, ...", l->text);
        return;
    }
    struct spelling s = spell(l->p, t, "", false, l->depth + 1);
    const char *base = base_text(l->p, &s);

    if (!base)
        base = *s.declarator == '*' ? "void" : "int";
    l->text = arena_printf(l->p->a, "%s%s%s%s%s", l->text, comma, base, *s.declarator ? " " : "",
                           s.declarator);
}

static const char *wrap(struct printer *p, const char *s)
{
    return *s == '*' ? arena_printf(p->a, "(%s)", s) : s;
}

/* A name of type T. FLEXIBLE: an array without a bound may have none here. */
static struct spelling spell(struct printer *p, const struct ctype *t, const char *name,
                             bool flexible, int depth)
{
    struct spelling s = {.declarator = name};
    struct params params = {.p = p, .text = "", .depth = depth};

    for (int i = 0; i < DEPTH_MAX && depth < 8 && printer_step(p, &p->steps, STEPS_MAX); i++) {
        struct cdecl d;

        ctype_decl(t, &d);
        switch (d.kind) {
        case CD_CONST:
            s.quals |= QUAL_CONST;
            break;
        case CD_VOLATILE:
            s.quals |= QUAL_VOLATILE;
            break;
        case CD_RESTRICT:
            s.quals |= QUAL_RESTRICT;
            break;
        case CD_ATOMIC:
            s.quals |= QUAL_ATOMIC;
            break;
        case CD_POINTER:
            s.declarator = arena_printf(p->a, "*%s%s", quals_text(p, s.quals), s.declarator);
            s.quals = 0;
            flexible = false;
            break;
        case CD_ARRAY:
            s.declarator = flexible && d.flexible
                               ? arena_printf(p->a, "%s[]", wrap(p, s.declarator))
                               : arena_printf(p->a, "%s[%" PRIu64 "]", wrap(p, s.declarator),
                                              ctype_array_len(t));
            flexible = false;
            break;
        case CD_FUNC:
            params.text = "";
            ctype_params(t, add_param, &params);
            s.declarator = arena_printf(p->a, "%s(%s)", wrap(p, s.declarator),
                                        *params.text   ? params.text
                                        : d.prototyped ? "void"
                                                       : "");
            s.quals = 0;
            break;
        default:
            s.base = d;
            return s;
        }
        t = d.of;
    }
    s.base = (struct cdecl){.kind = CD_VOID};
    return s;
}

/* ---- lines ---- */

static void comment(struct printer *p, int column, const char *text)
{
    fprintf(p->out, "%*s/* %s */\n", column < COMMENT_COLUMN ? COMMENT_COLUMN - column : 1, "",
            text);
}

static bool line(struct printer *p)
{
    return printer_step(p, &p->lines, LINES_MAX);
}

/* A blank line around what is in braces, and none between declarations. */
static void begin(struct printer *p, bool block)
{
    if (block || p->block)
        fputs("\n", p->out);
    p->block = block;
}

/* ---- enums ---- */

struct values {
    struct printer *p;
    int indent;
    bool is_signed, any;
    int64_t min;
    uint64_t max;
};

static void measure_value(const char *name, int64_t value, void *arg)
{
    struct values *v = arg;

    (void)name;
    if (v->is_signed && value < 0)
        v->min = value < v->min ? value : v->min;
    else
        v->max = (uint64_t)value > v->max ? (uint64_t)value : v->max;
}

static void print_value(const char *name, int64_t value, void *arg)
{
    struct values *v = arg;
    struct printer *p = v->p;
    const char *c;

    if (!line(p))
        return;
    c = names_take(p, SPACE_ORDINARY, name);
    fprintf(p->out, "%*s%s = ", v->indent + INDENT, "", c);
    v->any = true;
    if (!v->is_signed)
        fprintf(p->out, "%" PRIu64 "%s,\n", (uint64_t)value,
                (uint64_t)value > INT64_MAX    ? "ULL"
                : (uint64_t)value > UINT32_MAX ? "LL"
                : (uint64_t)value > INT32_MAX  ? "U"
                                               : "");
    else if (value == INT64_MIN)
        fprintf(p->out, "(-%" PRId64 "LL - 1),\n", INT64_MAX);
    else if (value < INT32_MIN || value > INT32_MAX)
        fprintf(p->out, "%" PRId64 "LL,\n", value);
    else
        fprintf(p->out, "%" PRId64 ",\n", value);
}

static bool fits(const struct values *v, unsigned bytes)
{
    unsigned bits = bytes * 8;

    if (v->min < 0)
        return v->min >= -((int64_t)1 << (bits - 1)) && v->max < (uint64_t)1 << (bits - 1);
    return bits == 64 || v->max >> bits == 0;
}

/* The braces, and what makes it as large as it is. */
static void print_enum_body(struct printer *p, const struct ctype *t, const char *name, int indent)
{
    struct values v = {.p = p, .indent = indent, .is_signed = ctype_signed(t)};
    uint64_t size = ctype_size(t);
    unsigned natural = 4;

    ctype_enumerators(t, measure_value, &v);
    if (v.min < INT32_MIN || v.max > (v.min < 0 ? (uint64_t)INT32_MAX : (uint64_t)UINT32_MAX))
        natural = 8;
    if (size < 4)
        for (natural = 1; natural < 4 && !fits(&v, natural); natural *= 2)
            ;
    fputs(" {\n", p->out);
    ctype_enumerators(t, print_value, &v);
    if (natural < size || !v.any) { /* of a fixed type: a value that needs that much room */
        const char *c =
            names_take(p, SPACE_ORDINARY, arena_printf(p->a, "%s__size", name ? name : "enum"));

        fprintf(p->out, "%*s%s = 0x%" PRIx64 "%s,\n", indent + INDENT, "", c,
                size < 8 ? ((uint64_t)1 << (size ? size * 8 - 1 : 7)) - 1 : (uint64_t)INT64_MAX,
                size == 8 ? "LL" : "");
    }
    fprintf(p->out, "%*s}%s", indent, "", size < 4 ? " __attribute__((packed))" : "");
}

/* ---- structs ---- */

static void print_body(struct printer *p, struct plan *plan, int indent, uint64_t base);

static const char *attributes(struct printer *p, const struct plan *plan)
{
    if (plan->packed && plan->attribute)
        return arena_printf(p->a, " __attribute__((packed, aligned(%" PRIu64 ")))",
                            plan->attribute);
    if (plan->attribute)
        return arena_printf(p->a, " __attribute__((aligned(%" PRIu64 ")))", plan->attribute);
    return plan->packed ? " __attribute__((packed))" : "";
}

static void print_pad(struct printer *p, const struct item *it, int indent, uint64_t base)
{
    int n;

    if (it->kind == ITEM_PAD_BITS)
        n = fprintf(p->out, "%*sunsigned char : %" PRIu64 ";", indent, "", it->n);
    else
        n = fprintf(p->out, "%*sunsigned char __pad%u[%" PRIu64 "];", indent, "", p->n_pads++,
                    it->n);
    comment(p, n, arena_printf(p->a, "%6" PRIu64 "  padding", base + it->offset));
}

static const char *place_text(struct printer *p, const struct item *it, uint64_t base)
{
    uint64_t bit = base * 8 + it->f.bit;

    if (it->f.bit_size)
        return arena_printf(p->a, "%6" PRIu64 ":%-2" PRIu64 "  %u bit%s", bit / 8, bit % 8,
                            it->f.bit_size, it->f.bit_size == 1 ? "" : "s");
    return arena_printf(p->a, "%6" PRIu64 "  %4" PRIu64, bit / 8, ctype_size(it->f.type));
}

static void print_field(struct printer *p, const struct item *it, int indent, uint64_t base,
                        bool last)
{
    const char *name = it->f.name ? names_c(p, it->f.name) : "";
    int n;

    if (it->kind == ITEM_LOST) {
        fprintf(p->out, "%*s/* %s: lies over the members before, left out */\n", indent, "",
                *name ? name : "a member");
        return;
    }
    if (it->opaque) {
        n = fprintf(p->out, "%*sunsigned char %s[%" PRIu64 "];", indent, "", name, it->n);
        comment(p, n, place_text(p, it, base));
        return;
    }
    struct spelling s = spell(p, it->f.type, name, last, 0);
    const char *text = base_text(p, &s);
    /* Anonymous: its members are ours, so it must have no tag. */
    bool inline_record = is_record(&s.base) && (!text || !*name);
    struct plan *inner = NULL;

    if (!*name && s.base.kind == CD_TYPEDEF) {
        s.base.self = plan_core(p, it->f.type, &s.base);
        inline_record = s.base.self && is_record(&s.base);
    }
    if (inline_record) {
        fprintf(p->out, "%*s%s%s {\n", indent, "", quals_text(p, s.quals), tag_word(&s.base));
        inner = plan_of(p, s.base.self, 0);
        if (inner)
            print_body(p, inner, indent + INDENT, base + it->f.bit / 8);
        n = fprintf(p->out, "%*s}%s", indent, "", inner ? attributes(p, inner) : "");
    } else if (!text) {
        fprintf(p->out, "%*senum", indent, "");
        print_enum_body(p, s.base.self, NULL, indent);
        n = indent + 1;
    } else {
        n = fprintf(p->out, "%*s%s", indent, "", text);
    }
    if (*s.declarator)
        n += fprintf(p->out, " %s", s.declarator);
    if (it->f.bit_size)
        n += fprintf(p->out, " : %u", it->f.bit_size);
    if (it->align)
        n += fprintf(p->out, " __attribute__((aligned(%" PRIu64 ")))", it->align);
    n += fprintf(p->out, ";");
    comment(p, n, place_text(p, it, base));
}

static void print_body(struct printer *p, struct plan *plan, int indent, uint64_t base)
{
    for (uint32_t i = 0; i < plan->n && indent < DEPTH_MAX * INDENT && line(p); i++) {
        const struct item *it = &plan->items[i];

        if (it->kind == ITEM_PAD_BITS || it->kind == ITEM_PAD_BYTES)
            print_pad(p, it, indent, base);
        else
            print_field(p, it, indent, base, i && i + 1 == plan->n && !plan->is_union);
    }
}

/* Does gcc have something to say of it that is meant so? */
static bool is_odd(struct printer *p, struct plan *plan, int depth)
{
    if (plan->packed)
        return true;
    for (uint32_t i = 0; i < plan->n && depth < DEPTH_MAX; i++) {
        struct cdecl d;
        const struct ctype *core;
        struct plan *inner;

        if (plan->items[i].kind != ITEM_FIELD || plan->items[i].opaque)
            continue;
        core = plan_core(p, plan->items[i].f.type, &d);
        if (!core || !is_record(&d) || names_entity(p, core, NULL))
            continue;
        inner = plan_of(p, core, 0);
        if (inner && is_odd(p, inner, depth + 1))
            return true;
    }
    return false;
}

static void print_record(struct printer *p, const struct entity *e, struct plan *plan)
{
    bool odd = is_odd(p, plan, 0);

    p->n_pads = 0;
    begin(p, true);
    if (odd)
        fputs("#pragma GCC diagnostic push\n"
              "#pragma GCC diagnostic ignored \"-Wpragmas\"\n"
              "#pragma GCC diagnostic ignored \"-Wpacked-not-aligned\"\n"
              "#pragma GCC diagnostic ignored \"-Wpacked-bitfield-compat\"\n",
              p->out);
    fprintf(p->out, "%s %s {\n", tag_word(&e->d), e->name);
    print_body(p, plan, INDENT, 0);
    int n = fprintf(p->out, "}%s;", attributes(p, plan));

    comment(p, n, arena_printf(p->a, "size %" PRIu64, plan->size));
    if (odd)
        fputs("#pragma GCC diagnostic pop\n", p->out);
}

/* ---- what comes first ---- */

static void define(struct printer *p, const struct ctype *t, int depth);
static void mention(struct printer *p, const struct ctype *t, int depth);

static void need_all(struct printer *p, struct plan *plan, int depth)
{
    if (plan->walked)
        return;
    plan->walked = true;
    for (uint32_t i = 0; i < plan->n && !p->overrun; i++)
        if (plan->items[i].kind == ITEM_FIELD && !plan->items[i].opaque)
            define(p, plan->items[i].f.type, depth + 1);
}

struct mention {
    struct printer *p;
    int depth;
};

static void mention_param(const struct ctype *t, void *arg)
{
    struct mention *m = arg;

    if (t)
        mention(m->p, t, m->depth + 1);
}

static void mention_typedef(struct printer *p, const struct ctype *t, int depth)
{
    struct entity *e = names_entity(p, t, NULL);
    struct cdecl of;

    if (!e || e->declared)
        return;
    e->declared = true;
    if (!strncmp(e->origin, "__builtin_", 10)) { /* the compiler has it */
        e->name = e->origin;
        return;
    }
    ctype_decl(e->d.of, &of);
    if (is_record(&of) || of.kind == CD_ENUM)
        names_entity(p, of.self, e);
    mention(p, e->d.of, depth + 1);
    struct spelling s = spell(p, e->d.of, e->name, false, 0);
    const char *base = base_text(p, &s);

    begin(p, !base);
    if (base) {
        fprintf(p->out, "typedef %s %s", base, s.declarator);
    } else if (is_record(&s.base)) { /* "typedef struct { } *x" */
        struct plan *plan = s.base.incomplete ? NULL : plan_of(p, s.base.self, 0);

        fprintf(p->out, "typedef %s {\n", tag_word(&s.base));
        p->n_pads = 0;
        if (plan)
            print_body(p, plan, INDENT, 0);
        fprintf(p->out, "}%s %s", plan ? attributes(p, plan) : "", s.declarator);
    } else {
        fputs("typedef enum", p->out);
        print_enum_body(p, s.base.self, e->name, 0);
        fprintf(p->out, " %s", s.declarator);
    }
    if (e->d.align && !(e->d.align & (e->d.align - 1)))
        fprintf(p->out, " __attribute__((aligned(%" PRIu64 ")))", e->d.align);
    fputs(";\n", p->out);
}

/* A tag can be named, and an enum is there as a whole. */
static void mention_tag(struct printer *p, const struct ctype *t, const struct cdecl *d, int depth)
{
    struct entity *e = names_entity(p, t, NULL);

    if (!e) {
        struct plan *plan = is_record(d) && !d->incomplete ? plan_of(p, t, depth) : NULL;

        if (plan)
            need_all(p, plan, depth);
        return;
    }
    if (e->declared)
        return;
    e->declared = true;
    if (e->d.kind == CD_ENUM && !e->d.incomplete) {
        e->state = ENT_DEFINED;
        begin(p, true);
        fprintf(p->out, "enum %s", e->name);
        print_enum_body(p, e->type, e->name, 0);
        fputs(";\n", p->out);
        return;
    }
    begin(p, false);
    fprintf(p->out, "%s %s;\n", tag_word(&e->d), e->name);
}

/* Writes what must be there before T can be named. */
static void mention(struct printer *p, const struct ctype *t, int depth)
{
    struct mention m = {.p = p, .depth = depth};

    if (depth > DEPTH_MAX * 2)
        p->overrun = true;
    for (int i = 0; i < DEPTH_MAX && printer_step(p, &p->steps, STEPS_MAX); i++) {
        struct cdecl d;

        ctype_decl(t, &d);
        switch (d.kind) {
        case CD_TYPEDEF:
            mention_typedef(p, t, depth);
            return;
        case CD_STRUCT:
        case CD_UNION:
        case CD_ENUM:
            mention_tag(p, d.self, &d, depth);
            return;
        case CD_ARRAY: /* its elements must be complete */
            define(p, d.of, depth + 1);
            return;
        case CD_FUNC:
            ctype_params(t, mention_param, &m);
            break;
        case CD_CONST:
        case CD_VOLATILE:
        case CD_RESTRICT:
        case CD_ATOMIC:
        case CD_POINTER:
            break;
        default:
            return;
        }
        t = d.of;
    }
}

/* The record that T holds by value, typedefs being those that were written. */
static const struct ctype *held(struct printer *p, const struct ctype *t, struct cdecl *d)
{
    for (int i = 0; i < DEPTH_MAX; i++) {
        const struct ctype *core;
        struct entity *e;

        ctype_decl(t, d);
        if (d->kind == CD_TYPEDEF) {
            e = names_entity(p, t, NULL);
            t = e ? e->d.of : d->of;
            continue;
        }
        if (d->kind == CD_ARRAY || (d->kind >= CD_CONST && d->kind <= CD_ATOMIC)) {
            t = d->of;
            continue;
        }
        core = d->self;
        return core && is_record(d) ? core : NULL;
    }
    return NULL;
}

/* Writes all that a variable of type T takes. */
static void define(struct printer *p, const struct ctype *t, int depth)
{
    struct cdecl d;
    struct entity *e;

    mention(p, t, depth);
    const struct ctype *core = p->overrun ? NULL : held(p, t, &d);

    if (!core)
        return;
    e = names_entity(p, core, NULL);
    if (!e || e->state != ENT_NEW || e->d.incomplete) /* unnamed: mention has seen to it */
        return;
    e->state = ENT_BUSY;
    struct plan *plan = plan_of(p, e->type, 0);

    if (plan) {
        need_all(p, plan, depth);
        print_record(p, e, plan);
    }
    e->state = ENT_DEFINED;
}

bool types_print(struct compile *cx, const struct types_opts *o, FILE *out)
{
    struct printer p = {.cx = cx, .a = cx->arena, .o = o, .out = out};

    p.last = &p.entities;
    for (uint32_t i = 0; i < o->n_wanted; i++)
        define(&p, o->wanted[i], 0);
    for (struct entity *e = p.entities; o->deep && e && !p.overrun; e = e->next)
        define(&p, e->type, 0);
    names_free(&p);
    plan_free(&p);
    if (p.overrun)
        return diag_error(cx->diag, nowhere, "types",
                          "what these types hold is more than a header can: their debug "
                          "information is broken, or too much was asked for");
    return true;
}
