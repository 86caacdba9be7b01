/*
 * out_fuzz_test: stacks put together at random (fixed seed) from what scripts print and from what
 * they never should. Nothing may crash; a text that is accepted has one total, however it is cut
 * into pieces, that the folded form has too; every name is printable UTF-8; and every format can be
 * written.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/diag.h"
#include "out/out.h"
#include "out/tree.h"
#include "tap.h"

enum { ROUNDS = 20000, PARTS_MAX = 60, TEXT_MAX = 8192 };

static const char *const words[] = {
    "@/srv/a.lua:1\n",
    "@/srv/a.lua:1\n",
    "T:@/srv/a.lua:1\n",
    "T:\n",
    "\t3\n",
    "\t3\n",
    "\t18446744073709551615\n",
    "\t99999999999999999999\n",
    "7\n",
    "C:ngx_http_lua_ngx_print\n",
    "builtin#78\n",
    " 0xffffffff81234567 : do_syscall_64+0x5b/0x80 [kernel]\n",
    " 0x : +0x",
    "0x1 : 0x2",
    "\n",
    "# 3 s: 297 ticks\n",
    "a;b;c 12\n",
    ";;; 1\n",
    "main 5\n",
    " ",
    "\t",
    "\r\n",
    "[string \"x\"]:1\n",
    "@x:99999999999\n",
    "@:\n",
    "<script>]]>&'\"\n",
    "\xe6\xbc\xa2\xe5\xad\x97\n",
    "\xff\xc0\x80\xed\xa0\x80",
    "\xe2\x80\xae",
    "\x01\x1b[31m\x7f",
    "no line",
};

static uint64_t state = 88172645463325252u;

static uint32_t draw(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 33) % below;
}

static size_t make_text(char *text)
{
    uint32_t parts = draw(PARTS_MAX);
    size_t n = 0;

    for (uint32_t i = 0; i < parts; i++) {
        const char *w = words[draw(sizeof(words) / sizeof(*words))];
        size_t len = strlen(w);

        memcpy(text + n, w, len);
        n += len;
        if (!draw(20)) /* a byte of anything */
            text[n++] = (char)draw(256);
    }
    return n;
}

static struct out_profile *read_text(struct compile *cx, const char *text, size_t len, bool pieces)
{
    struct out_reader_opts o = {.input = "fuzz"};
    struct out_reader *r = out_reader_new(cx, &o);
    bool ok = true;

    for (size_t at = 0, n; ok && at < len; at += n) {
        n = pieces ? 1 + draw(9) : len;
        n = n > len - at ? len - at : n;
        ok = out_reader_feed(r, text + at, n);
    }
    struct out_profile *p = out_reader_end(r);

    return ok ? p : NULL;
}

/* Stays as it is when it is cleaned: it is clean. */
static bool is_clean(struct arena *a, const struct out_profile *p)
{
    for (uint32_t i = 0; i < p->n_frames; i++) {
        size_t n;
        const char *again = out_clean(a, p->frames[i].name, p->frames[i].len, &n);

        if (n != p->frames[i].len || memcmp(again, p->frames[i].name, n) != 0)
            return false;
    }
    return true;
}

static bool writes(struct compile *cx, const struct out_profile *p, uint64_t *folded_total)
{
    const struct out_format *f;
    struct out_info info = {.title = "<fuzz>", .time = 1, .period_ns = 1000000};
    bool ok = true;

    for (uint32_t i = 0; (f = out_format_at(i)); i++) {
        char *text = NULL;
        size_t len = 0;
        FILE *m = f->live ? NULL : open_memstream(&text, &len);

        if (!m)
            continue;
        ok = f->write(cx, p, &info, m) && ok;
        fclose(m);
        if (!strcmp(f->name, "folded")) {
            *folded_total = 0;
            for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
                *folded_total += strtoull(strrchr(line, ' ') + 1, NULL, 10);
        }
        free(text);
    }
    return ok;
}

/* Children lie within their parents. */
static bool is_sound(struct compile *cx, const struct out_profile *p)
{
    struct out_tree t = out_tree_make(cx->arena, p, p, 0);

    for (uint32_t i = 1; i < t.n; i++) {
        const struct out_node *n = &t.nodes[i], *parent = &t.nodes[n->parent];

        if (n->parent >= i || n->depth != parent->depth + 1 || n->start < parent->start - 1e-9 ||
            n->start + n->width > parent->start + parent->width + 1e-9)
            return false;
    }
    return t.nodes[0].count[0] == p->total && t.nodes[0].count[1] == p->total;
}

int main(void)
{
    unsigned accepted = 0, same = 0, clean = 0, written = 0, totals = 0, sound = 0;
    static char text[TEXT_MAX];

    for (int round = 0; round < ROUNDS; round++) {
        struct compile cx = {.arena = arena_new()};
        FILE *nowhere = fopen("/dev/null", "w");
        size_t len = make_text(text);
        uint64_t folded = 0;

        cx.sources = sources_new(cx.arena);
        cx.diag = diag_new(cx.arena, cx.sources, nowhere);
        struct out_profile *whole = read_text(&cx, text, len, false);
        struct out_profile *pieces = read_text(&cx, text, len, true);

        same += !whole == !pieces &&
                (!whole || (whole->total == pieces->total && whole->n_stacks == pieces->n_stacks));
        if (whole && whole->total) {
            accepted++;
            clean += is_clean(cx.arena, whole);
            written += writes(&cx, whole, &folded);
            totals += folded == whole->total;
            sound += is_sound(&cx, whole);
        }
        fclose(nowhere);
        arena_free(cx.arena);
    }
    tap_ok(accepted > ROUNDS / 100, "%u of %d texts are stacks", accepted, ROUNDS);
    tap_ok(same == ROUNDS, "how a text is cut into pieces changes nothing");
    tap_ok(clean == accepted, "every name is printable");
    tap_ok(written == accepted, "every format is written");
    tap_ok(totals == accepted, "folded lines have the same total");
    tap_ok(sound == accepted, "frames lie within their callers'");
    return tap_done();
}
