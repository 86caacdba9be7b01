/*
 * format: the formats of printf and sprintf. Enters: a format with its arguments; leaves: each
 * argument inferred as what its conversion takes. Refused: conversions that do not exist, and
 * too few or too many arguments.
 */
#include "sema/internal.h"

#include <string.h>

#include "base/conversion.h"

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

static void bad(struct conversions *c, const char *from, uint32_t len)
{
    const char *lengths = "hLqjzt";

    c->bad = true;
    if (!c->s->report)
        return;
    diag_error(c->s->diag, c->print->op_at, "format", "'%.*s' is no conversion of %s", (int)len,
               from, c->print->text);
    if (strpbrk(arena_strndup(c->s->arena, from, len), lengths) || strstr(c->print->fmt, "ll"))
        diag_hint(c->s->diag,
                  "numbers have 64 bits, whatever their C type: %%d and %%u show all of them");
    c->print->type = TYPE_ERROR;
}

/* One conversion, from its '%' on. Returns what follows it. */
static const char *conversion(struct conversions *c, const char *from, const char *end)
{
    struct conversion conv;

    if (!conversion_read(from, end, &conv)) {
        bad(c, from, conv.len);
        argument(c, TYPE_UNKNOWN);
        return from + conv.len;
    }
    if (conv.width_arg)
        argument(c, TYPE_LONG);
    if (conv.prec_arg)
        argument(c, TYPE_LONG);
    if (conv.letter != '%')
        argument(c, conv.letter == 's' ? TYPE_STRING : TYPE_LONG);
    return from + conv.len;
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
