/*
 * procfs: files of the session's that are read or written. procfs("NAME").read and .write leave as
 * one instance each, with the name, the permissions that the file is not to have, and how much it
 * can give; procfs alone is procfs("command"), as in SystemTap. $value is sema's
 * (sema/file_value.c). Refused: names that are no file's, two handlers that say what is read.
 */
#include "probe/tables.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"

/* SystemTap's, where a probe gives none: the owner's alone. */
enum { READ_UMASK = 0044, WRITE_UMASK = 0022 };

static const struct point_part *part(const struct probe_point *point, const char *name)
{
    const struct point_part *p = point->parts->next;

    while (p && strcmp(p->name, name) != 0)
        p = p->next;
    return p;
}

static bool is_name(struct probe_env *env, const struct point_part *p)
{
    if (!p->arg || is_file_name(p->arg->text))
        return true;
    diag_error(env->cx->diag, p->arg->at, "probe",
               "this is no name for a file of procfs: it must not be empty, begin with '.', have a "
               "'/', or be longer than 255 bytes");
    return false;
}

/* The number of PART, if it is there, else OTHERWISE; false after reporting. */
static bool number(struct probe_env *env, const struct point_part *p, int64_t least, int64_t most,
                   uint32_t otherwise, uint32_t *out)
{
    *out = p ? (uint32_t)p->arg->number : otherwise;
    return !p || (p->arg->number >= least && p->arg->number <= most) ||
           diag_error(env->cx->diag, p->arg->at, "probe",
                      !strcmp(p->name, "umask") ? "%s is a number from 0%" PRIo64 " to 0%" PRIo64
                                                : "%s is a number from %" PRId64 " to %" PRId64,
                      p->name, least, most);
}

static bool is_first(struct probe_env *env, const struct probe_point *point, const char *name)
{
    for (const struct probe_inst *i = env->prog->insts; i; i = i->next)
        if (i->event && i->type->kind == PROBE_FILE_READ && !strcmp(i->event, name)) {
            diag_error(env->cx->diag, point->at, "probe",
                       "two probes say what is read from the file '%s' of procfs", name);
            diag_note(env->cx->diag, i->point->at, "the other one is here");
            return false;
        }
    return true;
}

static bool resolve(struct probe_env *env, struct probe_point *point, const struct probe_type *type)
{
    bool read = type->kind == PROBE_FILE_READ;
    const char *name = point->parts->arg ? point->parts->arg->text : "command";
    uint32_t umask, maxsize;

    if (!is_name(env, point->parts) ||
        !number(env, part(point, "umask"), 0, 0777, read ? READ_UMASK : WRITE_UMASK, &umask) ||
        !number(env, part(point, "maxsize"), 1, OBJ_MAX_FILE, 0, &maxsize) ||
        (read && !is_first(env, point, name)))
        return false;
    struct probe_inst *inst = probe_add(env, point, type);

    inst->event = name;
    inst->umask = umask;
    inst->maxsize = maxsize;
    return true;
}

#define ROW(pattern, summary, kind)                                                                \
    {                                                                                              \
        pattern, summary, kind, resolve, NULL, NULL                                                \
    }
#define FILE_OF(procfs, read, write)                                                               \
    ROW(procfs ".read", read, PROBE_FILE_READ),                                                    \
        ROW(procfs ".read.maxsize(number)", NULL, PROBE_FILE_READ),                                \
        ROW(procfs ".umask(number).read", NULL, PROBE_FILE_READ),                                  \
        ROW(procfs ".umask(number).read.maxsize(number)", NULL, PROBE_FILE_READ),                  \
        ROW(procfs ".write", write, PROBE_FILE_WRITE),                                             \
        ROW(procfs ".umask(number).write", NULL, PROBE_FILE_WRITE)

const struct probe_type probe_types_procfs[] = {
    FILE_OF("procfs(string)", "a file of that name is read: the handler sets `$value`",
            "a line is written to it: `$value`"),
    FILE_OF("procfs", "as `procfs(\"command\").read`", "as `procfs(\"command\").write`"),
    {NULL, NULL, PROBE_NEVER, NULL, NULL, NULL},
};
