/*
 * scope: whose hits count. Enters: the target's processes; leaves: the map that handlers ask, with
 * those processes and all that descends from them (track.c keeps it exact while the session runs);
 * which processes events are opened for. Refuses: processes that have ended since they were found.
 *
 * Ticks follow by inheritance, exactly. A breakpoint does not: an event of the uprobe PMU that is
 * inherited makes fork() fail in the target, and an event for one process knows one address space.
 * So, where no process outside of the scope has mapped a probed file, breakpoints are opened for
 * everybody and the test in the program sorts out who comes later; children are in from their first
 * instruction then. Elsewhere events are opened for one process each, and for children as soon as
 * user space hears of them (track.c), some milliseconds late.
 */
#include "load/session.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/diag.h"

enum {
    SCANS_MAX = 16,     /* of /proc for descendants: each finds what the last missed */
    OUTSIDERS_MS = 300, /* looking for others that map a file */
    FILES_MAX = 64,
};

/* ---- the processes ---- */

static bool is_watched(const struct session *s, pid_t pid)
{
    return s->t->kind == TARGET_MASTER && pid == s->t->master;
}

static bool is_member(const struct scope *c, pid_t pid)
{
    for (uint32_t i = 0; i < c->n; i++)
        if (c->members[i] == pid)
            return true;
    return false;
}

void scope_remember(struct scope *c, pid_t pid)
{
    if (is_member(c, pid))
        return;
    if (c->n == c->cap) {
        uint32_t cap = c->cap ? 2 * c->cap : 16;
        pid_t *bigger = realloc(c->members, cap * sizeof(*bigger));

        if (!bigger)
            return;
        c->members = bigger;
        c->cap = cap;
    }
    c->members[c->n++] = pid;
}

void scope_forget(struct scope *c, pid_t pid)
{
    for (uint32_t i = 0; i < c->n; i++)
        if (c->members[i] == pid) {
            c->members[i] = c->members[--c->n];
            return;
        }
}

/* False: it is there already, or there is no room. */
static bool add(struct session *s, pid_t pid, enum ngs_member_kind kind)
{
    struct ngs_member m = {.kind = kind};
    uint32_t key = (uint32_t)pid;

    __atomic_store_n(&s->control->only, 0, __ATOMIC_SEQ_CST);
    if (bpf_map_update_elem(s->scope.map, &key, &m, BPF_NOEXIST)) {
        if (errno != EEXIST)
            __atomic_fetch_add(&s->control->unfollowed, 1, __ATOMIC_RELAXED);
        return false;
    }
    if (kind != NGS_WATCHED)
        scope_remember(&s->scope, pid);
    return true;
}

/* Adds the processes of -x or a master's workers, if they still are the ones that were found. */
static bool add_named(struct session *s)
{
    const struct target *t = s->t;
    bool any = false;

    if (t->kind == TARGET_MASTER)
        add(s, t->master, NGS_WATCHED);
    for (uint32_t i = 0; i < t->n_pids; i++)
        if (target_same(t, i))
            any |= add(s, t->pids[i], NGS_NAMED);
    if (any && t->kind != TARGET_MASTER && t->n_pids == 1 && !s->control->pidns_ino)
        s->control->only = (uint64_t)t->pids[0]; /* nobody follows yet */
    return any || diag_error(s->cx->diag, (struct span){0}, "target", "process %d has ended",
                             (int)target_first(t));
}

void scope_add_descendants(struct session *s)
{
    bool more = true;

    for (int scan = 0; more && scan < SCANS_MAX; scan++) {
        const struct scope *c = &s->scope;
        pid_t *tops = ARENA_ARRAY(s->cx->arena, pid_t, c->n + 1), *below;
        uint32_t n_tops = 0;

        if (s->t->kind == TARGET_MASTER)
            tops[n_tops++] = s->t->master;
        for (uint32_t i = 0; i < c->n; i++)
            tops[n_tops++] = c->members[i];
        uint32_t n = target_below(s->cx, s->t->proc, tops, n_tops, &below);

        more = false;
        for (uint32_t i = 0; i < n; i++) {
            bool worker =
                s->t->kind == TARGET_MASTER && process_parent(s->t, below[i]) == s->t->master;
            uint32_t key = (uint32_t)below[i];

            if (!add(s, below[i], worker ? NGS_NAMED : NGS_BELOW))
                continue;
            more = true;
            if (!process_alive(s->t, below[i])) { /* it ended unseen */
                bpf_map_delete_elem(s->scope.map, &key);
                scope_forget(&s->scope, below[i]);
            }
        }
    }
}

/* ---- who else maps a file ---- */

/*
 * Collects the inodes of probed files, as /proc/PID/maps shows them to the target; false: more than
 * FILES_MAX, or unknown.
 */
static bool probed_files(struct session *s, uint64_t *inodes, uint32_t *n)
{
    const struct map *maps = NULL;

    *n = 0;
    diag_try_begin(s->cx->diag);
    for (uint32_t i = 0; i < s->t->n_pids && !maps; i++)
        maps = target_maps(s->cx, s->t, s->t->pids[i]);
    diag_try_end(s->cx->diag);
    for (uint32_t p = 0; p < s->o->h->table[OBJ_PLACES].n; p++) {
        uint32_t module = s->o->places[p].module;
        const struct module *m = module == OBJ_NO_MODULE ? NULL : s->modules[module];
        struct stat st = {.st_ino = 0};
        bool known = false;

        if (!m || (p && s->o->places[p - 1].module == module))
            continue;
        for (const struct map *at = maps; at && !st.st_ino; at = at->next)
            if (at->ino && !strcmp(at->path, m->path))
                st.st_ino = at->ino;
        if (!st.st_ino && (!m->probe_path || stat(m->probe_path, &st)))
            return false;
        for (uint32_t k = 0; k < *n; k++)
            known |= inodes[k] == st.st_ino;
        if (!known && *n == FILES_MAX)
            return false;
        if (!known)
            inodes[(*n)++] = st.st_ino;
    }
    return true;
}

/*
 * Does PID map a file with one of these inodes? Devices are not compared: containers of one image
 * show one file under several. A wrong "yes" costs children only their first milliseconds.
 */
static bool maps_one_of(const struct session *s, pid_t pid, const uint64_t *inodes, uint32_t n)
{
    char path[4096];
    char *line = NULL;
    size_t size = 0;
    bool found = false;

    snprintf(path, sizeof(path), "%s/%d/maps", s->t->proc, (int)pid);
    FILE *f = fopen(path, "re");

    while (f && !found && getline(&line, &size, f) > 0) {
        unsigned long long ino;

        if (sscanf(line, "%*s %*s %*s %*s %llu", &ino) == 1 && ino)
            for (uint32_t k = 0; k < n; k++)
                found |= inodes[k] == ino;
    }
    free(line);
    if (f)
        fclose(f);
    return found;
}

bool scope_is_shared(struct session *s)
{
    /* CPU time of ours, so that a busy machine gives the same answer */
    uint64_t inodes[FILES_MAX], end = clock_ms(CLOCK_THREAD_CPUTIME_ID) + OUTSIDERS_MS;
    uint32_t n;
    bool shared = false;
    DIR *dir = s->control->pidns_ino || !probed_files(s, inodes, &n) ? NULL : opendir(s->t->proc);
    struct dirent *e;

    if (!dir)
        return true;
    while (!shared && (e = readdir(dir))) {
        pid_t pid = isdigit((unsigned char)e->d_name[0]) ? (pid_t)atoi(e->d_name) : 0;

        if (pid > 0 && !is_member(&s->scope, pid) && !is_watched(s, pid))
            shared = maps_one_of(s, pid, inodes, n) || clock_ms(CLOCK_THREAD_CPUTIME_ID) >= end;
    }
    closedir(dir);
    return shared;
}

bool load_scoped(const struct session *s)
{
    return s->obj && s->t->n_pids > 0;
}

bool scope_drop_replaced(struct session *s)
{
    bool all = true;

    for (uint32_t i = 0; i < s->t->n_pids; i++) {
        uint32_t key = (uint32_t)s->t->pids[i];

        if (target_same(s->t, i))
            continue;
        __atomic_store_n(&s->control->only, 0, __ATOMIC_SEQ_CST);
        bpf_map_delete_elem(s->scope.map, &key);
        all = false;
    }
    return all;
}

bool scope_open(struct session *s)
{
    const struct bpf_map *map = bpf_object__find_map_by_name(s->obj, NGS_MAP_SCOPE);
    struct scope *c = &s->scope;

    if (!map || bpf_map__key_size(map) != 4 ||
        bpf_map__value_size(map) != sizeof(struct ngs_member))
        return object_damaged(s->cx, "kernel probes without a scope");
    c->map = bpf_map__fd(map);
    for (uint32_t i = 0; i < s->o->h->table[OBJ_PROBES].n; i++) {
        c->uprobes |= attach_has(s->o->probes[i].kind, ATTACH_PLACES) &&
                      !attach_has(s->o->probes[i].kind, ATTACH_KERNEL);
        c->everybody |= attach_has(s->o->probes[i].kind, ATTACH_EVERYBODY);
    }
    return add_named(s);
}

void scope_init(struct scope *c)
{
    *c = (struct scope){.map = -1, .epoll = -1, .timer = -1};
    follow_init(&c->follow);
}

const pid_t *scope_members(const struct session *s, uint32_t *n)
{
    *n = s->scope.n;
    return s->scope.members;
}

const pid_t *load_scope_pids(const struct session *s, uint32_t *n)
{
    *n = s->scope.everywhere ? 0 : s->scope.n;
    return s->scope.members;
}
