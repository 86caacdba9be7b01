/*
 * layout_fit_nginx: known layouts of nginx, tried on a live worker and on it damaged. Enters: a
 * worker, the folder of all layouts, how often, a part (a number) that must be there; printed: a
 * line for each part: how many fit, and how many damaged copies of the process those refute, and a
 * layout fitted that the sound one refutes. The process stands still while it is copied.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "debug/layout.h"
#include "debug/layout_nginx.h"
#include "layout_damage.h"

enum {
    FILES_MAX = 1024,
    ROOTS_MAX = 80,
    CONNECTIONS = 64,
    REQUEST = 1400,
    CYCLE = 640,
    COPIES = 60
};

struct file {
    const char *name, *list;
};

struct worker {
    struct compile *cx;
    struct debuginfo *di;
    struct dbg *m;
    const char *layouts, *dir;
    struct layout_trial t;
    struct {
        uint64_t at, size;
    } roots[ROOTS_MAX];
    uint32_t n_roots;
};

static uint64_t read_word(int mem, uint64_t at)
{
    uint64_t word = 0;

    return pread(mem, &word, sizeof(word), (off_t)at) == sizeof(word) ? word : 0;
}

/* In the cycle, a connection or a request, or in what that leads to. */
static uint64_t somewhere(const void *arg)
{
    const struct worker *w = arg;
    uint64_t i = damage_random() % w->n_roots;
    uint64_t at = w->roots[i].at + damage_random() % w->roots[i].size;

    return damage_random() % 2 ? at : read_word(w->t.mem, at & ~7UL) + damage_random() % 256;
}

static void add_root(struct worker *w, uint64_t at, uint64_t size)
{
    if (at && size && w->n_roots < ROOTS_MAX) {
        w->roots[w->n_roots].at = at;
        w->roots[w->n_roots++].size = size;
    }
}

static uint64_t member(const char *list, const char *type, const char *name)
{
    struct layout_place found;

    return layout_place(list, type, name, &found) ? found.offset : 0;
}

static void find_roots(struct worker *w, const char *core)
{
    const struct elf_symbols *s = dbg_symbols(w->m);
    struct layout_place whole;
    uint64_t cycle = 0, connections, size;

    size = layout_place(core, "ngx_connection_t", "-", &whole) ? whole.size : 0;

    for (uint32_t i = 0; i < s->n; i++)
        if (!strcmp(s->v[i].name, "ngx_cycle"))
            cycle = read_word(w->t.mem, s->v[i].vaddr + w->t.modules[0].bias);
    connections = read_word(w->t.mem, cycle + member(core, "ngx_cycle_t", "connections"));
    add_root(w, cycle, CYCLE);
    for (uint64_t i = 0; i < CONNECTIONS; i++) {
        uint64_t at = connections + i * size;

        if ((uint32_t)read_word(w->t.mem, at + member(core, "ngx_connection_t", "fd")) ==
            UINT32_MAX)
            continue;
        add_root(w, at, size);
        add_root(w, read_word(w->t.mem, at + member(core, "ngx_connection_t", "data")), REQUEST);
    }
}

static bool proved(struct worker *w, enum nginx_part part, const char *list)
{
    struct layout_trial t = w->t;
    const char *why;

    t.types[t.n_types++].list = list;
    return layout_nginx_fits(&t, part, &why) == LAYOUT_PROVED;
}

/* The files of PART, those that fit first; how many of them do. */
static uint32_t open_part(struct worker *w, const struct layout_rows *rows, enum nginx_part part,
                          struct file v[FILES_MAX], uint32_t *n)
{
    uint32_t fit = 0, k;

    *n = 0;
    for (uint32_t i = 0; i < rows->n && *n < FILES_MAX; i++) {
        for (k = 0; k < *n && strcmp(v[k].name, rows->v[i].file) != 0; k++)
            ;
        if (rows->v[i].part != part || k < *n)
            continue;
        struct file new = {.name = rows->v[i].file};

        new.list =
            layout_list(w->cx->arena, arena_printf(w->cx->arena, "%s/%s.debug", w->dir, new.name));
        if (!new.list)
            continue;
        v[*n] = new;
        if (proved(w, part, new.list)) {
            v[*n] = v[fit];
            v[fit++] = new;
        }
        ++*n;
    }
    return fit;
}

/* How many were wrong. */
static uint32_t damage_part(struct worker *w, enum nginx_part part, const struct file *v,
                            uint32_t fit, uint32_t n, uint32_t times)
{
    static struct damage_change changes[BYTES_MAX];
    uint32_t refused = 0, wrong = 0;

    for (uint32_t i = 0; i < times && fit; i++) {
        uint32_t done = damage_some(w->t.mem, somewhere, w, changes);
        bool right = false;

        for (uint32_t k = 0; k < fit && !right; k++)
            right = proved(w, part, v[k].list);
        refused += !right;
        for (uint32_t k = fit; k < n && !right; k++) {
            if (!proved(w, part, v[k].list))
                continue;
            printf("wrong %s\n", v[k].name);
            wrong++;
        }
        damage_mend(w->t.mem, changes, done);
    }
    printf("part %d: %u of %u fit, damaged %u, refused %u, wrong %u\n", part, fit, n,
           fit ? times : 0, refused, wrong);
    return wrong;
}

/* Does a layout of LAST fit, after those that it goes on from? */
static bool is_there(struct worker *w, const struct layout_rows *rows, enum nginx_part last)
{
    uint32_t n_types = w->t.n_types, n;
    bool all = true;

    for (int part = NGINX_CORE; all && part <= NGINX_HTTP; part++) {
        struct file v[FILES_MAX];

        all = open_part(w, rows, (enum nginx_part)part, v, &n);
        w->t.types[w->t.n_types++].list = v[0].list;
    }
    if (all && last > NGINX_HTTP) {
        struct file v[FILES_MAX];

        all = open_part(w, rows, last, v, &n);
    }
    w->t.n_types = n_types;
    return all;
}

/* Copies the worker, until what LAST lays out is there: requests come and go. */
static void copy(struct worker *w, struct target *t, pid_t pid, const struct layout_rows *rows,
                 enum nginx_part last)
{
    const char *path = arena_printf(w->cx->arena, "/proc/%d/mem", (int)pid);

    for (int i = 0; i < COPIES; i++) {
        int mem = open(path, O_RDONLY);

        w->t.mem = damage_copy(pid, mem, target_maps(w->cx, t, pid));
        close(mem);
        if (last == NGINX_CORE || is_there(w, rows, last))
            break;
        if (i + 1 < COPIES)
            close(w->t.mem);
        usleep(7000);
    }
}

static int run(struct worker *w, pid_t pid, uint32_t times, enum nginx_part last)
{
    struct target *t = target_open(w->cx, &(struct target_opts){.pid = pid});
    struct layout_rows rows =
        layout_rows_read(w->cx->arena, arena_printf(w->cx->arena, "%s/rows", w->dir));
    uint32_t wrong = 0, n, n_types;
    const char *why = "no process";

    w->di = t ? debuginfo_new(w->cx, t) : NULL;
    if (w->di)
        debuginfo_layouts(w->di, w->layouts);
    w->m = w->di ? dbg_open(w->di, t->exec_path, &why) : NULL;
    if (!w->m || !rows.n) {
        fprintf(stderr, "%s\n", w->m ? "no rows" : why);
        return 1;
    }
    w->t.modules[0].m = w->m;
    w->t.modules[0].bias = target_module(w->cx, t, t->exec_path)->bias;
    w->t.n_modules = 1;
    copy(w, t, pid, &rows, last);
    for (int part = NGINX_CORE; part <= NGINX_LUA; part++) {
        struct file v[FILES_MAX];
        uint32_t fit = open_part(w, &rows, (enum nginx_part)part, v, &n);

        if (part == NGINX_CORE && fit)
            find_roots(w, v[0].list);
        n_types = w->t.n_types;
        wrong += damage_part(w, (enum nginx_part)part, v, fit, n, times);
        w->t.n_types = n_types;
        if (part < NGINX_UPSTREAM && fit)
            w->t.types[w->t.n_types++].list = v[0].list;
    }
    debuginfo_free(w->di);
    target_close(t);
    return wrong != 0;
}

int main(int argc, char **argv)
{
    struct compile cx = {.arena = arena_new(), .err = stderr};
    struct worker w = {.cx = &cx};

    if (argc != 4 && argc != 5)
        return 2;
    cx.sources = sources_new(cx.arena);
    cx.diag = diag_new(cx.arena, cx.sources, stderr);
    w.layouts = argv[2];
    w.dir = arena_printf(cx.arena, "%s/nginx", argv[2]);
    int status = run(&w, atoi(argv[1]), (uint32_t)atoi(argv[3]),
                     (enum nginx_part)(argc > 4 ? atoi(argv[4]) : NGINX_CORE));

    arena_free(cx.arena);
    return status;
}
