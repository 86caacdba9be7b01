/*
 * eh_frame: .eh_frame, .debug_frame -> rows. Enters: the bytes of sections, untrusted; leaves: rows
 * in order, neighbours that say the same made one. What a row cannot say (other expressions than
 * those of compilers, of linkers for PLTs and of OpenSSL's assembly) has a row that says so;
 * refused, by leaving code without a row, are entries that reach out of their section.
 */
#include "unwind/unwind.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"

/* Instructions of all entries together, a CIE's as often as it is read: FDEs may name two in turns.
 * libcrypto has 300,000. */
enum { REMEMBERED_MAX = 8, OPERATIONS_MAX = 16 * 1024 * 1024 };

struct cursor {
    const uint8_t *p, *end;
    const uint8_t *section;
    uint64_t vaddr; /* of the section */
    bool debug;     /* it is a .debug_frame */
    uint32_t *left; /* of OPERATIONS_MAX */
    bool bad;       /* it has reached the end */
};

/* AT: in the frame; AT_FP: where the frame pointer points (gcc, where a stack is aligned). */
enum saved { SAVED_SAME, SAVED_AT, SAVED_AT_FP, SAVED_IN, SAVED_UNDEFINED, SAVED_OTHERWISE };

/* How one register of the caller's is found. */
struct place {
    enum saved how;
    int64_t off; /* of SAVED_AT, from the CFA */
    uint64_t in; /* of SAVED_IN, a register */
};

struct rules {
    uint8_t cfa; /* enum ngs_cfa; REG: by cfa_reg, whichever that is */
    uint64_t cfa_reg;
    int64_t cfa_off;
    uint64_t part; /* of the kinds that have one: bytes, or a register */
    struct place fp, base, ip;
};

struct cie {
    const struct arch *arch;
    uint64_t code_align;
    int64_t data_align;
    uint64_t return_reg;
    uint8_t encoding; /* of addresses in its FDEs */
    bool augmented, signal;
    struct rules rules; /* at the start of each FDE */
    bool known;
};

struct maker {
    struct unwind_rows *out;
    bool full;
};

/* ---- bytes ---- */

static uint64_t get(struct cursor *c, size_t n)
{
    uint64_t v = 0;

    if ((size_t)(c->end - c->p) < n) {
        c->bad = true;
        c->p = c->end;
        return 0;
    }
    memcpy(&v, c->p, n); /* little-endian, as the machine is */
    c->p += n;
    return v;
}

static int64_t get_signed(struct cursor *c, size_t n)
{
    unsigned shift = (unsigned)(8 * (sizeof(uint64_t) - n));

    return (int64_t)(get(c, n) << shift) >> shift;
}

static uint64_t leb(struct cursor *c, bool is_signed)
{
    uint64_t v = 0, byte;
    unsigned shift = 0;

    do {
        byte = get(c, 1);
        if (shift < 64)
            v |= (byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80 && !c->bad);
    if (is_signed && byte & 0x40 && shift < 64)
        v |= ~(uint64_t)0 << shift;
    return v;
}

static uint64_t uleb(struct cursor *c)
{
    return leb(c, false);
}

static int64_t sleb(struct cursor *c)
{
    return (int64_t)leb(c, true);
}

/* N times ALIGN, which a hostile entry lets overflow. */
static int64_t times(uint64_t n, int64_t align)
{
    return (int64_t)(n * (uint64_t)align);
}

/* An address in one of the DW_EH_PE_ forms that linkers write. */
static uint64_t encoded(struct cursor *c, uint8_t encoding)
{
    uint64_t at = c->vaddr + (uint64_t)(c->p - c->section), v;

    switch (encoding & 0x0f) {
    case DW_EH_PE_absptr:
    case DW_EH_PE_udata8:
    case DW_EH_PE_sdata8:
        v = get(c, 8);
        break;
    case DW_EH_PE_udata4:
        v = get(c, 4);
        break;
    case DW_EH_PE_sdata4:
        v = (uint64_t)get_signed(c, 4);
        break;
    case DW_EH_PE_udata2:
        v = get(c, 2);
        break;
    case DW_EH_PE_sdata2:
        v = (uint64_t)get_signed(c, 2);
        break;
    default:
        c->bad = true;
        return 0;
    }
    if ((encoding & 0x70) == DW_EH_PE_pcrel)
        v += at;
    else if (encoding & 0x70)
        c->bad = true; /* relative to what only a loader knows */
    return v;
}

/* ---- rows ---- */

bool unwind_add_row(struct unwind_rows *r, uint32_t pc, uint32_t rule)
{
    if (r->n == r->cap) {
        uint32_t cap = r->cap ? 2 * r->cap : 1024;
        struct ngs_row *v = cap <= UNWIND_ROWS_MAX ? realloc(r->v, cap * sizeof(*v)) : NULL;

        if (!v)
            return false;
        r->v = v;
        r->cap = cap;
    }
    r->v[r->n++] = (struct ngs_row){pc, rule};
    return true;
}

static void add_row(struct maker *m, uint64_t pc, uint32_t rule)
{
    if (!m->full && pc <= UINT32_MAX)
        m->full = !unwind_add_row(m->out, (uint32_t)pc, rule);
}

/* REG's word in struct pt_regs; NGS_CFA_REGS: rows know it not. */
static uint32_t word_of(const struct arch *arch, uint64_t reg)
{
    uint32_t word = reg < arch->n_regs ? arch->regs[reg].offset / 8u : NGS_CFA_REGS;

    return word < ARCH_HELD_REGS ? word : NGS_CFA_REGS;
}

/* Words below the CFA, up to MAX; 0: it is in no place, or in none that a row can say. */
static uint32_t words_below(const struct place *p, int64_t max)
{
    int64_t words = p->off / -8;

    return p->how == SAVED_AT && words > 0 && words <= max && p->off % 8 == 0 ? (uint32_t)words : 0;
}

/* The kind by the register that the CFA is found by. */
static uint32_t kind_of(const struct rules *r, const struct arch *arch)
{
    uint32_t word;

    if (r->cfa != NGS_CFA_REG)
        return r->cfa;
    if (r->cfa_reg == arch->sp)
        return NGS_CFA_SP;
    if (r->cfa_reg == arch->frame_pointer)
        return NGS_CFA_FP;
    word = word_of(arch, r->cfa_reg);
    return word < NGS_CFA_REGS ? NGS_CFA_REG + word : NGS_CFA_OTHERWISE;
}

/* A kind's part; false: it has one, and a row cannot say it. */
static bool part_of(const struct rules *r, const struct arch *arch, uint32_t *kind, uint32_t *part)
{
    *part = NGS_CFA_REGS;
    if (r->ip.how == SAVED_IN) { /* vfork's, in glibc */
        *part = *kind == NGS_CFA_SP ? word_of(arch, r->ip.in) : NGS_CFA_REGS;
        *kind = NGS_CFA_HELD;
        return *part < NGS_CFA_REGS;
    }
    if (*kind == NGS_CFA_AT_INDEX)
        *part = word_of(arch, r->part);
    else if (*kind == NGS_CFA_AT_FP || *kind == NGS_CFA_AT_SP)
        *part = r->part % 8 == 0 && r->part / 8 < 16 ? (uint32_t)(r->part / 8) : NGS_CFA_REGS;
    else
        return true;
    return *part < NGS_CFA_REGS;
}

static uint32_t rule_of(const struct rules *r, const struct cie *cie)
{
    const uint32_t none = NGS_RULE(NGS_CFA_OTHERWISE, 0, 0, 0);
    uint32_t kind = kind_of(r, cie->arch), part, fp = words_below(&r->fp, UINT8_MAX);
    uint32_t base = words_below(&r->base, NGS_BASE_MAX);
    int64_t unit = kind == NGS_CFA_PLT ? 1 : 8, off = r->cfa_off / unit;

    if (r->ip.how == SAVED_UNDEFINED)
        return NGS_RULE(NGS_CFA_OUTERMOST, 0, 0, 0);
    if (cie->signal)
        return kind == NGS_CFA_SIGNAL ? NGS_RULE(kind, 0, 0, 0) : none;
    if (kind == NGS_CFA_OTHERWISE || kind == NGS_CFA_NONE || kind == NGS_CFA_SIGNAL ||
        r->cfa_off % unit || !part_of(r, cie->arch, &kind, &part))
        return none;
    if (kind != NGS_CFA_HELD && (r->ip.how != SAVED_AT || r->ip.off != -8))
        return none;
    if ((kind == NGS_CFA_REALIGNED) != (r->fp.how == SAVED_AT_FP) ||
        (kind == NGS_CFA_HELD ? r->fp.how != SAVED_SAME
                              : r->fp.how == SAVED_OTHERWISE || r->fp.how == SAVED_IN) ||
        (r->fp.how == SAVED_AT && !fp))
        return none;
    if (r->base.how != SAVED_SAME && base <= NGS_BASE_ELSEWHERE)
        base = NGS_BASE_ELSEWHERE;
    if (part == NGS_CFA_REGS)
        return off == (int16_t)off ? NGS_RULE(kind, base, fp, off) : none;
    return off >= -2048 && off < 2048 ? NGS_RULE_PART(kind, base, fp, off, part) : none;
}

/* ---- call frame instructions ---- */

/* Is E, whose length is taken off, "what lies at REG + OFF", and what follows? *INDEX: 8 times that
 * register is added; UINT64_MAX: none is. */
static bool is_at(struct cursor *e, uint64_t *reg, int64_t *off, uint64_t *index)
{
    uint64_t op = get(e, 1);

    *reg = op - DW_OP_breg0;
    *off = sleb(e);
    *index = UINT64_MAX;
    op = op >= DW_OP_breg0 && op <= DW_OP_breg31 ? get(e, 1) : 0;
    if (op >= DW_OP_breg0 && op <= DW_OP_breg31) {
        *index = op - DW_OP_breg0;
        if (sleb(e) || get(e, 1) != DW_OP_lit8 || get(e, 1) != DW_OP_mul || get(e, 1) != DW_OP_plus)
            return false;
        op = get(e, 1);
    }
    return op == DW_OP_deref && !e->bad;
}

/* The expressions that a row can say. Enters: its bytes, the length first. */
static void cfa_expression(struct cursor *c, const struct arch *arch, struct rules *r)
{
    const uint8_t sp = DW_OP_breg0 + arch->sp;
    const uint8_t plt[] = {sp,        8,           DW_OP_breg0 + arch->unwind.return_address,
                           0,         DW_OP_lit15, DW_OP_and,
                           0,         DW_OP_ge,    DW_OP_lit3,
                           DW_OP_shl, DW_OP_plus};
    uint64_t len = uleb(c), reg, index;

    r->cfa = NGS_CFA_OTHERWISE;
    if (len > (uint64_t)(c->end - c->p)) {
        c->bad = true;
        return;
    }
    struct cursor e = *c;

    c->p += len;
    e.end = c->p;
    if (len == sizeof(plt) && !memcmp(e.p, plt, 6) && !memcmp(e.p + 7, plt + 7, 4) &&
        e.p[6] >= DW_OP_lit0 && e.p[6] <= DW_OP_lit15) {
        r->cfa = NGS_CFA_PLT;
        r->cfa_off = e.p[6] - DW_OP_lit0;
        return;
    }
    if (!is_at(&e, &reg, &r->cfa_off, &index) || (reg != arch->sp && reg != arch->frame_pointer))
        return;
    bool plain = e.p == e.end;

    r->part = index;
    if (plain && index == UINT64_MAX) /* glibc's __restore_rt: out of struct ucontext_t */
        r->cfa = reg == arch->sp ? NGS_CFA_SIGNAL : NGS_CFA_REALIGNED;
    if (plain || get(&e, 1) != DW_OP_plus_uconst)
        return;
    uint64_t more = uleb(&e);

    if (e.bad || e.p != e.end)
        return;
    if (index == UINT64_MAX) { /* where assembly keeps its caller's stack pointer */
        r->cfa = reg == arch->sp ? NGS_CFA_AT_SP : NGS_CFA_AT_FP;
        r->part = more;
    } else if (reg == arch->sp && more == 8) {
        r->cfa = NGS_CFA_AT_INDEX;
    }
}

/* Is it "frame pointer + 0"? */
static bool is_at_fp(const struct cursor *c, const struct arch *arch)
{
    struct cursor e = *c;
    uint64_t len = uleb(&e), op = get(&e, 1);

    return len == 2 && op == (uint64_t)DW_OP_breg0 + arch->frame_pointer && get(&e, 1) == 0 &&
           !e.bad;
}

static void skip_block(struct cursor *c)
{
    uint64_t len = uleb(c);

    if (len > (uint64_t)(c->end - c->p)) {
        c->bad = true;
        len = 0;
    }
    c->p += len;
}

/* Those of R that say where REG of the caller's is; NULL: nobody asks. */
static struct place *place_of(struct rules *r, const struct arch *arch, uint64_t reg)
{
    return reg == arch->frame_pointer           ? &r->fp
           : reg == arch->unwind.return_address ? &r->ip
           : reg == arch->unwind.base           ? &r->base
                                                : NULL;
}

static void save(struct rules *r, const struct cie *cie, uint64_t reg, enum saved how, int64_t off)
{
    struct place *p = place_of(r, cie->arch, reg);

    if (p)
        *p = (struct place){.how = how, .off = off};
}

static void save_in(struct rules *r, const struct cie *cie, uint64_t reg, uint64_t in)
{
    struct place *p = place_of(r, cie->arch, reg);

    if (p)
        *p = (struct place){.how = SAVED_IN, .in = in};
}

/* As it was where the function begins. */
static void restore(struct rules *r, const struct cie *cie, uint64_t reg)
{
    struct rules first = cie->rules;
    struct place *p = place_of(r, cie->arch, reg);

    if (p)
        *p = *place_of(&first, cie->arch, reg);
}

/* What changes rules, not addresses. False: an instruction that is not known. */
static bool change(struct cursor *c, const struct cie *cie, uint8_t op, struct rules *r)
{
    uint64_t reg;

    switch (op) {
    case DW_CFA_nop:
        return true;
    case DW_CFA_def_cfa:
    case DW_CFA_def_cfa_sf:
        r->cfa = NGS_CFA_REG;
        r->cfa_reg = uleb(c);
        r->cfa_off =
            op == DW_CFA_def_cfa ? (int64_t)uleb(c) : times((uint64_t)sleb(c), cie->data_align);
        return true;
    case DW_CFA_def_cfa_register:
        r->cfa_reg = uleb(c);
        return true;
    case DW_CFA_def_cfa_offset:
        r->cfa_off = (int64_t)uleb(c);
        return true;
    case DW_CFA_def_cfa_offset_sf:
        r->cfa_off = times((uint64_t)sleb(c), cie->data_align);
        return true;
    case DW_CFA_def_cfa_expression:
        cfa_expression(c, cie->arch, r);
        return true;
    case DW_CFA_offset_extended:
        reg = uleb(c);
        save(r, cie, reg, SAVED_AT, times(uleb(c), cie->data_align));
        return true;
    case DW_CFA_offset_extended_sf:
        reg = uleb(c);
        save(r, cie, reg, SAVED_AT, times((uint64_t)sleb(c), cie->data_align));
        return true;
    case DW_CFA_restore_extended:
        restore(r, cie, uleb(c));
        return true;
    case DW_CFA_undefined:
        save(r, cie, uleb(c), SAVED_UNDEFINED, 0);
        return true;
    case DW_CFA_same_value:
        save(r, cie, uleb(c), SAVED_SAME, 0);
        return true;
    case DW_CFA_register:
        reg = uleb(c);
        save_in(r, cie, reg, uleb(c));
        return true;
    case DW_CFA_val_offset:
    case DW_CFA_val_offset_sf:
        save(r, cie, uleb(c), SAVED_OTHERWISE, 0);
        uleb(c);
        return true;
    case DW_CFA_expression:
    case DW_CFA_val_expression:
        reg = uleb(c);
        save(r, cie, reg,
             op == DW_CFA_expression && is_at_fp(c, cie->arch) ? SAVED_AT_FP : SAVED_OTHERWISE, 0);
        skip_block(c);
        return true;
    case DW_CFA_GNU_args_size:
        uleb(c);
        return true;
    default:
        return false;
    }
}

/* Runs the instructions up to C's end; rows go to M from PC on, but none at or after END. M NULL: a
 * CIE's. False: something is wrong or not known. */
static bool run(struct cursor *c, const struct cie *cie, struct rules *r, struct maker *m,
                uint64_t pc, uint64_t end)
{
    struct rules stack[REMEMBERED_MAX];
    unsigned depth = 0;

    while (c->p < c->end && !c->bad) {
        if (!*c->left)
            return false;
        --*c->left;
        uint8_t op = (uint8_t)get(c, 1);
        uint64_t advance = 0;

        if ((op & 0xc0) == DW_CFA_advance_loc) {
            advance = op & 0x3f;
        } else if ((op & 0xc0) == DW_CFA_offset) {
            save(r, cie, op & 0x3f, SAVED_AT, times(uleb(c), cie->data_align));
        } else if ((op & 0xc0) == DW_CFA_restore) {
            restore(r, cie, op & 0x3f);
        } else if (op == DW_CFA_advance_loc1 || op == DW_CFA_advance_loc2 ||
                   op == DW_CFA_advance_loc4) {
            advance = get(c, op == DW_CFA_advance_loc1 ? 1 : op == DW_CFA_advance_loc2 ? 2 : 4);
        } else if (op == DW_CFA_remember_state) {
            if (depth == REMEMBERED_MAX)
                return false;
            stack[depth++] = *r;
        } else if (op == DW_CFA_restore_state) {
            if (!depth)
                return false;
            *r = stack[--depth];
        } else if (!change(c, cie, op, r)) {
            return false;
        }
        if (advance && m) {
            add_row(m, pc, rule_of(r, cie));
            pc += advance * cie->code_align;
            if (pc >= end)
                return true;
        }
    }
    if (m)
        add_row(m, pc, rule_of(r, cie));
    return !c->bad;
}

/* ---- entries ---- */

/*
 * The entry at OFF: C at its content, its end known; false: there is none that holds together. *ID:
 * where its CIE is, UINT64_MAX: it is one. In .eh_frame that is counted back from the field, in 32
 * bits; in .debug_frame from the section's start, as wide as the lengths are.
 */
static bool entry(const struct cursor *all, size_t off, struct cursor *c, uint64_t *id,
                  size_t *next)
{
    size_t width = 4;

    *c = *all;
    c->p = all->section + off;
    uint64_t len = get(c, 4);

    if (len == UINT32_MAX) {
        len = get(c, 8);
        width = all->debug ? 8 : 4;
    }
    if (c->bad || !len || len > (uint64_t)(c->end - c->p))
        return false;
    *next = (size_t)(c->p - all->section) + len;
    c->end = c->p + len;
    uint64_t field = (uint64_t)(c->p - all->section), value = get(c, width);

    if (all->debug)
        *id = value == (width == 4 ? UINT32_MAX : UINT64_MAX) ? UINT64_MAX : value;
    else
        *id = value ? field - value : UINT64_MAX;
    return !c->bad;
}

static void augmentation(struct cursor *c, struct cie *cie, const char *text, size_t n)
{
    uint64_t len = uleb(c);
    const uint8_t *after = c->p + (len <= (uint64_t)(c->end - c->p) ? len : 0);

    cie->augmented = true;
    for (size_t i = 1; i < n && !c->bad; i++)
        switch (text[i]) {
        case 'R':
            cie->encoding = (uint8_t)get(c, 1);
            break;
        case 'L':
            get(c, 1);
            break;
        case 'P':
            encoded(c, (uint8_t)get(c, 1) & 0x0f);
            break;
        case 'S':
            cie->signal = true;
            break;
        case 'B': /* pointer authentication: AArch64's */
            break;
        default:
            c->bad = true;
        }
    c->p = after;
}

static bool read_cie(const struct arch *arch, const struct cursor *all, uint64_t off,
                     struct cie *cie)
{
    struct cursor c;
    uint64_t id;
    size_t next;

    *cie = (struct cie){.arch = arch, .encoding = DW_EH_PE_absptr};
    if (off >= (uint64_t)(all->end - all->section) || !entry(all, off, &c, &id, &next) ||
        id != UINT64_MAX)
        return false;
    uint64_t version = get(&c, 1);
    const char *text = (const char *)c.p;
    size_t n = strnlen(text, (size_t)(c.end - c.p));

    if ((version != 1 && version != 3 && (version != 4 || !all->debug)) ||
        n == (size_t)(c.end - c.p))
        return false;
    c.p += n + 1;
    if (version == 4 && (get(&c, 1) != 8 || get(&c, 1))) /* sizes of an address, of a segment's */
        return false;
    cie->code_align = uleb(&c);
    cie->data_align = sleb(&c);
    cie->return_reg = version == 1 ? get(&c, 1) : uleb(&c);
    if (*text == 'z')
        augmentation(&c, cie, text, n);
    else if (*text)
        return false;
    if (c.bad || cie->return_reg != arch->unwind.return_address || cie->code_align > 64 ||
        cie->data_align < -64 || cie->data_align > 64)
        return false;
    struct rules first = {.cfa = NGS_CFA_NONE};

    cie->known = run(&c, cie, &first, NULL, 0, 0);
    cie->rules = first;
    return cie->known;
}

static void read_fde(struct cursor *c, const struct cie *cie, struct maker *m)
{
    uint64_t start = encoded(c, cie->encoding), size = encoded(c, cie->encoding & 0x0f);
    struct rules rules = cie->rules;

    if (cie->augmented)
        skip_block(c);
    if (c->bad || !size || !start || start + size < start) /* at 0: what the linker left out */
        return;
    uint32_t before = m->out->n;

    if (!run(c, cie, &rules, m, start, start + size)) {
        m->out->n = before;
        return;
    }
    add_row(m, start + size, 0);
}

/* ---- all together ---- */

/* By address; where an entry ends and another begins, the end comes first. */
static int by_pc(const void *a, const void *b)
{
    const struct ngs_row *x = a, *y = b;

    if (x->pc != y->pc)
        return x->pc < y->pc ? -1 : 1;
    return (x->rule != 0) - (y->rule != 0);
}

/* Of rows at one address the last counts; a row that says what the one before says is none. */
static void join(struct unwind_rows *r)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < r->n; i++) {
        if (n && r->v[n - 1].pc == r->v[i].pc)
            n--;
        if (!n || r->v[n - 1].rule != r->v[i].rule)
            r->v[n++] = r->v[i];
    }
    r->n = n;
}

/* Behind the rows: which of them hold in each block. False: out of memory, or too many blocks. */
static bool add_blocks(struct unwind_rows *r)
{
    r->n_blocks = 0;
    if (!r->n)
        return true;
    r->first_block = r->v[0].pc >> NGS_BLOCK_SHIFT;
    uint32_t n = (r->v[r->n - 1].pc >> NGS_BLOCK_SHIFT) - r->first_block + 1, at = 0;
    struct ngs_row *v =
        n <= UNWIND_BLOCKS_MAX ? realloc(r->v, ((size_t)r->n + n) * sizeof(*v)) : NULL;

    if (!v)
        return false;
    r->v = v;
    r->cap = r->n + n;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t end = ((uint64_t)r->first_block + i + 1) << NGS_BLOCK_SHIFT;
        uint32_t last = at;

        while (last + 1 < r->n && v[last + 1].pc < end)
            last++;
        struct ngs_block b = {at, last - at + 1};

        memcpy(&v[r->n + i], &b, sizeof(b));
        at = last; /* it holds at the next block's start, too, unless one begins there */
    }
    r->n_blocks = n;
    return true;
}

/* The rows of one section; false: it is taken for hostile. */
static bool read_section(const struct arch *arch, const struct unwind_section *from,
                         struct maker *m, uint32_t *left)
{
    struct cursor all = {from->data,  from->data + from->size,
                         from->data,  from->vaddr,
                         from->debug, left,
                         false},
                  c;
    struct cie cie = {.known = false};
    uint64_t id, at = UINT64_MAX; /* where that CIE is */

    for (size_t off = 0, next;
         off < from->size && entry(&all, off, &c, &id, &next) && !m->full && *left; off = next) {
        if (id == UINT64_MAX)
            continue;
        if (id != at) { /* most FDEs stand behind their CIE */
            at = id;
            read_cie(arch, &all, id, &cie);
        }
        if (cie.known)
            read_fde(&c, &cie, m);
    }
    return !m->full && *left;
}

bool unwind_finish(struct unwind_rows *r)
{
    if (r->n) {
        qsort(r->v, r->n, sizeof(*r->v), by_pc);
        join(r);
    }
    return add_blocks(r);
}

bool unwind_make(const struct arch *arch, const struct unwind_section *v, unsigned n,
                 struct unwind_rows *out)
{
    uint32_t left = OPERATIONS_MAX;
    struct maker m = {.out = out};
    bool sound = true;

    *out = (struct unwind_rows){0};
    for (unsigned i = 0; i < n && sound; i++)
        sound = read_section(arch, &v[i], &m, &left);
    if (sound && unwind_finish(out))
        return true;
    free(out->v);
    *out = (struct unwind_rows){0};
    return false;
}
