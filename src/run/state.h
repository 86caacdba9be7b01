/*
 * state: a running session, as the files of this folder share it. run.h is what others see.
 */
#ifndef RUN_STATE_H
#define RUN_STATE_H

#include "base/interrupt.h"
#include "load/peek.h"
#include "run/interp.h"
#include "run/maps.h"
#include "run/run.h"
#include "run/symbols.h"
#include "run/text.h"
#include "run/value.h"

enum { RUN_MAX_ITERS = 64 /* foreach loops within one another */ };

/* What is printed: gathered, then written when a handler or a batch of records is done (output.c).
 */
struct output {
    FILE *f;
    struct text buf;
    bool broken; /* nobody reads: drop it */
};

/* What a file's handler reads or makes: $value. */
struct file_value {
    struct text text;
    size_t max; /* bytes that it may have; TEXT has no more */
};

struct run {
    struct compile *cx;
    const struct object *o;
    struct target *t; /* may be NULL */
    const struct kernel *k;
    const struct run_opts *opts;
    struct session *s; /* NULL: no handler runs in the kernel */
    struct ngs_control *ctl;
    uint8_t *globals;
    void *own; /* control and globals when there is no session */
    struct peek *peek; /* at the kernel's memory; NULL: not asked for yet, or refused */
    bool peeked;
    struct run_map *maps;
    struct symbols *syms;
    struct output out;

    struct vm vm;
    uint8_t *frame;
    uint64_t *hash_key;   /* NGS_HASH_KEY_SIZE(maxstringlen) bytes */
    struct ngs_str *text; /* room for one string */
    uint32_t record_tid;  /* whose hit the record at hand tells of; 0: none */
    const struct obj_probe *probe; /* running */
    struct run_iter *iters[RUN_MAX_ITERS];
    pid_t as; /* the thread that the handler at hand stands for, with its process; 0: as ever */
    pid_t as_process;
    struct process_ids ids; /* of the process that handlers in user space stand for, as last seen */
    struct file_value *value; /* of the file that the handler at hand serves; NULL: of none */
    pid_t *commands; /* system(): not reaped yet */
    uint32_t n_commands;

    struct run_warning *warnings; /* said by the script: warn.c */

    bool exiting;       /* the session is to end */
    bool rests_over;    /* a rest has called exit(): those of later hits do not run */
    bool quit;          /* by exit() in a handler here */
    bool failed;        /* by an error */
    bool ending;        /* end and error handlers run */
    bool aborted;       /* by a second ^C: nothing more is run or printed */
    bool child_changed; /* SIGCHLD came: the command of -c may have ended */
    uint64_t errors;    /* handlers ended by an error, as told by records */
};

/* Functions by file. Each file uses only those above it (tests/lint/circles.sh). */

/* ---- state.c ---- */
/* Ends the session as exit() does: kernel handlers return at once, the loop ends. */
void run_stop(struct run *r);
/* Adds 1 to a counter that kernel handlers add to as well. */
void run_count(uint64_t *counter);

/* ---- commands.c ---- */
/* Starts a shell for COMMAND in the background. False: there is none. */
bool run_command(struct run *r, const char *command);
/* Takes the status of those that have ended. */
void run_commands_reap(struct run *r);

/* ---- signals.c ---- */
/* Takes what is pending. */
void run_signals(struct run *r);

/* ---- output.c ---- */
void output_flush(struct run *r);
/*
 * A line on the error stream, after what was printed before: PREFIX is "WARNING: ", "ERROR: " or
 * "".
 */
void run_err_line(struct run *r, const char *prefix, const char *p, size_t len);
void run_warn(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- warn.c ---- */
/* warn("..."): said once, and with -w not at all. */
void run_script_warning(struct run *r, const char *p, size_t len);
void run_warnings_free(struct run *r);

/* ---- expand.c; RUN is a struct run, so that this is a run_expand_fn (maps.h) ---- */
/* Appends P's bytes with every address mark replaced by its symbol. */
void run_expand(void *run, const char *p, size_t len, struct text *out);

/* ---- memory.c; RUN is a struct run, so that this is a read_fn (text.h) ---- */
/* N bytes of the target's first process, or of the kernel (!USER), whole or false. */
bool run_read_memory(void *run, uint64_t addr, void *buf, size_t n, bool user);
/* How the kernel's memory is read; NULL: it lets nobody do it. */
struct peek *run_peek(struct run *r);
bool run_write_memory(const struct run *r, uint64_t addr, const void *buf, size_t n);
/*
 * Has thread TID mapped ADDR, readable? Handlers in the kernel cannot wait for a page: what is
 * mapped but not touched yet (shared memory that others fill) or swapped out is a fault to them
 * (copy_from_user_nofault).
 */
bool run_is_mapped(uint32_t tid, uint64_t addr);

/* ---- error.c ---- */
/* The message alone, as catch (msg) has it. */
void run_error_message(struct run *r, uint64_t error, uint64_t arg, struct str text,
                       struct text *out);
/* A handler ended by an error: prints it, counts it, ends the session past MAXERRORS. */
void run_script_error(struct run *r, uint64_t error, uint64_t arg, uint64_t loc, struct str text);

/* ---- print.c ---- */
/* A record of the ring buffer or of a user-space handler; SIZE bytes that may hold anything. */
void run_record(struct run *r, const void *data, size_t size);

/* ---- operands.c, arrays.c, ucall.c, helpers.c: helpers.h ---- */

/* ---- handler.c ---- */
/* Sets up what handlers in user space need; false after reporting. run_close also after false. */
bool run_open(struct run *r);
void run_close(struct run *r);
/* Runs P's handler to its end; an error of it is reported like one of the kernel's handlers. */
void run_handler(struct run *r, const struct obj_probe *p);
/* Runs code of P's handler over r->frame, as it is; LOC: of it. */
void run_code(struct run *r, const struct obj_probe *p, uint32_t off, uint32_t len, uint32_t loc);

/* ---- rest.c ---- */
/* Is this record a rest's? Then it has run. */
bool run_rest(struct run *r, const void *data, size_t size);

/* ---- report.c ---- */
/* Since this process was started: how long that is, and how much of it was work (of processors). */
struct report_age {
    double seconds, cpu_seconds;
};
struct report_age report_age(void);
/* Warns of one loss; RUN is a struct run, so that this is a say_fn (load.h). */
void report_loss(void *run, const char *text);
/* Warns of what was lost: errors, skipped hits, cut strings, lost prints, full arrays. */
void report_losses(struct run *r);
/* -v: counts, times and memory. ARMED: when probes were, all 0: it never came to that. */
void report_timing(struct run *r, struct report_age armed);

#endif
