/*
 * spec: the text that names functions and lines. Enters: "name@file:lines"; leaves: its parts.
 * Refused: lines that are no numbers.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "probe/process.h"

enum { RANGES_MAX = 1000 };

static bool number(const char **p, uint32_t *out)
{
    char *end;

    if (!isdigit((unsigned char)**p))
        return false;
    unsigned long n = strtoul(*p, &end, 10);

    *p = end;
    *out = (uint32_t)n;
    return n <= INT32_MAX;
}

/* "5,7-9" */
static bool ranges(struct arena *a, const char *p, struct spec *s)
{
    for (;; p++) {
        struct spec_range r;

        if (s->n == RANGES_MAX || !number(&p, &r.low))
            return false;
        r.high = r.low;
        if (*p == '-') {
            p++;
            if (!number(&p, &r.high))
                return false;
        }
        if (r.high < r.low)
            return false;
        s->ranges = arena_grow(a, s->ranges, s->n, sizeof(*s->ranges));
        s->ranges[s->n++] = r;
        if (*p != ',')
            return !*p;
    }
}

bool spec_parse(struct compile *cx, const struct point_part *part, struct spec *s)
{
    struct arena *a = cx->arena;
    const char *text = part->arg->text, *at = strchr(text, '@');

    *s = (struct spec){.name = text};
    if (!at)
        return true;
    const char *colon = strrchr(at, ':'), *plus = strrchr(at, '+');
    const char *lines = colon ? colon : plus && isdigit((unsigned char)plus[1]) ? plus : NULL;

    s->name = arena_strndup(a, text, (size_t)(at - text));
    s->file = lines ? arena_strndup(a, at + 1, (size_t)(lines - at - 1)) : arena_strdup(a, at + 1);
    if (!lines)
        return true;
    if (!strcmp(lines, ":*")) {
        s->kind = SPEC_ALL_LINES;
        return true;
    }
    s->kind = colon ? SPEC_LINES : SPEC_RELATIVE;
    if (ranges(a, lines + 1, s))
        return true;
    diag_error(cx->diag, part->arg->at, "probe", "'%s' is no line of a file", lines);
    diag_hint(cx->diag, "lines are written \"f@file.c:5\", \":5-9\", \":5,7\", \":*\", or \"+3\" "
                        "from the line that declares f");
    return false;
}
