/*
 * print: the IR as text (--dump-ir), each run of instructions under the script line it came
 * from. Enters: a unit, after any pass; leaves: lines on the stream.
 */
#include "ir/ir.h"

#include <inttypes.h>
#include <string.h>

static const char *const cond_text[] = {
    [IR_EQ] = "==", [IR_NE] = "!=", [IR_LT] = "<", [IR_LE] = "<=", [IR_GT] = ">", [IR_GE] = ">="};

static void print_text(FILE *out, const char *s, uint32_t len)
{
    fputc('"', out);
    for (uint32_t i = 0; i < len && i < 40; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c == '\n')
            fputs("\\n", out);
        else if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < ' ' || c > '~')
            fprintf(out, "\\x%02x", c);
        else
            fputc(c, out);
    }
    fputs(len > 40 ? "...\"" : "\"", out);
}

static void print_slot(FILE *out, const struct ir_unit *u, uint32_t id)
{
    if (id >= u->n_slots)
        fprintf(out, "?slot%u", id);
    else if (u->slots[id].name)
        fprintf(out, "%s.%u", u->slots[id].name, id);
    else
        fprintf(out, "%s%u", u->slots[id].type == IR_STRING ? "str" : "long", id);
}

static void print_val(FILE *out, const struct ir_unit *u, struct ir_val v)
{
    switch (v.kind) {
    case IRV_NONE:
        fputs("_", out);
        break;
    case IRV_TEMP:
        fprintf(out, "%%%u", v.id);
        break;
    case IRV_IMM:
        if (v.imm > 4096 || v.imm < -4096)
            fprintf(out, "%#" PRIx64, (uint64_t)v.imm);
        else
            fprintf(out, "%" PRId64, v.imm);
        break;
    case IRV_SLOT:
        print_slot(out, u, v.id);
        break;
    case IRV_LIT:
        if (v.id < u->n_lits)
            print_text(out, u->lits[v.id].text, u->lits[v.id].len);
        break;
    }
}

/* What belongs to the operation besides its operands. */
static void print_detail(FILE *out, const struct ir_unit *u, const struct ir_ins *i)
{
    switch (i->op) {
    case IR_LOAD:
    case IR_STORE:
        fputc(' ', out);
        print_slot(out, u, i->slot);
        break;
    case IR_GLOAD:
    case IR_GSTORE:
    case IR_GADD:
    case IR_GSTAT:
    case IR_GSTATGET:
    case IR_GBUCKET:
    case IR_GCLEAR:
    case IR_GSGET:
    case IR_GSSET:
    case IR_GSCAT:
        fprintf(out, " @%s", i->global < u->n_globals ? u->globals[i->global].name : "?");
        break;
    case IR_MODADDR:
        fprintf(out, " %s", i->module < u->n_modules ? u->modules[i->module].path : "?");
        break;
    case IR_READ:
        fprintf(out, " %s%u%s", i->is_signed ? "s" : "u", i->size * 8u, i->space ? " kernel" : "");
        break;
    case IR_SET:
    case IR_BRANCH:
        fprintf(out, " %s", cond_text[i->cond]);
        break;
    case IR_PRINT:
        fprintf(out, " #%u", i->fmt);
        break;
    case IR_CALL:
        fprintf(out, " %s", i->imm < u->n_funcs ? u->funcs[i->imm]->name : "?");
        break;
    case IR_HANDOVER:
        fprintf(out, " f%" PRId64, i->imm);
        break;
    default:
        if (i->map >= 0)
            fprintf(out, " %s[]", i->map < (int)u->n_maps ? u->maps[i->map].name : "?");
        break;
    }
}

static void print_ins(FILE *out, const struct ir_unit *u, const struct ir_ins *i)
{
    fputs("    ", out);
    if (i->dst)
        fprintf(out, "%%%u = ", i->dst);
    if (i->str.kind) {
        print_val(out, u, i->str);
        fputs(" <- ", out);
    }
    fputs(ir_op_text(i->op), out);
    print_detail(out, u, i);
    const struct ir_val operands[] = {i->a, i->b, i->s, i->s2};
    const char *sep = " ";

    for (unsigned k = 0; k < 4; k++)
        if (operands[k].kind) {
            fputs(sep, out);
            print_val(out, u, operands[k]);
            sep = ", ";
        }
    if (i->imm && i->op != IR_CALL && i->op != IR_HANDOVER)
        fprintf(out, "%simm %#" PRIx64, sep, (uint64_t)i->imm);
    if (i->n_args) {
        fputs(" (", out);
        for (uint32_t k = 0; k < i->n_args; k++) {
            if (k)
                fputs(", ", out);
            print_val(out, u, i->args[k]);
        }
        fputc(')', out);
    }
    if (i->to[0] != IR_NO_BLOCK)
        fprintf(out, " -> b%u", i->to[0]);
    if (i->to[1] != IR_NO_BLOCK)
        fprintf(out, ", b%u", i->to[1]);
    if (i->onerr != IR_NO_BLOCK)
        fprintf(out, " !b%u", i->onerr);
    fputc('\n', out);
}

/* The script line of LOC, once per run of instructions from it. */
static void print_line(FILE *out, const struct ir_unit *u, uint32_t loc, uint32_t *file,
                       uint32_t *line)
{
    struct place p;

    if (!loc || loc >= u->n_locs || !span_place(u->cx->sources, u->locs[loc].at, &p))
        return;
    if (p.source->id == *file && p.line == *line)
        return;
    *file = p.source->id;
    *line = p.line;
    uint32_t start = p.source->lines[p.line - 1], end = start;

    while (end < p.source->len && p.source->text[end] != '\n')
        end++;
    fprintf(out, "  ; %s:%u: ", p.source->name, p.line);
    fwrite(p.source->text + start, 1, end - start, out);
    fputc('\n', out);
}

void ir_print(FILE *out, const struct ir_unit *u)
{
    for (uint32_t n = 0; n < u->n_funcs; n++) {
        const struct ir_func *f = u->funcs[n];
        uint32_t file = 0, line = 0;

        if (f->rest_of)
            fprintf(out, "rest f%u%s of ", f->id, f->exits ? ", which exits," : "");
        fprintf(out, "%s %s%s%s", f->is_probe ? "probe" : "function", f->name,
                f->user ? " (user space)" : "", f->recursive ? " (recursive)" : "");
        for (uint32_t k = 0; f->rest_of && k < f->n_params; k++) {
            fputs(k ? ", " : " given ", out);
            print_slot(out, u, f->params[k]);
        }
        fputc('\n', out);
        for (uint32_t b = 0; b < f->n_blocks; b++) {
            fprintf(out, "  b%u:%s\n", b, f->blocks[b]->loop_head ? " (loop)" : "");
            for (const struct ir_ins *i = f->blocks[b]->first; i; i = i->next) {
                print_line(out, u, i->loc, &file, &line);
                print_ins(out, u, i);
            }
        }
        fputc('\n', out);
    }
}
