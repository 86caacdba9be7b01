/*
 * pod: a container of a Kubernetes pod on this node. Enters: "NAMESPACE/POD" or
 * "NAMESPACE/POD/CONTAINER"; leaves: the container's first process and its root, as container.c has
 * them. No runtime's client is asked: what the kubelet calls its folders of logs says which pods
 * and containers there are (/var/log/pods/NAMESPACE_POD_UID,
 * /var/log/containers/POD_NAMESPACE_CONTAINER-ID.log; legacy.go and helpers.go in
 * pkg/kubelet/kuberuntime), and a process's cgroup says whose it is
 * (pkg/kubelet/cm/pod_container_manager_linux.go). The folders are those of the node's first
 * process, else ours, so that it works from a pod that shares the node's process namespace.
 * Refused: pods of other nodes, pods whose containers have ended, and, without CONTAINER, pods of
 * which several run.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "target/proc.h"

enum { NAME_MAX_LEN = 253, CONTAINERS_MAX = 64, PODS_MAX = 16, CGROUP_MAX = 64 << 10 };
enum { ID_LEN = 64, UID_LEN_MAX = 36 };

static const struct span nowhere;

struct container {
    const char *name, *id;
    pid_t pid; /* of its oldest process; 0: none runs */
    uint64_t start;
};

struct pod {
    struct compile *cx;
    const char *proc;
    const char *logs;                         /* /var/log of the node */
    const char *namespace, *name, *container; /* CONTAINER NULL: any */
    const char *uids[PODS_MAX];               /* also of those before it of that name */
    uint32_t n_uids;
    struct container v[CONTAINERS_MAX];
    uint32_t n;
};

/* A label or a name of Kubernetes: no slash, no underscore, nothing that hides. */
static bool is_name(const char *s)
{
    for (const char *p = s; *p; p++)
        if (!islower((unsigned char)*p) && !isdigit((unsigned char)*p) && *p != '-' && *p != '.')
            return false;
    return *s && strlen(s) <= NAME_MAX_LEN;
}

static bool parse(struct pod *p, const char *text)
{
    char *copy = arena_strdup(p->cx->arena, text);
    char *slash = strchr(copy, '/'), *second = slash ? strchr(slash + 1, '/') : NULL;

    if (slash)
        *slash = '\0';
    if (second)
        *second = '\0';
    p->namespace = copy;
    p->name = slash ? slash + 1 : "";
    p->container = second ? second + 1 : NULL;
    if (is_name(p->namespace) && is_name(p->name) && (!p->container || is_name(p->container)))
        return true;
    diag_error(p->cx->diag, nowhere, "pod", "\"%s\" is no pod's name", text);
    diag_hint(p->cx->diag, "NAMESPACE/POD, or NAMESPACE/POD/CONTAINER: \"kubectl get pods -A\" "
                           "lists them");
    return false;
}

/* ---- the kubelet's folders ---- */

typedef void entry_fn(struct pod *p, const char *name);

static bool each_entry(struct pod *p, const char *folder, entry_fn *fn)
{
    DIR *d = opendir(arena_printf(p->cx->arena, "%s/%s", p->logs, folder));
    struct dirent *e;

    if (!d)
        return false;
    while ((e = readdir(d)))
        fn(p, e->d_name);
    closedir(d);
    return true;
}

/* "NAMESPACE_POD_UID" */
static void take_pod(struct pod *p, const char *entry)
{
    const char *start = arena_printf(p->cx->arena, "%s_%s_", p->namespace, p->name);
    const char *uid = entry + strlen(start);

    if (!strncmp(entry, start, strlen(start)) && strlen(uid) <= UID_LEN_MAX && is_name(uid) &&
        p->n_uids < PODS_MAX)
        p->uids[p->n_uids++] = arena_strdup(p->cx->arena, uid);
}

/* "POD_NAMESPACE_CONTAINER-ID.log" */
static void take_container(struct pod *p, const char *entry)
{
    const char *start = arena_printf(p->cx->arena, "%s_%s_", p->name, p->namespace);
    const char *name = entry + strlen(start), *dash = strrchr(entry, '-');

    if (strncmp(entry, start, strlen(start)) != 0 || !dash || dash <= name ||
        strlen(dash) != 1 + ID_LEN + strlen(".log") || p->n == CONTAINERS_MAX)
        return;
    struct container c = {.name = arena_strndup(p->cx->arena, name, (size_t)(dash - name)),
                          .id = arena_strndup(p->cx->arena, dash + 1, ID_LEN)};

    if (is_name(c.name) && (!p->container || !strcmp(c.name, p->container)))
        p->v[p->n++] = c;
}

/* ---- cgroups ---- */

/* The UID at the end of a pod's cgroup, "podUID" or "kubepods-burstable-podUID.slice"; its length
 * in *LEN. NULL: it is none. systemd's slices have _ for -. */
static const char *uid_of(const char *part, size_t n, size_t *len)
{
    static const char slice[] = ".slice";

    if (n > sizeof(slice) - 1 && !strncmp(part + n - (sizeof(slice) - 1), slice, sizeof(slice) - 1))
        n -= sizeof(slice) - 1;
    for (size_t at = n; at >= 3; at--)
        if (!strncmp(part + at - 3, "pod", 3) && (at == 3 || part[at - 4] == '-')) {
            *len = n - at;
            return *len >= 32 && *len <= UID_LEN_MAX ? part + at : NULL;
        }
    return NULL;
}

static bool same_uid(const char *uid, const char *text, size_t n)
{
    if (strlen(uid) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (text[i] != uid[i] && !(text[i] == '_' && uid[i] == '-'))
            return false;
    return true;
}

/*
 * The container that a cgroup's path is of: behind the first pod in it, "ID", "RUNTIME-ID.scope".
 * What lies below is the container's own to name, and is not looked at.
 */
static struct container *container_of(struct pod *p, const char *path)
{
    while (*path == '/') {
        const char *part = path + 1;
        size_t n = strcspn(part, "/"), len;
        const char *uid = uid_of(part, n, &len);
        bool ours = false;

        path = part + n;
        if (!uid)
            continue;
        for (uint32_t i = 0; i < p->n_uids; i++)
            ours |= same_uid(p->uids[i], uid, len);
        n = ours && *path ? strcspn(path + 1, "/") : 0;
        for (uint32_t i = 0; n && i < p->n; i++) {
            const char *scope = ".scope", *end = path + 1 + n;
            const char *id = end - ID_LEN;

            if (n > ID_LEN + 6 && !strncmp(end - 6, scope, 6))
                id -= 6;
            if (n >= ID_LEN && !strncmp(id, p->v[i].id, ID_LEN) &&
                (id == path + 1 || id[-1] == '-'))
                return &p->v[i];
        }
        return NULL;
    }
    return NULL;
}

/* The text of PROC/PID/cgroup, "NUMBER:CONTROLLERS:PATH" a line: the first line that says it. */
static struct container *container_in(struct pod *p, char *text)
{
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        char *path = strchr(line, '/');
        struct container *c = path ? container_of(p, path) : NULL;

        if (c)
            return c;
    }
    return NULL;
}

static bool find_processes(struct pod *p)
{
    struct process *v;
    uint32_t n;

    if (!proc_list(p->cx, p->proc, 0, &v, &n))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        char *text = proc_read(p->proc, v[i].pid, "cgroup", CGROUP_MAX);
        struct container *c = text ? container_in(p, text) : NULL;

        free(text);
        if (c && (!c->pid || v[i].start < c->start)) {
            c->pid = v[i].pid;
            c->start = v[i].start;
        }
    }
    return true;
}

/* ---- which one ---- */

static bool not_here(struct pod *p)
{
    diag_error(p->cx->diag, nowhere, "pod", "no pod %s/%s on this node", p->namespace, p->name);
    diag_hint(p->cx->diag, "\"kubectl get pod -n %s %s -o wide\" says on which node it runs",
              p->namespace, p->name);
    return false;
}

static bool none_runs(struct pod *p)
{
    if (p->container) {
        diag_error(p->cx->diag, nowhere, "pod", "no container %s of the pod %s/%s runs",
                   p->container, p->namespace, p->name);
        diag_hint(p->cx->diag,
                  "\"kubectl get pod -n %s %s -o jsonpath='{.spec.containers[*].name}'\" "
                  "lists them",
                  p->namespace, p->name);
        return false;
    }
    diag_error(p->cx->diag, nowhere, "pod", "no container of the pod %s/%s runs", p->namespace,
               p->name);
    diag_hint(p->cx->diag,
              "from inside a pod, processes of others are seen with hostPID: true only");
    return false;
}

static bool several_run(struct pod *p)
{
    const char *names = "";

    for (uint32_t i = 0; i < p->n; i++)
        if (p->v[i].pid)
            names = arena_printf(p->cx->arena, "%s %s", names, p->v[i].name);
    diag_error(p->cx->diag, nowhere, "pod", "several containers of the pod %s/%s run", p->namespace,
               p->name);
    diag_hint(p->cx->diag, "say which, %s/%s/CONTAINER:%s", p->namespace, p->name, names);
    return false;
}

/* ---- whose a container is ---- */

/* The kubelet's folder of logs below PROC's first process, else ours. */
static const char *logs_of(struct arena *a, const char *proc)
{
    const char *logs = arena_printf(a, "%s/1/root/var/log", proc);

    if (access(arena_printf(a, "%s/pods", logs), F_OK) && !strcmp(proc, "/proc"))
        return "/var/log"; /* may not be followed, or another root's */
    return logs;
}

/* "POD_NAMESPACE_CONTAINER-ID.log", in TEXT, apart: false, it is no such name. */
static bool take_apart(char *text, struct pod_names *out)
{
    size_t len = strlen(text), end = 1 + ID_LEN + strlen(".log");
    char *first = strchr(text, '_'), *second = first ? strchr(first + 1, '_') : NULL;

    if (!second || len <= end || second >= text + len - end)
        return false;
    text[len - end] = *first = *second = '\0';
    *out = (struct pod_names){.pod = text, .namespace = first + 1, .container = second + 1};
    return is_name(out->pod) && is_name(out->namespace) && is_name(out->container);
}

bool pod_of(struct compile *cx, const char *proc, const char *id, struct pod_names *out)
{
    DIR *d = opendir(arena_printf(cx->arena, "%s/containers", logs_of(cx->arena, proc)));
    const char *end = arena_printf(cx->arena, "-%s.log", id);
    struct dirent *e;
    bool found = false;

    while (d && !found && (e = readdir(d)))
        found = strlen(id) == ID_LEN && ends_with(e->d_name, end) &&
                take_apart(arena_strdup(cx->arena, e->d_name), out);
    if (d)
        closedir(d);
    return found;
}

bool pod_find(struct compile *cx, const char *proc, const char *name, const char **root, pid_t *pid)
{
    struct pod p = {.cx = cx, .proc = proc};
    const struct container *one = NULL;
    uint32_t running = 0;

    if (!parse(&p, name))
        return false;
    p.logs = logs_of(cx->arena, proc);
    if (!each_entry(&p, "pods", take_pod) || !each_entry(&p, "containers", take_container)) {
        diag_error(cx->diag, nowhere, "pod", "there is no kubelet here: no /var/log/pods");
        diag_hint(cx->diag,
                  "it runs on the pod's node, as root or in a pod with hostPID: true and "
                  "CAP_SYS_PTRACE; a container of another engine is named by --container");
        return false;
    }
    if (!p.n_uids)
        return not_here(&p);
    if (!find_processes(&p))
        return false;
    for (uint32_t i = 0; i < p.n; i++)
        if (p.v[i].pid) {
            running++;
            one = &p.v[i];
        }
    if (!running)
        return none_runs(&p);
    if (running > 1)
        return several_run(&p);
    *pid = one->pid;
    *root = arena_printf(cx->arena, "%s/%d/root", proc, (int)one->pid);
    return true;
}
