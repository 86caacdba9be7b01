/*
 * begin: the probes that belong to the session: begin, end, error, and never. They enter with
 * an optional sequence number, lower ones run first, and leave as one instance each, which
 * runs in user space.
 */
#include "probe/tables.h"

static bool resolve(struct probe_env *env, struct probe_point *point, const struct probe_type *type)
{
    struct probe_inst *inst = probe_add(env, point, type);

    if (point->parts->arg)
        inst->sequence = point->parts->arg->number;
    return true;
}

#define ROW(pattern, summary, kind)                                                                \
    {                                                                                              \
        pattern, summary, kind, resolve, NULL, NULL                                                \
    }

const struct probe_type probe_types_begin[] = {
    ROW("begin", "when the session starts", PROBE_BEGIN),
    ROW("begin(number)", "likewise; lower numbers first (default 0)", PROBE_BEGIN),
    ROW("end", "when the session ends", PROBE_END),
    ROW("end(number)", "likewise; lower numbers first (default 0)", PROBE_END),
    ROW("error", "when the session ends by an error", PROBE_ERROR),
    ROW("error(number)", "likewise; lower numbers first (default 0)", PROBE_ERROR),
    ROW("never", "checked, but never run", PROBE_NEVER),
    {NULL, NULL, PROBE_NEVER, NULL, NULL, NULL},
};
