/*
 * format: the formats of printf and sprintf. Enters: a format with its arguments; leaves: each
 * argument inferred as what its conversion takes. Refused: conversions that do not exist, and
 * too few or too many arguments.
 */
#include "sema/internal.h"

#include <string.h>

struct conversions {
    struct sema *s;
    struct expr *print;
    uint32_t used; /* arguments */
    bool bad;
};

static void argument(struct conversions *c, enum value_type want)
{
    if (c->used < c->print->n_args)
        sema_expect(c->s, c->print->args[c->used], want);
    c->used++;
}

/* '*' or digits. */
static const char *number(struct conversions *c, const char *p, const char *end)
{
    if (p < end && *p == '*') {
        argument(c, TYPE_LONG);
        return p + 1;
    }
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

static void bad(struct conversions *c, const char *from, const char *to)
{
    c->bad = true;
    if (to > from + 1 && (unsigned char)to[-1] < ' ')
        to--;
    if (c->s->report) {
        diag_error(c->s->diag, c->print->op_at, "format", "'%.*s' is no conversion of %s",
                   (int)(to - from), from, c->print->text);
        c->print->type = TYPE_ERROR;
    }
}

/* One conversion, from its '%' on. Returns what follows it. */
static const char *conversion(struct conversions *c, const char *from, const char *end)
{
    const char *p = from + 1;

    if (p < end && *p == '%')
        return p + 1;
    while (p < end && memchr("-+ #0", *p, 5))
        p++;
    p = number(c, p, end);
    if (p < end && *p == '.')
        p = number(c, p + 1, end);
    while (p < end && (*p == 'l' || *p == 'h' || *p == 'z' || *p == 'j' || *p == 't' || *p == 'q'))
        p++;
    if (p == end) {
        bad(c, from, end);
        return end;
    }
    if (*p == 's')
        argument(c, TYPE_STRING);
    else if (memchr("diuoxXpcbmM", *p, 11))
        argument(c, TYPE_LONG);
    else
        bad(c, from, p + 1);
    return p + 1;
}

void sema_check_format(struct sema *s, struct expr *print)
{
    struct conversions c = {.s = s, .print = print};
    const char *p = print->fmt, *end = p + print->fmt_len;

    while (p < end)
        p = *p == '%' ? conversion(&c, p, end) : p + 1;
    for (uint32_t i = c.used; i < print->n_args; i++)
        sema_expect(s, print->args[i], TYPE_UNKNOWN);
    if (!s->report || c.bad || c.used == print->n_args)
        return;
    if (c.used > print->n_args)
        diag_error(s->diag, print->op_at, "format",
                   "the format takes %u argument%s, but there %s %u", c.used,
                   c.used == 1 ? "" : "s", print->n_args == 1 ? "is" : "are", print->n_args);
    else
        diag_error(s->diag, print->args[c.used]->at, "format",
                   "the format takes %u argument%s: nothing shows this one", c.used,
                   c.used == 1 ? "" : "s");
    print->type = TYPE_ERROR;
}
