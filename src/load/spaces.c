/*
 * spaces: what the kernel's side walks stacks of programs by. Enters: processes of the scope;
 * leaves: in NGS_MAP_ROWS the rows of each file that they run code of, once, and in NGS_MAP_SPACES
 * where each process maps which. Left out, so that a walk stops there: files without rows, code
 * that no file has, what is mapped later, more than the maps hold.
 */
#include "load/session.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/diag.h"
#include "unwind/unwind.h"

/* Parts of files; a hostile process maps more, each of which would be opened. */
enum { FILES_MAX = 4096 };

static bool is_wanted(const struct session *s)
{
    return s->obj && bpf_object__find_map_by_name(s->obj, NGS_MAP_ROWS);
}

static int map_fd(const struct session *s, const char *name)
{
    const struct bpf_map *m = bpf_object__find_map_by_name(s->obj, name);

    return m ? bpf_map__fd(m) : -1;
}

bool spaces_open(struct session *s)
{
    struct spaces *sp = &s->spaces;

    if (!is_wanted(s))
        return true;
    if (!load_scoped(s)) {
        diag_warning(s->cx->diag, (struct span){0},
                     "stacks are walked in processes that are named: each has one frame here");
        diag_hint(s->cx->diag, "name one: -x PID");
        return true;
    }
    sp->map = map_fd(s, NGS_MAP_SPACES);
    sp->size = sizeof(struct ngs_row) * NGS_ROWS_MAX;
    void *rows = sp->map < 0 ? MAP_FAILED
                             : mmap(NULL, sp->size, PROT_READ | PROT_WRITE, MAP_SHARED,
                                    map_fd(s, NGS_MAP_ROWS), 0);

    if (rows == MAP_FAILED)
        return object_damaged(s->cx, "a walk of stacks without its maps");
    sp->rows = rows;
    for (uint32_t i = 0; i < s->scope.n; i++)
        spaces_add(s, s->scope.members[i]);
    return true;
}

void spaces_close(struct session *s)
{
    struct spaces *sp = &s->spaces;

    if (sp->rows)
        munmap(sp->rows, sp->size);
    sp->rows = NULL;
    free(sp->files);
    sp->files = NULL;
    sp->n_files = 0;
}

/* ---- files ---- */

static int open_mapped(const struct session *s, pid_t pid, const struct map *map)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%d/map_files/%llx-%llx", s->t->proc, (int)pid,
             (unsigned long long)map->start, (unsigned long long)map->end);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    return fd >= 0 ? fd : sysroot_open(s->t->root, map->path);
}

/* The rows of a file go behind those that are there. */
static void store(struct spaces *sp, int fd, struct spaces_file *f)
{
    struct unwind_rows rows;

    if (unwind_file(fd, &rows) && rows.n + rows.n_blocks <= NGS_ROWS_MAX - sp->n_rows) {
        uint32_t n = rows.n + rows.n_blocks;

        memcpy(sp->rows + sp->n_rows, rows.v, n * sizeof(*rows.v));
        f->rows = sp->n_rows;
        f->blocks = sp->n_rows + rows.n;
        f->n_blocks = rows.n_blocks;
        f->first_block = rows.first_block;
        sp->n_rows += n;
    }
    free(rows.v);
}

static const struct spaces_file *known_file(const struct spaces *sp, const struct map *map)
{
    for (uint32_t i = 0; i < sp->n_files; i++)
        if (sp->files[i].ino == map->ino && sp->files[i].dev == map->dev &&
            sp->files[i].offset == map->offset)
            return &sp->files[i];
    return NULL;
}

/* Opens each part of a file once. NULL: there is no room for more. */
static const struct spaces_file *file_of(struct session *s, pid_t pid, const struct map *map)
{
    const struct spaces_file *known = known_file(&s->spaces, map);
    struct spaces *sp = &s->spaces;
    struct spaces_file *v;
    uint64_t bias;

    if (known || sp->n_files == FILES_MAX)
        return known;
    v = realloc(sp->files, (sp->n_files + 1) * sizeof(*v));
    if (!v)
        return NULL;
    sp->files = v;
    v += sp->n_files++;
    *v = (struct spaces_file){.dev = map->dev, .ino = map->ino, .offset = map->offset};
    int fd = open_mapped(s, pid, map);

    if (fd < 0)
        return v;
    if (unwind_bias(fd, map, &bias)) {
        v->vaddr = map->start - bias;
        store(sp, fd, v);
    }
    close(fd);
    return v;
}

/* ---- processes ---- */

static void add_range(struct session *s, pid_t pid, const struct map *map, struct ngs_space *space)
{
    const struct spaces_file *f =
        map->exec && map->ino && space->n < NGS_RANGES ? file_of(s, pid, map) : NULL;

    if (f && f->n_blocks)
        space->ranges[space->n++] =
            (struct ngs_range){map->start, map->end,    map->start - f->vaddr, f->rows,
                               f->blocks,  f->n_blocks, f->first_block};
}

void spaces_add(struct session *s, pid_t pid)
{
    struct compile cx = *s->cx; /* with memory that is given back: this is done again and again */
    struct ngs_space *space = s->spaces.rows ? calloc(1, sizeof(*space)) : NULL;
    uint32_t key = (uint32_t)pid;

    if (!space)
        return;
    cx.arena = arena_new();
    diag_try_begin(cx.diag);
    for (const struct map *m = target_maps(&cx, s->t, pid); m; m = m->next)
        add_range(s, pid, m, space);
    diag_try_end(cx.diag);
    arena_free(cx.arena);
    bpf_map_update_elem(s->spaces.map, &key, space, BPF_ANY);
    free(space);
}

void spaces_drop(struct session *s, pid_t pid)
{
    uint32_t key = (uint32_t)pid;

    if (s->spaces.rows)
        bpf_map_delete_elem(s->spaces.map, &key);
}
