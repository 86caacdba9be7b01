/*
 * clean: text from a target made safe to print. Enters: any bytes; leaves: UTF-8 without control
 * characters, everything else as \xNN, so that nothing is lost and no terminal is steered. Refused
 * as text, too: characters that reverse or hide what stands around them, and line separators.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clean.h"

size_t clean_character(const unsigned char *p, size_t len, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf5 ? 4 : 0;

    if (!n || n > len)
        return 0;
    *code = n == 1 ? *p : *p & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (p[i] & 0x3f);
    }
    if (*code < least[n] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000))
        return 0;
    return n;
}

bool clean_printable(uint32_t c)
{
    return c >= 0x20 && !(c >= 0x7f && c < 0xa0) && !(c >= 0x200b && c <= 0x200f) &&
           !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069) && c != 0xfeff &&
           (c & 0xfffe) != 0xfffe;
}

unsigned clean_width(uint32_t code)
{
    /* EastAsianWidth.txt: wide and full-width, with what lies between; flamegraph.js has the
     * same. */
    static const uint32_t wide[][2] = {{0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},
                                       {0xa960, 0xa97c},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},
                                       {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},
                                       {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1faff},
                                       {0x20000, 0x3fffd}};

    if ((code >= 0x300 && code < 0x370) || (code >= 0xfe00 && code < 0xfe10))
        return 0;
    for (size_t i = 0; i < sizeof(wide) / sizeof(*wide); i++)
        if (code >= wide[i][0] && code <= wide[i][1])
            return 2;
    return 1;
}

/* The next character, or byte, of the LEN at P, clean, to OUT (5 bytes); how long it was. *WIDTH:
 * how long it is. */
static size_t next(const unsigned char *p, size_t len, char out[5], size_t *width)
{
    uint32_t code = 0;
    size_t n = clean_character(p, len, &code);

    if (n && clean_printable(code)) {
        memcpy(out, p, n);
        *width = n;
        return n;
    }
    *width = (size_t)snprintf(out, 5, "\\x%02x", *p);
    return 1;
}

size_t clean_text(const char *text, size_t len, char *out, size_t size)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t at = 0, used = 0;

    if (!size)
        return 0;
    while (at < len) {
        char one[5];
        size_t width, n = next(p + at, len - at, one, &width);

        if (width >= size - used)
            break;
        memcpy(out + used, one, width);
        used += width;
        at += n;
    }
    out[used] = '\0';
    return used;
}

void clean_print(FILE *f, const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;

    for (size_t at = 0; at < len;) {
        char one[5];
        size_t width;

        at += next(p + at, len - at, one, &width);
        fwrite(one, 1, width, f);
    }
}

void clean_line(FILE *f, const char *format, ...)
{
    va_list args;
    char *line = NULL;

    va_start(args, format);
    int n = vasprintf(&line, format, args);

    va_end(args);
    if (n < 0)
        return;
    clean_print(f, line, (size_t)n);
    fputc('\n', f);
    free(line);
}
