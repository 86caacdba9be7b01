/*
 * abi_x86_64: parameters by the psABI of x86-64, 3.2.3. Enters: a type; leaves: a register,
 * a place on the stack, or that it is in several registers.
 */
#include "debug/abi_args.h"

enum { SSE_REGS = 8 };

enum class { CLASS_NONE, CLASS_SSE, CLASS_INTEGER, CLASS_MEMORY };

struct passed { /* how a value of a type is passed */
    enum class part[2];
    int n_parts; /* eightbytes; 0: in memory */
    bool known;
    uint64_t size, align;
    unsigned visits; /* structs can claim to hold themselves */
};

static enum class merge(enum class a, enum class b) { return a > b ? a : b; }

struct classifying {
    struct passed *p;
    uint64_t base;
    int depth;
};

static void classify_at(const struct ctype *t, uint64_t offset, struct passed *p, int depth);

static void classify_member(const struct cmember *m, void *arg)
{
    struct classifying *c = arg;

    if (c->p->visits > ABI_VISITS)
        return;
    classify_at(m->type, c->base + m->offset, c->p, c->depth + 1);
}

static void classify_at(const struct ctype *t, uint64_t offset, struct passed *p, int depth)
{
    uint64_t size = ctype_size(t);
    enum class c = CLASS_MEMORY;

    if (!size || depth > 8 || offset >= 16 || size > 16 - offset || ++p->visits > ABI_VISITS) {
        p->known &= size != 0 && p->visits <= ABI_VISITS;
        p->part[0] = CLASS_MEMORY;
        return;
    }
    switch (ctype_kind(t)) {
    case CT_INT:
    case CT_BOOL:
    case CT_CHAR:
    case CT_ENUM:
    case CT_POINTER:
        c = CLASS_INTEGER;
        break;
    case CT_FLOAT:
        c = size <= 8
                ? CLASS_SSE
                : CLASS_MEMORY; /* long double; __float128 is never in a kernel's reach either */
        break;
    case CT_STRUCT:
    case CT_UNION:
        ctype_members(t, classify_member, &(struct classifying){p, offset, depth});
        return;
    case CT_ARRAY: {
        const struct ctype *element = ctype_target(t);
        uint64_t each = element ? ctype_size(element) : 0;

        for (uint64_t at = 0; each && at + each <= size; at += each)
            classify_at(element, offset + at, p, depth + 1);
        return;
    }
    default:
        p->known = false;
        return;
    }
    if (size <= 8 && offset % size) /* an unaligned field puts the whole in memory */
        c = CLASS_MEMORY;
    for (uint64_t part = offset / 8; part <= (offset + size - 1) / 8; part++)
        p->part[part] = merge(p->part[part], c);
}

static struct passed classify(const struct ctype *t)
{
    struct passed p = {.known = true, .size = ctype_size(t), .align = 8};

    if (!p.size) {
        p.known = false;
        return p;
    }
    if (ctype_kind(t) == CT_FLOAT && p.size > 8) {
        p.align = 16;
        return p;
    }
    if (p.size > 16)
        return p; /* in memory, whatever is in it; its alignment is taken for 8 */
    classify_at(t, 0, &p, 0);
    p.n_parts = p.part[0] == CLASS_MEMORY || p.part[1] == CLASS_MEMORY ? 0 : p.size > 8 ? 2 : 1;
    if (p.n_parts && (p.part[0] == CLASS_NONE || (p.n_parts == 2 && p.part[1] == CLASS_NONE)))
        p.known = false;
    return p;
}

/* In memory, to which the caller gives the address in the first register? */
static bool result(struct abi_state *s, const struct ctype *t)
{
    struct passed p = classify(t);

    s->ints += p.n_parts == 0;
    return p.known;
}

static bool param(struct abi_state *s, const struct ctype *t, struct abi_place *out)
{
    struct passed p = classify(t);
    int ints = 0, sses = 0;
    uint64_t offset;

    if (!p.known)
        return false;
    for (int i = 0; i < p.n_parts; i++) {
        ints += p.part[i] == CLASS_INTEGER;
        sses += p.part[i] == CLASS_SSE;
    }
    if (!p.n_parts || s->ints + ints > s->arch->n_args || s->floats + sses > SSE_REGS) {
        if (!abi_take_stack(s, p.size, p.align, &offset))
            return false;
        abi_on_stack(out, offset);
        return true;
    }
    if (p.n_parts > 1)
        out->why = abi_in_several;
    else if (sses)
        abi_in_register(out, (unsigned)(s->arch->first_float_arg + s->floats));
    else
        abi_in_register(out, s->arch->args[s->ints]);
    s->ints += ints;
    s->floats += sses;
    return true;
}

const struct abi abi_sysv_x86_64 = {result, param};
