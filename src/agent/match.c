/*
 * match: a process against the rules. Enters: what scan.c has read of it; leaves: the first rule
 * all of whose facts it has. What a process or a container says of itself is compared, never
 * followed. An asterisk of a pattern takes slashes, too: /usr/ and one is all that lies below /usr.
 */
#include "agent/match.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "target/target.h"

/* Does one of PATTERNS fit TEXT? NULL fits none. */
static bool fits_one(const struct conf_patterns *patterns, const char *text)
{
    for (uint32_t i = 0; text && i < patterns->n; i++)
        if (!fnmatch(patterns->v[i], text, 0))
            return true;
    return false;
}

/* ---- containers ---- */

static void describe(struct scan_container *c, struct compile *cx, const char *proc)
{
    struct pod_names pod;

    if (c->asked)
        return;
    c->asked = true;
    if (pod_of(cx, proc, c->id, &pod)) {
        c->name = strdup(pod.container);
        c->pod = strdup(pod.pod);
        c->namespace = strdup(pod.namespace);
        return;
    }
    const char *text = container_describe(cx, c->id);
    size_t n = text ? strcspn(text, "\n") : 0;

    if (!n)
        return;
    c->name = strndup(text, n);
    c->labels = strdup(text[n] ? text + n + 1 : "");
}

static bool has_label(const struct conf_patterns *patterns, const struct scan_container *c,
                      struct arena *a)
{
    for (const char *line = c->labels; line && *line;) {
        size_t n = strcspn(line, "\n");

        if (fits_one(patterns, arena_strndup(a, line, n)))
            return true;
        line += n + (line[n] == '\n');
    }
    return false;
}

static bool fits_container(const struct conf_rule *r, struct compile *cx, const char *proc,
                           struct scan_container *c)
{
    const struct conf_patterns *names = &r->facts[FACT_CONTAINER], *labels = &r->facts[FACT_LABEL];
    const struct conf_patterns *pods = &r->facts[FACT_POD];

    if (!names->n && !labels->n && !pods->n)
        return true;
    if (!c)
        return false;
    describe(c, cx, proc);
    if (names->n && !fits_one(names, c->name) && !fits_one(names, c->id))
        return false;
    if (labels->n && !has_label(labels, c, cx->arena))
        return false;
    return !pods->n ||
           (c->pod && fits_one(pods, arena_printf(cx->arena, "%s/%s", c->namespace, c->pod)));
}

/* ---- processes ---- */

static bool fits(const struct conf_patterns *patterns, const char *text)
{
    return !patterns->n || fits_one(patterns, text);
}

const struct conf_rule *match_rule(const struct agent_conf *conf, struct compile *cx,
                                   const char *proc, struct scan_process *p)
{
    for (uint32_t i = 0; i < conf->n_rules; i++) {
        const struct conf_rule *r = &conf->rules[i];

        if (!fits(&r->facts[FACT_EXE], p->exe) || !fits(&r->facts[FACT_COMM], p->comm) ||
            !fits(&r->facts[FACT_CGROUP], p->cgroup) || !fits_container(r, cx, proc, p->container))
            continue;
        if (p->container)
            describe(p->container, cx, proc);
        return r;
    }
    return NULL;
}
