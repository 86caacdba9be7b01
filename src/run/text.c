/*
 * text: growing text. Running out of memory loses what was to be added and sets CUT, as a full
 * buffer does: a handler's output is not worth more than the session.
 */
#include "run/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clean.h"

static bool room(struct text *t, size_t n)
{
    size_t cap = t->cap ? t->cap : 256;
    char *p;

    if (t->len + n + 1 <= t->cap)
        return true;
    if (t->fixed)
        return false;
    while (cap < t->len + n + 1)
        cap *= 2;
    p = realloc(t->p, cap);
    if (!p)
        return false;
    t->p = p;
    t->cap = cap;
    return true;
}

static void add(struct text *t, const char *p, size_t n)
{
    if (n > t->max - t->len) {
        n = t->max - t->len;
        t->cut = true;
    }
    if (!room(t, n)) {
        t->cut = true;
        return;
    }
    if (n)
        memcpy(t->p + t->len, p, n);
    t->len += n;
    t->p[t->len] = '\0';
}

void text_bytes(struct text *t, const char *p, size_t n)
{
    char some[1024];

    for (size_t i = 0, end; t->clean && i < n; i = end) {
        bool plain = p[i] == '\n' || p[i] == '\t';

        for (end = i; end < n && (p[end] == '\n' || p[end] == '\t') == plain; end++)
            ;
        if (plain) {
            add(t, p + i, end - i);
            continue;
        }
        for (size_t from = i, last; from < end; from = last) {
            last = end - from > sizeof(some) / 4 - 1 ? from + sizeof(some) / 4 - 1 : end;
            while (last < end && last > from + 1 &&
                   (p[last] & 0xc0) == 0x80) /* within a character */
                last--;
            add(t, some, clean_text(p + from, last - from, some, sizeof(some)));
        }
    }
    if (!t->clean)
        add(t, p, n);
}

void text_str(struct text *t, const char *s)
{
    text_bytes(t, s, strlen(s));
}

void text_char(struct text *t, char c)
{
    text_bytes(t, &c, 1);
}

void text_pad(struct text *t, char c, int64_t n)
{
    char block[64];

    memset(block, c, sizeof(block));
    for (; n > 0 && !t->cut; n -= (int64_t)sizeof(block))
        text_bytes(t, block, n < (int64_t)sizeof(block) ? (size_t)n : sizeof(block));
}

void text_printf(struct text *t, const char *fmt, ...)
{
    char small[256], *big = NULL;
    va_list ap, again;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(small, sizeof(small), fmt, ap);
    if (n >= 0 && (size_t)n < sizeof(small))
        text_bytes(t, small, (size_t)n);
    else if (n >= 0 && vasprintf(&big, fmt, again) >= 0)
        text_bytes(t, big, (size_t)n);
    free(big);
    va_end(again);
    va_end(ap);
}

const char *text_c(struct text *t)
{
    return t->p && t->len ? t->p : "";
}

void text_free(struct text *t)
{
    if (!t->fixed)
        free(t->p);
    *t = TEXT_NEW;
}

void text_make_line(char *name, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] < ' ')
            name[i] = '?';
}
