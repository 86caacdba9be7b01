/*
 * attach_kind: what handlers are attached to, a row for each kind of event. Compiler and run time
 * ask the row what a handler finds when it runs. How events of a kind are opened and closed stands
 * in one file of load/ a kind (struct attach_ops, load/kinds.h); kinds whose handlers run in user
 * space are served by run/. The order is part of the object format (base/abi.h).
 */
#ifndef BASE_ATTACH_KIND_H
#define BASE_ATTACH_KIND_H

#include <stdbool.h>
#include <stdint.h>

/* What is at hand where a handler runs. */
enum attach_context {
    CONTEXT_SESSION,  /* user space: nothing was interrupted */
    CONTEXT_TICK,     /* struct pt_regs of whatever ran, in the kernel or in a program */
    CONTEXT_FUNCTION, /* struct pt_regs of a program */
    CONTEXT_EVENT,    /* the event's arguments, 64 bits each; a program's registers by its task */
    CONTEXT_SYSCALL,  /* likewise, with enum ngs_call_fact for further arguments */
    CONTEXT_KERNEL,   /* struct pt_regs of the kernel; a program's registers by its task */
    CONTEXT_TRACED,   /* a function's arguments and result, by helpers; likewise */
};

enum attach_flag {
    ATTACH_NO_CODE = 1,    /* handlers may be left out */
    ATTACH_PERIOD = 2,     /* every so many ns */
    ATTACH_PLACES = 4,     /* at functions of modules: obj_probe.place */
    ATTACH_ON_RETURN = 8,  /* where those functions, or system calls, return */
    ATTACH_EVENT = 16,     /* at an event of the kernel's: obj_probe.event */
    ATTACH_EVERYBODY = 32, /* hits of all processes come in, whatever the scope */
    ATTACH_CALLS = 64,     /* at system calls: obj_probe.place, whose vaddr is NGS_CALL(...) */
    ATTACH_KERNEL = 128,   /* those modules are the kernel and its own */
    ATTACH_FILE = 256,     /* a file of the session's is read or written: obj_probe.event */
};

/*
 * X(ID, SECTION, CONTEXT, FLAGS, COST). SECTION: of the object, where its kernel programs lie, as
 * libbpf names it; NULL: handlers run in user space. COST: ns that a hit takes of whoever runs
 * there beside its program, roughly: a tick's interrupt as bench/overhead.sh has it, a tracepoint's
 * loop over programs, a kprobe's trap or jump (samples/kprobes and Documentation/trace/kprobes.rst
 * of the kernel: 0.5 us and less). Breakpoints in programs are measured (load/trap.c).
 */
#define ATTACH_KINDS(X)                                                                            \
    X(BEGIN, NULL, CONTEXT_SESSION, 0, 0)                                                          \
    X(END, NULL, CONTEXT_SESSION, 0, 0)                                                            \
    X(ERROR, NULL, CONTEXT_SESSION, 0, 0)                                                          \
    X(NEVER, NULL, CONTEXT_SESSION, ATTACH_NO_CODE, 0)                                             \
    X(TIMER, NULL, CONTEXT_SESSION, ATTACH_PERIOD, 0)                                              \
    X(PROFILE, "perf_event", CONTEXT_TICK, ATTACH_PERIOD, 2000) /* software CPU clock */           \
    X(UPROBE, "uprobe", CONTEXT_FUNCTION, ATTACH_PLACES, 1000)                                     \
    X(URETPROBE, "uretprobe", CONTEXT_FUNCTION, ATTACH_PLACES | ATTACH_ON_RETURN, 2000)            \
    X(TRACEPOINT, "raw_tracepoint", CONTEXT_EVENT, ATTACH_EVENT | ATTACH_EVERYBODY, 50)            \
    X(SYSCALL, "raw_tp/sys_enter", CONTEXT_SYSCALL, ATTACH_CALLS | ATTACH_EVERYBODY, 100)          \
    X(SYSRETURN, "raw_tp/sys_exit", CONTEXT_SYSCALL,                                               \
      ATTACH_CALLS | ATTACH_ON_RETURN | ATTACH_EVERYBODY, 100)                                     \
    X(RUNNING, NULL, CONTEXT_SESSION, 0, 0) /* for each process at the start; EVENT: path */       \
    X(RUNNING_THREAD, NULL, CONTEXT_SESSION, 0, 0) /* likewise, for each further thread */         \
    X(KPROBE, "kprobe", CONTEXT_KERNEL, ATTACH_PLACES | ATTACH_KERNEL | ATTACH_EVERYBODY, 300)     \
    X(KRETPROBE, "kretprobe", CONTEXT_KERNEL,                                                      \
      ATTACH_PLACES | ATTACH_KERNEL | ATTACH_ON_RETURN | ATTACH_EVERYBODY, 500)                    \
    X(FENTRY, "fentry", CONTEXT_TRACED, ATTACH_PLACES | ATTACH_KERNEL | ATTACH_EVERYBODY, 30)      \
    X(FEXIT, "fexit", CONTEXT_TRACED,                                                              \
      ATTACH_PLACES | ATTACH_KERNEL | ATTACH_ON_RETURN | ATTACH_EVERYBODY, 50)                     \
    X(FILE_READ, NULL, CONTEXT_SESSION, ATTACH_FILE, 0)                                            \
    X(FILE_WRITE, NULL, CONTEXT_SESSION, ATTACH_FILE, 0)

enum probe_kind {
#define ATTACH_ENUM(id, section, context, flags, cost) PROBE_##id,
    ATTACH_KINDS(ATTACH_ENUM)
#undef ATTACH_ENUM
    PROBE_KINDS
};

struct attach_kind {
    const char *section;
    enum attach_context context;
    uint32_t flags; /* enum attach_flag */
    uint32_t cost;  /* ns */
};

/* KIND's row; KIND is below PROBE_KINDS. */
const struct attach_kind *attach_kind(uint32_t kind);

static inline bool attach_in_user_space(uint32_t kind)
{
    return attach_kind(kind)->context == CONTEXT_SESSION;
}

/* Of ngstap's own loop, and not of the kernel's. */
static inline bool attach_is_timer(uint32_t kind)
{
    return attach_in_user_space(kind) && (attach_kind(kind)->flags & ATTACH_PERIOD);
}

static inline bool attach_has(uint32_t kind, enum attach_flag flag)
{
    return (attach_kind(kind)->flags & flag) != 0;
}

#endif
