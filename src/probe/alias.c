/*
 * alias: families of probe points that are aliases of the library (tapset/probe/NAME.stp, NAME
 * being their first word), as SystemTap's tapset has them. Enters: a point of such a family for
 * which the library has no alias, or any where SystemTap is the back end, whose own aliases are
 * taken then; leaves: in the latter case an instance. Refused: in the former case all, with the
 * near names.
 */
#include "probe/tables.h"

#include <string.h>

#include "base/bytes.h"

/* Those whose events have nothing to do with who runs. */
static const char *const of_everybody[] = {
    "ioblock", "ioblock_trace", "ioscheduler", "ioscheduler_trace", "irq_handler",
    "netdev",  "scheduler",     "signal.send", "softirq",           "workqueue",
};

static bool is_of_everybody(const char *name)
{
    for (size_t i = 0; i < sizeof(of_everybody) / sizeof(*of_everybody); i++) {
        size_t len = strlen(of_everybody[i]);

        if (!strncmp(name, of_everybody[i], len) && (!name[len] || name[len] == '.'))
            return true;
    }
    return false;
}

bool probe_no_alias(struct probe_env *env, struct probe_point *point, const struct probe_type *type)
{
    struct diag *d = env->cx->diag;
    const char *name = probe_names(env->cx->arena, point);

    if (env->stap) { /* SystemTap has them, and says what is wrong with one */
        struct probe_inst *inst = probe_add(env, point, type);

        inst->theirs = true;
        inst->everybody = is_of_everybody(name);
        return true;
    }
    if (strstr(point->parts->name, "syscall"))
        return probe_no_call(env, point);
    if (has_wildcard(name))
        diag_error(d, point->at, "no-probe", "no probe point of the library matches '%s'", name);
    else
        diag_error(d, point->at, "no-probe", "no probe point of the library is named '%s'", name);
    if (env->near)
        diag_hint(d, "did you mean %s?", env->near);
    return false;
}

#define FAMILY(name, summary)                                                                      \
    {name ".NAME", summary ", as SystemTap's tapset has it", PROBE_SYSCALL, probe_no_alias, NULL,  \
     NULL},                                                                                        \
    {                                                                                              \
        name ".NAME.return", NULL, PROBE_SYSRETURN, probe_no_alias, NULL, NULL                     \
    }

const struct probe_type probe_types_alias[] = {
    {"syscall.NAME", "a system call, as SystemTap's tapset has it", PROBE_SYSCALL, probe_no_alias,
     NULL, NULL},
    {"syscall.NAME.return", "where it returns", PROBE_SYSRETURN, probe_no_alias, NULL, NULL},
    {"nd_syscall.NAME", "the same as syscall.NAME", PROBE_SYSCALL, probe_no_alias, NULL, NULL},
    {"nd_syscall.NAME.return", NULL, PROBE_SYSRETURN, probe_no_alias, NULL, NULL},
    {"syscall_any", "any system call", PROBE_SYSCALL, probe_no_alias, NULL, NULL},
    {"syscall_any.return", "where it returns", PROBE_SYSRETURN, probe_no_alias, NULL, NULL},
    FAMILY("generic.fop", "an operation on a file"),
    FAMILY("ioblock", "a request for blocks"),
    FAMILY("ioblock_trace", "likewise"),
    FAMILY("ioscheduler", "what a queue of requests does"),
    FAMILY("ioscheduler_trace", "likewise"),
    FAMILY("irq_handler", "a handler of interrupts"),
    FAMILY("kprocess", "a process that begins, runs a program, ends"),
    FAMILY("netdev", "what a network device does"),
    FAMILY("scheduler", "what the scheduler does"),
    FAMILY("signal", "what happens to a signal"),
    FAMILY("socket", "an operation on a socket"),
    FAMILY("softirq", "a soft interrupt"),
    FAMILY("tcp", "what TCP does"),
    FAMILY("tty", "what a terminal does"),
    FAMILY("udp", "what UDP does"),
    FAMILY("vfs", "an operation on a file"),
    FAMILY("vm", "what happens to memory"),
    FAMILY("workqueue", "what a queue of work does"),
    {"prometheus", "the file `__prometheus` of procfs is read", PROBE_FILE_READ, probe_no_alias,
     NULL, NULL},
    {"json_data", "the file `data.json` of procfs is read", PROBE_FILE_READ, probe_no_alias, NULL,
     NULL},
    {"tcp.NAME.NAME", NULL, PROBE_SYSCALL, probe_no_alias, NULL, NULL},
    {"tcp.NAME.NAME.return", NULL, PROBE_SYSRETURN, probe_no_alias, NULL, NULL},
    {NULL, NULL, PROBE_NEVER, NULL, NULL, NULL},
};
