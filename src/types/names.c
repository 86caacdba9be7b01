/*
 * names: which identifier of C each type has. Enters: types; leaves: one entity for the many times
 * that debug information describes a type (once a compile unit), with a name of its own. Keywords,
 * clashes and --rename are dealt with here. Names are untrusted: what is no identifier becomes one.
 */
#include <ctype.h>
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "types/types_priv.h"

bool printer_step(struct printer *p, uint32_t *count, uint32_t max)
{
    if (*count >= max)
        p->overrun = true;
    else
        ++*count;
    return !p->overrun;
}

/* ---- identifiers ---- */

/* Also what gcc predefines as macros without underscores. */
static bool is_keyword(const char *name)
{
    static const char *const words[] = {
        "auto",          "break",     "case",          "char",       "const",      "continue",
        "default",       "do",        "double",        "else",       "enum",       "extern",
        "float",         "for",       "goto",          "if",         "inline",     "int",
        "long",          "register",  "restrict",      "return",     "short",      "signed",
        "sizeof",        "static",    "struct",        "switch",     "typedef",    "union",
        "unsigned",      "void",      "volatile",      "while",      "asm",        "typeof",
        "linux",         "unix",      "i386",          "_Alignas",   "_Alignof",   "_Atomic",
        "_Bool",         "_Complex",  "_Generic",      "_Imaginary", "_Noreturn",  "_Static_assert",
        "_Thread_local", "__int128",  "__attribute__", "__asm__",    "__typeof__", "__auto_type",
        "__extension__", "__label__", "__real__",      "__imag__",   "__thread"};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (!strcmp(name, words[i]))
            return true;
    return false;
}

const char *names_c(struct printer *p, const char *name)
{
    size_t n = strnlen(name, C_NAME_MAX);
    char *c = arena_printf(p->a, "%s%.*s%s", isdigit((unsigned char)*name) ? "_" : "", (int)n, name,
                           is_keyword(name) ? "_" : "");

    for (char *s = c; *s; s++)
        if (!is_word(*s) && *s != '$')
            *s = '_';
    return c;
}

static struct word *word_of(struct printer *p, struct word **table, enum space space,
                            const char *name, bool add)
{
    const char *key = arena_printf(p->a, "%d:%s", space, name);
    struct word *w;

    HASH_FIND_STR(*table, key, w);
    if (w || !add)
        return w;
    w = ARENA_NEW(p->a, struct word);
    w->key = key;
    HASH_ADD_KEYPTR(hh, *table, w->key, strlen(w->key), w);
    return w;
}

static const char *renamed(const struct printer *p, const char *name)
{
    for (uint32_t i = 0; i < p->o->n_renames; i++) {
        struct types_rename *r = &p->o->renames[i];

        if (!strcmp(r->from, name)) {
            r->used = true;
            return r->to;
        }
    }
    return name;
}

const char *names_take(struct printer *p, enum space space, const char *name)
{
    const char *base = names_c(p, renamed(p, name)), *c = base;

    for (unsigned i = 2; word_of(p, &p->used, space, c, false); i++)
        c = arena_printf(p->a, "%s__%u", base, i);
    word_of(p, &p->used, space, c, true);
    return c;
}

/* ---- which types are one ---- */

struct shape {
    struct printer *p;
    uint64_t hash;
};

static void mix(struct shape *s, uint64_t v)
{
    s->hash = (s->hash ^ v) * 0x9e3779b97f4a7c15;
    s->hash ^= s->hash >> 29;
}

static void mix_text(struct shape *s, const char *text)
{
    s->hash = bytes_hash(s->hash, text, text ? strlen(text) : 0);
    mix(s, 1);
}

static void mix_field(const struct cfield *f, void *arg)
{
    struct shape *s = arg;

    printer_step(s->p, &s->p->steps, STEPS_MAX);
    mix_text(s, f->name);
    mix_text(s, ctype_text(s->p->a, f->type));
    mix(s, f->bit);
    mix(s, f->bit_size);
    mix(s, ctype_size(f->type));
}

static void mix_enumerator(const char *name, int64_t value, void *arg)
{
    mix_text(arg, name);
    mix(arg, (uint64_t)value);
}

/* Of a type and its direct members. */
static uint64_t shape_of(struct printer *p, const struct ctype *t, const struct cdecl *d)
{
    struct shape s = {.p = p, .hash = d->kind};
    struct cdecl of;

    mix(&s, ctype_size(t));
    ctype_fields(t, mix_field, &s);
    ctype_enumerators(t, mix_enumerator, &s);
    if (d->kind == CD_TYPEDEF) {
        mix_text(&s, d->of ? ctype_text(p->a, d->of) : "void");
        ctype_decl(d->of, &of);
        if (!of.name)
            mix(&s, of.kind == CD_STRUCT || of.kind == CD_UNION || of.kind == CD_ENUM
                        ? shape_of(p, of.self, &of)
                        : 0);
    }
    return s.hash;
}

static bool is_same(struct printer *p, const struct entity *e, const struct cdecl *d)
{
    if (e->d.kind != d->kind)
        return false;
    if (e->type == d->self || e->d.incomplete || d->incomplete)
        return true;
    return shape_of(p, e->type, &e->d) == shape_of(p, d->self, d);
}

static struct entity *known(struct printer *p, const struct ctype *t)
{
    struct alias *a;

    HASH_FIND_PTR(p->aliases, &t, a);
    return a ? a->e : NULL;
}

static void remember(struct printer *p, const struct ctype *t, struct entity *e)
{
    if (known(p, t))
        return;
    struct alias *a = ARENA_NEW(p->a, struct alias);

    a->type = t;
    a->e = e;
    HASH_ADD_PTR(p->aliases, type, a);
}

/* A tag for a struct that has none: its typedef's name, unless a struct has that. */
static const char *made_tag(struct printer *p, const struct ctype *t, const char *name)
{
    static const char *const tags[] = {"struct", "union", "enum"};
    struct dbg *m = ctype_module(t);
    struct cdecl d;

    for (size_t i = 0; m && i < 3; i++) {
        const struct ctype *other = dbg_type(m, arena_printf(p->a, "%s %s", tags[i], name));

        ctype_decl(other, &d);
        if (other && d.self != t)
            return arena_printf(p->a, "%s__unnamed", name);
    }
    return name;
}

struct entity *names_entity(struct printer *p, const struct ctype *t,
                            const struct entity *typedef_of)
{
    struct cdecl d;
    struct entity *e;

    ctype_decl(t, &d);
    e = known(p, d.self);
    if (e || (!d.name && !typedef_of))
        return e;
    const char *origin = d.name ? d.name : made_tag(p, d.self, typedef_of->origin);
    enum space space = d.kind == CD_TYPEDEF ? SPACE_ORDINARY : SPACE_TAG;
    struct word *w = word_of(p, &p->origins, space, origin, true);

    for (e = w->first; e; e = e->same_name) {
        if (!is_same(p, e, &d))
            continue;
        if (e->d.incomplete && !d.incomplete && e->state == ENT_NEW) {
            e->type = d.self;
            e->d = d;
        }
        remember(p, d.self, e);
        return e;
    }
    if (!printer_step(p, &p->n_entities, ENTITIES_MAX))
        return NULL;
    e = ARENA_NEW(p->a, struct entity);
    *e = (struct entity){.type = d.self, .d = d, .origin = origin, .same_name = w->first};
    e->name = names_take(p, space, origin);
    w->first = e;
    *p->last = e;
    p->last = &e->next;
    remember(p, d.self, e);
    return e;
}

void names_free(struct printer *p)
{
    HASH_CLEAR(hh, p->aliases);
    HASH_CLEAR(hh, p->origins);
    HASH_CLEAR(hh, p->used);
}
