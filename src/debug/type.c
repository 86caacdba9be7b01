/*
 * type: C types, whatever source knows them. Enters: names as scripts write them, types; leaves:
 * interned struct ctype (one for each of a source's records), and what their source says of them.
 * void, pointers that a script makes ("T *") and the spelling of names are everybody's, so they are
 * here. Refused: names that are no C type's.
 */
#include <ctype.h>
#include <string.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "debug/source.h"

/* ---- interning ---- */

static struct ctype *intern(struct debuginfo *di, struct ctype **table, struct type_key key,
                            bool *fresh)
{
    struct ctype *t;

    HASH_FIND(hh, *table, &key, sizeof(key), t);
    *fresh = !t;
    if (t)
        return t;
    t = ARENA_NEW(di->a, struct ctype);
    t->key = key;
    t->di = di;
    HASH_ADD(hh, *table, key, sizeof(t->key), t);
    return t;
}

struct ctype *ctype_intern(struct dbg *m, const void *record, uint64_t dim, bool *fresh)
{
    struct ctype *t = intern(m->di, &m->di->types, (struct type_key){record, dim}, fresh);

    if (*fresh)
        t->m = m;
    return t;
}

const struct ctype *ctype_void(struct debuginfo *di)
{
    bool fresh;
    struct ctype *t = intern(di, &di->types, (struct type_key){NULL, 0}, &fresh);

    t->is_void = true;
    return t;
}

const struct ctype *ctype_pointer_to(struct debuginfo *di, const struct ctype *t)
{
    bool fresh;
    const struct ctype *to = t ? t : ctype_void(di);
    struct ctype *p = intern(di, &di->pointers, (struct type_key){to, 0}, &fresh);

    if (fresh) {
        p->m = to->m;
        p->made_up = true;
        p->pointee = to;
    }
    return p;
}

/* ---- questions ---- */

static const struct dbg_source *source_of(const struct ctype *t)
{
    return t->m->source;
}

/* The results are caches: const is kept for callers. */
struct ctype *ctype_strip(const struct ctype *t)
{
    struct ctype *w = (struct ctype *)t;

    if (!w->stripped)
        w->kind = w->is_void ? CT_VOID : w->made_up ? CT_POINTER : source_of(w)->kind(w);
    w->stripped = true;
    return w;
}

enum ctype_kind ctype_kind(const struct ctype *t)
{
    return ctype_strip(t)->kind;
}

struct ctype *ctype_complete(const struct ctype *t)
{
    struct ctype *w = ctype_strip(t);

    return w->is_void || w->made_up || !source_of(w)->complete ? w : source_of(w)->complete(w);
}

struct dbg *ctype_module(const struct ctype *t)
{
    struct dbg *m = ctype_complete(t)->m;

    return m && m->of ? m->of : m;
}

bool ctype_is_kernel(const struct ctype *t)
{
    return t->m && dbg_is_kernel(t->m);
}

/* ---- files of layouts that fit one module: what they do not agree on is not known ---- */

/* W in the Ith that is as good as its own; NULL: it has no name there. */
static const struct ctype *in_alike(const struct ctype *w, uint32_t i)
{
    return dbg_type(w->m->alike[i], ctype_text(w->di->a, w));
}

static bool is_like(const struct ctype *a, const struct ctype *b)
{
    return ctype_kind(a) == ctype_kind(b) && ctype_size(a) == ctype_size(b);
}

static void say_unlike(const struct ctype *w, uint32_t i, const char *member)
{
    diag_error(w->di->cx->diag, (struct span){0}, "layouts",
               "%s and %s both fit %s, but do not agree on %s%sof '%s'", w->m->path,
               w->m->alike[i]->path, w->m->of->path, member ? member : "the size ",
               member ? " " : "", ctype_text(w->di->a, w));
}

static void hash_enumerator(const char *name, int64_t value, void *arg)
{
    uint64_t *h = arg;

    *h = bytes_hash(bytes_hash(*h, name, strlen(name)), &value, sizeof(value));
}

/* Of an enumeration: are they the same in all? */
static void check_enumerators(const struct ctype *t)
{
    for (uint32_t i = 0; t->m && i < t->m->n_alike; i++) {
        const struct ctype *theirs = in_alike(t, i);
        uint64_t ours = BYTES_HASH, others = BYTES_HASH;

        if (!theirs)
            continue;
        ctype_enumerators(theirs, hash_enumerator, &others);
        source_of(t)->type_enumerators(t, hash_enumerator, &ours);
        if (ours != others)
            say_unlike(t, i, "the enumerators");
    }
}

static void check_field(const struct cfield *f, void *arg)
{
    struct cmember m;

    if (f->name)
        ctype_member(arg, f->name, &m);
}

uint64_t ctype_size(const struct ctype *t)
{
    struct ctype *w = ctype_complete(t);
    uint64_t size = w->is_void ? 0 : w->made_up ? 8 : source_of(w)->size(w);

    for (uint32_t i = 0; w->m && i < w->m->n_alike; i++) {
        const struct ctype *theirs = w->made_up ? NULL : in_alike(w, i);

        if (theirs && ctype_size(theirs) != size)
            say_unlike(w, i, NULL);
    }
    return size;
}

uint64_t ctype_array_len(const struct ctype *t)
{
    return t->is_void || t->made_up ? 0 : source_of(t)->array_len(t);
}

bool ctype_signed(const struct ctype *t)
{
    struct ctype *w = ctype_complete(t);

    return !w->is_void && !w->made_up && source_of(w)->is_signed(w);
}

const struct ctype *ctype_target(const struct ctype *t)
{
    if (t->made_up)
        return t->pointee->is_void ? NULL : t->pointee;
    return t->is_void ? NULL : source_of(t)->target(t);
}

const char *ctype_text_at(struct arena *a, const struct ctype *t, int depth)
{
    if (depth > NESTING_MAX)
        return "...";
    if (t->is_void)
        return "void";
    if (!t->made_up)
        return source_of(t)->text(a, t, depth);
    const char *to = ctype_text_at(a, t->pointee, depth + 1);

    return arena_printf(a, "%s%s*", to, to[strlen(to) - 1] == '*' ? "" : " ");
}

const char *ctype_text(struct arena *a, const struct ctype *t)
{
    return ctype_text_at(a, t, 0);
}

bool ctype_member(const struct ctype *t, const char *name, struct cmember *out)
{
    struct ctype *w = ctype_complete(t);
    bool found = !w->is_void && !w->made_up && source_of(w)->members(w, name, out, NULL, NULL);

    for (uint32_t i = 0; w->m && i < w->m->n_alike; i++) {
        const struct ctype *theirs = in_alike(w, i);
        struct cmember m;

        if (theirs && (ctype_member(theirs, name, &m) != found ||
                       (found && (m.offset != out->offset || m.bit_off != out->bit_off ||
                                  m.bit_size != out->bit_size || !is_like(m.type, out->type)))))
            say_unlike(w, i, name);
    }
    return found;
}

void ctype_members(const struct ctype *t, dbg_member_fn *fn, void *arg)
{
    struct ctype *w = ctype_complete(t);

    if (!w->is_void && !w->made_up)
        source_of(w)->members(w, NULL, NULL, fn, arg);
}

/* ---- types as they are declared ---- */

void ctype_decl(const struct ctype *t, struct cdecl *out)
{
    *out = (struct cdecl){.kind = CD_VOID, .self = t};
    if (!t || t->is_void)
        return;
    if (!t->made_up) {
        source_of(t)->decl(t, out);
        return;
    }
    out->kind = CD_POINTER;
    out->of = t->pointee->is_void ? NULL : t->pointee;
}

void ctype_fields(const struct ctype *t, dbg_field_fn *fn, void *arg)
{
    struct cdecl d;

    ctype_decl(t, &d);
    if (d.kind != CD_STRUCT && d.kind != CD_UNION)
        return;
    if (d.self->m->n_alike)
        source_of(d.self)->fields(d.self, check_field, (void *)d.self);
    source_of(d.self)->fields(d.self, fn, arg);
}

void ctype_enumerators(const struct ctype *t, dbg_value_fn *fn, void *arg)
{
    struct cdecl d;

    ctype_decl(t, &d);
    if (d.kind != CD_ENUM)
        return;
    check_enumerators(d.self);
    source_of(d.self)->type_enumerators(d.self, fn, arg);
}

void ctype_params(const struct ctype *t, dbg_type_fn *fn, void *arg)
{
    struct cdecl d;

    ctype_decl(t, &d);
    if (d.kind == CD_FUNC)
        source_of(t)->params(t, fn, arg);
}

/* ---- types by name ---- */

/* "unsigned long" and its like as DWARF's producers spell them; NULL: not made of such words. */
static const char *base_type_name(const char *name)
{
    int is_unsigned = 0, is_signed = 0, n_long = 0, n_short = 0, n_char = 0, n_int = 0,
        n_double = 0;

    for (const char *p = name; *p;) {
        size_t len;

        while (*p == ' ')
            p++;
        len = strcspn(p, " ");
        if (len == 8 && !strncmp(p, "unsigned", len))
            is_unsigned++;
        else if (len == 6 && !strncmp(p, "signed", len))
            is_signed++;
        else if (len == 4 && !strncmp(p, "long", len))
            n_long++;
        else if (len == 5 && !strncmp(p, "short", len))
            n_short++;
        else if (len == 4 && !strncmp(p, "char", len))
            n_char++;
        else if (len == 3 && !strncmp(p, "int", len))
            n_int++;
        else if (len == 6 && !strncmp(p, "double", len))
            n_double++;
        else if (len)
            return NULL;
        p += len;
    }
    if (is_unsigned + is_signed > 1 || n_short + n_char + n_double > 1 || n_int > 1 || n_long > 2)
        return NULL;
    if (n_double)
        return n_long ? "long double" : "double";
    if (n_char)
        return is_unsigned ? "unsigned char" : is_signed ? "signed char" : "char";
    if (n_short)
        return is_unsigned ? "short unsigned int" : "short int";
    if (n_long == 2)
        return is_unsigned ? "long long unsigned int" : "long long int";
    if (n_long)
        return is_unsigned ? "long unsigned int" : "long int";
    return is_unsigned ? "unsigned int" : "int";
}

/* Skips WORD and the blanks after it. */
static bool skip_word(const char **p, const char *word)
{
    size_t len = strlen(word);

    if (strncmp(*p, word, len) || (isalnum((unsigned char)(*p)[len]) || (*p)[len] == '_'))
        return false;
    *p += len;
    while (isspace((unsigned char)**p))
        (*p)++;
    return true;
}

/* clang's spelling of a base type; NULL: it is the same. */
static const char *clang_name(const char *name)
{
    static const char *const other[][2] = {
        {"long unsigned int", "unsigned long"},           {"long int", "long"},
        {"long long unsigned int", "unsigned long long"}, {"long long int", "long long"},
        {"short unsigned int", "unsigned short"},         {"short int", "short"},
    };

    for (size_t i = 0; i < sizeof(other) / sizeof(*other); i++)
        if (!strcmp(name, other[i][0]))
            return other[i][1];
    return NULL;
}

/* "struct NAME" and its like, or a name alone; base types in any spelling. */
static const struct ctype *lookup(struct dbg *m, const char *name)
{
    static const char *const tags[] = {"struct", "class", "union", "enum"};

    for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++)
        if (skip_word(&name, tags[i]))
            return m->source->type(m, i == 1 ? "struct" : tags[i], name);
    const struct ctype *t = m->source->type(m, "", name);
    const char *base = t ? NULL : base_type_name(name);

    if (base)
        t = m->source->type(m, "", base);
    base = t || !base ? NULL : clang_name(base);
    return base ? m->source->type(m, "", base) : t;
}

const struct ctype *dbg_type(struct dbg *m, const char *name)
{
    char buf[NAME_LEN_MAX];
    size_t len = strlen(name);
    int stars = 0;

    if (!m->source || len >= sizeof(buf))
        return NULL;
    memcpy(buf, name, len + 1);
    for (;;) { /* from the end: blanks, stars, and qualifiers of the pointers */
        static const char *const words[] = {"const", "volatile", "restrict"};
        size_t before = len;

        while (len && isspace((unsigned char)buf[len - 1]))
            len--;
        if (len && buf[len - 1] == '*') {
            len--;
            stars++;
        }
        for (size_t i = 0; i < 3; i++) {
            size_t w = strlen(words[i]);

            if (len > w && !strncmp(buf + len - w, words[i], w) &&
                (isspace((unsigned char)buf[len - w - 1]) || buf[len - w - 1] == '*'))
                len -= w;
        }
        if (len == before)
            break;
    }
    buf[len] = '\0';
    const char *p = buf;

    while (isspace((unsigned char)*p))
        p++;
    while (skip_word(&p, "const") || skip_word(&p, "volatile"))
        ;
    if (!*p || stars > NESTING_MAX)
        return NULL;
    const struct ctype *t = !strcmp(p, "void") && stars ? ctype_void(m->di) : lookup(m, p);

    for (; t && stars; stars--)
        t = ctype_pointer_to(m->di, t);
    return t;
}

const struct ctype *dbg_type_beside(struct dbg *m, const char *name)
{
    const struct ctype *t = NULL;

    for (struct dbg *other = m->di->modules; other && !t; other = other->next)
        if (other != m && !dbg_is_kernel(other))
            t = dbg_type(other, name);
    return t;
}
