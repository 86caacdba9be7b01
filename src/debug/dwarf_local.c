/*
 * dwarf_local: where a parameter or local variable is at an address. Enters: a function, a pc, a
 * name; leaves: DWARF operations over registers and the CFA. Refused, with a reason: what is
 * optimized out there, thread-local, or needs operations that eBPF has no use for (jumps, calls,
 * pointers to nothing).
 */
#include <dwarf.h>
#include <string.h>

#include "arch/arch.h"
#include "debug/abi_args.h"
#include "debug/dwarf_priv.h"

enum { OPS_MAX = 256, PARAMS_MAX = 256 };

struct locating {
    const struct dbg_func *f;
    struct arena *a;
    uint64_t pc;
    const char *name;
    struct dbg_op *ops;
    uint32_t n;
    bool in_frame_base;
    bool after_prologue; /* what the location relies on is set up by the prologue: wrong at the
                            entry */
    bool stack_slot; /* ... because it is the function's own copy: its compiler did not optimize */
    const char *why;
};

/* ---- finding the DIE ---- */

struct scope_walk {
    uint64_t pc;
    const char *name; /* looked for; NULL: every one */
    void (*fn)(const char *name, bool is_param, void *arg);
    void *arg;
    Dwarf_Die found;
    bool any;
    unsigned visits;
};

/* Inner blocks' variables hide outer ones. Inlined functions' are not ours. */
static void walk_scope(Dwarf_Die *scope, struct scope_walk *w, int depth)
{
    Dwarf_Die child;

    if (depth > NESTING_MAX || dwarf_child(scope, &child))
        return;
    do {
        int tag = dwarf_tag(&child);
        const char *name;

        if (!bounds_count(++w->visits, BOUND_DIES, "variables in one function"))
            return;
        switch (tag) {
        case DW_TAG_formal_parameter:
        case DW_TAG_variable:
            name = die_name(&child);
            if (!name)
                break;
            if (!w->name) {
                w->fn(name, tag == DW_TAG_formal_parameter, w->arg);
            } else if (!strcmp(name, w->name)) {
                w->found = child;
                w->any = true;
            }
            break;
        case DW_TAG_lexical_block:
            if (dwarf_haspc(&child, w->pc) == 1)
                walk_scope(&child, w, depth + 1);
            break;
        default:
            break;
        }
    } while (dwarf_siblingof(&child, &child) == 0);
}

void dw_locals(const struct dbg_func *f, uint64_t pc,
               void (*fn)(const char *name, bool is_param, void *arg), void *arg)
{
    struct scope_walk w = {.pc = pc, .fn = fn, .arg = arg};

    walk_scope(f->record, &w, 0);
}

/* ---- operations ---- */

static bool fail(struct locating *l, const char *why)
{
    if (!l->why)
        l->why = why;
    return false;
}

static bool emit(struct locating *l, uint8_t atom, uint64_t n1, uint64_t n2)
{
    if (l->n >= OPS_MAX)
        return fail(l, "its location is too long");
    l->ops = arena_grow(l->a, l->ops, l->n, sizeof(*l->ops));
    l->ops[l->n++] = (struct dbg_op){.atom = atom, .n1 = n1, .n2 = n2};
    return true;
}

static bool translate(struct locating *l, Dwarf_Attribute *attr, Dwarf_Op *ops, size_t n);

/* The frame base, as an address on the stack of operations. */
static bool emit_frame_base(struct locating *l)
{
    Dwarf_Attribute attr;
    Dwarf_Op *ops;
    size_t n;

    if (l->in_frame_base)
        return fail(l, "its function's frame base is defined by itself");
    Dwarf_Die *code = l->f->inlined ? l->f->code : l->f->record;

    if (!dwarf_attr_integrate(code, DW_AT_frame_base, &attr) ||
        dwarf_getlocation_addr(&attr, l->pc, &ops, &n, 1) != 1)
        return fail(l, "its function's frame base is unknown there");
    if (n == 1 && ops[0].atom != DW_OP_call_frame_cfa) { /* at the entry still the caller's */
        l->after_prologue = true;
        if (l->f->dbg->arch) /* as clang has it with -O0 */
            l->stack_slot |= ops[0].atom == DW_OP_reg0 + l->f->dbg->arch->frame_pointer;
    }
    if (n == 1 && ops[0].atom >= DW_OP_reg0 &&
        ops[0].atom <= DW_OP_reg31) /* the register's value (DWARF 5, 3.3.5) */
        return emit(l, (uint8_t)(ops[0].atom - DW_OP_reg0 + DW_OP_breg0), 0, 0);
    if (n == 1 && ops[0].atom == DW_OP_regx)
        return emit(l, DW_OP_bregx, ops[0].number, 0);
    l->in_frame_base = true;
    bool ok = translate(l, &attr, ops, n);

    l->in_frame_base = false;
    return ok;
}

/* Inlined code has no entry of its own: what a caller would pass is nowhere. */
static bool at_entry(const struct locating *l)
{
    return l->pc == l->f->entry && !l->f->inlined;
}

/* The first instruction of the code that the address is in: a function's, whatever is inlined into
 * it. 0: not known. */
static uint64_t code_entry(const struct locating *l)
{
    Dwarf_Addr entry = 0;

    if (!l->f->inlined)
        return l->f->entry;
    return dwarf_entrypc(l->f->code, &entry) ? 0 : entry;
}

/* At the function's first instruction what the caller had in a register is still in it; elsewhere
 * it has to be kept from there. */
static bool emit_entry_value(struct locating *l, Dwarf_Attribute *attr, Dwarf_Op *op)
{
    uint64_t entry = code_entry(l), reg;
    Dwarf_Attribute inner;
    Dwarf_Op *ops;
    size_t n;

    if (dwarf_getlocation_attr(attr, op, &inner) || dwarf_getlocation(&inner, &ops, &n) || n != 1)
        return fail(l, "its DW_OP_entry_value is not understood");
    if (ops[0].atom >= DW_OP_reg0 && ops[0].atom <= DW_OP_reg31)
        reg = ops[0].atom - DW_OP_reg0;
    else if (ops[0].atom == DW_OP_regx)
        reg = ops[0].number;
    else
        return fail(l, "its DW_OP_entry_value is not understood");
    if (at_entry(l))
        return emit(l, DW_OP_bregx, reg, 0);
    if (!entry || !place_is_sure(l->f->dbg, l->f->name, entry)) /* a probe is set there */
        return fail(l, "its value at the entry is lost: no entry of its function is known");
    return emit(l, DW_OP_entry_value, reg, entry);
}

/* Has the prologue set this register? At the entry the caller's is in it. */
static bool is_saved(const struct locating *l, const Dwarf_Op *op)
{
    const struct arch *a = l->f->dbg->arch;
    unsigned reg = 64;

    if (op->atom >= DW_OP_reg0 && op->atom <= DW_OP_reg31)
        reg = op->atom - DW_OP_reg0;
    else if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31)
        reg = op->atom - DW_OP_breg0;
    return a && reg < 64 && a->saved >> reg & 1;
}

static bool translate_one(struct locating *l, Dwarf_Attribute *attr, Dwarf_Op *op)
{
    Dwarf_Attribute inner;
    Dwarf_Addr addr;
    Dwarf_Word word;

    switch (op->atom) {
    case DW_OP_fbreg:
        if ((int64_t)op->number < 0) /* below the CFA lies what the function itself has stored */
            l->after_prologue = l->stack_slot = true;
        return emit_frame_base(l) && emit(l, DW_OP_consts, op->number, 0) &&
               emit(l, DW_OP_plus, 0, 0);
    case DW_OP_addrx:
    case DW_OP_GNU_addr_index:
        if (dwarf_getlocation_attr(attr, op, &inner) || dwarf_formaddr(&inner, &addr))
            return fail(l, "its address index is not sound");
        return emit(l, DW_OP_addr, addr, 0);
    case DW_OP_constx:
    case DW_OP_GNU_const_index:
        if (dwarf_getlocation_attr(attr, op, &inner) ||
            (dwarf_formaddr(&inner, &addr) && dwarf_formudata(&inner, &word)))
            return fail(l, "its constant index is not sound");
        return emit(l, DW_OP_constu, dwarf_formaddr(&inner, &addr) ? word : addr, 0);
    case DW_OP_entry_value:
    case DW_OP_GNU_entry_value:
        return emit_entry_value(l, attr, op);
    case DW_OP_form_tls_address:
    case DW_OP_GNU_push_tls_address:
        return fail(l, "it is thread-local");
    case DW_OP_implicit_pointer:
    case DW_OP_GNU_implicit_pointer:
        return fail(l, "it points to something that is optimized out");
    case DW_OP_GNU_parameter_ref:
    case DW_OP_GNU_variable_value:
    case DW_OP_bra:
    case DW_OP_skip:
    case DW_OP_call2:
    case DW_OP_call4:
    case DW_OP_call_ref:
    case DW_OP_xderef:
    case DW_OP_xderef_size:
    case DW_OP_xderef_type:
    case DW_OP_push_object_address:
        return fail(
            l, arena_printf(l->a, "its location uses DWARF operation 0x%x, which is not supported",
                            op->atom));
    default:
        if (is_saved(l,
                     op)) /* GCC without optimization: the address of what is passed by address */
            l->after_prologue = l->stack_slot = true;
        return emit(l, op->atom, op->number, op->number2);
    }
}

static bool translate(struct locating *l, Dwarf_Attribute *attr, Dwarf_Op *ops, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!translate_one(l, attr, &ops[i]))
            return false;
    return true;
}

/* DW_OP_implicit_value: the bytes themselves. */
static bool implicit_value(Dwarf_Attribute *attr, Dwarf_Op *op, struct dbg_location *out)
{
    Dwarf_Block block;
    uint64_t value = 0;

    if (dwarf_getlocation_implicit_value(attr, op, &block) || block.length > sizeof(value))
        return false;
    memcpy(&value, block.data, block.length);
    if (ctype_signed(out->type) && block.length && block.length < sizeof(value)) {
        unsigned shift = 64 - 8 * (unsigned)block.length;

        value = (uint64_t)((int64_t)(value << shift) >> shift);
    }
    out->constant = (int64_t)value;
    out->has_const = true;
    return true;
}

/* ---- answers ---- */

/*
 * Do the calling convention's registers hold the parameters at the entry? Not in GCC's clones
 * ("f.isra.0", "f.constprop.0"), which take other ones; and of functions that only this unit can
 * call clang drops arguments, unless it does not optimize (OWN_FRAME: the location is a stack
 * slot).
 */
static bool has_standard_arguments(const struct locating *l)
{
    const struct elf_symbol *s = elf_symbol_at(dbg_symbols(l->f->dbg), l->f->entry);
    Dwarf_Attribute attr;
    bool external = false;

    if (!s || s->vaddr != l->f->entry || strchr(s->name, '.'))
        return false;
    if (dwarf_attr_integrate(l->f->record, DW_AT_external, &attr))
        dwarf_formflag(&attr, &external);
    return external || l->stack_slot;
}

/* What the function takes: PARAMS_MAX parameters at most. */
static struct dbg_params params_of(const struct locating *l, Dwarf_Die *function)
{
    struct dbg_params params = {0};
    Dwarf_Die child;

    if (dwarf_child(function, &child))
        return params;
    do {
        if (dwarf_tag(&child) != DW_TAG_formal_parameter)
            continue;
        params.v = arena_grow(l->a, params.v, params.n, sizeof(*params.v));
        params.v[params.n++] = (struct dbg_param){die_name(&child), ctype_of(l->f->dbg, &child)};
    } while (params.n < PARAMS_MAX && dwarf_siblingof(&child, &child) == 0);
    return params;
}

/* The parameter as the caller passes it; false: not known. */
static bool from_abi(struct locating *l)
{
    struct dbg_op ops[ABI_OPS_MAX];
    Dwarf_Die function = *(Dwarf_Die *)l->f->record, origin;

    if (!has_standard_arguments(l))
        return false;
    func_origin(&function, &origin); /* it has every parameter, in order */
    struct dbg_params params = params_of(l, &origin);
    uint32_t n =
        abi_argument(l->f->dbg->arch, ctype_of(l->f->dbg, &origin), &params, l->name, ops, &l->why);

    if (!n)
        return false;
    l->n = 0;
    for (uint32_t i = 0; i < n; i++)
        if (!emit(l, ops[i].atom, ops[i].n1, ops[i].n2))
            return false;
    return true;
}

static const char *say(struct locating *l, const char *what)
{
    return arena_printf(l->a, "\"%s\" of %s: %s", l->name, l->f->name, what);
}

bool dw_local(const struct dbg_func *f, uint64_t pc, const char *name, struct dbg_location *out,
              const char **why)
{
    struct locating l = {.f = f, .a = f->dbg->di->a, .pc = pc, .name = name};
    struct scope_walk w = {.pc = pc, .name = name};
    Dwarf_Die function, origin;
    Dwarf_Attribute attr;
    Dwarf_Op *ops;
    size_t n;

    *out = (struct dbg_location){.type = NULL};
    *why = NULL;
    bounds_file(f->dbg->path);
    function = *(const Dwarf_Die *)f->record;
    walk_scope(&function, &w, 0);
    if (!w.any) { /* a concrete instance need not list what it has not */
        func_origin(&function, &origin);
        if (origin.addr != function.addr)
            walk_scope(&origin, &w, 0);
    }
    if (!w.any) {
        *why = say(&l, dwarf_of(f->dbg)->packed
                           ? "no parameter has that name, and a pack has no local variables"
                           : "no parameter or variable of that name is in scope there");
        return false;
    }
    bool is_param = dwarf_tag(&w.found) == DW_TAG_formal_parameter, known = false;

    out->type = ctype_of(f->dbg, &w.found);
    if (dwarf_attr_integrate(&w.found, DW_AT_const_value, &attr) &&
        constant_of(&attr, ctype_signed(out->type), &out->constant)) {
        out->has_const = out->located = true;
        return true;
    }
    if (dwarf_attr_integrate(&w.found, DW_AT_location, &attr) &&
        dwarf_getlocation_addr(&attr, pc, &ops, &n, 1) == 1 && n) {
        out->located = true;
        if (n == 1 && ops[0].atom == DW_OP_implicit_value && implicit_value(&attr, ops, out))
            return true;
        known = translate(&l, &attr, ops, n);
    }
    if (is_param && at_entry(&l) && (!known || l.after_prologue))
        known = from_abi(&l);
    if (!known) {
        *why =
            say(&l, l.why ? l.why
                          : arena_printf(l.a, "optimized out at 0x%llx", (unsigned long long)pc));
        return false;
    }
    out->ops = l.ops;
    out->n_ops = l.n;
    out->located = true;
    return true;
}
