/*
 * disasm: BPF instructions as text (--dump-bpf), under the script line each run of them came from. Enters:
 * a finished function; leaves: lines on the stream, in the verifier's notation.
 */
#include "cg/object.h"

#include <inttypes.h>
#include <string.h>

#include "base/abi.h"

static const char *const sizes[] = {"u32", "u16", "u8", "u64"}; /* by BPF_SIZE(code) >> 3 */

static const char *alu_text(uint8_t op)
{
    static const char *const text[16] = {"+=", "-=", "*=", "/=", "|=", "&=", "<<=", ">>=",
                                         "neg", "%=", "^=", "=", "s>>=", "endian"};

    return text[op >> 4] ? text[op >> 4] : "?=";
}

static const char *jump_text(uint8_t op)
{
    static const char *const text[16] = {"", "==", ">", ">=", "&", "!=", "s>", "s>=", "", "", "<", "<=", "s<", "s<="};

    return text[op >> 4] ? text[op >> 4] : "?";
}

static const char *helper_text(int32_t imm)
{
    static const char *const names[] = {
#define HELPER_NAME(id, name, doc) name,
        NGS_HELPERS(HELPER_NAME)
#undef HELPER_NAME
    };

    if (imm < NGS_H_BASE || imm - NGS_H_BASE >= NGS_HELPER_COUNT)
        return NULL;
    return names[imm - NGS_H_BASE];
}

static const struct cg_reloc *reloc_at(const struct cg_func *f, uint32_t insn)
{
    for (uint32_t i = 0; i < f->n_relocs; i++)
        if (f->relocs[i].insn == insn)
            return &f->relocs[i];
    return NULL;
}

static void print_call(FILE *out, const struct cg_func *f, uint32_t n)
{
    const struct bpf_insn *i = &f->insns[n];
    const struct cg_reloc *r = reloc_at(f, n);
    const char *helper = helper_text(i->imm);

    if (r)
        fprintf(out, "call %s", r->name);
    else if (helper)
        fprintf(out, "call %s", helper);
    else
        fprintf(out, "call #%d", i->imm);
}

static void print_jump(FILE *out, const struct cg_func *f, uint32_t n)
{
    const struct bpf_insn *i = &f->insns[n];
    uint8_t op = BPF_OP(i->code);
    uint32_t to = n + 1 + (uint32_t)(int32_t)i->off;
    char w = BPF_CLASS(i->code) == BPF_JMP32 ? 'w' : 'r';

    if (op == BPF_CALL)
        print_call(out, f, n);
    else if (op == BPF_EXIT)
        fputs("exit", out);
    else if (op == BPF_JA)
        fprintf(out, "goto %u", BPF_CLASS(i->code) == BPF_JMP32 ? n + 1 + (uint32_t)i->imm : to);
    else if (op == 0xe0) /* BPF_JCOND */
        fprintf(out, "may_goto %u", to);
    else if (BPF_SRC(i->code) == BPF_X)
        fprintf(out, "if %c%u %s %c%u goto %u", w, i->dst_reg, jump_text(op), w, i->src_reg, to);
    else
        fprintf(out, "if %c%u %s %d goto %u", w, i->dst_reg, jump_text(op), i->imm, to);
}

static void print_alu(FILE *out, const struct bpf_insn *i)
{
    uint8_t op = BPF_OP(i->code);
    char w = BPF_CLASS(i->code) == BPF_ALU ? 'w' : 'r';

    if (op == BPF_NEG)
        fprintf(out, "%c%u = -%c%u", w, i->dst_reg, w, i->dst_reg);
    else if (op == BPF_END)
        fprintf(out, "r%u = %s%d r%u", i->dst_reg, BPF_SRC(i->code) == BPF_TO_BE ? "be" : "le", i->imm, i->dst_reg);
    else if (BPF_SRC(i->code) == BPF_X)
        fprintf(out, "%c%u %s%s %c%u", w, i->dst_reg, i->off && (op == BPF_DIV || op == BPF_MOD) ? "s" : "", alu_text(op),
                w, i->src_reg);
    else
        fprintf(out, "%c%u %s %d", w, i->dst_reg, alu_text(op), i->imm);
}

/* One instruction (two slots for a 64-bit constant: returns how many). */
static uint32_t print_insn(FILE *out, const struct cg_func *f, uint32_t n)
{
    const struct bpf_insn *i = &f->insns[n];
    const char *size = sizes[BPF_SIZE(i->code) >> 3];

    switch (BPF_CLASS(i->code)) {
    case BPF_ALU:
    case BPF_ALU64:
        print_alu(out, i);
        return 1;
    case BPF_JMP:
    case BPF_JMP32:
        print_jump(out, f, n);
        return 1;
    case BPF_LDX:
        fprintf(out, "r%u = *(%s *)(r%u %+d)", i->dst_reg, size, i->src_reg, i->off);
        return 1;
    case BPF_ST:
        fprintf(out, "*(%s *)(r%u %+d) = %d", size, i->dst_reg, i->off, i->imm);
        return 1;
    case BPF_STX:
        if (BPF_MODE(i->code) == 0xc0) /* BPF_ATOMIC */
            fprintf(out, "atomic %#x *(%s *)(r%u %+d) r%u", (unsigned)i->imm, size, i->dst_reg, i->off, i->src_reg);
        else
            fprintf(out, "*(%s *)(r%u %+d) = r%u", size, i->dst_reg, i->off, i->src_reg);
        return 1;
    default: {
        const struct cg_reloc *r = reloc_at(f, n);
        uint64_t v = (uint32_t)i->imm;

        if (n + 1 < f->n_insns)
            v |= (uint64_t)(uint32_t)f->insns[n + 1].imm << 32;
        if (r)
            fprintf(out, "r%u = %s%s+%" PRIu64, i->dst_reg, r->kind == CG_RELOC_CALLBACK ? "func " : "map ", r->name, v);
        else if (i->src_reg)
            fprintf(out, "r%u = data %d+%u", i->dst_reg, i->imm, n + 1 < f->n_insns ? (unsigned)f->insns[n + 1].imm : 0);
        else
            fprintf(out, "r%u = %#" PRIx64 " ll", i->dst_reg, v);
        return 2;
    }
    }
}

static void print_line(FILE *out, struct compile *cx, struct span at, uint32_t *file, uint32_t *line)
{
    struct place p;

    if (!span_place(cx->sources, at, &p) || (p.source->id == *file && p.line == *line))
        return;
    *file = p.source->id;
    *line = p.line;
    uint32_t start = p.source->lines[p.line - 1], end = start;

    while (end < p.source->len && p.source->text[end] != '\n')
        end++;
    fprintf(out, "; %s:%u: ", p.source->name, p.line);
    fwrite(p.source->text + start, 1, end - start, out);
    fputc('\n', out);
}

void cg_disassemble(FILE *out, struct compile *cx, const struct cg_func *f)
{
    uint32_t mark = 0, file = 0, line = 0;

    fprintf(out, "%s %s: %u instructions\n", f->section ? f->section : ".text", f->name, f->n_insns);
    for (uint32_t n = 0; n < f->n_insns;) {
        while (mark < f->n_lines && f->lines[mark].insn <= n)
            print_line(out, cx, f->lines[mark++].at, &file, &line);
        fprintf(out, "%6u: ", n);
        n += print_insn(out, f, n);
        fputc('\n', out);
    }
    fputc('\n', out);
}
