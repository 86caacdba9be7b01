/*
 * spaces: what the kernel's side knows addresses of programs by and walks their stacks. Enters:
 * processes of the scope; leaves: in NGS_MAP_ROWS the rows of each file that they run code of,
 * once, in NGS_MAP_SPACES where each process maps which, and the files by the numbers that places
 * have (NGS_PLACE), which outlive the processes. A process that a walk led out of what is known is
 * looked at again, and one after another, as code may come in the place of other code. Where nobody
 * is named, that is how each process is found. A walk stops at files without rows, at code that no
 * file has, but for the vdso, and at what the maps have no room for.
 */
#include "load/session.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/diag.h"
#include "load/kernel_types.h"
#include "unwind/unwind.h"

/* Parts of files; a hostile process maps more, each of which would be opened. So many of the files
 * that the target did not have when it was found stay open, to be asked for names. Code that no
 * file has is only there so that it is known. */
enum { FILES_MAX = 4096, OPEN_MAX = 256, NAMELESS_MAX = 32, VDSO_MAX = 64 * 1024 };
_Static_assert((int)FILES_MAX < (int)NGS_PLACE_FILES, "a file has a number");
/* A look at a process takes some tenths of a millisecond, where it maps a hundred files. */
enum { LOOK_MS = 50, TURN_MS = 1000 };
/* Where nobody is named: so many processes at a time, of some 7 KiB each in the kernel. */
enum { SEEN_MAX = 1024 };

static bool is_wanted(const struct session *s)
{
    return s->obj && bpf_object__find_map_by_name(s->obj, NGS_MAP_SPACES);
}

static int map_fd(const struct session *s, const char *name)
{
    const struct bpf_map *m = bpf_object__find_map_by_name(s->obj, name);

    return m ? bpf_map__fd(m) : -1;
}

/* Without rows of the program itself no stack leads far; libraries without them are rare. */
static void warn_of_rows(const struct session *s)
{
    const char *exe = s->t->exec_path;

    for (uint32_t i = 0; exe && s->spaces.rows >= 0 && i < s->spaces.n_files; i++) {
        const struct spaces_file *f = &s->spaces.files[i];

        if (f->module && !f->n_blocks && !strcmp(f->module->path, exe)) {
            diag_warning(s->cx->diag, (struct span){0},
                         "no unwind table in %s: stacks of C end where they come to its code", exe);
            diag_hint(s->cx->diag, "strip leaves .eh_frame; -fasynchronous-unwind-tables makes it");
            return;
        }
    }
}

void load_symbols(struct session *s, const struct symbol_source *source)
{
    s->source = source;
}

/* Nobody is named: processes are looked at as they are seen. Nobody says when one runs another
 * program, so each is known by its mm_struct, too, by which walks know that it does. */
static bool sees_everybody(struct session *s)
{
    uint32_t mm = 0;
    struct kernel_member wanted[] = {{"task_struct", "mm", &mm, false}};

    s->spaces.seen = calloc(SEEN_MAX, sizeof(*s->spaces.seen));
    if (!s->spaces.seen || !kernel_members(wanted, 1))
        return false;
    s->control->mm = mm;
    return true;
}

bool spaces_open(struct session *s)
{
    struct spaces *sp = &s->spaces;

    if (!is_wanted(s))
        return true;
    sp->rows = map_fd(s, NGS_MAP_ROWS);
    if (sp->rows >= 0)
        sp->max_rows = bpf_map__max_entries(bpf_object__find_map_by_name(s->obj, NGS_MAP_ROWS));
    if (!load_scoped(s) && !sees_everybody(s)) {
        if (sp->rows >= 0) {
            diag_warning(s->cx->diag, (struct span){0},
                         "this kernel does not tell programs apart (no BTF): each stack has one "
                         "frame in processes that are not named");
            diag_hint(s->cx->diag, "name one: -x PID");
        }
        return true;
    }
    sp->map = map_fd(s, NGS_MAP_SPACES);
    sp->is_open = true;
    if (sp->rows >= 0 && replaced_are_returns(s))
        replaced_find(s);
    for (uint32_t i = 0; i < s->scope.n; i++)
        spaces_add(s, s->scope.members[i]);
    warn_of_rows(s);
    return true;
}

/* Is this the first part of its file? */
static bool is_first(const struct spaces *sp, uint32_t i)
{
    const struct spaces_file *f = &sp->files[i];

    for (uint32_t k = 0; f->module && k < i; k++)
        if (sp->files[k].number == f->number)
            return false;
    return f->module;
}

void spaces_close(struct session *s)
{
    struct spaces *sp = &s->spaces;

    for (uint32_t i = 0; i < sp->n_files; i++)
        if (is_first(sp, i) && !sp->files[i].module->probe_path && sp->files[i].module->fd >= 0)
            close(sp->files[i].module->fd);
    free(sp->files);
    free(sp->seen);
    sp->files = NULL;
    sp->seen = NULL;
    sp->n_files = 0;
    sp->is_open = false;
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

    /* by its name in a file system that may be another than that process has: if it was named */
    return fd >= 0 || s->spaces.seen ? fd : sysroot_open(s->t->root, map->path);
}

/* Copies N rows to the map, from number AT on. Only their pages are mapped for it, as a mapping has
 * all its pages at once. */
static bool copy_rows(int map, uint32_t at, const struct ngs_row *v, uint32_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), from = at * sizeof(*v), in = from % page;
    size_t size = n * sizeof(*v);
    char *to = mmap(NULL, in + size, PROT_READ | PROT_WRITE, MAP_SHARED, map, (off_t)(from - in));

    if (to == MAP_FAILED)
        return false;
    memcpy(to + in, v, size);
    munmap(to, in + size);
    return true;
}

static int open_debug_file(const struct session *s, const struct map *map, int fd)
{
    struct module m = {.path = map->path, .fd = fd};

    if (!map->ino || !s->source || !s->source->debug_file)
        return -1;
    elf_build_id(fd, &m.id);
    return s->source->debug_file(s->source->arg, &m);
}

/* The rows of a file go behind those that are there. */
static void store(struct session *s, const struct map *map, int fd, struct spaces_file *f)
{
    struct spaces *sp = &s->spaces;
    struct unwind_rows rows;
    int debug = open_debug_file(s, map, fd);
    bool there = unwind_kept_file(fd, debug, &rows);
    uint32_t n = rows.n + rows.n_blocks;

    if (there && n <= sp->max_rows - sp->n_rows && copy_rows(sp->rows, sp->n_rows, rows.v, n)) {
        f->rows = sp->n_rows;
        f->blocks = sp->n_rows + rows.n;
        f->n_blocks = rows.n_blocks;
        f->first_block = rows.first_block;
        sp->n_rows += n;
    }
    free(rows.v);
    if (debug >= 0)
        close(debug);
}

static const struct spaces_file *known_file(const struct spaces *sp, const struct map *map)
{
    for (uint32_t i = 0; i < sp->n_files; i++)
        if (sp->files[i].ino == map->ino && sp->files[i].dev == map->dev &&
            sp->files[i].offset == map->offset)
            return &sp->files[i];
    return NULL;
}

/* Whole mappings of M's file in this process, from the first one's start to the last one's end. */
static void extent(const struct map *all, const struct map *m, uint64_t *start, uint64_t *end)
{
    *start = m->start;
    *end = m->end;
    for (const struct map *o = all; o; o = o->next)
        if (m->ino && o->ino == m->ino && o->dev == m->dev) {
            *start = o->start < *start ? o->start : *start;
            *end = o->end > *end ? o->end : *end;
        }
}

/* Moves M where it overlaps no other file: what is found in two processes may. */
static void set_apart(const struct spaces *sp, struct module *m)
{
    uint64_t top = 0, size = m->end - m->start, start = m->start;
    bool free = true;

    for (uint32_t i = 0; i < sp->n_files; i++) {
        const struct module *o = sp->files[i].module;

        if (!o || o == m)
            continue;
        top = o->end > top ? o->end : top;
        free &= m->end <= o->start || o->end <= m->start;
    }
    if (free)
        return;
    m->start = top;
    m->end = top + size;
    m->bias += top - start;
}

/* What the target has by that name, if it is the file open at FD, or one of the same build. */
static const struct module *known_module(struct session *s, const char *path, int fd)
{
    const struct module *m = target_module(s->cx, s->t, path);
    struct build_id id = {.len = 0};
    struct stat a, b;

    if (!m || m->fd < 0 || fstat(m->fd, &a) || fstat(fd, &b))
        return NULL;
    if (a.st_ino == b.st_ino && a.st_dev == b.st_dev)
        return m;
    elf_build_id(fd, &id);
    return id.len && id.len == m->id.len && !memcmp(id.bytes, m->id.bytes, id.len) ? m : NULL;
}

/* The file open at FD as names are looked up in it; takes FD over if it has to stay open. */
static bool name_file(struct session *s, const struct map *all, const struct map *map,
                      struct spaces_file *f, int fd)
{
    const struct module *known = known_module(s, map->path, fd);
    struct module *m = ARENA_NEW(s->cx->arena, struct module);
    bool keep = !known && s->spaces.n_numbers < OPEN_MAX;

    *m = (struct module){.path = known ? known->path : arena_strdup(s->cx->arena, map->path),
                         .probe_path = known ? known->probe_path : NULL,
                         .bias = map->start - f->vaddr,
                         .fd = known  ? known->fd
                               : keep ? fd
                                      : -1};
    extent(all, map, &m->start, &m->end);
    set_apart(&s->spaces, m);
    f->module = m;
    f->number = ++s->spaces.n_numbers;
    return keep;
}

/* Opens each part of a file once. NULL: there is no room for more. */
static const struct spaces_file *file_of(struct session *s, pid_t pid, const struct map *all,
                                         const struct map *map)
{
    const struct spaces_file *known = known_file(&s->spaces, map), *whole = NULL;
    struct spaces *sp = &s->spaces;
    struct spaces_file *v;
    uint64_t bias;

    if (known || sp->n_files == FILES_MAX)
        return known;
    v = realloc(sp->files, (sp->n_files + 1) * sizeof(*v));
    if (!v)
        return NULL;
    sp->files = v;
    for (uint32_t i = 0; i < sp->n_files; i++)
        if (v[i].ino == map->ino && v[i].dev == map->dev && v[i].number)
            whole = &v[i];
    v += sp->n_files++;
    *v = (struct spaces_file){.dev = map->dev, .ino = map->ino, .offset = map->offset};
    int fd = open_mapped(s, pid, map);
    bool kept = false;

    if (fd < 0)
        return v;
    if (unwind_bias(fd, map, &bias)) {
        v->vaddr = map->start - bias;
        if (sp->rows >= 0)
            store(s, map, fd, v);
        if (v->vaddr >> NGS_PLACE_SHIFT ||
            (v->vaddr + (map->end - map->start)) >> NGS_PLACE_SHIFT) {
            v->n_blocks = 0; /* by a hostile file: no such address is a place */
        } else if (whole) {
            v->number = whole->number;
            v->module = whole->module;
        } else {
            kept = name_file(s, all, map, v, fd);
        }
    }
    if (!kept)
        close(fd);
    return v;
}

const struct module *session_file(const struct session *s, uint32_t file)
{
    for (uint32_t i = 0; i < s->spaces.n_files; i++)
        if (s->spaces.files[i].number == file)
            return s->spaces.files[i].module;
    return NULL;
}

/* ---- processes ---- */

static void add_range(struct session *s, pid_t pid, const struct map *all, const struct map *map,
                      struct ngs_space *space, unsigned *nameless)
{
    static const struct spaces_file none;
    bool is_file = map->ino || is_vdso(map);

    if (!is_file && map->path && !strcmp(map->path, "[uprobes]"))
        replaced_find(s); /* others have breakpoints, too */
    if (!map->exec || space->n == NGS_RANGES || (!is_file && (*nameless)++ >= NAMELESS_MAX))
        return;
    const struct spaces_file *f = is_file ? file_of(s, pid, all, map) : &none;

    if (!f)
        return;
    uint64_t bias = map->start - f->vaddr;

    space->ranges[space->n++] = (struct ngs_range){
        map->start, map->end,    bias,           f->rows,
        f->blocks,  f->n_blocks, f->first_block, f->number ? NGS_PLACE(f->number, 0) - bias : 0};
}

/* Walks that begin now take nothing that was found before: it is told after the change, and they
 * ask before they look. */
static void tell_change(struct session *s)
{
    __atomic_fetch_add(&s->control->spaces, 1, __ATOMIC_SEQ_CST);
}

void spaces_drop(struct session *s, pid_t pid)
{
    uint32_t key = (uint32_t)pid;

    if (s->spaces.is_open && !bpf_map_delete_elem(s->spaces.map, &key))
        tell_change(s);
}

static bool add(struct session *s, pid_t pid, uint64_t mm)
{
    struct compile cx = *s->cx; /* with memory that is given back: this is done again and again */
    struct ngs_space *spaces = s->spaces.is_open ? calloc(2, sizeof(*spaces)) : NULL;
    uint32_t key = (uint32_t)pid;
    unsigned nameless = 0;

    if (!spaces)
        return false;
    cx.arena = arena_new();
    diag_try_begin(cx.diag);
    const struct map *all = target_maps(&cx, s->t, pid);

    spaces->mm = mm;
    for (const struct map *m = all; m; m = m->next)
        add_range(s, pid, all, m, spaces, &nameless);
    diag_try_end(cx.diag);
    arena_free(cx.arena);
    if (mm && !spaces->n) { /* it has ended */
        spaces_drop(s, pid);
        free(spaces);
        return false;
    }
    bpf_map_lookup_elem(s->spaces.map, &key, &spaces[1]);
    bool news = memcmp(&spaces[0], &spaces[1], sizeof(*spaces)) != 0;

    if (news && !bpf_map_update_elem(s->spaces.map, &key, spaces, BPF_ANY))
        tell_change(s);
    free(spaces);
    return news;
}

bool spaces_add(struct session *s, pid_t pid)
{
    return !s->spaces.seen && add(s, pid, 0);
}

/* A process that a walk has asked for; where nobody is named it is one more, in the place of the
 * oldest if there are too many. */
static bool look_at(struct session *s, struct ngs_unmapped at)
{
    struct spaces *sp = &s->spaces;
    uint32_t i = 0;

    if (!sp->seen)
        return spaces_add(s, (pid_t)at.process);
    while (i < sp->n_seen && sp->seen[i].process != at.process)
        i++;
    if (i == sp->n_seen && i == SEEN_MAX) {
        i = sp->oldest++ % SEEN_MAX;
        spaces_drop(s, (pid_t)sp->seen[i].process);
    }
    sp->n_seen = i < sp->n_seen ? sp->n_seen : i + 1;
    sp->seen[i] = at;
    return at.mm && add(s, (pid_t)at.process, at.mm);
}

/* One of those that are known. */
static bool look_in_turn(struct session *s)
{
    struct spaces *sp = &s->spaces;
    uint32_t n = sp->seen ? sp->n_seen : s->scope.n;

    if (!n)
        return false;
    sp->turn = (sp->turn + 1) % n;
    return sp->seen ? look_at(s, sp->seen[sp->turn]) : spaces_add(s, s->scope.members[sp->turn]);
}

/* Where looks find nothing, as a program has code without a table, they become rare. */
bool spaces_watch(struct session *s)
{
    struct spaces *sp = &s->spaces;
    const uint64_t now = clock_ms(CLOCK_MONOTONIC), most = sp->seen ? TURN_MS / 4 : TURN_MS;
    bool asked = false, news = false;

    if (!sp->is_open || now < sp->due)
        return false;
    for (uint32_t i = 0; i < NGS_UNMAPPED; i++) {
        struct ngs_unmapped *from = &s->control->unmapped[i], at;

        at.process = __atomic_exchange_n(&from->process, 0, __ATOMIC_SEQ_CST);
        at.mm = __atomic_load_n(&from->mm, __ATOMIC_SEQ_CST);
        if (!at.process)
            continue;
        asked = true;
        news |= look_at(s, at);
    }
    if (asked) {
        sp->wait = news ? LOOK_MS : sp->wait < most ? 2 * sp->wait + LOOK_MS : most;
        sp->due = now + sp->wait;
    } else if (now >= sp->turn_due) {
        news = look_in_turn(s);
        sp->turn_due = now + TURN_MS;
    }
    return news;
}
