/*
 * disasm: a function's instructions as text, each under the script line it came from (--dump-bpf).
 * Enters: a finished function; leaves: lines as in bpftool's "dump xlated". Unknown instructions
 * are shown as bytes.
 */
#include "cg/asm.h"

#include <inttypes.h>
#include <string.h>

static const char *alu_sign(uint8_t op)
{
    static const char *const signs[] = {
        "+=", "-=", "*=", "/=", "|=", "&=", "<<=", ">>=", "", "%=", "^=", "=", "s>>="};

    return op >> 4 < (int)(sizeof(signs) / sizeof(*signs)) ? signs[op >> 4] : "?=";
}

static const char *jump_sign(uint8_t op)
{
    static const char *const signs[16] = {
        [BPF_JEQ >> 4] = "==",  [BPF_JNE >> 4] = "!=",   [BPF_JGT >> 4] = ">",
        [BPF_JGE >> 4] = ">=",  [BPF_JLT >> 4] = "<",    [BPF_JLE >> 4] = "<=",
        [BPF_JSET >> 4] = "&",  [BPF_JSGT >> 4] = "s>",  [BPF_JSGE >> 4] = "s>=",
        [BPF_JSLT >> 4] = "s<", [BPF_JSLE >> 4] = "s<=",
    };

    return signs[op >> 4] ? signs[op >> 4] : "?";
}

static const char *width(uint8_t code)
{
    static const char *const widths[4] = {
        [BPF_W >> 3] = "u32", [BPF_H >> 3] = "u16", [BPF_B >> 3] = "u8", [BPF_DW >> 3] = "u64"};

    return widths[BPF_SIZE(code) >> 3];
}

static const char *helper_name(int32_t imm)
{
    static const char *const user[] = {
#define HELPER_NAME(id, name, doc) name,
        NGS_HELPERS(HELPER_NAME)
#undef HELPER_NAME
    };
    static const char *const kernel[] = {
#define HELPER_NAME(x) [BPF_FUNC_##x] = "bpf_" #x
        __BPF_FUNC_MAPPER(HELPER_NAME)
#undef HELPER_NAME
    };

    if (imm >= NGS_H_BASE && imm - NGS_H_BASE < NGS_HELPER_COUNT)
        return user[imm - NGS_H_BASE];
    if (imm >= 0 && (size_t)imm < sizeof(kernel) / sizeof(*kernel) && kernel[imm])
        return kernel[imm];
    return "helper";
}

static const struct cg_reloc *reloc_at(const struct cg_func *f, uint32_t insn)
{
    for (uint32_t k = 0; k < f->n_relocs; k++)
        if (f->relocs[k].insn == insn)
            return &f->relocs[k];
    return NULL;
}

static void show_alu(FILE *out, const struct bpf_insn *i)
{
    char r = BPF_CLASS(i->code) == BPF_ALU64 ? 'r' : 'w';
    uint8_t op = BPF_OP(i->code);
    const char *sign = i->off == 1 && op == BPF_DIV   ? "s/="
                       : i->off == 1 && op == BPF_MOD ? "s%="
                                                      : alu_sign(op);

    if (op == BPF_NEG)
        fprintf(out, "%c%u = -%c%u", r, i->dst_reg, r, i->dst_reg);
    else if (op == BPF_END)
        fprintf(out, "r%u = %s%d r%u", i->dst_reg, BPF_SRC(i->code) ? "be" : "le", i->imm,
                i->dst_reg);
    else if (BPF_SRC(i->code) == BPF_X)
        fprintf(out, "%c%u %s %c%u", r, i->dst_reg, sign, r, i->src_reg);
    else
        fprintf(out, "%c%u %s %d", r, i->dst_reg, sign, i->imm);
}

static void show_jump(FILE *out, const struct bpf_insn *i, uint32_t at,
                      const struct cg_reloc *reloc)
{
    char r = BPF_CLASS(i->code) == BPF_JMP ? 'r' : 'w';

    switch (BPF_OP(i->code)) {
    case BPF_JA:
        fprintf(out, "goto %d", (int)at + 1 + i->off);
        break;
    case BPF_JCOND:
        fprintf(out, "may_goto %d", (int)at + 1 + i->off);
        break;
    case BPF_EXIT:
        fputs("exit", out);
        break;
    case BPF_CALL:
        if (reloc)
            fprintf(out, "call %s", reloc->name);
        else
            fprintf(out, "call %s#%d", helper_name(i->imm), i->imm);
        break;
    default:
        if (BPF_SRC(i->code) == BPF_X)
            fprintf(out, "if %c%u %s %c%u goto %d", r, i->dst_reg, jump_sign(BPF_OP(i->code)), r,
                    i->src_reg, (int)at + 1 + i->off);
        else
            fprintf(out, "if %c%u %s %d goto %d", r, i->dst_reg, jump_sign(BPF_OP(i->code)), i->imm,
                    (int)at + 1 + i->off);
    }
}

static void show_atomic(FILE *out, const struct bpf_insn *i)
{
    static const struct {
        int32_t imm;
        const char *name;
    } ops[] = {{BPF_ADD, "add"},   {BPF_ADD | BPF_FETCH, "fetch_add"},
               {BPF_XCHG, "xchg"}, {BPF_CMPXCHG, "cmpxchg"},
               {BPF_OR, "or"},     {BPF_AND, "and"},
               {BPF_XOR, "xor"}};
    const char *name = "op";

    for (size_t k = 0; k < sizeof(ops) / sizeof(*ops); k++)
        if (ops[k].imm == i->imm)
            name = ops[k].name;
    fprintf(out, "lock %s(*(%s *)(r%u %+d), r%u)", name, width(i->code), i->dst_reg, i->off,
            i->src_reg);
}

static void show_wide(FILE *out, const struct bpf_insn *i, const struct cg_reloc *reloc)
{
    static const char *const user[] = {"globals", "literals", "control"};

    if (reloc && reloc->kind == CG_RELOC_MAP_VALUE)
        fprintf(out, "r%u = %s[0]+%d", i->dst_reg, reloc->name, i->imm);
    else if (reloc)
        fprintf(out, "r%u = %s %s", i->dst_reg, reloc->kind == CG_RELOC_MAP ? "map" : "subprog",
                reloc->name);
    else if (i->src_reg == 1 && (uint32_t)i->imm < 3)
        fprintf(out, "r%u = %s+%d", i->dst_reg, user[i->imm], i[1].imm);
    else
        fprintf(out, "r%u = 0x%" PRIx64 " ll", i->dst_reg,
                (uint64_t)(uint32_t)i[1].imm << 32 | (uint32_t)i->imm);
}

static void show(FILE *out, const struct cg_func *f, uint32_t at)
{
    const struct bpf_insn *i = &f->insns[at];
    const struct cg_reloc *reloc = reloc_at(f, at);

    switch (BPF_CLASS(i->code)) {
    case BPF_ALU:
    case BPF_ALU64:
        show_alu(out, i);
        break;
    case BPF_JMP:
    case BPF_JMP32:
        show_jump(out, i, at, reloc);
        break;
    case BPF_LDX:
        fprintf(out, "r%u = *(%s *)(r%u %+d)", i->dst_reg, width(i->code), i->src_reg, i->off);
        break;
    case BPF_STX:
        if (BPF_MODE(i->code) == BPF_ATOMIC)
            show_atomic(out, i);
        else
            fprintf(out, "*(%s *)(r%u %+d) = r%u", width(i->code), i->dst_reg, i->off, i->src_reg);
        break;
    case BPF_ST:
        fprintf(out, "*(%s *)(r%u %+d) = %d", width(i->code), i->dst_reg, i->off, i->imm);
        break;
    default:
        if (i->code == (BPF_LD | BPF_IMM | BPF_DW))
            show_wide(out, i, reloc);
        else
            fprintf(out, "(%02x)", i->code);
    }
}

static void show_line(FILE *out, struct compile *cx, struct span at, uint32_t *last_line,
                      uint32_t *last_file)
{
    struct place p;

    if (!span_place(cx->sources, at, &p) || (p.line == *last_line && p.source->id == *last_file))
        return;
    *last_line = p.line;
    *last_file = p.source->id;
    const char *start = p.source->text + p.source->lines[p.line - 1], *end = start;

    while (end < p.source->text + p.source->len && *end != '\n')
        end++;
    while (start < end && (*start == ' ' || *start == '\t'))
        start++;
    fprintf(out, "; %s:%u: %.*s\n", p.source->name, p.line, (int)(end - start), start);
}

void cg_disassemble(FILE *out, struct compile *cx, const struct cg_func *f)
{
    uint32_t line = 0, last_line = 0, last_file = 0;

    fprintf(out, "%s%s%s: %u instructions\n", f->section ? f->section : ".text", "/", f->name,
            f->n_insns);
    for (uint32_t at = 0; at < f->n_insns; at++) {
        for (; line < f->n_lines && f->lines[line].insn <= at; line++)
            show_line(out, cx, f->lines[line].at, &last_line, &last_file);
        fprintf(out, "%6u: ", at);
        show(out, f, at);
        fputc('\n', out);
        if (f->insns[at].code == (BPF_LD | BPF_IMM | BPF_DW))
            at++;
    }
    fputc('\n', out);
}
