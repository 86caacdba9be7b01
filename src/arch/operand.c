/*
 * operand: the parts of operands that machines have in common. Enters: bytes of a target's file,
 * untrusted; leaves: numbers, words and symbols, which are places in those bytes.
 */
#include "arch/operand.h"

#include <ctype.h>

bool operand_at_end(const struct operand_text *t)
{
    return t->at == t->end;
}

bool operand_take(struct operand_text *t, char c)
{
    if (operand_at_end(t) || *t->at != c)
        return false;
    t->at++;
    return true;
}

void operand_blanks(struct operand_text *t)
{
    while (operand_take(t, ' '))
        ;
}

static int digit(char c, unsigned base)
{
    unsigned v = isdigit((unsigned char)c)    ? (unsigned)(c - '0')
                 : isxdigit((unsigned char)c) ? (unsigned)(tolower((unsigned char)c) - 'a') + 10
                                              : base;

    return v < base ? (int)v : -1;
}

bool operand_number(struct operand_text *t, int64_t *out)
{
    struct operand_text at = *t;
    bool minus = operand_take(&at, '-');
    unsigned base = 10;
    uint64_t v = 0;

    if (!minus)
        operand_take(&at, '+');
    if (at.end - at.at > 2 && at.at[0] == '0' && at.at[1] == 'x') {
        base = 16;
        at.at += 2;
    }
    if (operand_at_end(&at) || digit(*at.at, base) < 0)
        return false;
    for (; !operand_at_end(&at) && digit(*at.at, base) >= 0; at.at++)
        if (__builtin_mul_overflow(v, base, &v) ||
            __builtin_add_overflow(v, (uint64_t)digit(*at.at, base), &v))
            return false;
    *out = (int64_t)(minus ? -v : v);
    *t = at;
    return true;
}

size_t operand_word(struct operand_text *t, const char **name)
{
    *name = t->at;
    while (!operand_at_end(t) && isalnum((unsigned char)*t->at))
        t->at++;
    return (size_t)(t->at - *name);
}

static bool is_symbol(char c, bool first)
{
    return isalpha((unsigned char)c) || c == '_' || c == '.' ||
           (!first && (isdigit((unsigned char)c) || c == '$'));
}

static bool take_symbol(struct operand_text *t, struct arch_operand *out)
{
    const char *from = t->at;

    if (out->symbol || operand_at_end(t) || !is_symbol(*t->at, true))
        return false;
    while (!operand_at_end(t) && is_symbol(*t->at, false))
        t->at++;
    out->symbol = from;
    out->symbol_len = (uint32_t)(t->at - from);
    return true;
}

bool operand_sum(struct operand_text *t, struct arch_operand *out)
{
    bool any = false;
    int64_t n;

    for (;; any = true) {
        if (operand_number(t, &n)) {
            out->number = (int64_t)((uint64_t)out->number + (uint64_t)n);
        } else {
            struct operand_text before = *t;

            if ((any && !operand_take(t, '+')) || !take_symbol(t, out)) {
                *t = before;
                return any;
            }
        }
        if (operand_at_end(t) || (*t->at != '+' && *t->at != '-'))
            return true;
    }
}
