/*
 * text: bytes of the target made fit for a file. Enters: any bytes; leaves: clean text (UTF-8 by
 * RFC 3629, without control characters), and that text inside XML or JSON. Nothing is dropped: what
 * is not printable stands as \xNN.
 */
#include <string.h>

#include "base/arena.h"
#include "out/out.h"

/* Length of the printable character at S, 0: there is none. */
static size_t character(const unsigned char *s, size_t left)
{
    unsigned char c = s[0];
    size_t n = c < 0x80                ? 1
               : c >= 0xc2 && c < 0xe0 ? 2
               : (c & 0xf0) == 0xe0    ? 3
               : c >= 0xf0 && c < 0xf5 ? 4
                                       : 0;

    if (!n || n > left || c < 0x20 || c == 0x7f)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if (n == 2 && c == 0xc2 && s[1] < 0xa0) /* C1 controls */
        return 0;
    if ((c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] >= 0xa0) || /* overlong, surrogates */
        (c == 0xf0 && s[1] < 0x90) || (c == 0xf4 && s[1] >= 0x90))
        return 0;
    if (c == 0xe2 &&
        ((s[1] == 0x80 && s[2] >= 0xa8 && s[2] <= 0xae) || /* line ends, bidi overrides */
         (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9)))
        return 0;
    if (c == 0xef && s[1] == 0xbf && s[2] >= 0xbe) /* not allowed in XML */
        return 0;
    return n;
}

char *out_clean(struct arena *a, const char *s, size_t len, size_t *out_len)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *p = (const unsigned char *)s;
    size_t need = 0, n;

    for (size_t i = 0; i < len; i += n ? n : 1) {
        n = character(p + i, len - i);
        need += n ? n : 4;
    }
    char *out = arena_alloc(a, need + 1), *to = out;

    for (size_t i = 0; i < len; i += n ? n : 1) {
        n = character(p + i, len - i);
        if (n) {
            memcpy(to, p + i, n);
            to += n;
        } else {
            *to++ = '\\';
            *to++ = 'x';
            *to++ = hex[p[i] >> 4];
            *to++ = hex[p[i] & 15];
        }
    }
    *out_len = need;
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
