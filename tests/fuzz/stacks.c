/*
 * stacks: printed or saved stacks. A text that is accepted has one total, however it is cut into
 * pieces, that the folded form has too; every name is printable; every format can be written;
 * frames lie within their callers'.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "fuzz.h"
#include "out/out.h"
#include "out/tree.h"

static struct out_profile *read_text(struct compile *cx, const char *text, size_t n, bool pieces)
{
    struct out_reader_opts o = {.input = "fuzz"};
    struct out_reader *r = out_reader_new(cx, &o);
    bool ok = true;

    for (size_t at = 0, part; ok && at < n; at += part) {
        part = pieces ? 1 + at % 9 : n;
        part = part > n - at ? n - at : part;
        ok = out_reader_feed(r, text + at, part);
    }
    struct out_profile *p = out_reader_end(r);

    return ok ? p : NULL;
}

static void check_clean(struct arena *a, const struct out_profile *p)
{
    for (uint32_t i = 0; i < p->n_frames; i++) {
        size_t n;
        const char *again = out_clean(a, p->frames[i].name, p->frames[i].len, &n);

        fuzz_check(n == p->frames[i].len && !memcmp(again, p->frames[i].name, n),
                   "a name that is not clean");
    }
}

static void check_folded(char *text, const struct out_profile *p)
{
    uint64_t sum = 0, total = p->total;
    char *line = strtok(text, "\n");

    for (line = p->unit ? strtok(NULL, "\n") : line; line; line = strtok(NULL, "\n"))
        sum += strtoull(strrchr(line, ' ') + 1, NULL, 10);
    fuzz_check(sum == total, "folded lines of another total");
}

static void check_formats(struct compile *cx, const struct out_profile *p)
{
    struct out_info info = {.title = "<fuzz>", .time = 1, .period_ns = 1000000};
    const struct out_format *f;

    for (uint32_t i = 0; (f = out_format_at(i)); i++) {
        char *text = NULL;
        size_t len = 0;
        FILE *m = f->live ? NULL : open_memstream(&text, &len);

        if (!m)
            continue;
        fuzz_check(f->write(cx, p, &info, m), "a format that is not written");
        fclose(m);
        if (!strcmp(f->name, "folded"))
            check_folded(text, p);
        free(text);
    }
}

static void check_tree(struct compile *cx, const struct out_profile *p)
{
    struct out_tree t = out_tree_make(cx->arena, p, p, 0);

    for (uint32_t i = 1; i < t.n; i++) {
        const struct out_node *n = &t.nodes[i], *parent = &t.nodes[n->parent];

        fuzz_check(n->parent < i && n->depth == parent->depth + 1 &&
                       n->start >= parent->start - 1e-9 &&
                       n->start + n->width <= parent->start + parent->width + 1e-9,
                   "a frame outside of its caller's");
    }
    fuzz_check(t.nodes[0].count[0] == p->total && t.nodes[0].count[1] == p->total,
               "a tree of another total");
}

void fuzz_profile(struct compile *cx, const struct out_profile *p)
{
    check_clean(cx->arena, p);
    check_formats(cx, p);
    check_tree(cx, p);
}

bool fuzz_stacks(const uint8_t *data, size_t n)
{
    struct compile cx;

    fuzz_compile_begin(&cx);
    struct out_profile *whole = read_text(&cx, (const char *)data, n, false);
    struct out_profile *pieces = read_text(&cx, (const char *)data, n, true);

    fuzz_check(!whole == !pieces, "read whole, or in pieces, alone");
    bool ok = whole && whole->total;

    if (whole)
        fuzz_check(whole->total == pieces->total && whole->n_stacks == pieces->n_stacks,
                   "pieces make another profile");
    if (ok)
        fuzz_profile(&cx, whole);
    fuzz_compile_end(&cx);
    return ok;
}
