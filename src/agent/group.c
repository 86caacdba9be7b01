/*
 * group: who is profiled together. Enters: the table of processes; leaves: groups, and of each the
 * members that nobody looks at yet. A master with workers is left out: it waits for them.
 */
#include "agent/group.h"

#include <stdlib.h>
#include <string.h>

#include "base/clean.h"

enum { WAITING_MAX = 256, TEXT_MAX = 1024 };

/* What a target says of itself goes into labels: clean, and of bounded length. */
static char *clean_copy(const char *text)
{
    char out[TEXT_MAX];

    if (!text)
        return NULL;
    clean_text(text, strlen(text), out, sizeof(out));
    return strdup(out);
}

static struct group *group_of(struct groups *g, const struct scan *s, const struct agent_conf *conf,
                              const struct scan_process *p)
{
    const struct scan_process *master = scan_master(s, p);
    struct group_key key;
    struct group *group;

    memset(&key, 0, sizeof(key));
    key.rule = (uint64_t)(p->rule - conf->rules);
    key.dev = p->dev;
    key.ino = p->ino;
    key.master = master ? (uint64_t)master->pid : 0;
    key.master_start = master ? master->start : 0;
    if (p->container)
        memcpy(key.container, p->container->id, sizeof(key.container));
    HASH_FIND(hh, g->all, &key, sizeof(key), group);
    if (group)
        return group;
    group = calloc(1, sizeof(*group));
    if (!group)
        return NULL;
    group->key = key;
    group->rule = p->rule;
    group->exe = clean_copy(p->exe);
    if (p->container) {
        group->container = clean_copy(p->container->name ? p->container->name : p->container->id);
        group->pod = clean_copy(p->container->pod);
        group->namespace = clean_copy(p->container->namespace);
    }
    HASH_ADD(hh, g->all, key, sizeof(group->key), group);
    return group;
}

static void add(struct group *g, struct group_member m)
{
    if (g->n_waiting == (g->key.master ? 1 : WAITING_MAX))
        return;
    if (!(g->n_waiting & (g->n_waiting - 1))) { /* a power of two, or 0: it is full */
        void *v = realloc(g->waiting, (g->n_waiting ? 2 * g->n_waiting : 1) * sizeof(m));

        if (!v)
            return;
        g->waiting = v;
    }
    g->waiting[g->n_waiting++] = m;
}

static void forget(struct groups *g, struct group *group)
{
    HASH_DEL(g->all, group);
    free(group->exe);
    free(group->container);
    free(group->pod);
    free(group->namespace);
    free(group->waiting);
    free(group);
}

void groups_update(struct groups *g, const struct scan *s, const struct agent_conf *conf,
                   bool (*covered)(void *arg, const struct group *group, struct group_member m),
                   void *arg, uint64_t *targets)
{
    struct group *group, *next;

    for (group = g->all; group; group = group->hh.next)
        group->n_waiting = 0;
    *targets = 0;
    for (const struct scan_process *p = s->processes; p; p = p->hh.next) {
        struct group_member m = {p->pid, p->start};

        if (!p->settled || !p->rule || p->master || !(group = group_of(g, s, conf, p)))
            continue;
        ++*targets;
        if (!covered(arg, group, m))
            add(group, m);
    }
    HASH_ITER (hh, g->all, group, next) {
        if (!group->n_waiting && !group->sessions)
            forget(g, group);
    }
}

void groups_keep(struct groups *g, const struct conf_rule *rules)
{
    struct group *group, *next;

    HASH_ITER (hh, g->all, group, next) {
        if (group->sessions)
            group->rule = &rules[group->key.rule];
        else
            forget(g, group);
    }
}

void groups_close(struct groups *g)
{
    struct group *group, *next;

    HASH_ITER (hh, g->all, group, next)
        forget(g, group);
}
