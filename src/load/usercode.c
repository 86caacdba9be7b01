/*
 * usercode: checks one probe's code for ngstap's interpreter: every opcode known, every register in
 * range, every jump inside the probe, every constant whole, every map address inside its map, no
 * way to run off the end. Enters: instructions of .ngstap.user; leaves: yes, or an error. What
 * memory the code then touches is not checked: an object is trusted as far as a script is.
 */
#include "load/object.h"

#include <linux/bpf.h>

#include "base/diag.h"

#ifndef BPF_MEMSX
#define BPF_MEMSX 0x80 /* Linux 6.6 */
#endif

struct check {
    struct compile *cx;
    const struct object *o;
    const struct bpf_insn *code; /* the probe's */
    uint32_t len;
};

static bool bad(const struct check *c, const char *what)
{
    return object_damaged(c->cx, what);
}

static uint64_t map_size(const struct object *o, int32_t map)
{
    switch (map) {
    case USER_MAP_GLOBALS:
        return o->h->globals_size;
    case USER_MAP_RODATA:
        return o->h->rodata_size;
    case USER_MAP_CONTROL:
        return sizeof(struct ngs_control);
    default:
        return 0;
    }
}

static bool check_constant(const struct check *c, uint32_t i)
{
    const struct bpf_insn *insn = &c->code[i];

    if (insn->code != (BPF_LD | BPF_IMM | BPF_DW) || i + 1 >= c->len || insn[1].code || insn->off ||
        insn[1].dst_reg || insn[1].src_reg || insn[1].off)
        return bad(c, "a constant of the code is cut");
    if (insn->src_reg == 0)
        return true;
    if (insn->src_reg != 1 || insn[1].imm < 0 || (uint64_t)insn[1].imm >= map_size(c->o, insn->imm))
        return bad(c, "the code names a map that is not there");
    return true;
}

static bool check_memory(const struct check *c, const struct bpf_insn *insn)
{
    static const int32_t atomics[] = {BPF_ADD,
                                      BPF_AND,
                                      BPF_OR,
                                      BPF_XOR,
                                      BPF_ADD | BPF_FETCH,
                                      BPF_AND | BPF_FETCH,
                                      BPF_OR | BPF_FETCH,
                                      BPF_XOR | BPF_FETCH,
                                      BPF_XCHG,
                                      BPF_CMPXCHG};
    unsigned mode = BPF_MODE(insn->code), size = BPF_SIZE(insn->code),
             class = BPF_CLASS(insn->code);

    if (mode == BPF_MEM)
        return true;
    if (mode == BPF_MEMSX && class == BPF_LDX && size != BPF_DW)
        return true;
    if (mode == BPF_ATOMIC && class == BPF_STX && (size == BPF_W || size == BPF_DW))
        for (size_t k = 0; k < sizeof(atomics) / sizeof(*atomics); k++)
            if (insn->imm == atomics[k])
                return true;
    return bad(c, "unknown memory access in the code");
}

static bool inside(const struct check *c, uint32_t i, int64_t off)
{
    int64_t to = (int64_t)i + 1 + off;

    if (to < 0 || to >= c->len)
        return bad(c, "a jump leaves its probe");
    if (to > 0 && c->code[to].code == 0)
        return bad(c, "a jump into a constant");
    return true;
}

static bool check_jump(const struct check *c, uint32_t i)
{
    const struct bpf_insn *insn = &c->code[i];
    bool narrow = BPF_CLASS(insn->code) == BPF_JMP32;

    switch (BPF_OP(insn->code)) {
    case BPF_CALL:
        if (narrow || insn->src_reg || insn->imm < NGS_H_BASE ||
            insn->imm >= NGS_H_BASE + NGS_HELPER_COUNT)
            return bad(c, "call of an unknown helper");
        return true;
    case BPF_EXIT:
        return !narrow || bad(c, "unknown instruction");
    case BPF_JA:
        return inside(c, i, narrow ? insn->imm : insn->off);
    case BPF_JEQ:
    case BPF_JNE:
    case BPF_JGT:
    case BPF_JGE:
    case BPF_JLT:
    case BPF_JLE:
    case BPF_JSGT:
    case BPF_JSGE:
    case BPF_JSLT:
    case BPF_JSLE:
    case BPF_JSET:
        return inside(c, i, insn->off);
    default:
        return bad(c, "unknown jump");
    }
}

static bool check_insn(const struct check *c, uint32_t i)
{
    const struct bpf_insn *insn = &c->code[i];

    if (insn->dst_reg > BPF_REG_10 || insn->src_reg > BPF_REG_10)
        return bad(c, "a register that does not exist");
    switch (BPF_CLASS(insn->code)) {
    case BPF_ALU:
    case BPF_ALU64:
        if (BPF_OP(insn->code) > BPF_END)
            return bad(c, "unknown operation");
        return insn->dst_reg != BPF_REG_10 || bad(c, "the code changes the frame pointer");
    case BPF_LD:
        return check_constant(c, i);
    case BPF_LDX:
    case BPF_ST:
    case BPF_STX:
        return check_memory(c, insn);
    default:
        return check_jump(c, i);
    }
}

bool object_check_code(struct compile *cx, const struct object *o, uint32_t start, uint32_t len)
{
    struct check c = {cx, o, (const struct bpf_insn *)o->user_code + start, len};

    if (len == 0)
        return true;
    for (uint32_t i = 0; i < len; i++) {
        if (!check_insn(&c, i))
            return false;
        if (c.code[i].code == (BPF_LD | BPF_IMM | BPF_DW))
            i++;
    }
    const struct bpf_insn *last = &c.code[len - 1];

    if (last->code != (BPF_JMP | BPF_EXIT) && last->code != (BPF_JMP | BPF_JA) &&
        last->code != (BPF_JMP32 | BPF_JA))
        return bad(&c, "the code has no end");
    return true;
}
