/*
 * process_event: processes and threads that come and go: process("path").begin, .end,
 * .thread.begin, .thread.end, likewise of a process by its number and of all. Enters: such a point;
 * leaves: an instance for the processes that are there at the start, which runs in user space, and
 * what leads to the others: aliases of the library (tapset/probe/process_event.stp), and which
 * process is meant, its program by the file's own number. SystemTap has the points themselves.
 * Refused: ends on kernels that tell them when the program is forgotten already.
 */
#include "probe/tables.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { KERNEL_MINOR_BITS = 20 }; /* MINORBITS of linux/kdev_t.h */

static bool resolve(struct probe_env *env, struct probe_point *point,
                    const struct probe_type *type);

/* For SystemTap a handler in the kernel: whatever is read in it is its business. */
static const struct probe_type theirs = {NULL, NULL, PROBE_TRACEPOINT, resolve, NULL, NULL};

static const struct point_part *last(const struct probe_point *point)
{
    const struct point_part *p = point->parts;

    while (p->next)
        p = p->next;
    return p;
}

bool probe_is_process_event(const struct probe_type *type)
{
    return type->resolve == resolve;
}

/* Does the kernel tell of an end while the program is still known? */
static bool ends_are_told(struct probe_env *env, const struct probe_point *point)
{
    struct dbg_params params = {NULL, 0};
    const char *why = NULL;
    struct dbg *kernel = dbg_open(env->debuginfo, "kernel", &why);

    if (!kernel)
        return diag_error(env->cx->diag, point->at, "no-debuginfo", "%s", why);
    if (dbg_tracepoint(kernel, "sched_process_exit", &params))
        for (uint32_t i = 0; i < params.n; i++)
            if (params.v[i].name && !strcmp(params.v[i].name, "group_dead"))
                return true;
    diag_error(env->cx->diag, point->at, "unsupported",
               "this kernel does not tell of ends before the process has lost its program: that is "
               "Linux 6.16");
    diag_hint(env->cx->diag, "kernel.trace(\"sched_process_exit\") tells of them, with execname()");
    return false;
}

/* Fills OUT with the program that ARG names; false after reporting. */
static bool find_program(struct probe_env *env, const struct expr *arg,
                         struct probe_process_event *out)
{
    const struct module *m = probe_find_module(env, arg->text, arg->at);
    struct stat st;

    if (!m)
        return false;
    if (fstat(m->fd, &st))
        return diag_error(env->cx->diag, arg->at, "no-module", "cannot read %s", m->path);
    probe_module(env, m->path, NULL); /* another build has another number */
    out->path = m->path;
    out->ino = st.st_ino;
    /* btrfs and overlays tell stat(2) a device that the kernel's inode has not; it has no major. */
    if (major(st.st_dev))
        out->dev = (uint64_t)major(st.st_dev) << KERNEL_MINOR_BITS | minor(st.st_dev);
    return true;
}

bool probe_shares_library(struct probe_env *env, const struct probe_point *point,
                          struct probe_process_event *out)
{
    const struct expr *arg = point->parts->arg;
    const struct target *t = env->target;
    const char *why = NULL;

    *out = (struct probe_process_event){.path = NULL};
    if (env->apart || (t->kind != TARGET_NONE && t->kind != TARGET_EXEC) || !arg ||
        !point->parts->next || strcmp(point->parts->next->name, "library") != 0)
        return false;
    if (!dbg_open(env->debuginfo, "kernel", &why)) {
        diag_warning(env->cx->diag, point->parts->next->at,
                     "what other programs do in the library counts, too: %s", why);
        return false;
    }
    diag_try_begin(env->cx->diag); /* who resolves the point reports */
    bool ok = find_program(env, arg, out);

    diag_try_end(env->cx->diag);
    return ok;
}

bool probe_find_process_event(struct probe_env *env, const struct probe_point *point,
                              struct probe_process_event *out)
{
    const struct expr *arg = point->parts->arg;
    bool thread = !strcmp(point->parts->next->name, "thread");

    *out = (struct probe_process_event){.begins = !strcmp(last(point)->name, "begin")};
    if (!out->begins && !ends_are_told(env, point))
        return false;
    if (thread) {
        out->names[0] = out->begins ? "cloned" : "thread_ended";
    } else {
        out->names[0] = out->begins ? "forked" : "left";
        out->names[1] = out->begins ? "entered" : "ended";
    }
    if (!arg)
        return true;
    if (arg->kind == EX_NUMBER) {
        out->pid = arg->number;
        return true;
    }
    return find_program(env, arg, out);
}

struct probe_point *probe_process_point(struct arena *a, const struct probe_point *point,
                                        const char *path)
{
    const char *values[8] = {path};

    return probe_point_with(a, point, values);
}

/* At the start: those that are there. */
static bool resolve(struct probe_env *env, struct probe_point *point, const struct probe_type *type)
{
    const struct expr *arg = point->parts->arg;
    const struct module *m = NULL;

    if (arg && arg->kind == EX_STRING && !(m = probe_find_module(env, arg->text, arg->at)))
        return false;
    struct probe_point *exact = m ? probe_process_point(env->cx->arena, point, m->path) : point;
    struct probe_inst *inst = probe_add(env, exact, env->stap ? &theirs : type);

    if (env->stap && m && m->host_path)
        inst->point = probe_process_point(env->cx->arena, point, m->host_path);
    inst->event = m ? m->path : "";
    return true;
}

#define ROW(process, suffix, summary, kind)                                                        \
    {                                                                                              \
        process suffix, summary, kind, resolve, NULL, NULL                                         \
    }
#define ROWS(suffix, summary, kind)                                                                \
    ROW("process(string)", suffix, summary, kind), ROW("process(number)", suffix, NULL, kind),     \
        ROW("process", suffix, NULL, kind)

const struct probe_type probe_types_process_event[] = {
    ROWS(".begin", "when a process begins: by fork, by exec, or as it is there at the start",
         PROBE_RUNNING),
    ROWS(".end", "when a process ends, or leaves its program by exec", PROBE_RUNNING),
    ROWS(".thread.begin", "when a further thread begins, or is there at the start",
         PROBE_RUNNING_THREAD),
    ROWS(".thread.end", "when such a thread ends", PROBE_RUNNING_THREAD),
    {NULL, NULL, PROBE_NEVER, NULL, NULL, NULL},
};
