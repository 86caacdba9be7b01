/*
 * flamegraph: a self-contained SVG: outermost frame at the bottom, width by share of the samples,
 * colour by kind of code. flamegraph.css and flamegraph.js, beside this file, make it look and
 * behave; nothing is fetched from anywhere. Text of the target stands escaped, and only as text.
 *
 * For two profiles (a difference) widths are the mean of both shares, so that what is gone is seen
 * as well as what is new, and colour tells the change.
 */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/clean.h"
#include "out/flamegraph_page.h" /* made of flamegraph.css and .js */
#include "out/out.h"
#include "out/tree.h"

/* Pixels; SMALLEST is the share of a frame that is not drawn any more: a third of a pixel on a wide
 * screen. */
enum { ROW = 17, TOP = 78, BOTTOM = 26, SIDE = 10, USUAL_WIDTH = 1200, LEAST_WIDTH = 680 };

static const double SMALLEST = 0.0001,
                    CHARACTER = 6.6; /* the latter of the font in flamegraph.css */

struct picture {
    struct compile *cx;
    FILE *f;
    const struct out_info *info;
    struct out_tree tree;
    const char *unit;
    bool differs; /* two profiles */
};

/* ---- colours ---- */

static const struct hue {
    unsigned h, s, l;
} hues[OUT_KINDS] = {
    [OUT_LUA] = {34, 88, 64},         [OUT_COMPILED] = {146, 48, 58},
    [OUT_BUILTIN] = {276, 46, 74},    [OUT_C] = {208, 62, 70},
    [OUT_KERNEL] = {354, 62, 74},     [OUT_VOLUNTARY] = {190, 12, 76},
    [OUT_INVOLUNTARY] = {60, 62, 62},
};

/* The same function has the same shade everywhere: told apart from its neighbours, not random. */
static unsigned shade(const struct out_frame *frame)
{
    uint32_t h = 2166136261u;

    for (uint32_t i = 0; i < frame->len; i++)
        h = (h ^ (unsigned char)frame->name[i]) * 16777619u;
    return (h >> 16) % 13;
}

/* From -1, gone, to 1, new. */
static void put_change(const struct picture *p, double change)
{
    fprintf(p->f, "hsl(%d,%.0f%%,%.0f%%)", change < 0 ? 215 : 6, 8 + 72 * fabs(change),
            88 - 28 * fabs(change));
}

static void put_colour(const struct picture *p, const struct out_node *n)
{
    const struct out_tree *t = &p->tree;

    if (!n->frame) {
        fputs("hsl(210,8%,78%)", p->f);
    } else if (p->differs) {
        double a = t->total[0] ? (double)n->count[0] / (double)t->total[0] : 0;
        double b = t->total[1] ? (double)n->count[1] / (double)t->total[1] : 0;
        double change = a + b > 0 ? (b - a) / (a + b) : 0;

        put_change(p, change);
    } else {
        const struct hue *h = &hues[n->frame->kind];

        fprintf(p->f, "hsl(%u,%u%%,%u%%)", h->h, h->s, h->l - 6 + shade(n->frame));
    }
}

/* ---- frames ---- */

static double share(uint64_t n, uint64_t total)
{
    return total ? 100 * (double)n / (double)total : 0;
}

static void put_about(const struct picture *p, const struct out_node *n)
{
    const struct out_tree *t = &p->tree;

    if (n->frame)
        out_xml(p->f, n->frame->name, n->frame->len);
    else
        fputs("all", p->f);
    if (n->frame && n->frame->file && *n->frame->name != '@') {
        fputs(", ", p->f);
        out_xml(p->f, n->frame->file, strlen(n->frame->file));
        fprintf(p->f, ":%u", n->frame->line);
    }
    if (p->differs) {
        double a = share(n->count[0], t->total[0]), b = share(n->count[1], t->total[1]);

        fprintf(p->f, ": %.2f %% before, %.2f %% after (%+.2f)", a, b, b - a);
        return;
    }
    if (n->frame)
        fprintf(p->f, " (%s)", out_kind_name(n->frame->kind));
    fprintf(p->f, ": %" PRIu64 " ", n->count[0]);
    out_xml(p->f, p->unit, strlen(p->unit));
    fprintf(p->f, ", %.2f %%; itself %" PRIu64 ", %.2f %%", share(n->count[0], t->total[0]),
            n->self[0], share(n->self[0], t->total[0]));
}

/* The first character of S, with what stands on it; its columns in *WIDTH. */
static size_t character(const char *s, size_t len, unsigned *width)
{
    const unsigned char *p = (const unsigned char *)s;
    uint32_t code = 0;
    size_t at = clean_character(p, len, &code), n;

    at = at ? at : 1;
    *width = clean_width(code);
    while (at < len && (n = clean_character(p + at, len - at, &code)) && !clean_width(code))
        at += n;
    return at;
}

static unsigned columns(const char *s, size_t len)
{
    unsigned sum = 0, width;

    for (size_t i = 0; i < len; i += character(s + i, len - i, &width), sum += width)
        ;
    return sum;
}

/* Of MODULE:FUNCTION where FUNCTION begins; of names that end in a line, 0. */
static size_t function_at(const char *s, size_t len)
{
    const char *colon = memrchr(s, ':', len);
    size_t at = colon ? (size_t)(colon - s) + 1 : 0;

    return at < len && (isalpha((unsigned char)s[at]) || s[at] == '_' || s[at] & 0x80) ? at : 0;
}

/* What fits into the frame on a page of the usual width, for viewers that run no script: what says
 * most of it, of a place in a file the end, as flamegraph.js does it. */
static void put_label(const struct picture *p, const struct out_node *n)
{
    const char *s = n->frame ? n->frame->name : "all";
    size_t len = n->frame ? n->frame->len : 3, from = 0, to = 0;
    double room = (n->width * (USUAL_WIDTH - 2 * SIDE) - 6) / CHARACTER;
    bool tail = *s == '@';
    unsigned all = columns(s, len), width;

    if (room < 3)
        return;
    if (all > room && !tail) {
        from = function_at(s, len);
        s += from;
        len -= from;
        all = columns(s, len);
    }
    if (all <= room) {
        out_xml(p->f, s, len);
        return;
    }
    if (tail) { /* what is left out leads */
        fputs("\342\200\246", p->f);
        for (from = 0; all + 1 > room; all -= width)
            from += character(s + from, len - from, &width);
        out_xml(p->f, s + from, len - from);
        return;
    }
    for (all = 1;; all += width) { /* 1: of what stands for the rest */
        size_t next = character(s + to, len - to, &width);

        if (all + width > room)
            break;
        to += next;
    }
    out_xml(p->f, s, to);
    fputs("\342\200\246", p->f);
}

static void put_node(const struct picture *p, const struct out_node *n)
{
    FILE *f = p->f;
    unsigned y = (p->tree.depth - n->depth) * ROW;

    fprintf(f,
            "<g class=\"f\" data-x=\"%.9g\" data-w=\"%.9g\" data-d=\"%u\" data-c=\"%" PRIu64
            "\" data-n=\"",
            n->start, n->width, n->depth, n->count[0] + n->count[1]);
    if (n->frame)
        out_xml(f, n->frame->name, n->frame->len);
    else
        fputs("all", f);
    fputs("\"><title>", f);
    put_about(p, n);
    fprintf(f,
            "</title><rect x=\"%.6g%%\" width=\"%.6g%%\" y=\"%u\" height=\"%d\" rx=\"2\" fill=\"",
            100 * n->start, 100 * n->width, y, ROW - 1);
    put_colour(p, n);
    fprintf(f, "\"/><text x=\"%.6g%%\" y=\"%u\" dx=\"3\">", 100 * n->start, y + 12);
    put_label(p, n);
    fputs("</text></g>\n", f);
}

/* ---- around them ---- */

static const char *when(struct arena *a, int64_t seconds)
{
    time_t t = (time_t)seconds;
    struct tm tm;
    char text[64];

    if (!seconds || !gmtime_r(&t, &tm) || !strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &tm))
        return "";
    return arena_strdup(a, text);
}

static void put_clean(const struct picture *p, const char *s)
{
    size_t n;
    char *clean = out_clean(p->cx->arena, s, strlen(s), &n);

    out_xml(p->f, clean, n);
}

static void put_head(const struct picture *p)
{
    const struct out_info *i = p->info;
    const struct out_tree *t = &p->tree;
    const char *time = when(p->cx->arena, i->time);
    FILE *f = p->f;

    fprintf(f, "<text id=\"title\" class=\"title\" x=\"%d\" y=\"24\">", SIDE);
    put_clean(p, i->title ? i->title : p->differs ? "What changed" : "CPU profile");
    fprintf(f, "</text>\n<text id=\"about\" class=\"faint\" x=\"%d\" y=\"43\">", SIDE);
    fprintf(f, "%" PRIu64 " ", t->total[0]);
    out_xml(f, p->unit, strlen(p->unit));
    if (p->differs)
        fprintf(f, " before, %" PRIu64 " after", t->total[1]);
    if (i->seconds > 0)
        fprintf(f, " in %.3g s", i->seconds);
    if (i->not_shown)
        fprintf(f, " \302\267 %" PRIu64 " more (%.1f %% of all) were %s", i->not_shown,
                share(i->not_shown, i->not_shown + t->total[0]),
                i->without ? i->without : "not in Lua");
    if (*time)
        fprintf(f, " \302\267 %s", time);
    if (i->command) {
        fputs(" \302\267 ", f);
        put_clean(p, i->command);
    }
    fputs("</text>\n", f);
}

/* A square of a colour; the renderer, which knows its font, places what follows. */
static void put_key(const struct picture *p, bool first)
{
    fprintf(p->f, "<tspan class=\"key\" dx=\"%d\" fill=\"", first ? 0 : 14);
}

static void put_kinds(const struct picture *p)
{
    const struct out_tree *t = &p->tree;
    bool there[OUT_KINDS] = {false}, first = true;

    for (uint32_t n = 0; n < t->n; n++)
        if (t->nodes[n].frame)
            there[t->nodes[n].frame->kind] = true;
    for (unsigned k = 0; k < OUT_KINDS; k++) {
        if (!there[k] && !t->self[0][k])
            continue;
        put_key(p, first);
        first = false;
        fprintf(p->f, "hsl(%u,%u%%,%u%%)\">\342\226\240</tspan> %s", hues[k].h, hues[k].s,
                hues[k].l, out_kind_name(k));
        if (t->self[0][k]) /* else it is only below others */
            fprintf(p->f, " %.1f %%", share(t->self[0][k], t->total[0]));
        fputc('\n', p->f);
    }
}

static void put_changes(const struct picture *p)
{
    static const struct {
        double change;
        const char *name;
    } keys[] = {{-1, "gone"}, {-0.5, "less"}, {0, "the same"}, {0.5, "more"}, {1, "new"}};

    for (unsigned i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        put_key(p, !i);
        put_change(p, keys[i].change);
        fprintf(p->f, "\">\342\226\240</tspan> %s\n", keys[i].name);
    }
    fputs("<tspan dx=\"14\">width: the mean of both shares</tspan>\n", p->f);
}

/* Of kinds, with what each has of the samples by their innermost frames; or of changes. */
static void put_legend(const struct picture *p)
{
    fprintf(p->f, "<text id=\"legend\" class=\"faint\" x=\"%d\" y=\"65\">\n", SIDE);
    if (p->differs)
        put_changes(p);
    else
        put_kinds(p);
    fputs("</text>\n", p->f);
}

/* What only the script brings to life is not shown without it. */
static void put_controls(const struct picture *p, unsigned height)
{
    fprintf(p->f,
            "<text id=\"flip\" class=\"faint\" x=\"%d\" y=\"%u\" style=\"display:none\"></text>\n",
            SIDE, height - 8);
    fputs("<foreignObject x=\"100%\" y=\"6\" width=\"230\" height=\"28\" "
          "transform=\"translate(-238 0)\" style=\"display:none\">"
          "<input xmlns=\"http://www.w3.org/1999/xhtml\" id=\"search\" type=\"search\" "
          "placeholder=\"search (/ or Ctrl-F)\" aria-label=\"search\"/></foreignObject>\n"
          "<text id=\"matched\" class=\"faint\" x=\"100%\" y=\"43\" dx=\"-10\" "
          "text-anchor=\"end\"></text>\n"
          "<text id=\"reset\" x=\"100%\" y=\"65\" dx=\"-10\" text-anchor=\"end\" "
          "style=\"display:none\">reset zoom</text>\n",
          p->f);
}

static bool write_picture(struct picture *p)
{
    unsigned frames = (p->tree.depth + 1) * ROW, height = TOP + frames + BOTTOM;
    FILE *f = p->f;

    fprintf(f,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100%%\" height=\"%u\" "
            "style=\"min-width:%dpx\">\n<style>%s</style>\n",
            height, LEAST_WIDTH, out_flamegraph_css);
    put_head(p);
    put_legend(p);
    put_controls(p, height);
    fprintf(
        f,
        "<svg id=\"page\" x=\"%d\" y=\"%d\" width=\"98.4%%\" height=\"%u\" overflow=\"visible\"><g "
        "id=\"frames\">\n",
        SIDE, TOP, frames);
    for (uint32_t n = 0; n < p->tree.n; n++)
        put_node(p, &p->tree.nodes[n]);
    fputs("</g></svg>\n", f);
    if (p->tree.left_out)
        fprintf(f,
                "<text class=\"faint\" x=\"100%%\" y=\"%u\" dx=\"-10\" text-anchor=\"end\">"
                "%u frames below %g %% are not drawn</text>\n",
                height - 8, p->tree.left_out, 100 * SMALLEST);
    fputs("<g id=\"details\"></g>\n", f);
    fprintf(f, "<script><![CDATA[\n%s]]></script>\n</svg>\n", out_flamegraph_js);
    return true;
}

bool out_write_flamegraph(struct compile *cx, const struct out_profile *p, const struct out_info *i,
                          FILE *f)
{
    struct picture picture = {cx,          f,    i, out_tree_make(cx->arena, p, NULL, SMALLEST),
                              out_unit(p), false};

    return write_picture(&picture);
}

bool out_write_diff(struct compile *cx, struct out_profile *a, struct out_profile *b,
                    const struct out_info *i, FILE *f)
{
    struct out_profile *const both[2] = {a, b};

    out_tell_apart(cx->arena, both, 2);
    struct picture picture = {cx,          f,   i, out_tree_make(cx->arena, a, b, SMALLEST),
                              out_unit(a), true};

    return write_picture(&picture);
}
