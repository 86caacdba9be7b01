/*
 * apart: names that tell frames apart. Enters: profiles whose frames have names and, by
 * "@FILE:LINE", places; leaves: where several files have a function of one name, as much of each
 * path in the name as tells them apart ("key-auth/handler.lua:access"); where one file has several,
 * the line. Frames without a place keep their names.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "out/out.h"

struct one {
    struct out_frame *f;
    uint32_t profile, order; /* ORDER: of qsort, which is not stable */
    size_t file_len;
};

/* From the end of the path on: those that share most of it lie side by side. */
static int by_file(const struct one *a, const struct one *b)
{
    size_t n = a->file_len < b->file_len ? a->file_len : b->file_len;

    for (size_t i = 1; i <= n; i++) {
        unsigned char x = (unsigned char)a->f->file[a->file_len - i];
        unsigned char y = (unsigned char)b->f->file[b->file_len - i];

        if (x != y)
            return x < y ? -1 : 1;
    }
    return (a->file_len > b->file_len) - (a->file_len < b->file_len);
}

static int by_name(const void *x, const void *y)
{
    const struct one *a = x, *b = y;
    int order = strcmp(a->f->name, b->f->name);

    if (!order)
        order = by_file(a, b);
    if (!order)
        order = (a->profile > b->profile) - (a->profile < b->profile);
    if (!order)
        order = (a->f->line > b->f->line) - (a->f->line < b->f->line);
    return order ? order : (a->order > b->order) - (a->order < b->order);
}

/* Where the end of A's path begins that B's path does not have. */
static size_t differs_from(const struct one *a, const struct one *b)
{
    size_t n = a->file_len < b->file_len ? a->file_len : b->file_len, same = 0;
    const char *end = a->f->file + a->file_len;

    while (same < n && end[-1 - (ptrdiff_t)same] == b->f->file[b->file_len - 1 - same])
        same++;
    size_t from = same < a->file_len ? a->file_len - same - 1 : 0;

    while (from && a->f->file[from - 1] != '/')
        from--;
    return from;
}

static void rename_to(struct out_frame *f, const char *name)
{
    f->name = name;
    f->len = (uint32_t)strlen(name);
}

/* NAME, with FILE from FROM on: in front of it when it begins with the file's own name, else
 * behind. */
static const char *with_path(struct arena *a, const struct one *o, size_t from)
{
    const char *file = o->f->file, *base = base_name(file);
    size_t n = strlen(base);

    if (!strncmp(o->f->name, base, n) && o->f->name[n] == ':')
        return arena_printf(a, "%.*s%s", (int)((size_t)(base - file) - from), file + from,
                            o->f->name);
    return arena_printf(a, "%s (%s)", o->f->name, file + from);
}

/* V[0] to V[N-1] are of one file and one profile. */
static void add_lines(struct arena *a, struct one *v, uint32_t n)
{
    if (v[0].f->line == v[n - 1].f->line)
        return;
    for (uint32_t i = 0; i < n; i++)
        rename_to(v[i].f, arena_printf(a, "%s:%u", v[i].f->name, v[i].f->line));
}

/* V[0] to V[N-1] have one name. */
static void tell_apart(struct arena *a, struct one *v, uint32_t n)
{
    size_t before = 0; /* what tells this file from the one before */

    for (uint32_t i = 0, end, more; i < n; i = end) {
        for (end = i + 1; end < n && !by_file(&v[i], &v[end]); end++)
            ;
        size_t from = i ? before : v[i].file_len;

        if (end < n) {
            size_t after = differs_from(&v[i], &v[end]);

            from = after < from ? after : from;
            before = differs_from(&v[end], &v[i]);
        }
        const char *name = i || end < n ? with_path(a, &v[i], from) : v[i].f->name;

        for (uint32_t k = i; k < end; k = more) {
            for (more = k; more < end && v[more].profile == v[k].profile; more++)
                rename_to(v[more].f, name);
            add_lines(a, v + k, more - k);
        }
    }
}

void out_tell_apart(struct arena *a, struct out_profile *const *profiles, uint32_t n_profiles)
{
    uint32_t room = 0, n = 0;

    for (uint32_t p = 0; p < n_profiles; p++)
        room += profiles[p]->n_frames;
    struct one *v = ARENA_ARRAY(a, struct one, room + 1);

    for (uint32_t p = 0; p < n_profiles; p++)
        for (uint32_t i = 0; i < profiles[p]->n_frames; i++) {
            struct out_frame *f = &profiles[p]->frames[i];

            if (f->file)
                v[n] = (struct one){f, p, n, strlen(f->file)};
            n += f->file != NULL;
        }
    qsort(v, n, sizeof(*v), by_name);
    for (uint32_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && !strcmp(v[i].f->name, v[end].f->name); end++)
            ;
        tell_apart(a, v + i, end - i);
    }
}
