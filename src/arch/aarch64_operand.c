/*
 * aarch64_operand: operands of AArch64 as GCC prints them for a mark: 5, x0, w1, [sp, 12],
 * [x0, x1, lsl 3]. Registers have DWARF's numbers. Refused: indexes of 32 bits, and addresses by a
 * symbol, which take two instructions to make.
 */
#include <string.h>

#include "arch/machines.h"
#include "arch/operand.h"

enum { NO_REGISTER = -1, SP = 31, LR = 30, FP = 29, SHIFT_MAX = 4 };

static bool is(const char *p, size_t len, const char *word)
{
    return strlen(word) == len && !memcmp(p, word, len);
}

static bool set(struct arch_operand *out, int n, uint8_t size)
{
    out->kind = OPERAND_REGISTER;
    out->base = n;
    out->size = size;
    return true;
}

static bool take_register(struct operand_text *t, struct arch_operand *out)
{
    const char *name;
    size_t len = operand_word(t, &name);
    struct operand_text number = {name + 1, name + len};
    int64_t n;

    if (is(name, len, "sp"))
        return set(out, SP, 8);
    if (is(name, len, "wsp"))
        return set(out, SP, 4);
    if (is(name, len, "fp"))
        return set(out, FP, 8);
    if (is(name, len, "lr"))
        return set(out, LR, 8);
    if (is(name, len, "xzr") || is(name, len, "wzr")) {
        out->kind = OPERAND_CONSTANT;
        return true;
    }
    if (len < 2 || !operand_number(&number, &n) || !operand_at_end(&number) || n < 0 || n > SP)
        return false;
    if (strchr("bhsdqv", *name)) {
        out->kind = OPERAND_FLOAT;
        return true;
    }
    return (*name == 'x' || *name == 'w') && n < SP && set(out, (int)n, *name == 'x' ? 8 : 4);
}

static bool address_register(struct operand_text *t, int *reg)
{
    struct arch_operand r = {.size = 0};

    if (!take_register(t, &r) || r.kind != OPERAND_REGISTER || r.size != 8)
        return false;
    *reg = r.base;
    return true;
}

static bool constant(struct operand_text *t, int64_t *n)
{
    operand_take(t, '#');
    return operand_number(t, n);
}

/* Behind the bracket. */
static bool address(struct operand_text *t, struct arch_operand *out)
{
    const char *word;
    int64_t shift = 0;

    if (!address_register(t, &out->base))
        return false;
    if (operand_take(t, ',')) {
        operand_blanks(t);
        if (!constant(t, &out->number)) {
            if (!address_register(t, &out->index))
                return false;
            if (operand_take(t, ',')) {
                operand_blanks(t);
                size_t n = operand_word(t, &word);

                if (!is(word, n, "lsl"))
                    return false;
                operand_blanks(t);
                if (!constant(t, &shift) || shift < 0 || shift > SHIFT_MAX)
                    return false;
            }
        }
    }
    out->scale = (uint8_t)(1u << shift);
    return operand_take(t, ']');
}

bool arch_aarch64_operand(const char *text, size_t len, struct arch_operand *out)
{
    struct operand_text t = {text, text + len};

    *out =
        (struct arch_operand){.kind = OPERAND_CONSTANT, .base = NO_REGISTER, .index = NO_REGISTER};
    if (operand_take(&t, '[')) {
        out->kind = OPERAND_MEMORY;
        return address(&t, out) && operand_at_end(&t);
    }
    return (constant(&t, &out->number) || take_register(&t, out)) && operand_at_end(&t);
}
