/*
 * abi_aapcs64: parameters by the Procedure Call Standard for AArch64 (IHI 0055, 6.8.2), whose
 * rules are named. Enters: a type; leaves: a register, a place on the stack, an address that is in
 * one of those (large structures are copied, and their address is passed), or that it is in several
 * registers. Refused: complex numbers and vectors, unions of floating-point numbers.
 */
#include "debug/abi_args.h"

enum { FLOAT_REGS = 8, FLOATS_OF_ONE = 4, LARGE = 16 };

struct shape { /* what the members of a type are */
    int floats, others;
    uint64_t float_size; /* of each; 0: of different sizes */
    uint64_t align;
    unsigned visits;
    bool known;
};

static void look(const struct ctype *t, struct shape *s, int depth);

struct looking {
    struct shape *s;
    int depth;
};

static void look_at_member(const struct cmember *m, void *arg)
{
    struct looking *l = arg;

    if (l->s->visits <= ABI_VISITS)
        look(m->type, l->s, l->depth);
}

static void add_scalar(struct shape *s, uint64_t size, bool is_float)
{
    if (size > s->align)
        s->align = size;
    s->others += !is_float;
    if (!is_float)
        return;
    s->float_size = s->floats && s->float_size != size ? 0 : size;
    s->floats++;
}

static void look(const struct ctype *t, struct shape *s, int depth)
{
    uint64_t size = ctype_size(t), before = s->visits;

    if (!size || depth > 8 || ++s->visits > ABI_VISITS) {
        s->known = false;
        return;
    }
    switch (ctype_kind(t)) {
    case CT_INT:
    case CT_BOOL:
    case CT_CHAR:
    case CT_ENUM:
    case CT_POINTER:
        add_scalar(s, size, false);
        return;
    case CT_FLOAT:
        add_scalar(s, size, true);
        return;
    case CT_STRUCT:
    case CT_UNION:
        ctype_members(t, look_at_member, &(struct looking){s, depth + 1});
        s->known &= s->visits > before + 1; /* else nothing of it is known */
        return;
    case CT_ARRAY: {
        const struct ctype *element = ctype_target(t);
        uint64_t each = element ? ctype_size(element) : 0;

        for (uint64_t at = 0; each && at + each <= size && s->visits <= ABI_VISITS; at += each)
            look(element, s, depth + 1);
        return;
    }
    default:
        s->known = false;
        return;
    }
}

static bool is_composite(const struct ctype *t)
{
    enum ctype_kind k = ctype_kind(t);

    return k == CT_STRUCT || k == CT_UNION;
}

/* Of up to four floating-point numbers of one size and nothing else (HFA)? 0, or how many. */
static int homogeneous(const struct shape *s, uint64_t size)
{
    bool ok = !s->others && s->float_size && s->floats <= FLOATS_OF_ONE;

    return ok && s->float_size * (uint64_t)s->floats == size ? s->floats : 0;
}

/* A large one is stored to where x8 points: that is none of the parameters' registers (6.9). */
static bool result(struct abi_state *s, const struct ctype *t)
{
    return ctype_size(t) != 0;
}

/* C.1 to C.6 */
static bool in_floats(struct abi_state *s, int n, uint64_t size, uint64_t align,
                      struct abi_place *out)
{
    uint64_t offset;

    if (s->floats + n <= FLOAT_REGS) {
        if (n == 1)
            abi_in_register(out, (unsigned)(s->arch->first_float_arg + s->floats));
        else
            out->why = abi_in_several;
        s->floats += n;
        return true;
    }
    s->floats = FLOAT_REGS;
    if (!abi_take_stack(s, size, align, &offset))
        return false;
    abi_on_stack(out, offset);
    return true;
}

/* C.9 to C.17. BY_ADDRESS: what is passed is where the value lies. */
static bool in_integers(struct abi_state *s, uint64_t size, uint64_t align, bool by_address,
                        struct abi_place *out)
{
    int n = (int)((size + 7) / 8);
    uint64_t offset;

    if (align > 8)
        s->ints += s->ints % 2;
    if (s->ints + n <= s->arch->n_args) {
        if (n > 1)
            out->why = abi_in_several;
        else if (by_address)
            abi_at_register(out, s->arch->args[s->ints]);
        else
            abi_in_register(out, s->arch->args[s->ints]);
        s->ints += n;
        return true;
    }
    s->ints = s->arch->n_args;
    if (!abi_take_stack(s, size, align, &offset))
        return false;
    if (by_address)
        abi_at_stack(out, offset);
    else
        abi_on_stack(out, offset);
    return true;
}

static bool param(struct abi_state *s, const struct ctype *t, struct abi_place *out)
{
    uint64_t size = ctype_size(t);
    struct shape shape = {.align = 8, .known = true};

    if (!size)
        return false;
    if (is_composite(t) && size > (uint64_t)LARGE * FLOATS_OF_ONE)
        return in_integers(s, 8, 8, true, out); /* B.4; no HFA is so large */
    look(t, &shape, 0);
    if (!shape.known)
        return false;
    int floats = homogeneous(&shape, size);

    if (floats)
        return in_floats(s, floats, size, shape.align, out);
    if (shape.float_size && !shape.others && (uint64_t)shape.floats * shape.float_size != size)
        return false; /* they lie over each other, or apart */
    if (is_composite(t) && size > LARGE)
        return in_integers(s, 8, 8, true, out);
    return in_integers(s, size, shape.align, false, out);
}

const struct abi abi_aapcs64 = {result, param};
