/*
 * abi_args: arguments by the calling convention. Enters: a function's DIE; leaves: the register or
 * stack slot of one parameter at the first instruction. Compilers that do not optimize describe
 * only the stack slot that the prologue fills later, and optimizing ones nothing for what is not
 * used: at the entry both are still where the caller put them. Only x86-64 (System V psABI, 3.2.3).
 * Refused: structures in registers, which are no single location.
 */
#include <dwarf.h>
#include <string.h>

#include "arch/arch.h"
#include "debug/abi_args.h"

enum { SSE_REGS = 8, PARAMS_MAX = 256, VISITS_OF_ONE = 256 };

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

    if (c->p->visits > VISITS_OF_ONE)
        return;
    classify_at(m->type, c->base + m->offset, c->p, c->depth + 1);
}

static void classify_at(const struct ctype *t, uint64_t offset, struct passed *p, int depth)
{
    uint64_t size = ctype_size(t);
    enum class c = CLASS_MEMORY;

    if (!size || depth > 8 || offset >= 16 || size > 16 - offset || ++p->visits > VISITS_OF_ONE) {
        p->known &= size != 0 && p->visits <= VISITS_OF_ONE;
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

static uint32_t in_register(uint8_t reg, struct dbg_op *ops)
{
    ops[0] = (struct dbg_op){.atom = (uint8_t)(DW_OP_reg0 + reg)};
    return 1;
}

/* Stack arguments start at the CFA: the return address lies just below it. */
static uint32_t on_stack(uint64_t offset, struct dbg_op *ops)
{
    ops[0] = (struct dbg_op){.atom = DW_OP_call_frame_cfa};
    ops[1] = (struct dbg_op){.atom = DW_OP_consts, .n1 = offset};
    ops[2] = (struct dbg_op){.atom = DW_OP_plus};
    return 3;
}

uint32_t abi_argument(struct dbg *m, Dwarf_Die *function, const char *name,
                      struct dbg_op ops[ABI_OPS_MAX], const char **why)
{
    const struct arch *a = m->arch;
    Dwarf_Die child, result;
    int ints = 0, sses = 0, seen = 0;
    uint64_t stack = 0;

    if (!a || dwarf_child(function, &child))
        return 0;
    if (die_type(function, &result)) {
        const struct ctype *t = ctype_of_die(m, &result, 0);
        enum ctype_kind k = ctype_kind(t);

        if (k == CT_STRUCT || k == CT_UNION) {
            struct passed p = classify(t);

            if (!p.known)
                return 0;
            ints += p.n_parts == 0; /* the first: where the result goes */
        }
    }
    do {
        if (dwarf_tag(&child) != DW_TAG_formal_parameter)
            continue;
        if (++seen > PARAMS_MAX)
            return 0;
        struct passed p = classify(ctype_of(m, &child));
        const char *this = die_name(&child);
        bool wanted = this && !strcmp(this, name);

        if (!p.known)
            return 0;
        int need_int = 0, need_sse = 0;

        for (int i = 0; i < p.n_parts; i++) {
            need_int += p.part[i] == CLASS_INTEGER;
            need_sse += p.part[i] == CLASS_SSE;
        }
        if (p.n_parts && ints + need_int <= a->n_args && sses + need_sse <= SSE_REGS) {
            if (wanted && p.n_parts > 1) {
                *why = "it is passed by value in several registers";
                return 0;
            }
            if (wanted && need_sse)
                return in_register((uint8_t)(a->first_float_arg + sses), ops);
            if (wanted)
                return in_register(a->args[ints], ops);
            ints += need_int;
            sses += need_sse;
        } else {
            stack = (stack + p.align - 1) & ~(p.align - 1);
            if (wanted)
                return on_stack(stack, ops);
            if (p.size > (uint64_t)1 << 32)
                return 0;
            stack += (p.size + 7) & ~(uint64_t)7;
        }
    } while (dwarf_siblingof(&child, &child) == 0);
    return 0;
}
