/*
 * diag: prints messages with their line, a caret and the chain of expansions; see diag.h. Enters:
 * spans and texts; leaves: lines on the stream and a count. After 20 errors it is silent. Texts
 * quote what targets say: no control character of theirs gets out (base/clean.h).
 */
#include "base/diag.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clean.h"

enum { LINE_SHOWN_MAX = 200, NEAR_WORD_MAX = 63, EXPANSION_DEPTH_MAX = 16, TRIES_MAX = 16 };

struct
try {
    unsigned errors;
    const char *lacks; /* text of the first error of what cannot be done */
    bool silent;       /* as it was before */
};

struct diag {
    struct arena *arena;
    struct sources *sources;
    FILE *out;
    bool colour, quiet, strict;
    bool silent; /* the message before was not shown: neither are its notes */
    unsigned errors, said;
    unsigned trying;
    struct try tries[TRIES_MAX];
};

struct diag *diag_new(struct arena *a, struct sources *s, FILE *out)
{
    struct diag *d = ARENA_NEW(a, struct diag);

    d->arena = a;
    d->sources = s;
    d->out = out;
    d->colour = isatty(fileno(out));
    return d;
}

void diag_stream(struct diag *d, FILE *out)
{
    d->out = out;
}

FILE *diag_out(const struct diag *d)
{
    return d->out;
}

struct diag *diag_apart(const struct diag *d, FILE *out)
{
    struct diag *apart = ARENA_NEW(d->arena, struct diag);

    *apart = (struct diag){.arena = d->arena,
                           .sources = d->sources,
                           .out = out,
                           .colour = d->colour,
                           .quiet = d->quiet,
                           .strict = d->strict};
    return apart;
}

static const char *paint(const struct diag *d, const char *code)
{
    return d->colour ? code : "";
}

/* The source line and the caret below it; tabs are kept so that the caret lines up. */
static void show_line(const struct diag *d, const struct place *p)
{
    const struct source *src = p->source;
    uint32_t start = src->lines[p->line - 1];
    uint32_t end = start;

    while (end < src->len && src->text[end] != '\n' && src->text[end] != '\r')
        end++;
    if (end - start > LINE_SHOWN_MAX || p->col - 1 > end - start)
        return;
    fputs("    ", d->out);
    for (uint32_t i = start; i < end; i++) {
        unsigned char c = (unsigned char)src->text[i];

        fputc((c < ' ' && c != '\t') || c == 0x7f ? '?' : c, d->out);
    }
    fputs("\n    ", d->out);
    for (uint32_t i = start; i < start + p->col - 1; i++)
        fputc(src->text[i] == '\t' ? '\t' : ' ', d->out);
    uint32_t len = p->len ? p->len : 1;

    if (len > end - (start + p->col - 1))
        len = end - (start + p->col - 1);
    fputs(paint(d, "\033[32m"), d->out);
    fputc('^', d->out);
    for (uint32_t i = 1; i < len; i++)
        fputc('~', d->out);
    fprintf(d->out, "%s\n", paint(d, "\033[0m"));
}

static void show_place(const struct diag *d, const struct place *p)
{
    fputs(paint(d, "\033[1m"), d->out);
    clean_print(d->out, p->source->name, strlen(p->source->name));
    fprintf(d->out, ":%u:%u: %s", p->line, p->col, paint(d, "\033[0m"));
}

static void show_chain(const struct diag *d, struct span at)
{
    const char *why;

    span_written(d->sources, at, &why);
    if (why) {
        struct place p;

        if (span_place(d->sources, at, &p))
            show_place(d, &p);
        fprintf(d->out, "note: %s\n", why);
    }
    for (int depth = 0; at.expn && depth < EXPANSION_DEPTH_MAX; depth++) {
        const struct expansion *e = expansion_get(d->sources, at.expn);
        struct place p;

        if (!e)
            break;
        if (span_place(d->sources, e->call, &p)) {
            show_place(d, &p);
            fprintf(d->out, "note: %s\n", e->why);
            show_line(d, &p);
        }
        at = e->call;
    }
}

static void show_text(const struct diag *d, const char *fmt, va_list ap)
{
    char *text = NULL;
    int len = vasprintf(&text, fmt, ap);

    if (len >= 0)
        clean_print(d->out, text, (size_t)len);
    free(text);
}

static void show(struct diag *d, struct span at, const char *colour, const char *kind,
                 const char *tag, const char *fmt, va_list ap)
{
    struct place p;
    bool placed = span_place(d->sources, at, &p);

    if (placed)
        show_place(d, &p);
    fprintf(d->out, "%s%s:%s ", paint(d, colour), kind, paint(d, "\033[0m"));
    show_text(d, fmt, ap);
    if (tag)
        fprintf(d->out, " [%s]", tag);
    fputc('\n', d->out);
    if (placed) {
        show_line(d, &p);
        show_chain(d, at);
    }
}

bool diag_error(struct diag *d, struct span at, const char *tag, const char *fmt, ...)
{
    if (d->trying) {
        struct try *t = &d->tries[d->trying - 1];

        if (!t->lacks &&
            (!strcmp(tag, "not-yet") || !strcmp(tag, "unsupported") || !strcmp(tag, "kernel"))) {
            va_list ap;

            va_start(ap, fmt);
            t->lacks = arena_vprintf(d->arena, fmt, ap);
            va_end(ap);
        }
        t->errors++;
        d->silent = true;
        return false;
    }
    d->silent = d->errors >= DIAG_MAX_ERRORS;
    if (!d->silent) {
        va_list ap;

        va_start(ap, fmt);
        show(d, at, "\033[1;31m", "error", tag, fmt, ap);
        va_end(ap);
    } else if (d->errors == DIAG_MAX_ERRORS) {
        fputs("ngstap: too many errors, the rest is not shown\n", d->out);
    }
    d->errors++;
    return false;
}

bool diag_stop(struct diag *d, const char *tag, const char *fmt, ...)
{
    if (d->errors <= DIAG_MAX_ERRORS) {
        va_list ap;

        va_start(ap, fmt);
        show(d, (struct span){0}, "\033[1;31m", "error", tag, fmt, ap);
        va_end(ap);
    }
    d->errors = DIAG_MAX_ERRORS + 1;
    d->silent = true;
    return false;
}

void diag_warning(struct diag *d, struct span at, const char *fmt, ...)
{
    d->said += !d->trying;
    d->silent = d->quiet || d->trying || d->errors > DIAG_MAX_ERRORS;
    if (d->silent)
        return;
    va_list ap;

    va_start(ap, fmt);
    if (d->strict) {
        show(d, at, "\033[1;31m", "error", "-W", fmt, ap);
        d->errors++;
    } else {
        show(d, at, "\033[1;35m", "warning", NULL, fmt, ap);
    }
    va_end(ap);
}

void diag_note(struct diag *d, struct span at, const char *fmt, ...)
{
    if (d->silent)
        return;
    d->said++;
    va_list ap;

    va_start(ap, fmt);
    show(d, at, "\033[1;36m", "note", NULL, fmt, ap);
    va_end(ap);
}

void diag_hint(struct diag *d, const char *fmt, ...)
{
    if (d->silent)
        return;
    va_list ap;

    fprintf(d->out, "%shint:%s ", paint(d, "\033[1;32m"), paint(d, "\033[0m"));
    va_start(ap, fmt);
    show_text(d, fmt, ap);
    va_end(ap);
    fputc('\n', d->out);
}

unsigned diag_errors(const struct diag *d)
{
    return d->errors;
}

unsigned diag_said(const struct diag *d)
{
    return d->said;
}

bool diag_stopped(const struct diag *d)
{
    return d->errors >= DIAG_MAX_ERRORS;
}

void diag_colour(struct diag *d, bool on)
{
    d->colour = on;
}

void diag_quiet(struct diag *d, bool on)
{
    d->quiet = on;
}

void diag_strict(struct diag *d)
{
    d->strict = true;
}

void diag_try_begin(struct diag *d)
{
    if (d->trying < TRIES_MAX)
        d->tries[d->trying++] = (struct try){.silent = d->silent};
}

unsigned diag_try_end(struct diag *d)
{
    if (!d->trying)
        return 0;
    d->trying--;
    d->silent = d->tries[d->trying].silent; /* hints are again those of what was said before */
    return d->tries[d->trying].errors;
}

bool diag_trying(const struct diag *d)
{
    return d->trying != 0;
}

const char *diag_try_lacks(const struct diag *d)
{
    return d->trying ? d->tries[d->trying - 1].lacks : NULL;
}

void near_init(struct near *n, const char *word)
{
    *n = (struct near){.word = word, .best = NULL, .distance = (unsigned)strlen(word) / 3 + 1};
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Levenshtein distance in which two letters that changed places are one mistake (optimal string
 * alignment), three rows; words over 63 bytes are never near. */
static unsigned edit_distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    unsigned rows[3][NEAR_WORD_MAX + 1];

    if (la > NEAR_WORD_MAX || lb > NEAR_WORD_MAX)
        return NEAR_WORD_MAX;
    for (size_t j = 0; j <= lb; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= la; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *swap = rows[(i + 1) % 3];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= lb; j++) {
            row[j] = least(least(row[j - 1], above[j]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], swap[j - 2] + 1);
        }
    }
    return rows[la % 3][lb];
}

/* Are B's letters those of A in another order? */
static bool same_letters(const char *a, const char *b)
{
    int count[UCHAR_MAX + 1] = {0};

    for (const char *p = a; *p; p++)
        count[(unsigned char)*p]++;
    for (const char *p = b; *p; p++)
        if (count[(unsigned char)*p]-- == 0)
            return false;
    return strlen(a) == strlen(b);
}

void near_try(struct near *n, const char *candidate)
{
    size_t word = strlen(n->word), other = strlen(candidate);

    if ((word > other ? word - other : other - word) > n->distance)
        return; /* each letter more is a mistake: most names are told apart by that */
    unsigned distance = edit_distance(n->word, candidate);

    if (!distance || distance > n->distance)
        return;
    /* Of equally near ones the first, but that with the word's letters: "prinft" is printf, not
     * print. */
    if (distance < n->distance || !n->best || same_letters(n->word, candidate)) {
        n->best = candidate;
        n->distance = distance;
    }
}

const char *near_best(const struct near *n)
{
    return n->best;
}
