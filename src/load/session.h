/*
 * session: a loaded object, as the files of this folder share it.
 */
#ifndef LOAD_SESSION_H
#define LOAD_SESSION_H

#include <bpf/libbpf.h>

#include "arch/hit.h"
#include "load/follow.h"
#include "load/load.h"
#include "load/object.h"

/* One open descriptor of breakpoints: a perf event, or a link of many. */
struct uprobe {
    int fd;
    pid_t pid; /* -1: in every process */
    const struct obj_probe *probe;
};

/* The places of a program in one file. */
struct uprobe_set {
    const struct obj_probe *probe;
    const struct module *module;
    int prog;
    uint64_t *offsets, *cookies; /* in the file; indexes in OBJ_PLACES */
    uint64_t *semaphores;        /* in the file; 0: none. NULL: none has any */
    uint32_t n;
    unsigned hits; /* 1 << enum arch_hit of what lies there */
    bool is_out;   /* take_out of struct attach_ops */
};

/* A profile's probe, kept so that its clocks can be moved to CPUs. */
struct clock {
    const struct obj_probe *probe;
    int prog;
};

/*
 * A program on a tracepoint of system calls, which goes on to the program of the call's own, if
 * there is one: several of one call are in as many layers.
 */
struct call_layer {
    uint32_t kind;  /* PROBE_SYSCALL or PROBE_SYSRETURN */
    int table;      /* descriptors: BPF_MAP_TYPE_PROG_ARRAY by NGS_CALL(...) */
    int wanted;     /* ... of an array of one element, as below */
    int hub;        /* ... of the program */
    uint8_t calls[NGS_CALLS]; /* by number: bit 0: there is one; bit 1: ... for 32 bits */
};

/* A process that has run exec, until its modules are found. */
struct unplaced {
    pid_t pid;
    unsigned tries;
    uint64_t due; /* ms of CLOCK_MONOTONIC: when to look at it next */
};

struct scope {
    int map; /* NGS_MAP_SCOPE */
    pid_t *members; /* whose events count, as far as user space has heard; no watched master */
    uint32_t n, cap;
    bool uprobes;    /* there are breakpoints to open */
    bool everywhere; /* opened for everybody */
    bool everybody;  /* hits of all processes come in, by events that cannot be opened for some */
    bool several;    /* processes are named */
    bool follows;    /* the kernel tells what forks, ends, runs exec */
    struct follow follow;
    struct ring_buffer *ring;
    int epoll, timer;          /* what session_follow waits for */
    struct unplaced *unplaced; /* layout.c */
    uint32_t n_unplaced;
    uint64_t late;  /* processes that began, and were opened for a little after */
    uint64_t execs; /* that were told */
};

/* A part of a file whose code somebody runs, and the file's rows (struct ngs_range); n_blocks 0: it
 * has none. */
struct spaces_file {
    uint64_t dev, ino, offset; /* as mappings have them */
    uint64_t vaddr;            /* of what is at OFFSET, by the file's own addresses */
    uint32_t rows, blocks, n_blocks, first_block;
    uint32_t number;             /* of the whole file, as places have it; 0: none */
    const struct module *module; /* the file as names are looked up in it; NULL: it is none */
};
struct spaces {
    bool is_open;
    int map;         /* NGS_MAP_SPACES */
    int rows;        /* NGS_MAP_ROWS; -1: nothing walks a stack */
    uint32_t n_rows, max_rows; /* and blocks */
    struct spaces_file *files;
    uint32_t n_files;
    uint32_t n_numbers;
    uint64_t due, turn_due, wait; /* ms of CLOCK_MONOTONIC: spaces_watch's next looks */
    uint32_t turn;                /* whose it is: of the scope's members, or of those seen */
    /* where nobody is named: those that were seen, as they asked; the oldest is replaced */
    struct ngs_unmapped *seen;
    uint32_t n_seen, oldest;
};

/* What was taken out of NGS_MAP_STACKS and NGS_MAP_TEXTS. */
struct stacks {
    struct kept *kept, *texts;
    size_t bytes;
    uint64_t taken, texts_taken; /* as often as one was */
};

/* Processes whose returns the kernel has left out. */
enum { NESTING_PIDS = 64 };
struct nesting {
    int log; /* the kernel's; -1: not read */
    pid_t pids[NESTING_PIDS];
    uint32_t n;
};

/* Probes that go over their budget. */
struct overload_probe {
    bool told;      /* its user knows that hits are left out */
    bool was_out;   /* its events were taken out */
    uint64_t *hits; /* by CPU, at the last look; NULL: there was none */
    bool pair;      /* is_paired of struct attach_ops */
};
struct overload {
    int map; /* NGS_MAP_SPENT; -1: none has one */
    uint32_t cpus;
    struct ngs_spent *values; /* room for one of each CPU */
    uint64_t *shares;         /* likewise */
    struct overload_probe *probes;
    uint64_t seen;            /* the control's count, when it was looked at */
    /* ns of a breakpoint, and of one that waits for the return, too */
    uint32_t traps[ARCH_HITS][2];
    int timer;
    bool *hot;    /* by probe: its events are out for most of the time */
    bool is_hot;  /* that of any is */
    bool is_in;   /* they are not out for a moment */
    uint64_t since, due, looked; /* ns: of IS_IN or not; of its end; of the last look */
    uint64_t out_ns;             /* for which they were out before */
};

struct session {
    struct compile *cx;
    const struct object *o;
    struct target *t;
    struct bpf_object *obj;      /* NULL: nothing in the kernel */
    struct ngs_control *control; /* mmap'ed: of the map, or anonymous */
    void *globals;
    size_t globals_size;     /* 0: not mapped */
    void *hash_key;          /* NGS_HASH_KEY_SIZE(MAXSTRINGLEN) bytes */
    struct module **modules; /* by OBJ_MODULES index: the target's; NULL: it does not have it */
    int *events;             /* perf events of clocks that are armed */
    uint64_t period;         /* ns of their ticks; 0: as the probes say */
    uint32_t n_events;
    int *tracepoints; /* tracepoint.c, syscall.c, kprobe.c */
    uint32_t n_tracepoints;
    struct call_layer *layers; /* syscall.c */
    uint32_t n_layers;
    struct uprobe *uprobes; /* uprobe.c */
    uint32_t n_uprobes;
    struct uprobe_set *sets;
    uint32_t n_sets;
    bool multi, kprobe_multi, cookies; /* what the kernel has of it */
    bool sparse; /* likewise: maps that take memory as they fill, in programs of ticks, too */
    struct scope scope;
    struct spaces spaces;
    struct stacks stacks;
    const struct symbol_source *source; /* load_symbols; NULL: none */
    struct nesting nesting;
    struct overload overload;
    struct clock *clocks;
    uint32_t n_clocks;
    bool clocks_on_cpus;              /* in a scope: since threads come and go too fast */
    uint64_t births_before;           /* threads that began while clocks were on threads */
    uint64_t births_seen, watched_ns; /* clock_watch's last look */
    uint64_t load_ns;
};

/* Fills SESSION->modules and the control's biases (modules.c); false after reporting. */
bool load_modules(struct session *s);

/* ---- event.c ---- */
struct perf_event_attr;

/* The program of that probe; NULL: the object has none in its kind's section. */
struct bpf_program *attach_program_of(const struct session *s, uint32_t probe);

/*
 * Opens one perf event of a clock, runs program PROG (a descriptor) on it, and keeps it in
 * SESSION->events. False and errno.
 */
bool attach_event(struct session *s, struct perf_event_attr *attr, pid_t pid, int cpu, int prog);
/*
 * Runs program PROG on EVENT, which it takes over; COOKIE: what the program is told of it, NULL:
 * nothing. A descriptor that holds both, or -1 and errno.
 */
int attach_program(int event, int prog, const uint64_t *cookie);
/* Closes events from the FIRST on. */
void attach_undo(struct session *s, uint32_t first);
/*
 * Closes N descriptors on a thread, in their order: closing a breakpoint takes the kernel a tenth
 * of a second and more.
 */
void attach_close_later(const int *fds, uint32_t n);
bool attach_is_closing(void); /* some are not closed yet */
/* Reports that P cannot be armed because of WHAT, with what can be done about ERR (an errno). */
bool attach_failed(const struct session *s, const struct obj_probe *p, const char *what, int err);
const char *attach_name(const struct session *s, const struct obj_probe *p); /* as pp() shows it */

/* ---- replaced.c: addresses of programs that breakpoints have replaced ---- */

bool replaced_are_returns(const struct session *s); /* a probe of the object's replaces callers' */
void replaced_find(struct session *s);              /* where the kernel keeps what they were */

/* ---- nesting.c: returns that the kernel leaves out ---- */
void nesting_init(struct nesting *n);
void nesting_start(struct session *s); /* from here on they are looked for */
void nesting_look(struct session *s);  /* before it is forgotten which processes there were */
bool nesting_text(struct session *s, char *text, size_t size); /* false: there were none */
void nesting_stop(struct session *s);

/* ---- account.c ---- */
bool account_open(struct session *s); /* after loading; false after reporting */
/* A probe's account of each CPU, into or out of overload.values; false: it has none. */
bool account_read(const struct session *s, uint32_t probe);
/* What handlers add meanwhile is lost. */
void account_write(const struct session *s, uint32_t probe);
/* From now on a hit of P costs NS beside its handler; before P is armed. */
void account_cost(const struct session *s, const struct obj_probe *p, uint32_t ns);

/* ---- overload.c ---- */
bool overload_open(struct session *s); /* after that; false after reporting */
void overload_armed(struct session *s); /* when all is */
void overload_close(struct session *s);
void overload_losses(const struct session *s, say_fn *say, void *arg);

/* ---- trap.c ---- */
/* What a hit of a breakpoint of KIND costs in ns, beside its program. */
uint32_t trap_cost(struct session *s, uint32_t kind, enum arch_hit hit);

/* ---- scope.c ---- */

bool load_scoped(const struct session *s); /* processes are named: others do not count */
void scope_init(struct scope *c);
/* Finds the scope's map and puts the named processes into it; false after reporting. */
bool scope_open(struct session *s);
/*
 * Adds their descendants. A fork while /proc is read is seen by the kernel's programs if its parent
 * is in the map, else by the next reading.
 */
void scope_add_descendants(struct session *s);
/* PID counts, or has ended, as far as user space knows. */
void scope_remember(struct scope *c, pid_t pid);
void scope_forget(struct scope *c, pid_t pid);
/*
 * Does a process outside of the scope map a probed file? Answers yes when that takes too long or
 * not all processes can be seen.
 */
bool scope_is_shared(struct session *s);
/*
 * Takes named processes out that are not what was found: another process may have got the pid, and
 * our events with it. True: there are none.
 */
bool scope_drop_replaced(struct session *s);
/* Processes whose hits count, as far as user space has heard; a watched master is none. */
const pid_t *scope_members(const struct session *s, uint32_t *n);
/* Processes to open breakpoints for; *N is 0: open them for everybody. */
const pid_t *load_scope_pids(const struct session *s, uint32_t *n);

/* ---- track.c ---- */

bool track_start(struct session *s); /* before anything is armed; false after reporting */
void track_armed(struct session *s); /* when all is */
void track_stop(struct session *s);

/* ---- spaces.c: what stacks of programs are walked by ---- */

/* For the processes of the scope; false after reporting. */
bool spaces_open(struct session *s);
void spaces_close(struct session *s);
/* PID runs what it has mapped now; false: that was known. */
bool spaces_add(struct session *s, pid_t pid);
/* Looks for what is mapped since, now and then; true: there is something. */
bool spaces_watch(struct session *s);
void spaces_drop(struct session *s, pid_t pid);

/* ---- stacks.c: stacks that scripts hold as numbers ---- */

/* To be called now and then: makes room for more. */
void stacks_watch(struct session *s);
void stacks_close(struct session *s);

/* ---- layout.c: where modules lie in processes that have run exec ---- */

bool layout_open(struct session *s);
void layout_close(struct session *s);
void layout_start(struct session *s); /* for processes that are there already */
void layout_wanted(struct session *s, pid_t pid);
void layout_unwanted(struct session *s, pid_t pid);
void layout_try(struct session *s);

#endif
