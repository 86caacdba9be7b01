/*
 * text: bytes of the target made fit for a file. Enters: any bytes; leaves: clean text
 * (base/clean.h), and that text inside XML or JSON. And the words for the kinds of frames, which
 * several formats say.
 */
#include <string.h>

#include "base/arena.h"
#include "base/clean.h"
#include "out/out.h"

char *out_clean(struct arena *a, const char *s, size_t len, size_t *out_len)
{
    char *out = arena_alloc(a, 4 * len + 1);

    *out_len = clean_text(s, len, out, 4 * len + 1);
    return out;
}

void out_xml(FILE *f, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        switch (s[i]) {
        case '<':
            fputs("&lt;", f);
            break;
        case '>':
            fputs("&gt;", f);
            break;
        case '&':
            fputs("&amp;", f);
            break;
        case '"':
            fputs("&quot;", f);
            break;
        case '\'':
            fputs("&#39;", f);
            break;
        default:
            fputc(s[i], f);
        }
}

/* < stands escaped too, so that the text may be put into a page. */
void out_json(FILE *f, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c == '"' || c == '\\')
            fprintf(f, "\\%c", c);
        else if (c < 0x20 || c == 0x7f || c == '<')
            fprintf(f, "\\u%04x", c);
        else
            fputc(c, f);
    }
}

const char *out_kind_name(enum out_kind kind)
{
    static const char *const names[OUT_KINDS] = {
        [OUT_LUA] = "Lua, interpreted",
        [OUT_COMPILED] = "Lua, compiled",
        [OUT_BUILTIN] = "built-in function",
        [OUT_C] = "C",
        [OUT_KERNEL] = "kernel",
        [OUT_VOLUNTARY] = "off the CPU, voluntary",
        [OUT_INVOLUNTARY] = "off the CPU, involuntary",
    };

    return names[kind];
}

const char *out_unit(const struct out_profile *p)
{
    return p->unit ? p->unit : "samples";
}

const char *out_quantity(const char *unit)
{
    return strcmp(unit, "microseconds") ? unit : "time";
}

const char *out_scaled(const char *unit)
{
    return !strcmp(unit, "microseconds") || !strcmp(unit, "bytes") ? unit : "count";
}
