/*
 * x86_64_operand: operands of x86-64 in AT&T's syntax, as the GNU assembler's manual has it
 * (i386-Memory): $5, %eax, -16(%rbp), symbol+8(%rip), (%rax,%rbx,4). Registers have DWARF's
 * numbers. Refused: segments, and addresses behind the instruction pointer that name no symbol.
 */
#include <string.h>

#include "arch/machines.h"
#include "arch/operand.h"

enum { NO_REGISTER = -1, LEGACY = 8, HIGH_HALVES = 4, REGISTERS = 16 };

static bool is(const char *p, size_t len, const char *word)
{
    return strlen(word) == len && !memcmp(p, word, len);
}

static bool begins(const char *p, size_t len, const char *word)
{
    return len >= strlen(word) && !memcmp(p, word, strlen(word));
}

static bool set(struct arch_operand *out, size_t n, uint8_t size, uint8_t shift)
{
    out->base = (int)n;
    out->size = size;
    out->shift = shift;
    return true;
}

/* "rax", "eax", "ax", "al", "ah" and their like. */
static bool legacy(const char *p, size_t len, struct arch_operand *out)
{
    static const char *const names[LEGACY] = {"ax", "dx", "cx", "bx", "si", "di", "bp", "sp"};

    for (size_t i = 0; i < LEGACY; i++) {
        const char *name = names[i];

        if (is(p, len, name))
            return set(out, i, 2, 0);
        if (len == 3 && is(p + 1, 2, name) && (*p == 'r' || *p == 'e'))
            return set(out, i, *p == 'r' ? 8 : 4, 0);
        if (i < HIGH_HALVES && len == 2 && *p == *name && (p[1] == 'l' || p[1] == 'h'))
            return set(out, i, 1, p[1] == 'h' ? 8 : 0);
        if (i >= HIGH_HALVES && len == 3 && is(p, 2, name) && p[2] == 'l')
            return set(out, i, 1, 0);
    }
    return false;
}

/* "r8", "r15d", "r9w", "r10b". */
static bool numbered(const char *p, size_t len, struct arch_operand *out)
{
    struct operand_text t = {p, p + len};
    int64_t n;

    if (!operand_take(&t, 'r') || !operand_number(&t, &n) || n < LEGACY || n >= REGISTERS)
        return false;
    if (operand_at_end(&t))
        return set(out, (size_t)n, 8, 0);
    if (t.end - t.at != 1 || !strchr("dwbl", *t.at))
        return false;
    return set(out, (size_t)n, *t.at == 'd' ? 4 : *t.at == 'w' ? 2 : 1, 0);
}

/* Behind its %. */
static bool take_register(struct operand_text *t, struct arch_operand *out)
{
    const char *name;
    size_t len = operand_word(t, &name);

    return legacy(name, len, out) || numbered(name, len, out);
}

static bool address_register(struct operand_text *t, int *reg)
{
    struct arch_operand r;

    if (!operand_take(t, '%') || !take_register(t, &r) || r.size != 8)
        return false;
    *reg = r.base;
    return true;
}

/* Behind the parenthesis. */
static bool address(struct operand_text *t, struct arch_operand *out)
{
    static const char ip[] = "%rip)";
    int64_t scale = 1;

    if (begins(t->at, (size_t)(t->end - t->at), ip)) {
        t->at += strlen(ip);
        return out->symbol;
    }
    if (*t->at != ',' && !address_register(t, &out->base))
        return false;
    if (operand_take(t, ',')) {
        if (!address_register(t, &out->index))
            return false;
        if (operand_take(t, ',') &&
            (!operand_number(t, &scale) || (scale != 1 && scale != 2 && scale != 4 && scale != 8)))
            return false;
    }
    out->scale = (uint8_t)scale;
    return operand_take(t, ')');
}

bool arch_x86_64_operand(const char *text, size_t len, struct arch_operand *out)
{
    struct operand_text t = {text, text + len};

    *out = (struct arch_operand){.kind = OPERAND_MEMORY, .base = NO_REGISTER, .index = NO_REGISTER};
    if (operand_take(&t, '$')) {
        out->kind = OPERAND_CONSTANT;
        return operand_sum(&t, out) && operand_at_end(&t);
    }
    if (operand_take(&t, '%')) {
        out->kind = OPERAND_REGISTER;
        if (begins(t.at, (size_t)(t.end - t.at), "xmm") ||
            begins(t.at, (size_t)(t.end - t.at), "ymm") ||
            begins(t.at, (size_t)(t.end - t.at), "st")) {
            out->kind = OPERAND_FLOAT;
            return true;
        }
        return take_register(&t, out) && operand_at_end(&t);
    }
    bool any = operand_sum(&t, out);

    if (operand_take(&t, '('))
        any = !operand_at_end(&t) && address(&t, out);
    return any && operand_at_end(&t);
}
