/*
 * format: the conversions of printf and sprintf as SystemTap's runtime shows them
 * (runtime/vsprintf.c is where its behaviour can be read). They differ from C's in places: "%#x" of
 * 0 is 0x0, '0' is heeded beside a precision, "%0s" adds a NUL, "%#c" escapes, %b writes bytes.
 * Enters: format text and arguments of any content; leaves: text, never an error.
 */
#include "run/text.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

static int32_t clamp_width(int64_t v)
{
    return v < 0 ? 0 : v > CONVERSION_MAX ? CONVERSION_MAX : (int32_t)v;
}

struct conv conv_of_spec(uint64_t spec)
{
    uint32_t prec = spec >> 32 & 0xffff;

    return (struct conv){
        .conv = (char)(spec & 0xff),
        .flags = (uint32_t)spec & 0xff00,
        .width = (int32_t)(spec >> 16 & 0xffff),
        .prec = prec == 0xffff ? CONVERSION_NONE : (int32_t)prec,
    };
}

static void format_integer(struct text *t, struct conv c, int64_t value)
{
    const char *digits = c.conv == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    bool left = c.flags & NGS_SPEC_LEFT, zero = (c.flags & NGS_SPEC_ZERO) && !left;
    bool alt = (c.flags & NGS_SPEC_ALT) || c.conv == 'p';
    unsigned base = strchr("xXp", c.conv) ? 16 : c.conv == 'o' ? 8 : 10;
    uint64_t v = (uint64_t)value;
    char buf[24], prefix[4] = "";
    int n = 0, n_prefix = 0;

    if (c.conv == 'd' || c.conv == 'i') {
        if (value < 0) {
            prefix[n_prefix++] = '-';
            v = -v;
        } else if (c.flags & NGS_SPEC_PLUS) {
            prefix[n_prefix++] = '+';
        } else if (c.flags & NGS_SPEC_SPACE) {
            prefix[n_prefix++] = ' ';
        }
    }
    if (alt && base != 10)
        prefix[n_prefix++] = '0';
    if (alt && base == 16)
        prefix[n_prefix++] = c.conv == 'X' ? 'X' : 'x';
    do
        buf[n++] = digits[v % base];
    while (v /= base);

    int64_t prec = c.prec > n ? c.prec : n, pad = (int64_t)c.width - n_prefix - prec;

    if (!left && !zero)
        text_pad(t, ' ', pad);
    text_bytes(t, prefix, (size_t)n_prefix);
    if (zero)
        text_pad(t, '0', pad);
    text_pad(t, '0', prec - n);
    while (n-- > 0)
        text_char(t, buf[n]);
    if (left)
        text_pad(t, ' ', pad);
}

static void format_char(struct text *t, struct conv c, unsigned char ch)
{
    static const char codes[] = "\a\b\f\n\r\t\v'\\", letters[] = "abfnrtv'\\";
    char buf[8] = {(char)ch};
    size_t n = 1;

    if ((c.flags & NGS_SPEC_ALT) && (ch > 126 || ch < 32 || ch == '\'' || ch == '\\')) {
        const char *code = ch ? strchr(codes, ch) : NULL;

        buf[0] = '\\';
        if (code) {
            buf[1] = letters[code - codes];
            n = 2;
        } else {
            buf[1] = (char)('0' + (ch >> 6 & 3));
            buf[2] = (char)('0' + (ch >> 3 & 7));
            buf[3] = (char)('0' + (ch & 7));
            n = 4;
        }
    }
    if (!(c.flags & NGS_SPEC_LEFT))
        text_pad(t, ' ', (int64_t)c.width - (int64_t)n);
    text_bytes(t, buf, n);
    if (c.flags & NGS_SPEC_LEFT)
        text_pad(t, ' ', (int64_t)c.width - (int64_t)n);
}

/* The precision is 1, 2, 4 or 8, and stands in for a missing width and the other way round. */
static void format_binary(struct text *t, struct conv c, int64_t value)
{
    uint64_t bytes = htole64((uint64_t)value);
    int width = c.width, prec = c.prec;

    if (prec != 1 && prec != 2 && prec != 4 && prec != 8)
        prec = -1;
    if (width < 0)
        width = prec < 0 ? 8 : prec;
    if (prec < 0)
        prec = width == 1 || width == 2 || width == 4 ? width : 8;
    if (!(c.flags & NGS_SPEC_LEFT))
        text_pad(t, '\0', width - prec);
    text_bytes(t, (const char *)&bytes, (size_t)prec);
    if (c.flags & NGS_SPEC_LEFT)
        text_pad(t, '\0', width - prec);
}

void format_number(struct text *t, struct conv c, int64_t value)
{
    if (c.conv == 'c')
        format_char(t, c, (unsigned char)value);
    else if (c.conv == 'b')
        format_binary(t, c, value);
    else
        format_integer(t, c, value);
}

void format_bytes(struct text *t, struct conv c, const char *p, size_t len)
{
    if (c.prec >= 0 && len > (size_t)c.prec)
        len = (size_t)c.prec;
    if (!(c.flags & NGS_SPEC_LEFT))
        text_pad(t, ' ', c.width - (int64_t)len);
    text_bytes(t, p, len);
    if (c.flags & NGS_SPEC_LEFT)
        text_pad(t, ' ', c.width - (int64_t)len);
    if (c.flags & NGS_SPEC_ZERO)
        text_char(t, '\0');
}

struct cursor {
    const char *p, *end; /* in the format */
    const struct print_arg *args;
    uint32_t n, next;
};

static const struct print_arg *take(struct cursor *cu)
{
    return cu->next < cu->n ? &cu->args[cu->next++] : NULL;
}

static int64_t take_int(struct cursor *cu)
{
    const struct print_arg *a = take(cu);

    return a && !a->is_string ? (int32_t)a->num : 0;
}

/* The conversion at the '%' that the cursor is at, its arguments taken; false: there is none. */
static bool take_conv(struct cursor *cu, struct conv *c)
{
    struct conversion read;
    bool ok = conversion_read(cu->p, cu->end, &read);

    *c = (struct conv){read.letter, read.flags, read.width, read.prec};
    cu->p += ok ? read.len : 1;
    if (ok && read.width_arg) {
        int64_t w = take_int(cu);

        if (w < 0)
            c->flags |= NGS_SPEC_LEFT;
        c->width = clamp_width(w < 0 ? -w : w);
    }
    if (ok && read.prec_arg)
        c->prec = clamp_width(take_int(cu));
    return ok;
}

static void one(struct text *t, struct cursor *cu)
{
    struct conv c;
    const struct print_arg *a;

    if (!take_conv(cu, &c) || c.conv == '%') { /* what is none (an object may hold it) is text */
        text_char(t, '%');
        return;
    }
    a = take(cu);
    if (!a)
        return;
    if (c.conv == 's') {
        if (a->is_string)
            format_bytes(t, c, a->p, a->len);
        else
            format_number(t, (struct conv){'d', c.flags, c.width, CONVERSION_NONE}, a->num);
    } else if (!a->is_string && !strchr("mM", c.conv)) { /* lower has made strings of these */
        format_number(t, c, a->num);
    }
}

void format_printf(struct text *t, const char *fmt, const struct print_arg *args, uint32_t n)
{
    struct cursor cu = {fmt, fmt + strlen(fmt), args, n, 0};
    bool clean = t->clean;

    while (cu.p < cu.end) {
        const char *literal = cu.p;

        cu.p = strchrnul(cu.p, '%');
        t->clean = false; /* the script's own words: it may colour them */
        text_bytes(t, literal, (size_t)(cu.p - literal));
        t->clean = clean;
        if (cu.p < cu.end)
            one(t, &cu);
    }
}
