/*
 * operand: what the readers of operands, one a machine, share: a text and how far it is read.
 */
#ifndef ARCH_OPERAND_H
#define ARCH_OPERAND_H

#include "arch/arch.h"

struct operand_text {
    const char *at, *end;
};

/* Takes C, if it comes next. */
bool operand_take(struct operand_text *t, char c);
bool operand_at_end(const struct operand_text *t);
void operand_blanks(struct operand_text *t);

/* Takes a number, decimal or 0x, with a sign or none. False: there is none, or it takes more than
 * 64 bits. */
bool operand_number(struct operand_text *t, int64_t *out);

/* Takes letters and digits, the name of a register. How many; *NAME is where they are. */
size_t operand_word(struct operand_text *t, const char **name);

/* Takes "symbol", "symbol+8", "16", "-8+symbol": adds to OUT's number, sets its symbol. False: it
 * is nothing of the kind. */
bool operand_sum(struct operand_text *t, struct arch_operand *out);

#endif
