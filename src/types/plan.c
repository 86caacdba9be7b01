/*
 * plan: how a struct must be written so that a compiler lays it out as it is. Enters: members with
 * their places; leaves: the same in a row, with padding where the compiler would leave another gap,
 * "packed" where it would leave too large a one, and the alignments asked for. It follows the rules
 * of gcc and clang for System V ABIs (a bit field does not cross a unit of its type). Debug
 * information seldom tells attributes: they are found by trying. Members that lie over others
 * cannot be written, and are left out.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "types/types_priv.h"

static bool is_pow2(uint64_t n)
{
    return n && !(n & (n - 1)) && n <= 1U << 28;
}

static uint64_t round_up(uint64_t n, uint64_t align)
{
    return (n + align - 1) / align * align;
}

/* ---- alignment of what a member holds ---- */

const char *plan_base_name(const struct ctype *t)
{
    static const struct {
        const char *name, *c;
        uint64_t size;
    } known[] = {
        {"char", NULL, 1},
        {"signed char", NULL, 1},
        {"unsigned char", NULL, 1},
        {"short int", "short", 2},
        {"short", NULL, 2},
        {"short unsigned int", "unsigned short", 2},
        {"unsigned short", NULL, 2},
        {"int", NULL, 4},
        {"unsigned int", NULL, 4},
        {"long int", "long", 8},
        {"long", NULL, 8},
        {"long unsigned int", "unsigned long", 8},
        {"unsigned long", NULL, 8},
        {"long long int", "long long", 8},
        {"long long", NULL, 8},
        {"long long unsigned int", "unsigned long long", 8},
        {"unsigned long long", NULL, 8},
        {"_Bool", NULL, 1},
        {"float", NULL, 4},
        {"double", NULL, 8},
        {"long double", NULL, 16},
        {"__int128", NULL, 16},
        {"__int128 unsigned", "unsigned __int128", 16},
        {"unsigned __int128", NULL, 16},
        {"_Float128", NULL, 16},
        {"__float128", NULL, 16},
        {"complex float", "_Complex float", 8},
        {"complex double", "_Complex double", 16},
        {"complex long double", "_Complex long double", 32},
    };
    static const char *const ints[2][4] = {
        {"unsigned char", "unsigned short", "unsigned int", "unsigned long"},
        {"signed char", "short", "int", "long"}};
    struct cdecl d;
    uint64_t size = ctype_size(t);

    ctype_decl(t, &d);
    for (size_t i = 0; d.name && i < sizeof(known) / sizeof(*known); i++)
        if (size == known[i].size && !strcmp(d.name, known[i].name))
            return known[i].c ? known[i].c : known[i].name;
    switch (ctype_kind(t)) {
    case CT_BOOL:
        if (size == 1)
            return "_Bool";
        break;
    case CT_FLOAT:
        return size == 4 ? "float" : size == 8 ? "double" : size == 16 ? "long double" : NULL;
    case CT_INT:
    case CT_CHAR:
        break;
    default:
        return NULL;
    }
    for (int i = 0; i < 4; i++)
        if (size == 1U << i)
            return ints[ctype_signed(t)][i];
    return size == 16 ? "__int128" : NULL;
}

const struct ctype *plan_core(struct printer *p, const struct ctype *t, struct cdecl *d)
{
    for (int i = 0; i < DEPTH_MAX && printer_step(p, &p->steps, STEPS_MAX); i++) {
        ctype_decl(t, d);
        if (d->kind != CD_TYPEDEF && d->kind != CD_ARRAY &&
            (d->kind < CD_CONST || d->kind > CD_ATOMIC))
            return d->self;
        t = d->of;
    }
    *d = (struct cdecl){.kind = CD_VOID};
    return NULL;
}

static uint64_t align_of_core(struct printer *p, const struct ctype *t, const struct cdecl *d,
                              int depth)
{
    const char *base;
    struct plan *plan;

    switch (d->kind) {
    case CD_BASE:
        base = plan_base_name(t);
        if (base && !strncmp(base, "_Complex", 8))
            return ctype_size(t) == 32 ? 16 : ctype_size(t) / 2;
        return base ? ctype_size(t) : 0;
    case CD_POINTER:
        return ctype_size(t) == 8 ? 8 : 0;
    case CD_ENUM:
        return !d->incomplete && is_pow2(ctype_size(t)) && ctype_size(t) <= 8 ? ctype_size(t) : 0;
    case CD_STRUCT:
    case CD_UNION:
        plan = d->incomplete ? NULL : plan_of(p, t, depth + 1);
        return plan ? plan->align : 0;
    default:
        return 0;
    }
}

/* As it will be printed; 0: it cannot be, by value. */
static uint64_t align_of(struct printer *p, const struct ctype *t, int depth)
{
    struct cdecl d;
    uint64_t attribute = 0;

    for (int i = 0; i < DEPTH_MAX && printer_step(p, &p->steps, STEPS_MAX); i++) {
        ctype_decl(t, &d);
        if (d.kind == CD_TYPEDEF && !attribute && is_pow2(d.align))
            attribute = d.align;
        if (d.kind != CD_TYPEDEF && d.kind != CD_ARRAY &&
            (d.kind < CD_CONST || d.kind > CD_ATOMIC)) {
            uint64_t align = d.self ? align_of_core(p, d.self, &d, depth) : 0;

            return align && attribute ? attribute : align;
        }
        t = d.of;
    }
    return 0;
}

/* ---- a struct ---- */

struct member {
    struct cfield f;
    uint32_t order;
    uint64_t size, align; /* bytes, of its type */
    bool opaque;
};

struct layout { /* one way of writing it, tried */
    struct printer *p;
    struct plan *plan;
    struct member *v;
    uint32_t n;
    bool packed;
    uint64_t pos; /* bits */
    uint64_t align;
};

static struct item *add(struct layout *l)
{
    struct plan *plan = l->plan;

    plan->items = arena_grow(l->p->a, plan->items, plan->n, sizeof(*plan->items));
    struct item *it = &plan->items[plan->n++];

    *it = (struct item){.kind = ITEM_LOST};
    return it;
}

/* Up to bit TO: bits to the next byte, bytes, bits. Fields of char never move by themselves. */
static void pad(struct layout *l, uint64_t to)
{
    while (l->pos < to) {
        uint64_t in_byte = l->pos % 8, left = to - l->pos;
        struct item *it = add(l);

        it->offset = l->pos / 8;
        if (!in_byte && left >= 8) {
            it->kind = ITEM_PAD_BYTES;
            it->n = left / 8;
            l->pos += it->n * 8;
            continue;
        }
        it->kind = ITEM_PAD_BITS;
        it->n = left < 8 - in_byte ? left : 8 - in_byte;
        l->pos += it->n;
    }
}

static void lose(struct layout *l, const struct member *m)
{
    struct item *it = add(l);

    it->f = m->f;
}

static bool straddles(uint64_t bit, uint64_t width, uint64_t size, uint64_t align)
{
    return (bit % (align * 8) + width + align * 8 - 1) / (align * 8) > size / align;
}

/* False: not in this way. */
static bool put_bits(struct layout *l, const struct member *m)
{
    uint64_t at = l->pos;

    if (!l->packed && straddles(at, m->f.bit_size, m->size, m->align))
        at = round_up(at, m->align * 8);
    if (at != m->f.bit) {
        if (l->pos > m->f.bit) {
            lose(l, m);
            return l->packed;
        }
        if (!l->packed && straddles(m->f.bit, m->f.bit_size, m->size, m->align))
            return false;
        pad(l, m->f.bit);
    }
    struct item *it = add(l);

    it->kind = ITEM_FIELD;
    it->f = m->f;
    if (!l->packed && m->align > l->align)
        l->align = m->align;
    l->pos = m->f.bit + m->f.bit_size;
    return true;
}

static bool put_bytes(struct layout *l, const struct member *m)
{
    uint64_t offset = m->f.bit / 8, at = round_up(l->pos, 8) / 8;
    uint64_t own = is_pow2(m->f.align) && offset % m->f.align == 0 ? m->f.align : 0;
    uint64_t align = l->packed ? 1 : m->align;

    if (own > align)
        align = own;
    else
        own = 0;
    if (m->f.bit % 8 || l->pos > m->f.bit) {
        lose(l, m);
        return l->packed;
    }
    if (offset % align)
        return false;
    if (round_up(at, align) != offset)
        pad(l, m->f.bit);
    struct item *it = add(l);

    it->kind = ITEM_FIELD;
    it->f = m->f;
    it->opaque = m->opaque;
    it->n = m->size;
    it->align = own;
    if (align > l->align)
        l->align = align;
    l->pos = m->f.bit + m->size * 8;
    return true;
}

/* Its attribute and what is left at the end. */
static bool finish(struct layout *l, uint64_t attribute, uint64_t size)
{
    struct plan *plan = l->plan;
    uint64_t end = round_up(l->pos, 8) / 8;

    if (is_pow2(attribute) && size % attribute == 0 && attribute > l->align) {
        plan->attribute = attribute;
        l->align = attribute;
    }
    if (size % l->align || end > size)
        return false;
    if (round_up(end, l->align) != size) {
        if (plan->is_union) {
            struct item *it = add(l);

            it->kind = ITEM_PAD_BYTES;
            it->n = size;
        } else {
            pad(l, size * 8);
        }
    }
    plan->packed = l->packed;
    plan->align = l->align;
    return true;
}

static bool try_layout(struct layout *l, uint64_t attribute, uint64_t size)
{
    uint64_t end = 0;

    l->plan->n = 0;
    l->plan->attribute = 0;
    l->align = 1;
    l->pos = 0;
    for (uint32_t i = 0; i < l->n; i++) {
        const struct member *m = &l->v[i];

        if (l->plan->is_union) {
            l->pos = 0;
            if (m->f.bit) {
                lose(l, m);
                continue;
            }
        }
        if (!(m->f.bit_size ? put_bits(l, m) : put_bytes(l, m)))
            return false;
        if (l->pos > end)
            end = l->pos;
    }
    l->pos = end;
    return finish(l, attribute, size);
}

static void take_member(const struct cfield *f, void *arg)
{
    struct layout *l = arg;

    if (!printer_step(l->p, &l->p->steps, STEPS_MAX))
        return;
    l->v = arena_grow(l->p->a, l->v, l->n, sizeof(*l->v));
    l->v[l->n] = (struct member){.f = *f, .order = l->n};
    l->n++;
}

static int by_place(const void *a, const void *b)
{
    const struct member *x = a, *y = b;

    if (x->f.bit != y->f.bit)
        return x->f.bit < y->f.bit ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

/* What is known of each member's type; those that are of no use are dropped. */
static void measure(struct layout *l, uint64_t size, int depth)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < l->n; i++) {
        struct member m = l->v[i];
        struct cdecl d;
        const struct ctype *core = plan_core(l->p, m.f.type, &d);
        bool is_record = d.kind == CD_STRUCT || d.kind == CD_UNION;

        m.size = ctype_size(m.f.type);
        m.align = core ? align_of(l->p, m.f.type, depth) : 0;
        if (!m.align) {
            m.opaque = true;
            m.align = 1;
        }
        if (m.f.bit / 8 > size || m.size > size - m.f.bit / 8) {
            if (!m.f.bit_size)
                continue;
        }
        if (m.f.bit_size && (m.opaque || is_record || m.f.bit_size > m.size * 8 ||
                             m.f.bit + m.f.bit_size > size * 8))
            continue;
        if (!m.f.name && (!is_record || m.opaque))
            continue;
        l->v[n++] = m;
    }
    l->n = n;
}

struct plan *plan_of(struct printer *p, const struct ctype *t, int depth)
{
    struct plan *plan;
    struct cdecl d;

    HASH_FIND_PTR(p->plans, &t, plan);
    if (plan)
        return plan->state == PLAN_DONE ? plan : NULL;
    if (depth > DEPTH_MAX || p->overrun)
        return NULL;
    ctype_decl(t, &d);
    plan = ARENA_NEW(p->a, struct plan);
    plan->type = t;
    plan->state = PLAN_BUSY;
    plan->is_union = d.kind == CD_UNION;
    plan->size = ctype_size(t);
    HASH_ADD_PTR(p->plans, type, plan);
    if (plan->size > UINT64_MAX / 16)
        return NULL;
    struct layout l = {.p = p, .plan = plan};

    ctype_fields(t, take_member, &l);
    measure(&l, plan->size, depth);
    if (l.n && !plan->is_union)
        qsort(l.v, l.n, sizeof(*l.v), by_place);
    if (!try_layout(&l, d.align, plan->size)) {
        l.packed = true;
        if (!try_layout(&l, d.align, plan->size)) {
            plan->n = 0;
            l.n = 0;
            l.pos = 0;
            l.align = 1;
            plan->attribute = 0;
            if (!finish(&l, 0, plan->size))
                return NULL;
        }
    }
    plan->state = PLAN_DONE;
    return plan;
}

void plan_free(struct printer *p)
{
    HASH_CLEAR(hh, p->plans);
}
