/*
 * flamegraph: a self-contained SVG: outermost frame at the bottom, width by share of the samples,
 * colour by kind of code. flamegraph.css and flamegraph.js, beside this file, make it look and
 * behave; nothing is fetched from anywhere. Text of the target stands escaped, and only as text.
 *
 * For two profiles (a difference) widths are the mean of both shares, so that what is gone is seen as
 * well as what is new, and colour tells the change.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "out/flamegraph_page.h" /* made of flamegraph.css and .js */
#include "out/out.h"
#include "out/tree.h"

/* Pixels; SMALLEST is the share of a frame that is not drawn any more: a third of a pixel on a wide
 * screen. */
enum { ROW = 17, TOP = 78, BOTTOM = 34, SIDE = 10, USUAL_WIDTH = 1200 };

static const double SMALLEST = 0.0001,
                    CHARACTER = 6.6; /* the latter of the font in flamegraph.css */

struct picture {
    struct compile *cx;
    FILE *f;
    const struct out_info *info;
    struct out_tree tree;
    bool differs; /* two profiles */
};

/* ---- colours ---- */

static const struct hue {
    unsigned h, s, l;
} hues[OUT_KINDS] = {
    [OUT_LUA] = {34, 88, 64},
    [OUT_COMPILED] = {146, 48, 58},
    [OUT_BUILTIN] = {276, 46, 74},
    [OUT_C] = {208, 62, 70},
};

/* The same function has the same shade everywhere: told apart from its neighbours, not random. */
static unsigned shade(const struct out_frame *frame)
{
    uint32_t h = 2166136261u;

    for (uint32_t i = 0; i < frame->len; i++)
        h = (h ^ (unsigned char)frame->name[i]) * 16777619u;
    return (h >> 16) % 13;
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

        fprintf(p->f, "hsl(%d,%.0f%%,%.0f%%)", change < 0 ? 215 : 6, 20 + 60 * fabs(change),
                88 - 28 * fabs(change));
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
    if (p->differs) {
        double a = share(n->count[0], t->total[0]), b = share(n->count[1], t->total[1]);

        fprintf(p->f, ": %.2f %% before, %.2f %% after (%+.2f)", a, b, b - a);
        return;
    }
    if (n->frame)
        fprintf(p->f, " (%s)", out_kind_name(n->frame->kind));
    fprintf(p->f, ": %" PRIu64 " samples, %.2f %%; itself %" PRIu64 ", %.2f %%", n->count[0],
            share(n->count[0], t->total[0]), n->self[0], share(n->self[0], t->total[0]));
}

/* What fits into the frame on a page of the usual width, for viewers that run no script; of a place
 * in a file its end, as flamegraph.js does it. */
static void put_label(const struct picture *p, const struct out_node *n)
{
    const char *s = n->frame ? n->frame->name : "all";
    size_t len = n->frame ? n->frame->len : 3, characters = 0, from = 0, to = 0, keep;
    double room = (n->width * (USUAL_WIDTH - 2 * SIDE) - 6) / CHARACTER;

    for (size_t i = 0; i < len; i++)
        characters += (s[i] & 0xc0) != 0x80;
    if (room < 3)
        return;
    if ((double)characters <= room) {
        out_xml(p->f, s, len);
        return;
    }
    bool tail = *s == '@';

    keep = (size_t)room - 1;
    from = to = tail ? len : 0;
    for (size_t k = 0; k < keep; k++) {
        if (tail)
            for (from--; from > 0 && (s[from] & 0xc0) == 0x80; from--)
                ;
        else
            for (to++; to < len && (s[to] & 0xc0) == 0x80; to++)
                ;
    }
    if (tail)
        fputs("\342\200\246", p->f);
    out_xml(p->f, s + from, to - from);
    if (!tail)
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

    fprintf(f, "<text class=\"title\" x=\"%d\" y=\"24\">", SIDE);
    put_clean(p, i->title ? i->title : p->differs ? "What changed" : "CPU profile");
    fprintf(f, "</text>\n<text class=\"faint\" x=\"%d\" y=\"43\">", SIDE);
    if (p->differs)
        fprintf(f,
                "%" PRIu64 " samples before, %" PRIu64
                " after; width: mean share; red: more, blue: less",
                t->total[0], t->total[1]);
    else
        fprintf(f, "%" PRIu64 " samples", t->total[0]);
    if (i->seconds > 0)
        fprintf(f, " in %.3g s", i->seconds);
    if (*time)
        fprintf(f, " \302\267 %s", time);
    if (i->command) {
        fputs(" \302\267 ", f);
        put_clean(p, i->command);
    }
    fputs("</text>\n", f);
}

/* What each kind has of the samples, by their innermost frames. */
static void put_legend(const struct picture *p)
{
    const struct out_tree *t = &p->tree;
    unsigned x = SIDE;

    fputs("<g class=\"faint\" id=\"legend\">\n", p->f);
    for (unsigned k = 0; k < OUT_KINDS; k++) {
        const char *name = out_kind_name(k);

        fprintf(p->f,
                "<rect x=\"%u\" y=\"54\" width=\"11\" height=\"11\" rx=\"2\" "
                "fill=\"hsl(%u,%u%%,%u%%)\"/>"
                "<text x=\"%u\" y=\"64\">%s %.1f %%</text>\n",
                x, hues[k].h, hues[k].s, hues[k].l, x + 16, name,
                share(t->self[0][k], t->total[0]));
        x += 76 + 7 * (unsigned)strlen(name);
    }
    fputs("</g>\n", p->f);
}

static void put_controls(const struct picture *p, unsigned height)
{
    fprintf(p->f,
            "<foreignObject x=\"100%%\" y=\"8\" width=\"230\" height=\"28\" "
            "transform=\"translate(-240 0)\">"
            "<input xmlns=\"http://www.w3.org/1999/xhtml\" id=\"search\" type=\"search\" "
            "placeholder=\"search (/ or Ctrl-F)\"/></foreignObject>\n"
            "<text id=\"matched\" class=\"faint\" x=\"100%%\" y=\"52\" dx=\"-10\" "
            "text-anchor=\"end\"></text>\n"
            "<text id=\"reset\" x=\"100%%\" y=\"68\" dx=\"-10\" text-anchor=\"end\" "
            "style=\"display:none\">"
            "reset zoom</text>\n"
            "<text id=\"details\" x=\"%d\" y=\"%u\"></text>\n",
            SIDE, height - 12);
}

static bool write_picture(struct picture *p)
{
    unsigned frames = (p->tree.depth + 1) * ROW, height = TOP + frames + BOTTOM;
    FILE *f = p->f;

    fprintf(f,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100%%\" height=\"%u\" "
            "style=\"min-width:%dpx\">\n<style>%s</style>\n",
            height, USUAL_WIDTH / 2, out_flamegraph_css);
    put_head(p);
    if (!p->differs)
        put_legend(p);
    put_controls(p, height);
    fprintf(f,
            "<svg x=\"%d\" y=\"%d\" width=\"98.4%%\" height=\"%u\" overflow=\"visible\"><g "
            "id=\"frames\">\n",
            SIDE, TOP, frames);
    for (uint32_t n = 0; n < p->tree.n; n++)
        put_node(p, &p->tree.nodes[n]);
    fputs("</g></svg>\n", f);
    if (p->tree.left_out)
        fprintf(f,
                "<text class=\"faint\" x=\"100%%\" y=\"%u\" dx=\"-10\" text-anchor=\"end\">"
                "%u frames below %g %% are not drawn</text>\n",
                height - 12, p->tree.left_out, 100 * SMALLEST);
    fprintf(f, "<script><![CDATA[\n%s]]></script>\n</svg>\n", out_flamegraph_js);
    return true;
}

bool out_write_flamegraph(struct compile *cx, const struct out_profile *p, const struct out_info *i,
                          FILE *f)
{
    struct picture picture = {cx, f, i, out_tree_make(cx->arena, p, NULL, SMALLEST), false};

    return write_picture(&picture);
}

bool out_write_diff(struct compile *cx, const struct out_profile *a, const struct out_profile *b,
                    const struct out_info *i, FILE *f)
{
    struct picture picture = {cx, f, i, out_tree_make(cx->arena, a, b, SMALLEST), true};

    return write_picture(&picture);
}
