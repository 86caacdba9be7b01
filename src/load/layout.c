/*
 * layout: where modules lie in processes that have run exec. Enters: such a process of the scope;
 * leaves: their biases in the control map, and the process's member naming them, once all modules
 * that the script reads variables of are mapped. Until then, and in programs that have others,
 * handlers that read variables drop the hit and count it.
 *
 * At exec only the executable is mapped: the dynamic linker comes to the libraries some
 * milliseconds later. So the process is looked at again and again, each time after twice as long.
 */
#include "load/session.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/diag.h"

enum {
    FIRST_MS = 2,
    TRIES = 10, /* two seconds in all */
    UNPLACED_MAX = 4096,
};

/* ---- one process ---- */

static bool same_file(const struct session *s, pid_t pid, const struct map *map,
                      const struct module *m)
{
    struct build_id id = {.len = 0};
    char path[4096];

    snprintf(path, sizeof(path), "%s/%d/map_files/%llx-%llx", s->t->proc, (int)pid,
             (unsigned long long)map->start, (unsigned long long)map->end);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        fd = sysroot_open(s->t->root, map->path);
    if (fd < 0)
        return false;
    elf_build_id(fd, &id);
    close(fd);
    return m->id.len == id.len && !memcmp(m->id.bytes, id.bytes, id.len);
}

/* Does the script need the address of this module, and does the target know it? */
static bool is_needed(const struct session *s, uint32_t module)
{
    const struct module *m = s->modules[module];

    return s->o->modules[module].flags & OBJ_MODULE_ADDRESSED && m && m->start != m->end;
}

/* Computes the biases of all modules that are needed; false: not all of them are mapped. */
static bool find_modules(const struct session *s, pid_t pid, const struct map *maps, uint64_t *bias)
{
    for (uint32_t i = 0; i < s->o->h->table[OBJ_MODULES].n; i++) {
        const struct module *m = s->modules[i];
        const struct map *map = maps;

        bias[i] = s->control->bias[0][i];
        if (!is_needed(s, i))
            continue;
        while (map && (!map->ino || strcmp(map->path, m->path) != 0))
            map = map->next;
        if (!map || !same_file(s, pid, map, m))
            return false;
        bias[i] = m->bias + (map->start - m->start); /* the first mapping is the lowest */
    }
    return true;
}

static bool read_layout(struct session *s, pid_t pid, uint64_t *bias)
{
    struct compile cx = *s->cx; /* with memory that is given back: this is done again and again */

    cx.arena = arena_new();
    diag_try_begin(cx.diag);
    const struct map *maps = target_maps(&cx, s->t, pid);

    diag_try_end(cx.diag);
    bool ok = maps && find_modules(s, pid, maps, bias);

    arena_free(cx.arena);
    return ok;
}

/* Is a layout a living process's? */
static bool in_use(const struct session *s, uint32_t layout)
{
    for (uint32_t i = 0; i < s->scope.n; i++) {
        uint32_t key = (uint32_t)s->scope.members[i];
        struct ngs_member m;

        if (!bpf_map_lookup_elem(s->scope.map, &key, &m) && m.layout == layout)
            return true;
    }
    return false;
}

/* Finds a layout with these biases, or a free one; NGS_LAYOUTS: there is none. */
static uint32_t layout_of(struct session *s, const uint64_t *bias)
{
    size_t size = s->o->h->table[OBJ_MODULES].n * sizeof(*bias);
    uint32_t at = 0;

    while (at < NGS_LAYOUTS && memcmp(s->control->bias[at], bias, size) != 0)
        at++;
    if (at < NGS_LAYOUTS)
        return at;
    for (at = 1; at < NGS_LAYOUTS && in_use(s, at); at++)
        ;
    if (at < NGS_LAYOUTS)
        memcpy(s->control->bias[at], bias, size);
    return at;
}

static bool place(struct session *s, pid_t pid)
{
    uint64_t bias[NGS_MAX_MODULES];
    uint32_t key = (uint32_t)pid;
    struct ngs_member m;

    if (!read_layout(s, pid, bias) || bpf_map_lookup_elem(s->scope.map, &key, &m))
        return false;
    m.layout = layout_of(s, bias);
    if (m.layout)
        __atomic_fetch_or(&s->control->gate, NGS_SCOPE_LAYOUTS, __ATOMIC_SEQ_CST);
    return m.layout < NGS_LAYOUTS && !bpf_map_update_elem(s->scope.map, &key, &m, BPF_EXIST);
}

/*
 * Layout 0 is the first target's, and of its forks; workers of another master and other programs
 * have their own.
 */
void layout_start(struct session *s)
{
    const struct scope *c = &s->scope;

    for (uint32_t i = 0; i < c->n; i++) {
        uint32_t key = (uint32_t)c->members[i];
        struct ngs_member m;

        if (c->members[i] == target_first(s->t) || place(s, c->members[i]) ||
            bpf_map_lookup_elem(c->map, &key, &m))
            continue;
        m.layout = NGS_UNPLACED;
        bpf_map_update_elem(c->map, &key, &m, BPF_EXIST);
        __atomic_fetch_or(&s->control->gate, NGS_SCOPE_LAYOUTS, __ATOMIC_SEQ_CST);
    }
}

/* ---- those that wait for it ---- */

/* Sets the timer to the moment when the next process is due. */
static void arm(const struct session *s)
{
    uint64_t first = UINT64_MAX;

    for (uint32_t i = 0; i < s->scope.n_unplaced; i++)
        first = s->scope.unplaced[i].due < first ? s->scope.unplaced[i].due : first;
    if (first == UINT64_MAX)
        return;
    struct itimerspec t = {.it_value = {(time_t)(first / 1000), (long)(first % 1000 * 1000000)}};

    timerfd_settime(s->scope.timer, TFD_TIMER_ABSTIME, &t, NULL);
}

/*
 * Warns: a named process runs a program that the script was not made for, so its hits are dropped.
 */
static void say_other(struct session *s, pid_t pid)
{
    char path[4096];
    ssize_t n = readlink(arena_printf(s->cx->arena, "%s/%d/exe", s->t->proc, (int)pid), path,
                         sizeof(path) - 1);
    uint32_t key = (uint32_t)pid;
    struct ngs_member m;

    if (n <= 0 || bpf_map_lookup_elem(s->scope.map, &key, &m) ||
        (m.kind != NGS_NAMED && !s->cx->verbose))
        return;
    path[n] = '\0';
    diag_warning(s->cx->diag, (struct span){0},
                 "process %d runs %s now, which has not all modules that the script reads: "
                 "its hits are counted and dropped",
                 (int)pid, path);
}

void layout_wanted(struct session *s, pid_t pid)
{
    struct scope *c = &s->scope;

    layout_unwanted(s, pid);
    if (c->n_unplaced == UNPLACED_MAX)
        return;
    c->unplaced[c->n_unplaced++] = (struct unplaced){pid, 0, clock_ms(CLOCK_MONOTONIC) + FIRST_MS};
    arm(s);
}

void layout_unwanted(struct session *s, pid_t pid)
{
    struct scope *c = &s->scope;

    for (uint32_t i = 0; i < c->n_unplaced; i++)
        if (c->unplaced[i].pid == pid) {
            c->unplaced[i] = c->unplaced[--c->n_unplaced];
            return;
        }
}

/* Looks at a process that is due. True: it needs no further look. */
static bool try_one(struct session *s, struct unplaced *u, uint64_t now)
{
    bool placed = place(s, u->pid);

    spaces_add(s, u->pid);
    if (placed &&
        !s->spaces.is_open) /* else libraries are waited for that only stacks go through */
        return true;
    if (++u->tries == TRIES) {
        if (!placed)
            say_other(s, u->pid);
        return true;
    }
    u->due = now + ((uint64_t)FIRST_MS << u->tries);
    return false;
}

void layout_try(struct session *s)
{
    struct scope *c = &s->scope;
    uint64_t times, now = clock_ms(CLOCK_MONOTONIC);

    if (read(c->timer, &times, sizeof(times)) != sizeof(times))
        return; /* it has not expired */
    for (uint32_t i = 0; i < c->n_unplaced;) {
        struct unplaced *u = &c->unplaced[i];

        if (u->due <= now && try_one(s, u, now))
            *u = c->unplaced[--c->n_unplaced];
        else
            i++;
    }
    arm(s);
}

bool layout_open(struct session *s)
{
    struct scope *c = &s->scope;
    struct epoll_event e = {.events = EPOLLIN};

    c->unplaced = calloc(UNPLACED_MAX, sizeof(*c->unplaced));
    c->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    return c->unplaced && c->timer >= 0 && !epoll_ctl(c->epoll, EPOLL_CTL_ADD, c->timer, &e);
}

void layout_close(struct session *s)
{
    struct scope *c = &s->scope;

    if (c->timer >= 0)
        close(c->timer);
    free(c->unplaced);
    c->timer = -1;
    c->unplaced = NULL;
    c->n_unplaced = 0;
}
