/*
 * spaces: what the kernel's side walks stacks of programs by. Enters: processes of the scope;
 * leaves: in NGS_MAP_ROWS the rows of each file that they run code of, once, and in NGS_MAP_SPACES
 * where each process maps which. A process that a walk led out of what is known is looked at again,
 * and one after another, as code may come in the place of other code. A walk stops at files without
 * rows, at code that no file has, but for the vdso, and at what the maps have no room for.
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
#include "base/clock.h"
#include "base/diag.h"
#include "unwind/unwind.h"

/* Parts of files; a hostile process maps more, each of which would be opened. Code that no file has
 * is only there so that it is known. */
enum { FILES_MAX = 4096, NAMELESS_MAX = 32, VDSO_MAX = 64 * 1024 };
/* A look at a process takes some tenths of a millisecond, where it maps a hundred files. */
enum { LOOK_MS = 50, TURN_MS = 1000 };

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

/* A copy of the ELF file that the kernel maps into each process. */
static int open_vdso(const struct session *s, pid_t pid, const struct map *map)
{
    size_t size = map->end - map->start;
    char path[4096], *bytes = size <= VDSO_MAX ? malloc(size) : NULL;

    snprintf(path, sizeof(path), "%s/%d/mem", s->t->proc, (int)pid);
    int from = bytes ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    int fd = from >= 0 ? memfd_create("vdso", MFD_CLOEXEC) : -1;

    if (fd >= 0 && (pread(from, bytes, size, (off_t)map->start) != (ssize_t)size ||
                    write(fd, bytes, size) != (ssize_t)size)) {
        close(fd);
        fd = -1;
    }
    if (from >= 0)
        close(from);
    free(bytes);
    return fd;
}

static bool is_vdso(const struct map *map)
{
    return !map->ino && map->path && !strcmp(map->path, "[vdso]");
}

static int open_mapped(const struct session *s, pid_t pid, const struct map *map)
{
    char path[4096];

    if (is_vdso(map))
        return open_vdso(s, pid, map);
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

static void add_range(struct session *s, pid_t pid, const struct map *map, struct ngs_space *space,
                      unsigned *nameless)
{
    static const struct spaces_file none;
    bool is_file = map->ino || is_vdso(map);

    if (!map->exec || space->n == NGS_RANGES || (!is_file && (*nameless)++ >= NAMELESS_MAX))
        return;
    const struct spaces_file *f = is_file ? file_of(s, pid, map) : &none;

    if (f)
        space->ranges[space->n++] =
            (struct ngs_range){map->start, map->end,    map->start - f->vaddr, f->rows,
                               f->blocks,  f->n_blocks, f->first_block};
}

bool spaces_add(struct session *s, pid_t pid)
{
    struct compile cx = *s->cx; /* with memory that is given back: this is done again and again */
    struct ngs_space *spaces = s->spaces.rows ? calloc(2, sizeof(*spaces)) : NULL;
    uint32_t key = (uint32_t)pid;
    unsigned nameless = 0;

    if (!spaces)
        return false;
    cx.arena = arena_new();
    diag_try_begin(cx.diag);
    for (const struct map *m = target_maps(&cx, s->t, pid); m; m = m->next)
        add_range(s, pid, m, spaces, &nameless);
    diag_try_end(cx.diag);
    arena_free(cx.arena);
    bpf_map_lookup_elem(s->spaces.map, &key, &spaces[1]);
    bool news = memcmp(&spaces[0], &spaces[1], sizeof(*spaces)) != 0;

    if (news)
        bpf_map_update_elem(s->spaces.map, &key, spaces, BPF_ANY);
    free(spaces);
    return news;
}

void spaces_drop(struct session *s, pid_t pid)
{
    uint32_t key = (uint32_t)pid;

    if (s->spaces.rows)
        bpf_map_delete_elem(s->spaces.map, &key);
}

/* Where looks find nothing, as a program has code without a table, they become rare. */
bool spaces_watch(struct session *s)
{
    struct spaces *sp = &s->spaces;
    uint64_t now = clock_ms(CLOCK_MONOTONIC), pid = 0;
    bool news = false;

    if (!sp->rows || now < sp->due)
        return false;
    pid = __atomic_exchange_n(&s->control->unmapped, 0, __ATOMIC_SEQ_CST);
    if (pid) {
        news = spaces_add(s, (pid_t)pid);
        sp->wait = news ? LOOK_MS : sp->wait < TURN_MS ? 2 * sp->wait + LOOK_MS : TURN_MS;
        sp->due = now + sp->wait;
    } else if (now >= sp->turn_due && s->scope.n) {
        sp->turn = (sp->turn + 1) % s->scope.n;
        news = spaces_add(s, s->scope.members[sp->turn]);
        sp->turn_due = now + TURN_MS;
    }
    return news;
}
