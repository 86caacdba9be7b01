/*
 * spell: what the target says, as script text. Internal to sxx/.
 */
#ifndef SXX_SPELL_H
#define SXX_SPELL_H

#include "sxx/line.h"

/* The lexer's state at the end of what was spelt so far. Zero but for the first three. */
struct spell {
    struct compile *cx;
    struct line *out;
    const char *note; /* goes to what is written there and no expansion; or NULL */
    enum { SPELL_SCRIPT, SPELL_STRING, SPELL_REMARK, SPELL_COMMENT, SPELL_CODE } state;
    bool escaped;  /* in a string, after a backslash */
    bool format;   /* the string is a format */
    bool compared; /* between "%(" and "%?" */
    char last;     /* the byte before, where two make one sign */
    char word[8];  /* the word before, or being read */
    uint32_t word_len;
    enum { HEAD_NONE, HEAD_PRINTER, HEAD_OPEN } head, head_before; /* printf, "printf(" */
    bool failed;
};

/* The expanded LINE to the end of S->out. */
void spell_line(struct spell *s, const struct line *line);

#endif
