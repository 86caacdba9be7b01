/*
 * labels: whose profile it is. Enters: the target; leaves: labels, where the user has given none.
 * Names of pods come from the kubelet's folders and those of programs from the target: they are
 * made clean and short (push_default_label).
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "push/push.h"
#include "target/target.h"

static const char *node_name(char *host, size_t size)
{
    const char *node = getenv("NODE_NAME"); /* as DaemonSets have it, by spec.nodeName */

    if (node && *node)
        return node;
    return gethostname(host, size - 1) ? NULL : host;
}

/* The process that all the others are of, or that alone is looked at; 0: there are several. */
static pid_t one_of(const struct target *t)
{
    if (t->kind == TARGET_MASTER)
        return t->master;
    return t->n_pids > 1 ? 0 : target_first(t);
}

/* An nginx worker by nginx's number, which its successor gets, too; another process by its own. */
static void add_worker(struct compile *cx, struct push *p, const struct target *t, pid_t pid)
{
    uint32_t index;
    const char *number = target_worker_index(cx, t, pid, &index)
                             ? arena_printf(cx->arena, "%u", index)
                             : arena_printf(cx->arena, "%d", (int)pid);

    push_default_label(cx, p, "worker", number);
}

/* Its name and the pod's by the kubelet, else its name by the engine that has it. */
static void add_container(struct compile *cx, struct push *p, const struct target *t,
                          const char *id)
{
    struct pod_names pod = {0};

    push_default_label(cx, p, "container_id", id);
    if (pod_of(cx, t->proc, id, &pod)) {
        push_default_label(cx, p, "namespace", pod.namespace);
        push_default_label(cx, p, "pod", pod.pod);
        push_default_label(cx, p, "container", pod.container);
    } else if (!push_find_label(p, "container")) {
        const char *text = container_describe(cx, id);

        if (text)
            push_default_label(cx, p, "container",
                               arena_strndup(cx->arena, text, strcspn(text, "\n")));
    }
}

void push_default_labels(struct compile *cx, struct push *p, const struct target *t)
{
    char host[256] = "", id[CONTAINER_ID_LEN + 1];

    push_default_label(cx, p, "node", node_name(host, sizeof(host)));
    if (!t)
        return;
    pid_t first = target_first(t), one = one_of(t);

    if (first && process_container(t->proc, first, id))
        add_container(cx, p, t, id);
    if (one)
        push_default_label(cx, p, "pid", arena_printf(cx->arena, "%d", (int)one));
    if (one && t->kind != TARGET_MASTER)
        add_worker(cx, p, t, one);
    push_default_label(cx, p, "executable", t->exec_path);
    push_default_label(cx, p, "service", push_find_label(p, "container"));
    push_default_label(cx, p, "service", t->exec_path ? base_name(t->exec_path) : NULL);
}
