/*
 * state: a running session, as the files of this folder share it. run.h is what others see.
 */
#ifndef RUN_STATE_H
#define RUN_STATE_H

#include "base/interrupt.h"
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
    struct process_ids ids; /* of the process that handlers in user space stand for, as last seen */
    char *tok;              /* tokenize(): what is left */
    size_t tok_len;
    pid_t *commands; /* system(): not reaped yet */
    uint32_t n_commands;

    struct run_warning *warnings; /* said by the script: warn.c */

    bool exiting;       /* the session is to end */
    bool quit;          /* by exit() in a handler here */
    bool failed;        /* by an error */
    bool ending;        /* end and error handlers run */
    bool aborted;       /* by a second ^C: nothing more is run or printed */
    bool child_changed; /* SIGCHLD came: the command of -c may have ended */
    uint64_t errors;    /* handlers ended by an error, as told by records */
};

/* ---- output.c ---- */
void output_flush(struct run *r);
/* "WARNING: ..." on the error stream, after what was printed before. */
void run_warn(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void run_err_line(struct run *r, const char *prefix, const char *p, size_t len);

/* ---- print.c ---- */
/* A record of the ring buffer or of a user-space handler; SIZE bytes that may hold anything. */
void run_record(struct run *r, const void *data, size_t size);
/* A handler ended by an error: prints it, counts it, ends the session past MAXERRORS. */
void run_script_error(struct run *r, uint64_t error, uint64_t arg, uint64_t loc, struct str text);
/* The message alone, as catch (msg) has it. */
void run_error_message(struct run *r, uint64_t error, uint64_t arg, struct str text,
                       struct text *out);
void run_expand(void *r, const char *p, size_t len, struct text *out);

/* ---- warn.c ---- */
/* warn("..."): said once, and with -w not at all. */
void run_script_warning(struct run *r, const char *p, size_t len);
void run_warnings_free(struct run *r);

/* ---- helpers.c, ucall.c ---- */
uint64_t run_helper(struct vm *vm, uint32_t number, const uint64_t args[5]);
uint64_t run_fail(struct run *r, enum ngs_error error, uint64_t arg);
uint64_t run_fail_text(struct run *r, const char *text); /* as error("TEXT") */
bool run_str(struct run *r, uint64_t addr, struct str *out);
struct ngs_str *run_dst(struct run *r, uint64_t addr);
void run_put(struct run *r, struct ngs_str *dst, const char *p, size_t n); /* sets; counts a cut */
uint64_t run_ucall(struct run *r, uint32_t call, const uint64_t *args, uint32_t n, uint64_t dst);
bool run_read_memory(struct run *r, uint64_t addr, void *buf, size_t n, bool user);
void run_reap(struct run *r);

/* ---- handler.c ---- */
bool run_open(struct run *r);
void run_close(struct run *r);
void run_handler(struct run *r, const struct obj_probe *p);
void run_stop(struct run *r); /* as exit() */

/* ---- signal.c ---- */
void run_signals(struct run *r); /* takes what is pending */

#endif
