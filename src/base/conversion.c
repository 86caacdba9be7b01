/*
 * conversion: see conversion.h. The grammar is that of print_format::string_to_components in
 * SystemTap's staptree.cxx. Enters: bytes of a format; leaves: the conversion's parts. Refused: a
 * second flag, lengths other than one 'l', unknown letters, a format that ends within a conversion.
 */
#include "base/conversion.h"

#include <string.h>

#include "base/abi.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static uint32_t flag_of(char c)
{
    switch (c) {
    case '0':
        return NGS_SPEC_ZERO;
    case '+':
        return NGS_SPEC_PLUS;
    case '-':
        return NGS_SPEC_LEFT;
    case ' ':
        return NGS_SPEC_SPACE;
    case '#':
        return NGS_SPEC_ALT;
    default:
        return 0;
    }
}

/* "*", digits, or nothing. */
static const char *number(const char *p, const char *end, int32_t *value, bool *from_arg)
{
    if (p < end && *p == '*') {
        *from_arg = true;
        return p + 1;
    }
    if (p == end || !is_digit(*p))
        return p;
    for (*value = 0; p < end && is_digit(*p); p++) {
        *value = *value * 10 + (*p - '0');
        if (*value > CONVERSION_MAX)
            *value = CONVERSION_MAX;
    }
    return p;
}

bool conversion_read(const char *from, const char *end, struct conversion *c)
{
    const char *p = from + 1;

    *c = (struct conversion){.width = CONVERSION_NONE, .prec = CONVERSION_NONE};
    if (p == end || *p == '%') {
        c->letter = '%';
        c->len = p == end ? 1 : 2;
        return true;
    }
    c->flags = flag_of(*p);
    p = number(p + (c->flags != 0), end, &c->width, &c->width_arg);
    if (p < end && *p == '.')
        p = number(p + 1, end, &c->prec, &c->prec_arg);
    if (p < end && *p == 'l')
        p++;
    if (p < end && memchr("bcdimMopsuxX", *p, 12)) {
        c->letter = *p;
        c->len = (uint32_t)(p + 1 - from);
        return true;
    }
    while (p < end && memchr("-+ #0123456789.*hlLqjzt", *p, 23)) /* C's, for the message */
        p++;
    if (p < end && (unsigned char)*p > ' ')
        p++;
    c->len = (uint32_t)(p - from);
    return false;
}

bool conversion_any(const char *format, uint32_t len, bool (*is)(const struct conversion *c))
{
    const char *end = format + len;
    struct conversion c;

    for (const char *p = format; p && (p = memchr(p, '%', (size_t)(end - p))); p += c.len)
        if (conversion_read(p, end, &c) && is(&c))
            return true;
    return false;
}
